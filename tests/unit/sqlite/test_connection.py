"""Connections to SQLite: one statement at a time, shared by threads, and errors that know their place."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from turso_deploy.sqlite.connection import DELETE, SELECT, Connection, Result, SqliteError, Value

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def connection() -> Iterator[Connection]:
    with closing(Connection.in_memory()) as opened:
        yield opened


def refusal(connection: Connection, sql: str, *arguments: Value) -> SqliteError:
    with pytest.raises(SqliteError) as caught:
        connection.execute(sql, arguments)
    return caught.value


def test_columns_of_a_query_without_rows_are_known(connection: Connection) -> None:
    assert connection.execute("SELECT 1 AS a, 2 AS b WHERE false") == Result(("a", "b"), (), 0)


@pytest.mark.parametrize(
    ("sql", "affected"),
    [
        ("INSERT INTO t VALUES (3), (4)", 2),
        ("WITH more AS (SELECT 5) INSERT INTO t SELECT * FROM more", 1),
        ("INSERT INTO t VALUES (6) RETURNING a", 1),
        ("UPDATE t SET a = a", 2),
        ("DELETE FROM t WHERE a > 9", 0),
        ("CREATE TABLE more AS SELECT * FROM t", 0),
        ("CREATE INDEX i ON t (a)", 0),
        ("SELECT * FROM t", 0),
        ("PRAGMA user_version = 3", 0),
    ],
)
def test_affected_rows_are_those_of_the_statement_itself(connection: Connection, sql: str, affected: int) -> None:
    connection.execute("CREATE TABLE t (a)")
    connection.execute("INSERT INTO t VALUES (1), (2)")
    assert connection.execute(sql).affected == affected


@pytest.mark.parametrize("rest", ["SELECT 2", "x", "/* a comment */ INSERT INTO t VALUES (2)"])
def test_second_statement_is_an_error_before_the_first_one_runs(connection: Connection, rest: str) -> None:
    connection.execute("CREATE TABLE t (a)")
    error = refusal(connection, f"INSERT INTO t VALUES (1); {rest}")
    assert error.message == "only one statement can be run at a time"
    assert connection.execute("SELECT * FROM t").rows == ()


@pytest.mark.parametrize("end", [";", " ; \n", ""])
def test_semicolon_at_the_end_is_no_second_statement(connection: Connection, end: str) -> None:
    assert connection.execute(f"SELECT 1{end}").rows == ((1,),)


@pytest.mark.parametrize(
    ("sql", "code", "offset"),
    [
        ("SELECT 'ä😀', nope", "SQLITE_ERROR", 13),
        ("SELEC", "SQLITE_ERROR", 0),
        ("INSERT INTO t VALUES (0)", "SQLITE_CONSTRAINT_CHECK", None),
        ("INSERT INTO t VALUES (1)", "SQLITE_CONSTRAINT_UNIQUE", None),
    ],
)
def test_error_has_its_code_and_its_offset_in_characters(
    connection: Connection, sql: str, code: str, offset: int | None
) -> None:
    connection.execute("CREATE TABLE t (a UNIQUE CHECK (a > 0))")
    connection.execute("INSERT INTO t VALUES (1)")
    error = refusal(connection, sql)
    assert (error.code, error.offset) == (code, offset)


def test_values_that_sqlite_cannot_hold_are_errors_that_do_not_repeat_them(connection: Connection) -> None:
    assert refusal(connection, "SELECT ?1", 2**70).message == "an integer has more than 64 bits"
    assert refusal(connection, "SELECT ?1", "secret \ud800").message == "a text is not valid Unicode"
    invalid = refusal(connection, "SELECT CAST(x'736563726574ff' AS TEXT)")
    assert invalid.message == "a text in the database is not valid UTF-8"
    assert "secret" not in refusal(connection, "SELECT ?1, ?2", "secret").message


def test_nul_in_a_statement_is_an_error(connection: Connection) -> None:
    assert refusal(connection, "SELECT 1 \0 FROM t").message == "the statement has a NUL character"


def test_closed_connection_is_an_error(connection: Connection) -> None:
    connection.close()
    assert refusal(connection, "SELECT 1").message == "the connection is closed"


def test_threads_use_one_connection_in_turn(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (a)")

    def write(number: int) -> int:
        connection.execute("INSERT INTO t VALUES (?1)", (number,))
        return connection.execute("WITH n(i) AS (VALUES (1), (2)) SELECT count(*) FROM n, n, n").number()

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(write, range(400))) == {8}
    assert connection.execute("SELECT count(*) FROM t").number() == 400


def test_authorizer_of_one_thread_sees_no_statement_of_another(connection: Connection) -> None:
    seen: list[int] = []

    def note(action: int, *_: object) -> bool:
        seen.append(action)
        return True

    with ThreadPoolExecutor(1) as threads:
        with connection.authorized_by(note):
            waiting = threads.submit(connection.execute, "CREATE TABLE t (a)")
            time.sleep(0.05)
            assert not waiting.done()
            connection.execute("SELECT 1")
        waiting.result()
    assert set(seen) == {SELECT}


def test_action_that_the_authorizer_denies_is_an_error(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (a)")
    with connection.authorized_by(lambda action, *_: action != DELETE):
        assert refusal(connection, "DELETE FROM t").code == "SQLITE_AUTH"
    connection.execute("DELETE FROM t")


class EnoughError(Exception):
    """Raised by a check."""


def test_signal_handler_runs_while_sqlite_works(connection: Connection) -> None:
    def stop(*_: object) -> None:
        raise EnoughError

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        start = time.monotonic()
        with pytest.raises(EnoughError):
            connection.execute(ENDLESS)
        assert time.monotonic() - start < 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", [":memory:", "file:x?mode=memory", "file::memory:"])
def test_no_path_leads_to_a_database_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(Connection.to_file(Path(name))) as connection:
        connection.execute("CREATE TABLE t (a)")
    assert (tmp_path / name).stat().st_size > 0


def test_name_in_double_quotes_is_a_string_only_where_that_is_accepted(connection: Connection) -> None:
    connection.accept_double_quoted_strings(True)
    assert connection.execute('SELECT "text"').rows == (("text",),)
    connection.accept_double_quoted_strings(False)
    assert "no such column" in refusal(connection, 'SELECT "text"').message


def test_program_with_a_constant_that_is_not_utf_8_is_shown_without_it(connection: Connection) -> None:
    connection.execute("CREATE TABLE given (a, b)")
    program = connection.execute("EXPLAIN INSERT INTO given VALUES (CAST(x'ff41' AS TEXT), 'x')").rows
    assert "Insert" in {row[1] for row in program}
