"""`pull`: a live database becomes a schema folder, and the next plan is empty."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest, run_program
from tests.support.records_of_tools import RECORDS_OF_TOOLS
from tests.support.schema_folders import SHIPPED, write_project
from turso_deploy.cli.pull_command import pull
from turso_deploy.project.loader import load_project
from turso_deploy.sql.splitter import split
from turso_deploy.sql.statement_kinds import describe

DRIZZLE = Path(__file__).parents[1] / "cases/drizzle-2.2.0.sql"

ODDITIES = (
    "CREATE TABLE parent (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT COLLATE NOCASE NOT NULL DEFAULT 'x' UNIQUE)",
    'CREATE TABLE "order" (`select` TEXT, [group by] INTEGER, "a ""quoted"" name" REAL, PRIMARY KEY ("group by"))',
    """CREATE TABLE child (
      id INTEGER PRIMARY KEY, -- a comment, with a ; in it
      parent INTEGER REFERENCES parent ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, /* another */
      total REAL GENERATED ALWAYS AS (id * 2.5) STORED,
      twice INT AS (id + id) CHECK (twice >= 0)
    )""",
    "CREATE TABLE strict_one (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT",
    "CREATE TABLE pairs (a TEXT, b TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID",
    'CREATE TABLE "Größe/日本 😀" (x)',
    'CREATE TABLE "größe:日本 😀" (x)',
    "CREATE UNIQUE INDEX idx_child ON child (parent DESC, lower(id)) WHERE parent IS NOT NULL -- the end\n",
    "CREATE VIRTUAL TABLE search USING fts5(name, content='parent', content_rowid='id', tokenize=\"porter unicode61\")",
    "CREATE VIEW one AS SELECT id, name FROM parent",
    "CREATE VIEW two (a, b) AS SELECT id, name FROM one -- a view on a view\n",
    """CREATE TRIGGER fill AFTER INSERT ON parent WHEN new.id > 0 BEGIN
      INSERT INTO search (rowid, name) VALUES (new.id, CASE WHEN new.name = '' THEN 'none' ELSE new.name END);
      SELECT CASE new.id WHEN 99 THEN RAISE(ABORT, 'END;') END;
    END""",
    "CREATE TRIGGER through INSTEAD OF INSERT ON two BEGIN INSERT INTO parent (id, name) VALUES (new.a, new.b); END",
    "CREATE TABLE __drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL)",
    "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY)",
    "CREATE INDEX schema_migrations_version ON schema_migrations (version)",
)
ONLY_ON_LIBSQL = (
    "CREATE TABLE movies (title TEXT, embedding F32_BLOB(4))",
    "CREATE INDEX idx_movies ON movies (libsql_vector_idx(embedding))",
    "CREATE TABLE shuffled (a TEXT) RANDOM ROWID",
)


def statements_for(target: DatabaseUnderTest) -> tuple[str, ...]:
    return ODDITIES if target.is_file else ODDITIES + ONLY_ON_LIBSQL


def test_the_plan_after_an_adoption_is_empty(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.run(*statements_for(target))
    before = target.dump()
    adopted = run_program("pull", tmp_path / "schema", target.url, target.read_only_token)
    assert adopted.status == 0, adopted.error
    assert adopted.document["status"] == "pulled"
    assert adopted.document["committed"] is False
    assert adopted.document["requests"] == 1
    planned = run_program("plan", tmp_path / "schema", target.url, target.read_only_token)
    assert planned.status == 0, planned.error
    assert planned.document["status"] == "planned"
    assert (planned.document["steps"], planned.document["changes"]) == ([], [])
    assert run_program("verify", tmp_path / "schema", target.url, target.read_only_token).status == 0
    assert target.dump() == before


def test_a_plan_after_an_adoption_says_what_a_deployment_takes_over(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    in_file.run(*(f"CREATE TABLE t{number:02} (x)" for number in range(12)))
    assert run_program("pull", tmp_path / "schema", in_file.url).status == 0
    [notice] = run_program("plan", tmp_path / "schema", in_file.url).document["notices"]
    assert notice.startswith("Already in the database, and managed from this deployment on")
    assert notice.endswith(": " + ", ".join(f"table t{number:02}" for number in range(10)) + " and 2 more objects.")


def test_records_of_other_tools_are_neither_pulled_nor_planned(target: DatabaseUnderTest, tmp_path: Path) -> None:
    statements: dict[str, str] = {"a": "CREATE TABLE a (x)"}
    for record in RECORDS_OF_TOOLS.values():
        for sql in record:
            statements.setdefault(str(describe(sql).name).lower(), sql)
    target.run(*statements.values())
    assert run_program("pull", tmp_path / "schema", target.url, target.read_only_token).status == 0
    assert [path.name for path in (tmp_path / "schema").glob("*.sql")] == ["a.sql"]
    planned = run_program("plan", tmp_path / "schema", target.url, target.read_only_token)
    assert (planned.error, planned.document["steps"]) == (None, [])


def test_database_with_nothing_but_records_of_other_tools_has_nothing_to_pull(
    in_file: DatabaseUnderTest, tmp_path: Path
) -> None:
    in_file.run("CREATE TABLE schema_migrations (version TEXT PRIMARY KEY)")
    result = run_program("pull", tmp_path / "schema", in_file.url)
    assert result.status == 2
    assert (
        "no tables, views or triggers other than the records of other tools: schema_migrations."
        in (result.error["message"])
    )


@pytest.mark.parametrize("change", ["add", "remove"])
def test_pulled_manifest_needs_no_edit_for_a_table_that_comes_or_goes(
    target: DatabaseUnderTest, tmp_path: Path, change: str
) -> None:
    target.run(
        "CREATE TABLE a (x INTEGER PRIMARY KEY)",
        "CREATE TABLE b (y)",
        "CREATE INDEX b_y ON b (y)",
        "CREATE VIEW v AS SELECT 1",
    )
    schema = tmp_path / "schema"
    assert run_program("pull", schema, target.url, target.token).status == 0
    if change == "add":
        (schema / "c.sql").write_text(
            "CREATE TABLE c (z REFERENCES a);\nCREATE INDEX c_z ON c (z);\n", encoding="utf-8"
        )
    else:
        (schema / "b.sql").unlink()
    assert run_program("deploy", schema, target.url, target.token).error is None
    assert run_program("verify", schema, target.url, target.token).error is None
    assert ("c" in target.names(), "b" in target.names()) == (change == "add", True)


def test_directives_that_a_database_keeps_are_not_adopted(target: DatabaseUnderTest, tmp_path: Path) -> None:
    for number, columns in enumerate(["a TEXT", "b TEXT NOT NULL -- @renamed from=a\n", "b TEXT NOT NULL, a TEXT"]):
        sql = f"CREATE TABLE t (id INTEGER PRIMARY KEY, {columns});"
        assert target.deploy(write_project(tmp_path / str(number), {"t.sql": sql})).error is None
    with closing(target.open()) as database:
        assert pull(tmp_path / "adopted", database).error is None
    report = target.plan(load_project(tmp_path / "adopted"))
    assert (report.error, report.steps) == (None, ())


def test_an_adopted_folder_makes_the_same_database_again(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    in_file.run(*ODDITIES)
    run_program("pull", tmp_path / "schema", in_file.url)
    url = f"file:{tmp_path / 'again.db'}"
    assert run_program("deploy", tmp_path / "schema", url).status == 0
    assert ours_in(DatabaseUnderTest(url, url)) == ours_in(in_file)


def ours_in(target: DatabaseUnderTest) -> list[tuple[object, ...]]:
    """The catalog without the records of tools, and without comments at the end of a statement."""
    rows = target.rows(
        """SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL
        AND tbl_name NOT IN ('__drizzle_migrations', 'schema_migrations', 'schema_deployments', 'sqlite_sequence')
        ORDER BY type, name"""
    )
    return [(*names, split(str(sql))[0].text) for *names, sql in rows]


@pytest.mark.parametrize("kind", ["ours", "drizzle"])
def test_a_database_that_was_deployed_by_us_or_by_drizzle_is_adopted_whole(
    target: DatabaseUnderTest, tmp_path: Path, kind: str
) -> None:
    if kind == "ours":
        assert run_program("deploy", SHIPPED, target.url, target.token).status == 0
    else:
        target.run(*(statement.text for statement in split(DRIZZLE.read_text(encoding="utf-8"))))
    adopted = run_program("pull", tmp_path / "schema", target.url, target.token)
    counts = {name: line["actual"] for name, line in adopted.document["counts"].items()}
    assert counts["tables"] == 12
    assert counts["indexes"] == (33 if kind == "ours" else 1)
    assert adopted.document["schema_version"] == ("2.2.0" if kind == "ours" else None)
    assert adopted.document["manifest_version"] == ("2.2.0" if kind == "ours" else "0.1.0")
    planned = run_program("plan", tmp_path / "schema", target.url, target.token).document
    assert (planned["status"], planned["steps"]) == ("unchanged" if kind == "ours" else "planned", [])


@pytest.mark.parametrize("name", ["users.sql", "deep/er/USERS.SQL", "manifest.yml"])
def test_a_folder_that_holds_a_schema_is_left_alone(in_file: DatabaseUnderTest, tmp_path: Path, name: str) -> None:
    in_file.run("CREATE TABLE a (x)")
    path = tmp_path / "schema" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine", encoding="utf-8")
    refused = run_program("pull", tmp_path / "schema", in_file.url)
    assert refused.status == 2
    assert name in refused.error["message"]
    assert [file for file in (tmp_path / "schema").rglob("*") if file.is_file()] == [path]
    assert path.read_text(encoding="utf-8") == "mine"


def test_an_empty_database_holds_nothing_to_adopt(target: DatabaseUnderTest, tmp_path: Path) -> None:
    refused = run_program("pull", tmp_path / "schema", target.url, target.token)
    assert refused.status == 2
    assert "nothing to pull" in refused.error["message"]
    assert not (tmp_path / "schema").exists()


def test_definition_that_sqlite_would_not_take_today_is_written_with_a_notice_of_its_line(
    in_file: DatabaseUnderTest, tmp_path: Path
) -> None:
    in_file.run("CREATE TABLE a (x)", "CREATE TABLE b (y)", "CREATE VIEW v AS SELECT x FROM a", "DROP TABLE a")
    adopted = run_program("pull", tmp_path / "schema", in_file.url)
    assert (adopted.status, adopted.error) == (0, None)
    assert "view v: no such table: main.a (" in adopted.document["notices"][1]
    assert "schema/views.sql:1" in adopted.document["notices"][1]
    assert (tmp_path / "schema/views.sql").read_text(encoding="utf-8") == "CREATE VIEW v AS SELECT x FROM a;\n"


def test_files_that_were_written_are_not_called_undone(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    in_file.run("CREATE TABLE a (x)", "CREATE TABLE b (y)", "CREATE VIEW v AS SELECT x FROM a", "DROP TABLE a")
    told = run_program("pull", tmp_path / "schema", in_file.url, json_output=False).printed
    assert "write file" in told
    assert "not executed" not in told


@pytest.mark.parametrize("command", ["pull", "plan", "verify"])
@pytest.mark.parametrize("managed", ["no json", "[1]", "{}"])
def test_a_history_that_is_damaged_is_told(
    in_file: DatabaseUnderTest, tmp_path: Path, command: str, managed: str
) -> None:
    assert run_program("deploy", SHIPPED, in_file.url).status == 0
    in_file.run(f"UPDATE schema_deployments SET managed_objects = '{managed}'")
    told = run_program(command, tmp_path / "schema" if command == "pull" else SHIPPED, in_file.url)
    assert told.error["code"] == "unexpected-reply"
    assert told.document["committed"] is False
