"""Read the descriptions of files, objects and columns from the SQL comments of the schema folder."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from itertools import chain, count
from pathlib import PurePosixPath

from turso_deploy.catalog.sources import Source
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.core.text import capitalized
from turso_deploy.project.sql_files import read_sources
from turso_deploy.schema_docs.page_data import INDEX, QUERIES, Category, Descriptions
from turso_deploy.sql.comments import column_comments, description, documentation, plain
from turso_deploy.sql.lexer import TokenKind, scan
from turso_deploy.sql.parser import parse_table
from turso_deploy.sql.schema import Schema, key_of
from turso_deploy.sql.splitter import Comment, comments_directly_above


def read_descriptions(folder: SchemaFolder, schema: Schema) -> Descriptions:
    """Read the comments of a schema folder that was loaded before, except those of ignored definitions."""
    known = {key_of(item) for item in schema.objects()}
    by_file: dict[str, list[Source]] = {}
    for source in read_sources(folder).definitions:
        by_file.setdefault(source.place.file, []).append(source)
    objects: dict[tuple[str, str], str] = {}
    columns: dict[str, Mapping[str, str]] = {}
    categories = []
    taken = {_page_key(INDEX), _page_key(QUERIES)}
    for file, sources in sorted(by_file.items()):
        path = PurePosixPath(file.removeprefix(f"{folder.shown}/"))
        text = folder.read_text(path.as_posix())
        for source in sources:
            above = description(source.statement.comments)
            end = source.statement.offset + len(source.statement.text)
            objects[source.key] = _one_line(above) or _comment_after(text, end)
            kind, name = source.key
            if kind == "table" and name in schema.tables:
                found = column_comments(source.statement.text, parse_table(source.statement.text))
                columns[name] = {column: _one_line(description(comments)) for column, comments in found.items()}
        stem = path.with_suffix("").as_posix().replace("/", "-")
        title = " ".join(map(capitalized, stem.replace("_", "-").split("-")))
        keys = tuple(source.key for source in sources if source.key in known)
        if not keys:
            continue
        shown = f"{folder.path.resolve().name}/{path}"
        page = _free_page(stem.lower(), taken)
        categories.append(Category(title, page, shown, _file_comment(text, sources), keys))
    return Descriptions(tuple(categories), objects, columns)


def _free_page(stem: str, taken: set[str]) -> str:
    """Return a name for a page that no other page has on any file system, and add it to `taken`."""
    candidates = chain([f"{stem}.md"], (f"{stem}-{number}.md" for number in count(2)))
    page = next(name for name in candidates if _page_key(name) not in taken)
    taken.add(_page_key(page))
    return page


def _page_key(name: str) -> str:
    """Return what two names have in common that are one on a file system which ignores case, or normalizes names."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _file_comment(text: str, sources: list[Source]) -> str:
    """Return the comment at the beginning of a file, without the one directly above the first statement."""
    first = min(source.statement.offset for source in sources)
    comments = [token for token in scan(text[:first]) if token.kind is TokenKind.COMMENT]
    of_statement = comments_directly_above(text, comments, first)
    of_file = comments[: len(comments) - len(of_statement)]
    return documentation(map(plain, of_file)).strip()


def _comment_after(text: str, end: int) -> str:
    """Return the comment after a statement, on the line on which it ends."""
    line = text[end:].partition("\n")[0].strip().removeprefix(";").strip()
    return description([Comment(line.removeprefix("--").strip(), 0)]) if line.startswith("--") else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
