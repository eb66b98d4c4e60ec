"""The schema folder as a whole: the wanted schema, the manifest, the seeds, each tried before any request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from turso_deploy.errors import ErrorCode, Place, ProjectError
from turso_deploy.schema.catalog import read_catalog
from turso_deploy.schema.manifest import MANIFEST_NAME, Manifest, load_manifest
from turso_deploy.schema.model import Schema
from turso_deploy.schema.references import refuse_broken_references
from turso_deploy.schema.scratch import Scratch, ScratchError
from turso_deploy.schema.seed_rehearsal import rehearse_seeds
from turso_deploy.schema.seeds import SeedTable, load_seeds
from turso_deploy.schema.sources import Source, read_sources
from turso_deploy.sql.ddl import TableDefinition
from turso_deploy.sql.lexer import fold, position


@dataclass(frozen=True, slots=True)
class Project:
    """What a repository wants of a database. It is loaded once and never changes; many databases may be brought to it.

    `rehearsed` is the scratch database in which the wanted schema and the seeds stand.
    """

    folder: str
    manifest: Manifest
    wanted: Schema
    seeds: tuple[SeedTable, ...]
    rehearsed: Scratch

    @property
    def manifest_place(self) -> Place:
        """Where the manifest stands, for messages."""
        return Place(f"{self.folder}/{MANIFEST_NAME}")


def load_project(folder: Path) -> Project:
    """Read the schema folder and try everything in it. Raises ProjectError with the file and line of what is wrong."""
    shown = PurePath(folder).as_posix()
    sources = read_sources(folder, shown)
    manifest = load_manifest(folder, shown)
    scratch = Scratch()
    for source in sources:
        _define(source, scratch)
    places = {source.key: source.place for source in sources}
    wanted = read_catalog(scratch.rows(), scratch.shadows(), manifest.ignore, places).schema
    _refuse_ignored_definitions(sources, wanted)
    refuse_broken_references(wanted, scratch)
    _refuse_unknown_names(manifest, wanted, Place(f"{shown}/{MANIFEST_NAME}"))
    seeds = load_seeds(folder, shown, wanted)
    rehearse_seeds(seeds, wanted, scratch.connection)
    return Project(shown, manifest, wanted, seeds, scratch)


def _define(source: Source, scratch: Scratch) -> None:
    """Run one definition in the scratch database."""
    statement, place = source.statement, source.place
    try:
        scratch.run(statement.text)
    except ScratchError as error:
        if error.offset is not None and place.line is not None:
            line, column = position(statement.text, error.offset)
            column += (place.column or 1) - 1 if line == 1 else 0
            place = Place(place.file, place.line + line - 1, column)
        code = ErrorCode.SQL_SYNTAX if _is_syntax(error.message) else _code_of(error.message)
        raise ProjectError(
            code,
            f"SQLite does not accept this definition: {error.message}.",
            hint="Correct the statement here.",
            place=place,
        ) from None


def _is_syntax(message: str) -> bool:
    return message.startswith(("near ", "incomplete input", "unrecognized token"))


def _code_of(message: str) -> ErrorCode:
    return ErrorCode.MISSING_REFERENCE if message.startswith("no such") else ErrorCode.SQL_INVALID


def _refuse_ignored_definitions(sources: list[Source], wanted: Schema) -> None:
    """A definition that is internal, or that `ignore:` covers, would never be compared: nobody means that."""
    known = {(item.kind, fold(item.name)) for item in wanted.objects()}
    for source in sources:
        if source.key not in known:
            raise ProjectError(
                ErrorCode.SQL_INVALID,
                f"{source.key[0]} {source.description.name} would never be deployed: its name is reserved, or a "
                "pattern under `ignore:` in the manifest matches it.",
                hint="Rename the object, or narrow the pattern.",
                place=source.place,
            )


def _refuse_unknown_names(manifest: Manifest, wanted: Schema, place: Place) -> None:
    """The manifest's row bounds and JSON columns have to be about tables and columns that the schema defines."""
    for key, name in _unknown_names(manifest, wanted):
        raise ProjectError(
            ErrorCode.MANIFEST_INVALID,
            f"The manifest cannot be used: `{key}` names {name}, which no file defines.",
            hint="Correct the name, or define the object.",
            place=place,
        )


def _unknown_names(manifest: Manifest, wanted: Schema) -> Iterator[tuple[str, str]]:
    for name in manifest.rows:
        if fold(name) not in wanted.tables:
            yield "rows", f"the table {name}"
    for name, columns in manifest.json_columns.items():
        table = wanted.tables.get(fold(name))
        if table is None or not isinstance(table.definition, TableDefinition):
            yield "json_columns", f"the table {name}"
            continue
        for column in columns:
            if fold(column) not in table.definition.by_name:
                yield "json_columns", f"the column {name}.{column}"
