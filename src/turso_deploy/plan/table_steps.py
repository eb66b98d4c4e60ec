"""Steps that change or drop one ordinary table: ALTER TABLE if SQLite can make the change, otherwise a rebuild."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence, Set

from turso_deploy.catalog.diff import with_explicit_references
from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.core.transaction import Query
from turso_deploy.plan.hazards import Hazard, HazardName
from turso_deploy.plan.rebuild import rebuild
from turso_deploy.plan.steps import AlteredTable, Step, StepKind
from turso_deploy.plan.table_change import TableChange, is_rowid
from turso_deploy.plan.table_hazards import hazards_of_check, hazards_of_dropped_column, hazards_of_rebuild, rename_hint
from turso_deploy.sql.affinity import affinity_of, stored_form, strict_type
from turso_deploy.sql.comments import expressions_in
from turso_deploy.sql.definitions import ColumnDefinition, TableDefinition
from turso_deploy.sql.lexer import fold_case, quote_identifier
from turso_deploy.sql.parser import parse_table
from turso_deploy.sql.schema import AnyTable, Table, VirtualTable

_CONSTANT_WORDS = frozenset({"TRUE", "FALSE", "NULL"})


def drop_table(live: AnyTable, unmanaged: Sequence[str], new: Sequence[AnyTable] = ()) -> Step:
    """Return the step that drops a table with its rows. It has no hazard if the table has no rows of its own.

    `unmanaged` lists kind and name of the unmanaged indexes and triggers that are dropped with it. `new` are the tables
    that the plan creates: one of them may be the same table under a new name.
    """
    statements = (f"DROP TABLE {quote_identifier(live.name)}",)
    if isinstance(live, VirtualTable) and not live.definition.has_own_rows:
        return Step(StepKind.DROP_TABLE, live.name, statements)
    count = Query(f"SELECT count(*) FROM {quote_identifier(live.name)}")
    similar = [table for table in new if _are_similar(table, live)]
    remedy = rename_hint(f"table {live.name}", live.name, [table.name for table in similar]) if similar else None
    place = similar[0].place if similar else None
    hazard = Hazard(HazardName.DROP_TABLE, live.name, count, place, remedy=remedy, unmanaged=tuple(unmanaged))
    return Step(StepKind.DROP_TABLE, live.name, statements, (hazard,))


def _are_similar(new: AnyTable, old: AnyTable) -> bool:
    """Return True if the new table has at least half of the columns of the old one."""
    if not (isinstance(new, Table) and isinstance(old, Table)):
        return False
    return 2 * len(new.definition.by_name.keys() & old.definition.by_name.keys()) >= len(old.definition.by_name)


def change_table(
    change: TableChange, indexes: Iterable[str], taken: Collection[str], *, in_order: bool = False
) -> list[Step]:
    """Return the steps that change an ordinary table.

    `indexes` is the SQL of the indexes that exist on the table while the steps run, `taken` the folded names in use.
    With `in_order` the columns must be in the wanted order.
    """
    alterations = _alterations(change, indexes, in_order=in_order)
    if alterations is not None:
        return alterations
    backfilled = tuple(column.name for name, column in change.new.by_name.items() if change.backfill(name) is not None)
    return [
        Step(
            StepKind.REBUILD_TABLE,
            change.wanted.name,
            rebuild(change, taken),
            tuple(hazards_of_rebuild(change)),
            change.wanted.place,
            keeps_values=change.keeps_values,
            backfilled=backfilled,
        )
    ]


def add_columns(change: TableChange, indexes: Iterable[str], *, in_order: bool) -> tuple[list[Step], Set[str]]:
    """Return the steps that add the new columns before anything else changes, and the names of the prepared ones.

    A column that needs a table rebuild is prepared: it is added without its constraints, and takes NULL until then. One
    that takes its values from the rowid, or from an expression, comes with the rebuild. For the parameters see
    `change_table`.
    """
    alterations = _alterations(change, indexes, in_order=in_order)
    if alterations is not None:  # what they lead to is known for their own order only
        return [step._replace(altered=None) for step in alterations if step.kind is StepKind.ADD_COLUMN], frozenset()
    if change.old.strict and any(one.not_null and _has_fraction(one, strict=True) for one in change.old.columns):
        return [], frozenset()  # see `_fails_on_servers`
    columns = [column for column in change.added if column.generated is None and not is_rowid(column, change.new)]
    return [_prepare_column(change, column) for column in columns], {fold_case(column.name) for column in columns}


def _prepare_column(change: TableChange, column: ColumnDefinition) -> Step:
    """Return the step that adds a column without constraints, and with its default only if existing rows can have it.

    Its type gives the same affinity, so that a script stores the same values as in the wanted column.
    """
    type_name, default = column.type, column.default
    if change.old.strict and strict_type(type_name) is None:
        type_name = "ANY"
    elif change.new.strict and not change.old.strict and type_name == "ANY":
        type_name = "BLOB"
    parts = [f"ALTER TABLE {change.live_name} ADD COLUMN {quote_identifier(column.name)}", type_name]
    if column.collation is not None:
        parts.append(f"COLLATE {quote_identifier(column.collation)}")
    has_backfill = change.wanted.directives.of(column.name).using is not None
    if default is not None and not has_backfill and _existing_rows_can_have(column, default, change.new):
        parts.append(f"DEFAULT {' '.join(default)}")
    sql, place = " ".join(filter(None, parts)), change.wanted.place_of(column.name)
    return Step(StepKind.ADD_COLUMN, change.wanted.name, (sql,), place=place, column=column.name)


def _existing_rows_can_have(column: ColumnDefinition, default: tuple[str, ...], table: TableDefinition) -> bool:
    """Return True if ADD COLUMN gives existing rows a default as new rows store it."""
    if not _is_constant(default) or not _default_reads_as_stored(column, strict=table.strict):
        return False
    return not table.strict or _default_fits(column)


def _alterations(change: TableChange, indexes: Iterable[str], *, in_order: bool) -> list[Step] | None:
    """Return DROP COLUMN and ADD COLUMN steps that lead to the wanted table; None if they cannot."""
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
        steps = [_run(step, change.live, scratch) for step in steps]
        reached = scratch.sql_of(change.live.name)
    except ScratchError:
        return None
    finally:
        scratch.close()
    definition = parse_table(reached)
    if in_order and list(definition.by_name) != list(change.new.by_name):
        return None
    if change.dropped and not _keeps_applied_expressions(change, reached, definition):
        return None
    # A foreign key may name its parent's columns in one definition, and leave them out in the other.
    altered = with_explicit_references(wanted._replace(definition=definition), change.schema)
    return steps if altered == with_explicit_references(wanted, change.schema) else None


def _keeps_applied_expressions(change: TableChange, reached: str, definition: TableDefinition) -> bool:
    """Return True if the stored SQL still contains each `@using`: DROP COLUMN also cuts out nearby comments."""
    kept = {name: using for name, using in change.applied_expressions.items() if name in change.new.by_name}
    return expressions_in(reached, definition) == kept


def _run(step: Step, live: Table, scratch: Scratch) -> Step:
    """Run a step in the scratch database, and return it. ADD COLUMN affects no other object, so its result is kept."""
    for sql in step.statements:
        scratch.run(sql)
    if step.kind is not StepKind.ADD_COLUMN:
        return step
    return step._replace(altered=AlteredTable(live.name, scratch.sql_of(live.name)))


def _can_be_added(column: ColumnDefinition, change: TableChange) -> bool:
    """Return True if ADD COLUMN works with rows: https://www.sqlite.org/lang_altertable.html#altertabaddcol."""
    if change.wanted.directives.of(column.name).using is not None or _fails_on_servers(column, change):
        return False
    if column.generated is not None:
        return not column.generated.stored and not column.not_null
    if column.not_null and column.default is None:
        return False
    refers = any(key.at_column == fold_case(column.name) for key in change.new.foreign_keys)
    if column.default is None:
        return True
    return not refers and _existing_rows_can_have(column, column.default, change.new)


def _fails_on_servers(column: ColumnDefinition, change: TableChange) -> bool:
    """Return True if ADD COLUMN may fail on a libSQL server because it reads a default as NULL.

    SQLite scans the existing rows if the new column has a CHECK, is generated and NOT NULL, or belongs to a STRICT
    table. In that scan, the SQLite 3.45 of libSQL takes the default of a NOT NULL column for NULL if it is a fraction
    and the row is older than the column.
    """
    checked = any(check.at_column == fold_case(column.name) for check in change.new.checks)
    scans = checked or change.new.strict or (column.generated is not None and column.not_null)
    columns = (*change.old.columns, *change.added)
    return scans and any(one.not_null and _has_fraction(one, strict=change.new.strict) for one in columns)


def _has_fraction(column: ColumnDefinition, *, strict: bool) -> bool:
    """Return True if a column stores its default as a number that no integer equals: 1.5, and '1.5' in NUMERIC."""
    if not column.default:
        return False
    scratch = Scratch()
    try:
        stored = stored_form(" ".join(column.default), affinity_of(column.type, strict=strict))
        [(value,)] = scratch.query(Query(f"SELECT {stored}")).rows
    except ScratchError:  # a function, which no column that was added has
        return False
    finally:
        scratch.close()
    return isinstance(value, float) and (not value.is_integer() or abs(value) >= 2**63)


def _default_reads_as_stored(column: ColumnDefinition, *, strict: bool) -> bool:
    """Return True if existing rows show the default as new rows store it.

    In existing rows, a text column reads TRUE as the number 1, and 1e3 as '1e3'; new rows store '1' and '1000.0'.
    Defaults other than strings and digits are tried in a scratch database.
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
    """Return True if a STRICT column accepts its own default. ADD COLUMN does not check it against existing rows."""
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
    sql = f"ALTER TABLE {change.live_name} ADD COLUMN {column.text}"
    # ADD COLUMN checks existing rows against the CHECK of the column: https://www.sqlite.org/lang_altertable.html#altertabaddcol
    checks = (check for check in change.new.checks if check.at_column == fold_case(column.name))
    hazards = tuple(hazard for check in checks for hazard in hazards_of_check(change, check))
    place = change.wanted.place_of(column.name)
    return Step(StepKind.ADD_COLUMN, change.wanted.name, (sql,), hazards, place, column=column.name)


def _drop_column(change: TableChange, column: ColumnDefinition) -> Step:
    sql = f"ALTER TABLE {change.live_name} DROP COLUMN {quote_identifier(column.name)}"
    hazards = tuple(hazards_of_dropped_column(change, column))
    return Step(StepKind.DROP_COLUMN, change.wanted.name, (sql,), hazards, change.wanted.place, column=column.name)
