"""Databases that tests deploy to: a real sqld behind a recording proxy, or a file; and hooks between their calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

from tests.support.recording_proxy import RecordingProxy
from turso_deploy.cli.invocation import Timing
from turso_deploy.cli.run import run
from turso_deploy.core.transaction import Failure, Outcome, Purpose, Query, Rows, Transaction, TransactionStep, Value
from turso_deploy.database.address import parse_address
from turso_deploy.database.interface import REQUEST_SIZE, Database
from turso_deploy.database.open import open_address
from turso_deploy.deploy import preview
from turso_deploy.deploy.deploy import deploy
from turso_deploy.deploy.verify import verify
from turso_deploy.history.entries import Provenance
from turso_deploy.http.backoff import RetryBudget
from turso_deploy.plan.hazards import Approval
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report
from turso_deploy.sql.lexer import quote_identifier

_Answer = TypeVar("_Answer")

NO_PROVENANCE = Provenance()
QUICK = Timing(max_pause=0.001)
"""A run that retries without noticeable pauses."""


def quick_retries(seconds: float) -> RetryBudget:
    """Return a budget for retries without noticeable pauses."""
    return RetryBudget(seconds, max_pause=QUICK.max_pause)


@dataclass
class DatabaseUnderTest:
    """One database. Deployments use `url`, which may lead through a proxy; the test itself uses `direct_url`."""

    url: str
    direct_url: str
    token: str = ""
    read_only_token: str = ""
    proxy: RecordingProxy = field(default_factory=RecordingProxy)
    request_size: int = REQUEST_SIZE
    max_pause: float = QUICK.max_pause

    @property
    def is_file(self) -> bool:
        return self.url.startswith("file:")

    @property
    def file(self) -> Path:
        return Path(self.url.removeprefix("file:"))

    def open(self, timeout: float = 30, retry_budget: RetryBudget | None = None) -> Database:
        """Open the database. The `retry_budget` is by default the timeout, with pauses of at most `max_pause`."""
        budget = retry_budget or RetryBudget(timeout, max_pause=self.max_pause)
        return self._open(self.url, timeout, budget)

    def deploy(
        self, project: Project, provenance: Provenance = NO_PROVENANCE, approvals: Sequence[Approval] = ()
    ) -> Report:
        return self._with(
            self.url, lambda database: deploy(project, database, allow_hazards=approvals, provenance=provenance)
        )

    def plan(self, project: Project, approvals: Sequence[Approval] = ()) -> Report:
        return self._with(self.url, lambda database: preview.plan(project, database, allow_hazards=approvals))

    def verify(self, project: Project) -> Report:
        return self._with(self.url, lambda database: verify(project, database))

    def run(self, *statements: str) -> None:
        """Execute statements as another client would."""
        steps = tuple(TransactionStep(Query(sql), Purpose.CHANGE, sql) for sql in statements)
        outcome = self._with(self.direct_url, lambda database: database.apply(Transaction(steps)))
        assert outcome.committed, outcome.failed

    def rows(self, sql: str) -> list[tuple[Value, ...]]:
        [answer] = self._with(self.direct_url, lambda database: database.query([Query(sql)]))
        assert isinstance(answer, Rows), answer
        return list(answer.rows)

    def value(self, sql: str) -> Value:
        [(value,)] = self.rows(sql)
        return value

    def names(self) -> set[str]:
        """Return the names of all objects in the catalog except those that SQLite creates itself."""
        return {
            str(name)
            for (name,) in self.rows("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
        }

    def dump(self) -> dict[str, Any]:
        """Return the content of the database: its catalog, every row, and its schema version."""
        catalog = self.rows("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name")
        tables = [str(name) for kind, name, *_ in catalog if kind == "table"]
        return {
            "catalog": catalog,
            "schema_version": self.value("SELECT schema_version FROM pragma_schema_version"),
            **{table: self.rows(f"SELECT * FROM {quote_identifier(table)}") for table in tables},
        }

    def _with(self, url: str, use: Callable[[Database], _Answer]) -> _Answer:
        with self._open(url, 30, RetryBudget(30, max_pause=self.max_pause)) as database:
            return use(database)

    def _open(self, url: str, timeout: float, retry_budget: RetryBudget) -> Database:
        return open_address(
            parse_address(url), self.token, timeout, request_size=self.request_size, retry_budget=retry_budget
        )


class InterceptedDatabase(Database):
    """A database with hooks: after each read, before each transaction is sent, and when its outcome arrives.

    The first two receive the number of the call, counted from 1; the last one may replace the outcome.
    """

    def __init__(
        self,
        database: Database,
        after_query: Callable[[int], None] = lambda number: None,
        before_apply: Callable[[int], None] = lambda number: None,
        after_apply: Callable[[Outcome], Outcome] = lambda outcome: outcome,
    ) -> None:
        self.address = database.address
        self.timeout = database.timeout
        self.request_size = database.request_size
        self.retry_budget = database.retry_budget
        self._database = database
        self._after_query, self._queries = after_query, 0
        self._before_apply, self._transactions = before_apply, 0
        self._after_apply = after_apply

    def query(self, queries: Sequence[Query]) -> list[Rows | Failure]:
        answers = self._database.query(queries)
        self._queries += 1
        self._after_query(self._queries)
        return answers

    def apply(self, transaction: Transaction) -> Outcome:
        self._transactions += 1
        self._before_apply(self._transactions)
        return self._after_apply(self._database.apply(transaction))

    def size(self, transaction: Transaction) -> int:
        return self._database.size(transaction)

    def close(self) -> None:
        self._database.close()

    @property
    def requests(self) -> int:
        return self._database.requests


@dataclass(frozen=True)
class CompletedRun:
    """The result of a run of the program: its exit status and its output."""

    status: int
    printed: str

    @property
    def document(self) -> Any:
        return json.loads(self.printed)

    @property
    def error(self) -> Any:
        return self.document["error"]


def run_program(command: str, schema: Path, url: str, token: str = "", **settings: Any) -> CompletedRun:
    """Run the program in this process, outside a runner, with `--json`."""
    output = StringIO()
    given = {"command": command, "schema_path": str(schema), "database_url": url, "json_output": True, **settings}
    status = run(given | ({"auth_token": token} if token else {}), {}, output, timing=QUICK)
    return CompletedRun(status, output.getvalue())
