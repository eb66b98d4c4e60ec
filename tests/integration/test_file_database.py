"""`file:` databases. Others use them through apsw too: locks do not keep two copies of SQLite in one process apart."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tests.support.databases import quick_retries
from tests.support.schema_folders import write_folder
from tests.support.unprivileged import without_privileges
from turso_deploy.core.errors import DatabaseError, ErrorCode, InputError
from turso_deploy.core.transaction import Failure, Purpose, Query, Rows, Transaction, TransactionStep, Value
from turso_deploy.database.engine_errors import explain
from turso_deploy.database.file import FileDatabase
from turso_deploy.deploy.deploy import deploy
from turso_deploy.project.loader import load_project

TABLE = "CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT UNIQUE)"


def change(sql: str, *arguments: Value) -> TransactionStep:
    return TransactionStep(Query(sql, arguments), Purpose.CHANGE, sql)


def objects(database: FileDatabase) -> list[str]:
    [answer] = database.query([Query("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name")])
    assert isinstance(answer, Rows)
    return [str(name) for (name,) in answer.rows]


@pytest.fixture
def local(file_path: str) -> FileDatabase:
    return FileDatabase(file_path)


@pytest.mark.parametrize(
    "name", ["plain.db", "with space.db", "100%25.db", "what?.db", "a#b.db", "née.db", "a;b=c&d.db"]
)
def test_a_file_has_exactly_the_name_that_was_asked_for(tmp_path: Path, name: str) -> None:
    assert FileDatabase(str(tmp_path / name)).apply(Transaction((change(TABLE),))).committed
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_missing_file_reads_as_empty_and_is_not_created(local: FileDatabase, file_path: str) -> None:
    assert objects(local) == []
    assert not Path(file_path).exists()


@pytest.mark.parametrize("value", [None, 0, -(2**63), 2**63 - 1, 1.5, "", "né 'x'😀", b"", b"\x00\xff"])
def test_a_value_comes_back_as_it_was_sent(local: FileDatabase, value: Value) -> None:
    assert local.query([Query("SELECT ?1 AS value", (value,))]) == [Rows(("value",), ((value,),), 0)]


def test_a_query_that_fails_does_not_stop_the_rest(local: FileDatabase) -> None:
    first, second, third = local.query([Query("SELECT 1"), Query("SELEC"), Query("SELECT 3")])
    assert isinstance(first, Rows)
    assert isinstance(second, Failure)
    assert isinstance(third, Rows)
    assert local.requests == 1


def test_all_queries_see_one_state(local: FileDatabase, file_path: str) -> None:
    count = Query("SELECT count(*) FROM t")
    with closing(apsw.Connection(file_path)) as other:
        other.execute("PRAGMA journal_mode=WAL")  # lets another connection commit while this one reads
        other.execute("CREATE TABLE t (a)")

        class WithAWriteInBetween(list[Query]):
            def __iter__(self) -> Iterator[Query]:
                yield count
                other.execute("INSERT INTO t VALUES (1)")
                yield count

        first, second = local.query(WithAWriteInBetween())
        assert first == second
        assert local.query([count]) != [first]


def test_a_transaction_commits(local: FileDatabase) -> None:
    seed = change("INSERT INTO parents (name) SELECT value FROM json_each(?1)", '["a", "b"]')
    outcome = local.apply(Transaction((change(TABLE), seed, change("SELECT count(*) AS rows FROM parents"))))
    assert outcome.committed
    assert [result.affected for result in outcome.results if result] == [0, 2, 0]
    assert outcome.results[2] == Rows(("rows",), ((2,),), 0)
    assert objects(local) == ["parents"]


def test_a_failed_step_leaves_nothing_and_the_figures_before_it_come_back(local: FileDatabase) -> None:
    steps = (
        change(TABLE),
        change("SELECT count(*) AS rows FROM parents"),
        change("SELECT json('wrong')"),
        change("SELECT 1"),
    )
    outcome = local.apply(Transaction(steps))
    assert not outcome.committed
    assert outcome.failed is not None
    assert outcome.failed.position == 2
    assert outcome.results[1] == Rows(("rows",), ((0,),), 0)
    assert outcome.results[2:] == (None, None)
    assert objects(local) == []


def test_a_dry_run_holds_and_leaves_nothing(local: FileDatabase) -> None:
    outcome = local.apply(Transaction((change(TABLE),), commit=False))
    assert (outcome.committed, outcome.failed) == (False, None)
    assert outcome.results != (None,)
    assert objects(local) == []


def test_a_dry_run_on_a_missing_file_creates_none(local: FileDatabase, file_path: str) -> None:
    outcome = local.apply(Transaction((change(TABLE), change("INSERT INTO parents VALUES (1, 'a')")), commit=False))
    assert outcome.failed is None
    assert not Path(file_path).exists()


@pytest.mark.parametrize(("foreign_keys", "children"), [(True, 0), (False, 1)])
def test_foreign_keys_are_as_the_transaction_asks(local: FileDatabase, foreign_keys: bool, children: int) -> None:
    steps = (
        change(TABLE),
        change("CREATE TABLE children (parent REFERENCES parents (id) ON DELETE CASCADE)"),
        change("INSERT INTO parents VALUES (1, 'a')"),
        change("INSERT INTO children VALUES (1)"),
        change("DELETE FROM parents"),
        change("SELECT count(*) FROM children"),
    )
    outcome = local.apply(Transaction(steps, foreign_keys=foreign_keys))
    assert outcome.results[-1] is not None
    assert outcome.results[-1].rows == ((children,),)


def test_a_deferred_foreign_key_fails_the_commit_and_no_step(local: FileDatabase) -> None:
    steps = (
        change(TABLE),
        change("CREATE TABLE children (parent REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)"),
        change("INSERT INTO children VALUES (7)"),
    )
    outcome = local.apply(Transaction(steps))
    assert outcome.failed is not None
    assert outcome.failed.position is None
    assert objects(local) == []


def test_an_error_that_rolls_back_by_itself_runs_nothing_after_it(local: FileDatabase) -> None:
    steps = (
        change(TABLE),
        change("INSERT OR ROLLBACK INTO parents VALUES (1, 'a'), (1, 'b')"),
        change("CREATE TABLE after (a)"),
    )
    outcome = local.apply(Transaction(steps))
    assert outcome.failed is not None
    assert outcome.failed.position == 1
    assert objects(local) == []


def test_a_step_that_ends_the_transaction_runs_nothing_after_it_and_is_not_called_unchanged(
    local: FileDatabase,
) -> None:
    with pytest.raises(DatabaseError) as caught:
        local.apply(Transaction((change(TABLE), change("COMMIT"), change("CREATE TABLE after (a)"))))
    assert caught.value.committed is None
    assert objects(local) == ["parents"]


class FreesTheLock(list[str]):
    """A log of what is tried again that lets the other writer go as soon as somebody waits for it."""

    def __init__(self, other: apsw.Connection) -> None:
        super().__init__()
        self._other = other

    def append(self, entry: str) -> None:
        self._other.execute("ROLLBACK")
        super().append(entry)


def test_with_patience_a_write_waits_until_the_lock_is_free(file_path: str) -> None:
    patient = FileDatabase(file_path, quick_retries(60))
    with closing(apsw.Connection(file_path)) as other:
        other.execute("BEGIN IMMEDIATE")
        patient.retry_budget.log = FreesTheLock(other)
        assert patient.apply(Transaction((change(TABLE),))).committed
    assert len(patient.retries) == 1
    assert patient.retries[0].startswith("Another connection has locked the database file; tried again after")


def test_with_patience_a_read_waits_until_the_lock_is_free(file_path: str) -> None:
    patient = FileDatabase(file_path, quick_retries(60))
    with closing(apsw.Connection(file_path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        patient.retry_budget.log = FreesTheLock(other)
        assert objects(patient) == []
    assert len(patient.retries) == 1


def test_with_patience_a_commit_waits_until_nobody_reads(file_path: str) -> None:
    patient = FileDatabase(file_path, quick_retries(60))
    patient.apply(Transaction((change(TABLE),)))
    with closing(apsw.Connection(file_path)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM parents").fetchall()
        patient.retry_budget.log = FreesTheLock(other)
        assert patient.apply(Transaction((change("INSERT INTO parents VALUES (1, 'a')"),))).committed
    assert len(patient.retries) == 1
    assert patient.query([Query("SELECT * FROM parents")]) == [Rows(("id", "name"), ((1, "a"),), 0)]


def test_without_patience_a_reader_makes_the_commit_busy_and_nothing_is_changed(
    local: FileDatabase, file_path: str
) -> None:
    local.apply(Transaction((change(TABLE),)))
    with closing(apsw.Connection(file_path)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM parents").fetchall()
        outcome = local.apply(Transaction((change("INSERT INTO parents VALUES (1, 'a')"),)))
        assert outcome.failed is not None
        assert explain(outcome.failed.failure).code is ErrorCode.DATABASE_BUSY
    assert local.query([Query("SELECT count(*) FROM parents")]) == [Rows(("count(*)",), ((0,),), 0)]


def test_without_patience_another_writer_makes_it_busy(local: FileDatabase, file_path: str) -> None:
    with closing(apsw.Connection(file_path)) as other:
        other.execute("BEGIN IMMEDIATE")
        outcome = local.apply(Transaction((change(TABLE),)))
    assert outcome.failed is not None
    assert outcome.failed.position is None
    assert explain(outcome.failed.failure).code is ErrorCode.DATABASE_BUSY


def test_a_writer_in_its_commit_makes_a_read_busy(local: FileDatabase, file_path: str) -> None:
    with closing(apsw.Connection(file_path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        [answer] = local.query([Query("SELECT * FROM sqlite_master")])
    assert isinstance(answer, Failure)
    assert explain(answer).code is ErrorCode.DATABASE_BUSY


def test_a_file_that_is_no_database_is_told(local: FileDatabase, file_path: str) -> None:
    Path(file_path).write_text("This is a letter, and not a database. " * 100)
    [answer] = local.query([Query("SELECT * FROM sqlite_master")])
    assert isinstance(answer, Failure)
    assert explain(answer).message == "the file is not an SQLite database"


@pytest.mark.parametrize(
    ("file_rights", "folder_rights", "reason"),
    [(0o444, 0o755, "attempt to write a readonly database"), (0o000, 0o755, "unable to open"), (0o644, 0o555, "")],
)
def test_a_file_that_cannot_be_written_is_told_as_such_and_not_as_a_statement(
    tmp_path: Path, file_rights: int, folder_rights: int, reason: str
) -> None:
    schema = write_folder(tmp_path / "schema", {"a.sql": "CREATE TABLE a (x);"})
    folder = tmp_path / "folder"
    folder.mkdir()
    assert FileDatabase(str(folder / "site.db")).apply(Transaction((change(TABLE),))).committed
    (folder / "site.db").chmod(file_rights)
    folder.chmod(folder_rights)
    arguments = ["--schema-path", str(schema), "--database-url", f"file:{folder}/site.db", "--json"]
    done = without_privileges("-m", "turso_deploy", "deploy", *arguments)
    folder.chmod(0o755)
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"], error["file"]) == (1, "access-blocked", None)
    assert "database file cannot be opened or written" in error["message"]
    assert reason in error["message"]
    assert "right to read and write the file" in error["hint"]


def test_a_missing_folder_is_an_error_in_the_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder of the database file does not exist"):
        FileDatabase(str(tmp_path / "missing" / "database.db"))


def test_a_name_that_is_too_long_is_an_error_in_the_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be reached: File name too long"):
        FileDatabase(str(tmp_path / ("a" * 300)))


def test_a_folder_that_may_not_be_entered_is_an_error_in_the_input(tmp_path: Path) -> None:
    schema, folder = write_folder(tmp_path / "schema", {"t.sql": "CREATE TABLE t (a);"}), tmp_path / "closed"
    folder.mkdir(mode=0o600)
    arguments = ["--schema-path", str(schema), "--database-url", f"file:{folder}/site.db", "--json"]
    done = without_privileges("-m", "turso_deploy", "plan", *arguments)
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (2, "database-url-invalid")
    assert "cannot be reached: Permission denied" in error["message"]


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        FileDatabase(str(tmp_path))


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    link = tmp_path / "database.db"
    link.symlink_to(tmp_path / "missing" / "database.db")
    with pytest.raises(DatabaseError, match="unable to open database file"):
        FileDatabase(str(link)).apply(Transaction((change(TABLE),)))


def test_byte_in_the_catalog_that_is_no_text_is_reported_as_such(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as database:
        database.executescript(
            "CREATE TABLE t (a DEFAULT 'cafe'); PRAGMA writable_schema = on;"
            "UPDATE sqlite_master SET sql = CAST(replace(CAST(sql AS BLOB), 'cafe', x'636166e9') AS TEXT)"
        )
    [answer] = FileDatabase(str(tmp_path / "x.db")).query([Query("SELECT sql FROM sqlite_master")])
    assert isinstance(answer, Failure)
    explanation = explain(answer)
    assert "a text in the database is not valid UTF-8" in explanation.message
    assert "create that object again with UTF-8 text" in explanation.hint


@pytest.mark.parametrize("name", ["pipe", "device"])
def test_special_file_is_no_database(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="a device, a pipe or a socket"):
        FileDatabase(str(tmp_path / name))


def test_byte_that_is_no_text_blocks_only_what_it_concerns(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as database:
        database.executescript(
            "CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE TABLE other (a DEFAULT 'cafe');"
            "PRAGMA writable_schema = on;"
            "UPDATE sqlite_master SET sql = CAST(replace(CAST(sql AS BLOB), 'cafe', x'636166e9') AS TEXT)"
            "WHERE name = 'other'"
        )
    folder = write_folder(tmp_path / "schema", {"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY, a);"})
    with load_project(folder) as project:
        report = deploy(project, FileDatabase(str(tmp_path / "x.db")))
    assert report.status == "deployed", report.error
    with closing(sqlite3.connect(tmp_path / "x.db")) as database:
        database.text_factory = bytes
        [(sql,)] = database.execute("SELECT sql FROM sqlite_master WHERE name = 'other'")
        assert sql == b"CREATE TABLE other (a DEFAULT 'caf\xe9')"
    (tmp_path / "schema" / "o.sql").write_text("CREATE TABLE other (a DEFAULT 'caf\U0010ff69', b);", encoding="utf-8")
    with load_project(folder) as project:
        report = deploy(project, FileDatabase(str(tmp_path / "x.db")))
    assert report.error
    assert report.committed is False
