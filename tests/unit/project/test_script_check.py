"""One-time scripts when the folder is loaded: what is an error for every database, and what only old ones can tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.schema_folders import write_folder, write_project
from turso_deploy.core.errors import ErrorCode, ProjectError
from turso_deploy.project.loader import load_project
from turso_deploy.project.scripts import Moment

TABLES = """\
-- @renamed from=members
CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  full_name TEXT, -- @renamed from=name
  mail TEXT
);
CREATE TABLE addresses (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id), line TEXT);
CREATE VIEW people AS SELECT id, full_name FROM users;
CREATE VIRTUAL TABLE search USING fts5 (body);
"""
EARLY = [Moment.BEFORE, Moment.BETWEEN]


def load(tmp_path: Path, moment: str, script: str, tables: str = TABLES) -> None:
    write_project(tmp_path / "schema", {"t.sql": tables, "scripts/one.sql": f"-- @run {moment}\n{script}"}).close()


def error_of(tmp_path: Path, moment: str, script: str, tables: str = TABLES) -> ProjectError:
    with pytest.raises(ProjectError) as raised:
        load(tmp_path, moment, script, tables)
    assert raised.value.code is ErrorCode.SCRIPT_INVALID
    return raised.value


FAULTS = {
    "UPDATE user SET mail = '';": "no such table: user",
    "UPDATE users SET mial = '';": "no such column: mial",
    "UPDATE users SET mail = users.mial;": "no such column: users.mial",
    "INSERT INTO addresses (user_id, lin) SELECT id, mail FROM users;": "has no column named lin",
    "UPDATE users SET mail = full;": "no such column: full",
    "DELETE FROM main.person;": "no such table: main.person",
    "DELETE FROM users WHERE id IN (SELECT user FROM addresses);": "no such column: user",
    "UPDATE people SET surname = '';": "no such column: surname",
    "UPDATE users SET mail = lower(mail, 1);": "wrong number of arguments to function lower()",
    "UPDATE users SET mail = (SELECT id, mail FROM users);": "sub-select returns 2 columns - expected 1",
    "UPDATE users SET mail = max(count(*));": "misuse of aggregate",
    "DELETE FROM users u JOIN addresses;": "syntax error",
    'UPDATE users SET mail = "text";': "no such column: ",
    "DELETE FROM users WHERE id IN (SELECT user_id FROM addresses JOIN users USING (user_id));": "cannot join using",
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("moment", Moment)
def test_fault_of_a_script_is_an_error_at_its_line_at_every_moment(tmp_path: Path, moment: Moment, fault: str) -> None:
    error = error_of(tmp_path, moment, f"DELETE FROM addresses;\n\n{fault}\n")
    assert FAULTS[fault] in error.message or fault.startswith("UPDATE people")  # of which SQLite says: a view
    assert error.place is not None
    assert (error.place.file.endswith("scripts/one.sql"), error.place.line) == (True, 4)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if not fault.startswith("UPDATE people")])
@pytest.mark.parametrize("moment", Moment)
def test_absent_need_hides_no_fault(tmp_path: Path, moment: Moment, fault: str) -> None:
    script = f"-- @needs users.address\nUPDATE users SET mail = address WHERE address <> '';\n{fault}\n"
    assert FAULTS[fault] in error_of(tmp_path, moment, script).message


@pytest.mark.parametrize("moment", Moment)
def test_missing_name_is_reported_with_what_can_be_done(tmp_path: Path, moment: Moment) -> None:
    hint = str(error_of(tmp_path, moment, "UPDATE users SET mail = address;\n").hint)
    assert "`-- @needs table.column`" in hint
    assert "every database has run can be deleted" in hint


@pytest.mark.parametrize(
    "script",
    [
        "UPDATE members SET name = trim(name), mail = '' WHERE id > 0;",
        "UPDATE users SET name = trim(name);",
        "UPDATE members SET full_name = trim(full_name);",
        "INSERT INTO MEMBERS (Name) SELECT m.name FROM members AS m;",
        "-- @needs members.address\nUPDATE members SET address = name;",
        "-- @needs members.address\nUPDATE users SET address = name;",
        "-- @needs users.address\nUPDATE members SET address = name;",
    ],
)
def test_script_that_runs_before_may_use_former_names(tmp_path: Path, script: str) -> None:
    load(tmp_path, "before", script)


@pytest.mark.parametrize(
    "script",
    [
        "UPDATE users SET mail = name;",
        "DELETE FROM members;",
        "-- @needs users.name\nUPDATE users SET mail = name;",
        "-- @needs members\nUPDATE members SET mail = '';",
    ],
)
@pytest.mark.parametrize("moment", [Moment.BETWEEN, Moment.AFTER])
def test_script_that_runs_later_must_use_the_names_after_the_renames(
    tmp_path: Path, moment: Moment, script: str
) -> None:
    assert "no such" in error_of(tmp_path, moment, script).message


@pytest.mark.parametrize(
    "script",
    [
        "-- @needs users.address\nINSERT INTO addresses (user_id, line) SELECT id, address FROM users;",
        "-- @needs members.address\nUPDATE users SET mail = address;",
        "-- @needs USERS.[a.b]\nUPDATE users SET mail = `a.b`;",
        "-- @needs legacy\nUPDATE users SET mail = (SELECT l.mail FROM legacy l WHERE l.id = users.id);",
        "-- @needs legacy.mail\nUPDATE users SET mail = (SELECT mail FROM legacy WHERE number = users.id);",
        "-- @needs legacy\nINSERT INTO legacy (a, b) VALUES (1, 2) ON CONFLICT (a) DO UPDATE SET b = excluded.c;",
        "-- @needs one, two\nDELETE FROM users WHERE id IN (SELECT a FROM one JOIN two ON two.a = b AND one.b = c);",
        "-- @needs one, two\nDELETE FROM users WHERE id IN (SELECT x FROM one JOIN two USING (key));",
        '-- @needs old\nUPDATE old SET "a.b" = old."c.d";',
        "-- @needs people.shown\nUPDATE users SET mail = (SELECT shown FROM people);",
        "-- @needs old_fts\nDELETE FROM users WHERE id IN (SELECT rowid FROM old_fts WHERE old_fts MATCH 'x');",
        "-- @needs sqlite_stat1\nDELETE FROM sqlite_stat1;",
    ],
)
@pytest.mark.parametrize("moment", Moment)
def test_script_may_use_what_it_needs_of_an_older_database(tmp_path: Path, moment: Moment, script: str) -> None:
    load(tmp_path, moment, script)


@pytest.mark.parametrize(
    "script",
    [
        "INSERT INTO addresses (user_id, line) VALUES (1, 'x') ON CONFLICT (line) DO NOTHING;",
        "UPDATE people SET full_name = '';",
        "UPDATE users INDEXED BY former_index SET mail = '' WHERE mail = 'x';",
        "DELETE FROM search WHERE search MATCH 'x' AND rank < 0;",
        "INSERT INTO search (search) VALUES ('rebuild');",
        "DELETE FROM addresses WHERE rowid IN (SELECT value FROM json_each('[1]'));",
        "DELETE FROM sqlite_sequence;",
        "DELETE FROM 'addresses' WHERE line = 'x';",
        "WITH ids AS (SELECT id FROM users) DELETE FROM addresses WHERE user_id IN (SELECT id FROM ids);",
    ],
)
@pytest.mark.parametrize("moment", EARLY)
def test_script_may_rely_on_what_needs_cannot_name(tmp_path: Path, moment: Moment, script: str) -> None:
    load(tmp_path, moment, script)


def test_name_that_the_former_schema_made_unambiguous_is_no_error_before(tmp_path: Path) -> None:
    script = "DELETE FROM users WHERE id IN (SELECT user_id FROM addresses JOIN tags WHERE line = 'x');\n"
    tables = f"{TABLES}CREATE TABLE tags (line TEXT);\n"
    load(tmp_path, "before", script, tables)
    assert "ambiguous column name: line" in error_of(tmp_path, "between", script, tables).message


@pytest.mark.parametrize("moment", Moment)
def test_script_by_the_order_of_columns_that_has_run_does_not_stop_the_folder(tmp_path: Path, moment: Moment) -> None:
    load(tmp_path, moment, "INSERT INTO users VALUES (1, 'a');\n")
    load(tmp_path, moment, "UPDATE users SET (mail, full_name) = (SELECT * FROM addresses);\n")


@pytest.mark.parametrize("moment", Moment)
def test_script_that_works_on_a_removed_column_must_say_so(tmp_path: Path, moment: Moment) -> None:
    script = "UPDATE users SET mail = address WHERE mail IS NULL;\n"
    assert "no such column: address" in error_of(tmp_path, moment, script).message
    load(tmp_path, moment, f"-- @needs users.address\n{script}")


@pytest.mark.parametrize("moment", Moment)
def test_scripts_of_a_folder_that_was_deployed_are_not_compiled(tmp_path: Path, moment: Moment) -> None:
    script = f"-- @run {moment}\nUPDATE users SET mail = address;\n"
    folder = write_folder(tmp_path / "schema", {"t.sql": TABLES, "scripts/one.sql": script})
    with load_project(folder, scripts_have_run=True) as project:
        assert [script.name for script in project.scripts] == ["one"]


@pytest.mark.parametrize("moment", EARLY)
def test_names_of_many_needed_tables_do_not_exceed_what_sqlite_holds(tmp_path: Path, moment: Moment) -> None:
    columns = ", ".join(f"c{number}" for number in range(2_000))
    load(tmp_path, moment, "-- @needs wide.more\nUPDATE wide SET more = c1;\n", f"CREATE TABLE wide ({columns});\n")
