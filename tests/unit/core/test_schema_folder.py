"""The schema folder: names, places, text of files, and the rule about links."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.schema_folders import write_folder
from tests.unit.core.test_files import make_special
from turso_deploy.core.errors import ErrorCode, Place, ProjectError
from turso_deploy.core.schema_folder import SchemaFileError, SchemaFolder
from turso_deploy.project.loader import load_project
from turso_deploy.schema_docs.generate import generate_docs


@pytest.fixture
def folder(tmp_path: Path) -> SchemaFolder:
    (tmp_path / "schema" / "seeds").mkdir(parents=True)
    (tmp_path / "schema" / "a.sql").write_bytes(b"\xef\xbb\xbfSELECT 1;\n")
    (tmp_path / "schema" / "seeds" / "b.csv").write_text("id\n1\n", encoding="utf-8")
    return SchemaFolder.open(tmp_path / "schema", "schema")


def test_text_is_read_without_its_byte_order_mark(folder: SchemaFolder) -> None:
    assert folder.read_text("a.sql") == "SELECT 1;\n"


def test_names_are_relative_and_sorted_by_their_parts(folder: SchemaFolder) -> None:
    (folder.path / "seeds.sql").write_text("")
    assert folder.entries("**/*") == ["a.sql", "seeds", "seeds/b.csv", "seeds.sql"]
    assert folder.entries("seeds/*") == ["seeds/b.csv"]
    assert [name for name in ("a.sql", "seeds", "c.sql") if folder.has(name)] == ["a.sql", "seeds"]
    assert folder.is_folder("seeds")
    assert not folder.is_folder("a.sql")


def test_places_have_the_displayed_name(folder: SchemaFolder) -> None:
    assert folder.place("seeds/b.csv", 2, 3) == Place("schema/seeds/b.csv", 2, 3)
    assert SchemaFolder.open(folder.path).place("a.sql").file == f"{folder.path.as_posix()}/a.sql"


def test_a_link_to_a_file_inside_the_folder_is_read(folder: SchemaFolder) -> None:
    (folder.path / "link.sql").symlink_to("a.sql")
    assert folder.is_link("link.sql")
    assert folder.read_text("link.sql") == "SELECT 1;\n"


@pytest.mark.parametrize("target", ["../secret.sql", "..", "seeds"])
def test_a_link_to_anything_else_is_an_error(folder: SchemaFolder, target: str) -> None:
    (folder.path.parent / "secret.sql").write_text("password")
    (folder.path / "link.sql").symlink_to(target)
    with pytest.raises(SchemaFileError, match="not a file inside the schema folder") as caught:
        folder.read_text("link.sql")
    assert caught.value.code is ErrorCode.SCHEMA_NOT_FOUND
    assert caught.value.place == Place("schema/link.sql")


def test_another_encoding_is_an_error_at_its_line(folder: SchemaFolder) -> None:
    (folder.path / "c.sql").write_bytes(b"SELECT 1;\n-- caf\xe9\n")
    with pytest.raises(SchemaFileError, match="not UTF-8 text") as caught:
        folder.read_text("c.sql")
    assert (caught.value.code, caught.value.place) == (ErrorCode.SQL_SYNTAX, Place("schema/c.sql", 2))
    assert caught.value.hint == "Save it as UTF-8."


def test_a_missing_file_is_an_error_with_the_reason_of_the_system(folder: SchemaFolder) -> None:
    with pytest.raises(SchemaFileError) as caught:
        folder.read_text("missing.sql")
    assert caught.value.reason == "the file cannot be read (No such file or directory)"


def test_a_file_above_the_maximum_is_not_read(folder: SchemaFolder) -> None:
    (folder.path / "large.csv").write_text("x" * 1_000_001)
    with pytest.raises(SchemaFileError, match="larger than 1 MB"):
        folder.read_text("large.csv", max_bytes=1_000_000)
    assert len(folder.read_text("large.csv", max_bytes=1_000_001)) == 1_000_001


def test_files_that_are_too_large_together_are_an_error(folder: SchemaFolder) -> None:
    names = ["a.sql", "missing.sql", "seeds", "seeds/b.csv"]
    folder.require_total(names, 20)
    with pytest.raises(SchemaFileError, match="larger than 0 MB in all") as caught:
        folder.require_total(names, 16)
    assert caught.value.place == Place("schema/seeds/b.csv")


@pytest.mark.parametrize(("pattern", "number"), [("{}.sql", 5), ("scripts/{}.SQL", 5), ("seeds/t{}.csv", 3)])
def test_schema_folder_is_limited_in_size(tmp_path: Path, pattern: str, number: int) -> None:
    folder = write_folder(tmp_path / "schema", {"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY);"})
    for count in range(number):
        path = folder / pattern.format(count)
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            file.truncate(4_500_000 if path.suffix.lower() == ".sql" else 60_000_000)
    with pytest.raises(ProjectError, match="MB in all"):
        load_project(folder)


def test_a_file_in_place_of_the_folder_is_an_error(folder: SchemaFolder) -> None:
    with pytest.raises(ProjectError, match=r"There is no schema folder `a\.sql`: it is a file"):
        SchemaFolder.open(folder.path / "a.sql", "a.sql")


@pytest.mark.parametrize(
    "name", ["a.sql", "manifest.yml", "seeds/t.csv", "scripts/s.sql", "queries/q.sql", "reference.yml"]
)
@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_special_file_in_the_folder_is_an_error_at_once(tmp_path: Path, name: str, kind: str) -> None:
    folder = write_folder(tmp_path / "schema", {"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY);"})
    (folder / name).parent.mkdir(exist_ok=True)
    make_special(folder / name, kind)
    with pytest.raises(ProjectError, match="this is not a file inside the schema folder") as caught:
        generate_docs(folder, tmp_path / "pages", check=True)
    assert caught.value.place
    assert caught.value.place.file.endswith(name)
