"""What is not ours and worked before has to work afterwards, and to mean the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from turso_deploy.catalog.column_order import depending_on_column_order
from turso_deploy.catalog.error_location import locate
from turso_deploy.catalog.integrity import broken_objects
from turso_deploy.catalog.scratch import REJECTS_DOUBLE_QUOTED_STRINGS, Scratch
from turso_deploy.plan.plan import Step, impossible
from turso_deploy.plan.table_change import TableChange
from turso_deploy.sql.identifiers import identifiers_in, names_in_double_quotes
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.schema import AnyTable, Index, Schema, SchemaObject, Trigger, View, title


def refuse_what_breaks(schema: Schema, scratch: Scratch, broken_before: Mapping[str, str]) -> None:
    """Try all that stands in the scratch database after the plan. Raises BlockedError (`plan-impossible`)."""
    found = broken_objects(schema, scratch)
    broken = {name: reason for name, reason in found.items() if name not in broken_before}
    if broken:
        # A trigger fails with those that fire beside it, and whoever reads a view with that: the fault is where the
        # missing name stands.
        texts = {title(item): item.sql for item in schema.objects()}
        at_fault = (
            name for name, reason in broken.items() if locate(texts[name], reason, scratch.connection) is not None
        )
        name = next(at_fault, next(iter(broken)))
        raise impossible(f"{name} would no longer work", broken[name], None)


def refuse_what_goes(before: Schema, after: Schema, removed: Sequence[SchemaObject], steps: Sequence[Step]) -> None:
    """Look for indexes, views and triggers that the plan loses, and that are neither `removed` nor told by a hazard.

    Raises BlockedError (`plan-impossible`).
    """
    known = {fold_case(title(item)) for item in (*after.objects(), *removed)}
    known |= {fold_case(name) for step in steps for hazard in step.hazards for name in hazard.unmanaged}
    for item in before.objects():
        if not isinstance(item, AnyTable) and fold_case(title(item)) not in known:
            raise impossible(f"{title(item)} would be gone", "it cannot stand on what its table becomes", None)


def refuse_what_means_something_else(
    schema: Schema, wanted: Schema, changes: Mapping[str, TableChange], renames: Sequence[Step]
) -> None:
    """Look for what SQLite does not tell: names that turn into texts, joins, places and rowids that lead to others.

    `schema` is as after the plan, `changes` are those of tables by folded name.
    Raises BlockedError (`plan-impossible`).
    """
    not_ours: tuple[View | Trigger, ...] = (
        *(view for name, view in schema.views.items() if name not in wanted.views),
        *(trigger for name, trigger in schema.triggers.items() if name not in wanted.triggers),
    )
    indexes = (index for name, index in schema.indexes.items() if name not in wanted.indexes)
    for item in (*not_ours, *indexes):
        if lost := _turns_into_a_text(item, changes):
            raise impossible(f"{title(item)} would no longer work", f"no such column: {lost}", None)
    renamed = {fold_case(step.object) for step in renames if step.column is not None}
    for item in not_ours:
        names = identifiers_in(item.sql)
        if "natural" in names and (names & renamed or _have_other_columns_in_common(names, schema, changes)):
            raise impossible(f"{title(item)} would join by other columns", "it joins by those of one name", None)
    moved = {name for name, change in changes.items() if change.moves_columns}
    for item in depending_on_column_order(not_ours, moved):
        reason = "it goes by the order of the columns of a table, in which others stand at their places now"
        raise impossible(f"{title(item)} would use other columns than before", reason, None)
    for item in not_ours:
        if table := _goes_by_lost_rowids(item, changes):
            reason = f"it goes by the rowid of {table}, whose rows get other ones"
            raise impossible(f"{title(item)} would find other rows than before", reason, None)


def _have_other_columns_in_common(names: Set[str], schema: Schema, changes: Mapping[str, TableChange]) -> bool:
    """Whether a table gets or loses a column that another has, too, both among `names`."""
    return any(
        fold_case(column.name) in _columns_of(other, schema, changes)
        for name in names & changes.keys()
        for column in (*changes[name].added, *changes[name].dropped)
        for other in names - {name}
    )


def _columns_of(name: str, schema: Schema, changes: Mapping[str, TableChange]) -> Set[str]:
    """The folded names of the columns of a table, before and after; none where it is no ordinary one."""
    table = schema.tables.get(name)
    after = table.definition.by_name.keys() if table else set()
    before = changes[name].old.by_name.keys() if name in changes else set()
    return before | after


def _goes_by_lost_rowids(item: View | Trigger, changes: Mapping[str, TableChange]) -> str | None:
    """The table that a view, or a trigger of another table, reads by its rowids, when the rows get other ones."""
    names = identifiers_in(item.sql)
    for name, change in changes.items():
        is_its_own = isinstance(item, Trigger) and fold_case(item.table) == name
        if name in names and not is_its_own and names.intersection(change.old.rowid_names) and not change.keeps_rowids:
            return change.wanted.name
    return None


def _turns_into_a_text(item: View | Trigger | Index, changes: Mapping[str, TableChange]) -> str | None:
    """The column that goes, and whose name in double quotes SQLite would take for a text from then on."""
    if REJECTS_DOUBLE_QUOTED_STRINGS:  # and has told
        return None
    quoted, names = names_in_double_quotes(item.sql), identifiers_in(item.sql)
    for name, change in changes.items():
        gone = {fold_case(column.name) for column in change.dropped} & quoted
        if gone and name in names:
            return min(gone)
    return None
