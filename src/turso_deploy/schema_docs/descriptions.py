"""What the schema's files say about their objects: the comment of a file, of a statement, of a column."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from msgspec import Struct

from turso_deploy.project.sql_files import Source, read_sources
from turso_deploy.sql.comments import column_comments, documentation
from turso_deploy.sql.lexer import TokenKind, scan
from turso_deploy.sql.parser import parse_table
from turso_deploy.sql.schema import Schema, SchemaObject, Table
from turso_deploy.sql.splitter import comment_text, comments_directly_above


class Category(Struct, frozen=True):
    """One SQL file: its page and what it is about. `objects` are the kinds and folded names that it defines."""

    title: str
    page: str
    file: str
    """By the folder's own name: the pages are the same from wherever the folder is looked at."""
    meaning: str
    objects: tuple[tuple[str, str], ...]


class Meanings(Struct, frozen=True):
    """The files, and what each object and each column means, by kind and folded name."""

    categories: tuple[Category, ...]
    objects: Mapping[tuple[str, str], str]
    columns: Mapping[str, Mapping[str, str]]

    def of(self, item: SchemaObject) -> str:
        """What is said of an object; empty when nothing is."""
        return self.objects.get((item.kind, item.definition.name), "")

    def of_column(self, table: Table, column: str) -> str:
        """What is said of a column, by its folded name."""
        return self.columns.get(table.definition.name, {}).get(column, "")


def read_meanings(folder: Path, shown: str, schema: Schema) -> Meanings:
    """Read the comments of a schema folder that was loaded without complaint."""
    by_file: dict[str, list[Source]] = {}
    for source in read_sources(folder, shown):
        by_file.setdefault(source.place.file, []).append(source)
    objects: dict[tuple[str, str], str] = {}
    columns: dict[str, Mapping[str, str]] = {}
    categories = []
    for file, sources in sorted(by_file.items()):
        relative = PurePosixPath(file.removeprefix(f"{shown}/"))
        text = (folder / relative).read_bytes().decode("utf-8-sig")
        for source in sources:
            above = documentation(source.statement.comments)
            objects[source.key] = _joined(above) or _behind(text, source.statement.offset + len(source.statement.text))
            kind, name = source.key
            if kind == "table" and name in schema.tables:
                found = column_comments(source.statement.text, parse_table(source.statement.text))
                columns[name] = {column: _joined(documentation(texts)) for column, texts in found.items()}
        stem = relative.with_suffix("").as_posix().replace("/", "-")
        title = " ".join(word[:1].upper() + word[1:] for word in stem.replace("_", "-").split("-"))
        keys = tuple(source.key for source in sources)
        named = f"{folder.resolve().name}/{relative}"
        categories.append(Category(title, f"{stem.lower()}.md", named, _heading(text, sources), keys))
    return Meanings(tuple(categories), objects, columns)


def _heading(text: str, sources: list[Source]) -> str:
    """The comment that a file begins with, when it is not that of the first statement."""
    first = min(source.statement.offset for source in sources)
    comments = [token for token in scan(text[:first]) if token.kind is TokenKind.COMMENT]
    near = comments_directly_above(text, comments, first)
    own = comments[: len(comments) - len(near)]
    return "\n".join(comment_text(comment) for comment in own).strip()


def _behind(text: str, end: int) -> str:
    """The comment behind a statement, on the line where it ends."""
    line = text[end:].partition("\n")[0].strip().removeprefix(";").strip()
    return line.removeprefix("--").strip() if line.startswith("--") else ""


def _joined(text: str) -> str:
    return " ".join(text.split())
