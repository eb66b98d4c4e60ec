"""The statements of schema files: definitions, statements that are skipped with a notice, and those that are errors.

Dumps and the shell of SQLite (https://www.sqlite.org/cli.html) add to the definitions what a deployment does by itself
or what SQLite creates by itself. That is skipped. Every other statement would be lost, and is an error with the one
thing to do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from contextlib import closing, suppress
from typing import NamedTuple

from turso_deploy.catalog.catalog import is_history, vector_shadows
from turso_deploy.catalog.rows import CatalogRow
from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.core.errors import Cause, ErrorCode, Place, ProjectError, listed
from turso_deploy.core.schema_folder import SkippedStatement, SkipReason
from turso_deploy.core.text import capitalized, count_of
from turso_deploy.core.transaction import Query
from turso_deploy.sql.lexer import SqlTextError, canonical_tokens, fold_case, position
from turso_deploy.sql.parser import parse_table
from turso_deploy.sql.splitter import Statement
from turso_deploy.sql.statement_kinds import Description, StatementKind

MAX_FAULTS = 100
"""The number of statements that an error names."""

DEFINITIONS = (
    StatementKind.CREATE_TABLE,
    StatementKind.CREATE_VIRTUAL_TABLE,
    StatementKind.CREATE_INDEX,
    StatementKind.CREATE_VIEW,
    StatementKind.CREATE_TRIGGER,
)
"""The kinds of definitions in the order in which they run: an object comes after those it depends on."""

_REMOVE = "remove it: a deployment"
_REMEDIES = {
    StatementKind.CREATE_TABLE_AS_SELECT: "list the columns instead, and put rows into seeds/: it copies rows and "
    "loses types and constraints",
    StatementKind.CREATE_TEMPORARY: "remove it: temporary objects exist for one connection only, and libSQL servers "
    "reject them",
    StatementKind.ALTER: "change the CREATE statement itself instead: the plan is derived from it",
    StatementKind.DROP: "remove it, and the definition of the object: the plan drops what left the schema folder",
    StatementKind.SELECT: "remove it, or move it into queries/, which `docs` runs",
    StatementKind.PRAGMA: "remove it: pragmas are settings of a connection or a file, not part of a schema",
    StatementKind.TRANSACTION: f"{_REMOVE} is one transaction already",
    StatementKind.VACUUM: "remove it: libSQL servers reject it, and it cannot run in a transaction",
    StatementKind.ANALYZE: "remove it: libSQL servers reject it",
    StatementKind.ATTACH: f"{_REMOVE} changes one database",
    StatementKind.DETACH: f"{_REMOVE} changes one database",
    StatementKind.REINDEX: "remove it: it defines nothing",
    StatementKind.EXPLAIN: "remove it: it defines nothing",
    StatementKind.DOT_COMMAND: "remove the line: only the shell of SQLite reads it",
}
_WRITE_REMEDIES = {
    "INSERT": "put the rows into seeds/, one file for each table",
    "REPLACE": "put the rows into seeds/, one file for each table",
    "UPDATE": "put it into a one-time script in scripts/",
    "DELETE": "put it into a one-time script in scripts/",
}
_TABLES_OF_SQLITE = frozenset(["sqlite_sequence", *(f"sqlite_stat{number}" for number in (1, 2, 3, 4))])
_TABLES_OF_LIBSQL = {
    "_litestream_lock": {"id"},
    "_litestream_seq": {"id", "seq"},
    "libsql_vector_meta_shadow": {"name", "metadata"},
    "libsql_wasm_func_table": {"name", "body"},
}
"""The columns of tables that a user cannot define: one with other columns is an error when the folder is loaded."""


class Source(NamedTuple):
    """A statement of the schema folder, which is a CREATE statement unless it is skipped or an error."""

    statement: Statement
    description: Description
    place: Place

    @property
    def key(self) -> tuple[str, str]:
        """Kind and folded name, by which the catalog identifies the object."""
        kind = self.description.kind.removeprefix("CREATE ").removeprefix("VIRTUAL ").lower()
        return kind, fold_case(self.description.name or "")

    @property
    def stored_place(self) -> Place:
        """Place at which the text stored by the engine begins: SQLite normalises what comes before the object's name.

        https://www.sqlite.org/schematab.html#interpretation_of_the_schema_table
        """
        return self.place_at(self.description.named_at)

    def place_at(self, offset: int) -> Place:
        """Return the place of an offset in the statement."""
        line, column = position(self.statement.text, offset)
        column += self.statement.column - 1 if line == 1 else 0
        return self.place._replace(line=(self.place.line or 1) + line - 1, column=column)

    @property
    def is_definition(self) -> bool:
        """True for a CREATE statement of the database that is deployed."""
        return self.description.kind in DEFINITIONS and fold_case(self.description.schema or "main") == "main"


class Fault(NamedTuple):
    """A statement that cannot be deployed: a message without its full stop, and the one thing to do, as a clause.

    `subject` names the statement in a list of several.
    """

    code: ErrorCode
    message: str
    subject: str
    remedy: str
    place: Place


class StatementFolder(NamedTuple):
    """A folder of the schema folder whose files hold statements of one kind: scripts or queries.

    `file_title` names one of its files, and `nested` says why a folder in it is an error. `remedies` are those that
    differ from the remedies in schema files. `error_at` returns the error for a message, a place and perhaps a hint.
    If there are `first_lines`, each file begins with one of them.
    """

    name: str
    kind: StatementKind
    file_title: str
    nested: str
    remedies: Mapping[StatementKind, str]
    error_at: Callable[..., ProjectError]
    code: ErrorCode
    first_lines: Collection[str] = ()

    def fault_of_first_line(self, text: str, place: Place) -> Fault | None:
        """Return the fault of a file that does not begin as it has to; else None."""
        if not self.first_lines or text.partition("\n")[0].strip() in self.first_lines:
            return None
        *others, last = (f"`{line}`" for line in self.first_lines)
        choice = f"{', '.join(others)} or {last}"
        remedy = f"write into its first line when it runs: {choice}"
        return Fault(
            self.code, f"{self.file_title} begins with {choice}", f"the first line of {self.file_title}", remedy, place
        )


def skipped_beside(sources: Sequence[Source]) -> Iterator[SkippedStatement]:
    """Yield the statements of one file that the definitions in the same file make needless."""
    created = {source.key: at for at, source in enumerate(sources) if source.is_definition}
    for at, source in enumerate(sources):
        description = source.description
        title = ""
        if description.kind is StatementKind.PRAGMA and fold_case(description.name or "") == "foreign_keys":
            title = "PRAGMA foreign_keys"
        elif description.verb in ("BEGIN", "COMMIT", "END"):
            title = description.verb
        elif description.if_exists and fold_case(description.schema or "main") == "main":
            is_created_below = created.get((description.dropped, fold_case(description.name or "")), -1) > at
            title = f"DROP {description.dropped.upper()} {description.name}" if is_created_below else ""
        if title:
            yield SkippedStatement(title, source.place, SkipReason.OF_DEPLOYMENT)


def made_by_sqlite(sources: Sequence[Source]) -> Iterator[SkippedStatement | Fault]:
    """Yield the definitions of tables that SQLite or libSQL creates itself, as `.schema` and dumps print them.

    These are the counters and statistics of SQLite, the shadow tables of virtual tables
    (https://www.sqlite.org/vtab.html#xshadowname), the storage of vector indexes, and the deployment history. A table
    with the name of a shadow table and other columns is a fault.
    """
    shadows = _shadow_columns(sources)
    of_vectors = _storage_of_vector_indexes(sources)
    for source in sources:
        name = source.key[1]
        if source.key in of_vectors:
            yield _made(source)
        elif source.description.kind is not StatementKind.CREATE_TABLE:
            continue
        elif _is_made_anyway(source):
            yield _made(source)
        elif name in shadows:
            virtual_table, columns = shadows[name]
            if columns == _columns_of(source):
                yield _made(source)
            else:
                yield _occupied(source, virtual_table)


def _is_made_anyway(source: Source) -> bool:
    """Return True for a table of SQLite, libSQL or turso-deploy that does not depend on other definitions."""
    name = source.key[1]
    return (
        name in _TABLES_OF_SQLITE
        or (name in _TABLES_OF_LIBSQL and _columns_of(source) == _TABLES_OF_LIBSQL[name])
        or is_history(_row(source))
    )


def _row(source: Source) -> CatalogRow:
    kind, name = source.key
    return CatalogRow(kind, source.description.name or name, source.description.table or "", source.statement.text)


def _columns_of(source: Source) -> Set[str]:
    """Return the folded names of the columns of a CREATE TABLE; none if it cannot be read."""
    with suppress(SqlTextError):
        return parse_table(source.statement.text).by_name.keys()
    return frozenset()


def _made(source: Source) -> SkippedStatement:
    return SkippedStatement(f"{source.key[0]} {source.description.name}", source.place, SkipReason.OF_SQLITE)


def _occupied(source: Source, virtual_table: str) -> Fault:
    name = source.description.name
    return Fault(
        ErrorCode.DUPLICATE_OBJECT,
        f"the name {name} is that of a table which SQLite creates for the virtual table {virtual_table}",
        f"table {name}, whose name is that of a table which SQLite creates for the virtual table {virtual_table}",
        "rename the table, or remove it if it came from the shell of SQLite",
        source.place,
    )


def _shadow_columns(sources: Sequence[Source]) -> dict[str, tuple[str, frozenset[str]]]:
    """Return the virtual table and the folded columns of each shadow table that a definition may be, by folded name.

    SQLite tells which tables a virtual table creates. It is asked only if a name suggests one.
    """
    virtual = [source for source in sources if source.description.kind is StatementKind.CREATE_VIRTUAL_TABLE]
    prefixes = tuple(f"{source.key[1]}_" for source in virtual)
    ordinary = [source for source in sources if source.description.kind is StatementKind.CREATE_TABLE]
    if not any(source.key[1].startswith(prefixes) for source in ordinary):
        return {}
    found: dict[str, tuple[str, frozenset[str]]] = {}
    with closing(Scratch()) as scratch:
        for source in ordinary:  # some modules read the table of their content
            if not source.key[1].startswith(prefixes):
                with suppress(ScratchError):
                    scratch.run(source.statement.text)
        for source in virtual:
            with suppress(ScratchError):
                scratch.run(source.statement.text)
            for shadow in scratch.shadows():
                rows = scratch.query(Query("SELECT name FROM pragma_table_info(?)", (shadow,))).rows
                columns = frozenset(fold_case(str(name)) for (name,) in rows)
                found.setdefault(fold_case(shadow), (source.description.name or "", columns))
    return found


def _storage_of_vector_indexes(sources: Sequence[Source]) -> set[tuple[str, str]]:
    """Return the keys of the tables and indexes in which libSQL keeps vector indexes."""
    return {(kind, fold_case(name)) for kind, name in vector_shadows([_row(source) for source in sources])}


def forbidden(sources: Sequence[Source]) -> Iterator[Fault]:
    """Yield the faults among the statements of one file that are neither definitions nor skipped.

    A dump of a database with its rows is one fault, of the whole file.
    """
    skipped = {found.place for found in skipped_beside(sources)}
    others = [source for source in sources if not source.is_definition and source.place not in skipped]
    if _is_dump(sources):
        first = others[0].place
        statements = count_of(len(others), "statement")
        subject = f"a dump of a database with its rows ({statements} besides definitions, from line {first.line} on)"
        remedy = (
            "run `turso-deploy pull` with an empty folder, which writes the definitions of the database; put rows that "
            "belong to the schema into seeds/, one file for each table"
        )
        yield _cannot_hold(subject, remedy, first._replace(line=None, column=None))
        return
    for source in others:
        description = source.description
        if description.kind in DEFINITIONS:
            remedy = f"remove `{description.schema}.` before its name: a deployment changes one database"
            yield _cannot_hold(f"an object of the schema {description.schema}", remedy, source.place)
        else:
            is_about_sqlite = description.kind is StatementKind.WRITE and _names_table_of_sqlite(source)
            remedy = "remove it: SQLite keeps this table itself" if is_about_sqlite else _remedy(description)
            yield _cannot_hold(_subject(description), remedy, source.place)


def _names_table_of_sqlite(source: Source) -> bool:
    beginning = canonical_tokens(source.statement.text)[:5]  # as in INSERT OR IGNORE INTO name
    return any(fold_case(word.strip("\"'`[]")).startswith("sqlite_") for word in beginning)


def _is_dump(sources: Sequence[Source]) -> bool:
    """Return True for definitions and rows with a transaction or a pragma around them, as dumps have them."""
    found = {source.description.kind for source in sources}
    is_framed = not found.isdisjoint((StatementKind.TRANSACTION, StatementKind.PRAGMA))
    writes_rows = any(source.description.verb in ("INSERT", "REPLACE") for source in sources)
    return is_framed and writes_rows and not found.isdisjoint(DEFINITIONS)


def of_another_kind(sources: Sequence[Source], folder: StatementFolder) -> Iterator[Fault]:
    """Yield the faults among the statements of one file in a folder that holds one kind of statements."""
    for source in sources:
        description = source.description
        if description.kind is not folder.kind:
            subject = _subject(description)
            remedy = folder.remedies.get(description.kind) or _remedy(description)
            message, listed_as = f"{folder.file_title} cannot hold {subject}", f"{subject} in {folder.file_title}"
            yield Fault(folder.code, message, listed_as, remedy, source.place)


def _subject(description: Description) -> str:
    """Return the words by which a message names a statement that is an error where it is."""
    match description.kind:
        case StatementKind.WRITE | StatementKind.TRANSACTION:
            return description.verb
        case StatementKind.DOT_COMMAND:
            return f"the dot command {description.verb}"
        case StatementKind.DROP:
            return f"DROP {description.dropped.upper()}"
        case StatementKind.PRAGMA:
            return f"PRAGMA {description.name}"
    return description.kind.value


def _remedy(description: Description) -> str:
    if description.kind is StatementKind.WRITE:
        return _WRITE_REMEDIES[description.verb]
    return _REMEDIES[description.kind]


def _cannot_hold(subject: str, remedy: str, place: Place) -> Fault:
    return Fault(ErrorCode.SQL_FORBIDDEN, f"a schema file cannot hold {subject}", subject, remedy, place)


def error_of(faults: Sequence[Fault]) -> ProjectError:
    """Return the error that names all faults, the first with its code and place."""
    first = faults[0]
    if len(faults) == 1:
        message, hint = capitalized(first.message), f"{capitalized(first.remedy)}."
        return ProjectError(first.code, message, hint=hint, place=first.place)
    causes = [Cause(f"{fault.subject}: {fault.remedy}", fault.place) for fault in faults[:MAX_FAULTS]]
    more = f"\n  and {len(faults) - MAX_FAULTS:,} more" if len(faults) > MAX_FAULTS else ""
    return ProjectError(
        first.code,
        f"The schema folder holds {len(faults):,} statements that cannot be used:{listed(causes)}{more}",
        hint="Change each statement as its line says. Schema files hold CREATE statements only; scripts hold INSERT, "
        "UPDATE and DELETE, and queries SELECT.",
        place=first.place,
        causes=causes,
    )
