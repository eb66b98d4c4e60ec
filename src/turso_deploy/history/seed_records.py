"""The records of seeded rows in the deployment history: which rows were seeded, and with which values."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from turso_deploy.catalog.catalog import HISTORY_TABLE, Catalog
from turso_deploy.core.transaction import Purpose, Query, TransactionStep
from turso_deploy.seeds.trigger_effects import filled_record_sql
from turso_deploy.sql.lexer import fold_case, quote_identifier

SEED_ROWS_COLUMN = "seed_rows"
"""The column that the first versions of the table lack: the record of the seeded rows, in one row of the table only."""

_LATEST_RECORD = f"(SELECT max(number) FROM {HISTORY_TABLE} WHERE {SEED_ROWS_COLUMN} IS NOT NULL)"

_MARK = re.compile(r"([0-9a-f]+):([0-9]{1,18})")


def partial_mark(fingerprint: str, rows: int) -> str:
    """Return the record of a table's seeds of which the first `rows` rows are deployed."""
    return f"{fingerprint}:{rows}"


def removed_records(tables: Iterable[str]) -> dict[str, str]:
    """Return the records that remove those of tables, also of rows that were deployed in part."""
    return dict.fromkeys(tables, "null")


def rows_deployed(mark: str | None, fingerprint: str) -> int:
    """Return the number of rows that a `partial_mark` records for seeds with this fingerprint; 0 for other seeds."""
    found = _MARK.fullmatch(str(mark))
    return int(found[2]) if found and found[1] == fingerprint else 0


def has_seed_records(catalog: Catalog) -> bool:
    """Return True if the deployment history of a database can hold records of seeded rows."""
    return any(fold_case(row.name) == HISTORY_TABLE and SEED_ROWS_COLUMN in (row.sql or "") for row in catalog.rows)


def recorded_groups_query(table: str) -> Query:
    """Return the query for the groups in the records of a table: id, and JSON of the columns that each has.

    They are those of the key, the hashed ones, and those that triggers assign: NULL in a record of the older form.
    """
    columns = ", ".join(f"{_PART}->'$.{name}'" for name in ("key", "columns", "assigned"))
    sql = f"SELECT {_GROUP_ID}, {columns} FROM {_RECORDS} WHERE {_IS_TABLE}"
    return Query(sql, (table,))


def recorded_rows_query(table: str, live_table: str, key: Sequence[str]) -> Query:
    """Return the query for the recorded rows of a table with a key.

    A row has the id of the group, the JSON of the key's values, the hash, the presence, and the JSON of the hashes of
    what is given and of what is stored in the columns that triggers assign. Presence is 1 if `live_table` has a row
    with that key. Rows of interrupted deployments come last, the newest at the end.
    """
    same = " AND ".join(
        f"live.{quote_identifier(name)} = ({_ITEM}->>'$[0][{position}]')" for position, name in enumerate(key)
    )
    return Query(
        f"SELECT {_GROUP_ID}, {_ITEM}->'$[0]', {_ITEM}->>'$[1]', "
        f"EXISTS (SELECT 1 FROM {quote_identifier(live_table)} AS live WHERE {same}), {_ITEM}->'$[2]', {_ITEM}->'$[3]' "
        f"FROM {_RECORDS}, json_each({_PART}, '$.rows') AS item WHERE {_IS_TABLE} AND {_PART}->'$.key' = ?2 "
        f"ORDER BY {_IS_PARTIAL}, {_GENERATION}",
        (table, _json(list(key))),
    )


def partial_record_name(table: str, first: int) -> str:
    """Return the name of the record of a table's rows from position `first`, until all its rows are deployed."""
    return f"{table}\n{first}"


# A record that is damaged counts as none: its rows count as never seeded, and the next deployment replaces it.
_VALID = "CASE WHEN json_valid({0}) THEN {0} ELSE '{{}}' END"
_IS_RECORD = "entry.type = 'array'"
_RECORDS = (
    f"{HISTORY_TABLE} AS history, json_each({_VALID.format(f'history.{SEED_ROWS_COLUMN}')}) AS entry, "
    f"json_each(CASE WHEN {_IS_RECORD} THEN entry.value ELSE '[]' END) AS part"
)
_PART = "(CASE part.type WHEN 'object' THEN part.value ELSE '{}' END)"
_ITEM = "(CASE item.type WHEN 'array' THEN item.value ELSE '[]' END)"
_GROUP_ID = "entry.key || '/' || part.key"
_IS_LAST = f"number = (SELECT max(number) FROM {HISTORY_TABLE})"
_IS_PARTIAL = "instr(entry.key, char(10)) > 0"
# The name of a partial record ends with a line feed for each time that its seeds were begun again since.
_GENERATION = "length(rtrim(entry.key, char(10))) - length(entry.key)"
_IS_EARLIER = "substr(entry.key, -1) = char(10)"
_TABLE_OF_ENTRY = "substr(entry.key, 1, instr(entry.key || char(10), char(10)) - 1)"
_IS_TABLE = f"history.number = {_LATEST_RECORD} AND {_TABLE_OF_ENTRY} = ?1"


def record_steps(records: Mapping[str, str], completed: Collection[str]) -> list[TransactionStep]:
    """Return the steps that write records into the last row of the history, by table.

    Each record is JSON, `null` to remove it. `completed` are the tables of which the last seed rows are deployed.
    """
    if not records:
        return []
    # A merge patch (https://www.rfc-editor.org/rfc/rfc7396) replaces the records of some tables, which are arrays.
    # Interrupted deployments may follow each other, and each row holds what the last of them to reach it seeded.
    # So partial records stay until those of all rows are newer.
    patch = "{" + ",".join(f"{_json(name)}:{record}" for name, record in records.items()) + "}"
    names = [name.partition("\n") for name in records]
    whole = [table for table, _, first in names if not first]
    begun = [table for table, _, first in names if first == "0"]
    latest = f"SELECT {_VALID.format(SEED_ROWS_COLUMN)} FROM {HISTORY_TABLE} WHERE number = {_LATEST_RECORD}"
    is_whole, is_begun, is_completed = (
        f"{_TABLE_OF_ENTRY} IN (SELECT value FROM json_each(?{number}))" for number in (2, 3, 4)
    )
    kept = (
        f"SELECT json_group_object(entry.key || iif({_IS_PARTIAL} AND {is_begun}, char(10), ''), "
        f"json(entry.value)) FROM json_each(coalesce(({latest}), '{{}}')) AS entry "
        f"WHERE {_IS_RECORD} AND iif({_IS_PARTIAL}, "
        f"NOT {is_whole} AND NOT ({is_completed} AND ({is_begun} OR {_IS_EARLIER})), NOT {is_completed})"
    )
    last = _IS_LAST
    record = f"UPDATE {HISTORY_TABLE} SET {SEED_ROWS_COLUMN} = json_patch(({kept}), ?1) WHERE {last}"
    forget = f"UPDATE {HISTORY_TABLE} SET {SEED_ROWS_COLUMN} = NULL WHERE {SEED_ROWS_COLUMN} IS NOT NULL AND NOT {last}"
    label = f"record the seeded rows in {HISTORY_TABLE}"
    tables = (_json(whole), _json(begun), _json(sorted(completed)))
    return [
        TransactionStep(Query(record, (patch, *tables)), Purpose.HISTORY, label),
        TransactionStep(Query(forget), Purpose.HISTORY, label),
        *(
            TransactionStep(query, Purpose.HISTORY, f"record what triggers made of the seeds in {HISTORY_TABLE}")
            for name, record in records.items()
            for query in _filling_queries(name, record)
        ),
    ]


def _filling_queries(name: str, record: str) -> Iterator[Query]:
    """Yield the statement that completes a record with the hashes of what its table holds, if it lacks any."""
    content = f"(SELECT entry.value FROM json_each(history.{SEED_ROWS_COLUMN}) AS entry WHERE entry.key = ?1)"
    if filled := filled_record_sql(name.partition("\n")[0], record, content):
        patch = f"json_patch({SEED_ROWS_COLUMN}, json_object(?1, json(({filled}))))"
        sql = f"UPDATE {HISTORY_TABLE} AS history SET {SEED_ROWS_COLUMN} = {patch} WHERE {_IS_LAST}"
        yield Query(sql, (name,))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
