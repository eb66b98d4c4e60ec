"""Load `reference.yml`, an optional file of the schema folder with notes that SQL cannot hold."""

from __future__ import annotations

import json
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from turso_deploy.core.errors import ErrorCode, Place, ProjectError
from turso_deploy.core.schema_folder import SchemaFileError, SchemaFolder
from turso_deploy.core.validation import ValidationError, validate
from turso_deploy.core.yaml_reader import YamlTextError, read_yaml
from turso_deploy.sql.lexer import column_title, fold_case, read_column_title
from turso_deploy.sql.schema import Schema

NOTES_NAME = "reference.yml"
_MAX_LINE = 100

RowCount = Annotated[int, Meta(ge=0)]


class TableNotes(Struct, frozen=True, forbid_unknown_fields=True):
    """Notes about one table."""

    application_name: Annotated[str | None, Meta(description="Its name in the application's code.")] = None
    rows: Annotated[RowCount | None, Meta(description="Approximate number of rows in production.")] = None
    examples: Annotated[dict[str, Any], Meta(description="A value of each JSON column without seeds.")] = {}


class LogicalRelation(Struct, frozen=True, forbid_unknown_fields=True):
    """A reference between columns without a foreign key."""

    child: Annotated[str, Meta(description="The referring column, as `table.column`.")] = field(name="from")
    parent: Annotated[str, Meta(description="The column that it refers to, as `table.column`.")] = field(name="to")
    meaning: Annotated[str, Meta(description="The meaning of the relation.")]


class Notes(Struct, frozen=True, forbid_unknown_fields=True):
    """The content of the file."""

    title: Annotated[str | None, Meta(description="The name of the schema.")] = None
    tables: dict[str, TableNotes] = {}
    relations: tuple[LogicalRelation, ...] = ()

    def of(self, table: str) -> TableNotes:
        """Return the notes about a table, by its folded name."""
        return next((notes for name, notes in self.tables.items() if fold_case(name) == table), TableNotes())


def load_notes(folder: SchemaFolder, schema: Schema) -> Notes:
    """Read the notes of a schema folder; without the file they are empty. Raises ProjectError with file and line."""
    if not folder.has(NOTES_NAME):
        return Notes()
    try:
        document = read_yaml(folder.read_text(NOTES_NAME), NOTES_NAME)
        notes = validate({} if document.value is None else document.value, Notes)
    except SchemaFileError as error:
        raise _invalid(error.reason, error.place, error.hint) from None
    except YamlTextError as error:
        raise _invalid(error.message, folder.place(NOTES_NAME, error.line, error.column)) from None
    except ValidationError as error:
        first = error.issues[0]
        raise _invalid(first.message, folder.place(NOTES_NAME, document.line_of(first.path))) from None
    for key, name in _unknown_names(notes, schema):
        raise _invalid(f"the schema folder does not define {name}", folder.place(NOTES_NAME, document.line_of(key)))
    return notes


def _unknown_names(notes: Notes, schema: Schema) -> list[tuple[tuple[str | int, ...], str]]:
    """Return the keys of notes about undefined tables and columns, which no page would show, and those names."""
    names: list[tuple[tuple[str | int, ...], str, str]] = []
    for table, table_notes in notes.tables.items():
        names.append((("tables", table), table, ""))
        names += [(("tables", table, "examples", column), table, column) for column in table_notes.examples]
    for number, relation in enumerate(notes.relations):
        for end, column in (("from", relation.child), ("to", relation.parent)):
            names.append((("relations", number, end), *read_column_title(column)))
    unknown = [(key, table, column) for key, table, column in names if not _is_known(table, column, schema)]
    return [(key, column_title(table, column) if column else table) for key, table, column in unknown]


def _is_known(table_name: str, column: str, schema: Schema) -> bool:
    if not column:
        return fold_case(table_name) in schema.all_tables
    table = schema.tables.get(fold_case(table_name))
    return table is not None and fold_case(column) in table.definition.by_name


def as_json(value: Any) -> str:
    """Return a value as legible JSON: on one line if it is short."""
    line = json.dumps(value, ensure_ascii=False)
    return line if len(line) <= _MAX_LINE else json.dumps(value, ensure_ascii=False, indent=2)


_HINT = f"docs/guides/schema-documentation.md of turso-deploy describes {NOTES_NAME}."


def _invalid(message: str, place: Place, hint: str = _HINT) -> ProjectError:
    return ProjectError(
        ErrorCode.MANIFEST_INVALID,
        f"The notes in {NOTES_NAME} cannot be used: {message}.",
        hint=hint,
        place=place,
    )
