"""Load a project: read the whole schema folder, and check all of it without a request."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from turso_deploy.catalog.catalog import HISTORY_TABLE, Catalog, read_catalog
from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.catalog.sources import Source, StatementFolder
from turso_deploy.core.errors import Cause, ErrorCode, ProjectError, listed
from turso_deploy.core.progress import report_step
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.core.transaction import Query
from turso_deploy.core.validation import Key
from turso_deploy.core.versions import parse_version
from turso_deploy.plan.hazards import Approval, HazardName
from turso_deploy.project.dangling_references import (
    dangling_error,
    error_code_for,
    find_dangling_references,
    hint_for_text,
    require_working_expressions,
)
from turso_deploy.project.directives import compile_backfills, read_directives
from turso_deploy.project.manifest import Manifest
from turso_deploy.project.manifest_file import load_manifest, place_in_manifest
from turso_deploy.project.project import IgnoredDefinition, Project
from turso_deploy.project.script_check import require_compilable
from turso_deploy.project.script_loader import SCRIPTS, read_scripts
from turso_deploy.project.sql_files import read_sources
from turso_deploy.seeds.files import SeedErrors, seed_error
from turso_deploy.seeds.simulation import simulate_seeds
from turso_deploy.seeds.tables import SEEDS_FOLDER, SeedTable, read_seeds
from turso_deploy.seeds.upsert import as_json
from turso_deploy.sql.comments import renamed_from
from turso_deploy.sql.lexer import column_title, fold_case, quote_identifier, read_column_title
from turso_deploy.sql.schema import Schema, Table, key_of
from turso_deploy.sqlite.limits import limited_at

_MAX_SQL_BYTES = 20_000_000
_MAX_SEED_BYTES = 128_000_000
_ABOUT_DEFINED = (
    HazardName.DROP_COLUMN,
    HazardName.CHANGE_TYPE,
    HazardName.CHANGE_GENERATED,
    HazardName.OVERWRITE_ROWS,
)
"""The hazards whose table is in the schema folder. Those that may concern other objects are left out."""


def load_project(path: str | os.PathLike[str], *, scripts_have_run: bool = False, may_dangle: bool = False) -> Project:
    """Read the schema folder and check everything in it. Raises ProjectError with the file and line of an error.

    With `scripts_have_run` the scripts are not compiled, because this folder is never deployed again. With `may_dangle`
    references to missing objects are kept in the project: plan and deployment accept those that a database has already.
    """
    return load_project_with((), path, scripts_have_run=scripts_have_run, may_dangle=may_dangle)


def load_project_with(
    others: Sequence[StatementFolder],
    path: str | os.PathLike[str],
    *,
    scripts_have_run: bool = False,
    may_dangle: bool = False,
) -> Project:
    """Load a project as `load_project` does, with the statements in other folders among those that are checked."""
    report_step("reading the schema folder")
    folder = SchemaFolder.open(Path(path))
    _require_limited_size(folder)
    sources, skipped, files = read_sources(folder, (SCRIPTS, *others))
    manifest = load_manifest(folder)
    scratch = Scratch()
    try:
        catalog = _define(sources, manifest, scratch)
        wanted, managed = catalog.schema, _managed_definitions(sources, catalog)
        ignored = [source for source in sources if source not in managed]
        dangling = find_dangling_references(wanted, catalog.with_ignored, scratch)
        if dangling and not may_dangle:
            raise dangling_error(dangling)
        require_working_expressions(wanted, scratch)
        _require_known_names(manifest, catalog, folder)
        _require_reachable_version(manifest, folder)
        wanted = wanted.with_directives(read_directives(managed))
        compile_backfills(wanted, scratch)
        scripts = read_scripts(folder, files, wanted)
        if not scripts_have_run:
            require_compilable(scripts, wanted, scratch)
        seed_files = read_seeds(folder, wanted, _tables_of(ignored))
        seeds = simulate_seeds(seed_files, wanted, scratch.connection)
        _require_json_in_seeds(seeds, manifest, scratch)
    except BaseException:
        scratch.close()
        raise
    names = tuple(_ignored(ignored, folder))
    return Project(folder, manifest, wanted, scripts, seeds, scratch, names, skipped, dangling)


def _require_limited_size(folder: SchemaFolder) -> None:
    """Raise SchemaFileError if the files with SQL, or those with seeds, are larger together than could be read soon."""
    names = folder.entries("**/*")
    folder.require_total((name for name in names if name.lower().endswith(".sql")), _MAX_SQL_BYTES)
    folder.require_total((name for name in names if name.startswith(f"{SEEDS_FOLDER}/")), _MAX_SEED_BYTES)


def _define(sources: Iterable[Source], manifest: Manifest, scratch: Scratch) -> Catalog:
    """Run the definitions in an empty scratch database, and return the resulting catalog."""
    places = {}
    for source in sources:
        with limited_at(source.place):
            _define_one(source, scratch)
        places[source.key] = source.stored_place
    return read_catalog(scratch.rows(), scratch.shadows(), manifest.ignore, places)


def _define_one(source: Source, scratch: Scratch) -> None:
    try:
        scratch.run(source.statement.text)
    except ScratchError as error:
        is_syntax = error.message.startswith(("near ", "incomplete input", "unrecognized token"))
        raise ProjectError(
            ErrorCode.SQL_SYNTAX if is_syntax else error_code_for(error.message),
            f"SQLite does not accept this definition: {error.message}.",
            hint=hint_for_text(source.statement.text, error.message) or _hint_for(error.message),
            place=source.place if error.offset is None else source.place_at(error.offset),
        ) from None


def _hint_for(message: str) -> str:
    """Return what to do about a definition that SQLite rejects with this message."""
    if message.startswith("object name reserved"):
        return "Rename the object: SQLite keeps the names that begin with `sqlite_` for itself."
    if message.startswith("no such table"):
        return "Define the table in the schema folder, or correct its name here."
    return "Correct the statement here."


def _managed_definitions(sources: list[Source], catalog: Catalog) -> list[Source]:
    """Return the definitions that are compared and deployed: all but those that `ignore:` covers.

    Raises ProjectError if one has a reserved name, or if `ignore:` covers all of them.
    """
    known, ignored = {key_of(item) for item in catalog.schema.objects()}, set(map(fold_case, catalog.ignored))
    for source in sources:
        if _is_our_name(source.key[1]) or (source.key not in known and source.key[1] not in ignored):
            raise _reserved(source)
    if not known:
        raise ProjectError(
            ErrorCode.SCHEMA_EMPTY,
            "Every definition of the schema folder matches a pattern under `ignore:` in the manifest.",
            hint="Narrow the patterns: a folder that manages nothing would mean an empty database.",
            place=sources[0].place,
        )
    return [source for source in sources if source.key in known]


def _is_our_name(folded: str) -> bool:
    """Return True for a name that turso-deploy uses: of the history, and of tables that exist within a transaction."""
    return folded == HISTORY_TABLE or folded.startswith("turso_deploy_")


def _reserved(source: Source) -> ProjectError:
    """Return the error for an object with a reserved name."""
    kind, name = source.key
    hint = "Rename the object."
    if kind == "table" and _is_our_name(name):
        hint = (
            f"Give the table another name here, and write `{renamed_from(source.description.name or name)}` above it: "
            "where a database has the table under this name, the deployment renames it."
        )
    return ProjectError(
        ErrorCode.SQL_INVALID,
        f"{kind} {source.description.name} cannot be deployed: its name is reserved for objects of SQLite, libSQL, "
        "Turso or turso-deploy.",
        hint=hint,
        place=source.place,
    )


def _tables_of(sources: Sequence[Source]) -> frozenset[str]:
    """Return the folded names of the tables among definitions."""
    return frozenset(name for kind, name in (source.key for source in sources) if kind == "table")


def _ignored(sources: Sequence[Source], folder: SchemaFolder) -> Iterator[IgnoredDefinition]:
    """Yield the ignored definitions, and the seed files of ignored tables."""
    for source in sources:
        yield IgnoredDefinition(f"{source.key[0]} {source.description.name}", source.place)
    tables = _tables_of(sources)
    for name in folder.entries(f"{SEEDS_FOLDER}/*"):
        if fold_case(PurePosixPath(name).stem) in tables:
            yield IgnoredDefinition(f"seeds of {PurePosixPath(name).stem}", folder.place(name))


def _require_known_names(manifest: Manifest, catalog: Catalog, folder: SchemaFolder) -> None:
    """Raise ProjectError if the manifest names tables or columns that are not defined, as in `rows` and `approve`."""
    ignored = set(map(fold_case, catalog.ignored))
    unknown = [
        Cause(
            f"`{key[0]}` names {name}, which "
            + ("`ignore:` covers" if fold_case(str(key[1])) in ignored else "no file defines"),
            place_in_manifest(folder, key),
        )
        for key, name in _unknown_names(manifest, catalog.schema)
    ]
    if unknown:
        raise ProjectError(
            ErrorCode.MANIFEST_INVALID,
            f"The manifest cannot be used:{listed(unknown)}",
            hint="Remove it, correct the name, or define the object.",
            place=unknown[0].place,
            causes=unknown,
        )


def _require_reachable_version(manifest: Manifest, folder: SchemaFolder) -> None:
    """Raise ProjectError if a database that this folder was deployed to would be too old for it."""
    lowest, own = parse_version(manifest.upgrade_from), parse_version(manifest.schema_version)
    if lowest is not None and (own is None or own < lowest):
        cause = Cause(
            "`upgrade_from` needs a semantic version in `schema_version` that is not lower, because databases are "
            "compared by it",
            place_in_manifest(folder, ("upgrade_from",)),
        )
        raise ProjectError(
            ErrorCode.MANIFEST_INVALID,
            f"The manifest cannot be used:{listed([cause])}",
            hint="Set `schema_version`, as in 2.4.0, and raise it with each release.",
            place=cause.place,
        )


def _unknown_names(manifest: Manifest, wanted: Schema) -> Iterator[tuple[Key, str]]:
    """Yield the key of each unknown name in the manifest, and the object that it should name."""
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
    for name in manifest.seeds:
        if fold_case(name) not in wanted.tables:
            yield ("seeds", name), f"the table {name}"
    for approval, key in manifest.approvals:
        if approval.version == manifest.schema_version and (unknown := _unknown_object(approval, wanted)):
            yield key, f"the {unknown} ({approval})"


def _unknown_object(approval: Approval, wanted: Schema) -> str | None:
    """Return the table or the column that an approval names, if its hazard can only be about one that is defined."""
    if approval.object is None or approval.name not in _ABOUT_DEFINED:
        return None
    name, column = read_column_title(approval.object)
    if approval.name is HazardName.OVERWRITE_ROWS:  # of which the whole object is the name
        return None if fold_case(approval.object) in wanted.tables else f"table {approval.object}"
    table = wanted.all_tables.get(fold_case(name))
    if table is None:
        return f"table {name}"
    if approval.name is HazardName.DROP_COLUMN or not isinstance(table, Table):
        return None
    return None if fold_case(column) in table.definition.by_name else f"column {approval.object}"


def _require_json_in_seeds(seeds: Iterable[SeedTable], manifest: Manifest, scratch: Scratch) -> None:
    """Raise ProjectError (`seed-invalid`) for a seed row whose value in a JSON column is not JSON.

    The scratch database holds the seeds as they are stored, with the defaults of the columns that a row leaves out.
    """
    by_table = {fold_case(name): columns for name, columns in manifest.json_columns.items()}
    errors = SeedErrors()
    for seed in seeds:
        for column in by_table.get(fold_case(seed.table), ()):
            line = _line_without_json(seed, column, scratch)
            if line is not None:
                error = f"the value of `{column}` is not JSON, and `json_columns` of the manifest names the column"
                errors.add(seed_error(error, seed.file, line))
    errors.raise_all()


def _line_without_json(seed: SeedTable, column: str, scratch: Scratch) -> int | None:
    """Return the line of the first seed row that is stored with a value that is not JSON."""
    table, value = quote_identifier(seed.table), quote_identifier(column)
    invalid = f"{value} IS NOT NULL AND NOT json_valid({value})"
    if not scratch.query(Query(f"SELECT 1 FROM {table} WHERE {invalid} LIMIT 1")).rows:
        return None
    lines = []
    for group in seed.groups:
        same = " AND ".join(
            f"seeded.{quote_identifier(name)} = given.value->>{group.columns.index(name)}" for name in group.key
        )
        sql = (
            f"SELECT given.key FROM json_each(?1) AS given CROSS JOIN {table} AS seeded "
            f"WHERE {same} AND {invalid} ORDER BY 1 LIMIT 1"
        )
        answer = scratch.query(Query(sql, (as_json(list(group.rows)),)))
        lines += [group.lines[int(str(position))] for (position,) in answer.rows]
    return min(lines, default=None)
