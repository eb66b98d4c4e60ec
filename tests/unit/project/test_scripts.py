from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from tests.support.schema_folders import write_project
from turso_deploy.core.errors import DeployError, ErrorCode, ProjectError
from turso_deploy.project.project import Project
from turso_deploy.project.scripts import Moment, Script, pending_scripts

TABLES = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, mail TEXT);\nCREATE TABLE pairs (a, b);\n"


def project_with(tmp_path: Path, script: str, tables: str = TABLES) -> Project:
    return write_project(tmp_path / "schema", {"tables.sql": tables, "scripts/one.sql": script})


def script_in(tmp_path: Path, text: str) -> Script:
    [script] = project_with(tmp_path, text).scripts
    return script


def error_of(tmp_path: Path, script: str) -> ProjectError:
    with pytest.raises(ProjectError) as raised:
        pending_scripts(project_with(tmp_path, script).scripts, {})
    assert raised.value.code is ErrorCode.SCRIPT_INVALID
    return raised.value


@pytest.mark.parametrize("moment", Moment)
def test_first_line_states_the_moment(tmp_path: Path, moment: Moment) -> None:
    assert script_in(tmp_path, f"-- @run {moment}\nDELETE FROM users;\n").moment is moment


@pytest.mark.parametrize(
    "line", ["-- @run", "-- @run later", "@run after", "", "DELETE FROM users;", "-- @needs users"]
)
def test_another_first_line_is_an_error(tmp_path: Path, line: str) -> None:
    error = error_of(tmp_path, f"{line}\nDELETE FROM users;\n")
    assert "`-- @run before`, `-- @run between` or `-- @run after`" in error.message
    assert error.place is not None
    assert error.place.line == 1


@pytest.mark.parametrize(
    ("statement", "subject", "remedy"),
    [
        ("CREATE TABLE u (a)", "CREATE TABLE", "Move it into a schema file"),
        ("CREATE UNIQUE INDEX i ON users (name)", "CREATE INDEX", "Move it into a schema file"),
        ("CREATE TABLE u AS SELECT * FROM users", "CREATE TABLE … AS SELECT", "INSERT … SELECT in a script that"),
        ("CREATE TEMP TABLE u (a)", "CREATE TEMP", "`WITH … AS (…)` of the statements that read it"),
        ("ALTER TABLE users ADD COLUMN x", "ALTER", "Change the CREATE statement in its schema file"),
        ("DROP INDEX IF EXISTS i", "DROP INDEX", "Remove it, and the definition from its schema file"),
        ("SELECT 1", "SELECT", "Remove it, or move it into queries/"),
        ("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys", "Remove it: pragmas"),
        ("COMMIT", "COMMIT", "Remove it: a deployment is one transaction already"),
        (".read more.sql", "the dot command .read", "Remove the line"),
        ("UPDAET users SET name = 1", 'near "UPDAET": syntax error', "Correct the statement here"),
    ],
)
def test_statement_of_another_kind_is_an_error_at_its_line_with_what_to_do(
    tmp_path: Path, statement: str, subject: str, remedy: str
) -> None:
    error = error_of(tmp_path, f"-- @run before\nDELETE FROM users;\n{statement};\n")
    assert subject in error.message
    assert (error.hint or "").startswith(remedy) or remedy in (error.hint or "")
    assert error.place is not None
    assert error.place.line == 3


def test_statements_of_other_kinds_are_reported_at_once_for_all_files(tmp_path: Path) -> None:
    files = {
        "a.sql": f"{TABLES}DELETE FROM users;\n",
        "scripts/one.sql": "-- @run before\nDROP TABLE users;\nDELETE FROM users;\nSELECT 'a;\n",
        "scripts/two.sql": "-- @run later\nDELETE FROM users;\n SELECT 1; VACUUM;\n",
        "queries/one.sql": "DELETE FROM users;\n",  # only `docs` reads it
    }
    with pytest.raises(ProjectError) as raised:
        write_project(tmp_path / "schema", files)
    found = [(str(cause.place).rpartition("schema/")[2], cause.message) for cause in raised.value.causes]
    places = ["a.sql:3:1", "scripts/one.sql:4:8", "scripts/two.sql:1", "scripts/two.sql:3:2", "scripts/two.sql:3:12"]
    assert [place for place, _ in found] == places
    assert raised.value.code is ErrorCode.SQL_FORBIDDEN
    for place, message in found:
        assert f"{place}: {message}" in raised.value.message


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO users VALUES (1, 'a', 'b')",
        "REPLACE INTO main.users SELECT id, mail, name FROM users",
        "INSERT INTO users (id, name, mail) SELECT * FROM users",
        "INSERT INTO users (id, name, mail) SELECT u.* FROM users AS u",
        "WITH x AS (SELECT * FROM users) INSERT INTO users (id, name, mail) SELECT * FROM x",
        "UPDATE users SET (name, mail) = (SELECT * FROM pairs)",
        "DELETE FROM users WHERE (name, mail) IN pairs",
    ],
)
@pytest.mark.parametrize("moment", Moment)
def test_statement_that_goes_by_the_order_of_columns_is_an_error_at_its_line(
    tmp_path: Path, statement: str, moment: Moment
) -> None:
    error = error_of(tmp_path, f"-- @run {moment}\nDELETE FROM pairs;\n{statement};\n")
    assert error.message.endswith("name the columns.")
    assert error.place is not None
    assert error.place.line == 3


def test_script_that_goes_by_the_order_of_columns_may_stay_where_it_has_run(tmp_path: Path) -> None:
    [script] = project_with(tmp_path, "-- @run after\nINSERT INTO users VALUES (1, 'a', 'b');\n").scripts
    assert pending_scripts([script], {"one": script.checksum}) == ()


def test_needs_are_tables_and_columns_in_any_quotes(tmp_path: Path) -> None:
    text = (
        '-- @run between\n-- @needs users, users.name\n/* @needs "users" . [mail] */\nUPDATE users SET name = mail;\n'
    )
    script = script_in(tmp_path, text)
    assert [need.title for need in script.needs] == ["users", "users.name", "users.mail"]
    assert [need.place.line for need in script.needs] == [2, 2, 3]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-- @needs", "lists tables, views and columns"),
        ("-- @needs users.", "lists tables, views and columns"),
        ("-- @needs users name", "lists tables, views and columns"),
        ("-- @needs main.users.name", "lists tables, views and columns"),
        ("-- @needs users,", "lists tables, views and columns"),
        ("-- @needs 'users", "lists tables, views and columns"),
        ("-- @need users", "no directive @need"),
        ("-- @requires users", "no directive @requires"),
        ("-- @run before", "no directive @run here"),
        ("-- @needs user", "use users, not user"),
        ("-- @needs users.mails", "use mail, not mails"),
    ],
)
def test_malformed_or_misspelt_need_is_an_error_at_its_line(tmp_path: Path, line: str, message: str) -> None:
    error = error_of(tmp_path, f"-- @run after\n\n{line}\nUPDATE users SET name = mail;\n")
    assert message in error.message
    assert error.place is not None
    assert error.place.line == 3


def test_need_below_the_first_statement_is_an_error(tmp_path: Path) -> None:
    error = error_of(tmp_path, "-- @run after\nDELETE FROM pairs;\n-- @needs users\nDELETE FROM users;\n")
    assert "above its first statement" in error.message


def test_after_script_has_to_compile_in_the_wanted_schema(tmp_path: Path) -> None:
    error = error_of(tmp_path, "-- @run after\nDELETE FROM pairs;\nUPDATE users SET name =\n  address;\n")
    assert "no such column: address" in error.message
    assert "-- @run between" in str(error.hint)
    assert error.place is not None
    assert error.place.line == 4


def test_after_script_whose_need_the_wanted_schema_has_not_is_not_compiled_in_it(tmp_path: Path) -> None:
    assert script_in(tmp_path, "-- @run after\n-- @needs users.address\nUPDATE users SET name = address;\n").needs


def test_folder_among_the_scripts_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="this is a folder, and `scripts/` holds one file for each script") as raised:
        write_project(tmp_path / "schema", {"tables.sql": TABLES, "scripts/between/one.sql": "-- @run between\n"})
    assert raised.value.place is not None
    assert raised.value.place.file.endswith("scripts/between")


def test_scripts_that_are_no_folder_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="this is not a folder"):
        write_project(tmp_path / "schema", {"tables.sql": TABLES, "scripts": "-- @run after\n"})


def test_script_may_have_any_case_of_its_ending_and_other_files_beside_it(tmp_path: Path) -> None:
    files = {"scripts/ONE.SQL": "-- @run after\nDELETE FROM pairs;\n", "scripts/README.md": "", "scripts/.x/y.sql": ""}
    [script] = write_project(tmp_path / "schema", {"tables.sql": TABLES, **files}).scripts
    assert script.name == "ONE"


@pytest.mark.parametrize("moment", [Moment.BEFORE, Moment.BETWEEN])
def test_syntax_of_every_script_is_checked_when_the_folder_is_loaded(tmp_path: Path, moment: Moment) -> None:
    with pytest.raises(ProjectError, match="incomplete input"):
        project_with(tmp_path, f"-- @run {moment}\nDELETE FROM;\n")


STATEMENTS = "UPDATE users SET name = 'It''s'\nWHERE id = 1;\nDELETE FROM pairs;\n"


@pytest.mark.parametrize(
    "text",
    [
        f"-- @run after\n{STATEMENTS}",
        f"-- @run between\n-- @needs users\n{STATEMENTS}",
        f"-- @run before\n\n-- why\n/* more */ {STATEMENTS}-- the end",
        f"-- @run after\n{STATEMENTS}".replace("\n", "\r\n"),
        "-- @run after\nupdate USERS set name='It''s' where id=1;;\ndelete from pairs",
    ],
)
def test_checksum_covers_the_statements_only(tmp_path: Path, text: str) -> None:
    checksum = script_in(tmp_path, f"-- @run after\n{STATEMENTS}").checksum
    assert script_in(tmp_path, text).checksum == checksum


@pytest.mark.parametrize(
    "text", [STATEMENTS.replace("It", "it"), STATEMENTS.replace("1", "2"), STATEMENTS + STATEMENTS, ""]
)
def test_checksum_of_other_statements_is_another_one(tmp_path: Path, text: str) -> None:
    before = script_in(tmp_path, f"-- @run after\n{STATEMENTS}")
    after = script_in(tmp_path, f"-- @run after\n{text}")
    assert after.checksum != before.checksum
    with pytest.raises(DeployError) as raised:
        pending_scripts([after], {"one": before.checksum})
    assert raised.value.code is ErrorCode.SCRIPT_CHANGED


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("added", ["", "-- @needs users\n", "  -- @needs users.name\n-- @needs pairs\n"])
def test_checksum_of_the_whole_text_that_an_earlier_version_recorded_is_still_known(
    tmp_path: Path, added: str, line_end: str
) -> None:
    recorded = sha256(f"-- @run after\n-- why\n{STATEMENTS}".encode()).hexdigest()
    text = f"-- @run between\n{added}-- why\n{STATEMENTS}".replace("\n", line_end)
    assert pending_scripts([script_in(tmp_path, text)], {"one": recorded}) == ()
