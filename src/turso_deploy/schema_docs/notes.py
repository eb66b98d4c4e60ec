"""Load `reference.yml`, an optional file of the schema folder with notes that SQL cannot hold."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, Field

from turso_deploy.core.documents import Document
from turso_deploy.core.errors import Cause
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.sql.lexer import column_title, fold_case, read_column_title
from turso_deploy.sql.schema import Schema

NOTES_NAME = "reference.yml"
_MAX_LINE = 100


class TableNotes(BaseModel, frozen=True, extra="forbid", strict=True):
    """Notes about one table."""

    application_name: str | None = Field(default=None, description="Its name in the application's code.")
    rows: int | None = Field(default=None, ge=0, description="Approximate number of rows in production.")
    examples: dict[str, Any] = Field(default={}, description="A value of each JSON column without seeds.")


class LogicalRelation(BaseModel, frozen=True, extra="forbid", strict=True):
    """A reference between columns without a foreign key."""

    child: str = Field(alias="from", description="The referring column, as `table.column`.")
    parent: str = Field(alias="to", description="The column that it refers to, as `table.column`.")
    meaning: str = Field(description="The meaning of the relation.")


class Notes(BaseModel, frozen=True, extra="forbid", strict=True):
    """The content of the file."""

    title: str | None = Field(default=None, description="The name of the schema.")
    tables: dict[str, TableNotes] = {}
    relations: tuple[LogicalRelation, ...] = Field(default=(), strict=False)

    def of(self, table: str) -> TableNotes:
        """Return the notes about a table, by its folded name."""
        return next((notes for name, notes in self.tables.items() if fold_case(name) == table), TableNotes())


_DOCUMENT = Document(
    NOTES_NAME,
    f"The notes in {NOTES_NAME}",
    f"docs/guides/schema-documentation.md of turso-deploy describes {NOTES_NAME}.",
)


def load_notes(folder: SchemaFolder, schema: Schema) -> Notes:
    """Read the notes of a schema folder; without the file they are empty. Raises ProjectError for all errors."""
    if not folder.has(NOTES_NAME):
        _DOCUMENT.require_exact_name(folder)
        return Notes()
    notes = _DOCUMENT.load(folder, Notes)
    unknown = [
        Cause(f"the schema folder does not define {name}", _DOCUMENT.place(folder, path))
        for path, name in _unknown_names(notes, schema)
    ]
    if unknown:
        raise _DOCUMENT.error(unknown)
    return notes


def _unknown_names(notes: Notes, schema: Schema) -> list[tuple[tuple[str | int, ...], str]]:
    """Return the keys of notes about undefined tables and columns, which no page would show, and those names."""
    names: list[tuple[tuple[str | int, ...], str, str]] = []
    for table, table_notes in notes.tables.items():
        names.append((("tables", table), table, ""))
        if _is_known(table, "", schema):
            names += [(("tables", table, "examples", column), table, column) for column in table_notes.examples]
    for number, relation in enumerate(notes.relations):
        for end, column in (("from", relation.child), ("to", relation.parent)):
            names.append((("relations", number, end), *read_column_title(column)))
    unknown = [(key, table, column) for key, table, column in names if not _is_known(table, column, schema)]
    nameless = "a table without a name"
    return [(key, column_title(table, column) if column else table or nameless) for key, table, column in unknown]


def _is_known(table_name: str, column: str, schema: Schema) -> bool:
    if not column:
        return fold_case(table_name) in schema.all_tables
    table = schema.tables.get(fold_case(table_name))
    return table is not None and fold_case(column) in table.definition.by_name


def as_json(value: Any) -> str:
    """Return a value as legible JSON: on one line if it is short."""
    line = json.dumps(value, ensure_ascii=False)
    return line if len(line) <= _MAX_LINE else json.dumps(value, ensure_ascii=False, indent=2)
