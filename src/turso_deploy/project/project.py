"""The schema folder as a whole: the wanted schema, the manifest, the seeds, each tried before any request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath

from msgspec import Struct

from turso_deploy.catalog.catalog import read_catalog
from turso_deploy.catalog.scratch import REFUSES_DOUBLE_QUOTED_TEXTS, Scratch, ScratchError, with_names_only
from turso_deploy.core.errors import Cause, ErrorCode, Place, ProjectError, listed
from turso_deploy.core.yaml_reader import Key
from turso_deploy.project.dangling_references import code_of, refuse_broken_references
from turso_deploy.project.directives import read_directives
from turso_deploy.project.manifest import MANIFEST_NAME, Manifest, load_manifest, place_in_manifest
from turso_deploy.project.scripts import Script, load_scripts
from turso_deploy.project.sql_files import Source, read_sources
from turso_deploy.seeds.simulation import rehearse_seeds
from turso_deploy.seeds.tables import SeedTable, load_seeds
from turso_deploy.sql.comments import TableDirectives
from turso_deploy.sql.lexer import column_title, fold_case
from turso_deploy.sql.schema import Schema, key_of
from turso_deploy.sql.statement_kinds import StatementKind


class Project(Struct, frozen=True):
    """What a repository wants of a database. It is loaded once and never changes; many databases may be brought to it.

    `rehearsed` is the scratch database in which the wanted schema and the seeds stand.
    """

    folder: str
    manifest: Manifest
    wanted: Schema
    directives: Mapping[str, TableDirectives]
    scripts: tuple[Script, ...]
    seeds: tuple[SeedTable, ...]
    rehearsed: Scratch

    @property
    def manifest_place(self) -> Place:
        """Where the manifest stands, for messages."""
        return Place(f"{self.folder}/{MANIFEST_NAME}")

    def place_in_manifest(self, key: Key) -> Place:
        """Where a key of the manifest stands, such as `("expect", "tables")`."""
        return place_in_manifest(Path(self.folder), self.folder, key)


def load_project(folder: Path) -> Project:
    """Read the schema folder and try everything in it. Raises ProjectError with the file and line of what is wrong."""
    shown = PurePath(folder).as_posix()
    sources = read_sources(folder, shown)
    manifest = load_manifest(folder, shown)
    scratch = Scratch()
    wanted = _define(((source, source.statement.text) for source in sources), manifest, scratch)
    _refuse_ignored_definitions(sources, wanted)
    refuse_broken_references(wanted, scratch)
    if not REFUSES_DOUBLE_QUOTED_TEXTS and any('"' in source.statement.text for source in sources):
        _refuse_double_quoted_texts(sources, manifest)
    _refuse_unknown_names(manifest, wanted, folder, shown)
    directives = read_directives(sources)
    scripts = load_scripts(folder, shown, scratch)
    seeds = load_seeds(folder, shown, wanted)
    rehearse_seeds(seeds, wanted, scratch.connection)
    return Project(shown, manifest, wanted, directives, scripts, seeds, scratch)


def _define(definitions: Iterable[tuple[Source, str]], manifest: Manifest, scratch: Scratch) -> Schema:
    """Run the definitions in an empty scratch database, each in this writing, and return what SQLite makes of them."""
    places = {}
    for source, sql in definitions:
        _define_one(source, sql, scratch)
        places[source.key] = source.stored_place
    return read_catalog(scratch.rows(), scratch.shadows(), manifest.ignore, places).schema


def _define_one(source: Source, sql: str, scratch: Scratch) -> None:
    try:
        scratch.run(sql)
    except ScratchError as error:
        raise ProjectError(
            ErrorCode.SQL_SYNTAX if _is_syntax(error.message) else code_of(error.message),
            f"SQLite does not accept this definition: {error.message}.",
            hint="Correct the statement here.",
            place=source.place if error.offset is None else source.place_at(error.offset),
        ) from None


def _is_syntax(message: str) -> bool:
    return message.startswith(("near ", "incomplete input", "unrecognized token"))


def _refuse_double_quoted_texts(sources: list[Source], manifest: Manifest) -> None:
    """A name in double quotes that leads to no column would become a text, where this SQLite cannot be told otherwise.

    In back-quotes it never does, and stands at the same offset. A virtual table reads its arguments by itself.
    """
    scratch = Scratch()
    virtual = StatementKind.CREATE_VIRTUAL_TABLE
    definitions = (
        (source, sql if source.description.kind is virtual else with_names_only(sql))
        for source in sources
        for sql in [source.statement.text]
    )
    refuse_broken_references(_define(definitions, manifest, scratch), scratch)
    scratch.close()


def _refuse_ignored_definitions(sources: list[Source], wanted: Schema) -> None:
    """A definition that is internal, or that `ignore:` covers, would never be compared: nobody means that."""
    known = {key_of(item) for item in wanted.objects()}
    for source in sources:
        if source.key not in known:
            raise ProjectError(
                ErrorCode.SQL_INVALID,
                f"{source.key[0]} {source.description.name} would never be deployed: its name is reserved, or a "
                "pattern under `ignore:` in the manifest matches it.",
                hint="Rename the object, or narrow the pattern.",
                place=source.place,
            )


def _refuse_unknown_names(manifest: Manifest, wanted: Schema, folder: Path, shown: str) -> None:
    """The manifest's row bounds and JSON columns have to be about tables and columns that the schema defines."""
    unknown = [
        Cause(f"`{key[0]}` names {name}, which no file defines", place_in_manifest(folder, shown, key))
        for key, name in _unknown_names(manifest, wanted)
    ]
    if unknown:
        raise ProjectError(
            ErrorCode.MANIFEST_INVALID,
            f"The manifest cannot be used:{listed(unknown)}",
            hint="Correct the name, or define the object.",
            place=unknown[0].place,
            causes=unknown,
        )


def _unknown_names(manifest: Manifest, wanted: Schema) -> Iterator[tuple[Key, str]]:
    """Where in the manifest an unknown name stands, and what it should be."""
    for name in manifest.rows:
        if fold_case(name) not in wanted.all_tables:
            yield ("rows", name), f"the table {name}"
    for name, columns in manifest.json_columns.items():
        table = wanted.tables.get(fold_case(name))
        if table is None:
            yield ("json_columns", name), f"the table {name}"
            continue
        for index, column in enumerate(columns):
            if fold_case(column) not in table.definition.by_name:
                yield ("json_columns", name, index), f"the column {column_title(name, column)}"
