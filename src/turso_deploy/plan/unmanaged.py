"""Protection of objects: new ones work after a plan, and what worked before still does, and means the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import replace
from typing import NamedTuple

from turso_deploy.catalog.catalog import HISTORY_TABLE, Catalog, vector_shadows
from turso_deploy.catalog.column_order import depending_on_column_order
from turso_deploy.catalog.diff import Change, Difference, Managed
from turso_deploy.catalog.error_location import locate
from turso_deploy.catalog.integrity import broken_objects, find_fault, find_fault_of_event
from turso_deploy.catalog.rows import CatalogRow
from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.core.errors import Cause, ErrorCode, PlanError
from turso_deploy.plan.hazards import Hazard, HazardName
from turso_deploy.plan.steps import HINT_ABOUT_FUNCTIONS, Step, StepKind, impossible, is_missing_function
from turso_deploy.plan.table_change import TableChange, is_rowid
from turso_deploy.sql.comments import renamed_from
from turso_deploy.sql.definitions import ROWID_NAMES, TableDefinition
from turso_deploy.sql.identifiers import identifiers_in, names_in_double_quotes
from turso_deploy.sql.lexer import as_written, column_title, fold_case, quote_identifier
from turso_deploy.sql.schema import (
    AnyTable,
    Index,
    Schema,
    SchemaObject,
    Table,
    Trigger,
    View,
    VirtualTable,
    key_of,
    place_in,
    title,
)


class Faults(NamedTuple):
    """What does not work before a plan: kind and name of the objects, each with SQLite's message.

    `of_others` are those that are not in the schema folder and contain the missing name. `must_work` are the new and
    changed triggers of the folder on whose tables the same action works before.
    """

    before: Mapping[str, str]
    of_others: Mapping[str, str]
    must_work: Set[str]
    new: Set[str]
    """All new and changed objects of the folder."""


def faults_before(live: Schema, wanted: Schema, difference: Difference, scratch: Scratch) -> Faults:
    """Return the faults of a live schema, with the ignored objects. `scratch` holds it."""
    found = broken_objects(live, scratch)
    own = set(map(title, wanted.objects()))
    others = ((title(item), item.sql) for item in live.objects() if title(item) not in own)
    of_others = {name: found[name] for name, sql in others if name in found and locate(sql, found[name]) is not None}
    new = {title(change.object): change.object for change in (*difference.missing, *difference.changed)}
    triggers = {name: item for name, item in new.items() if isinstance(item, Trigger)} if found else {}
    must_work = {name for name, item in triggers.items() if find_fault_of_event(item, live, scratch) is None}
    return Faults(found, of_others, must_work, new.keys())


def check_nothing_breaks(
    schema: Schema, wanted: Schema, scratch: Scratch, faults: Faults, *, only_tables: bool
) -> None:
    """Try all objects in the scratch database after the plan; `only_tables` if nothing can have broken another object.

    What others have broken already stops nothing. Raises PlanError (`plan-impossible`).
    """
    if only_tables:
        schema = replace(schema, views={}, triggers={})
    found = broken_objects(schema, scratch)
    hidden = _hidden_faults(schema, wanted, scratch, faults, found)
    found |= hidden
    # Other triggers of the same event and readers of a view fail too: the cause is the object that contains the missing
    # name.
    items = {title(item): item for item in schema.objects()}
    at_fault = {name for name, reason in found.items() if locate(items[name].sql, reason) is not None}
    new = at_fault | faults.must_work
    known = set(faults.before.values())
    broken = [
        name
        for name in found
        if name in hidden or (name not in faults.before and (name in new or found[name] not in known))
    ]
    if not broken:
        return
    own = {title(item): item for item in wanted.objects()}
    lacking = [name for name in broken if name in own and name in at_fault and is_missing_function(found[name])]
    if not lacking:
        name = next((name for name in broken if name in at_fault), broken[0])
        would_fail = "would not work" if name in faults.new else "would no longer work"
        raise impossible(f"{name} {would_fail}", found[name], own[name].place if name in own else None)
    causes = [
        Cause(
            f"{name} would not work: {found[name]}",
            place_in(own[name].sql, locate(own[name].sql, found[name]), own[name].place),
        )
        for name in lacking
    ]
    raise PlanError(
        ErrorCode.PLAN_IMPOSSIBLE,
        f"The plan cannot be carried out: {'; '.join(cause.message for cause in causes)}.",
        hint=HINT_ABOUT_FUNCTIONS,
        place=causes[0].place,
        causes=causes,
    )


def _hidden_faults(
    schema: Schema, wanted: Schema, scratch: Scratch, faults: Faults, found: Mapping[str, str]
) -> Mapping[str, str]:
    """Return the faults of triggers of the folder that a broken trigger of others, on the same action, hides."""
    reasons = faults.of_others.values()
    triggers = (item for item in wanted.triggers.values() if title(item) in faults.new)
    hidden = [item for item in triggers if found.get(title(item)) in reasons]
    others = [item for item in schema.triggers.values() if title(item) in faults.of_others]
    if not (hidden and others):
        return {}
    scratch.run("BEGIN")
    for other in others:
        scratch.run(f"DROP TRIGGER {quote_identifier(other.name)}")
    alone = {title(item): find_fault(item, schema, scratch) for item in hidden}
    scratch.run("ROLLBACK")
    return {name: reason for name, reason in alone.items() if reason is not None}


def check_history_name_is_free(catalog: Catalog) -> None:
    """Find an object of the user that has the name of the deployment history. `catalog` is the one after the plan.

    Raises PlanError (`plan-impossible`).
    """
    kinds = [row.kind for row in catalog.rows if fold_case(row.name) == HISTORY_TABLE and row.kind != "trigger"]
    if kinds and not catalog.has_history:
        rename = (
            f"Write `{renamed_from(HISTORY_TABLE)}` above its CREATE TABLE with another name in the schema folder, and "
            f"the deployment renames it; or rename it by hand: ALTER TABLE {HISTORY_TABLE} RENAME TO …"
        )
        raise PlanError(
            ErrorCode.PLAN_IMPOSSIBLE,
            f"The {kinds[0]} {HISTORY_TABLE} of the database is not the deployment history of turso-deploy, which is a "
            "table of that name.",
            hint=rename if kinds[0] == "table" else f"Drop the {kinds[0]} by hand, or create it under another name.",
        )


def check_parents_exist(schema: Schema, changes: Iterable[Change]) -> None:
    """Find new foreign keys that refer to a missing table: an ignored one that the folder defines.

    `schema` is the schema after the plan, with the ignored objects. Raises PlanError (`plan-impossible`).
    """
    for table, live in changes:
        if isinstance(table, Table):
            known = live.definition.foreign_keys if isinstance(live, Table) else ()
            for key in table.definition.foreign_keys:
                if key.parent not in schema.all_tables and key.parent not in {old.parent for old in known}:
                    reason = f"no such table: {as_written(key.parent)}, which a pattern under `ignore:` covers"
                    raise impossible(f"{title(table)} would not work", reason, table.place)


def check_nothing_is_lost(
    before: Schema, after: Schema, removed: Sequence[SchemaObject], steps: Sequence[Step]
) -> None:
    """Find indexes, views and triggers that are missing after the plan, but neither `removed` nor listed by a hazard.

    Raises PlanError (`plan-impossible`).
    """
    known = {fold_case(title(item)) for item in (*after.objects(), *removed)}
    known |= {fold_case(name) for step in steps for hazard in step.hazards for name in hazard.unmanaged}
    for item in before.objects():
        if not isinstance(item, AnyTable) and fold_case(title(item)) not in known:
            raise impossible(f"{title(item)} would be dropped", "it cannot exist on the new form of its table", None)


def check_meaning_stays(
    schema: Schema, wanted: Schema, changes: Mapping[str, TableChange], renames: Sequence[Step]
) -> None:
    """Find unmanaged objects that still work, but mean something else after the plan.

    SQLite does not report a name that becomes a string, a NATURAL JOIN by other columns, a column used by position,
    and a rowid that belongs to another row. `schema` is the schema after the plan, and `changes` are the changes of
    tables, by folded name.
    Raises PlanError (`plan-impossible`).
    """
    unmanaged: tuple[View | Trigger, ...] = (
        *(view for name, view in schema.views.items() if name not in wanted.views),
        *(trigger for name, trigger in schema.triggers.items() if name not in wanted.triggers),
    )
    indexes = (index for name, index in schema.indexes.items() if name not in wanted.indexes)
    for item in (*unmanaged, *indexes):
        if lost := _column_that_becomes_a_string(item, changes):
            raise impossible(f"{title(item)} would no longer work", f"no such column: {lost}", None)
    renamed = {fold_case(step.object) for step in renames if step.column is not None}
    renamed |= {name for name, change in changes.items() if change.moved}
    for item in unmanaged:
        names = identifiers_in(item.sql)
        if "natural" in names and (names & renamed or _have_other_columns_in_common(names, schema, changes)):
            raise impossible(
                f"{title(item)} would join by other columns",
                "a NATURAL JOIN uses the columns that both tables have",
                None,
            )
    moved = {name for name, change in changes.items() if change.moves_columns}
    for item in depending_on_column_order(unmanaged, moved):
        reason = "it uses the columns of a table by position, and the positions change"
        raise impossible(f"{title(item)} would use other columns than before", reason, None)
    for item in unmanaged:
        if name := _other_meaning_of_rowid(item, changes):
            reason = f"it reads {name}, which becomes or was a column, and is a name of the rowid otherwise"
            raise impossible(f"{title(item)} would read other values than before", reason, None)
        if table := _table_with_lost_rowids(item, changes):
            reason = f"it reads the rowid of {table}, whose rows get other rowids"
            raise impossible(f"{title(item)} would find other rows than before", reason, None)


def _have_other_columns_in_common(names: Set[str], schema: Schema, changes: Mapping[str, TableChange]) -> bool:
    """Return True if a table gains or loses a column that another table has too. Both tables are among `names`."""
    return any(
        fold_case(column.name) in _columns_of(other, schema, changes)
        for name in names & changes.keys()
        for column in (*changes[name].added, *changes[name].dropped)
        for other in names - {name}
    )


def _columns_of(name: str, schema: Schema, changes: Mapping[str, TableChange]) -> Set[str]:
    """Return the folded names of the columns of an ordinary table, before and after the plan; none for others."""
    table = schema.tables.get(name)
    after = table.definition.by_name.keys() if table else set()
    before = changes[name].old.by_name.keys() if name in changes else set()
    return before | after


def _other_meaning_of_rowid(item: View | Trigger, changes: Mapping[str, TableChange]) -> str | None:
    """Return a name in a view or trigger that is the rowid either before or after a change, and else a column."""
    names = identifiers_in(item.sql)
    for name, change in changes.items():
        other = {one for one in ROWID_NAMES if _is_a_column(one, change.new) is not _is_a_column(one, change.old)}
        if name in names and names & other:
            return column_title(change.wanted.name, min(names & other))
    return None


def _is_a_column(name: str, table: TableDefinition) -> bool:
    """Return True if a name of the rowid is that of a column with values of its own."""
    column = table.by_name.get(name)
    return column is not None and not is_rowid(column, table)


def _table_with_lost_rowids(item: View | Trigger, changes: Mapping[str, TableChange]) -> str | None:
    """Return the table whose rows get other rowids, and whose rowids a view or a trigger of another table reads."""
    names = identifiers_in(item.sql)
    for name, change in changes.items():
        is_its_own = isinstance(item, Trigger) and fold_case(item.table) == name
        if name in names and not is_its_own and names.intersection(change.old.rowid_names) and not change.keeps_rowids:
            return change.wanted.name
    return None


def _column_that_becomes_a_string(item: View | Trigger | Index, changes: Mapping[str, TableChange]) -> str | None:
    """Return the dropped column whose name in double quotes SQLite would read as a string literal afterwards.

    SQLite reports it by itself, unless the database has strings in double quotes:
    https://www.sqlite.org/quirks.html#dblquote
    """
    quoted, names = names_in_double_quotes(item.sql), identifiers_in(item.sql)
    for name, change in changes.items():
        gone = {fold_case(column.name) for column in (*change.dropped, *change.moved.values())} & quoted
        if gone and name in names:
            return min(gone)
    return None


def indexes_on_dropped_columns(
    before: Schema, wanted: Schema, removed: Iterable[SchemaObject], changes: Mapping[str, TableChange]
) -> list[Index]:
    """Return the unmanaged indexes that use a column which is dropped: they cannot stay.

    `before` is the schema with the ignored objects, and `removed` are the managed objects that are dropped anyway.
    """
    gone = set(map(key_of, removed))
    return [
        index
        for name, index in before.indexes.items()
        if name not in wanted.indexes and key_of(index) not in gone and fold_case(index.table) in changes
        if _columns_used_by(index) & {fold_case(column.name) for column in changes[fold_case(index.table)].dropped}
    ]


def _columns_used_by(index: Index) -> Set[str]:
    """Return the folded names of the columns in an index, and other names in its expressions and its condition."""
    parts, where = index.definition.parts, index.definition.where
    expressions = [*(part.expression for part in parts), where or ()]
    return {part.column for part in parts if part.column}.union(*(identifiers_in(" ".join(one)) for one in expressions))


def drop_index_of_others(index: Index, table: TableChange) -> Step:
    """Return the step that drops an unmanaged index because a column that it uses is dropped, with its hazard."""
    used = [column.name for column in table.dropped if fold_case(column.name) in _columns_used_by(index)]
    hazard = Hazard(
        HazardName.DROP_INDEX,
        index.name,
        None,
        table.wanted.place,
        remedy=f"The index {index.name} is on {column_title(table.wanted.name, *used)}, which is dropped.",
        unmanaged=(title(index),),
    )
    sql = f"DROP INDEX {quote_identifier(index.name)}"
    return Step(StepKind.DROP_INDEX, index.name, (sql,), (hazard,), table.wanted.place)


def check_names_are_not_taken(before: Catalog, difference: Difference, removed: Iterable[SchemaObject]) -> None:
    """Find new tables, indexes and views whose name an object of another kind has, which stays.

    Tables, indexes and views share their names: https://www.sqlite.org/lang_createtable.html.
    `removed` are the managed objects that are dropped before. Raises PlanError (`plan-impossible`).
    """
    gone = set(map(key_of, removed))
    taken = {fold_case(row.name): row for row in before.rows if row.kind != "trigger" and row.key not in gone}
    for change in difference.missing:
        item = change.object
        if isinstance(item, Index | VirtualTable):
            _check_shadow_names_are_free(item, taken)
        row = taken.get(fold_case(item.name))
        if row is None or item.kind == "trigger" or row.key in gone:
            continue
        if fold_case(row.name) in before.shadows:
            owner = "which belongs to a virtual table or to a vector index"
            by_hand = ""
        else:
            owner = "which a pattern under `ignore:` covers" if row.name in before.ignored else "which is not managed"
            by_hand = f"Drop or rename the {row.kind} of the database by hand (DROP {row.kind.upper()} …), or g"
        raise PlanError(
            ErrorCode.PLAN_IMPOSSIBLE,
            f"The schema folder defines {_with_article(item.kind)} {item.name}, and the database has "
            f"{_with_article(row.kind)} of that name, {owner}.",
            hint=f"{by_hand or 'G'}ive the {item.kind} of the schema folder another name.",
            place=item.place,
        )


def _check_shadow_names_are_free(item: Index | VirtualTable, taken: Mapping[str, CatalogRow]) -> None:
    """Find an object of the database with a name that a new virtual table or vector index needs for its content."""
    row = next((taken[name] for name in map(fold_case, _shadow_names(item)) if name in taken), None)
    if row is not None:
        subject = "index" if isinstance(item, Index) else "virtual table"
        raise PlanError(
            ErrorCode.PLAN_IMPOSSIBLE,
            f"The {subject} {item.name} of the schema folder needs the name {row.name} for its content, and the "
            f"database has {_with_article(row.kind)} of that name.",
            hint=f"Rename the {row.kind}, or give the {subject} another name.",
            place=item.place,
        )


def _shadow_names(item: Index | VirtualTable) -> list[str]:
    """Return the names of the tables, and their indexes, in which the engine keeps the content of an object."""
    if isinstance(item, Index):
        row = CatalogRow("index", item.name, item.table, item.sql)
        return [name for _, name in vector_shadows([row]) if name.startswith(item.name)]
    with closing(Scratch()) as scratch:
        try:
            scratch.run(item.sql)
        except ScratchError:
            return []  # a module that only the server has
        return [row.name for row in scratch.rows() if row.name != item.name]


def check_names_are_not_taken_elsewhere(
    wanted: Schema, difference: Difference, removed: Iterable[SchemaObject], managed: Managed
) -> None:
    """Find indexes and triggers of the folder whose name an unmanaged one has that belongs to a table of others.

    Changing it would drop it from a table that the folder does not define. Raises PlanError (`plan-impossible`).
    """
    gone = {name for _, name in map(key_of, removed)}
    ours = {fold_case(name) for name in managed}
    for change in difference.changed:
        item, live = change.wanted, change.live
        if not isinstance(item, Index | Trigger) or not isinstance(live, Index | Trigger):
            continue
        table = fold_case(live.table)
        if fold_case(title(live)) in ours or table in gone or table in wanted.tables or table in wanted.views:
            continue
        raise PlanError(
            ErrorCode.PLAN_IMPOSSIBLE,
            f"The schema folder defines {_with_article(item.kind)} {item.name} of {item.table}, and the database has "
            f"{_with_article(live.kind)} of that name, which is not managed, of {live.table}, which the folder does "
            "not define.",
            hint=f"Drop the {live.kind} of the database by hand (DROP {live.kind.upper()} …), or give the {item.kind} "
            "of the schema folder another name.",
            place=item.place,
        )


def _with_article(kind: str) -> str:
    return f"an {kind}" if kind == "index" else f"a {kind}"


def unmanaged_by_table(
    catalog: Catalog, difference: Difference, removed: Sequence[SchemaObject]
) -> Mapping[str, list[str]]:
    """Return kind and name of the unmanaged indexes and triggers by folded table name; ignored objects come last."""
    gone = set(map(key_of, removed))
    extra = (change.object for change in difference.extra if key_of(change.object) not in gone)
    ignored = (row for row in catalog.rows if row.sql and (row.kind, row.name) in catalog.uncounted)
    found: dict[str, list[str]] = {}
    for item in (*extra, *ignored):
        if isinstance(item, Index | Trigger | CatalogRow) and item.kind in ("index", "trigger"):
            found.setdefault(fold_case(item.table), []).append(f"{item.kind} {item.name}")
    return found
