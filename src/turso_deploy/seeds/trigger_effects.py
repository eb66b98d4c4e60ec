"""What triggers and foreign keys write: the columns that they assign, and the tables that they touch at all.

Seed rows are verified without the columns that a trigger assigns, because these hold another value than the file says.
The deployment history keeps a hash of what is stored there: SQL computes it in the transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Set
from typing import Any, NamedTuple

from turso_deploy.core.transaction import Value
from turso_deploy.seeds.upsert import qualified, same_key, text_form
from turso_deploy.sql.definitions import TableDefinition
from turso_deploy.sql.lexer import fold_case, quote_identifier, without_quotes
from turso_deploy.sql.schema import Schema

_UPDATING_ACTIONS = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})
_MAX_HASHED = 500  # characters, of which SQLite hashes about three million a second
_FACTORS = (1_299_709, 1_114_117)  # primes above the number of any character
_MODULI = (4_398_046_511_093, 2_097_143)  # the largest primes below 2^42 and 2^21: no product exceeds 63 bits

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


def stored_hash(value: Value) -> int | None:
    """Return a hash of 63 bits of a value, as `filled_record_sql` computes it; None for a text that is too long."""
    kind = "n" if value is None else "b" if isinstance(value, bytes) else "t"
    text = kind + ("" if value is None else value.hex().upper() if isinstance(value, bytes) else str(text_form(value)))
    if len(text) > _MAX_HASHED or "\0" in text:
        return None
    first = second = 1
    for character in text:
        first = (first * _FACTORS[0] + ord(character)) % _MODULI[0]
        second = (second * _FACTORS[1] + ord(character)) % _MODULI[1]
    return first * _MODULI[1] + second


def filled_record_sql(table: str, record: str, content: str) -> str | None:
    """Return the query for a record with the hashes of what a table holds, for each True in it; None if it has no True.

    `record` is made by `record_of`, and `content` is the SQL of the same JSON. The query is flat, because SQLite's
    parser has a small stack, and goes through the characters of all values together.
    """
    groups = json.loads(record) if '"assigned":["' in record else None
    if not groups:
        return None
    texts = " UNION ALL ".join(
        _text_sql(table, group, number) for number, group in enumerate(groups) if group["assigned"]
    )
    first, second = (
        f"({name} * {factor} + unicode(rest)) % {modulus}"
        for name, factor, modulus in zip(("first", "second"), _FACTORS, _MODULI, strict=True)
    )
    return (
        f"WITH RECURSIVE part (number, value) AS (SELECT key, value FROM json_each({content})), "
        "item (part, place, value) AS MATERIALIZED (SELECT part.number, item.key, item.value "
        f"FROM part, json_each(part.value, '$.rows') AS item), given (part, place, at, number, text) AS ({texts}), "
        "hash (part, place, at, rest, first, second) AS (SELECT part, place, at, text, 1, 1 FROM given "
        f"WHERE {_IS_HASHED} UNION ALL SELECT part, place, at, substr(rest, 2), {first}, {second} "
        f"FROM hash WHERE rest <> ''), value (part, place, at, number) AS (SELECT part, place, at, "
        f"first * {_MODULI[1]} + second FROM hash WHERE rest = '' UNION ALL SELECT part, place, at, number FROM given "
        f"WHERE coalesce({_IS_HASHED}, 0) = 0), list (part, place, numbers) AS (SELECT part, place, "
        "json_group_array(number) FROM (SELECT * FROM value ORDER BY part, place, at) GROUP BY part, place), "
        "filled (part, rows) AS (SELECT item.part, json_group_array(json(iif(list.numbers IS NULL, item.value, "
        "json_set(item.value, '$[3]', json(list.numbers))))) FROM item LEFT JOIN list "
        "ON list.part = item.part AND list.place = item.place GROUP BY item.part) "
        "SELECT json_group_array(json(json_set(part.value, '$.rows', json(filled.rows)))) "
        "FROM part JOIN filled ON filled.part = part.number"
    )


_IS_HASHED = f"length(text) <= {_MAX_HASHED} AND instr(text, char(0)) = 0"


def _text_sql(table: str, group: Mapping[str, Any], number: int) -> str:
    """Return the queries for the text to hash, or the known number, of each column of a group that triggers assign."""
    key = same_key("live", {name: f"(item.value->>'$[0][{at}]')" for at, name in enumerate(group["key"])})
    is_found = f"live.{quote_identifier(group['key'][0])} IS NOT NULL"
    queries = []
    for at, name in enumerate(group["assigned"]):
        value, path = f"live.{quote_identifier(name)}", f"'$[3][{at}]'"
        text = (
            f"CASE typeof({value}) WHEN 'null' THEN 'n' WHEN 'blob' THEN 'b' || hex({value}) "
            f"WHEN 'real' THEN 't' || printf('%.15g', {value}) ELSE 't' || {value} END"
        )
        is_open = f"json_type(item.value, {path}) = 'true'"
        queries.append(
            f"SELECT item.part, item.place, {at}, iif({is_open}, NULL, item.value->>{path}), "
            f"iif({is_open} AND {is_found}, {text}, NULL) "
            f"FROM item LEFT JOIN {qualified(table)} AS live ON {key} WHERE item.part = {number}"
        )
    return " UNION ALL ".join(queries)
