"""Seed files held against the wanted schema: every bad row is told with its file and line, and never with its value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from turso_deploy.catalog.catalog import read_catalog
from turso_deploy.catalog.scratch import Scratch
from turso_deploy.core.errors import ErrorCode, ProjectError
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.seeds.simulation import simulate_seeds
from turso_deploy.seeds.tables import SeedTable, read_seeds
from turso_deploy.sql.schema import Schema

SCHEMA = (
    "CREATE TABLE teams (id INTEGER PRIMARY KEY, code TEXT UNIQUE, Name TEXT NOT NULL DEFAULT 'none')",
    """CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT COLLATE NOCASE UNIQUE,
       age INTEGER CHECK (age >= 0), initial TEXT GENERATED ALWAYS AS (substr(name, 1, 1)),
       team_id INTEGER REFERENCES teams (id))""",
    """CREATE TABLE memberships (user_id INTEGER, team_id INTEGER, role TEXT, PRIMARY KEY (user_id, team_id))
       WITHOUT ROWID""",
    "CREATE TABLE counters (name TEXT, value INTEGER) STRICT",
    "CREATE UNIQUE INDEX counters_name ON counters (name)",
    "CREATE TABLE pairs (a UNIQUE, b UNIQUE)",
    "CREATE TABLE notes (text TEXT)",
    "CREATE TABLE slots (id INTEGER PRIMARY KEY, kind TEXT DEFAULT 'first' UNIQUE)",
    "CREATE UNIQUE INDEX notes_partial ON notes (text) WHERE text > 'm'",
    "CREATE UNIQUE INDEX notes_expression ON notes (lower(text))",
    "CREATE VIEW grown_ups AS SELECT * FROM users WHERE age > 17",
    "CREATE VIRTUAL TABLE search USING fts5 (text)",
    """CREATE TRIGGER no_root BEFORE INSERT ON users WHEN new.name = 'root' BEGIN
       SELECT raise(ABORT, 'root is reserved'); END""",
)

Load = Callable[..., tuple[SeedTable, ...]]


@pytest.fixture
def scratch() -> Scratch:
    scratch = Scratch()
    for sql in SCHEMA:
        scratch.run(sql)
    return scratch


@pytest.fixture
def wanted(scratch: Scratch) -> Schema:
    return read_catalog(scratch.rows(), scratch.shadows()).schema


@pytest.fixture
def load(tmp_path: Path, wanted: Schema, scratch: Scratch) -> Load:
    """Write seed files, load them and simulate their insertion."""

    def load(**files: str | bytes) -> tuple[SeedTable, ...]:
        (tmp_path / "seeds").mkdir(exist_ok=True)
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (tmp_path / "seeds" / name.replace("__", ".")).write_bytes(data)
        return simulate_seeds(read_seeds(SchemaFolder(tmp_path, "schema"), wanted), wanted, scratch.connection)

    return load


def refusal(load: Load, **files: str | bytes) -> str:
    """The error of loading these files, as `place: message`."""
    with pytest.raises(ProjectError) as caught:
        load(**files)
    assert caught.value.code is ErrorCode.SEED_INVALID
    assert caught.value.committed is False
    message = caught.value.message
    assert message.startswith("The seeds cannot be used: ")
    assert message.endswith(".")
    for text in (message, str(caught.value), caught.value.hint or ""):
        assert "SECRET" not in text
    return f"{caught.value.place}: {message[len('The seeds cannot be used: ') : -1]}"


def test_a_folder_without_seeds_has_none(tmp_path: Path, wanted: Schema) -> None:
    assert read_seeds(SchemaFolder(tmp_path, "schema"), wanted) == ()


@pytest.mark.parametrize("name", ["teams__csv", "teams__json", "teams__jsonl", "teams__yaml", "teams__yml"])
@pytest.mark.parametrize("content", ["", "\ufeff", "\n \n"])
def test_an_empty_file_holds_no_rows(load: Load, name: str, content: str) -> None:
    if name == "teams__csv" and content.isspace():
        content = "\n\n"
    (seed,) = load(**{name: content})
    assert (seed.table, seed.row_count) == ("teams", 0)


def test_a_seed_file_finds_its_table_in_any_case_and_its_columns_too(load: Load) -> None:
    (seed,) = load(TEAMS__csv="NAME,ID\nred,1\n")
    (group,) = seed.groups
    assert (seed.table, seed.file) == ("teams", "schema/seeds/TEAMS.csv")
    assert (group.columns, group.key, group.lines) == (("id", "Name"), ("id",), (2,))
    assert list(group.rows) == [(1, "red")]


def test_a_byte_order_mark_is_not_part_of_the_first_column(load: Load) -> None:
    (seed,) = load(teams__csv="\ufeffid,Name\r\n1,red\r\n")
    assert seed.row_count == 1


def test_hidden_files_are_no_seeds(load: Load) -> None:
    assert load(__gitkeep="") == ()


def test_the_first_key_that_a_row_gives_in_full_identifies_it(load: Load) -> None:
    (seed,) = load(teams__json='[{"code": "c"},\n {"id": 1, "code": "a"},\n {"id": 2}, {"id": 3, "code": "d"}]')
    assert [(group.columns, group.key, group.lines) for group in seed.groups] == [
        (("id",), ("id",), (3,)),
        (("id", "code"), ("id",), (2, 3)),
        (("code",), ("code",), (1,)),
    ], "rows with a primary key come first, so that none is taken by a number that SQLite makes up"


def test_null_is_no_key_so_the_next_unique_columns_identify_the_row(load: Load) -> None:
    (seed,) = load(pairs__json='[{"a": 1, "b": null}, {"a": null, "b": 2}]')
    assert [(group.key, list(group.rows)) for group in seed.groups] == [(("a",), [(1, None)]), (("b",), [(None, 2)])]


def test_a_unique_index_identifies_rows_too(load: Load) -> None:
    (seed,) = load(counters__jsonl='{"name": "visits", "value": 1}')
    assert seed.groups[0].key == ("name",)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"nothing__csv": "id\n1\n"}, "schema/seeds/nothing.csv: the schema has no table `nothing`"),
        ({"grown_ups__csv": "id\n1\n"}, "schema/seeds/grown_ups.csv: `grown_ups` is a view, and seeds are for tables"),
        (
            {"search__csv": "text\na\n"},
            "schema/seeds/search.csv: `search` is a virtual table, which has no key to find its rows by",
        ),
        (
            {"teams__csv": "id\n1\n", "teams__json": "[]"},
            "schema/seeds/teams.json: the table `teams` has another seed file, schema/seeds/teams.csv",
        ),
        (
            {"teams__xml": "<a/>"},
            "schema/seeds/teams.xml: a seed file must end in .csv, .json, .jsonl, .yaml, .yml",
        ),
        ({"teams__csv": "id,color\n1,SECRET\n"}, "schema/seeds/teams.csv:1: `teams` has no column `color`"),
        (
            {"teams__json": '[{"id": 1},\n\n{"id": 2, "color": "SECRET"}]'},
            "schema/seeds/teams.json:3: `teams` has no column `color`",
        ),
        (
            {"users__csv": "id,name,initial\n1,SECRET,S\n"},
            "schema/seeds/users.csv:1: the column `initial` is generated, and cannot be given",
        ),
        ({"teams__csv": "id,Name,ID\n1,SECRET,1\n"}, "schema/seeds/teams.csv:1: the column `id` is given twice"),
        (
            {"teams__csv": "id,Name\n1,a\n,SECRET\n"},
            "schema/seeds/teams.csv:3: the row of `teams` needs a key, by which later deployments find it",
        ),
        (
            {"teams__json": '[{"id": null, "code": "SECRET"}]'},
            "schema/seeds/teams.json:1: the row of `teams` needs a key, by which later deployments find it",
        ),
        (
            {"memberships__csv": "user_id,role\n1,SECRET\n"},
            "schema/seeds/memberships.csv:2: the row of `memberships` needs a key, by which later deployments find it",
        ),
        (
            {"notes__yaml": "- text: SECRET\n"},
            "schema/seeds/notes.yaml:1: the row of `notes` needs a key, by which later deployments find it",
        ),
    ],
)
def test_what_does_not_fit_the_schema_is_refused(load: Load, files: dict[str, str], expected: str) -> None:
    assert refusal(load, **files) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"users__csv": "id,name\n1,a\n2,\n"},
            "schema/seeds/users.csv:3: `users.name` must have a value (NOT NULL)",
        ),
        (
            {"users__jsonl": '{"id": 1, "name": "a"}\n{"id": 2, "email": "SECRET"}'},
            "schema/seeds/users.jsonl:2: `users.name` must have a value (NOT NULL)",
        ),
        (
            {"teams__csv": "id,Name\n1,a\n2,SECRET\n3,c\n2.0,SECRET\n"},
            "schema/seeds/teams.csv:5: `teams.id` must be unique, and line 3 has the same",
        ),
        (
            {"memberships__csv": "user_id,team_id\n1,1\n1,2\n1,1\n"},
            "schema/seeds/memberships.csv:4: `memberships.user_id, memberships.team_id` must be unique, "
            "and line 2 has the same",
        ),
        (
            {"users__yaml": "- {id: 1, name: a, email: secret@x}\n- {id: 2, name: b, email: SECRET@X, age: 5}\n"},
            "schema/seeds/users.yaml:2: `users.email` must be unique, and line 1 has the same",
        ),
        (
            {"users__json": '[{"id": 1, "name": "a", "age": 3},\n {"id": 2, "name": "SECRET", "age": -1}]'},
            "schema/seeds/users.json:2: SQLite rejects the row, CHECK constraint failed: age >= 0",
        ),
        (
            {"teams__json": '[{"id": "SECRET"}]'},
            "schema/seeds/teams.json:1: column `id`: the text is not a number, and the column is INTEGER",
        ),
        (
            {"counters__csv": "name,value\na,1\nb,SECRET\n"},
            "schema/seeds/counters.csv:3: column `value`: the text is not a number, and the column is INTEGER",
        ),
        (
            {"users__csv": "id,name\n1,a\n2,root\n"},
            "schema/seeds/users.csv:3: a trigger rejects the row, root is reserved",
        ),
    ],
)
def test_a_row_that_the_engine_refuses_is_named_by_its_line(load: Load, files: dict[str, str], expected: str) -> None:
    assert refusal(load, **files) == expected


def test_repeated_default_is_named_without_the_other_line_if_no_row_gives_the_column(load: Load) -> None:
    expected = "schema/seeds/slots.jsonl:2: `slots.kind` must be unique, and another row has the same"
    assert refusal(load, slots__jsonl='{"id": 1}\n{"id": 2}\n') == expected


def test_row_that_repeats_a_default_is_named_with_the_line_of_the_default(load: Load) -> None:
    expected = "schema/seeds/slots.jsonl:2: `slots.kind` must be unique, and line 1 has the same"
    assert refusal(load, slots__jsonl='{"id": 1}\n{"id": 2, "kind": "first"}\n') == expected


def test_a_refused_row_among_many_is_found(load: Load) -> None:
    rows = [f"{n},name {n}" for n in range(5_000)]
    rows[4_321] = "4321,"
    assert refusal(load, users__csv="id,name\n" + "\n".join(rows)).startswith("schema/seeds/users.csv:4323: ")


def test_a_value_that_a_trigger_puts_into_its_message_is_not_shown(load: Load, scratch: Scratch) -> None:
    scratch.run("CREATE TRIGGER failing BEFORE INSERT ON teams BEGIN SELECT json_extract('{}', new.code); END")
    expected = "schema/seeds/teams.csv:2: a trigger or a constraint rejects the row of `teams`"
    assert refusal(load, teams__csv="id,code\n1,SECRET\n") == expected


def test_the_simulation_leaves_the_rows_and_the_enforcement_as_it_was(load: Load, scratch: Scratch) -> None:
    load(users__csv="id,name,team_id\n1,a,99\n", teams__csv="id\n1\n")
    assert scratch.connection.execute("SELECT id, name, team_id FROM users").rows == ((1, "a", 99),)
    assert scratch.connection.execute("PRAGMA foreign_keys").number() == 1


def test_a_link_out_of_the_schema_folder_is_refused(load: Load, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside.csv"
    outside.write_text("id\n1\n")
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "teams.csv").symlink_to(outside)
    assert refusal(load) == "schema/seeds/teams.csv: this is not a file inside the schema folder"


def test_a_link_inside_the_schema_folder_is_followed(load: Load, tmp_path: Path) -> None:
    (tmp_path / "shared.csv").write_text("id\n1\n")
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "teams.csv").symlink_to(tmp_path / "shared.csv")
    (seed,) = load()
    assert seed.row_count == 1


@pytest.mark.parametrize("name", ["teams.csv", "teams", "old"])
def test_a_folder_in_place_of_a_file_is_refused(load: Load, tmp_path: Path, name: str) -> None:
    (tmp_path / "seeds" / name).mkdir(parents=True)
    assert refusal(load) == f"schema/seeds/{name}: this is a folder, and `seeds/` holds one file for each table"


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path, wanted: Schema) -> None:
    (tmp_path / "seeds").write_text("id\n")
    with pytest.raises(ProjectError, match="this is not a folder") as caught:
        read_seeds(SchemaFolder(tmp_path, "schema"), wanted)
    assert str(caught.value.place) == "schema/seeds"


@pytest.fixture
def fingerprint(tmp_path: Path, wanted: Schema) -> Callable[[str, str], str]:
    """Load one seed file in a scratch database of its own."""

    def of(name: str, content: str) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        (folder / "seeds").mkdir(parents=True)
        (folder / "seeds" / name).write_text(content)
        own = Scratch()
        for sql in SCHEMA:
            own.run(sql)
        (seed,) = simulate_seeds(read_seeds(SchemaFolder(folder, "schema"), wanted), wanted, own.connection)
        return seed.fingerprint

    return of


def test_the_fingerprint_is_of_what_the_rows_say_and_not_of_the_format(fingerprint: Callable[[str, str], str]) -> None:
    as_json = fingerprint("teams.json", '[{"id": 1, "Name": "red"}, {"id": 2, "Name": "blue"}]')
    assert as_json == fingerprint("teams.jsonl", '{"Name":"red","id":1}\n\n{"Name":"blue","id":2}\n')
    assert as_json == fingerprint("teams.yaml", "- name: red\n  id: 1\n- {id: 2, name: blue}\n")
    assert as_json == fingerprint("teams.csv", "Name,id\nblue,2\nred,1.0\n")
    assert as_json != fingerprint("teams.json", '[{"id": 1, "Name": "red"}, {"id": 2, "Name": "green"}]')
    assert as_json != fingerprint("teams.json", '[{"id": 1, "Name": "red"}]')
    assert as_json != fingerprint("teams.json", '[{"id": 1, "code": "red"}, {"id": 2, "code": "blue"}]')
