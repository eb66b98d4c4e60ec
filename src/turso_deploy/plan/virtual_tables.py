"""Full-text indexes whose content another table or a view holds: which have to be built again when that changes.

No trigger tells such an index of a copy: https://www.sqlite.org/fts5.html#the_rebuild_command
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set

from turso_deploy.catalog.diff import Difference
from turso_deploy.plan.plan import Step
from turso_deploy.plan.rebuild import build_index
from turso_deploy.plan.relatives import with_readers
from turso_deploy.plan.step_kinds import StepKind
from turso_deploy.plan.table_change import TableChange
from turso_deploy.sql.identifiers import identifiers_in, names_and_strings_in
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.schema import Schema, SchemaObject, VirtualTable


def content_holder(item: SchemaObject | None) -> str:
    """The folded name of what a full-text index takes its content from; "" where it is no such index."""
    return fold_case(item.definition.content or "") if isinstance(item, VirtualTable) else ""


def built_again(before: Schema, changes: Mapping[str, TableChange], made_anew: Set[str]) -> Iterator[VirtualTable]:
    """The indexes that stay, and whose content is made anew with other values or rowids.

    `changes` are those of tables, `made_anew` what the steps for tables are about, all by folded names.
    """
    for name, table in before.virtual_tables.items():
        change = changes.get(content_holder(table))
        if change is None or name in made_anew or content_holder(table) not in made_anew:
            continue
        if _shows_other_rows(table, change):
            yield table


def built_again_behind_views(
    before: Schema, now: Schema, difference: Difference, changes: Mapping[str, TableChange], made_anew: Set[str]
) -> Iterator[VirtualTable]:
    """The indexes that stay, and whose content is in a view that shows something else `now`."""
    changed = {fold_case(change.object.name) for change in difference.changed if change.object.kind == "view"}
    made = {name: changes[name] for name in made_anew & changes.keys()}
    changed |= {name for name, change in made.items() if change.revalued_columns or change.recollated_columns}
    if not changed:
        return
    named = {("view", name): identifiers_in(view.sql) for name, view in now.views.items()}
    shown = with_readers({("view", name) for name in changed}, named) & named.keys()
    for name, table in before.virtual_tables.items():
        if ("view", content_holder(table)) in shown and name not in made_anew:
            yield table


def build_again(tables: Iterable[VirtualTable], wanted: Schema) -> list[Step]:
    """The steps that build indexes again, at their places in the wanted schema."""
    return [
        Step(
            StepKind.REBUILD_INDEX,
            table.name,
            (build_index(table.name),),
            place=wanted.all_tables.get(fold_case(table.name), table).place,
        )
        for table in tables
    ]


def _shows_other_rows(index: VirtualTable, content: TableChange) -> bool:
    """Whether a full-text index would find other rows than it should in the table that holds its content."""
    by_rowid = index.definition.content_rowid in content.new.rowid_names
    if by_rowid and not content.keeps_rowids:
        return True
    return not content.revalued_columns.isdisjoint(names_and_strings_in(index.sql))
