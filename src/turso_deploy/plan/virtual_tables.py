"""Steps for virtual tables: their creation and rebuild, and full-text indexes to rebuild when their content changes.

No trigger fires when a rebuild copies the content of a full-text index, so the index is built again:
https://www.sqlite.org/fts5.html#the_rebuild_command
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set

from turso_deploy.catalog.diff import Difference
from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.core.transaction import Query
from turso_deploy.plan.hazards import Hazard, HazardName
from turso_deploy.plan.rebuild import copy_rows, replace_table, temporary_name
from turso_deploy.plan.steps import Step, StepKind
from turso_deploy.plan.table_change import TableChange
from turso_deploy.sql.identifiers import identifiers_in, names_and_strings_in, with_readers
from turso_deploy.sql.lexer import code_tokens, column_title, fold_case, quote_identifier
from turso_deploy.sql.schema import AnyTable, Schema, SchemaObject, VirtualTable


def content_table(item: SchemaObject | None) -> str:
    """Return the folded name of the table or view that holds the content of a full-text index; "" for other objects."""
    return fold_case(item.definition.content or "") if isinstance(item, VirtualTable) else ""


def create_table(wanted: AnyTable, *, filled: bool = False) -> Step:
    """Return the step that creates a table. `filled` is True for a full-text index whose content exists already."""
    statements = _create_and_fill(wanted) if filled else (wanted.sql,)
    return Step(StepKind.CREATE_TABLE, wanted.name, statements, place=wanted.place)


def change_virtual_table(wanted: AnyTable, live: AnyTable, taken: Collection[str], *, readable: bool) -> Step:
    """Return the step for a table that is virtual, or was.

    The table is rebuilt if its content can be kept, and replaced otherwise; without a hazard if it has no rows of its
    own, such as the terms of a full-text index. `readable` is True if the content can be read while the step runs.
    `taken` are the folded names in use.
    """
    count = Query(f"SELECT count(*) FROM {quote_identifier(live.name)}")
    rewrite = Hazard(HazardName.REWRITE_TABLE, wanted.name, count, wanted.place)
    replaced = (f"DROP TABLE {quote_identifier(live.name)}", *_create_and_fill(wanted))
    if isinstance(live, VirtualTable) and not live.definition.has_own_rows:
        return Step(StepKind.REPLACE_TABLE, wanted.name, replaced, place=wanted.place)
    if isinstance(wanted, VirtualTable) and wanted.definition.has_own_rows and isinstance(live, VirtualTable):
        new, old = wanted.definition, live.definition
        if new.has_external_content and old.has_external_content:
            statements = _rebuild(wanted, live, (), taken)
            return Step(StepKind.REBUILD_TABLE, wanted.name, statements, (rewrite,), wanted.place)
        columns = {fold_case(column) for column in _columns(wanted)}
        shared = [name for name in _columns(live) if fold_case(name) in columns]
        if shared and readable and not (old.is_contentless or new.has_external_content):
            statements = _rebuild(wanted, live, shared, taken)
            hazards = (rewrite, *_dropped_columns(wanted, live, shared))
            return Step(StepKind.REBUILD_TABLE, wanted.name, statements, hazards, wanted.place)
    hazard = Hazard(HazardName.DROP_TABLE, wanted.name, count, wanted.place)
    return Step(StepKind.REPLACE_TABLE, wanted.name, replaced, (hazard,), wanted.place)


def indexes_of_changed_tables(
    before: Schema, changes: Mapping[str, TableChange], whole_tables: Set[str]
) -> Iterator[VirtualTable]:
    """Yield the full-text indexes that stay, and whose content table is rebuilt with other values or rowids.

    `changes` are the changes of tables, and `whole_tables` are created, rebuilt or dropped; both by folded name.
    """
    for name, table in before.virtual_tables.items():
        change = changes.get(content_table(table))
        if change is None or name in whole_tables or content_table(table) not in whole_tables:
            continue
        if _shows_other_rows(table, change):
            yield table


def indexes_of_changed_views(
    before: Schema, now: Schema, difference: Difference, changes: Mapping[str, TableChange], whole_tables: Set[str]
) -> Iterator[VirtualTable]:
    """Yield the full-text indexes that stay, and whose content is a view with other rows than before.

    `now` is the schema in which the views are as wanted; for the other parameters see `indexes_of_changed_tables`.
    """
    changed = {fold_case(change.object.name) for change in difference.changed if change.object.kind == "view"}
    rebuilt = {name: changes[name] for name in whole_tables & changes.keys()}
    changed |= {name for name, change in rebuilt.items() if change.revalued_columns or change.recollated_columns}
    if not changed:
        return
    named = {("view", name): identifiers_in(view.sql) for name, view in now.views.items()}
    shown = with_readers({("view", name) for name in changed}, named) & named.keys()
    for name, table in before.virtual_tables.items():
        if ("view", content_table(table)) in shown and name not in whole_tables:
            yield table


def rebuild_indexes(tables: Iterable[VirtualTable], wanted: Schema) -> list[Step]:
    """Return the steps that build full-text indexes again from their content."""
    return [
        Step(
            StepKind.REBUILD_INDEX,
            table.name,
            (_build_index(table.name),),
            place=wanted.all_tables.get(fold_case(table.name), table).place,
        )
        for table in tables
    ]


def _shows_other_rows(index: VirtualTable, content: TableChange) -> bool:
    """Return True if an index would find other rows than it should after its content table is rebuilt."""
    by_rowid = index.definition.content_rowid in content.new.rowid_names
    if by_rowid and not content.keeps_rowids:
        return True
    return not content.revalued_columns.isdisjoint(names_and_strings_in(index.sql))


def _create_and_fill(wanted: AnyTable) -> tuple[str, ...]:
    """Return the statements that create a table, and build it if it is an index with external content."""
    if not (isinstance(wanted, VirtualTable) and wanted.definition.has_external_content):
        return (wanted.sql,)
    return (wanted.sql, _build_index(wanted.name))


def _rebuild(
    wanted: VirtualTable, live: VirtualTable, shared: Sequence[str], taken: Collection[str]
) -> tuple[str, ...]:
    """Return the statements that rebuild a virtual table.

    `shared` are the columns to copy; () for an index that is built from external content.
    """
    new = temporary_name(wanted.name, taken)
    return (
        _create_as(wanted, new),
        *_copy_settings(wanted, live, new),
        _copy_content(wanted, shared, new),
        *replace_table(wanted.name, new, wanted.name),
    )


def _create_as(wanted: VirtualTable, name: str) -> str:
    """Return the CREATE VIRTUAL TABLE with another name. The text before USING is `CREATE VIRTUAL TABLE name`."""
    using = next(token.start for token in code_tokens(wanted.sql) if fold_case(token.text) == "using")
    return f"CREATE VIRTUAL TABLE {quote_identifier(name)} {wanted.sql[using:]}"


def _copy_settings(wanted: VirtualTable, live: VirtualTable, new: str) -> tuple[str, ...]:
    """Return the statement that copies the settings of an FTS5 table, such as its ranking function.

    https://www.sqlite.org/fts5.html#the_rank_configuration_option
    """
    if not (wanted.definition.module == live.definition.module == "fts5"):
        return ()
    target, settings = quote_identifier(new), quote_identifier(f"{live.name}_config")
    return (f"INSERT INTO {target} ({target}, rank) SELECT k, v FROM {settings} WHERE k <> 'version'",)


def _copy_content(wanted: VirtualTable, shared: Sequence[str], new: str) -> str:
    if not shared:
        return _build_index(new)
    rowid = ["rowid"] if wanted.definition.module.startswith("fts") else []
    columns = [*rowid, *map(quote_identifier, shared)]
    return copy_rows(new, columns, columns, wanted.name)


def _build_index(name: str) -> str:
    """Return the statement that builds a full-text index from its external content."""
    return f"INSERT INTO {quote_identifier(name)} ({quote_identifier(name)}) VALUES ('rebuild')"


def _dropped_columns(wanted: VirtualTable, live: VirtualTable, shared: Sequence[str]) -> Iterator[Hazard]:
    for name in _columns(live):
        if name not in shared:
            count = Query(f"SELECT count({quote_identifier(name)}) FROM {quote_identifier(live.name)}")
            yield Hazard(HazardName.DROP_COLUMN, column_title(wanted.name, name), count, wanted.place)


def _columns(table: VirtualTable) -> list[str]:
    """Return the columns of a virtual table that applications write; [] if its module is unknown here.

    FTS4 hides the column of a `languageid` option: https://www.sqlite.org/fts3.html#the_languageid_option
    """
    scratch = Scratch()
    try:
        scratch.run(table.sql)
        found = scratch.query(Query("SELECT name, hidden FROM pragma_table_xinfo(?1)", (table.name,)))
    except ScratchError:
        return []
    finally:
        scratch.close()
    # Without the option, the hidden column of the language is called __langid, and no application writes it.
    names = {str(name): bool(hidden) for name, hidden in found.rows if name != "__langid"}
    if table.definition.module in ("fts3", "fts4"):
        own = (fold_case(table.name), "docid")
        return [name for name, hidden in names.items() if not (hidden and fold_case(name) in own)]
    return [name for name, hidden in names.items() if not hidden]
