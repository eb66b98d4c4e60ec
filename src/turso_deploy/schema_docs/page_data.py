"""The data of documentation pages: categories, descriptions, notes and query results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from turso_deploy.report.markdown import anchor, page_code
from turso_deploy.schema_docs.notes import Notes
from turso_deploy.sql.lexer import as_written
from turso_deploy.sql.schema import Schema, SchemaObject, Table

INDEX = "README.md"
"""Name of the page that leads to all others."""
QUERIES = "queries.md"
"""Name of the page with the common queries."""


class Category(NamedTuple):
    """One SQL file and its page. `objects` are the kinds and folded names of the objects that it defines."""

    title: str
    page: str
    file: str
    """Path that begins with the name of the folder, so that pages do not depend on the working folder."""
    description: str
    objects: tuple[tuple[str, str], ...]


class Descriptions(NamedTuple):
    """The categories, and the descriptions of objects and columns by kind and folded name."""

    categories: tuple[Category, ...]
    objects: Mapping[tuple[str, str], str]
    columns: Mapping[str, Mapping[str, str]]

    def of(self, item: SchemaObject) -> str:
        """Return the description of an object, or an empty text."""
        return self.objects.get((item.kind, item.definition.name), "")

    def of_column(self, table: Table, column: str) -> str:
        """Return the description of a column by its folded name, or an empty text."""
        return self.columns.get(table.definition.name, {}).get(column, "")


class QueryResult(NamedTuple):
    """A documented query with its result and its query plan."""

    title: str
    meaning: str
    sql: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    plan: tuple[str, ...]


class PageData(NamedTuple):
    """The data of all pages, by folded names.

    `json_columns` has the columns of each table, `examples` a JSON text by table and column, `pages` the page of each
    object.
    """

    title: str
    version: str | None
    schema: Schema
    descriptions: Descriptions
    notes: Notes
    json_columns: Mapping[str, Sequence[str]]
    examples: Mapping[tuple[str, str], str]
    pages: Mapping[tuple[str, str], str]

    def link(self, item: str) -> str:
        """Return a link to a table by its folded name, or only the name if no page describes it."""
        known = self.schema.all_tables.get(item)
        name = known.name if known else as_written(item)
        return f"[{page_code(name)}]({self.pages['table', item]}#{anchor(name)})" if known else page_code(name)
