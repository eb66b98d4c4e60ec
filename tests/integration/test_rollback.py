"""Rollbacks: back to the schema of an earlier deployment, from the history alone, on each engine."""

from __future__ import annotations

import zlib
from contextlib import closing
from hashlib import sha256
from html import unescape
from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.rollbacks import (
    deploy_sql,
    done,
    error_of_rollback,
    history,
    roll_back,
    step_lines,
    try_rollback,
)
from turso_deploy.core.errors import ErrorCode
from turso_deploy.deploy.deploy import deploy
from turso_deploy.report.console import render
from turso_deploy.report.document import Status
from turso_deploy.report.job_summary import summary
from turso_deploy.rollback.project import Terms, load_earlier

USERS = """\
CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  name TEXT,
  email TEXT
) STRICT;
"""
PRODUCTS = """\
CREATE TABLE products (
  id INTEGER PRIMARY KEY,
  price REAL
) STRICT;
"""
CENTS = PRODUCTS.replace("price REAL", "-- @using CAST(price * 100 AS INTEGER)\n  price INTEGER")
WITHOUT_EMAIL = USERS.replace(",\n  email TEXT", "")


def test_rollback_goes_to_the_deployment_before_the_last_one(target: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(target, tmp_path, USERS, "1.0.0"))
    target.run("INSERT INTO users VALUES (1, 'Ada', 'a@b.c')")
    done(deploy_sql(target, tmp_path, USERS + "CREATE INDEX by_name ON users (name);\n", "1.1.0"))
    report = done(roll_back(target))
    assert (report.command, report.status) == ("rollback", Status.DEPLOYED)
    assert step_lines(report) == ["drop index by_name"]
    assert report.rollback_to == 1
    for text in (render(report, False), unescape(summary(report))):
        assert "Rolled back to deployment 1 (1.0.0): 1 object dropped" in text
        assert "Deployed" not in text
    assert target.rows("SELECT * FROM users") == [(1, "Ada", "a@b.c")]
    first, third = history(target, 1), history(target, 3)
    assert third["command"] == "rollback 1"
    assert third["schema_version"] == "1.0.0"
    assert third["schema_fingerprint"] == first["schema_fingerprint"]
    assert third["managed_objects"] == first["managed_objects"] == ["table users"]


def test_second_rollback_to_the_same_deployment_changes_nothing(target: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(target, tmp_path, USERS, "1.0.0"))
    done(deploy_sql(target, tmp_path, USERS + "CREATE VIEW names AS SELECT name FROM users;\n", "1.1.0"))
    done(roll_back(target, 1))
    again = roll_back(target, 1)
    assert again.status is Status.UNCHANGED
    assert "Unchanged: the database is as deployment 1 (1.0.0) left it" in render(again, False)
    error = error_of_rollback(target)
    assert error.code is ErrorCode.ROLLBACK_IMPOSSIBLE
    assert "a rollback already (rollback 1)" in error.message


def test_rollback_needs_the_requests_of_a_deployment(target: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(target, tmp_path, USERS, "1.0.0"))
    done(deploy_sql(target, tmp_path, USERS + "CREATE INDEX by_name ON users (name);\n", "1.1.0"))
    assert done(roll_back(target, 1)).requests == 2
    assert done(roll_back(target, 1)).requests == 1  # it is at it already
    done(deploy_sql(target, tmp_path, USERS.replace("email TEXT", "email TEXT,\n  phone TEXT"), "1.2.0"))
    target.run("INSERT INTO users (id, phone) VALUES (1, '1')")
    assert done(roll_back(target)).requests == 3  # the rows of the dropped column are counted


def test_change_between_choice_and_plan_is_seen(target: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(target, tmp_path, USERS))
    done(deploy_sql(target, tmp_path, USERS + "CREATE INDEX by_name ON users (name);\n"))
    with closing(target.open()) as database, load_earlier(database) as project:
        target.run("CREATE TABLE of_others (x)", "CREATE VIEW of_others_too AS SELECT name FROM users")
        report = done(deploy(project, database))
    assert report.rollback_to == 1
    assert target.rows("SELECT name FROM sqlite_master WHERE name LIKE 'of_others%' ORDER BY name") == [
        ("of_others",),
        ("of_others_too",),
    ]
    assert [change.name for change in report.drift] == ["of_others", "of_others_too"]


def test_deployment_between_choice_and_plan_stops_the_rollback(target: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(target, tmp_path, USERS))
    done(deploy_sql(target, tmp_path, USERS + "CREATE INDEX by_name ON users (name);\n"))
    with closing(target.open()) as database, load_earlier(database) as project:
        done(deploy_sql(target, tmp_path, USERS + "CREATE INDEX by_email ON users (email);\n"))
        report = deploy(project, database)
    assert report.error is not None
    assert (report.error.code, report.committed) == (ErrorCode.STALE_PLAN, False)


def test_dropped_column_needs_an_approval_and_the_line_of_the_hint_works(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    done(deploy_sql(target, tmp_path, USERS, "1.0.0"))
    done(deploy_sql(target, tmp_path, USERS.replace("email TEXT", "email TEXT, size INTEGER"), "1.1.0"))
    target.run("INSERT INTO users VALUES (1, 'Ada', NULL, 5)")
    before = target.dump()
    report = roll_back(target, approvals=())
    assert report.status is Status.BLOCKED
    assert report.error
    assert report.error.hint
    assert report.error.hint.endswith("--allow-hazards drop-column:users.size")
    assert target.dump() == before


@pytest.mark.parametrize("steps", [1, 2])
def test_chain_of_renames_goes_back_as_one_rename(target: DatabaseUnderTest, tmp_path: Path, steps: int) -> None:
    done(deploy_sql(target, tmp_path, USERS))
    target.run("INSERT INTO users VALUES (1, 'Ada', 'a@b.c')")
    nick = USERS.replace("name TEXT", "-- @renamed from=name\n nick TEXT")
    done(deploy_sql(target, tmp_path, nick))
    alias = USERS.replace("name TEXT", "-- @renamed from=nick\n alias TEXT")
    done(deploy_sql(target, tmp_path, alias))
    assert target.rows("SELECT alias FROM users") == [("Ada",)]
    report = done(roll_back(target, steps))
    assert step_lines(report) == [f"rename column users.{'name' if steps == 1 else 'nick'}"]
    assert target.rows("SELECT * FROM users") == [(1, "Ada", "a@b.c")]
    # Undoing is forward: the newest folder names only the last rename of the chain.
    report = done(deploy_sql(target, tmp_path, alias))
    assert step_lines(report) == ["rename column users.alias"]
    assert not report.hazards
    assert target.rows("SELECT alias FROM users") == [("Ada",)]


def test_columns_that_changed_places_change_them_back(target: DatabaseUnderTest, tmp_path: Path) -> None:
    first = "CREATE TABLE pairs (id INTEGER PRIMARY KEY, a TEXT, b TEXT);\n"
    done(deploy_sql(target, tmp_path, first))
    target.run("INSERT INTO pairs VALUES (1, 'was a', 'was b')")
    done(deploy_sql(target, tmp_path, first.replace("a TEXT", "c TEXT -- @renamed from=a\n")))
    done(deploy_sql(target, tmp_path, first.replace("a TEXT, b TEXT", "c TEXT, a TEXT -- @renamed from=b\n")))
    swapped = first.replace("a TEXT, b TEXT", "b TEXT, -- @renamed from=c\n a TEXT\n")
    done(deploy_sql(target, tmp_path, swapped))
    assert target.rows("SELECT a, b FROM pairs") == [("was b", "was a")]
    done(roll_back(target, 1))
    assert target.rows("SELECT a, b FROM pairs") == [("was a", "was b")]
    assert roll_back(target, 1).status is Status.UNCHANGED
    done(deploy_sql(target, tmp_path, swapped))
    assert target.rows("SELECT a, b FROM pairs") == [("was b", "was a")]


def test_tables_that_changed_places_change_them_back_with_their_columns(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    first = "CREATE TABLE one (id INTEGER PRIMARY KEY, x TEXT);\nCREATE TABLE two (id INTEGER PRIMARY KEY, y TEXT);\n"
    view = "CREATE VIEW both AS SELECT {0} AS v FROM one UNION ALL SELECT {1} FROM two;\n"
    done(deploy_sql(target, tmp_path, first + view.format("x", "y")))
    target.run("INSERT INTO one VALUES (1, 'first')", "INSERT INTO two VALUES (1, 'second')")
    done(
        deploy_sql(
            target,
            tmp_path,
            "-- @renamed from=one\nCREATE TABLE three (id INTEGER PRIMARY KEY, x TEXT);\n"
            "CREATE TABLE two (id INTEGER PRIMARY KEY, y TEXT);\n",
        )
    )
    done(
        deploy_sql(
            target,
            tmp_path,
            "CREATE TABLE three (id INTEGER PRIMARY KEY, x TEXT);\n"
            "-- @renamed from=two\nCREATE TABLE one (id INTEGER PRIMARY KEY, z TEXT -- @renamed from=y\n);\n",
        )
    )
    last = (
        "-- @renamed from=three\nCREATE TABLE two (id INTEGER PRIMARY KEY, w TEXT -- @renamed from=x\n);\n"
        "CREATE TABLE one (id INTEGER PRIMARY KEY, z TEXT);\n"
    )
    done(deploy_sql(target, tmp_path, last + view.format("z", "w")))
    assert (target.value("SELECT z FROM one"), target.value("SELECT w FROM two")) == ("second", "first")
    report = done(roll_back(target, 1))
    assert not report.hazards
    assert (target.value("SELECT x FROM one"), target.value("SELECT y FROM two")) == ("first", "second")
    assert target.rows("SELECT v FROM both ORDER BY v") == [("first",), ("second",)]
    done(deploy_sql(target, tmp_path, last + view.format("z", "w")))
    assert (target.value("SELECT z FROM one"), target.value("SELECT w FROM two")) == ("second", "first")


def test_name_that_was_given_away_since_is_an_error_with_two_steps_as_the_way(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    done(deploy_sql(target, tmp_path, USERS))
    target.run("INSERT INTO users VALUES (1, 'Ada', 'a@b.c')")
    renamed = USERS.replace("name TEXT", "-- @renamed from=name\n nick TEXT")
    done(deploy_sql(target, tmp_path, renamed))
    done(deploy_sql(target, tmp_path, USERS.replace("name TEXT", "nick TEXT, name TEXT")))
    before = target.dump()
    report = roll_back(target, 1)
    assert report.error
    assert report.error.code is ErrorCode.RENAME_INVALID
    assert "Go back in two steps" in str(report.error.hint)
    assert target.dump() == before
    done(roll_back(target, 2))
    done(roll_back(target, 1))
    assert target.rows("SELECT * FROM users") == [(1, "Ada", "a@b.c")]


def test_column_that_was_dropped_and_made_again_is_no_renamed_one(target: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(target, tmp_path, USERS))
    renamed = USERS.replace("name TEXT", "-- @renamed from=name\n nick TEXT")
    done(deploy_sql(target, tmp_path, renamed))
    done(deploy_sql(target, tmp_path, USERS.replace("name TEXT,", "")))
    done(deploy_sql(target, tmp_path, renamed))
    target.run("INSERT INTO users (id, nick) VALUES (1, 'another meaning')")
    report = roll_back(target, 1, approvals=())
    assert report.status is Status.BLOCKED
    assert "drop-column:users.nick" in str(report.error and report.error.hint)


def test_views_and_triggers_follow_the_renamed_columns_back(target: DatabaseUnderTest, tmp_path: Path) -> None:
    objects = (
        "CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT);\n"
        "CREATE VIEW names AS SELECT {0} FROM users;\n"
        "CREATE TRIGGER note AFTER UPDATE OF {0} ON users BEGIN INSERT INTO log (text) VALUES (new.{0}); END;\n"
        "CREATE INDEX by_name ON users ({0});\n"
    )
    generated = USERS.replace("email TEXT", "email TEXT, short TEXT AS (substr(name, 1, 1))")
    done(deploy_sql(target, tmp_path, generated + objects.format("name")))
    target.run("INSERT INTO users (id, name) VALUES (1, 'Ada')", "UPDATE users SET name = 'Bob'")
    renamed = generated.replace("name TEXT", "-- @renamed from=name\n nick TEXT").replace("substr(name", "substr(nick")
    done(deploy_sql(target, tmp_path, renamed + objects.format("nick")))
    target.run("INSERT INTO log VALUES (99, 'counted')", "DELETE FROM log WHERE id = 99")
    report = done(roll_back(target))
    assert not report.hazards
    assert target.rows("SELECT name FROM names") == [("Bob",)]
    target.run("UPDATE users SET name = 'Cyd'")
    assert target.rows("SELECT * FROM log ORDER BY id") == [(1, "Bob"), (100, "Cyd")]
    assert target.rows("SELECT short FROM users") == [("C",)]


def test_using_in_a_stored_schema_is_not_followed_again(target: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(target, tmp_path, PRODUCTS))
    target.run("INSERT INTO products VALUES (1, 2.5)")
    done(deploy_sql(target, tmp_path, CENTS))
    assert target.rows("SELECT * FROM products") == [(1, 250)]
    done(deploy_sql(target, tmp_path, PRODUCTS))
    assert target.rows("SELECT * FROM products") == [(1, 250.0)]
    done(roll_back(target, 2))
    assert target.rows("SELECT * FROM products") == [(1, 250)]
    assert "-- @using" in str(target.value("SELECT sql FROM sqlite_master WHERE name = 'products'"))


def test_backfill_computes_values_back(target: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(target, tmp_path, PRODUCTS))
    target.run("INSERT INTO products VALUES (1, 2.5)")
    done(deploy_sql(target, tmp_path, CENTS))
    done(roll_back(target, terms=Terms(backfills={"products.price": "price / 100.0"})))
    assert target.rows("SELECT * FROM products") == [(1, 2.5)]


def test_values_that_using_has_computed_since_are_named(target: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(target, tmp_path, PRODUCTS))
    target.run("INSERT INTO products VALUES (1, 2.5)")
    done(deploy_sql(target, tmp_path, CENTS))
    report = try_rollback(target)
    assert any("stay as they are: products.price." in notice for notice in report.notices)
    report = try_rollback(target, terms=Terms(backfills={"products.price": "price / 100.0"}))
    assert not any("stay as they are" in notice for notice in report.notices)
    assert target.rows("SELECT * FROM products") == [(1, 250)]


def test_column_without_values_is_blocked_until_a_backfill_gives_them(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    needed = USERS.replace("email TEXT", "email TEXT NOT NULL")
    done(deploy_sql(target, tmp_path, needed))
    target.run("INSERT INTO users VALUES (1, 'Ada', 'a@b.c')")
    done(deploy_sql(target, tmp_path, WITHOUT_EMAIL))
    report = roll_back(target)
    assert report.status is Status.BLOCKED
    assert "`--backfill users.email=EXPRESSION`" in str(report.error and report.error.hint)
    report = done(roll_back(target, terms=Terms(backfills={"Users.Email": "lower(name) || '@example.org'"})))
    assert target.rows("SELECT * FROM users") == [(1, "Ada", "ada@example.org")]


@pytest.mark.parametrize(
    ("column", "expression", "message"),
    [
        ("users.missing", "1", "does not have"),
        ("users", "1", "does not have"),
        ("users.name", "'x'", "has no use for the column users.name"),
        ("users.email", "absent + 1", "no such column: absent"),
        ("users.email", "1; DROP TABLE users", "cannot be used"),
    ],
)
def test_backfill_that_cannot_be_used_is_an_error(
    in_file: DatabaseUnderTest, tmp_path: Path, column: str, expression: str, message: str
) -> None:
    done(deploy_sql(in_file, tmp_path, USERS.replace("email TEXT", "email TEXT NOT NULL")))
    done(deploy_sql(in_file, tmp_path, WITHOUT_EMAIL))
    in_file.run("INSERT INTO users VALUES (1, 'Ada')")
    before = in_file.dump()
    terms = Terms(backfills={"users.email": "''", column: expression})
    try:
        report = roll_back(in_file, terms=terms)
        found = str(report.error)
    except Exception as error:
        found = str(error)
    assert message in found
    assert in_file.dump() == before


def test_scripts_that_ran_since_block_until_each_is_decided(target: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(target, tmp_path, USERS, "1.0.0"))
    target.run("INSERT INTO users (id, name) VALUES (1, 'ada'), (2, 'bob')")
    scripts = {
        "scripts__first": "-- @run after\nUPDATE users SET name = upper(name);\n",
        "scripts__second": "-- @run after\nUPDATE users SET email = name || '@x';\n",
    }
    size = USERS.replace("email TEXT", "email TEXT, size INTEGER")
    done(deploy_sql(target, tmp_path, size, "1.1.0", **scripts))
    before = target.dump()
    report = roll_back(target)
    assert report.error
    assert (report.status, report.error.code) == (Status.BLOCKED, ErrorCode.SCRIPTS_UNDECIDED)
    assert "first, second" in report.error.message
    report = roll_back(target, terms=Terms(run_again=frozenset({"first"})))
    assert "--keep-done second" in str(report.error and report.error.hint)
    report = roll_back(target, terms=Terms(run_again=frozenset({"first", "third"}), keep_done=frozenset({"second"})))
    assert report.error
    assert report.error.code is ErrorCode.INPUT_INVALID
    assert target.dump() == before
    done(roll_back(target, terms=Terms(frozenset({"first"}), frozenset({"second"}))))
    assert history(target, 3)["scripts"].keys() == {"second"}
    target.run("UPDATE users SET name = 'eve', email = NULL WHERE id = 1")
    report = done(deploy_sql(target, tmp_path, size, "1.1.0", **scripts))
    assert [line for line in step_lines(report) if "script" in line] == ["run script first"]
    assert target.rows("SELECT name, email FROM users ORDER BY id") == [("EVE", None), ("BOB", "BOB@x")]


def test_rollback_over_a_script_alone_is_recorded(target: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(target, tmp_path, USERS))
    done(deploy_sql(target, tmp_path, USERS, scripts__one="-- @run after\nUPDATE users SET name = upper(name);\n"))
    assert roll_back(target).status is Status.BLOCKED
    done(roll_back(target, terms=Terms(run_again=frozenset({"one"}))))
    assert history(target, 3)["scripts"] == {}


def test_touched_tables_lose_their_seeds_and_others_keep_them(target: DatabaseUnderTest, tmp_path: Path) -> None:
    roles = "CREATE TABLE roles (id INTEGER PRIMARY KEY, name TEXT);\n"
    seeds = {
        "seeds__users": '[{"id": 1, "name": "Ada"}]',
        "seeds__roles": '[{"id": 1, "name": "admin"}]',
    }
    done(deploy_sql(target, tmp_path, USERS + roles, **seeds))
    size = USERS.replace("email TEXT", "email TEXT, size INTEGER")
    done(deploy_sql(target, tmp_path, size + roles, **seeds))
    report = done(roll_back(target))
    assert not any("seed files" in notice for notice in report.notices)
    assert history(target, 3)["seeds"].keys() == {"roles"}
    assert target.value("SELECT group_concat(seed_rows) FROM schema_deployments") is not None
    report = done(deploy_sql(target, tmp_path, size + roles, **seeds))
    assert [(seed.table, seed.inserted, seed.unchanged) for seed in report.seeds if seed.table == "users"] == [
        ("users", 0, 1)
    ]
    assert history(target, 4)["seeds"].keys() == {"roles", "users"}
    report = done(deploy_sql(target, tmp_path, size + roles, **seeds))
    assert report.status is Status.UNCHANGED


def test_objects_of_others_stay(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.run("CREATE TABLE legacy (id INTEGER PRIMARY KEY, note TEXT)", "INSERT INTO legacy VALUES (1, 'old')")
    done(deploy_sql(target, tmp_path, USERS))
    legacy = "CREATE TABLE legacy (id INTEGER PRIMARY KEY, note TEXT, more TEXT);\n"
    done(deploy_sql(target, tmp_path, USERS + legacy))
    target.run("CREATE INDEX by_hand ON users (name)")
    report = done(roll_back(target))
    assert step_lines(report) == ["drop column legacy.more"]
    assert target.rows("SELECT * FROM legacy") == [(1, "old")]
    assert {"by_hand", "legacy"} <= target.names()
    assert history(target, 3)["managed_objects"] == ["table users"]


def test_rebuilt_full_text_index_goes_back(target: DatabaseUnderTest, tmp_path: Path) -> None:
    posts = "CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT, body TEXT);\n"
    search = "CREATE VIRTUAL TABLE search USING fts5(title{}, content='posts', content_rowid='id');\n"
    done(deploy_sql(target, tmp_path, posts + search.format("")))
    target.run("INSERT INTO posts VALUES (1, 'running', 'slowly')", "INSERT INTO search (search) VALUES ('rebuild')")
    done(deploy_sql(target, tmp_path, posts.replace("body", "text") + search.format(", text")))
    report = done(
        deploy_sql(target, tmp_path, posts.replace("body", "words -- @renamed from=text\n") + search.format(", words"))
    )
    done(roll_back(target, 1, terms=Terms()))
    assert target.rows("SELECT rowid, title FROM search WHERE search MATCH 'running'") == [(1, "running")]
    assert report.status is Status.DEPLOYED


@pytest.mark.parametrize("options", ["STRICT", "WITHOUT ROWID", "STRICT, WITHOUT ROWID"])
def test_tables_of_each_kind_go_back_with_their_rows(target: DatabaseUnderTest, tmp_path: Path, options: str) -> None:
    first = f"CREATE TABLE items (code TEXT PRIMARY KEY, size INTEGER) {options};\n"
    done(deploy_sql(target, tmp_path, first))
    target.run("INSERT INTO items VALUES ('a', 1), ('b', NULL)")
    done(
        deploy_sql(
            target,
            tmp_path,
            "-- @renamed from=items\nCREATE TABLE things (\n  code TEXT PRIMARY KEY,\n  -- @renamed from=size\n"
            "  amount INTEGER CHECK (amount < 9)\n);\n",
        )
    )
    done(roll_back(target))
    assert target.rows("SELECT * FROM items ORDER BY code") == [("a", 1), ("b", None)]
    assert options in str(target.value("SELECT sql FROM sqlite_master WHERE name = 'items'"))


def test_old_folder_without_the_directive_renames_back(target: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(target, tmp_path, USERS, "1.0.0"))
    target.run("INSERT INTO users VALUES (1, 'Ada', 'a@b.c')")
    done(
        deploy_sql(
            target,
            tmp_path,
            "-- @renamed from=users\n"
            + USERS.replace("users", "people").replace("name TEXT", "-- @renamed from=name\n nick TEXT"),
            "2.0.0",
        )
    )
    report = done(deploy_sql(target, tmp_path, USERS, "1.0.0"))
    assert [hazard.name for hazard in report.hazards] == ["downgrade"]
    assert step_lines(report) == ["rename table users", "rename column users.name"]
    assert target.rows("SELECT * FROM users") == [(1, "Ada", "a@b.c")]


def test_dry_run_changes_nothing(target: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(target, tmp_path, USERS))
    done(deploy_sql(target, tmp_path, USERS.replace("name TEXT", "-- @renamed from=name\n nick TEXT")))
    before = target.dump()
    report = try_rollback(target)
    assert (report.command, report.status, report.error) == ("rollback", Status.PLANNED, None)
    assert step_lines(report) == ["rename column users.name"]
    assert "Planned rollback to deployment 1: 1 object to change" in render(report, False)
    assert target.dump() == before


def test_version_finds_the_last_deployment_with_it(target: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(target, tmp_path, USERS, "1.0.0"))
    more = USERS + "CREATE INDEX by_name ON users (name);\n"
    done(deploy_sql(target, tmp_path, more, "1.0.0"))
    done(deploy_sql(target, tmp_path, more + "CREATE INDEX by_email ON users (email);\n", "2.0.0"))
    done(roll_back(target, version="v1.0.0"))
    assert history(target, 4)["command"] == "rollback 2"
    assert "by_name" in target.names()
    assert "by_email" not in target.names()


@pytest.mark.parametrize(
    ("number", "version", "message"),
    [
        (7, None, "there is no deployment 7 in the history"),
        (0, None, "there is no deployment 0 in the history"),
        (None, "9.9.9", "no deployment in the history has that version"),
        (2, None, "deployment 2 (1.1.0) is the last one, so the database is at it already"),
        (None, "1.1.0", "deployment 2 (1.1.0) is the last one, so the database is at it already"),
    ],
)
def test_deployment_that_cannot_be_gone_back_to_is_an_error(
    target: DatabaseUnderTest, tmp_path: Path, number: int | None, version: str | None, message: str
) -> None:
    done(deploy_sql(target, tmp_path, USERS, "1.0.0"))
    done(deploy_sql(target, tmp_path, USERS, "1.1.0"))
    before = target.dump()
    error = error_of_rollback(target, number, version)
    assert (error.code, error.committed) == (ErrorCode.ROLLBACK_IMPOSSIBLE, False)
    assert message in error.message
    assert target.dump() == before


def test_empty_history_is_an_error(target: DatabaseUnderTest) -> None:
    assert "the deployment history is empty" in error_of_rollback(target).message


def test_only_deployment_is_an_error(target: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(target, tmp_path, USERS))
    assert "there is no deployment before the last one" in error_of_rollback(target).message


def test_deployment_of_an_older_program_is_an_error(target: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(target, tmp_path, USERS))
    done(deploy_sql(target, tmp_path, USERS + "CREATE INDEX by_name ON users (name);\n"))
    target.run("UPDATE schema_deployments SET catalog_fingerprint = NULL, catalog = NULL WHERE number = 1")
    assert "did not record the schema" in error_of_rollback(target).message
    target.run("ALTER TABLE schema_deployments DROP COLUMN catalog")
    assert "the form of an older version" in error_of_rollback(target).message


def test_renames_that_an_older_program_did_not_record_are_an_error(target: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(target, tmp_path, USERS))
    done(deploy_sql(target, tmp_path, USERS + "CREATE INDEX by_name ON users (name);\n"))
    target.run("UPDATE schema_deployments SET renames = NULL WHERE number = 2")
    error = error_of_rollback(target)
    assert error.code is ErrorCode.ROLLBACK_IMPOSSIBLE
    assert "records no renames" in error.message


OTHER = zlib.compress(b'{"ignore":[],"objects":[["table","users","users","CREATE TABLE users (id TEXT)"]]}')
WITHOUT_USERS = b'{"ignore":[],"objects":[]}'


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("catalog = substr(catalog, 1, 40)", "cut"),
        (f"catalog = x'{OTHER.hex()}'", "its fingerprint is another one"),
        ("catalog = x'ffffffff'", "not compressed"),
        ("catalog = 7", "damaged"),
        ("catalog = NULL", "its catalog is missing"),
        ("managed_objects = 'x'", "cannot be read"),
        ("scripts = '[1]'", "cannot be read"),
        (
            f"catalog = x'{zlib.compress(WITHOUT_USERS).hex()}', "
            f"catalog_fingerprint = '{sha256(WITHOUT_USERS).hexdigest()}'",
            "lacks what it managed, as the table users",
        ),
    ],
)
def test_damaged_history_is_an_error(in_file: DatabaseUnderTest, tmp_path: Path, change: str, reason: str) -> None:
    done(deploy_sql(in_file, tmp_path, USERS))
    done(deploy_sql(in_file, tmp_path, USERS + "CREATE INDEX by_name ON users (name);\n"))
    in_file.run(f"UPDATE schema_deployments SET {change} WHERE number = 1")
    before = in_file.dump()
    error = error_of_rollback(in_file)
    assert error.code is ErrorCode.HISTORY_DAMAGED
    assert reason in error.message
    assert in_file.dump() == before
