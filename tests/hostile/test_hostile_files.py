"""Files and folders that are made to mislead: links out of the folder, names like options, bytes that are no text."""

from __future__ import annotations

import os
import shutil
import time
import tracemalloc
from pathlib import Path

import pytest

from tests.support.schema_folders import SMALL, write_folder
from turso_deploy.cli.main import main
from turso_deploy.core.errors import DeployError
from turso_deploy.project.loader import load_project
from turso_deploy.schema_docs.generate import generate_docs
from turso_deploy.sqlite import limits

OUTSIDE = "CONTENT-OF-ANOTHER-FILE"
FILES = {
    **SMALL,
    "scripts/first.sql": "-- @run after\nUPDATE authors SET name = 'Ada' WHERE id = 1;\n",
    "queries/common.sql": "-- All books\nSELECT title FROM v_books;\n",
    "reference.yml": "title: Books\n",
}
KINDS = ["tables.sql", "seeds/authors.csv", "scripts/first.sql", "queries/common.sql", "manifest.yml", "reference.yml"]


def refusal(folder: Path, output: Path) -> DeployError:
    """Why the folder cannot be documented, which reads every file in it."""
    with pytest.raises(DeployError) as caught:
        generate_docs(folder, output, check=False)
    assert not output.exists()
    return caught.value


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "schema", FILES)


def test_the_folder_is_good_before_anything_is_done_to_it(folder: Path, tmp_path: Path) -> None:
    generate_docs(folder, tmp_path / "pages", check=False)
    assert (tmp_path / "pages" / "queries.md").exists()


@pytest.mark.parametrize("name", [*KINDS, "seeds", "scripts", "queries", "more.sql", "seeds/more.csv", "more"])
def test_a_link_out_of_the_folder_is_not_followed(folder: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for file in ("authors.csv", "first.sql"):
        (outside / file).write_text(f"-- @run after\nSELECT '{OUTSIDE}';\n", encoding="utf-8")
    path = folder / name
    is_folder = path.is_dir() or not path.suffix
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(outside if is_folder else outside / "first.sql")
    error = refusal(folder, tmp_path / "pages")
    assert OUTSIDE not in f"{error} {error.hint}"
    assert error.place is not None
    assert error.place.file.startswith(f"{folder.as_posix()}/{name}")


def test_a_link_to_the_schema_folder_is_the_users_own_choice(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert load_project(tmp_path / "link").wanted.tables


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"-- @run after\nSELECT 1\x00;\n", b"\x00", b"\xed\xa0\x80"])
@pytest.mark.parametrize("name", KINDS)
def test_bytes_that_are_no_text_are_refused_at_their_place(
    folder: Path, tmp_path: Path, name: str, content: bytes
) -> None:
    (folder / name).write_bytes(content)
    error = refusal(folder, tmp_path / "pages")
    assert error.place is not None
    assert error.place.file == f"{folder.as_posix()}/{name}"


@pytest.mark.parametrize("name", KINDS[1:])
def test_a_folder_in_place_of_a_file_is_refused_at_its_place(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    error = refusal(folder, tmp_path / "pages")
    assert error.place is not None
    assert error.place.file == f"{folder.as_posix()}/{name}"


@pytest.mark.parametrize("name", ["seeds/authors.csv", "scripts/first.sql", "queries/common.sql"])
def test_a_pipe_that_nobody_writes_to_does_not_hold_up_the_run(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    refusal(folder, tmp_path / "pages")


LIKE_OPTIONS = ["--help", "-x", "--json", "-"]


@pytest.mark.parametrize("name", LIKE_OPTIONS)
@pytest.mark.parametrize("as_one_word", [True, False])
def test_a_folder_named_like_an_option_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, as_one_word: bool
) -> None:
    """As one word with its flag; or by a variable, in which no value can be taken for a flag."""
    monkeypatch.chdir(tmp_path)
    write_folder(Path(name), FILES)
    write_folder(Path("other"), SMALL)
    named = {"--schema-path": "INPUT_SCHEMA-PATH", "--compare-to": "INPUT_COMPARE-TO", "--output": "INPUT_OUTPUT"}

    def run(*words: str, **chosen: str) -> int:
        with monkeypatch.context() as patch:
            flags = []
            for flag, value in chosen.items():
                flag = f"--{flag.replace('_', '-')}"
                if as_one_word:
                    flags.append(f"{flag}={value}")
                else:
                    patch.setenv(named[flag], value)
            return main([*words, *flags])

    assert run("plan", schema_path=name, compare_to=name) == 0
    assert run("plan", schema_path="other", compare_to=name) == 0
    assert run("docs", schema_path=name, output=f"{name}/pages") == 0
    assert (tmp_path / name / "pages" / "queries.md").exists()
    assert run("docs", schema_path="other", output=f"{name}pages") == 0
    assert run("deploy", schema_path=name) == 0


def test_a_field_larger_than_any_row_can_be_takes_bounded_memory(folder: Path, tmp_path: Path) -> None:
    """One field of 60 MB, in a file that may just be read."""
    (folder / "seeds" / "authors.csv").write_text(f"id,name\n1,{'x' * 60_000_000}\n", encoding="utf-8")
    tracemalloc.start()
    error = refusal(folder, tmp_path / "pages")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert error.code == "seed-invalid"
    assert most < 400_000_000


# Deeper than SQLite lets an expression be (https://www.sqlite.org/limits.html); mere parentheses are not, since 3.46.
DEEP = "1 + (" * 10_000 + "1" + ")" * 10_000


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("queries/common.sql", f"SELECT {DEEP};"),
        ("scripts/first.sql", f"-- @run after\nUPDATE authors SET name = {DEEP};"),
        ("views.sql", f"CREATE VIEW v AS SELECT {DEEP};"),
        ("reference.yml", "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n"),
        ("reference.yml", "[" * 100_000),
        ("queries/common.sql", "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) DELETE FROM books;"),
    ],
    ids=lambda value: value[:20],
)
def test_what_is_made_to_explode_elsewhere_is_refused_soon(
    folder: Path, tmp_path: Path, name: str, content: str
) -> None:
    (folder / name).write_text(content, encoding="utf-8")
    started = time.monotonic()
    assert refusal(folder, tmp_path / "pages").place
    assert time.monotonic() - started < 30


NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("queries/common.sql", f"SELECT 1;\n{NUMBERS} SELECT count(*) FROM n;", 2),
        ("queries/common.sql", f"{NUMBERS} SELECT i FROM n;", 1),
        ("queries/common.sql", f"SELECT 1;\n{NUMBERS} SELECT zeroblob(10000000) FROM n LIMIT 200;", 2),
        (
            "views.sql",
            f"CREATE TRIGGER r AFTER INSERT ON authors BEGIN SELECT ({NUMBERS} SELECT sum(i) FROM n); END;",
            2,
        ),
    ],
)
def test_sql_without_end_in_a_folder_is_an_error_at_its_place(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str, line: int
) -> None:
    monkeypatch.setattr(limits, "MAX_STATEMENT_SECONDS", 1)
    (folder / name).write_text(content, encoding="utf-8")
    if name == "views.sql":
        shutil.rmtree(folder / "queries")
        (folder / "manifest.yml").unlink()
    error = refusal(folder, tmp_path / "pages")
    assert "SQLite was stopped in memory" in error.message
    assert error.place is not None
    assert error.place.file == f"{folder.as_posix()}/{name if name != 'views.sql' else 'seeds/authors.csv'}"
    assert error.place.line == line


@pytest.mark.parametrize("value", ["hex(zeroblob(200000000))", "printf('%.*c', 500000000, 'x')"])
def test_default_that_is_too_large_is_an_error_at_the_row(folder: Path, tmp_path: Path, value: str) -> None:
    (folder / "more.sql").write_text(f"CREATE TABLE t (id INTEGER PRIMARY KEY, a DEFAULT ({value}));", encoding="utf-8")
    (folder / "seeds" / "t.csv").write_text("id\n1\n", encoding="utf-8")
    error = refusal(folder, tmp_path / "pages")
    assert "string or blob too big" in error.message
    assert error.place is not None
    assert error.place.line == 2
