"""What triggers and foreign keys write: the columns that they assign, and the tables that they touch at all.

Seed rows are compared without the columns that a trigger assigns, because these hold another value than the file says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import NamedTuple

from turso_deploy.sql.definitions import TableDefinition
from turso_deploy.sql.lexer import fold_case, without_quotes
from turso_deploy.sql.schema import Schema

_UPDATING_ACTIONS = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})
_ENDS_OF_ASSIGNMENTS = frozenset({"WHERE", "FROM", "RETURNING", ";"})


class TriggerEffects(NamedTuple):
    """The folded names of the columns that triggers assign, and of those that foreign keys assign, by folded table.

    A table is `touched` if it has a trigger, or if a trigger or an action of a foreign key may write to it.
    """

    by_triggers: Mapping[str, Set[str]]
    by_keys: Mapping[str, Set[str]]
    touched: Set[str]

    def assigned_by_triggers(self, table: TableDefinition) -> frozenset[str]:
        """Return the columns of a table that triggers assign."""
        return _columns(table, self.by_triggers)

    def assigned(self, table: TableDefinition) -> frozenset[str]:
        """Return the columns of a table that triggers or foreign keys assign."""
        return _columns(table, self.by_triggers) | _columns(table, self.by_keys)

    def is_touched(self, table: str) -> bool:
        """Return True if something other than the statements of the seeds may write to the table."""
        return fold_case(table) in self.touched


def trigger_effects(schema: Schema) -> TriggerEffects:
    """Return what the triggers and foreign keys of a schema write."""
    by_triggers: dict[str, set[str]] = {}
    by_keys: dict[str, set[str]] = {}
    touched = {fold_case(trigger.definition.table) for trigger in schema.triggers.values()}
    for trigger in schema.triggers.values():
        for table, column in writes_of(trigger.definition.body):
            touched.add(table)
            if column:
                by_triggers.setdefault(table, set()).add(column)
    for name, child in schema.tables.items():
        for key in child.definition.foreign_keys:
            if _UPDATING_ACTIONS & {key.on_update, key.on_delete}:
                touched.add(name)
                by_keys.setdefault(name, set()).update(key.columns)
    return TriggerEffects(by_triggers, by_keys, touched)


def _columns(table: TableDefinition, assigned: Mapping[str, Set[str]]) -> frozenset[str]:
    """Return the assigned columns of a table, as it spells them."""
    found = assigned.get(fold_case(table.name), frozenset())
    return frozenset(column.name for name, column in table.by_name.items() if name in found or "*" in found)


def writes_of(body: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield each table that a trigger's statements write to, with each column that they assign in existing rows.

    The column is "" for a statement that assigns none, and `*` for one that may replace whole rows.
    """
    table = ""
    for position, token in enumerate(body):
        if token in ("INTO", "UPDATE", "DELETE") and body[position - 1 : position] != ("DO",):
            start = position + 1
            if token == "DELETE":
                start += 1  # FROM
            if body[start : start + 1] == ("OR",):
                start += 2
            if body[start + 1 : start + 2] == (".",):
                start += 2
            table = fold_case(without_quotes(body[start])) if start < len(body) else ""
            replaces = token == "INTO" and body[position - 1] == "REPLACE"
            yield table, "*" if replaces else ""
        elif token == "SET" and table:
            yield from ((table, column) for column in _assigned_columns(body, position + 1))


def _assigned_columns(body: tuple[str, ...], position: int) -> Iterator[str]:
    """Yield the folded names of the columns that a SET clause assigns, which begins at a position."""
    depth, is_target = 0, True
    while position < len(body) and not (depth == 0 and body[position] in _ENDS_OF_ASSIGNMENTS):
        token = body[position]
        depth += (token == "(") - (token == ")")
        if token == "=" and depth == 0:
            is_target = False
        elif token == "," and depth == 0:
            is_target = True
        elif is_target and token not in ("(", ")", ","):
            yield fold_case(without_quotes(token))
        position += 1
