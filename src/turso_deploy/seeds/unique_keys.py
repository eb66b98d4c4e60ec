"""Find live rows that hold a UNIQUE value of a seed row under another key: by constraints and by indexes of any kind.

A seed row is taken as the deployment leaves it: a column that the file leaves out has the value of the existing row, or
its default in a new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from turso_deploy.seeds.decisions import LiveTable
from turso_deploy.seeds.upsert import same_key
from turso_deploy.seeds.values import has_no_text_form
from turso_deploy.sql.affinity import Affinity, affinity_of
from turso_deploy.sql.definitions import IndexDefinition, KeyPart, PrimaryKey, TableDefinition, Unique
from turso_deploy.sql.identifiers import identifiers_in, with_columns
from turso_deploy.sql.lexer import fold_case, projected_name, quote_identifier
from turso_deploy.sql.schema import Schema

_PREFIX = "turso_deploy_"  # of names beside those of columns


class UniqueKey(NamedTuple):
    """A key of a table, which a seed row may share with a live row that has another key.

    `parts` are the SQL of its values, over the columns of the schema folder, each with the collation that compares it
    (None for that of the expression). `where` is the condition of a partial index. `columns` are all that it reads.
    `is_plain` is True if it is over columns and on all rows.
    """

    columns: tuple[str, ...]
    parts: tuple[tuple[str, str | None], ...]
    where: str | None
    is_plain: bool

    def named_columns(self, keys: Sequence[Sequence[str]], live: LiveTable) -> tuple[str, ...]:
        """Return the columns of which a conflict has the live values: those of the seeds' keys, and its own."""
        names = dict.fromkeys(name for columns in (*keys, self.columns) for name in columns)
        return tuple(name for name in names if name in live.values_after)

    def is_found_by(self, key: Sequence[str], definition: TableDefinition) -> bool:
        """Return True if the rows with equal values in this key are those that a key of the seeds finds."""
        collations = [(definition.by_name[fold_case(name)].collation or "binary") for name in key]
        found = {_shown(fold_case(name)): collation for name, collation in zip(key, collations, strict=True)}
        return self.where is None and dict(self.parts) == found

    def undecided_column(self, group: Sequence[str], definition: TableDefinition) -> str | None:
        """Return a column whose value in rows of a group is not known before they are written."""
        for name in self.columns:
            column = definition.by_name[fold_case(name)]
            is_computed = name not in group and column.default is not None and "(" in column.default
            if column.generated or (is_computed and len(self.columns) > 1):
                return name
        return None


def unique_keys(definition: TableDefinition, wanted: Schema) -> tuple[UniqueKey, ...]:
    """Return the keys of a table: primary key, UNIQUE constraints, and unique indexes."""
    indexes = (index.definition for index in wanted.indexes.values())
    own = [index for index in indexes if index.unique and index.table == definition.name]
    return tuple(_unique_key(key, definition) for key in (*definition.keys, *own))


def collation_of(part: KeyPart, definition: TableDefinition) -> str | None:
    """Return the collation by which a key compares a part; None for that of an expression, which states none."""
    if part.column is None:
        return part.collation
    return part.collation or definition.by_name[part.column].collation or "binary"


def _unique_key(key: PrimaryKey | Unique | IndexDefinition, definition: TableDefinition) -> UniqueKey:
    parts, condition = key.parts, key.where if isinstance(key, IndexDefinition) else None
    expressions = (*(part.expression for part in parts), condition or ())
    read = identifiers_in(" ".join(token for tokens in expressions for token in tokens))
    read |= {part.column for part in parts if part.column}
    shown = {name: _shown(name) for name in definition.by_name if projected_name(name) != name}
    where = with_columns(condition, shown) if condition else None
    texts = [_shown(part.column) if part.column else with_columns(part.expression, shown) for part in parts]
    return UniqueKey(
        tuple(column.name for name, column in definition.by_name.items() if name in read),
        tuple((text, collation_of(part, definition)) for text, part in zip(texts, parts, strict=True)),
        where,
        where is None and all(part.column for part in parts),
    )


def _shown(column: str) -> str:
    """Return the name of a column in a subquery, quoted."""
    return quote_identifier(projected_name(column))


class GivenRows(NamedTuple):
    """The rows of `given` in a statement: the name of each column in it, the key, and the columns with blobs."""

    columns: Mapping[str, str]
    key: Sequence[str]
    blob_columns: frozenset[str]


def other_forms_sql(given: GivenRows, live: LiveTable, definition: TableDefinition, named: Sequence[str]) -> str | None:
    """Return the SELECT for the same of each row whose key a live row has as a number in place of a text, or reversed.

    None if the columns of the key have types, so that SQLite would store both alike.
    """
    untyped = [
        name
        for name in given.key
        if has_no_text_form(definition.by_name[fold_case(name)].type, strict=definition.strict)
    ]
    if not untyped:
        return None
    value = {name: f"given.{given.columns[name]}" for name in given.key}
    column = {name: f"live.{quote_identifier(live.values_after[name])}" for name in given.key}
    alike = [
        f"{column[name]} IN ({value[name]}, CAST({value[name]} AS TEXT), CAST({value[name]} AS NUMERIC)) "
        f"AND CAST({column[name]} AS TEXT) = CAST({value[name]} AS TEXT) "
        f"AND 'blob' NOT IN (typeof({column[name]}), typeof({value[name]}))"
        if name in untyped
        else f"{column[name]} = {value[name]}"
        for name in given.key
    ]
    rowid = f"live.{live.rowid}" if live.rowid else "NULL"
    result = ", ".join(
        ["given.position", rowid, *(f"live.{quote_identifier(live.values_after[name])}" for name in named)]
    )
    own = " AND ".join(f"{column[name]} = {value[name]}" for name in given.key)
    return f"SELECT {result} FROM given CROSS JOIN {live.rows_as('live')} WHERE {' AND '.join(alike)} AND NOT ({own})"


def conflicts_sql(
    unique: UniqueKey,
    given: GivenRows,
    live: LiveTable,
    definition: TableDefinition,
    named: Sequence[str],
    *,
    only_new: bool,
) -> str | None:
    """Return the SELECT for the position of each row and what is known of the live row that it is in conflict with.

    That is the rowid and the values of the `named` columns. With `only_new`, existing rows are not written. None if no
    row can be in conflict.
    """
    missing = [name for name in unique.columns if name not in given.columns]
    has_value = any(name in given.columns or definition.by_name[fold_case(name)].default for name in unique.columns)
    if unique.is_plain and not has_value:
        return None  # an existing row keeps its values, a new one has NULL or a new number
    if unique.is_plain and unique.is_found_by(given.key, definition):
        return None
    key = same_key("mine", {live.values_after[name]: f"given.{given.columns[name]}" for name in given.key})
    values = [f"{_value(name, unique, given, live, definition)} AS {_shown(name)}" for name in unique.columns]
    keys = [f"given.{given.columns[name]} AS {_PREFIX}k{at}" for at, name in enumerate(given.key)]
    mine = f" LEFT JOIN {live.rows_as('mine')} ON {key}" if missing else ""
    condition = f" WHERE {unique.where}" if unique.where else ""
    parts = [f"({text}) AS e{at}" for at, (text, _) in enumerate(unique.parts)]
    own = ", ".join(["given.position AS turso_deploy_position", *keys, *values])
    own_keys = [f"{_PREFIX}k{at} AS k{at}" for at in range(len(given.key))]
    seeds = (
        f"(SELECT {', '.join([f'{_PREFIX}position AS position', *own_keys, *parts])} "
        f"FROM (SELECT {own} FROM given{mine}){condition}) AS seed"
    )
    read = dict.fromkeys((*named, *unique.columns))
    existing = {name: f"live.{quote_identifier(column)}" for name, column in live.values_after.items()}
    columns = [f"{existing.get(name) or f'({live.defaults.get(name)})'} AS {_shown(name)}" for name in read]
    rowid = f"live.{live.rowid}" if live.rowid else "NULL"
    found = [f"{_shown(name)} AS v{at}" for at, name in enumerate(named)]
    rows = f"SELECT {', '.join([f'{rowid} AS {_PREFIX}rowid', *columns])} FROM {live.rows_as('live')}"
    others = f"(SELECT {', '.join([f'{_PREFIX}rowid AS place', *found, *parts])} FROM ({rows}){condition}) AS other"
    same = " AND ".join(
        f"other.e{at} = seed.e{at}{f' COLLATE {quote_identifier(collation)}' if collation else ''}"
        for at, (_, collation) in enumerate(unique.parts)
    )
    is_own = " AND ".join(f"other.v{named.index(name)} = seed.k{at}" for at, name in enumerate(given.key))
    result = ", ".join(["seed.position", "other.place", *(f"other.v{at}" for at in range(len(named)))])
    sql = f"SELECT {result} FROM {seeds} JOIN {others} ON {same} WHERE ({is_own}) IS NOT TRUE"
    if only_new:
        exists = same_key("mine", {live.values_after[name]: f"seed.k{at}" for at, name in enumerate(given.key)})
        sql += f" AND NOT EXISTS (SELECT 1 FROM {live.rows_as('mine')} WHERE {exists})"
    return sql


def _value(name: str, unique: UniqueKey, given: GivenRows, live: LiveTable, definition: TableDefinition) -> str:
    """Return the value of a column in a seed row as the deployment leaves it, with the affinity of the column."""
    column = definition.by_name[fold_case(name)]
    if name not in given.columns:
        is_computed = column.default and "(" in column.default
        default = "NULL" if column.default is None or is_computed else " ".join(column.default)
        if name not in live.values_after:
            return f"({live.defaults.get(name, 'NULL')})"
        exists = f"mine.{quote_identifier(live.values_after[given.key[0]])} IS NOT NULL"
        return f"CASE WHEN {exists} THEN mine.{quote_identifier(live.values_after[name])} ELSE {default} END"
    value = f"given.{given.columns[name]}"
    if unique.is_plain or name in given.blob_columns:
        return value
    affinity = affinity_of(column.type, strict=definition.strict)
    if affinity in (Affinity.TEXT, Affinity.REAL):
        value = f"CAST({value} AS {affinity})"
    elif affinity is Affinity.INTEGER:
        value = f"CAST({value} AS NUMERIC)"  # which leaves the fraction that such a column can hold
    return f"{value} COLLATE {quote_identifier(column.collation)}" if column.collation else value
