"""Objects that only some engines know: counted right, restored to the letter, and unchanged the second time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest, run_program
from tests.support.schema_folders import write_project
from turso_deploy.plan.hazards import Approval, HazardName
from turso_deploy.report.document import Status

VECTORS = """\
CREATE TABLE films (id INTEGER PRIMARY KEY, embedding F32_BLOB(3));
CREATE INDEX idx_films_embedding ON films (libsql_vector_idx(embedding));
"""
SEARCH = """\
CREATE VIRTUAL TABLE texts USING fts5(title, body, tokenize = 'porter ascii');
CREATE VIEW v_texts AS SELECT title FROM texts WHERE texts MATCH 'sqlite';
"""
RANDOM = """\
CREATE TABLE visits (id INTEGER PRIMARY KEY, at TEXT) RANDOM ROWID;
CREATE TABLE tags ( -- RANDOM ROWID in a comment
  name TEXT
)   RANDOM /* so that ids cannot be guessed */ ROWID;
"""


def deploys(target: DatabaseUnderTest, folder: Path, sql: str, **counts: int) -> None:
    expect = ", ".join(f"{kind}: {number}" for kind, number in {"views": 0, "triggers": 0, **counts}.items())
    project = write_project(folder, {"all.sql": sql, "manifest.yml": f"expect: {{{expect}}}"})
    first = target.deploy(project)
    assert (first.error, first.status, first.requests) == (None, Status.DEPLOYED, 2)
    second = target.deploy(project)
    assert (second.error, second.status, second.requests) == (None, Status.UNCHANGED, 1)
    verified = target.verify(project)
    assert (verified.error, verified.status, verified.requests) == (None, Status.VERIFIED, 1)
    assert verified.notices == ()
    assert target.plan(project).notices == ()


def test_a_vector_index_counts_as_one_index(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    deploys(on_sqld, tmp_path / "schema", VECTORS, tables=1, indexes=1)
    assert "idx_films_embedding_shadow" in on_sqld.names()
    on_sqld.run("INSERT INTO films VALUES (1, vector32('[1,2,3]'))")
    assert on_sqld.deploy(write_project(tmp_path / "schema", {"all.sql": VECTORS})).status is Status.UNCHANGED


def test_a_full_text_table_counts_as_one_table(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deploys(target, tmp_path / "schema", SEARCH, tables=1, indexes=0, views=1)
    assert "texts_data" in target.names()


def test_random_rowid_stays_an_option_of_the_table(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    deploys(on_sqld, tmp_path / "schema", RANDOM, tables=2, indexes=0)
    texts = [str(sql) for (sql,) in on_sqld.rows("SELECT sql FROM sqlite_master WHERE name IN ('visits', 'tags')")]
    assert all("RANDOM" in text and "ROWID" in text.replace("RANDOM ROWID in", "") for text in texts)


def test_all_of_them_together_deploy_over_a_database_that_holds_some(
    on_sqld: DatabaseUnderTest, tmp_path: Path
) -> None:
    on_sqld.run(*VECTORS.strip().removesuffix(";").split(";\n"))
    on_sqld.run("INSERT INTO films VALUES (1, vector32('[1,2,3]'))")
    before = on_sqld.dump()
    deploys(on_sqld, tmp_path / "schema", VECTORS + SEARCH + RANDOM, tables=4, indexes=1, views=1)
    after = on_sqld.dump()
    assert after["films"] == before["films"]


def test_the_engine_s_own_writing_of_every_kind_is_the_simulated_one(target: DatabaseUnderTest, tmp_path: Path) -> None:
    """The check in the transaction compares texts: this holds them to what the real engine stores."""
    sql = """
create  table if not exists "a b" (id integer primary key -- one
, x text collate nocase default 'it''s; --' check (x <> ''), y generated always as (upper(x)) stored
) strict  ;
create table w (k text primary key, v blob) without rowid, strict;
create unique   index [i x] on "a b" (x collate rtrim desc, y) where x is not null /* partial */;
create view if not exists v (one, two) as select x, y from "a b" -- the end
;
CREATE TRIGGER IF NOT EXISTS t INSTEAD OF UPDATE OF one ON v WHEN new.one > '' BEGIN
  UPDATE "a b" SET x = CASE new.one WHEN 'a' THEN 'b' ELSE new.one END WHERE x = old.one;
END;
""".replace("y generated", "y text generated")
    deploys(target, tmp_path / "schema", sql, tables=2, indexes=1, views=1, triggers=1)


def test_a_table_of_the_name_of_the_history_that_is_none_is_told(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.run("CREATE TABLE schema_deployments (id INTEGER PRIMARY KEY, note TEXT)")
    report = target.deploy(write_project(tmp_path / "schema", {"t.sql": "CREATE TABLE t (a TEXT);"}))
    assert (report.status, report.committed) == (Status.FAILED, False)
    assert report.error is not None
    assert "schema_deployments of the database is not the deployment history of turso-deploy" in report.error.message
    assert target.names() == {"schema_deployments"}


def test_table_of_the_application_with_the_name_of_the_history_can_be_renamed(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    table = "CREATE TABLE {} (id INTEGER PRIMARY KEY, note TEXT);\n"
    target.run(table.format("schema_deployments"), "INSERT INTO schema_deployments VALUES (1, 'mine')")
    pulled = run_program("pull", tmp_path / "pulled", target.url, target.token)
    assert (pulled.status, pulled.error["code"]) == (2, "sql-invalid")
    assert "`-- @renamed from=schema_deployments`" in pulled.error["hint"]
    files = {"t.sql": "-- @renamed from=schema_deployments\n" + table.format("app_deployments")}
    report = target.deploy(write_project(tmp_path / "schema", files))
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert target.rows("SELECT * FROM app_deployments") == [(1, "mine")]
    assert target.value("SELECT managed_objects FROM schema_deployments") == '["table app_deployments"]'
    assert target.plan(write_project(tmp_path / "schema", files)).steps == ()


@pytest.mark.parametrize("kind", ["VIEW schema_deployments AS SELECT 1", "INDEX schema_deployments ON other (a)"])
def test_view_or_index_with_the_name_of_the_history_is_an_error(
    target: DatabaseUnderTest, tmp_path: Path, kind: str
) -> None:
    target.run("CREATE TABLE other (a)", f"CREATE {kind}")
    report = target.deploy(write_project(tmp_path / "schema", {"t.sql": "CREATE TABLE t (a TEXT);"}))
    assert (report.status, report.error and report.error.code) == (Status.FAILED, "plan-impossible")
    assert target.names() == {"other", "schema_deployments"}


@pytest.mark.parametrize("name", ["tmp_one", "turso_one"])
def test_an_index_that_is_ignored_survives_a_rebuild(target: DatabaseUnderTest, tmp_path: Path, name: str) -> None:
    files = {"t.sql": "CREATE TABLE t (a TEXT);", "manifest.yml": "ignore: [tmp_*]\n"}
    target.deploy(write_project(tmp_path / "before", files))
    target.run(f"CREATE UNIQUE INDEX {name} ON t (a)")
    report = target.deploy(write_project(tmp_path / "after", files, t="CREATE TABLE t (a TEXT CHECK (length(a) < 9));"))
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert name in target.names()


@pytest.mark.parametrize(
    "theirs",
    [
        "CREATE TRIGGER tmp_one AFTER UPDATE ON t BEGIN INSERT INTO audit (x, y) VALUES (new.a, 'u'); END",
        "CREATE VIEW tmp_one AS SELECT x FROM audit",
        "CREATE VIEW tmp_one (p, q) AS SELECT * FROM audit",
    ],
)
def test_what_is_ignored_is_not_broken_without_a_word(target: DatabaseUnderTest, tmp_path: Path, theirs: str) -> None:
    tables = "CREATE TABLE t (a TEXT); CREATE TABLE audit ({});"
    files = {"t.sql": tables.format("x TEXT, y TEXT"), "manifest.yml": "ignore: [tmp_*]\n"}
    target.deploy(write_project(tmp_path / "before", files))
    target.run(theirs)
    report = target.deploy(write_project(tmp_path / "after", files, t=tables.format("y TEXT")))
    assert report.error is not None
    assert report.error.code == "plan-impossible"
    assert "tmp_one would no longer work" in report.error.message


@pytest.mark.parametrize(
    ("after", "message"),
    [
        (
            "CREATE TABLE p (id INTEGER PRIMARY KEY, a TEXT);",
            "table tmp_one would no longer work: foreign key mismatch",
        ),
        ("CREATE TABLE other (a TEXT);", "table tmp_one would no longer work: no such table: p"),
        (
            "CREATE TABLE p (id INTEGER PRIMARY KEY,\n-- @using a || '!'\na VARCHAR UNIQUE);",
            "add-foreign-key tmp_one.a",
        ),
    ],
)
def test_a_child_that_is_ignored_keeps_its_parents(
    target: DatabaseUnderTest, tmp_path: Path, after: str, message: str
) -> None:
    files = {"t.sql": "CREATE TABLE p (id INTEGER PRIMARY KEY, a TEXT UNIQUE);", "manifest.yml": "ignore: [tmp_*]\n"}
    target.deploy(write_project(tmp_path / "before", files))
    target.run("CREATE TABLE tmp_one (a TEXT REFERENCES p (a))", "INSERT INTO p VALUES (1, 'x')")
    target.run("INSERT INTO tmp_one VALUES ('x')")
    was = target.dump()
    report = target.deploy(
        write_project(tmp_path / "after", files, t=after), approvals=(Approval(HazardName.DROP_TABLE),)
    )
    assert report.error is not None
    assert message in report.error.message
    assert target.dump() == was


def test_a_script_leaves_no_child_behind_that_is_ignored(target: DatabaseUnderTest, tmp_path: Path) -> None:
    tables = "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (a TEXT{});"
    files = {"t.sql": tables.format(""), "manifest.yml": "ignore: [tmp_*]\n"}
    target.deploy(write_project(tmp_path / "before", files))
    target.run("CREATE TABLE tmp_one (p INTEGER REFERENCES p (id))", "INSERT INTO p VALUES (1)")
    target.run("INSERT INTO tmp_one VALUES (1)")
    was = target.dump()
    more = {"scripts/one.sql": "-- @run after\nDELETE FROM p;"}
    rebuilt = write_project(tmp_path / "after", files | more, t=tables.format(" CHECK (a <> '')"))
    report = target.deploy(rebuilt)
    assert report.error is not None
    assert "foreign-key violations added in tmp_one: expected 0, found 1" in report.error.message
    assert target.dump() == was


def test_a_trigger_of_others_goes_with_its_table_beside_a_rebuild(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(write_project(tmp_path / "before", {"t.sql": "CREATE TABLE gone (a TEXT); CREATE TABLE t (a TEXT);"}))
    target.run("CREATE TRIGGER theirs AFTER INSERT ON gone BEGIN INSERT INTO t VALUES (new.a); END")
    after = write_project(tmp_path / "after", {"t.sql": "CREATE TABLE t (a TEXT NOT NULL);"})
    report = target.deploy(after, approvals=(Approval(HazardName.DROP_TABLE),))
    assert report.error is None
    steps = [f"{step.kind} {step.object}" for step in report.steps]
    assert steps == ["drop trigger theirs", "rebuild table t", "drop table gone"]
    assert target.plan(after).status is Status.UNCHANGED


def test_the_diagram_marks_a_renamed_table_and_a_renamed_column(target: DatabaseUnderTest, tmp_path: Path) -> None:
    tables = "CREATE TABLE One (id INTEGER PRIMARY KEY); CREATE TABLE Two (id INTEGER PRIMARY KEY, A TEXT);"
    target.deploy(write_project(tmp_path / "before", {"t.sql": tables}))
    after = (
        "-- @renamed from=One\nCREATE TABLE Three (id INTEGER PRIMARY KEY);\n"
        "CREATE TABLE Two (\n  id INTEGER PRIMARY KEY,\n  B TEXT -- @renamed from=A\n);"
    )
    report = target.deploy(write_project(tmp_path / "after", {"t.sql": after}))
    assert report.diagram is not None
    found = {entity.name: entity for entity in report.diagram.entities}
    assert {name: entity.effect for name, entity in found.items()} == {"Two": "changed", "Three": "renamed"}
    assert {column.name: column.effect for column in found["Two"].columns} == {"id": "", "B": "renamed"}


def test_a_full_text_index_that_is_ignored_learns_of_other_values(target: DatabaseUnderTest, tmp_path: Path) -> None:
    files = {"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);", "manifest.yml": "ignore: [tmp_*]\n"}
    target.deploy(write_project(tmp_path / "before", files))
    target.run("INSERT INTO t VALUES (1, 'old')", "CREATE VIRTUAL TABLE tmp_one USING fts5 (a, content = 't')")
    target.run("INSERT INTO tmp_one (tmp_one) VALUES ('rebuild')")
    after = "CREATE TABLE t (id INTEGER PRIMARY KEY,\n-- @using 'new'\na VARCHAR);"
    report = target.deploy(write_project(tmp_path / "after", files, t=after))
    assert report.error is None
    assert target.rows("SELECT a FROM tmp_one ('new')") == [("new",)]
    assert target.rows("SELECT a FROM tmp_one ('old')") == []


def test_an_index_that_is_ignored_does_not_go_with_an_empty_table_without_a_word(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    files = {"t.sql": "CREATE TABLE t (a TEXT);", "manifest.yml": "ignore: [tmp_*]\n"}
    target.deploy(write_project(tmp_path / "before", files))
    target.run("CREATE INDEX tmp_one ON t (a)")
    report = target.deploy(write_project(tmp_path / "after", files, t="CREATE TABLE other (a TEXT);"))
    assert report.status is Status.BLOCKED
    assert report.error is not None
    assert "also drops index tmp_one, not managed by turso-deploy" in report.error.message
    assert "tmp_one" in target.names()


@pytest.mark.parametrize(
    "theirs",
    [
        'CREATE VIEW theirs AS SELECT "id", "nick" FROM "t"',
        'CREATE TRIGGER theirs AFTER INSERT ON t BEGIN INSERT INTO log SELECT "nick" FROM t; END',
    ],
)
def test_a_quoted_name_that_goes_is_no_text_from_then_on(
    target: DatabaseUnderTest, tmp_path: Path, theirs: str
) -> None:
    tables = "CREATE TABLE t (id INTEGER PRIMARY KEY, nick TEXT{}); CREATE TABLE log (x);"
    target.deploy(write_project(tmp_path / "before", {"t.sql": tables.format(", b TEXT")}))
    target.run(theirs)
    without = write_project(tmp_path / "after", {"t.sql": tables.replace(" nick TEXT{}", " b TEXT")})
    report = target.deploy(without)
    assert (report.status, report.committed) == (Status.FAILED, False)
    assert report.error is not None
    assert report.error.code == "plan-impossible"


def test_a_misspelt_name_in_double_quotes_fills_no_column(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(write_project(tmp_path / "before", {"t.sql": "CREATE TABLE t (name TEXT);"}))
    target.run("INSERT INTO t VALUES ('x')")
    sql = 'CREATE TABLE t (name TEXT,\n  n TEXT NOT NULL -- @using upper("nmae")\n);'
    report = target.deploy(write_project(tmp_path / "after", {"t.sql": sql}))
    assert report.error is not None
    assert 'no such column: "nmae"' in report.error.message or "no such column: nmae" in report.error.message
    assert target.rows("SELECT * FROM t") == [("x",)]
