"""The schema that this repository ships: its objects, its likeness to drizzle-kit's tables, its triggers, its seeds."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "schema"
DRIZZLE = ROOT / "tests" / "cases" / "drizzle-2.2.0.sql"
MANIFEST = yaml.safe_load((SCHEMA / "manifest.yml").read_text(encoding="utf-8"))
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

CATEGORIES = {
    "authentication.sql": {"users"},
    "core-content.sql": {"questions", "channel_mappings", "certifications", "learning_paths"},
    "bot-infrastructure.sql": {"work_queue", "bot_ledger", "bot_runs"},
    "relationships.sql": {"question_relationships", "voice_sessions", "user_sessions", "question_history"},
}
TABLES = sorted(set().union(*CATEGORIES.values()))
JSON_COLUMNS = [(table, column) for table, columns in MANIFEST["json_columns"].items() for column in columns]
Row = dict[str, Any]


def statements(path: Path) -> Iterator[str]:
    """The statements of a script, cut where SQLite itself says that one is complete."""
    pending = ""
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    assert not any(line.strip() and not line.startswith("--") for line in pending.splitlines()), path.name


def kind(statement: str) -> int:
    """The place of a statement in the order table, index, view, trigger."""
    first = next(line for line in statement.splitlines() if line.startswith("CREATE"))
    return ["TABLE", "INDEX", "VIEW", "TRIGGER"].index(first.replace("UNIQUE ", "").split()[1])


def connect() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def read_seeds(path: Path) -> list[Row]:
    """A seed file's rows, each value as the database stores it."""
    text = path.read_text(encoding="utf-8")
    rows: list[Row]
    match path.suffix:
        case ".csv":
            rows = [{name: value or None for name, value in row.items()} for row in csv.DictReader(text.splitlines())]
        case ".json":
            rows = json.loads(text)
        case ".jsonl":
            rows = [json.loads(line) for line in text.splitlines()]
        case ".yaml":
            rows = yaml.safe_load(text)
        case other:
            raise AssertionError(f"{path.name}: no seeds are written in {other}")
    return [{name: stored(value) for name, value in row.items()} for row in rows]


def stored(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


SEEDS = {path.stem: read_seeds(path) for path in sorted((SCHEMA / "seeds").iterdir())}


@pytest.fixture
def ours() -> Iterator[sqlite3.Connection]:
    """An empty database with our schema."""
    connection = connect()
    for statement in sorted((s for path in sorted(SCHEMA.glob("*.sql")) for s in statements(path)), key=kind):
        connection.execute(statement)
    yield connection
    connection.close()


@pytest.fixture
def seeded(ours: sqlite3.Connection) -> sqlite3.Connection:
    """Our schema with every seed in it; each foreign key is checked by the time the transaction commits."""
    with ours:
        ours.execute("PRAGMA defer_foreign_keys = ON")
        for table, rows in SEEDS.items():
            for row in rows:
                values = ", ".join(f":{column}" for column in row)
                ours.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})", row)
    return ours


@pytest.fixture
def drizzle() -> Iterator[sqlite3.Connection]:
    """The database that drizzle-kit leaves behind."""
    connection = connect()
    for statement in statements(DRIZZLE):
        connection.execute(statement)
    yield connection
    connection.close()


def names(database: sqlite3.Connection, kind: str) -> list[str]:
    query = "SELECT name FROM sqlite_schema WHERE type = ? AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name"
    return [row["name"] for row in database.execute(query, (kind,))]


def facts(database: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    query = 'SELECT cid, name, lower(type), "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?) ORDER BY cid'
    return [tuple(row) for row in database.execute(query, (table,))]


def foreign_keys(database: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    query = 'SELECT "from", "table", "to", on_update, on_delete FROM pragma_foreign_key_list(?) ORDER BY 1'
    return [tuple(row) for row in database.execute(query, (table,))]


def test_the_files_hold_the_objects_that_the_manifest_expects(ours: sqlite3.Connection) -> None:
    plural = {"table": "tables", "index": "indexes", "view": "views", "trigger": "triggers"}
    counts = {plural[kind]: len(names(ours, kind)) for kind in plural}
    counts["foreign_keys"] = sum(len(foreign_keys(ours, table)) for table in TABLES)
    assert counts == MANIFEST["expect"]
    assert counts == {"tables": 12, "indexes": 33, "views": 3, "triggers": 2, "foreign_keys": 3}
    assert sum(len(facts(ours, table)) for table in TABLES) == 150


@pytest.mark.parametrize("kind", ["table", "view", "trigger"])
def test_the_manifest_names_every_object(ours: sqlite3.Connection, kind: str) -> None:
    assert sorted(MANIFEST["objects"][f"{kind}s"]) == names(ours, kind)


@pytest.mark.parametrize("file", CATEGORIES)
def test_each_table_is_in_the_file_of_its_category(file: str) -> None:
    text = (SCHEMA / file).read_text(encoding="utf-8")
    assert set(re.findall(r"^CREATE TABLE (\w+)", text, re.MULTILINE)) == CATEGORIES[file]
    assert set(re.findall(r"^CREATE (?:UNIQUE )?INDEX \w+ ON (\w+)", text, re.MULTILINE)) <= CATEGORIES[file]


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_the_one_that_drizzle_creates(
    ours: sqlite3.Connection, drizzle: sqlite3.Connection, table: str
) -> None:
    assert facts(ours, table) == facts(drizzle, table)
    assert foreign_keys(ours, table) == foreign_keys(drizzle, table)
    assert ours.execute("SELECT count(*) FROM pragma_index_list(?) WHERE origin = 'u'", (table,)).fetchone()[0] == 0


def test_the_two_databases_count_the_same_autoincrement_tables(
    ours: sqlite3.Connection, drizzle: sqlite3.Connection
) -> None:
    query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%' ORDER BY name"
    counted = [row["name"] for row in ours.execute(query)]
    assert counted == [row["name"] for row in drizzle.execute(query)]
    assert len(counted) == 6


def test_drizzle_creates_only_one_of_the_indexes_and_it_is_ours(
    ours: sqlite3.Connection, drizzle: sqlite3.Connection
) -> None:
    assert names(drizzle, "index") == ["users_username_unique"]
    assert "users_username_unique" in names(ours, "index")
    unique = "SELECT name FROM pragma_index_list('users') WHERE \"unique\" AND origin = 'c'"
    assert [row["name"] for row in ours.execute(unique)] == ["users_username_unique"]
    assert names(drizzle, "view") == names(drizzle, "trigger") == []


def test_every_column_has_a_comment() -> None:
    text = "".join((SCHEMA / file).read_text(encoding="utf-8") for file in CATEGORIES)
    columns = re.findall(r"^    [a-z0-9_]+ .*$", text, re.MULTILINE)
    assert len(columns) == 150
    assert [line for line in columns if "  -- " not in line] == []


def test_the_comment_on_a_json_column_gives_its_shape_and_the_manifest_lists_it(ours: sqlite3.Connection) -> None:
    commented = []
    for table in TABLES:
        sql = ours.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).fetchone()["sql"]
        commented += [
            (table, column) for column in re.findall(r"^    (\w+) .*-- JSON: (?:array|object)", sql, re.MULTILINE)
        ]
    assert len(commented) == 28
    # The application also writes the plain text of an error into this one.
    assert sorted(commented) == sorted([*JSON_COLUMNS, ("work_queue", "result")])


@pytest.mark.parametrize(
    ("table", "column", "stamp"),
    [("questions", "tldr", "last_updated"), ("user_sessions", "subtitle", "last_accessed_at")],
)
class TestStamp:
    """The two triggers, each on one row of its table."""

    @pytest.fixture
    def row(self, ours: sqlite3.Connection, table: str, stamp: str) -> sqlite3.Connection:
        required = [
            row["name"] for row in ours.execute('SELECT name FROM pragma_table_info(?) WHERE "notnull"', (table,))
        ]
        columns = [*required, stamp]
        values = ["1"] * len(required) + ["2000-01-01T00:00:00.000Z"]
        ours.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", values)
        return ours

    def test_a_change_is_stamped_in_iso_8601_with_milliseconds_and_z(
        self, row: sqlite3.Connection, table: str, column: str, stamp: str
    ) -> None:
        row.execute(f"UPDATE {table} SET {column} = 'changed'")
        stamped = row.execute(f"SELECT {stamp} FROM {table}").fetchone()[0]
        assert ISO.fullmatch(stamped)
        assert stamped > "2000-01-01T00:00:00.000Z"

    def test_a_row_without_a_stamp_gets_one(self, row: sqlite3.Connection, table: str, column: str, stamp: str) -> None:
        row.execute(f"UPDATE {table} SET {stamp} = NULL")
        row.execute(f"UPDATE {table} SET {column} = 'changed'")
        assert ISO.fullmatch(row.execute(f"SELECT {stamp} FROM {table}").fetchone()[0])

    def test_the_applications_own_time_stays(
        self, row: sqlite3.Connection, table: str, column: str, stamp: str
    ) -> None:
        own = "2026-02-01T00:00:00.000Z"
        before = row.total_changes
        row.execute(f"UPDATE {table} SET {column} = 'changed', {stamp} = ?", (own,))
        assert row.execute(f"SELECT {stamp} FROM {table}").fetchone()[0] == own
        assert row.total_changes - before == 1


def test_the_views_count_what_they_say(seeded: sqlite3.Connection) -> None:
    active = {row["id"]: row["channel_count"] for row in seeded.execute("SELECT * FROM v_active_questions")}
    assert set(active) == {row["id"] for row in SEEDS["questions"]}
    assert active["q-rate-limiter"] == 2
    assert active["q-two-sum"] == 1

    for action in ["create", "update", "update", "verify"]:
        ledger = (
            "INSERT INTO bot_ledger (bot_name, action, item_type, item_id, created_at) VALUES ('b', ?, 'q', 'i', 't')"
        )
        seeded.execute(ledger, (action,))
    assert tuple(seeded.execute("SELECT * FROM v_bot_activity").fetchone()) == ("b", 4, 1, 2, 0, "t")

    for identifier, progress, status in [("a", 20, "active"), ("b", 40, "active"), ("c", 99, "completed")]:
        session = (
            "INSERT INTO user_sessions (id, progress, status,"
            " session_type, session_key, title, total_items, completed_items) VALUES (?, ?, ?, 'test', 'k', 't', 10, 3)"
        )
        seeded.execute(session, (identifier, progress, status))
    assert tuple(seeded.execute("SELECT * FROM v_active_sessions").fetchone()) == ("test", 2, 30.0, 6)


def test_the_seeds_satisfy_the_manifest(seeded: sqlite3.Connection) -> None:
    assert set(MANIFEST["rows"]) == set(TABLES)
    for table, bound in MANIFEST["rows"].items():
        rows = seeded.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        assert rows >= int(bound.removeprefix(">=")), table
        assert rows == len(SEEDS.get(table, []))
    assert seeded.execute("SELECT count(*) FROM pragma_foreign_key_check").fetchone()[0] == 0


def test_the_manifest_leaves_existing_rows_of_every_seeded_table_to_the_application() -> None:
    assert MANIFEST["seeds"] == {table: {"existing": "keep"} for table in SEEDS}


def test_the_seeds_json_is_valid(seeded: sqlite3.Connection) -> None:
    for table, column in JSON_COLUMNS:
        query = f"SELECT count(*) FROM {table} WHERE {column} IS NOT NULL AND NOT json_valid({column})"
        assert seeded.execute(query).fetchone()[0] == 0, f"{table}.{column}"


@pytest.mark.parametrize("table", SEEDS)
def test_the_rows_of_a_seed_file_have_the_same_columns_unique_ids_and_iso_times(table: str) -> None:
    rows = SEEDS[table]
    assert {tuple(row) for row in rows} == {tuple(rows[0])}
    assert len({row["id"] for row in rows}) == len(rows)
    times = [row["created_at"] for row in rows if "created_at" in row]
    assert [time for time in times if not ISO.fullmatch(time)] == []


def test_the_seeds_leave_alone_what_the_application_and_the_triggers_keep() -> None:
    kept = {"status", "is_new", "last_updated", "question_count", "popularity", "completion_rate", "average_rating"}
    assert {table: kept & set(rows[0]) for table, rows in SEEDS.items() if kept & set(rows[0])} == {}


def test_every_id_that_json_in_the_seeds_refers_to_exists() -> None:
    ids = {table: {row["id"] for row in rows} for table, rows in SEEDS.items()}
    for row in SEEDS["learning_paths"]:
        questions = json.loads(row["question_ids"])
        assert set(questions) <= ids["questions"]
        assert [i for milestone in json.loads(row["milestones"]) for i in milestone["questionIds"]] == questions
        assert set(json.loads(row["prerequisites"])) <= ids["learning_paths"]
    for row in SEEDS["voice_sessions"]:
        assert set(json.loads(row["question_ids"])) <= ids["questions"]
        assert len(json.loads(row["question_ids"])) == row["total_questions"]
    for row in SEEDS["certifications"]:
        assert set(json.loads(row["prerequisites"])) <= ids["certifications"]
        assert sum(domain["weight"] for domain in json.loads(row["domains"])) == 100


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("channel_mappings", "(channel_id, sub_channel, question_id) VALUES ('c', 's', 'q-two-sum')"),
        (
            "question_relationships",
            "(source_question_id, target_question_id, relationship_type) VALUES ('q-two-sum', 'q-event-loop', 'x')",
        ),
    ],
)
def test_a_row_of_the_application_never_gets_the_id_of_a_seeded_one(
    seeded: sqlite3.Connection, table: str, columns: str
) -> None:
    assert seeded.execute(f"INSERT INTO {table} {columns}").lastrowid == 1
    assert all(int(row["id"]) < 0 for row in SEEDS[table])
