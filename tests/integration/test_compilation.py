"""Nothing that cannot work is deployed: the engine compiles new objects, and a plan says beforehand what it lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_project
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report, Status

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);\n"


def project_of(tmp_path: Path, sql: str, **seeds: str) -> Project:
    return write_project(
        tmp_path / "schema", {"t.sql": sql, **{f"seeds/{name}.csv": text for name, text in seeds.items()}}
    )


def failed(report: Report, *parts: str, line: int) -> None:
    """Assert that a report is a failure in a line of t.sql, with these parts of a message, which changed nothing."""
    assert (report.status, report.committed) == (Status.FAILED, False)
    assert report.error is not None
    for part in parts:
        assert part in report.error.message
    assert (Path(str(report.error.file)).name, report.error.line) == ("t.sql", line)
    assert "pragma_function_list" in str(report.error.hint)


MISSPELT = [
    ("CREATE VIEW v AS SELECT uper(a) AS u FROM t;", "view v", "uper"),
    ("CREATE VIEW v AS SELECT a FROM t GROUP BY a HAVING cont(*) > 1;", "view v", "cont"),
    ("CREATE TABLE d (id INTEGER PRIMARY KEY, at TEXT DEFAULT (datetim('now')));", "table d", "datetim"),
    ("CREATE TABLE d (id INTEGER PRIMARY KEY, at TEXT CHECK (lenght(at) > 1));", "table d", "lenght"),
    ("CREATE TABLE d (id INTEGER PRIMARY KEY, b AS (uper(id)));", "table d", "uper"),
    ("CREATE TABLE d (\n  id INTEGER PRIMARY KEY,\n  b AS (uper(id)));", "table d", "uper"),
    ("CREATE INDEX i ON t (uper(a));", "index i", "uper"),
    ("CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET a = lowercase(a); END;", "trigger r", "lowercase"),
    ("CREATE TRIGGER r AFTER UPDATE OF a ON t BEGIN SELECT lowercase(a) FROM t; END;", "trigger r", "lowercase"),
    ("CREATE TRIGGER r BEFORE DELETE ON t WHEN lowercase(old.a) BEGIN SELECT 1; END;", "trigger r", "lowercase"),
    (
        "CREATE VIEW v AS SELECT a FROM t;\nCREATE TRIGGER r INSTEAD OF INSERT ON v BEGIN SELECT lowr(1); END;",
        "r",
        "lowr",
    ),
]


@pytest.mark.parametrize(("sql", "name", "function"), MISSPELT)
@pytest.mark.parametrize("exists", [False, True])
def test_misspelt_function_is_an_error_of_the_plan_and_of_the_deployment(
    target: DatabaseUnderTest, tmp_path: Path, sql: str, name: str, function: str, exists: bool
) -> None:
    if exists:
        target.deploy(project_of(tmp_path, TABLE))
    before = target.dump()
    project = project_of(tmp_path, TABLE + sql)
    for report in (target.plan(project), target.deploy(project)):
        assert report.error is not None
        failed(report, name, function, line=2 + sql.count("\n"))
        assert report.requests == 1
    assert target.dump() == before


def test_all_misspelt_functions_are_reported_at_once(target: DatabaseUnderTest, tmp_path: Path) -> None:
    report = target.deploy(project_of(tmp_path, TABLE + "\n".join(sql for sql, *_ in (MISSPELT[0], MISSPELT[7]))))
    failed(report, "view v would not work: no such function: uper", "trigger r would not work", line=2)


def test_function_of_this_sqlite_that_the_server_lacks_is_an_error_of_the_plan(
    on_sqld: DatabaseUnderTest, tmp_path: Path
) -> None:
    project = project_of(tmp_path, TABLE + "CREATE VIEW v AS SELECT pow(id, 2) AS p FROM t;")
    failed(on_sqld.plan(project), "view v would not work: no such function: pow", line=2)


def test_server_compiles_in_the_transaction_what_the_plan_takes_for_good(
    on_sqld: DatabaseUnderTest, tmp_path: Path
) -> None:
    # The server's log() takes one argument, that of this SQLite two as well.
    sql = "CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET a = log(2, id); END;"
    project = project_of(tmp_path, TABLE + sql, t="id,a\n1,x\n")
    report = on_sqld.deploy(project)
    failed(report, "rigger r would not work", "wrong number of arguments to function log()", line=2)
    assert report.requests == 2
    assert on_sqld.names() == set()


def test_what_others_have_broken_does_not_stop_a_deployment(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(project_of(tmp_path, TABLE))
    target.run(
        "CREATE TABLE theirs (id INTEGER PRIMARY KEY, a DEFAULT (datetim('now')))",
        "CREATE VIEW their_view AS SELECT uper(a) AS u FROM t",
        "CREATE TRIGGER their_trigger AFTER INSERT ON t BEGIN UPDATE t SET a = lowercase(a); END",
        "CREATE TRIGGER their_other AFTER INSERT ON theirs BEGIN SELECT 1 FROM missing; END",
    )
    sql = """CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT CHECK (length(a) > 0), b TEXT DEFAULT (lower('X')));
        CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET b = upper(b); END;
        CREATE TRIGGER u AFTER UPDATE ON t BEGIN SELECT 1; END;"""
    report = target.deploy(project_of(tmp_path, sql))
    assert report.status is Status.DEPLOYED, report.error
    assert target.deploy(project_of(tmp_path, sql)).status is Status.UNCHANGED


@pytest.mark.parametrize("theirs", ["UPDATE t SET a = lowercase(a)", "INSERT INTO missing VALUES (1)"])
def test_own_trigger_that_cannot_work_is_an_error_beside_a_broken_trigger_of_others(
    target: DatabaseUnderTest, tmp_path: Path, theirs: str
) -> None:
    target.deploy(project_of(tmp_path, TABLE))
    target.run(f"CREATE TRIGGER theirs BEFORE INSERT ON t BEGIN {theirs}; END")
    sql = TABLE + "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT uper(new.a); END;"
    failed(target.deploy(project_of(tmp_path, sql)), "trigger r", "uper", line=2)
    assert target.deploy(project_of(tmp_path, sql.replace("uper", "upper"))).status is Status.DEPLOYED
    failed(target.deploy(project_of(tmp_path, sql.replace("uper", "loower"))), "trigger r", "loower", line=2)


BROKEN_ON_SERVERS = [
    ("view theirs", "CREATE VIEW theirs AS SELECT log(2, id) AS p, a FROM t"),
    ("trigger theirs", "CREATE TRIGGER theirs AFTER INSERT ON t BEGIN UPDATE t SET a = log(2, new.id); END"),
    ("trigger theirs", "CREATE TRIGGER theirs AFTER UPDATE ON t BEGIN UPDATE t SET a = pow(new.id, 2); END"),
    ("trigger theirs", "CREATE TRIGGER theirs BEFORE DELETE ON t BEGIN SELECT pow(old.id, 2); END"),
]
CHANGES_OF_A_TABLE = [
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT CHECK (b <> ''));",
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT CHECK (a <> ''));",
    "-- @renamed from=t\nCREATE TABLE u (id INTEGER PRIMARY KEY, a TEXT);",
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);\nCREATE INDEX i ON t (lower(a));",
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);\n"
    "CREATE TRIGGER r AFTER DELETE ON t BEGIN SELECT upper(old.a); END;",
]


@pytest.mark.parametrize(("name", "theirs"), BROKEN_ON_SERVERS)
@pytest.mark.parametrize("sql", CHANGES_OF_A_TABLE)
def test_what_others_have_broken_for_the_server_only_does_not_stop_a_deployment(
    on_sqld: DatabaseUnderTest, tmp_path: Path, name: str, theirs: str, sql: str
) -> None:
    on_sqld.deploy(project_of(tmp_path, TABLE))
    on_sqld.run(theirs)
    project = project_of(tmp_path, sql)
    assert on_sqld.plan(project).status is Status.PLANNED
    report = on_sqld.deploy(project)
    assert (report.status, report.requests <= 3) == (Status.DEPLOYED, True), report.error
    assert on_sqld.plan(project).status is Status.UNCHANGED


def test_broken_trigger_of_others_is_a_warning_of_plan_and_deployment(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    called = "missing_here" if target.is_file else "pow"  # which the SQLite has that deploys to files
    target.deploy(project_of(tmp_path, TABLE))
    target.run(f"CREATE TRIGGER theirs AFTER INSERT ON t BEGIN UPDATE t SET a = {called}(new.id, 2); END")
    project = project_of(tmp_path, TABLE + "CREATE TRIGGER r BEFORE INSERT ON t BEGIN SELECT upper(new.a); END;")
    for report in (target.plan(project), target.deploy(project)):
        [told] = [text for text in report.notices if text.startswith("Broken already")]
        assert f"trigger theirs (no such function: {called})" in told
        assert report.error is None


def test_own_trigger_that_fires_a_broken_one_of_others_is_an_error_of_the_plan(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    target.deploy(project_of(tmp_path, TABLE))
    target.run("CREATE TRIGGER theirs AFTER UPDATE ON t BEGIN INSERT INTO missing VALUES (1); END")
    project = project_of(tmp_path, TABLE + "CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET a = 1; END;")
    for report in (target.plan(project), target.deploy(project)):
        assert report.error is not None
        assert "trigger r would not work: no such table: main.missing" in report.error.message
        assert report.error.line == 2


def test_own_trigger_that_fires_one_of_others_which_is_broken_for_the_server_is_an_error(
    on_sqld: DatabaseUnderTest, tmp_path: Path
) -> None:
    on_sqld.deploy(project_of(tmp_path, TABLE))
    on_sqld.run("CREATE TRIGGER theirs AFTER UPDATE ON t BEGIN SELECT log(2, new.id); END")
    before = on_sqld.dump()
    sql = TABLE + "CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET a = 1; END;"
    report = on_sqld.deploy(project_of(tmp_path, sql))
    failed(report, "rigger r would not work", "wrong number of arguments to function log()", line=2)
    assert "one that only the database has" in str(report.error and report.error.hint)
    assert on_sqld.dump() == before


def test_plan_with_a_read_only_token_says_what_the_server_lacks(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    on_sqld.token = on_sqld.read_only_token
    failed(on_sqld.plan(project_of(tmp_path, TABLE + MISSPELT[0][0])), "view v", "uper", line=2)


SERVER_FUNCTIONS = """
CREATE TABLE d (
  id TEXT PRIMARY KEY NOT NULL DEFAULT (uuid()),
  email TEXT CHECK (email REGEXP '^[^@]+@[^@]+$'),
  v F32_BLOB(3) DEFAULT (vector32('[1,2,3]'))
);
CREATE VIEW numbers AS SELECT value FROM generate_series(1, 3);
CREATE INDEX d_v ON d (libsql_vector_idx(v));
CREATE VIEW near AS SELECT d.id FROM vector_top_k('d_v', vector32('[1,2,3]'), 2) AS k JOIN d ON d.rowid = k.id;
CREATE TRIGGER d_check BEFORE UPDATE ON d WHEN new.email NOT REGEXP '@' BEGIN SELECT RAISE(ABORT, 'no'); END;
"""


def test_what_only_the_server_has_is_deployed_and_works(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    project = project_of(tmp_path, SERVER_FUNCTIONS)
    report = on_sqld.deploy(project)
    assert report.status is Status.DEPLOYED, report.error
    on_sqld.run("INSERT INTO d (email) VALUES ('a@b')")
    assert on_sqld.rows("SELECT value FROM numbers") == [(1,), (2,), (3,)]
    assert len(on_sqld.rows("SELECT * FROM near")) == 1
    assert on_sqld.plan(project).status is Status.UNCHANGED


LOG = """CREATE TABLE log (id INTEGER PRIMARY KEY, n TEXT);
CREATE TRIGGER log_grows BEFORE UPDATE ON log BEGIN SELECT RAISE(ABORT, 'the log''s rows stay'); END;"""


def test_text_that_a_trigger_of_the_folder_raises_is_shown(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(project_of(tmp_path, LOG, log="id,n\n1,x\n"))
    report = target.deploy(project_of(tmp_path, LOG, log="id,n\n1,y\n"))
    assert report.error is not None
    assert "trigger log_grows rejects a row: the log's rows stay." in report.error.message
    assert "t.sql:2" in str(report.error.hint)
    assert report.committed is False


def test_text_that_a_trigger_of_others_raises_stays_back(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(project_of(tmp_path, TABLE, t="id,a\n1,x\n"))
    target.run("CREATE TRIGGER theirs BEFORE UPDATE ON t BEGIN SELECT RAISE(ABORT, 'my secret'); END")
    report = target.deploy(project_of(tmp_path, TABLE, t="id,a\n1,y\n"))
    assert report.error is not None
    assert "secret" not in report.error.message
    assert "turso-deploy plan --sql" in str(report.error.hint)


def test_vector_of_another_length_is_explained(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    sql = "CREATE TABLE e (id INTEGER PRIMARY KEY, v F32_BLOB(4));\nCREATE INDEX ei ON e (libsql_vector_idx(v));"
    on_sqld.deploy(project_of(tmp_path, sql))
    project = write_project(tmp_path / "schema", {"t.sql": sql, "seeds/e.json": '[{"id": 1, "v": [1, 2, 3]}]'})
    report = on_sqld.deploy(project)
    assert report.error is not None
    assert "dimensions are different: 3 != 4" in report.error.message
    assert "F32_BLOB(4)" in str(report.error.hint)


def test_file_of_the_engine_of_turso_is_an_error(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    in_file.deploy(project_of(tmp_path, TABLE))
    content = bytearray(in_file.file.read_bytes())
    content[18:20] = b"\xff\xff"  # as in its MVCC mode
    in_file.file.write_bytes(content)
    project = project_of(tmp_path, TABLE + MISSPELT[0][0])
    for report in (in_file.plan(project), in_file.deploy(project), in_file.verify(project)):
        assert report.error is not None
        assert report.error.code == "engine-unsupported"
        assert "Turso's own engine" in report.error.message
    assert in_file.file.read_bytes() == content


def test_seed_beside_a_default_of_the_server_is_written(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    sql = """CREATE TABLE t (
      id TEXT PRIMARY KEY NOT NULL DEFAULT (uuid()) CHECK (length(id) = 36),
      code BLOB NOT NULL UNIQUE DEFAULT (uuid_blob(uuid())),
      v F32_BLOB(2) NOT NULL DEFAULT (vector32('[1,2]')),
      slug TEXT NOT NULL UNIQUE);"""
    report = on_sqld.deploy(project_of(tmp_path, sql, t="slug\na\nb\n"))
    assert report.status is Status.DEPLOYED, report.error
    assert on_sqld.rows("SELECT length(id), slug, vector_extract(v) FROM t") == [(36, "a", "[1,2]"), (36, "b", "[1,2]")]
    assert on_sqld.deploy(project_of(tmp_path, sql, t="slug\na\nb\n")).status is Status.UNCHANGED
    assert on_sqld.deploy(project_of(tmp_path, sql, t="slug\na\nb\nc\n")).status is Status.DEPLOYED
    assert on_sqld.value("SELECT count(*) FROM t") == 3


@pytest.mark.parametrize("new", [", title AS (json_extract(doc, '$.title'))", ", title AS (upper(doc ->> 'title')), b"])
def test_new_virtual_column_that_fails_for_a_live_row_is_an_error(
    target: DatabaseUnderTest, tmp_path: Path, new: str
) -> None:
    sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, doc TEXT{});"
    target.deploy(project_of(tmp_path, sql.format("")))
    target.run("INSERT INTO t VALUES (1, '{}'), (7, 'no json'), (8, '{}')")
    before = target.dump()
    project = project_of(tmp_path, sql.format(new))
    for report in (target.plan(project), target.deploy(project)):
        assert report.error is not None
        assert "malformed JSON" in report.error.message
        assert "for the row id 7" in report.error.message
        assert (Path(str(report.error.file)).name, report.error.line) == ("t.sql", 1)
    assert target.dump() == before
    target.run("UPDATE t SET doc = NULL WHERE id = 7")
    assert target.deploy(project).status is Status.DEPLOYED
