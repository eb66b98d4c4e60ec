"""What the message of a blocked hazard advises works: on a server and in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_project
from turso_deploy.report.document import Status

BEFORE = (
    "CREATE TABLE memo (id INTEGER PRIMARY KEY, t TEXT, n TEXT);\nCREATE TABLE owner (id INTEGER PRIMARY KEY);\n"
    "CREATE TABLE other (id INTEGER PRIMARY KEY, t TEXT, n INTEGER);\n"
)
ROWS = (
    "INSERT INTO memo VALUES (1, 'a', '1'), (2, 'a', 'x'), (3, NULL, '3')",
    "INSERT INTO owner VALUES (1)",
    "INSERT INTO other VALUES (1, 'a', 7), (2, 'a', 1), (3, 'b', 'seven')",
)
SCRIPT = "-- @run before\n"


def memo(columns: str, more: str = "") -> str:
    """Return the folder with other columns of the table `memo`."""
    return BEFORE.replace("id INTEGER PRIMARY KEY, t TEXT, n TEXT", columns) + more


KEPT = "id INTEGER PRIMARY KEY, t TEXT, n TEXT"
CASES = {
    "unique index on a new column": (
        memo(f"{KEPT}, uid TEXT NOT NULL DEFAULT ''", "CREATE UNIQUE INDEX memo_uid ON memo (uid);"),
        "Give the rows of memo values, so that no two rows share a key of the index memo_uid: `-- @using <expression>` "
        "at the column memo.uid.",
        {"a.sql": memo(f"{KEPT},\n-- @using 'u' || id\nuid TEXT", "CREATE UNIQUE INDEX memo_uid ON memo (uid);")},
    ),
    "unique index on a column that is there": (
        BEFORE + "CREATE UNIQUE INDEX memo_t ON memo (t);",
        "Correct memo.t in the existing rows with a one-time script in scripts/ that runs before the schema changes, "
        "or by hand, so that no two rows share a key of the index memo_t.",
        {"scripts/fix.sql": f"{SCRIPT}UPDATE memo SET t = id;"},
    ),
    "unique column that is there": (
        memo("id INTEGER PRIMARY KEY, t TEXT UNIQUE, n TEXT"),
        "Correct memo.t in the existing rows with a one-time script",
        {"scripts/fix.sql": f"{SCRIPT}UPDATE memo SET t = id;"},
    ),
    "new column that is unique and has a default": (
        memo(f"{KEPT}, uid TEXT DEFAULT 'x' UNIQUE"),
        "so that no two rows share the key memo.uid: `-- @using <expression>` at the column memo.uid.",
        {"a.sql": memo(f"{KEPT},\n-- @using id\nuid TEXT DEFAULT 'x' UNIQUE")},
    ),
    "new column that may not be NULL and is unique": (
        memo(f"{KEPT}, uid TEXT NOT NULL UNIQUE"),
        "Give the missing values: `-- @using <expression>` at the column memo.uid.",
        {"a.sql": memo(f"{KEPT},\n-- @using id\nuid TEXT NOT NULL UNIQUE")},
    ),
    "new column that may not be NULL": (
        memo(f"{KEPT}, kind TEXT NOT NULL"),
        "Give the missing values: `-- @using <expression>` at the column memo.kind, or give it a DEFAULT.",
        {"a.sql": memo(f"{KEPT}, kind TEXT NOT NULL DEFAULT 'k'")},
    ),
    "column that becomes NOT NULL": (
        memo("id INTEGER PRIMARY KEY, t TEXT NOT NULL, n TEXT"),
        "Give the missing values: `-- @using <expression>` at the column memo.t; a DEFAULT applies to new rows only.",
        {"a.sql": memo("id INTEGER PRIMARY KEY,\n-- @using coalesce(t, '')\nt TEXT NOT NULL, n TEXT")},
    ),
    "CHECK of a new column": (
        memo(f"{KEPT}, kind TEXT DEFAULT 'x' CHECK (kind <> 'x')"),
        "Give the rows of memo values, so that CHECK (kind <> 'x') holds: `-- @using <expression>` at the column "
        "memo.kind.",
        {"a.sql": memo(f"{KEPT},\n-- @using 'y'\nkind TEXT DEFAULT 'x' CHECK (kind <> 'x')")},
    ),
    "CHECK of a column that is there": (
        memo(f"{KEPT}, CHECK (n <> 'x')"),
        "Correct memo.n in the existing rows with a one-time script",
        {"scripts/fix.sql": f"{SCRIPT}UPDATE memo SET n = '2' WHERE n = 'x';"},
    ),
    "unique generated column": (
        memo(f"{KEPT}, u TEXT AS (upper(t)) STORED UNIQUE"),
        "Correct memo.t in the existing rows with a one-time script in scripts/ that runs before the schema changes, "
        "or by hand, so that no two rows share the key memo.u. Or change the expression of memo.u.",
        {"scripts/fix.sql": f"{SCRIPT}UPDATE memo SET t = id;"},
    ),
    "reference of a new column": (
        memo(f"{KEPT}, owner_id INTEGER NOT NULL DEFAULT 0 REFERENCES owner (id)"),
        "at the column memo.owner_id. Or add the missing rows to owner, for example as seeds.",
        {"seeds/owner.csv": "id\n0\n"},
    ),
    "reference of a column that is there": (
        BEFORE.replace("n INTEGER", "n INTEGER REFERENCES owner (id)"),
        "Correct other.n in the existing rows with a one-time script",
        {"scripts/fix.sql": f"{SCRIPT}UPDATE other SET n = NULL WHERE n <> 1;"},
    ),
    "column of another type in a STRICT table": (
        BEFORE.replace("n INTEGER);", "n INTEGER) STRICT;"),
        "Correct other.n in the existing rows with a one-time script in scripts/ that runs before the schema changes, "
        "or by hand, so that other.n holds values of the type INTEGER only.",
        {"scripts/fix.sql": f"{SCRIPT}UPDATE other SET n = 2 WHERE n = 'seven';"},
    ),
    "unique column that is renamed": (
        memo("id INTEGER PRIMARY KEY,\n-- @renamed from=t\ntitle TEXT UNIQUE, n TEXT"),
        "Correct memo.t (which becomes memo.title) in the existing rows with a one-time script in scripts/ that runs "
        "before the schema changes, or by hand, so that no two rows share the key memo.title.",
        {"scripts/fix.sql": f"{SCRIPT}UPDATE memo SET t = id;"},
    ),
    "unique index on a column that is renamed": (
        memo(
            "id INTEGER PRIMARY KEY,\n-- @renamed from=t\ntitle TEXT, n TEXT",
            "CREATE UNIQUE INDEX memo_t ON memo (title) WHERE lower(n) <> '';",
        ),
        "Correct memo.t (which becomes memo.title), memo.n in the existing rows",
        {"scripts/fix.sql": f"{SCRIPT}UPDATE memo SET t = id;"},
    ),
    "CHECK of a renamed table": (
        BEFORE.replace("CREATE TABLE memo", "-- @renamed from=memo\nCREATE TABLE note").replace(
            "n TEXT)", "n TEXT CHECK (n <> 'x'))"
        ),
        "Correct memo.n (which becomes note.n) in the existing rows",
        {"scripts/fix.sql": f"{SCRIPT}UPDATE memo SET n = NULL WHERE n = 'x';"},
    ),
    "reference of a renamed column to a table that is rebuilt": (
        BEFORE.replace("n INTEGER", "\n-- @renamed from=n\nowner_id INTEGER REFERENCES owner (id)"),
        "Correct other.n (which becomes other.owner_id) in the existing rows",
        {"scripts/fix.sql": f"{SCRIPT}UPDATE other SET n = NULL WHERE n <> 1;"},
    ),
    "backfill that gives rows one key": (
        memo(f"{KEPT},\n-- @using 'same'\nuid TEXT UNIQUE"),
        "Change the `@using` at the column memo.uid, so that no two rows share the key memo.uid.",
        {"a.sql": memo(f"{KEPT},\n-- @using id\nuid TEXT UNIQUE")},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_advice_at_a_blocked_hazard_names_the_table_and_works(
    target: DatabaseUnderTest, tmp_path: Path, case: str
) -> None:
    after, advice, fix = CASES[case]
    target.deploy(write_project(tmp_path / "before", {"a.sql": BEFORE}))
    target.run(*ROWS)
    blocked = target.deploy(write_project(tmp_path / "after", {"a.sql": after}))
    assert blocked.status is Status.BLOCKED
    assert blocked.error is not None
    assert advice in (blocked.error.hint or "")
    followed = target.deploy(write_project(tmp_path / "fixed", {"a.sql": after, **fix}))
    assert followed.status is Status.DEPLOYED, followed.error


def test_hints_about_renames_name_the_table_of_each_column(target: DatabaseUnderTest, tmp_path: Path) -> None:
    before = "".join(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, userId TEXT);\n" for name in "ab")
    target.deploy(write_project(tmp_path / "before", {"a.sql": before}))
    target.run("INSERT INTO a VALUES (1, 'x')", "INSERT INTO b VALUES (1, 'x')")
    blocked = target.deploy(write_project(tmp_path / "after", {"a.sql": before.replace("userId", "user_id")}))
    assert blocked.error is not None
    for table in "ab":
        hint = f"If the column {table}.userId was renamed to user_id, write there: `-- @renamed from=userId`."
        assert hint in (blocked.error.hint or "")


JSON = "json_columns: {{{}: [{}]}}\n"
JSON_CASES = {
    "column that is there": (
        {"a.sql": memo(f"{KEPT}, more TEXT"), "manifest.yml": JSON.format("memo", "t")},
        "Correct memo.t in the existing rows with a one-time script in scripts/ that runs before the schema changes, "
        "or by hand, so that each value of memo.t is JSON. Or remove memo.t from `json_columns` (",
        {"scripts/fix.sql": f"{SCRIPT}UPDATE memo SET t = json_quote(t);"},
    ),
    "renamed column of a renamed table": (
        {
            "a.sql": "-- @renamed from=memo\n"
            + memo("id INTEGER PRIMARY KEY,\n-- @renamed from=t\ntags TEXT, n TEXT").replace("memo", "note"),
            "manifest.yml": JSON.format("note", "tags"),
        },
        "Correct memo.t (which becomes note.tags) in the existing rows",
        {"scripts/fix.sql": f"{SCRIPT}UPDATE memo SET t = json_quote(t);"},
    ),
    "new column": (
        {"a.sql": memo(f"{KEPT}, tags TEXT DEFAULT 'none'"), "manifest.yml": JSON.format("memo", "tags")},
        "Give the rows of memo values, so that each value of memo.tags is JSON: `-- @using <expression>` at the column "
        "memo.tags. Or remove memo.tags",
        {"a.sql": memo(f"{KEPT},\n-- @using '[]'\ntags TEXT DEFAULT 'none'")},
    ),
    "backfill": (
        {"a.sql": memo(f"{KEPT},\n-- @using t\ntags TEXT"), "manifest.yml": JSON.format("memo", "tags")},
        "Change the `@using` at the column memo.tags, so that each value of memo.tags is JSON.",
        {"a.sql": memo(f"{KEPT},\n-- @using json_quote(t)\ntags TEXT")},
    ),
}


@pytest.mark.parametrize("case", JSON_CASES)
def test_advice_about_values_that_are_not_json_names_the_column_and_works(
    target: DatabaseUnderTest, tmp_path: Path, case: str
) -> None:
    files, advice, fix = JSON_CASES[case]
    target.deploy(write_project(tmp_path / "before", {"a.sql": BEFORE}))
    target.run(*ROWS)
    project = write_project(tmp_path / "after", files)
    for failed in (target.plan(project), target.deploy(project)):
        assert failed.status is Status.FAILED
        assert failed.error is not None
        assert advice in (failed.error.hint or "")
    followed = target.deploy(write_project(tmp_path / "fixed", {**files, **fix}))
    assert followed.status is Status.DEPLOYED, followed.error


UNFINISHED = "scripts/unfinished.sql"
UNFINISHED_CASES = {
    "UNIQUE": (
        memo("id INTEGER PRIMARY KEY,\n-- @renamed from=t\ntitle TEXT UNIQUE, n TEXT"),
        "Correct memo.t (which becomes memo.title) in the existing rows with a one-time script",
        {UNFINISHED: f"{SCRIPT}UPDATE memo SET t = id;"},
    ),
    "unique index": (
        BEFORE + "CREATE UNIQUE INDEX memo_t ON memo (t);",
        "so that no two rows share a key of the index memo_t.",
        {UNFINISHED: f"{SCRIPT}UPDATE memo SET t = id;"},
    ),
    "NOT NULL": (
        memo("id INTEGER PRIMARY KEY, t TEXT NOT NULL, n TEXT NOT NULL"),
        "Give the missing values: `-- @using <expression>` at the column memo.t; a DEFAULT applies to new rows only.",
        {"a.sql": memo("id INTEGER PRIMARY KEY,\n-- @using ''\nt TEXT NOT NULL, n TEXT NOT NULL")},
    ),
    "CHECK": (
        memo("id INTEGER PRIMARY KEY, t TEXT, n TEXT CHECK (n <> 'x')"),
        "Correct memo.n in the existing rows with a one-time script",
        {UNFINISHED: f"{SCRIPT}UPDATE memo SET n = '2' WHERE n = 'x';"},
    ),
    "STRICT": (
        BEFORE.replace("n INTEGER);", "n INTEGER) STRICT;"),
        "so that other.n holds values of the type INTEGER only.",
        {UNFINISHED: f"{SCRIPT}UPDATE other SET n = 2 WHERE n = 'seven';"},
    ),
}


@pytest.mark.parametrize("case", UNFINISHED_CASES)
def test_advice_where_a_script_leaves_wrong_rows_is_that_about_the_broken_rule(
    target: DatabaseUnderTest, tmp_path: Path, case: str
) -> None:
    after, advice, fix = UNFINISHED_CASES[case]
    target.deploy(write_project(tmp_path / "before", {"a.sql": BEFORE}))
    target.run(*ROWS)
    script = f"{SCRIPT}UPDATE memo SET t = t; UPDATE other SET t = t;"
    failed = target.deploy(write_project(tmp_path / "after", {"a.sql": after, UNFINISHED: script}))
    assert failed.status is Status.FAILED
    assert failed.error is not None
    assert advice in (failed.error.hint or "")
    followed = target.deploy(write_project(tmp_path / "fixed", {"a.sql": after, UNFINISHED: script, **fix}))
    assert followed.status is Status.DEPLOYED, followed.error


def test_advice_where_a_script_that_runs_between_writes_wrong_values_begins_with_that_script(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    target.deploy(write_project(tmp_path / "before", {"a.sql": BEFORE}))
    target.run(*ROWS)
    files = {"a.sql": memo(f"{KEPT}, uid TEXT UNIQUE"), UNFINISHED: "-- @run between\nUPDATE memo SET uid = 'u';"}
    failed = target.deploy(write_project(tmp_path / "after", files))
    assert failed.error is not None
    assert "UNIQUE constraint failed: memo.uid" in failed.error.message
    assert (failed.error.hint or "").startswith("Correct what the scripts that run between write")
    files[UNFINISHED] = "-- @run between\nUPDATE memo SET uid = 'u' || id;"
    followed = target.deploy(write_project(tmp_path / "fixed", files))
    assert followed.status is Status.DEPLOYED, followed.error
