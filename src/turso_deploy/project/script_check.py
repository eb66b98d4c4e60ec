"""Check one-time scripts against schemas: compile them in scratch databases, and find those that are not needed.

A script runs in databases of any age, so three schemas count: when the folder is loaded, that of the folder with the
names that only older databases have (`require_compilable`); in a deployment, the live one (`without_use`) and what the
plan makes of it (`require_runnable`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import NamedTuple

from turso_deploy.catalog.catalog import Catalog
from turso_deploy.catalog.engine import Engine
from turso_deploy.catalog.rows import CatalogRow
from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.core.errors import Place, ProjectError
from turso_deploy.core.transaction import Query
from turso_deploy.project.scripts import (
    Moment,
    Need,
    Script,
    SkippedScript,
    hint_about,
    raise_all,
    script_error,
    scripts_at,
)
from turso_deploy.sql.identifiers import counts_columns_of, identifiers_in, names_and_strings_in, takes_every_column
from turso_deploy.sql.lexer import fold_case, quote_identifier
from turso_deploy.sql.schema import AnyTable, Schema
from turso_deploy.sql.splitter import Statement

_MISSING = re.compile(
    r"""(?:no\ such\ column:\ |.*\ has\ no\ column\ named\ |cannot\ join\ using\ column\ )
    "?(?P<column>.+?)"?(?:\ -\ (?:should\ this\ be|column\ not\ present).*)?$
    | no\ such\ table:\ .+""",
    re.VERBOSE | re.DOTALL,
)
# What depends on constraints, on indexes, or on modules, and what only SQLite creates.
_BEYOND_NAMES = re.compile(
    r"ON CONFLICT clause does not match|no such index: |unable to use function|no such table: (?:main\.)?sqlite_"
)
_NUMBER_OF_COLUMNS = re.compile(r"\d+ (?:columns|values)|same number of result columns")
_MAX_GUESSES = 200  # columns of tables that only older databases have; each takes another compilation
_AMBIGUOUS = "ambiguous column name: "


def require_compilable(scripts: Sequence[Script], wanted: Schema, scratch: Scratch) -> None:
    """Compile each script as far as the schema folder alone decides it. `scratch` holds the wanted schema.

    A script that runs after, and whose needs the wanted schema meets, runs in a new database: it is compiled there. Any
    other one may work on what only older databases have, and has to state that: as its needs or, if it runs before, as
    the former names of `@renamed`. Raises ProjectError (`script-invalid`) with the file and line of each statement.
    """
    errors: list[ProjectError] = []
    for script in scripts:
        if script.runs_before or not all(_has(need, scratch) for need in script.needs):
            errors += _errors_in_names(script, wanted, scratch)
            continue
        for statement in script.statements:
            error = _compile(statement, scratch)
            if error and not _is_excused(error, statement):
                errors.append(_loading_error(error, statement, script))
    raise_all(errors)


class _Names(NamedTuple):
    """The tables and views that a script may find, with their columns, all by folded name.

    The `open` ones are defined by older databases only, and may have more columns.
    """

    columns: dict[str, set[str]]
    open: set[str]


def _errors_in_names(script: Script, wanted: Schema, scratch: Scratch) -> Iterator[ProjectError]:
    """Compile a script in a database that has each name it may use, in tables without types and constraints.

    Those of older databases are not known. Two tables that have a column in common here may never have it at the same
    time, so a name is ambiguous for certain only if all of them are there at the moment of the script.
    """
    names = _names_at(script, wanted, scratch)
    is_certain = script.moment is not Moment.BEFORE and not names.open
    with closing(Scratch()) as bare:
        if bare.load([_bare_table(name, columns) for name, columns in names.columns.items()]):
            return  # a limit of SQLite is exceeded
        for statement in script.statements:
            error = _compile(statement, bare)
            guesses = 0
            while error and guesses < _MAX_GUESSES and _adds_missing_column(error, names, bare):
                error = _compile(statement, bare)
                guesses += 1
            is_undecided = error and (
                guesses == _MAX_GUESSES
                or _BEYOND_NAMES.search(error.message)
                or (error.message.startswith(_AMBIGUOUS) and not is_certain)
            )
            if error and not is_undecided and not _is_excused(error, statement):
                yield _loading_error(error, statement, script)
        scratch.unknown_functions |= bare.unknown_functions


def _names_at(script: Script, wanted: Schema, scratch: Scratch) -> _Names:
    """Return those names of the wanted schema, former names and needs that a script may find at its moment."""
    is_before = script.moment is Moment.BEFORE
    needed = {fold_case(need.table) for need in script.needs}
    named = needed.union(*(names_and_strings_in(statement.text) for statement in script.statements))
    defined = scratch.query(Query("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")).rows
    found = {name: _columns_of(name, scratch) for (each,) in defined if (name := fold_case(str(each))) in named}
    renamed = {_former_name(table): table for table in wanted.all_tables.values() if _former_name(table)}
    if is_before:
        for name in named & wanted.all_tables.keys():
            found[name] |= _former_columns(wanted.all_tables[name])
        for name in named & renamed.keys():
            found[name] = _columns_of(renamed[name].name, scratch) | _former_columns(renamed[name])
    unknown = {name for name in needed - found.keys() - renamed.keys() if not name.startswith("sqlite_")}
    found |= {name: set() for name in unknown}
    for need in script.needs:
        name, column = fold_case(need.table), fold_case(need.column or "")
        now = renamed.get(name) or wanted.all_tables.get(name)
        names_in_time = {name, fold_case(now.name), _former_name(now)} if now else {name}
        is_renamed = now is not None and column in _former_columns(now) and not is_before
        if column and not is_renamed:
            for each in names_in_time & found.keys():
                found[each].add(column)
    return _Names(found, unknown)


def _columns_of(table: str, scratch: Scratch) -> set[str]:
    """Return the folded names of the columns of a table or view, empty if there is none."""
    rows = scratch.query(Query("SELECT name FROM pragma_table_xinfo(?1)", (table,))).rows
    return {fold_case(str(name)) for (name,) in rows}


def _former_name(table: AnyTable) -> str:
    return fold_case(table.directives.table.renamed_from or "")


def _former_columns(table: AnyTable) -> set[str]:
    return {fold_case(each.renamed_from) for each in table.directives.columns.values() if each.renamed_from}


def _bare_table(name: str, columns: Iterable[str]) -> CatalogRow:
    listed = ", ".join(map(quote_identifier, sorted(columns))) or quote_identifier(" ")
    return CatalogRow("table", name, name, f"CREATE TABLE {quote_identifier(name)} ({listed})")


def _adds_missing_column(error: ScratchError, names: _Names, bare: Scratch) -> bool:
    """Add the column that a statement misses to an open table, and return True; return False if there is none left."""
    missing = _MISSING.match(error.message)
    if missing is None or missing["column"] is None:
        return False
    parts = fold_case(missing["column"]).split(".")  # of `table.column`, or of a name with a full stop
    for start in range(len(parts) - 1, -1, -1):
        column = ".".join(parts[start:])
        for table in sorted(names.open):
            if column not in names.columns[table]:
                names.columns[table].add(column)
                bare.run(f"ALTER TABLE {quote_identifier(table)} ADD COLUMN {quote_identifier(column)}")
                return True
    return False


def _compile(statement: Statement, scratch: Scratch) -> ScratchError | None:
    """Return SQLite's error for a statement, or None if it compiles."""
    try:
        scratch.compile(statement.text, statement.text)
    except ScratchError as error:
        return error
    return None


def _is_excused(error: ScratchError, statement: Statement) -> bool:
    """Return True for an error of a statement that goes by the order of columns, which is a fault until it has run."""
    goes_by_order = counts_columns_of(statement.text) or takes_every_column(statement.text)
    return bool(goes_by_order and _NUMBER_OF_COLUMNS.search(error.message))


def _script_error(error: ScratchError, statement: Statement, script: Script, more: str = "") -> ProjectError:
    hint = hint_about(script.moment) + more if _MISSING.match(error.message) else None
    return script_error(error.message, _place_of(error, statement, script), hint)


def _loading_error(error: ScratchError, statement: Statement, script: Script) -> ProjectError:
    if script.faults:
        error = ScratchError(f"{error.message}; and {script.faults[0][0]}", error.offset)
    return _script_error(error, statement, script, " A script that every database has run can be deleted.")


def _place_of(error: ScratchError, statement: Statement, script: Script) -> Place:
    return Place(script.file, statement.line + statement.text.count("\n", 0, error.offset or 0))


def without_use(
    scripts: Sequence[Script], live: Catalog, renamed: Schema | None, ran: Mapping[str, str], *, is_new: bool
) -> tuple[SkippedScript, ...]:
    """Return the scripts that a database does not need.

    These are, in a new database, all that run before its schema is there; and those of which a need is absent in the
    database before the deployment, under the names of that time and under those after the renames. `renamed` is the
    schema after the renames, if there are any, and `ran` what the deployment history records of scripts.
    """
    skipped = []
    scripts = [script for script in scripts if script.name not in ran]  # the others are marked as NEEDED
    with closing(Scratch()) as scratch:
        if any(script.needs for script in scripts):
            scratch.load(live.rows, live.shadows)
        for script in scripts:
            missing = (need for need in script.needs if not _exists(need, scratch, live.with_ignored, renamed))
            if need := next(missing, None):
                skipped.append(SkippedScript(script, need))
            elif is_new and script.runs_before:
                skipped.append(SkippedScript(script))
    return tuple(skipped)


def _exists(need: Need, scratch: Scratch, *schemas: Schema | None) -> bool:
    return _has(need, scratch) or any(_defines(schema, need) for schema in schemas if schema)


def _has(need: Need, scratch: Scratch) -> bool:
    """Return True if a scratch database has a table or view, or a column of it."""
    columns = _columns_of(need.table, scratch)
    return bool(columns) if need.column is None else fold_case(need.column) in columns


def _defines(schema: Schema, need: Need) -> bool:
    """Return True if a schema has a table or view, or a column of a table; plain SQLite may not hold all of it."""
    name = fold_case(need.table)
    if need.column is None:
        return name in schema.all_tables or name in schema.views
    table = schema.tables.get(name)
    return table is not None and fold_case(need.column) in table.definition.by_name


def require_runnable(
    scripts: Sequence[Script], schemas: Mapping[Moment, Catalog], engine: Engine | None = None, *, foreign_keys: bool
) -> None:
    """Compile each script in the schema that the database has at its moment, with what its engine has, if known.

    `foreign_keys` is True if they are enforced then: a key that refers to no key makes a statement fail only if so.
    What plain SQLite cannot hold, only the server can compile. Raises ProjectError (`script-invalid`) with all faults.
    """
    errors: list[ProjectError] = []
    for moment, catalog in schemas.items():
        chosen = scripts_at(moment, scripts)
        if not chosen:
            continue
        with closing(Scratch(engine)) as scratch:
            scratch.run(f"PRAGMA foreign_keys = {'on' if foreign_keys else 'off'}")
            unknown = frozenset(_left_out(scratch.load(catalog.rows, catalog.shadows)))
            for script in chosen:
                for statement in script.statements:
                    error = _compile(statement, scratch)
                    if error and unknown.isdisjoint(identifiers_in(statement.text) | _words(error.message)):
                        errors.append(_script_error(error, statement, script))
    raise_all(errors)


def _left_out(rows: Iterable[CatalogRow]) -> Iterator[str]:
    return (fold_case(row.name) for row in rows if row.sql and not row.name.startswith("sqlite_"))


def _words(message: str) -> frozenset[str]:
    return frozenset(fold_case(message).replace(":", " ").replace(".", " ").split())
