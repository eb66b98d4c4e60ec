"""Database files that are damaged in any way: every command ends with a report, and none with an internal error."""

from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.hostile.test_odd_settings import ended
from tests.support.counters import LONG, count
from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import SMALL, write_folder, write_project

FILES = 600 if LONG else 20
PARTS = 12 if LONG else 1
COMMANDS = ("plan", "deploy", "verify", "pull")
CATALOG = (
    *(
        "NULL",
        "''",
        "'x'",
        "1",
        "x'ff00'",
        "CAST(x'80ff' AS TEXT)",
        "'CREATE TABLE'",
        "'CREATE VIEW v AS'",
        "sql || ';'",
    ),
    *(
        "replace(sql, '(', '')",
        "replace(sql, ' ', '')",
        "substr(sql, 1, length(sql) / 2)",
        "upper(sql)",
        "sql || char(0)",
    ),
    *(
        "'CREATE TRIGGER a AFTER INSERT ON b BEGIN SELECT 1; END'",
        "'CREATE INDEX i ON nowhere (a)'",
        "name",
        "hex(sql)",
    ),
)
HISTORY = ("NULL", "''", "'{}'", "'[]'", "1", "x'ff'", "CAST(x'80ff' AS TEXT)", "'\"'", "hex(randomblob(20))", "1e308")


def damaged(file: Path, choice: random.Random) -> str:
    """Damage a database file in one way, and return which."""
    match choice.randrange(5):
        case 0:
            content = bytearray(file.read_bytes())
            for _ in range(choice.choice((1, 4, 50))):
                content[choice.randrange(100, len(content))] = choice.randrange(256)
            file.write_bytes(content)
            return "bytes of pages"
        case 1:
            content = bytearray(file.read_bytes())
            content[choice.randrange(100)] = choice.randrange(256)
            file.write_bytes(content)
            return "a byte of the header"
        case 2:
            whole = file.read_bytes()
            file.write_bytes(whole[: choice.randrange(len(whole))])
            return "cut off"
        case 3:
            column, value = choice.choice(("sql", "name", "tbl_name", "type", "rootpage")), choice.choice(CATALOG)
            _change(file, f"UPDATE sqlite_master SET {column} = {value} WHERE rowid = {choice.randint(1, 8)}")
            return f"{column} of the catalog"
        case _:
            column = choice.choice(
                (
                    *("number", "id", "seeds", "managed_objects", "scripts", "schema_version", "seed_rows"),
                    *("deployed_at", "catalog", "catalog_fingerprint", "renames"),
                )
            )
            _change(file, f"UPDATE schema_deployments SET {column} = {choice.choice(HISTORY)}")
            return f"{column} of the history"


def _change(file: Path, sql: str) -> None:
    connection = sqlite3.connect(file)
    try:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(sql)
        connection.commit()
    except sqlite3.Error:
        pass  # a constraint holds, and the file stays whole
    finally:
        connection.close()


@pytest.mark.parametrize("part", range(PARTS))
def test_damaged_file_ends_with_a_report(tmp_path: Path, part: int) -> None:
    whole, each = tmp_path / "whole.db", FILES // PARTS
    target = DatabaseUnderTest(f"file:{whole}", f"file:{whole}")
    assert target.deploy(write_project(tmp_path / "first")).exit_code == 0
    changed = SMALL["tables.sql"].replace("title TEXT NOT NULL,", "title TEXT NOT NULL CHECK (title <> ''),\n  year,")
    folder = write_folder(tmp_path / "schema", {**SMALL, "tables.sql": changed})
    wrong = []
    for seed in range(part * each, (part + 1) * each):
        choice, file = random.Random(seed), tmp_path / "damaged.db"
        shutil.copy(whole, file)
        how = damaged(file, choice)
        for command in COMMANDS:
            schema = tmp_path / f"pulled{seed}" if command == "pull" else folder
            flags = {"command": command, "schema_path": str(schema), "database_url": f"file:{file}"}
            if found := ended(flags, {}):
                wrong.append(f"seed {seed}, {command}, {how}: {found}")
        count("damaged files", how)
    assert not wrong, "\n".join(wrong)
