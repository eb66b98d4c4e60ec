"""How much memory the program takes with much to do: measured in a process of its own, and bounded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_folder
from tests.support.sqld import Sqld

MEGABYTES = 200
ROWS = 100_000

# VmHWM of https://man7.org/linux/man-pages/man5/proc_pid_status.5.html, in kB. What getrusage gives would begin with
# the memory of the process that started this one.
MEASURED_PROGRAM = """\
import re, sys
from pathlib import Path
from turso_deploy.cli.main import main
try:
    main()
finally:
    print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1000, file=sys.stderr)
"""


def deploy(schema: Path, url: str, token: str = "") -> tuple[Any, int]:
    """The report, and the most memory that the process had, in megabytes."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "INPUT_"))}
    command = [
        sys.executable,
        "-c",
        MEASURED_PROGRAM,
        "deploy",
        "--schema-path",
        str(schema),
        "--json",
        "--timeout",
        "300",
    ]
    variables = {**environment, "TURSO_DATABASE_URL": url, "TURSO_AUTH_TOKEN": token}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    return json.loads(done.stdout), int(done.stderr.split()[-1])


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV of 20 MB in many short columns, which are what takes the most memory."""
    names = [f"c{number}" for number in range(20)]
    header = ",".join(["id", *names])
    rows = (f"{row}," + ",".join(f"v{row * 31 + column:08d}" for column in range(20)) for row in range(ROWS))
    files = {
        "tables.sql": f"CREATE TABLE things (id INTEGER PRIMARY KEY, {', '.join(names)});\n",
        "seeds/things.csv": "\n".join([header, *rows]) + "\n",
        "manifest.yml": f"rows: {{things: {ROWS}}}\n",
    }
    folder = write_folder(tmp_path_factory.mktemp("large") / "schema", files)
    assert (folder / "seeds/things.csv").stat().st_size > 19_000_000
    return folder


def test_seeds_of_20_mb_take_little_memory_and_nothing_the_second_time(sqld: Sqld, large: Path) -> None:
    report, memory = deploy(large, sqld.url, sqld.token())
    assert (report["error"], report["status"]) == (None, "deployed")
    assert report["chunks"]["sent"] == report["chunks"]["total"] > 20
    assert memory < MEGABYTES
    report, memory = deploy(large, sqld.url, sqld.token())
    assert (report["status"], report["requests"], report["seeds"][0]["inserted"]) == ("unchanged", 1, 0)
    assert memory < MEGABYTES


def test_seeds_of_20_mb_take_little_memory_into_a_file_too(tmp_path: Path, large: Path) -> None:
    report, memory = deploy(large, f"file:{tmp_path / 'database.db'}")
    assert (report["error"], report["status"], report["chunks"]) == (None, "deployed", None)
    assert memory < MEGABYTES


def test_a_table_of_a_million_rows_is_made_anew_in_little_memory(sqld: Sqld, tmp_path: Path) -> None:
    files = {"tables.sql": "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, amount INTEGER);\n"}
    schema = write_folder(tmp_path / "schema", {**files, "manifest.yml": "schema_version: 1.0.0\n"})
    deploy(schema, sqld.url, sqld.token())
    target = DatabaseUnderTest(sqld.url, sqld.url, sqld.token())
    target.run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) "
        "INSERT INTO things SELECT i, 'the name of ' || i, i FROM n"
    )
    files["tables.sql"] = files["tables.sql"].replace("amount INTEGER", "amount INTEGER CHECK (amount > 0)")
    write_folder(schema, {**files, "manifest.yml": "rows: {things: 1000000}\n"})
    report, memory = deploy(schema, sqld.url, sqld.token())
    assert (report["error"], report["status"]) == (None, "deployed")
    assert [step["kind"] for step in report["steps"]] == ["rebuild table"]
    assert memory < MEGABYTES
