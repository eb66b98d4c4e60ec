"""Several things that are wrong at once: each is told at its own place, and the verdict says who said no."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_folder
from turso_deploy.cli.run import run
from turso_deploy.github.annotations import MAX_PER_LEVEL

SCHEMA = {
    "a.sql": "CREATE TABLE a (\n  id INTEGER PRIMARY KEY,\n  x TEXT,\n  y TEXT\n);\n",
    "b.sql": "CREATE TABLE b (\n  id INTEGER PRIMARY KEY,\n  z TEXT\n);\n",
    "seeds/b.csv": "id,z\n1,{\n",
}


@dataclass(frozen=True)
class Told:
    """The exit status, the verdict, and each annotation as its place and its text."""

    status: int
    verdict: str
    errors: list[tuple[str, str]]
    warnings: list[tuple[str, str]]

    @property
    def places(self) -> list[str]:
        return [place for place, _ in self.errors]


def told_of(target: DatabaseUnderTest, folder: Path, files: dict[str, str], command: str = "deploy") -> Told:
    """Run as a runner does."""
    output = StringIO()
    settings = {"command": command, "schema_path": str(write_folder(folder, files)), "database_url": target.url}
    if target.token:
        settings["auth_token"] = target.token
    status = run(settings, {"GITHUB_ACTIONS": "true"}, output)
    told: dict[str, list[tuple[str, str]]] = {"error": [], "warning": []}
    for level, properties, text in re.findall(r"^::(error|warning) (.*?)::(.*)$", output.getvalue(), re.MULTILINE):
        given = dict(item.split("=", 1) for item in properties.split(","))
        place = f"{Path(given['file']).name}:{given['line']}" if "file" in given else ""
        told[level].append((place, text.replace("%0A", "\n")))
    [verdict] = re.findall(r"^[✔✗!] (.*)$", output.getvalue(), re.MULTILINE)[:1]
    return Told(status, verdict, told["error"], told["warning"])


def test_each_refused_hazard_is_an_error_at_its_own_line_and_no_warning_besides(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    told_of(target, tmp_path / "schema", SCHEMA)
    target.run("INSERT INTO a VALUES (1, 'x', 'y'), (2, 'x', NULL)")
    changed = {
        **SCHEMA,
        "a.sql": "CREATE TABLE a (\n  id INTEGER PRIMARY KEY,\n  x TEXT,\n  y TEXT NOT NULL\n);\n",
        "b.sql": "CREATE TABLE b (\n  id INTEGER PRIMARY KEY\n);\nCREATE UNIQUE INDEX a_x ON a (x);\n",
        "seeds/b.csv": "id\n1\n",
    }
    told = told_of(target, tmp_path / "schema", changed)
    assert (told.status, told.verdict) == (5, "Blocked: nothing was changed")
    places = [(place, text.split(" (")[0].split(":")[0]) for place, text in told.errors]
    assert sorted(places) == [
        ("a.sql:4", "add-not-null a.y"),
        ("b.sql:1", "drop-column b.z"),
        ("b.sql:4", "add-unique a_x"),
    ]
    assert "--allow-hazards drop-column:b.z" in told.errors[0][1], "the first says what to do"
    assert "allow-hazards" not in told.errors[1][1]
    assert [text for _, text in told.warnings if "drop-column" in text] == []


def test_each_check_that_failed_is_an_error_at_its_line_of_the_manifest(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    told_of(target, tmp_path / "schema", SCHEMA)
    names = target.names()
    manifest = 'rows:\n  a: ">=1"\n  b: 1\njson_columns:\n  b:\n    - z\n'
    changed = {**SCHEMA, "manifest.yml": manifest, "b.sql": f"{SCHEMA['b.sql']}CREATE INDEX b_z ON b (z);\n"}
    del changed["seeds/b.csv"]
    target.run("UPDATE b SET z = '{'")
    for command in ("plan", "deploy"):
        told = told_of(target, tmp_path / "schema", changed, command)
        assert (told.status, told.verdict) == (1, "Failed: nothing was changed")
        assert told.places == ["manifest.yml:2", "manifest.yml:6"]
        assert target.names() == names


def test_seed_whose_value_in_a_json_column_is_not_json_is_an_error_at_its_line(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    manifest = "json_columns: {b: [Z]}\n"
    seeds = "id,z\n1,{}\n2,{\n3,{\n"
    told = told_of(target, tmp_path / "schema", {**SCHEMA, "manifest.yml": manifest, "seeds/b.csv": seeds})
    assert (told.status, told.places) == (2, ["b.csv:3"])
    assert target.names() == set()


def test_each_count_and_name_that_would_not_hold_is_an_error_at_its_line(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    manifest = "expect:\n  tables: 3\n  views: 1\nobjects:\n  indexes:\n    - i\n    - j\n"
    told = told_of(target, tmp_path / "schema", {**SCHEMA, "manifest.yml": manifest})
    assert (told.status, told.verdict) == (1, "Failed: nothing was changed")
    lines = ["manifest.yml:2", "manifest.yml:3", "manifest.yml:6", "manifest.yml:7"]
    assert told.places == lines


def test_an_object_that_differs_is_annotated_where_the_folder_defines_it(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    told_of(target, tmp_path / "schema", SCHEMA)
    target.run("DROP TABLE b", "ALTER TABLE a ADD COLUMN more")
    told = told_of(target, tmp_path / "schema", SCHEMA, command="verify")
    assert told.verdict == "Drifted: 2 objects are not as last deployed"
    assert told.errors == [
        ("a.sql:1", "Changed since the last deployment: table a changed (column more)."),
        ("b.sql:1", "Changed since the last deployment: table b removed."),
    ]


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        ({"manifest.yml": "rows:\n  nope: 1\n  a: 0\n  never: 2\n"}, ["manifest.yml:2", "manifest.yml:4"]),
        ({"manifest.yml": "expect: {}\nrow: 1\ncolumns: 2\n"}, ["manifest.yml:2", "manifest.yml:3"]),
        (
            {
                "v.sql": "CREATE VIEW v AS SELECT * FROM nope;\nCREATE VIEW w AS SELECT * FROM v;\n"
                "CREATE VIEW u AS\nSELECT no FROM a;"
            },
            ["v.sql:1", "v.sql:4"],
        ),
    ],
)
def test_each_name_that_nobody_defines_is_an_error_at_its_line(
    in_file: DatabaseUnderTest, tmp_path: Path, files: dict[str, str], lines: list[str]
) -> None:
    told = told_of(in_file, tmp_path / "schema", {**SCHEMA, **files})
    assert (told.status, told.verdict) == (2, "Failed: nothing was changed")
    assert told.places == lines


def test_of_many_errors_the_first_ten_are_annotated_and_the_report_has_all(
    in_file: DatabaseUnderTest, tmp_path: Path
) -> None:
    manifest = "rows:\n" + "".join(f"  t{number}: 1\n" for number in range(25))
    told = told_of(in_file, tmp_path / "schema", {**SCHEMA, "manifest.yml": manifest})
    assert told.places == [f"manifest.yml:{line + 2}" for line in range(MAX_PER_LEVEL)]
