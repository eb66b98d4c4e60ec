"""A server that lies, before one that does not: deployments through it, and what is true afterwards."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.faults.lies import Lie, mutated, single_lies
from tests.support.counters import count
from tests.support.databases import quick_retries
from tests.support.http_server import listening
from tests.support.schema_folders import SMALL, write_project
from tests.support.sqld import Sqld
from turso_deploy.core.transaction import Purpose, Query, Rows, Transaction, TransactionStep, Value, change_step
from turso_deploy.database.hrana import HranaDatabase
from turso_deploy.deploy.deploy import deploy
from turso_deploy.deploy.preview import plan
from turso_deploy.deploy.verify import verify
from turso_deploy.plan.hazards import Approval, HazardName
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report
from turso_deploy.sql.lexer import quote_identifier

TIMEOUT = 1.0
FALSE_SUCCESS = "success of what is not"
Change = Callable[[int, bytes], bytes]
"""A change of the reply to a request, which has a number, counted from 0."""

_CHANGED = SMALL["tables.sql"].replace("title TEXT NOT NULL,", "title TEXT NOT NULL CHECK (title <> ''),\n  year,")
_MORE_BOOKS = SMALL["seeds/books.jsonl"].replace("Notes", "Sketches") + '{"id": "b3", "title": "Loops", "author": 3}\n'
_SCRIPT = """\
-- @run after
UPDATE authors SET profile = '{}' WHERE profile IS NULL;
DELETE FROM books WHERE author = 4;
DELETE FROM authors WHERE id = 4;
"""
_LIVE = (
    "INSERT INTO authors VALUES (3, 'Live', NULL), (4, 'Gone', NULL)",
    "INSERT INTO books VALUES ('live', 'Live', 3), ('gone', 'Gone', 4)",
)
_EVERYTHING = tuple(Approval(name, None) for name in HazardName)


class Story(NamedTuple):
    """A deployment, and the statements that make the database as it is before it."""

    name: str
    project: Project
    first: Project | None = None
    live: tuple[str, ...] = ()
    succeeds: bool = True


def stories(folder: Path) -> list[Story]:
    """Return the deployments, with their schema folders in `folder`."""
    first = write_project(folder / "first")
    changed = {**SMALL, "scripts/1-complete.sql": _SCRIPT}
    bounds = SMALL["manifest.yml"].replace("1.0.0", "2.0.0").replace("2..4", "2..9")
    last = write_project(folder / "changed", changed, tables=_CHANGED, books=_MORE_BOOKS, manifest=bounds)
    failing = bounds.replace('authors: ">=2"', 'authors: ">=200"')
    orphan = SMALL["seeds/books.jsonl"] + '{"id": "b9", "title": "Nowhere", "author": 99}\n'
    return [
        Story("a new database", first),
        Story("a change of everything", last, first, _LIVE),
        Story(
            "a check that fails",
            write_project(folder / "failing", tables=_CHANGED, manifest=failing),
            first,
            _LIVE,
            succeeds=False,
        ),
        Story(
            "a row without a parent",
            write_project(folder / "orphan", books=orphan, manifest=bounds),
            first,
            _LIVE,
            succeeds=False,
        ),
    ]


@dataclass
class Tally:
    """What was reported of what was true, and each case in which that is a contradiction."""

    reported: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def save(self, section: str) -> None:
        """Add the figures to those of the whole run of tests."""
        for what, number in self.reported.items():
            count(section, what, number)


class Liar:
    """A proxy before a server, whose replies pass through `change`.

    With `unconditional` every step of a batch runs. The server gets no request whose number is in `withheld`.
    """

    def __init__(self, sqld: Sqld) -> None:
        self.url = ""
        self.change: Change = lambda number, content: content
        self.unconditional = False
        self.withheld: set[int] = set()
        self.replies: list[bytes] = []
        self._netloc = urlsplit(sqld.url).netloc

    def begin(self, change: Change) -> None:
        """Begin another conversation."""
        self.replies, self.change = [], change

    def answer(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """Return the server's status, and its reply as changed."""
        if len(self.replies) in self.withheld:
            self.replies.append(b"")
            return 200, self.change(len(self.replies) - 1, b"")
        if self.unconditional:
            document = json.loads(body)
            for request in document["requests"]:
                for step in request.get("batch", {}).get("steps", ()):
                    if step["stmt"]["sql"] != "ROLLBACK":
                        step.pop("condition", None)
            body = json.dumps(document).encode()
        connection = HTTPConnection(self._netloc, timeout=30)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        number = len(self.replies)
        self.replies.append(content)
        return answer.status, self.change(number, content)


@contextmanager
def running_liar(sqld: Sqld) -> Iterator[Liar]:
    """A proxy that lies, before a server."""
    liar = Liar(sqld)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept = ("authorization", "content-type")
            headers = {name: value for name, value in self.headers.items() if name.lower() in kept}
            with suppress(ConnectionError):
                status, content = liar.answer(self.path, body, headers)
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with listening(Handler) as liar.url:
        yield liar


class _Before(NamedTuple):
    """A database before a deployment: the steps that make it from any other, and its last deployment."""

    steps: tuple[TransactionStep, ...]
    last: Value


class Bench:
    """A server and a liar before it, and the stories that are deployed through the liar again and again."""

    def __init__(self, sqld: Sqld, liar: Liar, folder: Path) -> None:
        self._token = sqld.token()
        self._direct = HranaDatabase(sqld.url, self._token, 30)
        self._liar = liar
        self.stories = stories(folder)
        self._before = {story.name: self._prepare(story) for story in self.stories}
        self.honest = {story.name: self._converse(story) for story in self.stories}
        """The replies to a deployment that nobody disturbs."""

    def reply_to(self, story: Story, command: str) -> bytes:
        """Return the last reply to a command that nobody disturbs."""
        self.judge(story, "undisturbed", lambda number, content: content, Tally(), command)
        return self._liar.replies[-1]

    def close(self) -> None:
        """Close the connection."""
        self._direct.close()

    def tell_single_lies(self, story: Story, tally: Tally, every: int = 1) -> None:
        """Deploy a story once for each lie about each of its replies, or for one lie of `every`."""
        replies = self.honest[story.name]
        lies = [(number, lie) for number, reply in enumerate(replies) for lie in single_lies(json.loads(reply))]
        for number, lie in lies[::every]:
            self.judge(story, f"reply {number}, {lie}", _about(number, lie), tally)

    def mutate(self, seed: int, tally: Tally) -> None:
        """Deploy a story with one reply changed at random, or with all; the seed decides which and how.

        Some are planned, on the database too, or verified.
        """
        choice = random.Random(seed)
        command = choice.choice(("deploy", "deploy", "deploy", "deploy", "plan", "dry run", "verify"))
        story = choice.choice(self.stories)
        chosen = None if choice.random() < 0.1 else choice.randrange(len(self.honest[story.name]))

        def change(number: int, content: bytes) -> bytes:
            return mutated(content, choice) if chosen in (None, number) else content

        self.judge(story, f"seed {seed}, {command}", change, tally, command)

    def judge(self, story: Story, title: str, change: Change, tally: Tally, command: str = "deploy") -> Report | None:
        """Deploy through the liar, and compare the report with what is true afterwards."""
        self._reset(story)
        self._liar.begin(change)
        try:
            report = self._deploy(story) if command == "deploy" else self._preview(story, command)
        except Exception as error:
            tally.reported["a crash"] += 1
            trace = error.__traceback__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
            tally.problems.append(f"{story.name}, {title}: {type(error).__name__} at {where}")
            return None
        committed = self._last() != self._before[story.name].last
        problem = contradiction(report, committed=committed, honest=not self._liar.unconditional)
        if command != "deploy" and problem == FALSE_SUCCESS:
            problem = None  # a preview may succeed, and commits nothing
        code = f", {report.error.code}" if report.error else ""
        tally.reported[f"{report.status}{code}, committed: {report.committed}; in truth: {committed}"] += 1
        if problem:
            tally.problems.append(f"{story.name}, {title}: {problem}: {report.status}, {report.error}")
        return report

    def _prepare(self, story: Story) -> _Before:
        self._run(self._drops())
        if story.first:
            with self._opened(self._direct.address) as database:
                report = deploy(story.first, database)
            assert report.exit_code == 0, report.error
            self._run(tuple(change_step(sql, "live") for sql in story.live))
        return _Before(tuple(self._dump()), self._last())

    def _converse(self, story: Story) -> list[bytes]:
        self._reset(story)
        self._liar.begin(lambda number, content: content)
        report = self._deploy(story)
        assert (report.exit_code == 0) is story.succeeds, report.error
        return list(self._liar.replies)

    def _deploy(self, story: Story) -> Report:
        with self._opened(self._liar.url) as database:
            return deploy(story.project, database, allow_hazards=_EVERYTHING)

    def _preview(self, story: Story, command: str) -> Report:
        with self._opened(self._liar.url) as database:
            if command == "verify":
                return verify(story.project, database)
            return plan(story.project, database, allow_hazards=_EVERYTHING, dry_run=command == "dry run")

    def _opened(self, url: str) -> HranaDatabase:
        return HranaDatabase(url, self._token, TIMEOUT, retry_budget=quick_retries(TIMEOUT))

    def _reset(self, story: Story) -> None:
        self._run((*self._drops(), *self._before[story.name].steps))

    def _rows(self, sql: str) -> tuple[tuple[Value, ...], ...]:
        [answer] = self._direct.query([Query(sql)])
        return answer.rows if isinstance(answer, Rows) else ()

    def _last(self) -> Value:
        rows = self._rows("SELECT id FROM schema_deployments ORDER BY number DESC LIMIT 1")
        return rows[0][0] if rows else None

    def _run(self, steps: tuple[TransactionStep, ...]) -> None:
        outcome = self._direct.apply(Transaction(steps, foreign_keys=False))
        assert outcome.committed, outcome.failed

    def _drops(self) -> tuple[TransactionStep, ...]:
        objects = self._rows(
            "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' "
            "ORDER BY type = 'table', type = 'index', type = 'view'"
        )
        steps = [
            change_step(f"DROP {kind!s} IF EXISTS {quote_identifier(str(name))}", str(name)) for kind, name in objects
        ]
        if self._rows("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'"):
            steps.append(change_step("DELETE FROM sqlite_sequence", "counters"))
        return tuple(steps)

    def _dump(self) -> Iterator[TransactionStep]:
        """Yield the steps that make the database as it is now."""
        catalog = self._rows(
            "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' "
            "ORDER BY type = 'trigger', type = 'view', type = 'index', rowid"
        )
        for kind, name, sql in catalog:
            yield change_step(str(sql), str(name))
            for row in self._rows(f"SELECT * FROM {quote_identifier(str(name))}") if kind == "table" else ():
                places = ", ".join("?" * len(row))
                query = Query(f"INSERT INTO {quote_identifier(str(name))} VALUES ({places})", row)
                yield TransactionStep(query, Purpose.CHANGE, str(name))


def contradiction(report: Report, *, committed: bool, honest: bool) -> str | None:
    """Return in what a report contradicts the truth; None if it does not.

    With a server that is not `honest` about its conditions, checks may have failed in what is committed.
    """
    if report.error and report.error.code == "internal":
        return "a crash"
    if report.exit_code == 0 and not (committed and honest):
        return FALSE_SUCCESS
    if report.committed is False and committed:
        return "nothing changed, it says"
    if report.committed is True and not committed:
        return "committed, it says"
    return None


def _about(lied: int, lie: Lie) -> Change:
    def change(number: int, content: bytes) -> bytes:
        if number != lied:
            return content
        document: Any = json.loads(content)
        lie.tell(document)
        return json.dumps(document).encode()

    return change
