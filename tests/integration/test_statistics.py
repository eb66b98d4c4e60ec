"""The planner's statistics survive what SQLite would lose them by; the cases have more, in files."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_project
from tests.support.sqld import running_sqld
from turso_deploy.report.document import Status

BEFORE = {"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY, kind TEXT); CREATE INDEX t_kind ON t (kind);"}
AFTER = {
    "t.sql": "-- @renamed from=t\nCREATE TABLE things (id INTEGER PRIMARY KEY, kind TEXT CHECK (kind <> ''));"
    "CREATE INDEX t_kind ON things (kind);"
}
ROWS = "INSERT INTO t (kind) VALUES ('a'), ('a'), ('b')"


def test_statistics_that_came_with_an_uploaded_file_stay_on_a_server_which_cannot_gather_them(tmp_path: Path) -> None:
    before, after = write_project(tmp_path / "before", BEFORE), write_project(tmp_path / "after", AFTER)
    with running_sqld(tmp_path) as server:
        target = DatabaseUnderTest(server.url, server.url, server.token())
        assert target.deploy(before).status is Status.DEPLOYED
        target.run(ROWS)
    with closing(sqlite3.connect(tmp_path / "data/dbs/default/data")) as file:
        file.execute("ANALYZE t")
        file.commit()
    with running_sqld(tmp_path) as server:
        target = DatabaseUnderTest(server.url, server.url, server.token())
        assert target.rows("SELECT tbl, idx, stat FROM sqlite_stat1") == [("t", "t_kind", "3 2")]
        report = target.deploy(after)
        assert report.status is Status.DEPLOYED, report.error
        assert target.rows("SELECT tbl, idx, stat FROM sqlite_stat1") == [("things", "t_kind", "3 2")]
        assert target.deploy(after).status is Status.UNCHANGED


def test_samples_of_a_program_that_gathers_them_stay_with_their_index(tmp_path: Path) -> None:
    before, after = write_project(tmp_path / "before", BEFORE), write_project(tmp_path / "after", AFTER)
    url = f"file:{tmp_path / 'database.db'}"
    target = DatabaseUnderTest(url, url)
    assert target.deploy(before).status is Status.DEPLOYED
    target.run(ROWS)
    with closing(sqlite3.connect(target.file, isolation_level=None)) as file:
        file.execute("ANALYZE t")
        if "ENABLE_STAT4" not in {name for (name,) in file.execute("PRAGMA compile_options")}:
            # As other programs leave it: https://www.sqlite.org/fileformat2.html#stat4tab
            file.execute("CREATE TABLE samples (tbl, idx, neq, nlt, ndlt, sample)")
            file.execute("INSERT INTO samples VALUES ('t', 't_kind', '2 1', '0 0', '0 0', x'030f016101')")
            file.execute("PRAGMA writable_schema = on")
            file.execute(
                "UPDATE sqlite_schema SET name = 'sqlite_stat4', tbl_name = 'sqlite_stat4', "
                "sql = replace(sql, 'samples', 'sqlite_stat4') WHERE name = 'samples'"
            )
    samples = target.rows("SELECT * FROM sqlite_stat4")
    assert {table for table, *_ in samples} == {"t"}
    report = target.deploy(after)
    assert report.status is Status.DEPLOYED, report.error
    assert target.rows("SELECT * FROM sqlite_stat4") == [("things", *sample) for _, *sample in samples]
    assert target.rows("SELECT * FROM sqlite_stat1") == [("things", "t_kind", "3 2")]
    assert target.deploy(after).status is Status.UNCHANGED
