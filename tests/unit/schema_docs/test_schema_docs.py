from __future__ import annotations

import json
import os
import re
import unicodedata
from pathlib import Path

import pytest

from tests.support.schema_folders import SHIPPED, SMALL, shipped_project, write_folder, write_project
from turso_deploy.core.errors import ErrorCode, InputError, ProjectError
from turso_deploy.report.document import CountLine, Status
from turso_deploy.schema_docs.generate import generate_docs, render_pages

ROOT = SHIPPED.parent
COMMENTED = {
    **SMALL,
    "tables.sql": """\
-- Books: and those who write them.

-- Who writes.
CREATE TABLE authors (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE, -- as it stands | on the cover
  profile TEXT -- JSON: object {born}
);
-- @renamed from=volumes
-- What is written.
CREATE TABLE books (
  id TEXT PRIMARY KEY NOT NULL,
  title TEXT NOT NULL DEFAULT 'Untitled' CHECK (title <> ''),
  author INTEGER NOT NULL REFERENCES authors (id) ON DELETE CASCADE
);
CREATE INDEX idx_books_author ON books (author); -- the books of an author
""",
    "queries/common.sql": "-- All books.\n-- By title.\nSELECT title, author FROM books ORDER BY title;\n",
    "reference.yml": """\
title: Library
tables:
  books: {application_name: bookList, rows: 1200}
relations:
  - {from: books.title, to: authors.name, meaning: told for the test}
""",
}


def pages(folder: Path, **changed: str) -> dict[str, str]:
    return render_pages(write_project(folder / "schema", COMMENTED, **changed))


def test_a_page_tells_all_of_a_table(tmp_path: Path) -> None:
    page = pages(tmp_path)["tables.md"]
    assert "# Tables\n\nBooks: and those who write them." in page
    assert "## books\n\nWhat is written.\n\nIn the application: `bookList` · about 1,200 rows" in page
    assert "| `name` | `TEXT` | NOT NULL; UNIQUE |  | as it stands \\| on the cover |" in page
    assert "| `author` | `INTEGER` | NOT NULL; → [`authors`](tables.md#authors) |" in page
    assert "| `title` | `TEXT` | NOT NULL | `'Untitled'` |" in page
    assert "- CHECK (`title <> ''`)" in page
    assert '`profile`: object {born}\n\n```json\n{"born": 1815}\n```' in page
    assert "| `idx_books_author` | `author` |  | the books of an author |" in page
    assert "- `author` → [`authors`](tables.md#authors) `id`, on delete CASCADE, on update NO ACTION" in page
    assert "**Referred to by**\n\n- [`books`](tables.md#books) `author`, on delete CASCADE" in page
    assert "- `trg_books_title`: AFTER UPDATE OF title" in page
    assert "`title` → [`authors`](tables.md#authors) `name`, without a foreign key: told for the test" in page


def test_the_index_counts_draws_and_leads_to_every_page(tmp_path: Path) -> None:
    found = pages(tmp_path)
    index = found["README.md"]
    assert "# Library 1.0.0: the schema" in index
    assert "| **all** | 2 | 6 | 1 | 1 | 2 | 4 | 1 | 1 | 1 |" in index
    assert '"authors" ||--o{ "books" : "author"' in index
    assert '"authors" |o..o{ "books" : "title"' in index
    assert set(found) == {"README.md", "tables.md", "views.md", "queries.md"}
    assert all(f"]({name}" in index for name in found if name != "README.md")


def test_views_are_shown_with_their_columns(tmp_path: Path) -> None:
    assert "| `title` | `TEXT` |\n| `name` | `TEXT` |" in pages(tmp_path)["views.md"]


def test_queries_are_shown_with_what_they_found_and_how(tmp_path: Path) -> None:
    page = pages(tmp_path)["queries.md"]
    assert "### All books\n\nBy title.\n\n```sql\nSELECT title, author FROM books ORDER BY title;\n```" in page
    assert "| `title` | `author` |\n| --- | --- |\n| Compilers | 2 |\n| Notes | 1 |" in page
    assert "SCAN books\nUSE TEMP B-TREE FOR ORDER BY" in page


@pytest.mark.parametrize(
    ("query", "place", "reason"),
    [
        ("-- One\n\nSELECT 1;\nSELECT *\nFROM nowhere;", "5", "no such table: nowhere"),
        ("DELETE FROM books;", "1:1", "A query file cannot hold DELETE"),
        ("SELECT 'a;", "1:8", "is not closed"),
        ("SELECT 1;\n SELEKT 2;", "2:2", 'near "SELEKT": syntax error'),
    ],
)
def test_a_query_that_cannot_be_run_fails_at_its_line(tmp_path: Path, query: str, place: str, reason: str) -> None:
    with pytest.raises(ProjectError, match=reason) as caught:
        pages(tmp_path, common=query)
    assert str(caught.value.place).endswith(f"schema/queries/common.sql:{place}")


def test_statements_in_wrong_files_are_reported_at_once_for_schema_files_scripts_and_queries(tmp_path: Path) -> None:
    files = {
        **SMALL,
        "tables.sql": f"{SMALL['tables.sql']}INSERT INTO books DEFAULT VALUES;\n",
        "scripts/one.sql": "-- @run before\nSELECT 1;\nDROP TABLE books;\n",
        "scripts/two.sql": "-- @run after\nALTER TABLE books RENAME TO novels;\n",
        "queries/common.sql": "SELECT 1;\nCREATE VIEW v AS SELECT 1;\nEXPLAIN SELECT 2;\n",
        "queries/more.sql": "UPDATE books SET title = '';\n",
    }
    with pytest.raises(ProjectError) as caught:
        generate_docs(write_folder(tmp_path / "schema", files), tmp_path / "docs", check=False)
    found = [(str(cause.place).rpartition("schema/")[2], cause.message) for cause in caught.value.causes]
    last_line = files["tables.sql"].count("\n")
    assert [place for place, _ in found] == [
        f"tables.sql:{last_line}:1",
        "scripts/one.sql:2:1",
        "scripts/one.sql:3:1",
        "scripts/two.sql:2:1",
        "queries/common.sql:2:1",
        "queries/common.sql:3:1",
        "queries/more.sql:1:1",
    ]
    assert [message.partition(":")[0] for _, message in found] == [
        "INSERT",
        "SELECT in a script",
        "DROP TABLE in a script",
        "ALTER in a script",
        "CREATE VIEW in a query file",
        "EXPLAIN in a query file",
        "UPDATE in a query file",
    ]
    assert not (tmp_path / "docs").exists()


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("queries/more/one.sql", "only files directly in `queries/` are read"),
        ("Reference.yml", "its name has to be reference.yml"),
        ("reference.yaml", "its name has to be reference.yml"),
    ],
)
def test_file_of_the_documentation_that_would_not_be_read_is_an_error(tmp_path: Path, file: str, message: str) -> None:
    with pytest.raises(ProjectError, match=re.escape(message)):
        render_pages(write_project(tmp_path / "schema", {**SMALL, file: ""}))


def test_query_file_may_have_any_case_of_its_ending(tmp_path: Path) -> None:
    files = {**SMALL, "queries/MORE.SQL": "-- One.\nSELECT 1 AS found;\n", "queries/notes.md": ""}
    assert "found" in render_pages(write_project(tmp_path / "schema", files))["queries.md"]


@pytest.mark.parametrize(
    ("notes", "line", "reason"),
    [
        ("title: x\ntables:\n  nowhere: {rows: 1}\n", 3, "does not define nowhere"),
        ("tables:\n  '': {rows: 1}\n", 2, r"does not define a table without a name\."),
        ("relations:\n  - {from: books.id, to: '', meaning: x}\n", 2, r"does not define a table without a name\."),
        ("tables:\n  authors: {examples: {a.b: 1}}\n", 2, 'does not define authors."a.b"'),
        ("relations:\n  - {from: '\"books\"?title', to: authors.id, meaning: x}\n", 2, "does not define"),
        ("relations:\n  - {from: books.no, to: authors.id, meaning: x}\n", 2, "does not define books.no"),
        (
            "tables:\n  books: {row: 1}\n",
            2,
            "unknown key `tables.books.row`; known here: application_name, rows, examples",
        ),
    ],
)
def test_notes_about_what_there_is_not_are_refused(tmp_path: Path, notes: str, line: int, reason: str) -> None:
    with pytest.raises(ProjectError, match=reason) as caught:
        pages(tmp_path, reference=notes)
    assert caught.value.code is ErrorCode.MANIFEST_INVALID
    assert caught.value.place is not None
    assert caught.value.place.line == line


@pytest.mark.parametrize(
    ("notes", "lines"),
    [
        (
            "title: 1\ntables:\n  books: {row: 1, rows: -1}\nrelations:\n  - {from: books.title, to: 1}\n",
            [1, 3, 3, 5, 5],
        ),
        ("tables:\n  nowhere: {}\n  authors: {}\n  anywhere: {}\n", [2, 4]),
        ("tables:\n  nowhere: {examples: {a: 1}}\n  authors: {examples: {a: 1, b: 2}}\n", [2, 3, 3]),
    ],
)
def test_all_errors_of_the_notes_are_reported_at_once(tmp_path: Path, notes: str, lines: list[int]) -> None:
    with pytest.raises(ProjectError, match=r"The notes in reference\.yml cannot be used:\n") as caught:
        pages(tmp_path, reference=notes)
    assert [cause.place and cause.place.line for cause in caught.value.causes] == lines


def test_names_with_a_full_stop_have_notes_and_relations(tmp_path: Path) -> None:
    tables = COMMENTED["tables.sql"] + 'CREATE TABLE "old.books" (id INTEGER PRIMARY KEY, "sold.at" TEXT);'
    notes = """\
tables:
  old.books: {application_name: soldBooks}
relations:
  - {from: '"old.books"."sold.at"', to: authors.name, meaning: told for the test}
  - {from: books.title, to: '"old.books".id', meaning: told as well}
"""
    found = pages(tmp_path, tables=tables, reference=notes)
    page = found["tables.md"]
    assert '"authors" |o..o{ "old.books" : "sold.at"' in found["README.md"]
    assert '"old.books" |o..o{ "books" : "title"' in found["README.md"]
    assert "In the application: `soldBooks`" in page
    assert "`sold.at` → [`authors`](tables.md#authors) `name`, without a foreign key: told for the test" in page
    assert "[`books`](tables.md#books) `title`, without a foreign key: told as well" in page


UNUSUAL = """\
CREATE TABLE readings (
  room TEXT COLLATE NOCASE,
  taken INTEGER,
  celsius REAL,
  kelvin REAL GENERATED ALWAYS AS (celsius + 273.15) STORED,
  label TEXT GENERATED ALWAYS AS (room || taken),
  PRIMARY KEY (room, taken DESC)
) WITHOUT ROWID;
-- Finds readings by text.
CREATE VIRTUAL TABLE search USING fts5 (room);
"""


def test_a_table_page_shows_collations_generated_columns_and_a_composite_key(tmp_path: Path) -> None:
    page = pages(tmp_path, tables=COMMENTED["tables.sql"] + UNUSUAL)["tables.md"]
    assert "| `room` | `TEXT` | in the primary key; NOT NULL; COLLATE `NOCASE` |" in page
    assert "| `taken` | `INTEGER` | in the primary key; NOT NULL |" in page
    assert "| `kelvin` | `REAL` | stored `celsius + 273.15` |" in page
    assert r"| `label` | `TEXT` | computed `room \|\| taken` |" in page
    assert "- primary key (`room`, `taken` descending)\n- WITHOUT ROWID" in page


CAMEL_CASE = """\
-------------------------------------------
-- People
-------------------------------------------
CREATE TABLE Person (
  personId INTEGER NOT NULL PRIMARY KEY,
  -- ===== Names =====
  fullName TEXT NOT NULL DEFAULT (Upper('x')),
  UNIQUE (FULLNAME, "personId")
);
/******************
 * Animals
 ******************/
-- One row for each animal.
CREATE TABLE Pet (
  petId INTEGER PRIMARY KEY,
  ownerId INTEGER NOT NULL REFERENCES person (PERSONID),
  kindOf TEXT CHECK (kindOf != 'X' AND `petId` > 0),
  upperKind TEXT AS (upper(kindOf)),
  FOREIGN KEY (kindOf, ownerId) REFERENCES Person (fullName, personId)
);
CREATE INDEX petByOwner ON pet (OWNERID, kindOf DESC, lower(kindOf)) WHERE kindOf <> 'B';
CREATE TRIGGER petRenamed AFTER UPDATE OF KINDOF, ownerId ON Pet WHEN NEW.kindOf IS NOT NULL BEGIN SELECT 1; END;
"""


def test_pages_keep_the_case_of_names_as_tables_declare_them(tmp_path: Path) -> None:
    page = render_pages(write_project(tmp_path / "schema", {"tables.sql": CAMEL_CASE}))["tables.md"]
    for shown in (
        "- UNIQUE (`fullName`, `personId`)",
        "`Upper('x')`",
        "- CHECK (`kindOf != 'X' AND petId > 0`)",
        "computed `upper(kindOf)`",
        "`ownerId` → [`Person`](tables.md#person) `personId`",
        "`kindOf`, `ownerId` → [`Person`](tables.md#person) `fullName`, `personId`",
        "- [`Pet`](tables.md#pet) `ownerId`, on delete",
        "| `petByOwner` | `ownerId`, `kindOf` descending, `lower(kindOf)` | where `kindOf <> 'B'` |",
        "AFTER UPDATE OF kindOf, ownerId when `NEW.kindOf IS NOT NULL`",
    ):
        assert shown in page
    assert not re.search("personid|fullname|ownerid|kindof|petid", page, re.ASCII)


def test_banner_is_no_description(tmp_path: Path) -> None:
    page = render_pages(write_project(tmp_path / "schema", {"tables.sql": CAMEL_CASE}))["tables.md"]
    assert "## Person\n\n| Column |" in page
    assert "## Pet\n\nOne row for each animal.\n\n| Column |" in page
    assert not any(word in page for word in ("People", "Animals", "Names", "-----", "====", "****"))


def test_a_virtual_table_is_shown_by_its_statement(tmp_path: Path) -> None:
    found = pages(tmp_path, tables=COMMENTED["tables.sql"] + UNUSUAL)
    statement = "```sql\nCREATE VIRTUAL TABLE search USING fts5 (room)\n```"
    assert f"## search\n\nFinds readings by text.\n\n{statement}" in found["tables.md"]
    assert "| [`search`](tables.md#search) |" in found["README.md"]
    assert "| **all** | 4 | 11 | 1 | 1 | 3 | 6 | 1 | 1 | 1 |" in found["README.md"]


def test_a_check_outside_a_table_keeps_its_operators(tmp_path: Path) -> None:
    check = "CREATE TABLE pairs (a TEXT, b TEXT, CHECK (a || b <> ''));"
    assert "- CHECK (`a || b <> ''`)" in pages(tmp_path, tables=COMMENTED["tables.sql"] + check)["tables.md"]


def test_query_results_show_null_and_the_size_of_a_blob(tmp_path: Path) -> None:
    query = "-- Unusual values\nSELECT NULL AS missing, x'0102ff' AS bytes, 'a | b' AS text;\nSELECT 1 WHERE 0;\n"
    page = pages(tmp_path, common=query)["queries.md"]
    assert "| `missing` | `bytes` | `text` |\n| --- | --- | --- |\n| NULL | 3 bytes | a \\| b |" in page
    assert "### Line 3\n\n```sql\nSELECT 1 WHERE 0;\n```\n\nNo rows." in page


def test_check_tells_of_stale_pages_and_writes_none(tmp_path: Path) -> None:
    write_project(tmp_path / "schema", COMMENTED)
    output = tmp_path / "pages"
    assert generate_docs(tmp_path / "schema", output, check=True).status is Status.STALE
    assert not output.exists()
    assert len(generate_docs(tmp_path / "schema", output, check=False).steps) == 4
    assert generate_docs(tmp_path / "schema", output, check=True).status is Status.DOCUMENTED
    (output / "tables.md").write_text("old", encoding="utf-8")
    stale = generate_docs(tmp_path / "schema", output, check=True)
    assert [Path(step.object).name for step in stale.steps] == ["tables.md"]


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("kind", ["link", "dangling link", "device", "pipe"])
def test_page_that_is_no_regular_file_is_neither_read_nor_written(tmp_path: Path, kind: str, check: bool) -> None:
    write_project(tmp_path / "schema", COMMENTED)
    (tmp_path / "victim.txt").write_text("precious")
    page = tmp_path / "pages" / "README.md"
    page.parent.mkdir()
    if kind == "pipe":
        os.mkfifo(page)
    else:
        page.symlink_to({"link": "../victim.txt", "dangling link": "../missing.txt", "device": "/dev/zero"}[kind])
    with pytest.raises(InputError, match=r"README\.md` is neither read nor written: it is ") as caught:
        generate_docs(tmp_path / "schema", page.parent, check=check)
    assert caught.value.exit_code == 2
    assert (tmp_path / "victim.txt").read_text() == "precious"
    assert not (tmp_path / "missing.txt").exists()


@pytest.mark.parametrize("output", ["docs/schema", "docs/../docs/schema", "link", "link/deeper"])
@pytest.mark.parametrize("absolute", [False, True])
def test_folder_for_pages_behind_a_link_of_the_repository_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, absolute: bool
) -> None:
    repository, outside = tmp_path / "repository", tmp_path / "outside"
    write_project(repository / "schema", COMMENTED)
    outside.mkdir()
    (repository / "docs").symlink_to(outside)
    (repository / "link").symlink_to("docs")
    monkeypatch.chdir(repository)
    with pytest.raises(InputError, match="it is a link"):
        generate_docs(Path("schema"), repository / output if absolute else Path(output), check=False)
    assert not list(outside.iterdir())


def test_two_files_never_make_one_page(tmp_path: Path) -> None:
    names = ("a/b", "a-b", "A-b", "a-B-2", "readme", "queries", "\u00e9", "e\u0301")
    sql = {f"{name}.sql": f"CREATE TABLE t{number} (a);" for number, name in enumerate(names)}
    project = write_project(tmp_path / "schema", {**sql, "queries/q.sql": "SELECT 1;"})
    found = render_pages(project)
    assert len({unicodedata.normalize("NFC", name.casefold()) for name in found}) == len(names) + 2
    text = {name: page for name, page in found.items() if name not in ("README.md", "queries.md")}
    for number in range(len(names)):
        [page] = [name for name, each in text.items() if f"## t{number}\n" in each]
        assert f"]({page}#t{number})" in found["README.md"]


def test_what_the_manifest_expects_is_held_against_the_folder(tmp_path: Path) -> None:
    write_project(tmp_path / "schema", manifest="expect: {tables: 2, views: 4}\n")
    counts = generate_docs(tmp_path / "schema", tmp_path / "pages", check=False).counts
    assert counts["tables"] == CountLine("2", 2)
    assert counts["views"] == CountLine("4", 1, ok=False)
    assert counts["triggers"] == CountLine(None, 1)


def test_a_plan_that_another_sqlite_words_otherwise_makes_no_page_stale(tmp_path: Path) -> None:
    write_project(tmp_path / "schema", COMMENTED)
    output = tmp_path / "pages"
    generate_docs(tmp_path / "schema", output, check=False)
    page = output / "queries.md"
    page.write_text(page.read_text(encoding="utf-8").replace("SCAN books", "SCAN TABLE books"), encoding="utf-8")
    assert generate_docs(tmp_path / "schema", output, check=True).status is Status.DOCUMENTED
    assert len(generate_docs(tmp_path / "schema", output, check=False).steps) == 1


def test_the_pages_of_this_repository_are_current() -> None:
    report = generate_docs(SHIPPED, ROOT / "docs/schema", check=True)
    assert [step.object for step in report.steps] == [], "run `turso-deploy docs`"


def test_every_json_column_of_this_repository_has_an_example() -> None:
    found = "\n".join(render_pages(shipped_project()).values())
    examples = found.split("```json\n")[1:]
    assert len(examples) == 28
    for example in examples:
        json.loads(example.partition("\n```")[0])
