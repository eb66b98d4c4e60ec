"""Hazards of one changed table: lost or changed values, violated constraints, and rows without a parent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from types import MappingProxyType

from turso_deploy.core.transaction import Query
from turso_deploy.plan.hazards import Hazard, HazardName
from turso_deploy.plan.table_change import FormerNames, TableChange, is_rowid, projected
from turso_deploy.sql.affinity import affinity_of, stored_form, strict_type
from turso_deploy.sql.comments import renamed_from
from turso_deploy.sql.definitions import Check, ColumnDefinition, ForeignKey, KeyPart, TableDefinition
from turso_deploy.sql.identifiers import identifiers_in
from turso_deploy.sql.lexer import Tokens, as_written, column_title, fold_case, quote_identifier, readable_sql
from turso_deploy.sql.schema import Schema, Table

_OLD_VALUE = "turso_deploy_before"
_MAX_NAMES = 5  # of the new names that a remedy for one dropped object lists


def hazards_of_rebuild(change: TableChange) -> Iterator[Hazard]:
    """Yield the hazards of copying the rows of a table into its wanted form."""
    yield hazard_of_table(change, HazardName.REWRITE_TABLE, f"SELECT count(*) FROM {change.live_name}")
    for column in change.dropped:
        yield from hazards_of_dropped_column(change, column)
    for column, live in change.kept:
        yield from _changed_values(change, column, live)
    for column in change.new.columns:
        yield from _missing_values(change, column)
        yield from _values_of_another_type(change, column)
    yield from _duplicates(change)
    for check in change.new.checks:
        yield from hazards_of_check(change, check)
    for key in change.new.foreign_keys:
        if not any(_enforces_the_same(change, key, other) for other in change.old.foreign_keys):
            yield _missing_parents(change, key, _count_missing_parents(change, key))


def hazard_of_table(change: TableChange, name: HazardName, count: str) -> Hazard:
    """Return a hazard of the table itself. `count` is the SQL of the query that counts the affected rows."""
    return Hazard(name, change.wanted.name, Query(count), change.wanted.place)


def _hazard_of_columns(
    change: TableChange, name: HazardName, columns: Sequence[str], count: str, remedy: str | None = None
) -> Hazard:
    """Return a hazard of one column, or of the columns of a key."""
    place = change.wanted.place_of(columns[0]) if len(columns) == 1 else change.wanted.place
    return Hazard(name, title_of_columns(change, columns), Query(count), place, remedy=remedy)


def title_of_columns(change: TableChange, columns: Sequence[str]) -> str:
    """Return the title of columns of a table for approvals and messages, each as its table declares it."""
    declared = (change.new.by_name.get(fold_case(name)) for name in columns)
    names = [found.name if found else as_written(name) for found, name in zip(declared, columns, strict=True)]
    return column_title(change.wanted.name, *names)


def hazards_of_dropped_column(change: TableChange, column: ColumnDefinition) -> Iterator[Hazard]:
    """Yield the hazard of dropping a column; none for a generated column."""
    if column.generated is None:
        new = [added.name for added in change.added if added.generated is None]
        count = f"SELECT count({quote_identifier(column.name)}) FROM {change.live_name}"
        subject = f"column {column_title(change.wanted.name, column.name)}"
        remedy = rename_hint(subject, column.name, new) if new else None
        yield _hazard_of_columns(change, HazardName.DROP_COLUMN, (column.name,), count, remedy)


def _changed_values(change: TableChange, column: ColumnDefinition, live: ColumnDefinition) -> Iterator[Hazard]:
    """Yield the hazards of a column whose collation, expression or affinity changes."""
    names, live_value = (column.name,), quote_identifier(live.name)
    if column.collation != live.collation:
        count = f"SELECT count({live_value}) FROM {change.live_name}"
        yield _hazard_of_columns(change, HazardName.CHANGE_COLLATION, names, count)
    if column.generated is not None:
        if live.generated is None:
            rows = change.projection_with(f"quote({live_value}) AS {_OLD_VALUE}")
            count = f"SELECT count(*) FROM {rows} WHERE {_OLD_VALUE} IS NOT quote({projected(column.name)})"
            yield _hazard_of_columns(change, HazardName.CHANGE_GENERATED, names, count)
        return
    if change.backfill(fold_case(column.name)) is not None:
        return  # the author has given the new values
    before, after = affinity_of(live.type, strict=change.old.strict), change.affinity(column)
    if before is not after:
        is_converted = f"quote({stored_form(live_value, after)}) IS NOT quote({live_value})"
        count = f"SELECT count(*) FROM {change.live_name} WHERE {is_converted}"
        title = column_title(change.wanted.name, column.name)
        remedy = f"Or give the new values: `-- @using <expression>` at the column {title}."
        yield _hazard_of_columns(change, HazardName.CHANGE_TYPE, names, count, remedy)


def _missing_values(change: TableChange, column: ColumnDefinition) -> Iterator[Hazard]:
    """Yield the hazard of a column that must not be NULL, if existing rows may have no value for it."""
    live = change.live_column(fold_case(column.name))
    becomes_rowid = is_rowid(column, change.new) and column.name in change.sources
    if not (column.not_null or becomes_rowid):
        return
    if live is None and column.default is not None and column.name not in change.sources:
        return
    is_copied = live is not None and change.sources.get(column.name) == quote_identifier(live.name)
    if live is not None and is_copied and (live.not_null or is_rowid(live, change.old)):
        return
    if column.generated is not None and fold_case(column.name) not in change.changed_columns:
        return
    count = f"SELECT count(*) FROM {change.projection} WHERE {projected(column.name)} IS NULL"
    yield _hazard_of_columns(
        change, HazardName.ADD_NOT_NULL, (column.name,), count, _remedy_for_missing_values(change, column)
    )


def _remedy_for_missing_values(change: TableChange, column: ColumnDefinition) -> str:
    title, name = column_title(change.wanted.name, column.name), fold_case(column.name)
    if column.generated is not None:
        return remedy_for_rows(change, {name}, f"{title} is never NULL")
    if change.wanted.directives.of(name).using and (backfill := change.backfill(name)):
        return f"`-- @using {backfill}` at the column {title} gives NULL there: change it so that it never does."
    remedy = f"Give the missing values: `-- @using <expression>` at the column {title}"
    if change.live_column(name):
        return f"{remedy}; a DEFAULT applies to new rows only."
    return f"{remedy}." if _is_unique_by_itself(change, name) else f"{remedy}, or give it a DEFAULT."


def _is_unique_by_itself(change: TableChange, column: str) -> bool:
    """Return True if a column is a key of its own, so that a DEFAULT would give two rows one key."""
    indexes = (index.definition for index in change.schema.indexes.values())
    unique = [index for index in indexes if index.unique and index.table == fold_case(change.wanted.name)]
    return any([part.column for part in key.parts] == [column] for key in (*change.new.keys, *unique))


def _values_of_another_type(change: TableChange, column: ColumnDefinition) -> Iterator[Hazard]:
    """Yield the hazard of a STRICT column or a rowid, which accept values of their own type only."""
    live, becomes_rowid = change.live_column(fold_case(column.name)), is_rowid(column, change.new)
    wanted_type = "integer" if becomes_rowid else strict_type(column.type) if change.new.strict else None
    # SQLite 3.54 checks the type of virtual columns, too, when it writes a row; 3.45 checks stored ones only.
    is_generated = column.generated is not None
    if wanted_type is None or (column.name not in change.sources and column.default is None and not is_generated):
        return
    if is_generated and fold_case(column.name) not in change.changed_columns:
        return
    if live is not None and (is_rowid(live, change.old) or _has_type(change, live, column.type)):
        return
    other_type = f"typeof({projected(column.name)}) NOT IN ('null', '{wanted_type}')"
    count = f"SELECT count(*) FROM {change.projection} WHERE {other_type}"
    goal = f"{column_title(change.wanted.name, column.name)} holds values of the type {wanted_type.upper()} only"
    remedy = remedy_for_rows(change, {fold_case(column.name)}, goal)
    yield _hazard_of_columns(change, HazardName.ADD_STRICT, (column.name,), count, remedy)


def _has_type(change: TableChange, live: ColumnDefinition, name: str) -> bool:
    """Return True if a live column holds values of a type only. SQLite 3.45 does not check virtual ones."""
    return change.old.strict and live.generated is None and live.type == name


def _duplicates(change: TableChange) -> Iterator[Hazard]:
    """Yield the hazards of the keys that are new, or whose columns change."""
    known = {key.parts for key in change.old.keys}
    for key in change.new.keys:
        if key.parts not in known or any(part.column in change.changed_columns for part in key.parts):
            columns = [part.column or readable_sql(part.expression) for part in key.parts]
            count = count_duplicates_after(change, key.parts)
            title = title_of_columns(change, columns)
            remedy = remedy_for_rows(change, columns_read_by(key.parts), f"no two rows share the key {title}")
            yield _hazard_of_columns(change, HazardName.ADD_UNIQUE, columns, count, remedy)


def columns_read_by(parts: Sequence[KeyPart], where: Tokens | None = None) -> frozenset[str]:
    """Return the folded names that a key, or an index with a condition, reads: columns and functions."""
    expressions = [*(part.expression for part in parts), where or ()]
    return frozenset(part.column for part in parts if part.column).union(*map(identifiers_in, map(_sql, expressions)))


def hazards_of_check(change: TableChange, check: Check) -> Iterator[Hazard]:
    """Yield the hazard of a CHECK that is new, or that reads changed columns."""
    reads_changes = not change.changed_columns.isdisjoint(identifiers_in(_sql(check.expression)))
    if check not in change.old.checks or reads_changes:
        rows, [condition] = change.judged(check.expression)
        count = f"SELECT count(*) FROM {rows} WHERE NOT ({condition})"
        if check.at_column is None:
            hazard = hazard_of_table(change, HazardName.ADD_CHECK, count)
        else:
            hazard = _hazard_of_columns(change, HazardName.ADD_CHECK, (check.at_column,), count)
        goal = f"CHECK ({readable_sql(check.expression)}) holds"
        yield hazard._replace(remedy=remedy_for_rows(change, identifiers_in(_sql(check.expression)), goal))


def rename_hint(subject: str, old: str, new: Sequence[str]) -> str:
    """Return the hint for a table or column that is dropped while others are added: renames are never guessed."""
    names = [*new[:_MAX_NAMES], *(["another"] if len(new) > _MAX_NAMES else [])]
    return f"If the {subject} was renamed to {' or '.join(names)}, write there: `{renamed_from(old)}`."


def count_duplicates_after(change: TableChange, parts: Sequence[KeyPart], where: Tokens | None = None) -> str:
    """Return a query that counts the rows which will share a key, of a constraint or of an index."""
    source, expressions = change.judged(*(part.expression for part in parts), where or ())
    terms = [
        _term(part, change.new, projected, expression) for part, expression in zip(parts, expressions, strict=False)
    ]
    return _count_equal(source, terms, expressions[-1])


def count_duplicates(table: Table, parts: Sequence[KeyPart], where: Tokens | None) -> str:
    """Return a query that counts the rows of a table which share a key."""
    terms = [_term(part, table.definition, quote_identifier, _sql(part.expression)) for part in parts]
    return _count_equal(quote_identifier(table.name), terms, _sql(where or ()))


def _count_equal(source: str, terms: Sequence[str], where: str) -> str:
    """Return a query that counts the rows of `source` which share the values of terms.

    NULLs are distinct from each other: https://www.sqlite.org/lang_createindex.html#uniqueidx
    """
    given = " AND ".join([*(f"{term} IS NOT NULL" for term in terms), *([f"({where})"] if where else [])])
    return (
        f"SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM {source} WHERE {given} "
        f"GROUP BY {', '.join(terms)} HAVING count(*) > 1)"
    )


def _term(part: KeyPart, table: TableDefinition, quoted: Callable[[str], str], expression: str) -> str:
    """Return the value of a part, by which rows are grouped. `quoted` gives the SQL of the name of a column."""
    column = table.by_name.get(part.column or "")
    if column is not None:
        collation = part.collation or column.collation or "binary"
        return f"{quoted(column.name)} COLLATE {quote_identifier(collation)}"
    value = quote_identifier(part.column) if part.column else f"({expression})"
    return value + (f" COLLATE {quote_identifier(part.collation)}" if part.collation else "")


def _sql(tokens: Tokens) -> str:
    return " ".join(tokens)


def has_no_parent(key: ForeignKey, schema: Schema, quoted: Callable[[str], str] = quote_identifier) -> str:
    """Return the condition that a row called `child` has a value for a foreign key, and no parent row.

    `quoted` gives the SQL of the name of a column of `child`.
    """
    given = " AND ".join(f"child.{quoted(name)} IS NOT NULL" for name in key.columns)
    same = " AND ".join(
        # The + removes the affinity of the child's column, so that only the parent's affinity applies.
        f"parent.{quote_identifier(parent)} = +child.{quoted(name)}"
        for parent, name in zip(schema.parent_columns(key), key.columns, strict=False)
    )
    return f"{given} AND NOT EXISTS (SELECT 1 FROM {quote_identifier(key.parent)} AS parent WHERE {same})"


def hazards_of_children(parent: TableChange, children: Iterable[str]) -> Iterator[Hazard]:
    """Yield the hazards of the tables that refer to a changed table, if the referenced key or its values change.

    `children` are the folded names of the tables that refer to it and stay; unmanaged ones stay as they are.
    Rows that have no parent before the change are not counted.
    """
    for name in children:
        live = parent.before.tables.get(name)
        wanted = parent.schema.all_tables.get(name, live)
        if live is None or not isinstance(wanted, Table):
            continue
        unchanged = TableChange(
            wanted, live, parent.schema, parent.before, parent.other_changes, former_names=parent.former_names
        )
        child = parent.other_changes.get(name, unchanged)
        for key in child.new.foreign_keys:
            old = next((old for old in child.old.foreign_keys if _has_the_columns_of(old, key)), None)
            if key.parent != fold_case(parent.wanted.name) or old is None:
                continue
            new_columns, old_columns = parent.schema.parent_columns(key), parent.before.parent_columns(old)
            if not (_has_columns(parent.new, new_columns) and _has_columns(parent.old, old_columns)):
                continue  # it refers to no key, and SQLite reports that when rows are changed
            is_another = new_columns != old_columns
            if child is unchanged and (is_another or not parent.changed_columns.isdisjoint(new_columns)):
                had_parent = f"NOT ({has_no_parent(old, parent.before, projected)})"
                yield _missing_parents(child, key, f"{_count_missing_parents(child, key)} AND {had_parent}")
            if is_another or not parent.revalued_columns.isdisjoint(new_columns):
                count = _count_other_parents(parent, child, key, old_columns)
                yield _hazard_of_columns(child, HazardName.CHANGE_PARENT, key.columns, count)


def _has_columns(parent: TableDefinition, columns: Collection[str]) -> bool:
    return bool(columns) and parent.by_name.keys() >= {*columns}


def _has_the_columns_of(one: ForeignKey, other: ForeignKey) -> bool:
    return (one.columns, one.parent) == (other.columns, other.parent)


def _count_other_parents(parent: TableChange, child: TableChange, key: ForeignKey, old_columns: Sequence[str]) -> str:
    """Return a query that counts the rows that have a parent row, and will have another one."""
    new_columns = parent.schema.parent_columns(key)
    before = [f"turso_deploy_key_{number}" for number in range(len(key.columns))]
    rows = child.projection_with(
        *(f"{quote_identifier(name)} AS {one}" for name, one in zip(key.columns, before, strict=True))
    )
    keys = parent.projection_with(
        *(f"{quote_identifier(name)} AS {one}" for name, one in zip(old_columns, before, strict=True))
    )
    was = [_as_key(parent.old, *pair) for pair in zip(old_columns, before, strict=True)]
    will_be = [_as_key(parent.new, *pair) for pair in zip(new_columns, map(projected, key.columns), strict=True)]
    new_names = [projected(name) for name in new_columns]
    return (
        f"SELECT count(*) FROM {rows} WHERE ({', '.join(was)}) IN (SELECT {', '.join(before)} FROM {keys}) "
        f"AND ({', '.join(will_be)}) IN (SELECT {', '.join(new_names)} FROM {keys}) "
        f"AND ({', '.join([*was, *will_be])}) NOT IN (SELECT {', '.join([*before, *new_names])} FROM {keys} "
        f"WHERE {' AND '.join(map(_is_given, [*before, *new_names]))})"
    )


def _missing_parents(change: TableChange, key: ForeignKey, count: str) -> Hazard:
    title, parent = title_of_columns(change, key.columns), change.schema.tables.get(key.parent)
    remedy = remedy_for_rows(change, key.columns, f"{title} refers to rows that exist")
    if parent is not None:
        remedy += f" Or add the missing rows to {parent.name}, for example as seeds."
    hazard = _hazard_of_columns(change, HazardName.ADD_FOREIGN_KEY, key.columns, count, remedy)
    return hazard._replace(parent=key.parent)


def _enforces_the_same(change: TableChange, new: ForeignKey, old: ForeignKey) -> bool:
    parent = change.other_changes.get(new.parent)
    columns, others = change.schema.parent_columns(new), change.before.parent_columns(old)
    was = parent.old_names(columns) if parent else tuple(columns)
    return (change.old_names(new.columns), new.parent, was) == (old.columns, old.parent, tuple(others))


def _count_missing_parents(change: TableChange, key: ForeignKey) -> str:
    return f"SELECT count(*) FROM {change.projection} AS child WHERE {_will_have_no_parent(change, key)}"


def _will_have_no_parent(change: TableChange, key: ForeignKey) -> str:
    """Return the condition of `has_no_parent` for rows and parents in their wanted form."""
    parent = change.other_changes.get(key.parent)
    if parent is None or not (parent.changed_columns or parent.moved):
        return has_no_parent(key, change.schema, projected)
    columns = change.schema.parent_columns(key)
    names = [projected(parent.new.by_name[column].name) for column in columns]
    child = [f"child.{projected(name)}" for name in key.columns]
    values = [_as_key(parent.new, column, value) for column, value in zip(columns, child, strict=True)]
    # A subquery has no index: NOT EXISTS would read all its rows for each child, NOT IN reads them once.
    keys = f"SELECT {', '.join(names)} FROM {parent.projection} WHERE {' AND '.join(map(_is_given, names))}"
    return f"{' AND '.join(map(_is_given, child))} AND ({', '.join(values)}) NOT IN ({keys})"


def _as_key(parent: TableDefinition, name: str, value: str) -> str:
    """Return a child's value as SQLite compares it with a column of the parent.

    https://www.sqlite.org/foreignkeys.html#fk_indexes
    """
    column = parent.by_name[name]
    stored = stored_form(value, affinity_of(column.type, strict=parent.strict))
    return f"({stored}) COLLATE {quote_identifier(column.collation or 'binary')}"


def _is_given(value: str) -> str:
    return f"{value} IS NOT NULL"


def remedy_for_live_rows(
    table: str, columns: Iterable[str], goal: str, former: FormerNames = MappingProxyType({})
) -> str:
    """Return how to correct the rows of a table whose columns are all there already, so that a rule holds.

    `goal` says when it does, as a clause. The table and its columns have their `former` names until the renames.
    """
    old_table = former.get((fold_case(table), None), table)
    subjects = []
    for column in columns:
        new = column_title(table, column)
        old = column_title(old_table, former.get((fold_case(table), fold_case(column)), column))
        subjects.append(new if new == old else f"{old} (which becomes {new})")
    rows = table if table == old_table else f"{old_table} (which becomes {table})"
    how = "with a one-time script in scripts/ that runs before the schema changes, or by hand"
    return f"Correct {', '.join(subjects) or f'the rows of {rows}'} in the existing rows {how}, so that {goal}."


def remedy_for_rows(change: TableChange, read: Collection[str], goal: str) -> str:
    """Return how to correct the rows that break a rule of a changed table, so that it holds.

    `read` are the folded names that the rule reads, and `goal` says when it holds, as a clause. A new column has no
    values that a script could correct before; it gets them from a backfill. A generated column follows others.
    """
    generated = _generated_columns(change.new, read)
    stored = _stored_columns(change.new, read)
    name = change.wanted.name
    filled = [column for column in stored if change.backfill(fold_case(column.name)) is not None]
    new = [column for column in stored if column not in filled and not change.live_column(fold_case(column.name))]
    live = [column.name for column in stored if column not in filled and column not in new]
    parts = [
        f"Change the `@using` at the column {column_title(name, column.name)}, so that {goal}." for column in filled
    ]
    if new:
        of_new = " or ".join(column_title(name, column.name) for column in new)
        parts.append(
            f"Give the rows of {name} values, so that {goal}: `-- @using <expression>` at the column {of_new}."
        )
    if live or not (filled or new):
        parts.append(remedy_for_live_rows(name, live, goal, change.former_names))
    if generated:
        parts.append(f"Or change the expression of {', '.join(column_title(name, each.name) for each in generated)}.")
    return " ".join(parts)


def _stored_columns(table: TableDefinition, read: Collection[str]) -> list[ColumnDefinition]:
    """Return the columns among names that hold values, also those that generated columns among the names read."""
    names = set(read).union(*map(_read_by, _generated_columns(table, read)))
    return [column for name, column in table.by_name.items() if name in names and column.generated is None]


def _generated_columns(table: TableDefinition, read: Collection[str]) -> list[ColumnDefinition]:
    """Return the generated columns among names, and those that they read, in the order of the table."""
    names = set(read)
    while True:
        found = [column for name, column in table.by_name.items() if name in names and column.generated]
        more = names.union(*map(_read_by, found))
        if more == names:
            return found
        names = more


def _read_by(column: ColumnDefinition) -> frozenset[str]:
    return identifiers_in(" ".join(column.generated.expression)) if column.generated else frozenset()
