"""A fleet of files in many states, deployed to by many threads at once: each gets what it gets alone."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.schema_folders import SMALL, write_folder
from turso_deploy.cli.run import run

STATES = {
    "empty": "",
    "rows": "INSERT INTO authors VALUES (7, 'Zoe', NULL); INSERT INTO books VALUES ('z', 'Zen', 7);",
    "edited": "UPDATE authors SET profile = '{\"born\": 1}' WHERE id = 1; DELETE FROM books WHERE id = 'b2';",
    "older": "DROP VIEW v_books; DROP INDEX idx_books_author;",
    "unmanaged": "CREATE TABLE mine (id INTEGER PRIMARY KEY, author REFERENCES authors); CREATE VIEW w AS SELECT 1;",
    "broken": "PRAGMA foreign_keys = off; INSERT INTO books VALUES ('lost', 'Lost', 99);",
    "conflict": "UPDATE authors SET name = 'Grace II' WHERE id = 2; INSERT INTO authors VALUES (8, 'Grace', NULL);",
}
COPIES = 6
CHANGED = {
    "tables.sql": SMALL["tables.sql"].replace("  profile TEXT\n", "  profile TEXT,\n  mail TEXT CHECK (mail <> '')\n"),
    "seeds/authors.csv": 'id,name,profile\n1,Ada,"{""born"": 1815}"\n2,Grace,\n3,Mary,\n',
}


def deploy(schema: Path, list_file: Path, parallel: int) -> dict[str, Any]:
    output = io.StringIO()
    flags: dict[str, Any] = {"command": "deploy", "fleet": str(list_file), "schema_path": str(schema)}
    flags |= {
        "parallel": str(parallel),
        "canary": "0",
        "failure_budget": "100%",
        "allow_hazards": "rewrite-table",
        "json_output": True,
    }
    results = list_file.with_suffix(".results")
    run({**flags, "results": str(results)}, {}, output, io.StringIO())
    lines = map(json.loads, results.read_text().splitlines()[1:])
    found = {line["name"]: (line["state"], line["code"], line["subject"], line["plan_fingerprint"]) for line in lines}
    assert json.loads(output.getvalue())["fleet"]["databases"] == len(found)
    return found


def content(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        lines = list(connection.iterdump())
    return [line for line in lines if "schema_deployments" not in line and "sqlite_sequence" not in line]


@pytest.fixture
def databases(tmp_path: Path) -> dict[str, Path]:
    """A file for each state and copy, after the first deployment and what others did since."""
    schema = write_folder(tmp_path / "schema", SMALL)
    first = tmp_path / "first.db"
    list_file = tmp_path / "first.jsonl"
    list_file.write_text(json.dumps({"name": "first", "url": f"file:{first}"}))
    assert deploy(schema, list_file, 1)["first"][0] == "deployed"
    found = {}
    for state, sql in STATES.items():
        for copy in range(COPIES):
            file = found[f"{state}-{copy}"] = tmp_path / f"{state}-{copy}.db"
            if state != "empty":
                shutil.copy(first, file)
                with closing(sqlite3.connect(file)) as connection:
                    connection.executescript(sql)
    return found


def test_databases_deployed_side_by_side_are_as_if_each_was_deployed_alone(
    databases: dict[str, Path], tmp_path: Path
) -> None:
    schema = write_folder(tmp_path / "changed", {**SMALL, **CHANGED})
    outcomes, contents = [], []
    for parallel in (16, 1):
        folder = tmp_path / f"parallel-{parallel}"
        folder.mkdir()
        for name, file in databases.items():
            if file.exists():
                shutil.copy(file, folder / f"{name}.db")
        list_file = folder / "fleet.jsonl"
        lines = (
            json.dumps({"name": name, "url": f"file:{folder / f'{name}.db'}".replace(" ", "%20")}) for name in databases
        )
        list_file.write_text("\n".join(lines))
        outcomes.append(deploy(schema, list_file, parallel))
        contents.append({name: content(folder / f"{name}.db") for name in databases})
    assert outcomes[0] == outcomes[1]
    assert contents[0] == contents[1]
    assert {state for state, *_ in outcomes[0].values()} == {"deployed", "failed"}
    assert len({(name.rpartition("-")[0], outcome) for name, outcome in outcomes[0].items()}) == len(STATES)
