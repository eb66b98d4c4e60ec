"""Seeds over rows that the application wrote: which are inserted, updated, left as they are, and which block."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest

from tests.support.databases import DatabaseUnderTest, InterceptedDatabase
from tests.support.schema_folders import write_folder
from turso_deploy.core.transaction import Value
from turso_deploy.deploy.deploy import deploy
from turso_deploy.deploy.preview import compare
from turso_deploy.plan.hazards import Approval, HazardName
from turso_deploy.project.loader import load_project
from turso_deploy.project.project import Project
from turso_deploy.report.console import render
from turso_deploy.report.document import Report, SeedLine, Status
from turso_deploy.report.job_summary import summary
from turso_deploy.sql.lexer import quote_identifier

TABLE = "CREATE TABLE courses (id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, hours INTEGER DEFAULT 40);\n"
ROWS = "id,name,hours\na,Alpha,10\nb,Beta,20\nc,Gamma,30\n"
OVERWRITE = (Approval(HazardName.OVERWRITE_ROWS),)


def folder(path: Path, seeds: str = ROWS, table: str = TABLE, manifest: str = "", **files: str) -> Project:
    names = {"schema.sql": table, "seeds/courses.csv": seeds, "manifest.yml": manifest or "{}\n"}
    return load_project(write_folder(path / f"schema{len(list(path.iterdir()))}", {**names, **files}))


def rows(target: DatabaseUnderTest) -> list[tuple[Value, ...]]:
    return target.rows("SELECT id, name, hours FROM courses ORDER BY id")


def line(report: Report) -> SeedLine:
    [found] = [seed for seed in report.seeds if seed.table == "courses"]
    return found


def test_row_that_holds_what_was_seeded_is_updated_without_approval(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(folder(tmp_path))
    edited = folder(tmp_path, ROWS.replace("Beta", "Beta 2"))
    planned, report = target.plan(edited), target.deploy(edited)
    assert (report.error, report.status, report.requests) == (None, Status.DEPLOYED, 3)
    assert line(planned) == line(report) == SeedLine("courses", 3, 0, 1, 2)
    assert planned.rows_to_write == 1
    assert rows(target)[1] == ("b", "Beta 2", 20)
    again = target.deploy(edited)
    assert (again.status, again.requests) == (Status.UNCHANGED, 1)


def test_row_that_the_application_changed_is_kept_while_the_file_leaves_it(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    target.deploy(folder(tmp_path))
    target.run("UPDATE courses SET name = 'edited' WHERE id = 'a'")
    more = folder(tmp_path, ROWS + "d,Delta,5\n")
    planned, report = target.plan(more), target.deploy(more)
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert line(planned) == line(report) == SeedLine("courses", 4, 1, 0, 2, 1)
    assert rows(target)[0] == ("a", "edited", 10)


def test_row_that_both_changed_is_a_hazard(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(folder(tmp_path))
    target.run("UPDATE courses SET name = 'edited' WHERE id IN ('a', 'c')")
    edited = folder(tmp_path, ROWS.replace("Alpha", "Alpha 2"))
    planned, report = target.plan(edited), target.deploy(edited)
    for blocked in (planned, report):
        assert blocked.error is not None
        assert (blocked.status, blocked.error.code, blocked.exit_code) == (Status.BLOCKED, "hazard-blocked", 5)
        assert [(one.name, one.object, one.rows, one.approved) for one in blocked.hazards] == [
            ("overwrite-rows", "courses", 1, False)
        ]
        assert line(blocked) == SeedLine("courses", 3, 0, 1, 1, 1)
        assert (blocked.error.line, "edited" in str(blocked.as_json())) == (2, False)
    assert rows(target)[0] == ("a", "edited", 10)
    approved = target.deploy(edited, approvals=OVERWRITE)
    assert (approved.error, approved.status, line(approved)) == (None, Status.DEPLOYED, line(planned))
    assert rows(target) == [("a", "Alpha 2", 10), ("b", "Beta", 20), ("c", "edited", 30)]


@pytest.mark.parametrize("approvals", [(), OVERWRITE])
def test_row_that_was_never_seeded_is_a_hazard(
    target: DatabaseUnderTest, tmp_path: Path, approvals: tuple[Approval, ...]
) -> None:
    target.run(TABLE.rstrip(";\n"), "INSERT INTO courses VALUES ('a', 'Live', 75), ('b', 'Beta', 20)")
    report = target.deploy(folder(tmp_path), approvals=approvals)
    assert report.status is (Status.DEPLOYED if approvals else Status.BLOCKED)
    assert line(report) == SeedLine("courses", 3, 1, 1, 1)
    assert rows(target)[0] == (("a", "Alpha", 10) if approvals else ("a", "Live", 75))


@pytest.mark.parametrize(
    ("existing", "first", "expected"),
    [
        ("update", ("a", "Alpha", 10), SeedLine("courses", 3, 1, 1, 1)),
        ("keep", ("a", "Live", 75), SeedLine("courses", 3, 1, 0, 1, 1)),
    ],
)
def test_manifest_decides_about_existing_rows(
    target: DatabaseUnderTest, tmp_path: Path, existing: str, first: tuple[Value, ...], expected: SeedLine
) -> None:
    target.run(TABLE.rstrip(";\n"), "INSERT INTO courses VALUES ('a', 'Live', 75), ('b', 'Beta', 20)")
    project = folder(tmp_path, manifest=f"seeds: {{courses: {{existing: {existing}}}}}\n")
    planned, report = target.plan(project), target.deploy(project)
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert line(planned) == line(report) == expected
    assert rows(target) == [first, ("b", "Beta", 20), ("c", "Gamma", 30)]
    assert target.deploy(project).status is Status.UNCHANGED


def test_row_that_left_the_file_stays_and_is_reported(target: DatabaseUnderTest, tmp_path: Path) -> None:
    table = TABLE.replace("id TEXT PRIMARY KEY NOT NULL", "id INTEGER PRIMARY KEY")
    target.deploy(folder(tmp_path, "id,name\n1,A\n2,B\n3,C\n4,D\n", table))
    target.run("DELETE FROM courses WHERE id = 4")
    fewer = folder(tmp_path, "id,name\n2,B\n", table)
    planned, report = target.plan(fewer), target.deploy(fewer)
    assert line(planned) == line(report) == SeedLine("courses", 1, 0, 0, 1, left=2, left_keys=("1", "3"))
    assert target.value("SELECT count(*) FROM courses") == 3
    sentence = "2 rows of courses leave its seed file and stay in the database: 1, 3"
    assert all(sentence in text for text in (render(planned, colour=False), summary(planned)))


@pytest.mark.parametrize("key", ["id INTEGER PRIMARY KEY", "number INTEGER PRIMARY KEY, id INT UNIQUE"])
def test_rows_of_a_file_that_has_none_any_more_stay_and_are_reported(
    target: DatabaseUnderTest, tmp_path: Path, key: str
) -> None:
    table = TABLE.replace("id TEXT PRIMARY KEY NOT NULL", key)
    target.deploy(folder(tmp_path, "id,name\n1,A\n2,B\n", table))
    emptied = folder(tmp_path, "id,name\n", table)
    planned, report = target.plan(emptied), target.deploy(emptied)
    assert line(planned) == line(report) == SeedLine("courses", 0, left=2, left_keys=("1", "2"))
    assert target.value("SELECT count(*) FROM courses") == 2
    assert target.deploy(emptied).status is Status.UNCHANGED


def test_seed_file_that_is_gone_is_reported_and_its_rows_stay(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(folder(tmp_path))
    without = load_project(write_folder(tmp_path / "without", {"schema.sql": TABLE + "CREATE TABLE other (id);\n"}))
    report = target.deploy(without)
    assert [notice for notice in report.notices if "seed files" in notice] == [
        "The seed files of these tables are gone, and the rows stay in the database: courses."
    ]
    assert target.value("SELECT count(*) FROM courses") == 3
    assert not any("seed files" in notice for notice in target.plan(without).notices)


@pytest.mark.parametrize("parents", ["CREATE TABLE people (id INTEGER PRIMARY KEY);\n", "RENAMED", "NEW"])
def test_missing_parent_of_a_seed_stops_the_plan_as_the_deployment(
    target: DatabaseUnderTest, tmp_path: Path, parents: str
) -> None:
    live = "CREATE TABLE people (id INTEGER PRIMARY KEY)"
    if parents != "NEW":
        target.run(live, "INSERT INTO people VALUES (1)")
    name = "people" if parents.startswith("CREATE") else "persons"
    wanted = parents if parents.startswith("CREATE") else f"CREATE TABLE {name} (id INTEGER PRIMARY KEY);\n"
    if parents == "RENAMED":
        wanted = f"-- @renamed from=people\n{wanted}"
    child = f"CREATE TABLE courses (id INTEGER PRIMARY KEY, by INTEGER REFERENCES {name} (id));\n"
    project = folder(tmp_path, "id,by\n1,1\n2,2\n", wanted + child)
    for report in (target.plan(project), target.deploy(project)):
        assert report.error is not None
        expected = (Status.FAILED, "seed-invalid", 2 if parents == "NEW" else 3, 1)
        assert (report.status, report.error.code, report.error.line, report.exit_code) == expected
        assert report.steps != ()
    fine = folder(tmp_path, "id,by\n1,\n" if parents == "NEW" else "id,by\n1,1\n", wanted + child)
    assert target.plan(fine).status is Status.PLANNED
    assert target.deploy(fine).status is Status.DEPLOYED


def test_text_keys_of_rows_that_left_are_shown_on_request_only(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    in_file.deploy(folder(tmp_path))
    fewer = folder(tmp_path, "id,name,hours\nb,Beta,20\n")
    assert (line(in_file.plan(fewer)).left, line(in_file.plan(fewer)).left_keys) == (2, ())
    with closing(in_file.open()) as database:
        assert line(deploy(fewer, database, show_keys=True)).left_keys == ("a", "c")


def test_row_that_changes_between_the_comparison_and_the_transaction_is_compared_again(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    target.deploy(folder(tmp_path))
    edited = folder(tmp_path, ROWS.replace("Alpha", "Alpha 2"))

    def edit(number: int) -> None:
        if number == 1:
            target.run("UPDATE courses SET name = 'edited' WHERE id = 'a'")

    with closing(target.open()) as database:
        report = deploy(edited, InterceptedDatabase(database, before_apply=edit))
    assert (report.status, report.error and report.error.code) == (Status.BLOCKED, "hazard-blocked")
    assert rows(target)[0] == ("a", "edited", 10)


def test_row_that_appears_between_the_comparison_and_the_transaction_is_not_overwritten(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    target.deploy(folder(tmp_path))
    more = folder(tmp_path, ROWS + "d,Delta,5\n")

    def insert(number: int) -> None:
        if number == 1:
            target.run("INSERT INTO courses VALUES ('d', 'live', 1)")

    with closing(target.open()) as database:
        report = deploy(more, InterceptedDatabase(database, before_apply=insert))
    assert (report.status, report.error and report.error.code) == (Status.BLOCKED, "hazard-blocked")
    assert rows(target)[3] == ("d", "live", 1)


def test_type_that_changes_keeps_rows_that_the_file_left(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(folder(tmp_path))
    target.run("UPDATE courses SET name = 'edited' WHERE id = 'a'")
    project = folder(tmp_path, ROWS.replace("Beta", "Beta 2"), TABLE.replace("hours INTEGER", "hours TEXT"))
    report = target.deploy(project, approvals=(Approval(HazardName.CHANGE_TYPE),))
    assert (report.error, line(report)) == (None, SeedLine("courses", 3, 0, 1, 1, 1))
    assert target.rows("SELECT name, hours FROM courses ORDER BY id")[:2] == [("edited", "10"), ("Beta 2", "20")]


@pytest.mark.parametrize("column", ["duration INTEGER DEFAULT 40", "duration TEXT DEFAULT 40"])
def test_seeds_in_chunks_after_a_renaming_update_what_was_seeded(
    on_sqld: DatabaseUnderTest, tmp_path: Path, column: str
) -> None:
    on_sqld.deploy(folder(tmp_path, "id,name,hours\n" + "".join(f"k{n},n{n},{n}\n" for n in range(1_000))))
    table = (
        f"-- @renamed from=courses\nCREATE TABLE lessons (id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL,\n"
        f"  {column} -- @renamed from=hours\n);\n"
    )
    seeds = "id,name,duration\n" + "".join(f"k{n},n{n},{n + n % 2}\n" for n in range(1_000))
    project = load_project(write_folder(tmp_path / "renamed", {"s.sql": table, "seeds/lessons.csv": seeds}))
    approvals = (Approval(HazardName.CHANGE_TYPE),)
    chunked = replace(on_sqld, request_size=20_000)
    planned, report = chunked.plan(project, approvals), chunked.deploy(project, approvals=approvals)
    assert (planned.status, report.error, report.status) == (Status.PLANNED, None, Status.DEPLOYED)
    assert report.chunks is not None
    assert planned.seeds == report.seeds == (SeedLine("lessons", 1_000, 0, 500, 500),)
    assert chunked.deploy(project).status is Status.UNCHANGED


@pytest.mark.parametrize("transaction", [2, 4])
def test_row_that_appears_in_a_table_that_was_empty_is_not_overwritten(
    on_sqld: DatabaseUnderTest, tmp_path: Path, transaction: int
) -> None:
    many = "id,name,hours\n" + "".join(f"k{number:04},Course {number} {'x' * 80},1\n" for number in range(600))
    project = folder(tmp_path, many)
    chunked = replace(on_sqld, request_size=20_000)

    def insert(number: int) -> None:
        if number == transaction:  # the first one is the schema
            on_sqld.run("INSERT INTO courses VALUES ('k0599', 'live', 7)")

    with closing(chunked.open()) as database:
        report = deploy(project, InterceptedDatabase(database, before_apply=insert))
    assert (report.status, report.error and report.error.code) == (Status.FAILED, "hazard-blocked")
    assert (report.committed, report.exit_code) == (True, 1)
    assert on_sqld.rows("SELECT name, hours FROM courses WHERE id = 'k0599'") == [("live", 7)]
    assert chunked.deploy(project, approvals=OVERWRITE).status is Status.DEPLOYED
    assert on_sqld.value("SELECT count(*) FROM courses WHERE hours = 1") == 600


def test_comparison_with_a_folder_counts_what_its_database_would_hold(tmp_path: Path) -> None:
    base = folder(tmp_path, ROWS)
    edited = folder(tmp_path, ROWS.replace("Beta", "Beta 2").replace("c,Gamma,30\n", "") + "d,Delta,5\n")
    report = compare(edited, base)
    assert (report.error, report.status, report.blocked_by, report.hazards) == (None, Status.PLANNED, None, ())
    assert line(report) == SeedLine("courses", 3, 1, 1, 1, left=1)


def test_column_added_to_the_file_is_free_where_nobody_wrote_it(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(folder(tmp_path, "id,name\na,Alpha\nb,Beta\n"))
    target.run("UPDATE courses SET hours = 99 WHERE id = 'b'")
    both = folder(tmp_path, "id,name,hours\na,Alpha,10\nb,Beta,20\n")
    report = target.plan(both)
    assert [(one.name, one.rows) for one in report.hazards] == [("overwrite-rows", 1)]
    one = folder(tmp_path, "id,name,hours\na,Alpha,10\nb,Beta,99\n")
    deployed = target.deploy(one)
    assert (deployed.error, line(deployed)) == (None, SeedLine("courses", 2, 0, 1, 1))
    assert rows(target) == [("a", "Alpha", 10), ("b", "Beta", 99)]


def test_column_that_the_deployment_adds_is_filled_without_approval(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(folder(tmp_path))
    table = TABLE.replace("hours", "level TEXT DEFAULT 'low', hours")
    report = target.deploy(folder(tmp_path, "id,name,hours,level\na,Alpha,10,high\nb,Beta,20,low\n", table))
    assert (report.error, line(report)) == (None, SeedLine("courses", 2, 0, 1, 1, left=1))
    assert target.rows("SELECT id, level FROM courses ORDER BY id") == [("a", "high"), ("b", "low"), ("c", "low")]


def test_row_that_a_trigger_made_at_another_seed_is_updated_without_approval(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    tables = (
        "CREATE TABLE users (id INTEGER PRIMARY KEY);\n"
        "CREATE TABLE profiles (user INTEGER PRIMARY KEY REFERENCES users (id), theme TEXT NOT NULL DEFAULT 'light');\n"
        "CREATE TRIGGER t AFTER INSERT ON users BEGIN INSERT INTO profiles (user) VALUES (new.id); END;\n"
    )
    target.deploy(load_project(write_folder(tmp_path / "a", {"s.sql": tables, "seeds/users.csv": "id\n1\n2\n"})))
    target.run("UPDATE profiles SET theme = 'blue' WHERE user = 2")
    files = {"s.sql": tables, "seeds/users.csv": "id\n1\n2\n", "seeds/profiles.csv": "user,theme\n1,dark\n"}
    report = target.deploy(load_project(write_folder(tmp_path / "b", files)))
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert report.seeds[0] == SeedLine("profiles", 1, 0, 1)
    files["seeds/profiles.csv"] += "2,dark\n"
    report = target.deploy(load_project(write_folder(tmp_path / "c", files)))
    assert (report.status, [one.rows for one in report.hazards]) == (Status.BLOCKED, [1])
    assert target.rows("SELECT * FROM profiles") == [(1, "dark"), (2, "blue")]


@pytest.mark.parametrize("title", ["title", "rowid"])  # SQLite 3.54 renames none to `rowid`: a rebuild does
def test_renamed_table_and_column_keep_their_record(target: DatabaseUnderTest, tmp_path: Path, title: str) -> None:
    target.deploy(folder(tmp_path))
    table = (
        "-- @renamed from=courses\nCREATE TABLE lessons (id TEXT PRIMARY KEY NOT NULL,\n"
        f"  {title} TEXT NOT NULL, -- @renamed from=name\n  hours INTEGER DEFAULT 40);\n"
    )
    seeds = ROWS.replace("name", title).replace("Beta", "Beta 2")
    path = write_folder(tmp_path / "renamed", {"schema.sql": table, "seeds/lessons.csv": seeds})
    report = target.deploy(load_project(path))
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert report.seeds == (SeedLine("lessons", 3, 0, 1, 2),)
    (path / "seeds/lessons.csv").write_text(seeds.replace("Gamma", "Gamma 2"))
    report = target.deploy(load_project(path))
    assert (report.error, report.seeds) == (None, (SeedLine("lessons", 3, 0, 1, 2),))


def test_row_that_the_application_changed_is_kept_while_its_key_becomes_rowid(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    table = "CREATE TABLE courses (id INTEGER PRIMARY KEY, name TEXT);\n"
    target.deploy(folder(tmp_path, "id,name\n1,a\n5,b\n", table))
    target.run("UPDATE courses SET name = 'live' WHERE id = 5")
    table = "CREATE TABLE courses (\n  rowid INTEGER PRIMARY KEY, -- @renamed from=id\n  name TEXT);\n"
    for seeds, kept in (("rowid,name\n1,a\n5,b\n", 0), ("rowid,name\n1,a\n5,b\n7,c\n", 1)):
        report = target.deploy(folder(tmp_path, seeds, table))
        assert (report.error, sum(one.kept for one in report.seeds)) == (None, kept)
    assert target.rows("SELECT oid, name FROM courses") == [(1, "a"), (5, "live"), (7, "c")]


def test_empty_blob_of_a_seed_is_no_null(target: DatabaseUnderTest, tmp_path: Path) -> None:
    table = "CREATE TABLE courses (id INTEGER PRIMARY KEY, photo BLOB NOT NULL);\n"
    project = folder(tmp_path, "id,photo\n1,x''\n", table)
    for _ in range(2):
        assert target.deploy(project).error is None
        assert target.rows("SELECT quote(photo) FROM courses") == [("X''",)]


CHANGE_TYPE = Approval(HazardName.CHANGE_TYPE)


@pytest.mark.parametrize(
    ("before", "live", "after", "seeds", "overwritten", "expected", "stored"),
    [
        pytest.param(
            "id TEXT PRIMARY KEY, hours INTEGER",
            "('C', 9)",
            "id TEXT PRIMARY KEY COLLATE NOCASE, hours INTEGER",
            "id,hours\na,1\nc,4\n",
            1,
            SeedLine("courses", 2, 0, 1, 1),
            ["a", 1, "c", 4],
            id="collation of the key",
        ),
        pytest.param(
            "id INTEGER PRIMARY KEY, hours INTEGER",
            "(2, 5)",
            "id INTEGER PRIMARY KEY, hours TEXT",
            "id,hours\n1,1\n2,05\n",
            1,
            SeedLine("courses", 2, 0, 1, 1),
            [1, "1", 2, "05"],
            id="type",
        ),
        pytest.param(
            "id INTEGER PRIMARY KEY, hours INTEGER",
            "(2, 5)",
            "id INTEGER PRIMARY KEY, hours TEXT -- @using hours * 60\n",
            "id,hours\n1,60\n2,301\n",
            1,
            SeedLine("courses", 2, 0, 1, 1),
            [1, "60", 2, "301"],
            id="backfill",
        ),
        pytest.param(
            "id TEXT PRIMARY KEY, hours INTEGER",
            "('02', 5)",
            "id INTEGER PRIMARY KEY, hours INTEGER",
            "id,hours\n1,1\n2,6\n",
            1,
            SeedLine("courses", 2, 0, 1, 1),
            [1, 1, 2, 6],
            id="type of the key",
        ),
        pytest.param(
            "name TEXT UNIQUE, hours INTEGER",
            "('Live', 5)",
            "id INTEGER PRIMARY KEY, name TEXT UNIQUE, hours INTEGER",
            "id,name,hours\n1,a,1\n2,Seed,6\n",
            1,
            SeedLine("courses", 2, 0, 1, 1),
            [1, "a", 1, 2, "Seed", 6],
            id="key that was the rowid",
        ),
        pytest.param(
            "id INTEGER PRIMARY KEY, hours INTEGER, minutes AS (hours * 60) STORED",
            "(2, 5)",
            "id INTEGER PRIMARY KEY, hours INTEGER, minutes INTEGER",
            "id,hours,minutes\n1,1,60\n2,5,301\n",
            1,
            SeedLine("courses", 2, 0, 1, 1),
            [1, 1, 60, 2, 5, 301],
            id="generated column",
        ),
    ],
)
def test_rows_are_compared_as_the_changes_of_their_table_leave_them(
    target: DatabaseUnderTest,
    tmp_path: Path,
    before: str,
    live: str,
    after: str,
    seeds: str,
    overwritten: int,
    expected: SeedLine,
    stored: list[Value],
) -> None:
    text = "'a'" if before.startswith("name") or "NOCASE" in after else "'1'" if "id TEXT" in before else "1"
    columns = ", ".join(name.split()[0] for name in before.split(", ") if " AS " not in name)
    target.run(
        f"CREATE TABLE courses ({before})",
        f"INSERT INTO courses ({columns}) VALUES ({text}, 1)",
        f"INSERT INTO courses ({columns}) VALUES {live}",
    )
    project = folder(tmp_path, seeds, f"CREATE TABLE courses ({after});\n")
    approvals = (CHANGE_TYPE, Approval(HazardName.CHANGE_GENERATED))
    for blocked in (target.plan(project, approvals=approvals), target.deploy(project, approvals=approvals)):
        assert blocked.status is Status.BLOCKED
        assert [(one.object, one.rows) for one in blocked.hazards if one.name == "overwrite-rows"] == [
            ("courses", overwritten)
        ]
        assert line(blocked) == expected
    report = target.deploy(project, approvals=(*approvals, *OVERWRITE))
    assert (report.error, line(report)) == (None, expected)
    assert [value for row in target.rows("SELECT * FROM courses ORDER BY 1") for value in row] == stored


def test_row_that_holds_what_was_seeded_is_updated_while_its_table_changes(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    target.deploy(folder(tmp_path, "id,name,hours\na,Alpha,1\nb,Beta,2\n"))
    table = (
        "-- @renamed from=courses\nCREATE TABLE lessons (id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL,\n"
        "  duration TEXT DEFAULT 40 -- @renamed from=hours\n);\n"
    )
    seeds = "id,name,duration\na,Alpha,01\nb,Beta,2\n"
    project = load_project(write_folder(tmp_path / "renamed", {"schema.sql": table, "seeds/lessons.csv": seeds}))
    report = target.deploy(project, approvals=(CHANGE_TYPE,))
    assert (report.error, report.seeds) == (None, (SeedLine("lessons", 2, 0, 1, 1),))
    assert target.rows("SELECT duration FROM lessons ORDER BY id") == [("01",), ("2",)]


def test_conflict_with_a_live_row_is_reported_at_the_seed_row(target: DatabaseUnderTest, tmp_path: Path) -> None:
    table = "CREATE TABLE courses (id INTEGER PRIMARY KEY, slug TEXT UNIQUE ON CONFLICT REPLACE, name TEXT);\n"
    target.run(table.rstrip(";\n"), "INSERT INTO courses VALUES (7, 'pro', 'live')")
    project = folder(tmp_path, "id,slug,name\n2,basic,Basic\n1,pro,Pro\n", table)
    for report in (target.plan(project), target.deploy(project)):
        assert report.error is not None
        assert (report.status, report.error.code, report.error.line) == (Status.FAILED, "seed-invalid", 3)
        assert "rowid 7" in report.error.message
        assert report.exit_code == 1
    assert target.rows("SELECT * FROM courses") == [(7, "pro", "live")]


def test_rows_that_exchange_unique_values_go_in(target: DatabaseUnderTest, tmp_path: Path) -> None:
    table = "CREATE TABLE courses (id TEXT PRIMARY KEY NOT NULL, hours INTEGER NOT NULL UNIQUE, name TEXT UNIQUE);\n"
    target.deploy(folder(tmp_path, "id,hours,name\na,1,x\nb,2,y\nc,3,z\n", table))
    target.run("INSERT INTO courses VALUES ('live', 50, 'w')")
    project = folder(tmp_path, "id,hours,name\nfirst,1,q\na,2,y\nb,3,x\nc,4,z\n", table)
    assert target.plan(project).status is Status.PLANNED
    report = target.deploy(project)
    assert (report.error, line(report)) == (None, SeedLine("courses", 4, 1, 3))
    assert rows(target) == [("a", "y", 2), ("b", "x", 3), ("c", "z", 4), ("first", "q", 1), ("live", "w", 50)]


@pytest.mark.parametrize("removed", ["a", "d"])
def test_seed_row_that_a_trigger_takes_away_stops_the_deployment(
    target: DatabaseUnderTest, tmp_path: Path, removed: str
) -> None:
    flags = "CREATE TABLE flags (is_on INTEGER);\n"  # the trigger is off in the scratch database
    target.deploy(folder(tmp_path, table=TABLE + flags))
    target.run("INSERT INTO flags VALUES (1)")
    trigger = (
        "CREATE TRIGGER t AFTER INSERT ON courses WHEN new.id = 'd' AND EXISTS (SELECT 1 FROM flags) "
        f"BEGIN DELETE FROM courses WHERE id = '{removed}'; END;\n"
    )
    project = folder(tmp_path, ROWS + "d,Delta,1\n", TABLE + flags + trigger)
    report = target.deploy(project, approvals=(Approval(HazardName.DELETE_ROWS),))
    assert report.error is not None
    assert (report.status, report.committed, report.error.code) == (Status.FAILED, False, "seed-invalid")
    assert len(rows(target)) == 3


def test_staging_table_is_gone_after_the_deployment(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(folder(tmp_path))
    target.deploy(folder(tmp_path, ROWS.replace("Beta", "Beta 2")))
    assert target.rows("SELECT name FROM sqlite_master WHERE name LIKE 'turso_deploy%'") == []
    assert target.rows("SELECT number FROM schema_deployments WHERE seed_rows IS NOT NULL") == [(2,)]


def test_history_of_an_older_version_gets_the_column_of_the_records(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(folder(tmp_path))
    target.run("ALTER TABLE schema_deployments DROP COLUMN seed_rows")
    report = target.deploy(folder(tmp_path, ROWS + "d,Delta,1\n"))
    assert (report.error, line(report)) == (None, SeedLine("courses", 4, 1, 0, 3))
    report = target.deploy(folder(tmp_path, ROWS.replace("Alpha", "Alpha 2") + "d,Delta,1\n"))
    assert (report.error, line(report)) == (None, SeedLine("courses", 4, 0, 1, 3))


@pytest.mark.parametrize("name", ["given", "live", "staged", "row", "excluded", "key", 'a "b"'])
@pytest.mark.parametrize("columns", [("key", "value"), ("rowid", "select"), ("live", "given")])
def test_names_of_the_statements_are_names_of_tables_and_columns_too(
    target: DatabaseUnderTest, tmp_path: Path, name: str, columns: tuple[str, str]
) -> None:
    table, key, value = (quote_identifier(item) for item in (name, *columns))
    sql = (
        f"CREATE TABLE {table} ({key} TEXT PRIMARY KEY NOT NULL, {value} INTEGER UNIQUE NOT NULL, "
        f"parent TEXT REFERENCES {table} ({key}));\n"
    )
    header = ",".join((*columns, "parent\n"))

    def project(rows: str) -> Project:
        path = tmp_path / f"schema{len(list(tmp_path.iterdir()))}"
        return load_project(write_folder(path, {"schema.sql": sql, f"seeds/{name}.csv": header + rows}))

    target.deploy(project("a,1,\nb,2,a\n"))
    target.run(f"INSERT INTO {table} VALUES ('z', 99, NULL)")
    report = target.deploy(project("a,2,\nb,1,a\nc,3,z\n"))
    assert (report.error, report.seeds) == (None, (SeedLine(name, 3, 1, 2),))
    conflict = target.plan(project("a,2,\nb,1,a\nd,99,\n")).error
    assert conflict is not None
    assert (conflict.code, conflict.line) == ("seed-invalid", 4)


@pytest.mark.parametrize("count", [500, 1900])
def test_table_of_many_columns_is_compared(target: DatabaseUnderTest, tmp_path: Path, count: int) -> None:
    names = [f"c{number}" for number in range(count)]
    table = f"CREATE TABLE courses (id INTEGER PRIMARY KEY, {', '.join(f'{name} TEXT' for name in names)});\n"
    rows = [",".join((str(key), *(f"{key} {name}" for name in names))) for key in (1, 2, 3)]
    header = ",".join(("id", *names))
    target.deploy(folder(tmp_path, "\n".join((header, *rows[:2], "")), table))
    edited = "\n".join((header, rows[0].replace("1 c7,", "x,"), *rows[1:], ""))
    report = target.deploy(folder(tmp_path, edited, table))
    assert (report.error, line(report)) == (None, SeedLine("courses", 3, 1, 1, 1))


def test_seeds_of_many_tables_are_compared_in_one_request(target: DatabaseUnderTest, tmp_path: Path) -> None:
    names = [f"t{number}" for number in range(120)]
    tables = "".join(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, name TEXT UNIQUE);\n" for name in names)

    def project(value: str) -> Project:
        seeds = {f"seeds/{name}.csv": f"id,name\n1,{value}\n" for name in names}
        return folder(tmp_path, table=TABLE + tables, **seeds)

    target.deploy(project("a"))
    report = target.deploy(project("b"))
    assert (report.error, report.requests) == (None, 3)
    assert all(seed.updated == 1 for seed in report.seeds if seed.table in names)


def test_many_rows_that_the_application_changed_are_kept_in_seconds(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    table = "CREATE TABLE courses (id INTEGER PRIMARY KEY, name TEXT);\n"
    seeds = "id,name\n" + "".join(f"{number},row {number}\n" for number in range(1, 10_000))
    in_file.deploy(folder(tmp_path, seeds, table))
    in_file.run("UPDATE courses SET name = 'edited ' || id")
    before = monotonic()
    report = in_file.deploy(folder(tmp_path, f"{seeds}10000,new\n", table))
    assert (report.error, line(report)) == (None, SeedLine("courses", 10_000, 1, kept=9_999))
    assert monotonic() - before < 60  # a comparison of each kept row with all others takes minutes


def test_kept_row_that_breaks_a_json_check_stops_the_plan_as_the_deployment(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    manifest = "json_columns: {courses: [name]}\n"
    json_rows = "id,name\na,{}\nb,{}\n"
    assert target.deploy(folder(tmp_path, json_rows, manifest=manifest)).error is None
    target.run("UPDATE courses SET name = 'no JSON' WHERE id = 'a'")
    edited = folder(tmp_path, json_rows.replace("b,{}", "b,[]"), manifest=manifest)
    assert [target.plan(edited).status, target.deploy(edited).status] == [Status.FAILED, Status.FAILED]
    target.run("UPDATE courses SET name = '{}' WHERE id = 'a'", "UPDATE courses SET name = 'no JSON' WHERE id = 'b'")
    assert target.plan(edited).status is target.deploy(edited).status is Status.BLOCKED
    assert [run(edited, approvals=OVERWRITE).error for run in (target.plan, target.deploy)] == [None, None]
