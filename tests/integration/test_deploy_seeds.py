"""Seeds in a whole deployment: which rows are written, and which are left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import SMALL, write_project
from turso_deploy.report.document import SeedLine, Status

AUTHORS = SMALL["seeds/authors.csv"]


def test_changed_seeds_are_three_requests_and_write_only_the_rows_that_changed(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    target.deploy(write_project(tmp_path / "schema"))
    came_before = target.proxy.requests
    changed = AUTHORS.replace("Grace", "Grace Hopper") + "3,Barbara,\n"
    report = target.deploy(write_project(tmp_path / "schema", authors=changed))
    assert (report.error, report.status, report.requests) == (None, Status.DEPLOYED, 3)
    assert target.proxy.requests == came_before + (0 if target.is_file else 3)
    assert report.steps == ()
    assert report.seeds == (SeedLine("authors", 3, 1, 1, 1), SeedLine("books", 2, deployed_before=2))
    assert target.rows("SELECT id, name FROM authors ORDER BY id") == [(1, "Ada"), (2, "Grace Hopper"), (3, "Barbara")]
    assert target.deploy(write_project(tmp_path / "schema", authors=changed)).status is Status.UNCHANGED


def test_rows_that_somebody_else_wrote_are_kept(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(write_project(tmp_path / "schema"))
    target.run("INSERT INTO authors (id, name) VALUES (77, 'Alan')", "DELETE FROM authors WHERE id = 77")
    target.run("INSERT INTO authors (name) VALUES ('Edsger')", "INSERT INTO books VALUES ('b3', 'EWD', 78)")
    manifest = SMALL["manifest.yml"].replace("2..4", ">=2")
    report = target.deploy(
        write_project(tmp_path / "schema", authors=AUTHORS.replace("Ada", "Ada L."), manifest=manifest)
    )
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert target.rows("SELECT id, name FROM authors ORDER BY id") == [(1, "Ada L."), (2, "Grace"), (78, "Edsger")]
    assert target.value("SELECT seq FROM sqlite_sequence WHERE name = 'authors'") == 78
    assert target.value("SELECT count(*) FROM books") == 3  # an upsert does not cascade


def test_a_table_that_was_removed_gets_its_seeds_again(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(write_project(tmp_path / "schema"))
    target.run("DROP VIEW v_books", "DROP TABLE books")
    report = target.deploy(write_project(tmp_path / "schema"))
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert report.seeds == (SeedLine("authors", 2, deployed_before=2), SeedLine("books", 2, 2))
    assert target.rows("SELECT id FROM books") == [("b1",), ("b2",)]
    assert target.rows("SELECT id FROM authors") == [(1,), (2,)]


def test_a_seed_may_refer_to_a_row_that_only_the_database_has(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(write_project(tmp_path / "schema"))
    target.run("INSERT INTO authors (id, name) VALUES (50, 'Alan')")
    books = SMALL["seeds/books.jsonl"] + '{"id": "b3", "title": "Numbers", "author": 50}\n'
    report = target.deploy(write_project(tmp_path / "schema", books=books))
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert target.value("SELECT count(*) FROM books WHERE author = 50") == 1


def test_a_seed_that_refers_to_nothing_is_named_and_changes_nothing(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(write_project(tmp_path / "schema"))
    before = target.dump()
    books = SMALL["seeds/books.jsonl"] + '{"id": "b3", "title": "Numbers", "author": 50}\n'
    report = target.deploy(write_project(tmp_path / "schema", books=books))
    assert (report.status, report.committed) == (Status.FAILED, False)
    assert report.error is not None
    assert (report.error.code, report.error.line) == ("seed-invalid", 3)
    assert str(report.error.file).endswith("schema/seeds/books.jsonl")
    assert "`authors`" in report.error.message
    assert target.dump() == before


def test_what_the_database_computes_at_the_seeds_is_computed_there(target: DatabaseUnderTest, tmp_path: Path) -> None:
    """A trigger of the same deployment sees the seeds come in."""
    files = {
        "all.sql": "CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER);\nCREATE TABLE log (id INTEGER PRIMARY KEY);\n"
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN INSERT INTO log VALUES (new.id); END;\n",
        "seeds/a.csv": "id,n\n4,1\n5,2\n",
    }
    report = target.deploy(write_project(tmp_path / "schema", files))
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert target.rows("SELECT id FROM log") == [(4,), (5,)]
    assert report.seeds == (SeedLine("a", 2, 2),)


def test_what_the_application_changed_in_a_seeded_row_stays_when_only_names_change(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    before = {
        "people.sql": "CREATE TABLE people (id INTEGER PRIMARY KEY, mail TEXT, town TEXT);",
        "seeds/people.csv": "id,mail,town\n1,a@b,Bern\n2,c@d,Basel\n",
    }
    after = {
        "users.sql": "-- @renamed from=people\nCREATE TABLE users (id INTEGER PRIMARY KEY,\n"
        "-- @renamed from=mail\naddress TEXT CHECK (address <> ''), town TEXT);",
        "seeds/users.csv": "id,address,town\n1,a@b,Bern\n2,c@d,Basel\n",
    }
    assert target.deploy(write_project(tmp_path / "schema", before)).status is Status.DEPLOYED
    target.run("UPDATE people SET town = 'Thun' WHERE id = 1")
    renamed = write_project(tmp_path / "schema", after)
    report = target.deploy(renamed)
    assert report.status is Status.DEPLOYED, report.error
    assert target.rows("SELECT * FROM users ORDER BY id") == [(1, "a@b", "Thun"), (2, "c@d", "Basel")]
    assert target.deploy(renamed).status is Status.UNCHANGED

    changed = {
        "members.sql": "-- @renamed from=users\nCREATE TABLE members (id INTEGER PRIMARY KEY, address, town TEXT);",
        "seeds/members.csv": "id,address,town\n1,a@b,Bern\n2,c@d,Basel\n3,e@f,Biel\n",
    }
    assert target.deploy(write_project(tmp_path / "schema", changed)).status is Status.DEPLOYED
    assert target.rows("SELECT id, town FROM members ORDER BY id") == [(1, "Thun"), (2, "Basel"), (3, "Biel")]


STORED = [
    (1, "integer", "1", "integer", "1000", "text", "'02134'", "text", "'2024-01-01'", "blob", "X'00FF'"),
    (2, "integer", "0", "real", "1.5", "text", "''", "null", "NULL", "text", "'1.10'"),
]
AS_WRITTEN = {
    "csv": "id,b,n,t,d,x\n2,FALSE,1.50,\"\",,1.10\n1,true,1e3,02134,2024-01-01,x'00ff'\n",
    "json": '[{"id": 2, "b": false, "n": 1.50, "t": "", "d": null, "x": "1.10"},\n'
    '{"id": 1, "b": true, "n": 1e3, "t": "02134", "d": "2024-01-01", "x": "x\'00FF\'"}]',
    "yaml": "- {id: 1, b: True, n: 1e3, t: 02134, d: 2024-01-01, x: !!binary AP8=}\n"
    "- {id: 2, b: false, n: 1.50, t: '', d: ~, x: 1.10}\n",
}


@pytest.mark.parametrize("option", ["", " STRICT"])
def test_values_are_stored_as_written_and_another_format_is_no_change(
    target: DatabaseUnderTest, tmp_path: Path, option: str
) -> None:
    types = ("INTEGER", "REAL", "ANY") if option else ("BOOLEAN", "DECIMAL", "BLOB")
    date = "TEXT" if option else "DATE"
    columns = f"id INTEGER PRIMARY KEY, b {types[0]}, n {types[1]}, t TEXT, d {date}, x {types[2]}"
    definition = f"CREATE TABLE a ({columns}){option};\n"
    for number, (form, content) in enumerate(AS_WRITTEN.items()):
        files = {"a.sql": definition, f"seeds/a.{form}": content, "manifest.yml": "rows: {a: 2}\n"}
        report = target.deploy(write_project(tmp_path / form, files))
        assert (report.error, report.status) == (None, Status.UNCHANGED if number else Status.DEPLOYED)
    stored = "SELECT id, " + ", ".join(f"typeof({name}), quote({name})" for name in "bntdx") + " FROM a ORDER BY id"
    real = ("real", "1000.0") if option else ("integer", "1000")
    assert target.rows(stored) == [(*STORED[0][:3], *real, *STORED[0][5:]), STORED[1]]
