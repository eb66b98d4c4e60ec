"""Statements that make an engine compile objects: what SQLite stores unchecked is looked at before it is used.

SQLite stores a view, a trigger or the expression of a DEFAULT without resolving the names in it. A statement that
reaches the object resolves them, and EXPLAIN QUERY PLAN keeps it from reading or writing a row:
https://www.sqlite.org/eqp.html.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from enum import StrEnum
from typing import NamedTuple

from turso_deploy.core.transaction import Query
from turso_deploy.sql.definitions import TableDefinition
from turso_deploy.sql.lexer import fold_case, quote_identifier
from turso_deploy.sql.schema import Index, Schema, SchemaObject, Table, Trigger, View, key_of

_EXPLAIN = "EXPLAIN QUERY PLAN"


class Action(StrEnum):
    """The kinds of statements that reach objects."""

    INSERT = "INSERT"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    SELECT = "SELECT"


_WRITES = (Action.INSERT, Action.UPDATE, Action.DELETE)


class Compilation(NamedTuple):
    """A statement on a table or view, and those changed objects that it makes the engine compile.

    `others` are the objects outside the schema folder that it reaches as well. If there are any, and the table or view
    exists already, `before` does the same before the plan: it fails if one of them is broken already.
    """

    action: Action
    target: str
    objects: tuple[SchemaObject, ...]
    sql: str
    before: str = ""
    others: tuple[SchemaObject, ...] = ()

    @property
    def query(self) -> Query:
        """The statement, which returns no row of the table."""
        return Query(f"{_EXPLAIN} {self.sql}")

    @property
    def query_before(self) -> Query | None:
        """The statement for the database before the plan; None if there is nothing to compile."""
        return Query(f"{_EXPLAIN} {self.before}") if self.before else None


Columns = Callable[[str], Sequence[str]]
"""The names of the columns of a table or view that an UPDATE can set, by the name of the table or view."""


def compilations(schema: Schema, changed: Set[tuple[str, str]], columns: Columns) -> Iterator[Compilation]:
    """Yield the statements that reach all changed objects of a schema, each statement once.

    `changed` holds kind and folded name of the objects. What CREATE has compiled completely, such as a table without
    any expression, needs no statement.
    """
    found: dict[tuple[Action, str], list[SchemaObject]] = {}
    names: dict[str, str] = {}
    for item in schema.objects():
        if key_of(item) in changed:
            target = item.table if isinstance(item, Index | Trigger) else item.name
            names[fold_case(target)] = target
            for action in actions_on(item):
                found.setdefault((action, fold_case(target)), []).append(item)
    for (action, name), items in found.items():
        sql = statement(action, names[name], columns)
        if sql:
            yield Compilation(action, names[name], tuple(items), sql)


def statement(action: Action, target: str, columns: Columns) -> str:
    """Return the statement that does the action to a whole table or view; "" if there is nothing to set."""
    name = quote_identifier(target)
    match action:
        case Action.INSERT:
            return f"INSERT INTO {name} DEFAULT VALUES"
        case Action.DELETE:
            return f"DELETE FROM {name}"
        case Action.SELECT:
            return f"SELECT * FROM {name}"
        case _:
            assignments = ", ".join(f"{quote_identifier(column)} = NULL" for column in columns(target))
            return f"UPDATE {name} SET {assignments}" if assignments else ""


def actions_on(item: SchemaObject) -> Sequence[Action]:
    """Return the actions that make the engine compile all expressions of an object."""
    match item:
        case View():
            return (Action.SELECT,)
        case Trigger():
            return (Action(item.definition.event),)
        case Index():
            is_plain = item.definition.where is None and all(part.column for part in item.definition.parts)
            return () if is_plain else _WRITES
        case Table():
            return _actions_on_table(item.definition)
        case _:
            return ()


def _actions_on_table(table: TableDefinition) -> Sequence[Action]:
    if any(column.generated for column in table.columns):
        return (*_WRITES, Action.SELECT)
    if table.checks:
        return (Action.INSERT, Action.UPDATE)
    return (Action.INSERT,) if any(has_call(column.default) for column in table.columns) else ()


def has_call(tokens: Sequence[str] | None) -> bool:
    """Return True if an expression may call a function: a word that an opening parenthesis follows."""
    pairs = zip(tokens or (), (tokens or ())[1:], strict=False)
    return any(following == "(" and (word[0].isalpha() or word[0] in '_"`[') for word, following in pairs)
