"""The fingerprint of a plan: equal for two plans if the same would be deployed to databases that mean the same."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from turso_deploy.catalog.diff import with_explicit_references
from turso_deploy.pending.changes import PendingChanges
from turso_deploy.pending.plan_memo import remembered
from turso_deploy.plan.hazards import Approval, Hazard
from turso_deploy.project.project import EarlierDeployment, Project
from turso_deploy.sql.definitions import Check, ColumnDefinition, ComparedByMeaning
from turso_deploy.sql.lexer import SqlTextError, canonical_tokens, fold_case
from turso_deploy.sql.schema import AnyTable, Schema, SchemaObject, Table, key_of
from turso_deploy.stored_plan.content import AFFECTED, NONE, PlanContent, checksum
from turso_deploy.stored_plan.expected_plan import MadePlan

_TABLE_PARTS = ("primary key", "unique constraints", "checks", "foreign keys", "strict", "without rowid", "rowids")


def plan_content(project: Project, pending: PendingChanges) -> PlanContent:
    """Return what a plan depends on, and its hazards.

    It covers the live schema with the unmanaged objects, the wanted schema with its directives, the version, the seeds
    and what is left of them, the scripts that will run, and each hazard by name, object and whether its count is zero.
    Spelling, row counts above zero, times and the address of the database make no difference.
    """
    known: dict[str, dict[str, str]] = {}
    return PlanContent(
        live=dict(_objects(pending.state.catalog.schema, known)),
        managed=sorted(map(fold_case, pending.state.managed)),
        wanted=dict(_objects(project.wanted, known)),
        directives=dict(_directives(project.wanted)),
        version=project.manifest.schema_version,
        seeds={fold_case(seed.table): seed.fingerprint for seed in project.seeds},
        policies={fold_case(name): policy.existing for name, policy in project.manifest.seeds.items()},
        pending_seeds={fold_case(seed.table): seed.before for seed in pending.seeds},
        scripts={script.name: script.checksum for script in pending.scripts},
        skipped=sorted(skipped.script.name for skipped in pending.skipped),
        hazards=_hazards(pending.hazards),
        rollback=_rollback(project.earlier) if project.earlier else {},
    )


def fingerprint_of_plan(project: Project, pending: PendingChanges) -> str:
    """Return the fingerprint of the content of a plan."""
    schema = pending.state.catalog.schema
    return remembered(
        "fingerprint",
        lambda: (
            id(project),
            id(schema),
            pending.state.managed,
            tuple((seed.table, seed.before) for seed in pending.seeds),
            tuple((script.name, script.checksum) for script in pending.scripts),
            tuple(skipped.script.name for skipped in pending.skipped),
            tuple((hazard.name, hazard.object, hazard.rows == 0) for hazard in pending.hazards),
        ),
        (project, schema),
        lambda: plan_content(project, pending).fingerprint,
    )


def made_plan(project: Project, pending: PendingChanges, approvals: Sequence[Approval] = ()) -> MadePlan:
    """Return the plan as it is made now, to compare it with an expected one."""
    return MadePlan(
        plan_content(project, pending),
        pending.state.last_deployment,
        pending.hazards,
        tuple(step.title for step in pending.plan.all_steps),
        pending.nothing_to_do,
        pending.further_answers,
        approvals,
    )


def _objects(schema: Schema, known: dict[str, dict[str, str]]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield kind and name of each object, and the checksums of its parts.

    `known` holds the parts of statements, of which the live and the wanted schema share most.
    """
    for item in schema.objects():
        explicit = with_explicit_references(item, schema)
        parts = known.get(item.sql) if explicit is item else None
        if parts is None:
            parts = {name: checksum(meaning) for name, meaning in _parts(explicit)}
            if explicit is item:
                known[item.sql] = parts
        yield " ".join(key_of(item)), parts


def _parts(item: SchemaObject) -> Iterator[tuple[str, object]]:
    """Yield the parts of an object with their meanings: of a table its columns, their order, and its rules."""
    if not isinstance(item, Table):
        yield "definition", [type(item).__name__, _plain(item.definition)]
        return
    _, columns, *rules = item.definition.meaning()
    assert isinstance(columns, Mapping)
    yield "order of columns", list(columns)
    for name, column in columns.items():
        yield f"column {name}", _plain(column)
    yield from zip(_TABLE_PARTS, map(_plain, rules), strict=True)


def _plain(value: object) -> object:
    """Return the meaning of a part of a definition as JSON, without spelling and without the order of sets."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, ColumnDefinition):
        return _plain_column(value.meaning())
    if isinstance(value, ComparedByMeaning):
        return _plain(value.meaning())
    if isinstance(value, Check):
        return list(value.expression)
    if isinstance(value, Mapping):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, frozenset):
        return sorted(map(_plain, value), key=json.dumps)
    assert isinstance(value, tuple), type(value)
    return list(map(_plain, value))


@lru_cache(maxsize=1_000)
def _plain_column(meaning: tuple[object, ...]) -> object:
    """Return the meaning of a column as JSON; a large schema has many columns that are alike."""
    return json.dumps(_plain(meaning))


def _directives(schema: Schema) -> Iterator[tuple[str, str]]:
    """Yield the directives of each table that has any, and of its columns."""
    for name, table in schema.all_tables.items():
        yield from _directives_of(name, table)


def _directives_of(name: str, table: AnyTable) -> Iterator[tuple[str, str]]:
    by_name = {"": table.directives.table, **table.directives.columns}
    for column, one in by_name.items():
        if one.renamed_from or one.using:
            shown = f"{name}.{fold_case(column)}" if column else name
            yield shown, checksum([fold_case(one.renamed_from or ""), _tokens(one.using or "")])


def _tokens(expression: str) -> list[str]:
    try:
        return list(canonical_tokens(expression))
    except SqlTextError:
        return [expression]


def _rollback(earlier: EarlierDeployment) -> dict[str, str]:
    terms = {"run-again": earlier.run_again, "keep-done": earlier.keep_done}
    scripts = {f"script {name}": term for term, names in terms.items() for name in names}
    return {"number": str(earlier.number), **scripts}


def _hazards(hazards: Iterable[Hazard]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for hazard in hazards:
        found.setdefault(f"{hazard.name} {fold_case(hazard.object)}", []).append(NONE if hazard.rows == 0 else AFFECTED)
    return {name: sorted(counts) for name, counts in found.items()}
