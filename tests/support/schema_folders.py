"""Schema folders that a test writes, and the one that this repository ships."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Mapping
from pathlib import Path

from turso_deploy.project.loader import load_project
from turso_deploy.project.project import Project

SHIPPED = Path(__file__).parents[2] / "schema"

# A little of everything: a key that counts, a foreign key, an index, a view, a trigger, seeds, a bound, a JSON column.
SMALL = {
    "tables.sql": """\
CREATE TABLE authors (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  profile TEXT
);
CREATE TABLE books (
  id TEXT PRIMARY KEY NOT NULL,
  title TEXT NOT NULL,
  author INTEGER NOT NULL REFERENCES authors (id) ON DELETE CASCADE
);
CREATE INDEX idx_books_author ON books (author);
""",
    "views.sql": "CREATE VIEW v_books AS SELECT title, name FROM books JOIN authors ON authors.id = author;\n",
    "triggers.sql": """\
CREATE TRIGGER trg_books_title AFTER UPDATE OF title ON books BEGIN
  SELECT CASE WHEN new.title = '' THEN RAISE(ABORT, 'a book has a title') END;
END;
""",
    "seeds/authors.csv": 'id,name,profile\n1,Ada,"{""born"": 1815}"\n2,Grace,\n',
    "seeds/books.jsonl": """\
{"id": "b1", "title": "Notes", "author": 1}
{"id": "b2", "title": "Compilers", "author": 2}
""",
    "manifest.yml": """\
schema_version: 1.0.0
expect: {tables: 2, indexes: 1, views: 1, triggers: 1, foreign_keys: 1}
rows: {authors: ">=2", books: "2..4"}
json_columns: {authors: [profile]}
ignore: [other_*]
""",
}


def write_folder(folder: Path, files: Mapping[str, str]) -> Path:
    """Write a schema folder with these files, and delete what it held before."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def write_project(folder: Path, files: Mapping[str, str] = SMALL, **changed: str) -> Project:
    """Write these files and load them; `changed` replaces a file by its stem: `manifest="…"`, `authors="…"`."""
    return load_project(write_folder(folder, with_changes(files, **changed)))


def with_changes(files: Mapping[str, str], **changed: str) -> dict[str, str]:
    """Return the files, with another text for those that `changed` names by their stem."""
    stems = {Path(name).stem: name for name in files}
    return {**files, **{stems[stem]: text for stem, text in changed.items()}}


@functools.cache
def shipped_project() -> Project:
    """Load the project of this repository once for all databases, as a fleet would."""
    return load_project(SHIPPED)
