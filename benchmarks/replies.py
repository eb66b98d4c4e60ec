"""The processor time to read a reply of SQL over HTTP: our codec, next to pydantic with a model of the protocol."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, PlainValidator, TypeAdapter
from typing_extensions import TypedDict  # pydantic takes that of typing from Python 3.12 on only

from benchmarks.table import Row
from turso_deploy.core.transaction import Failure, Query, Rows, Value
from turso_deploy.database.hrana_wire import Json, decode, encode, read_batch, step

ROUNDS = 9
TABLES = 1000


class Column(TypedDict):
    """A column of a result."""

    name: str | None


class StepResult(TypedDict):
    """The rows of a step that succeeded."""

    cols: tuple[Column, ...]
    rows: tuple[tuple[Annotated[Any, PlainValidator(decode)], ...], ...]
    affected_row_count: int


class StepError(TypedDict):
    """The failure of a step, or of a whole batch."""

    message: str
    code: NotRequired[str | None]


class BatchResult(TypedDict):
    """A result or a failure of each step, or neither if it was skipped."""

    step_results: list[StepResult | None]
    step_errors: list[StepError | None]


class BatchResponse(TypedDict):
    """The answer to a batch."""

    type: Literal["batch"]
    result: BatchResult


class CloseResponse(TypedDict):
    """The answer to the end of the stream."""

    type: Literal["close"]


class Success(TypedDict):
    """A request that was carried out."""

    type: Literal["ok"]
    response: Annotated[BatchResponse | CloseResponse, Field(discriminator="type")]


class Rejection(TypedDict):
    """A request that was not."""

    type: Literal["error"]
    error: StepError


class Reply(TypedDict):
    """The answer to a pipeline."""

    results: list[Annotated[Success | Rejection, Field(discriminator="type")]]


def measure() -> Iterator[Row]:
    """Yield the replies to an unchanged deployment, of a small schema and a large one, and one with a single figure.

    The first reply of a process is read with a model that is built for it; pydantic is loaded already.
    """
    build = _milliseconds(lambda: TypeAdapter(Reply))
    model = TypeAdapter(Reply)
    for case, steps in _cases().items():
        body = _body(steps)
        sent = [step(Query("SELECT 1"))] * len(steps)
        assert _ours(body, sent) == _with_pydantic(model, body)
        ours = _milliseconds(partial(_ours, body, sent))
        pydantic = _milliseconds(partial(_with_pydantic, model, body))
        yield Row(f"reply with {case}", "first of a process", ours, "ms", "pydantic", build + pydantic, 1)
        yield Row(f"reply with {case}", "each further one", ours, "ms", "pydantic", pydantic)


def _ours(body: bytes, sent: Sequence[Json]) -> object:
    return read_batch(json.loads(body)["results"][0], sent)


def _with_pydantic(model: TypeAdapter[Reply], body: bytes) -> object:
    success = model.validate_json(body)["results"][0]
    assert success["type"] == "ok"
    assert success["response"]["type"] == "batch"
    found = success["response"]["result"]
    return [
        Failure(error["message"], "UNKNOWN") if error else rows and _rows(rows)
        for rows, error in zip(found["step_results"], found["step_errors"], strict=True)
    ]


def _rows(result: StepResult) -> Rows:
    names = tuple(column["name"] or "" for column in result["cols"])
    return Rows(names, result["rows"], result["affected_row_count"])


def _cases() -> dict[str, list[list[tuple[Value, ...]]]]:
    columns = ", ".join(f"column_{number} TEXT NOT NULL DEFAULT ''" for number in range(12))
    catalog: list[tuple[Value, ...]] = []
    for number in range(TABLES):
        name = f"table_{number}"
        catalog.append(("table", name, name, f"CREATE TABLE {name} ({columns})"))
        for column in range(3):
            index = f"{name}_{column}"
            catalog.append(("index", index, name, f"CREATE INDEX {index} ON {name} (column_{column})"))
    deployment: list[tuple[Value, ...]] = [("5a1c", "1.0.0", "f" * 64, "{}", "[]", "{}")]
    return {
        "one figure": [[(7,)]],
        "12 tables, 36 indexes": [[(7,)], deployment, catalog[:48], [], [(1_780_000_000,)]],
        f"{TABLES:,} tables, {3 * TABLES:,} indexes": [[(7,)], deployment, catalog, [], [(1_780_000_000,)]],
    }


def _body(steps: Sequence[Sequence[tuple[Value, ...]]]) -> bytes:
    """Return a reply as sqld writes it."""
    results = [
        {
            "cols": [{"name": f"c{number}", "decltype": None} for number in range(len(rows[0]) if rows else 1)],
            "rows": [[encode(value) for value in row] for row in rows],
            "affected_row_count": 0,
            "last_insert_rowid": None,
            "replication_index": None,
        }
        for rows in steps
    ]
    result = {"step_results": results, "step_errors": [None] * len(steps)}
    batch = {"type": "ok", "response": {"type": "batch", "result": result}}
    return json.dumps({"baton": None, "results": [batch, {"type": "ok", "response": {"type": "close"}}]}).encode()


def _milliseconds(run: Callable[[], object]) -> float:
    """Return the least processor time of some rounds, each of them long enough for the clock."""
    start = time.process_time()
    run()
    count = max(1, round(0.02 / max(time.process_time() - start, 0.00001)))
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(count):
            run()
        rounds.append((time.process_time() - start) / count * 1000)
    return min(rounds)
