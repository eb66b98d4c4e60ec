"""Read the one-time scripts of a schema folder: their moments, statements, checksums, and what they need."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence, Set
from hashlib import sha256
from pathlib import PurePosixPath
from typing import NamedTuple

from turso_deploy.catalog.sources import DEFINITIONS, StatementFolder
from turso_deploy.core.errors import ErrorCode, Place
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.project.scripts import Moment, Need, Script, script_error
from turso_deploy.project.sql_files import SqlFile
from turso_deploy.sql.identifiers import find_positional_use, identifiers_in
from turso_deploy.sql.lexer import SqlTextError, Token, TokenKind, fold_case, position, scan, tokenize, unquote
from turso_deploy.sql.schema import Schema
from turso_deploy.sql.splitter import Statement, comment_text
from turso_deploy.sql.statement_kinds import StatementKind

_RUN = "-- @run "
_FIRST_LINES = {f"{_RUN}{moment}": moment for moment in Moment}
SCRIPTS = StatementFolder(
    "scripts",
    StatementKind.WRITE,
    "a script",
    "`scripts/` holds one file for each script",
    {
        **dict.fromkeys(DEFINITIONS, "move it into a schema file: the plan creates what the schema folder defines"),
        StatementKind.CREATE_TABLE_AS_SELECT: "define the table in a schema file, and copy the rows with "
        "INSERT … SELECT in a script that runs between or after",
        StatementKind.CREATE_TEMPORARY: "write what it selects as `WITH … AS (…)` of the statements that read it: "
        "libSQL servers reject temporary objects",
        StatementKind.ALTER: "change the CREATE statement in its schema file instead: the plan is derived from it",
        StatementKind.DROP: "remove it, and the definition from its schema file: the plan drops what left the folder",
        StatementKind.PRAGMA: "remove it: pragmas are settings of a connection or a file, and a deployment sets what "
        "it needs",
    },
    script_error,
    ErrorCode.SCRIPT_INVALID,
    first_lines=_FIRST_LINES.keys(),
)
"""The folder of the scripts. Its files are read together with the schema files, so that all faults are one error."""

_NEEDS = "@needs"
_MISSPELT = ("@need", "@require", "@run")


def read_scripts(folder: SchemaFolder, files: Sequence[SqlFile], wanted: Schema) -> tuple[Script, ...]:
    """Return the scripts among files, in the order of their names.

    Raises ProjectError (`script-invalid`) with file and line; `require_compilable` finds what only SQLite can find.
    """
    correct = _correct_names(wanted)
    return tuple(_read(folder, file, correct) for file in files if file.folder is SCRIPTS)


def _read(folder: SchemaFolder, file: SqlFile, correct: _CorrectNames) -> Script:
    name, text, statements = file.name, file.text, file.statements
    return Script(
        PurePosixPath(name).stem,
        folder.place(name).file,
        _FIRST_LINES[text.partition("\n")[0].strip()],
        _checksum(statements),
        statements,
        tuple(_needs(folder, name, text, statements, correct)),
        _text_checksums(text),
        tuple(_positional_faults(folder, name, statements)),
    )


def _checksum(statements: Sequence[Statement]) -> str:
    """Return the SHA-256 of the statements as tokens, without comments, spacing and the case of bare words."""
    tokens = [[_plain(token) for token in tokenize(statement.text)] for statement in statements]
    return sha256(json.dumps(tokens, separators=(",", ":")).encode()).hexdigest()


def _plain(token: Token) -> str:
    return fold_case(token.text) if token.kind is TokenKind.WORD else token.text.replace("\r\n", "\n")


def _text_checksums(text: str) -> frozenset[str]:
    """Return the checksums that an earlier version may have recorded: of the text without later directives.

    It knew two moments, and no `@needs`.
    """
    _, _, rest = text.replace("\r\n", "\n").partition("\n")
    lines = rest.split("\n")
    bodies = {rest, "\n".join(line for line in lines if not line.lstrip(" \t-").startswith(_NEEDS))}
    return frozenset(
        sha256(f"{_RUN}{moment}\n{body}".encode()).hexdigest()
        for moment in (Moment.BEFORE, Moment.AFTER)
        for body in bodies
    )


def _needs(
    folder: SchemaFolder, name: str, text: str, statements: Sequence[Statement], correct: _CorrectNames
) -> Iterator[Need]:
    """Yield what the comments `@needs` above the first statement name."""
    first = statements[0].offset if statements else len(text)
    named = {name for statement in statements for name in identifiers_in(statement.text)}
    for token in scan(text):
        if token.kind is not TokenKind.COMMENT:
            continue
        word, rest = [*comment_text(token).split(maxsplit=1), "", ""][:2]
        line, _ = position(text, token.start)
        place = folder.place(name, line)
        if word != _NEEDS:
            if fold_case(word).startswith(_MISSPELT) and line > 1:
                raise script_error(f"there is no directive {word} here", place)
            continue
        if token.start > first:
            raise script_error("@needs is for the whole script, and belongs above its first statement", place)
        for need in _names(rest, place):
            _require_likely(need, named, correct)
            yield need


def _names(text: str, place: Place) -> list[Need]:
    """Parse a list of tables and columns: `users, users.address`."""
    malformed = script_error("@needs lists tables, views and columns, as in `@needs users, orders.total`", place)
    try:
        tokens = tokenize(text)
    except SqlTextError:
        raise malformed from None
    groups: list[list[Token]] = [[]]
    for token in tokens:
        if token.text == ",":
            groups.append([])
        else:
            groups[-1].append(token)
    needs = []
    for group in groups:
        names = group[::2]
        if len(group) not in (1, 3) or any(token.text != "." for token in group[1::2]):
            raise malformed
        if any(token.kind > TokenKind.QUOTED for token in names):
            raise malformed
        table, column = [*map(unquote, names), None][:2]
        needs.append(Need(str(table), column, place))
    return needs


class _CorrectNames(NamedTuple):
    """Folded names that are not misspelt: the former names of tables and columns, and the tables of the schema."""

    former: Set[str]
    tables: Set[str]


def _correct_names(wanted: Schema) -> _CorrectNames:
    directives = [table.directives for table in wanted.all_tables.values()]
    former = (one.renamed_from for each in directives for one in (each.table, *each.columns.values()))
    return _CorrectNames(frozenset(fold_case(name) for name in former if name), wanted.all_tables.keys())


def _require_likely(need: Need, named: Set[str], correct: _CorrectNames) -> None:
    """Raise ProjectError if a name is misspelt, so that no database would ever run the script.

    `named` are the names in its statements. A column may be like a table: `users.address` and `addresses`.
    """
    from difflib import get_close_matches

    for name, others in ((need.table, named), (need.column, named - correct.tables)):
        folded = fold_case(name or "")
        if folded in named | correct.former:
            continue
        if alike := get_close_matches(folded, others, n=1, cutoff=0.8):
            message = f"@needs names {need.title}, and its statements use {alike[0]}, not {name}"
            raise script_error(message, need.place)


def _positional_faults(folder: SchemaFolder, name: str, statements: Sequence[Statement]) -> Iterator[tuple[str, Place]]:
    """Yield the first part of each statement that goes by the order of columns, and its place."""
    for statement in statements:
        if use := find_positional_use(statement.text):
            line, _ = position(statement.text, use.offset)
            yield f"{use.reason}: name the columns", folder.place(name, statement.line + line - 1)
