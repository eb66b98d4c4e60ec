"""The steps that change one table the cheapest safe way: ALTER TABLE where SQLite can, a rebuild for the rest."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from msgspec.structs import replace

from turso_deploy.catalog.diff import with_explicit_references
from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.core.transaction import Query
from turso_deploy.plan.foreign_keys import dangling_references
from turso_deploy.plan.hazards import Hazard, HazardName
from turso_deploy.plan.plan import Altered, Step
from turso_deploy.plan.rebuild import made_and_filled, rebuild, rebuild_virtual
from turso_deploy.plan.step_kinds import StepKind
from turso_deploy.plan.table_change import TableChange, if_renamed
from turso_deploy.sql.affinity import Affinity, affinity_of, stored_form, strict_type
from turso_deploy.sql.comments import expressions_in
from turso_deploy.sql.definitions import ColumnDefinition, TableDefinition
from turso_deploy.sql.lexer import column_title, fold_case, quote_identifier
from turso_deploy.sql.parser import parse_table
from turso_deploy.sql.schema import AnyTable, Table, VirtualTable

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_CONSTANT_WORDS = frozenset({"TRUE", "FALSE", "NULL"})


def create_table(wanted: AnyTable, *, filled: bool = False) -> Step:
    """The step that makes a table; `filled` when it is an index of content that is there already."""
    statements = made_and_filled(wanted) if filled else (wanted.sql,)
    return Step(StepKind.CREATE_TABLE, wanted.name, statements, place=wanted.place)


def drop_table(live: AnyTable, not_ours: Sequence[str], new: Sequence[AnyTable] = ()) -> Step:
    """The step that drops a table, and the rows that go with it.

    `not_ours` are kind and name of the objects of others that go too, `new` the tables that are made.
    """
    count = Query(f"SELECT count(*) FROM {quote_identifier(live.name)}")
    alike = [table for table in new if _are_alike(table, live)]
    remedy = if_renamed(f"table {live.name}", live.name, [table.name for table in alike]) if alike else None
    place = alike[0].place if alike else None
    hazard = Hazard(HazardName.DROP_TABLE, live.name, count, place, remedy=remedy, unmanaged=tuple(not_ours))
    return Step(StepKind.DROP_TABLE, live.name, (f"DROP TABLE {quote_identifier(live.name)}",), (hazard,))


def _are_alike(new: AnyTable, old: AnyTable) -> bool:
    """Whether half of the columns are there again, so that one may be the other under a new name."""
    if not (isinstance(new, Table) and isinstance(old, Table)):
        return False
    return 2 * len(new.definition.by_name.keys() & old.definition.by_name.keys()) >= len(old.definition.by_name)


def change_table(
    change: TableChange, indexes: Iterable[str], taken: Collection[str], *, in_order: bool = False
) -> list[Step]:
    """The steps for an ordinary table.

    `indexes` is the SQL of those that stand on it meanwhile, `taken` all names. With `in_order` the columns have to
    stand in the wanted order.
    """
    altered = _alterations(change, indexes, in_order=in_order)
    if altered is not None:
        return altered
    rewrite = change.hazard(
        HazardName.REWRITE_TABLE, None, f"SELECT count(*) FROM {quote_identifier(change.live.name)}"
    )
    hazards = (rewrite, *change.hazards(), *dangling_references(change))
    return [
        Step(
            StepKind.REBUILD_TABLE,
            change.wanted.name,
            rebuild(change, taken),
            hazards,
            change.wanted.place,
            keeps_values=change.keeps_values,
            fills=tuple(column.name for name, column in change.new.by_name.items() if change.using(name) is not None),
        )
    ]


def _alterations(change: TableChange, indexes: Iterable[str], *, in_order: bool) -> list[Step] | None:
    """DROP COLUMN and ADD COLUMN steps, when they alone lead to the wanted table; else None."""
    if not all(_can_be_added(column, change) for column in change.added):
        return None
    wanted = change.wanted
    steps = [_drop_column(change, column) for column in change.dropped]
    steps += [_add_column(change, column) for column in change.added]
    if not steps:
        return None
    scratch = Scratch()
    try:
        for sql in (change.live.sql, *indexes):
            scratch.run(sql)
        steps = [_tried(step, change.live, scratch) for step in steps]
        reached = scratch.sql_of(change.live.name)
    except ScratchError:
        return None
    finally:
        scratch.close()
    definition = parse_table(reached)
    # A reference that stood there may name its parent's key, and the wanted one leave it out.
    if in_order and list(definition.by_name) != list(change.new.by_name):
        return None
    if change.dropped and not _keeps_what_was_followed(change, reached, definition):
        return None
    altered = with_explicit_references(replace(wanted, definition=definition), change.schema)
    return steps if altered == with_explicit_references(wanted, change.schema) else None


def _keeps_what_was_followed(change: TableChange, reached: str, definition: TableDefinition) -> bool:
    """Whether each `@using` of the live text is in it afterwards: DROP COLUMN cuts out what stands around it."""
    kept = {name: using for name, using in change.followed.items() if name in change.new.by_name}
    return expressions_in(reached, definition) == kept


def _tried(step: Step, live: Table, scratch: Scratch) -> Step:
    """The step once it was run. To add a column concerns its own table only: what became of that is noted."""
    for sql in step.statements:
        scratch.run(sql)
    return (
        replace(step, altered=Altered(live.name, scratch.sql_of(live.name)))
        if step.kind is StepKind.ADD_COLUMN
        else step
    )


def _can_be_added(column: ColumnDefinition, change: TableChange) -> bool:
    """Whether a table with rows takes the column: https://www.sqlite.org/lang_altertable.html#altertabaddcol."""
    if change.directives.of(column.name).using is not None or _looks_null_to_servers(column, change):
        return False
    if column.generated is not None:
        return not column.generated.stored and not column.not_null
    if column.not_null and column.default is None:
        return False
    refers = any(key.at_column == fold_case(column.name) for key in change.new.foreign_keys)
    if column.default is None:
        return True
    if not _is_constant(column.default) or refers or not _reads_as_written(column, strict=change.new.strict):
        return False
    return not change.new.strict or _default_fits(column)


def _looks_null_to_servers(column: ColumnDefinition, change: TableChange) -> bool:
    """Whether a server may take a column that has a default for NULL, when it looks through the rows that are there.

    It does so when a column with a CHECK is added, a generated one that is NOT NULL, or any to a STRICT table, and the
    SQLite 3.45 of libSQL fails at a NOT NULL column whose default is a fraction, in rows older than the column.
    """
    checked = any(check.at_column == fold_case(column.name) for check in change.new.checks)
    looks = checked or change.new.strict or (column.generated is not None and column.not_null)
    columns = (*change.old.columns, *change.added)
    return looks and any(one.not_null and _has_fraction(one, strict=change.new.strict) for one in columns)


def _has_fraction(column: ColumnDefinition, *, strict: bool) -> bool:
    """Whether a default is a number that no integer stands for, in a column that does not make a text of it."""
    default = "".join(column.default or ())
    if affinity_of(column.type, strict=strict) is Affinity.TEXT or not _NUMBER.fullmatch(default):
        return False
    return not float(default).is_integer() or abs(float(default)) >= 2**63


def _reads_as_written(column: ColumnDefinition, *, strict: bool) -> bool:
    """Whether the rows that are there show the default as a new row stores it.

    A text column reads TRUE as the number 1 and 1e3 as '1e3' there, and stores '1' and '1000.0'. SQLite is asked where
    the default is no string and has other than digits.
    """
    value = (column.default or ("",))[-1]
    if value == "NULL" or value[0] == "'" or value.isdigit():
        return True
    options = " STRICT" if strict else ""
    scratch = Scratch()
    try:
        scratch.run(f"CREATE TABLE tried (first INTEGER){options}")
        scratch.run("INSERT INTO tried VALUES (1)")
        scratch.run(f"ALTER TABLE tried ADD COLUMN added {column.type} DEFAULT {' '.join(column.default or ())}")
        scratch.run("INSERT INTO tried (first) VALUES (2)")
        shown = scratch.query(Query("SELECT count(DISTINCT quote(added)), count(DISTINCT typeof(added)) FROM tried"))
        return shown.rows == ((1, 1),)
    except ScratchError:
        return False
    finally:
        scratch.close()


def _default_fits(column: ColumnDefinition) -> bool:
    """Whether a STRICT column takes its own default: ADD COLUMN does not look, and leaves rows that break the type."""
    wanted_type = strict_type(column.type)
    stored = stored_form(" ".join(column.default or ()), affinity_of(column.type, strict=True))
    scratch = Scratch()
    try:
        [(found,)] = scratch.query(Query(f"SELECT typeof({stored})")).rows
    finally:
        scratch.close()
    return wanted_type is None or found in (wanted_type, "null")


def _is_constant(default: tuple[str, ...]) -> bool:
    value = default[-1]
    if len(default) > 2 or (len(default) == 2 and default[0] not in "+-"):
        return False
    return value[0] in "'0123456789." or value.startswith("x'") or value in _CONSTANT_WORDS


def _add_column(change: TableChange, column: ColumnDefinition) -> Step:
    sql = f"ALTER TABLE {quote_identifier(change.live.name)} ADD COLUMN {column.text}"
    # Its own CHECK is tried on the rows that are there: https://www.sqlite.org/lang_altertable.html#altertabaddcol
    checks = (check for check in change.new.checks if check.at_column == fold_case(column.name))
    hazards = tuple(hazard for check in checks for hazard in change.broken_check(check))
    place = change.wanted.place_of(column.name)
    return Step(StepKind.ADD_COLUMN, change.wanted.name, (sql,), hazards, place, column=column.name)


def _drop_column(change: TableChange, column: ColumnDefinition) -> Step:
    sql = f"ALTER TABLE {quote_identifier(change.live.name)} DROP COLUMN {quote_identifier(column.name)}"
    hazards = tuple(change.lost_values(column))
    return Step(StepKind.DROP_COLUMN, change.wanted.name, (sql,), hazards, change.wanted.place, column=column.name)


def change_virtual_table(wanted: AnyTable, live: AnyTable, taken: Collection[str], *, readable: bool) -> Step:
    """The step for a table that is virtual, or was: made anew, with its content where that is `readable`."""
    count = Query(f"SELECT count(*) FROM {quote_identifier(live.name)}")
    rewrite = Hazard(HazardName.REWRITE_TABLE, wanted.name, count, wanted.place)
    if isinstance(wanted, VirtualTable) and isinstance(live, VirtualTable):
        new, old = wanted.definition, live.definition
        if new.has_external_content and old.has_external_content:
            statements = rebuild_virtual(wanted, live, (), taken)
            return Step(StepKind.REBUILD_TABLE, wanted.name, statements, (rewrite,), wanted.place)
        columns = _columns(wanted)
        shared = [name for name in _columns(live) if fold_case(name) in {fold_case(column) for column in columns}]
        if shared and readable and not (old.is_contentless or new.has_external_content):
            lost = tuple(
                Hazard(
                    HazardName.DROP_COLUMN,
                    column_title(wanted.name, name),
                    Query(f"SELECT count({quote_identifier(name)}) FROM {quote_identifier(live.name)}"),
                    wanted.place,
                )
                for name in _columns(live)
                if name not in shared
            )
            statements = rebuild_virtual(wanted, live, shared, taken)
            return Step(StepKind.REBUILD_TABLE, wanted.name, statements, (rewrite, *lost), wanted.place)
    gone = Hazard(HazardName.DROP_TABLE, wanted.name, count, wanted.place)
    statements = (f"DROP TABLE {quote_identifier(live.name)}", *made_and_filled(wanted))
    return Step(StepKind.REPLACE_TABLE, wanted.name, statements, (gone,), wanted.place)


def _columns(table: VirtualTable) -> list[str]:
    """The columns of a virtual table that hold what somebody wrote; its module tells them.

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
    # Where no option names it, the language is called __langid, and nobody writes one.
    names = {str(name): bool(hidden) for name, hidden in found.rows if name != "__langid"}
    if table.definition.module in ("fts3", "fts4"):
        return [
            name
            for name, hidden in names.items()
            if not (hidden and fold_case(name) in (fold_case(table.name), "docid"))
        ]
    return [name for name, hidden in names.items() if not hidden]
