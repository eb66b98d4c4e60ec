"""The notices of a plan: what its steps do not show, such as unmanaged objects, unused approvals and long rewrites."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

from turso_deploy.catalog.catalog import HISTORY_TABLE, Catalog
from turso_deploy.catalog.column_order import tables_in_another_order
from turso_deploy.catalog.rows import NO_TEXT
from turso_deploy.core.errors import Place
from turso_deploy.core.text import MAX_NAMES, capitalized, enumerated
from turso_deploy.deploy.deployment import Deployment
from turso_deploy.history.last_deployment import managed_names
from turso_deploy.history.table import unique_indexes, writing_triggers
from turso_deploy.pending.approvals import left_over_approvals
from turso_deploy.pending.changes import PendingChanges
from turso_deploy.pending.write_estimate import RewrittenTable
from turso_deploy.plan.hazards import Approval
from turso_deploy.plan.plan import UnmatchedRename, UnusedBackfill
from turso_deploy.plan.steps import StepKind, is_missing_function, objects_of
from turso_deploy.project.project import Project
from turso_deploy.project.scripts import SkippedScript
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.schema import Schema, SchemaObject, Table, title


def notices_of(deployment: Deployment, pending: PendingChanges) -> tuple[str, ...]:
    """Return the notices of a deployment and its pending changes."""
    is_file = deployment.database.address.startswith("file:")
    return (
        *plan_notices(deployment.project, pending, deployment.approvals),
        *(_long_rewrite_notice(table, is_file=is_file) for table in pending.rewritten if table.is_long),
    )


def plan_notices(project: Project, pending: PendingChanges, approvals: Sequence[Approval]) -> tuple[str, ...]:
    """Return the notices of pending changes that do not depend on the database."""
    plan = pending.plan
    return (
        *project.notices,
        *(project.unknown_functions() if pending.state.engine is None else ()),
        *unmanaged_notices(plan.unmanaged),
        *_broken_notices(plan.broken),
        *text_notices(pending.state.catalog),
        *_managed_notices(pending, project.wanted),
        *column_order_notices(project.wanted, plan.predicted.schema, objects_of(plan.steps, StepKind.ADD_COLUMN)),
        *(f"{capitalized(text)}; only the case differs, which is left as it is." for text in plan.case_differences),
        *map(_unmatched_rename_notice, plan.unmatched_renames),
        *map(_unused_backfill_notice, plan.unused_backfills),
        *(notice.message for notice in left_over_approvals(project, pending.hazards, approvals)),
        *map(_skipped_notice, pending.skipped),
        *_resumed_notices(pending),
        *_removed_seeds_notices(project, pending),
    )


def _skipped_notice(skipped: SkippedScript) -> str:
    name, missing = skipped.script.name, skipped.missing
    if missing is None:
        return f"The script {name} is for existing databases only; in this new one it is recorded as run."
    return (
        f"The script {name} is not needed, and is recorded as run: the database has no {missing.title}, which the "
        f"script needs ({missing.place})."
    )


def unmanaged_notices(objects: Sequence[SchemaObject]) -> Iterator[str]:
    """Yield a notice of the objects that are not in the schema folder and were never deployed."""
    if objects:
        yield f"In the database and not in the schema folder, left as it is: {', '.join(map(title, objects))}."


def text_notices(catalog: Catalog) -> Iterator[str]:
    """Yield a notice of the definitions in a file that have bytes which are not UTF-8."""
    if names := [f"{row.kind} {row.name}" for row in catalog.rows if row.sql and NO_TEXT.search(row.sql)]:
        yield (
            f"In the database with bytes that are not UTF-8, which another program wrote: {', '.join(names)}. Each is "
            "left as it is, unless the schema folder defines it."
        )


def _broken_notices(broken: Mapping[str, str]) -> Iterator[str]:
    """Yield a notice of the objects of others that did not work before."""
    if broken:
        found = (f"{name} ({reason})" for name, reason in sorted(broken.items()))
        lacks_function = any(map(is_missing_function, broken.values()))
        hint = " The program that created it may bring the function." if lacks_function else ""
        yield f"Broken already, not in the schema folder, and left as it is: {', '.join(found)}.{hint}"


def history_notices(catalog: Catalog) -> Iterator[str]:
    """Yield notices of the triggers and the unique indexes with which no deployment is possible."""
    if names := writing_triggers(catalog):
        yield f"Triggers are on {HISTORY_TABLE}, or write to it, which blocks every deployment: {', '.join(names)}."
    if names := unique_indexes(catalog):
        yield f"Unique indexes are on {HISTORY_TABLE}, which blocks every deployment: {', '.join(names)}."


def column_order_notices(wanted: Schema, live: Schema, appended_to: Set[str] = frozenset()) -> Iterator[str]:
    """Yield a notice of the tables with another order of columns than in the schema folder.

    `live` is the schema of the database, or that after a plan; `appended_to` are the folded names of the tables to
    which the plan appends columns.
    """
    for is_new, what in (
        (False, "Columns are in another order in the database than in the schema folder"),
        (True, "Columns are appended, and will be in another order in the database than in the schema folder"),
    ):
        found = [
            f"table {table.name} ({_columns_in_order(other, table)} instead of {_columns_in_order(table, other)})"
            for table, other in tables_in_another_order(wanted, live)
            if (fold_case(table.name) in appended_to) is is_new
        ]
        if found:
            yield (
                f"{what}: {enumerated(found, 'table')}. Statements that name no columns, such as "
                "`INSERT INTO t VALUES (…)`, depend on the order: name the columns in them."
            )


def _columns_in_order(table: Table, other: Table) -> str:
    """Return the names of the columns from the first to the last that has another position in the other table."""
    names = [column.name for column in table.definition.columns]
    keys, others = list(table.definition.by_name), list(other.definition.by_name)
    moved = [position for position, (key, other_key) in enumerate(zip(keys, others, strict=True)) if key != other_key]
    first, last = moved[0], min(moved[-1], moved[0] + MAX_NAMES - 1)
    before, after = "…, " if first > 0 else "", ", …" if last < len(names) - 1 else ""
    return f"{before}{', '.join(names[first : last + 1])}{after}"


def _managed_notices(pending: PendingChanges, wanted: Schema) -> Iterator[str]:
    """Yield a notice of the existing objects that are managed from now on."""
    if not pending.history_is_outdated:
        return
    managed = set(map(fold_case, pending.state.managed))
    existing = {fold_case(title(item)) for item in pending.state.catalog.schema.objects()}
    names = sorted(
        name for name in managed_names(wanted) if fold_case(name) in existing and fold_case(name) not in managed
    )
    if names:
        yield (
            "Already in the database, and managed from this deployment on, so that it is dropped when it is removed "
            f"from the schema folder: {enumerated(names)}."
        )


def _long_rewrite_notice(table: RewrittenTable, *, is_file: bool) -> str:
    sentence = f"{table.table} has {table.rows:,} rows, which are all written in one transaction."
    if is_file:
        return f"{sentence} No other connection can write to the file meanwhile: deploy while others write little."
    return (
        f"{sentence} A libSQL server takes the write lock away from a transaction after 5 seconds if another writer "
        "waits: deploy while others write little. If that happens, nothing is changed, and the deployment can be run "
        "again."
    )


def _unmatched_rename_notice(rename: UnmatchedRename) -> str:
    return (
        f"{_is_skipped('@renamed', f'{rename.kind} {rename.title}', rename.place)}: the database has no "
        f"{rename.old_name}, so a new {rename.kind} is created. If another name was meant, correct the comment before "
        "deploying."
    )


def _unused_backfill_notice(backfill: UnusedBackfill) -> str:
    skipped = _is_skipped("@using", f"column {backfill.column}", backfill.place)
    if backfill.replaced:
        return f"{skipped}: the table replaces a virtual table, whose rows are not kept, so there are none to backfill."
    return (
        f"{skipped}: it backfills a column that is new, or whose type, NOT NULL or STRICT changes, and only once. "
        "The live table was already created with this comment. To change existing values, use a one-time script."
    )


def _is_skipped(directive: str, item: str, place: Place | None) -> str:
    return f"The comment {directive} at the {item}{f' ({place})' if place else ''} is skipped"


def _removed_seeds_notices(project: Project, pending: PendingChanges) -> Iterator[str]:
    """Yield a notice of the tables whose seed file is gone. A rollback has no seed files, and changes no seeds."""
    if project.earlier:
        return
    last, plan = pending.state.last_deployment, pending.plan
    seeded = {fold_case(plan.old_names.get(fold_case(seed.table), seed.table)) for seed in project.seeds}
    dropped = plan.dropped_tables
    existing = pending.state.catalog.schema.all_tables.keys()
    names = [
        table
        for table in sorted(last.seeds if last else ())
        if fold_case(table) in existing and fold_case(table) not in seeded and fold_case(table) not in dropped
    ]
    if names:
        yield f"The seed files of these tables are gone, and the rows stay in the database: {', '.join(names)}."


def _resumed_notices(pending: PendingChanges) -> Iterator[str]:
    if tables := [seed.table for seed in pending.seeds if seed.before]:
        yield (
            f"A deployment stopped while it wrote these seeds: {', '.join(tables)}. It is resumed: the rows that are "
            "already written are not written again, and the checks of rows follow."
        )
