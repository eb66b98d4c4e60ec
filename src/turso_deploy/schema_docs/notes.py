"""What the reference says that SQL cannot: `reference.yml` of the schema folder, where there is one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from turso_deploy.core.errors import ErrorCode, Place, ProjectError
from turso_deploy.core.validation import ValidationError, validate
from turso_deploy.core.yaml_reader import YamlTextError, read_yaml
from turso_deploy.sql.lexer import column_title, fold_case, read_column_title
from turso_deploy.sql.schema import Schema

NOTES_NAME = "reference.yml"
_LONGEST_LINE = 100

RowCount = Annotated[int, Meta(ge=0)]


class TableNotes(Struct, frozen=True, forbid_unknown_fields=True):
    """A table as its application sees it."""

    application_name: Annotated[str | None, Meta(description="Its name in the application's code.")] = None
    rows: Annotated[RowCount | None, Meta(description="About how many rows it has in production.")] = None
    examples: Annotated[dict[str, Any], Meta(description="A value of each JSON column that no seed fills.")] = {}


class LogicalRelation(Struct, frozen=True, forbid_unknown_fields=True):
    """A reference that no foreign key enforces."""

    child: Annotated[str, Meta(description="The column that refers, as `table.column`.")] = field(name="from")
    parent: Annotated[str, Meta(description="What it refers to, as `table.column`.")] = field(name="to")
    meaning: Annotated[str, Meta(description="How the two belong together.")]


class Notes(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in the file."""

    title: Annotated[str | None, Meta(description="The name of the schema.")] = None
    tables: dict[str, TableNotes] = {}
    relations: tuple[LogicalRelation, ...] = ()

    def of(self, table: str) -> TableNotes:
        """What is noted about a table, by its folded name."""
        return next((notes for name, notes in self.tables.items() if fold_case(name) == table), TableNotes())


def load_notes(folder: Path, shown: str, schema: Schema) -> Notes:
    """Read the notes; a folder without them has none. Raises ProjectError with file and line of what is wrong."""
    path, place = folder / NOTES_NAME, Place(f"{shown}/{NOTES_NAME}")
    if not path.exists():
        return Notes()
    try:
        document = read_yaml(path.read_text(encoding="utf-8-sig"), NOTES_NAME)
        notes = validate({} if document.value is None else document.value, Notes)
    except OSError as error:
        raise _invalid(f"the file cannot be read ({os.strerror(error.errno or 0)})", place) from None
    except UnicodeDecodeError:
        raise _invalid("the file is not UTF-8 text", place) from None
    except YamlTextError as error:
        raise _invalid(error.message, Place(place.file, error.line, error.column)) from None
    except ValidationError as error:
        first = error.issues[0]
        raise _invalid(first.message, Place(place.file, document.line_of(first.path))) from None
    for at, unknown in _unknown_names(notes, schema):
        raise _invalid(f"{unknown} is in no file", Place(place.file, document.line_of(at)))
    return notes


def _unknown_names(notes: Notes, schema: Schema) -> list[tuple[tuple[str | int, ...], str]]:
    """Notes about what there is not: they would be told to nobody."""
    names: list[tuple[tuple[str | int, ...], str, str]] = []
    for table, described in notes.tables.items():
        names.append((("tables", table), table, ""))
        names += [(("tables", table, "examples", column), table, column) for column in described.examples]
    for number, relation in enumerate(notes.relations):
        for key, end in (("from", relation.child), ("to", relation.parent)):
            names.append((("relations", number, key), *read_column_title(end)))
    unknown = [(at, table, column) for at, table, column in names if not _is_known(table, column, schema)]
    return [(at, column_title(table, column) if column else table) for at, table, column in unknown]


def _is_known(table_name: str, column: str, schema: Schema) -> bool:
    if not column:
        return fold_case(table_name) in schema.all_tables
    table = schema.tables.get(fold_case(table_name))
    return table is not None and fold_case(column) in table.definition.by_name


def as_json(value: Any) -> str:
    """A value as JSON that is easy to read: on one line where that is short."""
    line = json.dumps(value, ensure_ascii=False)
    return line if len(line) <= _LONGEST_LINE else json.dumps(value, ensure_ascii=False, indent=2)


def _invalid(message: str, place: Place) -> ProjectError:
    return ProjectError(
        ErrorCode.MANIFEST_INVALID,
        f"The notes of the reference cannot be used: {message}.",
        hint=f"docs/guides/schema-documentation.md of turso-deploy describes {NOTES_NAME}.",
        place=place,
    )
