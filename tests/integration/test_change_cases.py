"""Every case in tests/cases/changes, on a real sqld and in files: one change of a schema that holds rows.

A case is a folder:

    before.sql           the schema as it was deployed
    rows.sql             what others did to the database meanwhile: rows, and objects that are not ours
    after.sql            the schema as it is wanted
    scripts/, seeds/     what comes with after.sql; scripts_before/, seeds_before/ what came with before.sql
    expect.yml           what has to come of it, see Expected

For each case: a dry run leaves nothing behind, a second plan is empty, the catalog means what the folder
says, SQLite finds the database sound, rows of untouched tables and objects of others are there; the script of
`plan --sql` leaves in a file what the deployment leaves; a refusal changes nothing at all.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import pytest
import yaml
from pydantic import BaseModel, model_validator

from tests.support.databases import DatabaseUnderTest
from tests.support.sqld import running_sqld
from tests.support.sqlite_shell import content, in_python
from turso_deploy.catalog.catalog import Catalog, read_catalog
from turso_deploy.catalog.diff import diff
from turso_deploy.catalog.rows import CATALOG_QUERY, SHADOW_QUERY, catalog_rows
from turso_deploy.core.errors import DeployError
from turso_deploy.core.transaction import Purpose, Query, Rows, Transaction, TransactionStep
from turso_deploy.deploy import preview
from turso_deploy.deploy.deploy import deploy
from turso_deploy.deploy.deployment import Deployment
from turso_deploy.pending.find import find_pending
from turso_deploy.plan.hazards import parse_approvals
from turso_deploy.project.loader import load_project
from turso_deploy.project.project import Project
from turso_deploy.report.document import ErrorLine, Report, Status
from turso_deploy.report.lines import error_line
from turso_deploy.sql.lexer import fold_case, quote_identifier, quote_string, read_column_title
from turso_deploy.sql.schema import key_of
from turso_deploy.sql.splitter import split

TESTS = Path(__file__).parents[1]
CASES = TESTS / "cases" / "changes"
NAMES = sorted(folder.name for folder in CASES.iterdir())


class Refused(BaseModel, frozen=True, strict=True, extra="forbid"):
    """The error: its code, a part of its message or hint, and `file:line` of its place."""

    code: str
    message: str | None = None
    place: str | None = None


class Answer(BaseModel, frozen=True, strict=True, extra="forbid"):
    """A query, and the rows that it returns afterwards."""

    query: str
    rows: list[list[Any]]


class Expected(BaseModel, frozen=True, strict=True, extra="forbid"):
    """What a case expects.

    `steps` are kind and object of every step, in order; `hazards` the rows that each concerns, by its name and object;
    `notices` parts of the notices. `writes_to` are tables whose content a script changes. `clock` are columns, as
    `table.column`, that take the time of a deployment: two deployments need not give them the same values.
    """

    about: str
    only: Literal["sqld", "file"] | None = None
    allow: str = ""
    steps: list[str] | None = None
    hazards: dict[str, int | None] = {}
    notices: list[str] = []
    refused: Refused | None = None
    rows: list[Answer] = []
    writes_to: list[str] = []
    clock: list[str] = []

    @model_validator(mode="after")
    def _require_one_result(self) -> Self:
        if (self.refused is None) == (self.steps is None):
            raise ValueError("a case expects either steps or a refusal")
        return self


@dataclass
class Case:
    """A case on one database."""

    folder: Path
    expected: Expected
    target: DatabaseUnderTest
    workspace: Path

    def project(self, name: str) -> Project:
        """The schema folder with `before` or `after`."""
        folder = self.workspace / name
        if folder.exists():
            return load_project(folder)
        folder.mkdir()
        shutil.copy(self.folder / f"{name}.sql", folder / "schema.sql")
        for kind in ("scripts", "seeds"):
            extra = self.folder / (kind if name == "after" else f"{kind}_before")
            if extra.exists():
                shutil.copytree(extra, folder / kind)
        return load_project(folder)

    def bring_to_before(self) -> Project:
        """Deploy what was, and let others do their part."""
        before = self.project("before")
        report = self.deploy(before)
        assert report.status is Status.DEPLOYED, report.error
        others = [statement.text for statement in split((self.folder / "rows.sql").read_text(encoding="utf-8"))]
        _run_without_foreign_keys(self.target, others)
        return before

    def deploy(self, project: Project, allow: str = "") -> Report:
        with closing(self.target.open()) as database:
            return deploy(project, database, allow_hazards=allow)

    def plan(self, project: Project, allow: str = "", *, dry_run: bool = False) -> Report:
        with closing(self.target.open()) as database:
            return preview.plan(project, database, allow_hazards=allow, dry_run=dry_run)

    def script(self, project: Project, allow: str = "") -> str:
        """What `plan --sql` prints; empty where nothing is to be done."""
        with closing(self.target.open()) as database:
            report, script = preview.script(Deployment(project, database, parse_approvals(allow)))
        assert report.error is None, report.error
        return script

    def planned(self, project: Project) -> tuple[list[str], dict[str, int | None]]:
        """Kind and object of each step, and the rows of each hazard that concerns any."""
        with closing(self.target.open()) as database:
            plan = find_pending(project, database).plan
        steps = [f"{step.kind} {step.title}" for step in plan.all_steps]
        return steps, {f"{item.name} {item.object}": item.rows for item in plan.hazards if item.affects_rows}

    def ask(self, *queries: str) -> list[list[tuple[Any, ...]]]:
        """The rows of each query, in one request."""
        with closing(self.target.open()) as database:
            answers = database.query([Query(sql) for sql in queries])
        for answer, sql in zip(answers, queries, strict=True):
            assert isinstance(answer, Rows), (sql, answer)
        return [list(answer.rows) for answer in answers if isinstance(answer, Rows)]

    def snapshot(self) -> Snapshot:
        catalog, shadows, version, soundness = self.ask(
            CATALOG_QUERY.sql,
            SHADOW_QUERY.sql,
            "SELECT schema_version FROM pragma_schema_version",
            "PRAGMA integrity_check",
        )
        found = read_catalog(catalog_rows(Rows((), tuple(catalog))), [str(name) for (name,) in shadows])
        tables = [row.name for row in found.rows if row.kind == "table"]
        # Virtual tables hide columns that are no content: https://www.sqlite.org/pragma.html#pragma_table_xinfo
        shown = "SELECT name FROM pragma_table_xinfo({}) WHERE hidden <> 1"
        columns = self.ask(*(shown.format(quote_string(table)) for table in tables))
        queries = [
            f"SELECT {', '.join(f'quote({quote_identifier(name)})' for (name,) in names)} "
            f"FROM {quote_identifier(table)}"
            for table, names in zip(tables, columns, strict=True)
        ]
        contents = dict(zip(map(fold_case, tables), self.ask(*queries), strict=True))
        return Snapshot(found, contents, version[0][0], self._violations(), soundness)

    def _violations(self) -> int:
        """How many rows refer to nothing; none where a key refers to no key, which SQLite does not check."""
        with closing(self.target.open()) as database:
            [answer] = database.query([Query("SELECT count(*) FROM pragma_foreign_key_check")])
        return int(str(answer.rows[0][0])) if isinstance(answer, Rows) else 0


@dataclass(frozen=True)
class Snapshot:
    """All that a database holds: each table's rows by its folded name, as SQL literals.

    `version` moves with every change of the schema, also with one that was undone.
    """

    catalog: Catalog
    contents: dict[str, list[tuple[Any, ...]]]
    version: int
    violations: int
    soundness: list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseUnderTest]:
    """One server for all cases."""
    with running_sqld(tmp_path_factory.mktemp("sqld")) as running:
        yield DatabaseUnderTest(running.url, running.url, running.token())


_OTHER_FORM = (
    "PRAGMA encoding = 'UTF-16be'",
    "PRAGMA page_size = 65536",
    "PRAGMA auto_vacuum = incremental",
    "PRAGMA journal_mode = wal",
    "CREATE TABLE first (a)",  # with which the encoding is settled
    "DROP TABLE first",
)
"""What a file that somebody else made may be like: https://www.sqlite.org/pragma.html#pragma_encoding."""


TARGETS = ["sqld", "file", *(["file of another form"] if "FAULT_REPORT" in os.environ else [])]
"""`make faults` also runs the cases in files of another form, which takes as long again as in others."""


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseUnderTest:
    """An empty database of either kind."""
    if request.param.startswith("file"):
        url = f"file:{tmp_path / 'database.db'}"
        found = DatabaseUnderTest(url, url)
        if request.param != "file":
            with closing(sqlite3.connect(found.file)) as connection:
                for sql in _OTHER_FORM:
                    connection.execute(sql)
            with closing(sqlite3.connect(found.file)) as connection:
                assert connection.execute("PRAGMA encoding").fetchone() == ("UTF-16be",)
        return found
    server: DatabaseUnderTest = request.getfixturevalue("server")
    _empty(server)
    return server


def _empty(target: DatabaseUnderTest) -> None:
    """Drop everything: without foreign keys the order does not matter, but virtual tables take their shadows along."""
    drops = [
        f"DROP {kind} IF EXISTS {quote_identifier(str(name))}"
        for kind in ("TRIGGER", "VIEW", "TABLE")
        for (name,) in target.rows(
            f"SELECT name FROM sqlite_master WHERE type = '{kind.lower()}' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
            "AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow')"
        )
    ]
    _run_without_foreign_keys(target, drops)
    # What is left was called like a shadow table of another one.
    _run_without_foreign_keys(target, [f"DROP TABLE {quote_identifier(name)}" for name in target.names()])


def _run_without_foreign_keys(target: DatabaseUnderTest, statements: Sequence[str]) -> None:
    steps = tuple(TransactionStep(Query(sql), Purpose.CHANGE, sql) for sql in statements)
    with closing(target.open()) as database:
        outcome = database.apply(Transaction(steps, foreign_keys=False))
    assert outcome.committed, outcome.failed


@pytest.fixture
def case(request: pytest.FixtureRequest, name: str, target: DatabaseUnderTest, tmp_path: Path) -> Case:
    folder = CASES / name
    expected = Expected.model_validate(yaml.safe_load((folder / "expect.yml").read_text(encoding="utf-8")))
    if expected.only not in (None, "file" if target.is_file else "sqld"):
        pytest.skip(f"what this case needs is in {expected.only} only")
    return Case(folder, expected, target, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_a_change_of_a_schema_that_holds_rows(case: Case) -> None:
    before = case.bring_to_before()
    was = case.snapshot()
    if case.expected.refused:
        _expect_the_plan_to_fail(case)
        _expect_refusal(case.expected.refused, _refusal(case))
        assert case.snapshot() == was
        return
    after = case.project("after")
    plan = case.plan(after, case.expected.allow)
    assert plan.error is None, plan.error
    steps, hazards = case.planned(after)
    assert steps == case.expected.steps
    assert hazards == case.expected.hazards
    dry_run = case.plan(after, case.expected.allow, dry_run=True)
    assert dry_run.error is None, dry_run.error
    assert case.snapshot() == was
    with _the_same_by_hand(case, after):
        report = case.deploy(after, case.expected.allow)
    assert report.error is None, report.error
    # Many cases change the schema by hand, in `rows.sql`: tests of drift prove what is reported about that.
    notices = [notice for notice in report.notices if "is not as it was last deployed" not in notice]
    for part in case.expected.notices:
        assert any(part in notice for notice in notices), notices
    assert len(notices) == len(case.expected.notices), notices
    _expect_convergence(case, after)
    now = case.snapshot()
    _expect_a_sound_database(case, now, was)
    _expect_what_was_not_touched(case, before, after, now, was)
    answers = case.ask(*(answer.query for answer in case.expected.rows)) if case.expected.rows else []
    assert [[list(row) for row in rows] for rows in answers] == [answer.rows for answer in case.expected.rows]


@contextmanager
def _the_same_by_hand(case: Case, after: Project) -> Iterator[None]:
    """Run the script of the change on a copy of a file, and compare that with what is done to the file meanwhile."""
    if not case.target.is_file:
        yield
        return
    copy = case.workspace / "by-hand.db"
    shutil.copy(case.target.file, copy)
    script = case.script(after, case.expected.allow)
    yield
    assert script or not case.expected.steps
    if script:
        assert in_python(script, copy) == 0
        assert content(copy, case.expected.clock) == content(case.target.file, case.expected.clock)


def _expect_the_plan_to_fail(case: Case) -> None:
    """The plan of a case that is refused fails with the same code, or says that only a deployment can decide."""
    try:
        after = case.project("after")
        report = case.plan(after, case.expected.allow)
    except DeployError:
        return  # the folder cannot be loaded, or a permission be read
    assert case.expected.refused is not None
    if report.undecided and report.error is None:
        assert after.scripts or after.seeds or after.wanted.triggers, report.undecided
        return
    assert report.error is not None, "the plan is green, and the deployment is refused"
    assert report.error.code == case.expected.refused.code, report.error
    assert report.steps or report.error.code not in ("check-failed", "statement-failed", "hazard-blocked")


def _refusal(case: Case) -> ErrorLine:
    """What is said against it: when its folder is loaded, when its permissions are read, or when it is deployed."""
    try:
        error = case.deploy(case.project("after"), case.expected.allow).error
    except DeployError as raised:
        error = error_line(raised)
    assert error, "nothing was refused"
    return error


def _expect_refusal(refused: Refused, error: ErrorLine) -> None:
    assert error.code == refused.code, error.message
    assert (refused.message or "") in f"{error.message}\n{error.hint}"
    if refused.place:
        assert error.file is not None
        assert f"{Path(error.file).name}:{error.line}" == refused.place


def _expect_convergence(case: Case, after: Project) -> None:
    again = case.deploy(after)
    assert (again.status, again.error) == (Status.UNCHANGED, None)
    with closing(case.target.open()) as database:
        assert find_pending(after, database).nothing_to_do
    left = diff(after.wanted, case.snapshot().catalog.schema)
    assert not left.missing
    assert not left.changed


def _expect_a_sound_database(case: Case, now: Snapshot, was: Snapshot) -> None:
    assert now.soundness == [("ok",)]
    assert now.violations <= was.violations
    assert not [name for _, name in now.catalog.uncounted if name.startswith("turso_deploy")]


def _expect_what_was_not_touched(case: Case, before: Project, after: Project, now: Snapshot, was: Snapshot) -> None:
    """Tables that no step names keep every value; all that stay keep their number of rows; what is not ours stays."""
    steps = case.expected.steps or []
    objects = [step.split(" ", 2)[2] for step in steps]
    named = {fold_case(name) for item in objects for name in (item, read_column_title(item)[0])}
    replaced = {fold_case(step.removeprefix("replace table ")) for step in steps if step.startswith("replace table ")}
    standing = was.catalog.schema.all_tables.keys() & now.catalog.schema.all_tables.keys()
    for name in standing - replaced - {fold_case(table) for table in case.expected.writes_to}:
        assert len(now.contents[name]) == len(was.contents[name]), name
        assert name in named or now.contents[name] == was.contents[name], name
    ours = {key_of(item) for project in (before, after) for item in project.wanted.objects()}
    others = set(map(key_of, was.catalog.schema.objects())) - ours
    dropped = {("index", fold_case(name.removeprefix("drop-index "))) for name in case.expected.hazards}
    assert others - dropped <= set(map(key_of, now.catalog.schema.objects()))


def test_the_traps_of_sqlite_name_the_cases_and_tests_that_prove_them() -> None:
    """docs/concepts/sqlite-traps.md: each line of its tables names what there is, or says why there is nothing."""
    text = (TESTS.parent / "docs/concepts/sqlite-traps.md").read_text(encoding="utf-8")
    files = [file for folder in ("unit", "integration", "faults") for file in (TESTS / folder).glob("**/test_*.py")]
    tests = {name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)}
    proofs = [line.split("|")[-2] for line in text.splitlines() if line.startswith("| ") and "| tests |" not in line]
    assert proofs
    for proof in proofs:
        named = re.findall(r"`([^`]+)`", proof)
        assert named or "nothing to test" in proof, proof
        assert set(named) <= {*NAMES, *tests}, proof


def test_columns_that_take_the_time_are_compared_by_type_and_length(tmp_path: Path) -> None:
    """Two deployments of one case may fall into two seconds."""
    written = {}
    for name, made in {"first": "02:23:06", "a second later": "02:23:07", "shorter": "02:23", "no text": 1}.items():
        written[name] = tmp_path / f"{name}.db"
        with closing(sqlite3.connect(written[name])) as connection:
            connection.execute("CREATE TABLE schema_deployments (id)")
            connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, made NOT NULL, n)")
            connection.execute("INSERT INTO t VALUES (1, ?, 2)", [made])
            connection.commit()
    first = content(written["first"], ["t.made"])
    assert first == content(written["a second later"], ["t.made"])
    assert content(written["first"]) != content(written["a second later"])
    assert first != content(written["shorter"], ["t.made"])
    assert first != content(written["no text"], ["t.made"])


def test_every_case_with_a_clock_names_its_column() -> None:
    for folder in CASES.iterdir():
        if re.search(r"CURRENT_|'now'|random\(", (folder / "after.sql").read_text(encoding="utf-8"), re.IGNORECASE):
            assert yaml.safe_load((folder / "expect.yml").read_text(encoding="utf-8")).get("clock"), folder.name


def test_every_case_has_its_four_files() -> None:
    for folder in CASES.iterdir():
        assert {"before.sql", "rows.sql", "after.sql", "expect.yml"} <= {item.name for item in folder.iterdir()}, folder
