"""Databases that tests deploy to: a real sqld behind a door, or a file; and what happens on the way to them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

from tests.support.recording_proxy import Door
from turso_deploy.cli.run import run
from turso_deploy.core.transaction import Failure, Outcome, Purpose, Query, Rows, Transaction, TransactionStep, Value
from turso_deploy.database.address import parse_address
from turso_deploy.database.interface import REQUEST_SIZE, Database
from turso_deploy.database.open import open_database
from turso_deploy.deploy import deploy as story
from turso_deploy.http.backoff import RetryBudget
from turso_deploy.plan.hazards import Approval
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report
from turso_deploy.sql.lexer import quote_identifier
from turso_deploy.transaction.history import Provenance

_Answer = TypeVar("_Answer")

NOWHERE = Provenance()


@dataclass
class Target:
    """One database. `url` is the way that deployments take, `back_door` the one that the test itself takes."""

    url: str
    back_door: str
    token: str = ""
    read_only_token: str = ""
    door: Door = field(default_factory=Door)
    request_size: int = REQUEST_SIZE

    @property
    def is_file(self) -> bool:
        return self.url.startswith("file:")

    @property
    def file(self) -> Path:
        return Path(self.url.removeprefix("file:"))

    def open(self, timeout: float = 30) -> Database:
        return open_database(parse_address(self.url), self.token, timeout, self.request_size)

    def deploy(
        self, project: Project, provenance: Provenance = NOWHERE, permissions: Sequence[Approval] = ()
    ) -> Report:
        return self._with(self.url, lambda database: story.deploy(project, database, provenance, permissions))

    def plan(self, project: Project, permissions: Sequence[Approval] = ()) -> Report:
        return self._with(self.url, lambda database: story.plan(project, database, NOWHERE, permissions))

    def verify(self, project: Project) -> Report:
        return self._with(self.url, lambda database: story.verify(project, database))

    def run(self, *statements: str) -> None:
        """Somebody else changes the database."""
        steps = tuple(TransactionStep(Query(sql), Purpose.CHANGE, sql) for sql in statements)
        outcome = self._with(self.back_door, lambda database: database.apply(Transaction(steps)))
        assert outcome.committed, outcome.failed

    def rows(self, sql: str) -> list[tuple[Value, ...]]:
        [answer] = self._with(self.back_door, lambda database: database.query([Query(sql)]))
        assert isinstance(answer, Rows), answer
        return list(answer.rows)

    def value(self, sql: str) -> Value:
        [(value,)] = self.rows(sql)
        return value

    def names(self) -> set[str]:
        """Everything in the catalog but what SQLite makes by itself."""
        return {
            str(name)
            for (name,) in self.rows("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
        }

    def dump(self) -> dict[str, Any]:
        """All that the database holds: the catalog, every row, and the counter that each change of schema moves."""
        catalog = self.rows("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name")
        tables = [str(name) for kind, name, *_ in catalog if kind == "table"]
        return {
            "catalog": catalog,
            "schema_version": self.value("SELECT schema_version FROM pragma_schema_version"),
            **{table: self.rows(f"SELECT * FROM {quote_identifier(table)}") for table in tables},
        }

    def _with(self, url: str, use: Callable[[Database], _Answer]) -> _Answer:
        database = open_database(parse_address(url), self.token, 30, self.request_size)
        try:
            return use(database)
        finally:
            database.close()


class OnTheWay:
    """A database on the way to which something happens: after it was read, or before a transaction is sent.

    Each hook gets the number of the call, from 1.
    """

    def __init__(
        self,
        database: Database,
        after_query: Callable[[int], None] = lambda number: None,
        before_apply: Callable[[int], None] = lambda number: None,
    ) -> None:
        self.address = database.address
        self.timeout = database.timeout
        self.request_size = database.request_size
        self._database = database
        self._after_query, self._queries = after_query, 0
        self._before_apply, self._transactions = before_apply, 0

    def query(self, queries: Sequence[Query]) -> list[Rows | Failure]:
        answers = self._database.query(queries)
        self._queries += 1
        self._after_query(self._queries)
        return answers

    def apply(self, transaction: Transaction) -> Outcome:
        self._transactions += 1
        self._before_apply(self._transactions)
        return self._database.apply(transaction)

    def size(self, transaction: Transaction) -> int:
        return self._database.size(transaction)

    def close(self) -> None:
        self._database.close()

    @property
    def requests(self) -> int:
        return self._database.requests

    @property
    def patience(self) -> RetryBudget:
        return self._database.patience

    @property
    def retries(self) -> list[str]:
        return self._database.retries


@dataclass(frozen=True)
class Finished:
    """What a whole run left behind: its exit status, and everything that it printed or wrote for the runner."""

    status: int
    printed: str

    @property
    def document(self) -> Any:
        return json.loads(self.printed)

    @property
    def error(self) -> Any:
        return self.document["error"]


def run_program(command: str, schema: Path, url: str, token: str = "", **settings: Any) -> Finished:
    """The program in this process, off a runner, with `--json`."""
    output = StringIO()
    given = {"command": command, "schema_path": str(schema), "database_url": url, "json_output": True, **settings}
    status = run(given | ({"auth_token": token} if token else {}), {}, output)
    return Finished(status, output.getvalue())
