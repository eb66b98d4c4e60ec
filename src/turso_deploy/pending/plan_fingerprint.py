"""The fingerprint of a plan: equal for two plans if the same would be deployed to databases that mean the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import sha256

from turso_deploy.catalog.diff import with_explicit_references
from turso_deploy.pending.changes import PendingChanges
from turso_deploy.plan.hazards import Hazard
from turso_deploy.project.project import Project
from turso_deploy.sql.definitions import Check, ColumnDefinition, ComparedByMeaning
from turso_deploy.sql.lexer import SqlTextError, canonical_tokens, fold_case, read_column_title
from turso_deploy.sql.schema import AnyTable, Schema, Table, key_of

_FORM = 1
"""Number of the form of the fingerprint. It changes whenever equal plans would get another one."""


def plan_fingerprint(project: Project, pending: PendingChanges) -> str:
    """Return a SHA-256 over what a plan depends on, and over its hazards.

    It covers the live schema with the unmanaged objects, the wanted schema with its directives, the version, the seeds
    and what is left of them, the scripts that will run, and each hazard by name, object and whether its count is zero.
    Spelling, row counts above zero, times and the address of the database make no difference.
    """
    known: dict[str, str] = {}
    policies = {fold_case(name): policy.existing for name, policy in project.manifest.seeds.items()}
    content = {
        "form": _FORM,
        "live": dict(_objects(pending.state.catalog.schema, known)),
        "managed": sorted(map(fold_case, pending.state.managed)),
        "wanted": dict(_objects(project.wanted, known)),
        "directives": dict(_directives(project.wanted)),
        "version": project.manifest.schema_version,
        "seeds": sorted([fold_case(seed.table), seed.fingerprint] for seed in project.seeds),
        "policies": policies,
        "pending seeds": sorted([fold_case(seed.table), seed.fingerprint, seed.before] for seed in pending.seeds),
        "scripts": [[script.name, script.checksum] for script in pending.scripts],
        "skipped": sorted(skipped.script.name for skipped in pending.skipped),
        "hazards": sorted(map(_hazard, pending.hazards)),
    }
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode(errors="surrogatepass")).hexdigest()


def _objects(schema: Schema, known: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the kind and the name of each object, and its meaning as JSON; the columns of a table in their order.

    `known` holds the meanings of statements, of which the live and the wanted schema share most.
    """
    for item in schema.objects():
        explicit = with_explicit_references(item, schema)
        meaning = known.get(item.sql) if explicit is item else None
        if meaning is None:
            columns = list(item.definition.by_name) if isinstance(item, Table) else []
            meaning = json.dumps([type(item).__name__, columns, _plain(explicit.definition)])
            if explicit is item:
                known[item.sql] = meaning
        yield " ".join(key_of(item)), meaning


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


def _directives(schema: Schema) -> Iterator[tuple[str, object]]:
    """Yield the directives of each table that has any: of the table itself and of its columns."""
    for name, table in schema.all_tables.items():
        if found := _directives_of(table):
            yield name, found


def _directives_of(table: AnyTable) -> list[list[object]]:
    by_name = {"": table.directives.table, **table.directives.columns}
    return [
        [fold_case(name), fold_case(one.renamed_from or ""), _tokens(one.using or "")]
        for name, one in sorted(by_name.items())
        if one.renamed_from or one.using
    ]


def _tokens(expression: str) -> list[str]:
    try:
        return list(canonical_tokens(expression))
    except SqlTextError:
        return [expression]


def _hazard(hazard: Hazard) -> list[object]:
    return [str(hazard.name), *map(fold_case, read_column_title(hazard.object)), hazard.rows == 0]
