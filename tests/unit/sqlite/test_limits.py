"""Limits in memory: SQL that never ends, or that grows, is an error; the work on files has no such limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from turso_deploy.core.errors import Place
from turso_deploy.sqlite import limits
from turso_deploy.sqlite.connection import Connection, SqliteError
from turso_deploy.sqlite.limits import MAX_MEMORY, WorkLimitError, limited_at, work_limit_error

NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
ENDLESS = f"{NUMBERS}) SELECT count(*) FROM n"


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setattr(limits, "MAX_STATEMENT_SECONDS", 0.3)
    memory = Connection.in_memory()
    yield memory
    memory.close()


@pytest.mark.parametrize(
    "sql",
    [
        ENDLESS,
        f"{NUMBERS}) SELECT * FROM n WHERE i = (SELECT count(*) FROM n)",
        f"{NUMBERS} WHERE i < 3000) SELECT count(*) FROM n, n AS b, n AS c, n AS d",
        f"{NUMBERS}) SELECT max(length(hex(zeroblob(1000000)))) FROM n",
        f"{NUMBERS}) SELECT i, i % 10 FROM n ORDER BY 2, 1 LIMIT 1",
    ],
)
def test_statement_that_does_not_end_is_stopped(connection: Connection, sql: str) -> None:
    with pytest.raises(WorkLimitError, match=r"because the SQL (takes longer than 0\.3 s|needs more than 512 MiB)"):
        connection.execute(sql)
    assert connection.execute("SELECT 1").number() == 1


def test_row_that_does_not_end_is_stopped_and_many_rows_are_not(connection: Connection) -> None:
    connection.execute("CREATE TABLE t (a)")
    connection.execute_for_each("INSERT INTO t VALUES (?)", ((number,) for number in range(300_000)))
    assert sum(1 for _ in connection.rows("SELECT a FROM t")) == 300_000
    connection.execute(f"CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT ({ENDLESS}); END")
    with pytest.raises(WorkLimitError):
        connection.execute_for_each("INSERT INTO t VALUES (?)", [(1,), (2,)])
    with pytest.raises(WorkLimitError):
        list(connection.rows(ENDLESS))


def test_all_statements_together_are_limited(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_SECONDS", 1)
    with pytest.raises(WorkLimitError, match="takes longer than 1 s in all"):
        [connection.execute("SELECT length(hex(zeroblob(10000000)))") for _ in range(1_000)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT hex(zeroblob(200000000))",
        "SELECT printf('%.*c', 500000000, 'x')",
    ],
)
def test_value_that_is_too_large_is_an_error(connection: Connection, monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    monkeypatch.setattr(limits, "MAX_STATEMENT_SECONDS", 60)
    with pytest.raises(SqliteError, match="string or blob too big"):
        connection.execute(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE large AS {} SELECT hex(randomblob(10000000)) AS a FROM n",
        "CREATE TEMP TABLE large AS {} SELECT hex(randomblob(10000000)) AS a FROM n",
        "{} SELECT count(DISTINCT hex(randomblob(10000000))) FROM n",
        "SELECT count(*) FROM ({} SELECT hex(randomblob(10000000)) || i AS a FROM n ORDER BY a DESC)",
    ],
)
def test_memory_is_limited_and_available_again(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    monkeypatch.setattr(limits, "MAX_STATEMENT_SECONDS", 60)
    with pytest.raises(WorkLimitError, match="needs more than 512 MiB of memory"):
        connection.execute(sql.format(f"{NUMBERS} LIMIT 100)"))
    assert connection.execute("SELECT length(hex(zeroblob(1000000)))").number() == 2_000_000


def test_file_has_no_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_STATEMENT_SECONDS", 0.01)
    file = Connection.to_file(tmp_path / "x.db")
    try:
        assert file.execute(f"{ENDLESS.replace('FROM n)', 'FROM n WHERE i < 1000000)')}").number() == 1_000_000
        assert file.execute(f"SELECT length(hex(zeroblob({MAX_MEMORY // 2 + 1})))").number() > MAX_MEMORY
    finally:
        file.close()
    test = Connection.in_memory()
    with pytest.raises(WorkLimitError):
        test.execute(ENDLESS)
    test.close()


def test_error_has_the_place_of_the_innermost_statement() -> None:
    with pytest.raises(WorkLimitError) as caught, limited_at(Place("b.sql")), limited_at(Place("a.sql", 3)):
        raise work_limit_error("grows")
    assert caught.value.place == Place("a.sql", 3)


def test_size_of_an_answer_is_limited(connection: Connection) -> None:
    assert len(connection.execute(f"{NUMBERS} LIMIT 3) SELECT i, 'abc' FROM n", max_bytes=1_000).rows) == 3
    for sql in (f"{NUMBERS}) SELECT i FROM n", f"{NUMBERS}) SELECT hex(zeroblob(100)), NULL FROM n"):
        with pytest.raises(WorkLimitError, match="finds more than 1,000 bytes"):
            connection.execute(sql, max_bytes=1_000)
