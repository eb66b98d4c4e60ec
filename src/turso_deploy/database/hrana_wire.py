"""The JSON codec of SQL over HTTP, version 3 (Hrana): statements and conditions out, rows and failures in.

The protocol: https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_3_SPEC.md. Readers raise ValueError,
KeyError, TypeError or OverflowError for everything that the protocol does not define.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Sequence
from typing import Any

from turso_deploy.core.transaction import Failure, Query, Rows, Value
from turso_deploy.database.engine_messages import offset_in

Json = dict[str, Any]

_INTEGER = re.compile(r"-?[0-9]{1,19}")
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


class MalformedStepError(ValueError):
    """The result of a batch holds one for each step, and one of them cannot be read."""


CLOSE: Json = {"type": "close"}
"""The request that ends the stream: the last one of every pipeline."""
AUTOCOMMIT: Json = {"type": "is_autocommit"}
"""The condition that no transaction is open."""


def succeeded(step: int) -> Json:
    """Return the condition that a step ran without an error."""
    return {"type": "ok", "step": step}


def negated(condition: Json) -> Json:
    """Return the opposite condition."""
    return {"type": "not", "cond": condition}


def every(*conditions: Json) -> Json:
    """Return the condition that all conditions hold. It is flat, because servers limit the depth."""
    return {"type": "and", "conds": list(conditions)}


def step(query: Query, condition: Json | None = None, *, want_rows: bool = False) -> Json:
    """Return one step of a batch."""
    statement: Json = {"sql": query.sql, "want_rows": want_rows}
    if query.arguments:
        statement["args"] = [encode(value) for value in query.arguments]
    return {"stmt": statement} if condition is None else {"condition": condition, "stmt": statement}


def batch(steps: Sequence[Json]) -> Json:
    """Return the request that runs steps one after the other, in one round trip."""
    return {"type": "batch", "batch": {"steps": list(steps)}}


def encode(value: Value) -> Json:
    """Encode a value: integers as decimal strings, blobs as base64 without padding."""
    match value:
        case None:
            return {"type": "null"}
        case int():
            return {"type": "integer", "value": str(int(value))}
        case float():
            return {"type": "float", "value": value}
        case str():
            return {"type": "text", "value": value}
        case bytes():
            return {"type": "blob", "base64": base64.b64encode(value).decode().rstrip("=")}


def decode(value: Json) -> Value:
    """Decode a value. NaN and the infinities, for which JSON has no number, read as None."""
    if value["type"] == "text" and isinstance(value["value"], str):  # most values; `match` takes ten times as long
        return value["value"]
    match value:
        case {"type": "null"} | {"type": "float", "value": None}:
            return None
        case {"type": "integer", "value": str(digits)} if _INTEGER.fullmatch(digits):
            return _within_64_bits(int(digits))
        case {"type": "float", "value": int() | float() as number} if not isinstance(number, bool):
            return float(number) if math.isfinite(number) else None
        case {"type": "blob", "base64": str(encoded)}:
            return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    raise ValueError("not a value of the protocol")


def _within_64_bits(number: int) -> int:
    if -(2**63) <= number < 2**63:
        return number
    raise ValueError("not an integer of SQLite")


def read_batch(result: Json, sent: Sequence[Json]) -> list[Rows | Failure | None] | Failure:
    """Return for each step its rows, its failure, or None if it was skipped.

    Return one Failure in place of the list if the batch was rejected as a whole. Raises MalformedStepError if the
    result is that of the batch, and not of its steps.
    """
    if result["type"] == "error":
        return read_failure(result["error"])
    response = result["response"]
    if result["type"] != "ok" or ("type" in response and response["type"] != "batch"):
        raise ValueError("not the result of a batch")
    batch_result = response["result"]
    steps = list(zip(batch_result["step_results"], batch_result["step_errors"], sent, strict=True))
    try:
        return [_read_step(rows, error, sent_step["stmt"]["sql"]) for rows, error, sent_step in steps]
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise MalformedStepError("the result of a step is not one of the protocol") from error


def read_failure(error: Json, sql: str = "") -> Failure:
    """Return a failure, with the position in the statement that it names if the statement is known."""
    message, code = error["message"], str(error.get("code"))
    if not isinstance(message, str):
        raise ValueError("an error without a message")
    return Failure(message, code if _CODE.fullmatch(code) else "UNKNOWN", offset_in(sql, message) if sql else None)


def _read_step(rows: Json | None, error: Json | None, sql: str) -> Rows | Failure | None:
    if error is not None and rows is not None:
        raise ValueError("a step with a result and an error")
    if error is not None:
        return read_failure(error, sql)
    if rows is None:
        return None
    columns, width, affected = rows["cols"], len(rows["cols"]), rows["affected_row_count"]
    if type(affected) is not int or not 0 <= affected < 2**63:
        raise ValueError("not a number of rows")
    return Rows(
        columns=tuple(column["name"] or "" for column in columns),
        rows=tuple(_read_row(row, width) for row in rows["rows"]),
        affected=affected,
    )


def _read_row(row: list[Json], width: int) -> tuple[Value, ...]:
    if len(row) != width:
        raise ValueError("a row with more or fewer values than columns")
    return tuple([decode(value) for value in row])
