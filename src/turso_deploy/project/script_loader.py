"""Read the one-time scripts of a schema folder: their moments, statements, checksums, and what they need."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence, Set
from hashlib import sha256
from pathlib import PurePosixPath
from typing import NamedTuple

from turso_deploy.core.errors import Place, ProjectError
from turso_deploy.core.schema_folder import SchemaFileError, SchemaFolder
from turso_deploy.project.scripts import Moment, Need, Script, script_error
from turso_deploy.sql.identifiers import find_positional_use, identifiers_in
from turso_deploy.sql.lexer import SqlTextError, Token, TokenKind, fold_case, position, scan, tokenize, unquote
from turso_deploy.sql.schema import Schema
from turso_deploy.sql.splitter import Statement, comment_text, split
from turso_deploy.sql.statement_kinds import StatementKind, describe

SCRIPTS_FOLDER = "scripts"
_RUN = "-- @run "
_FIRST_LINES = {f"{_RUN}{moment}": moment for moment in Moment}
_NEEDS = "@needs"
_MISSPELT = ("@need", "@require", "@run")


def read_scripts(folder: SchemaFolder, wanted: Schema) -> tuple[Script, ...]:
    """Read all scripts of a schema folder in the order of their names.

    Raises ProjectError (`script-invalid`) with file and line; `require_compilable` finds what only SQLite can find.
    """
    correct = _correct_names(wanted)
    reason = "`scripts/` holds one file for each script"
    files = sql_files(folder, SCRIPTS_FOLDER, reason, script_error)
    return tuple(_read(folder, name, text, correct) for name, text in files)


def _read(folder: SchemaFolder, name: str, text: str, correct: _CorrectNames) -> Script:
    first_line = text.partition("\n")[0].strip()
    if first_line not in _FIRST_LINES:
        reason = f"its first line has to be {', '.join(f'`{_RUN}{moment}`' for moment in Moment)}"
        raise script_error(" or ".join(reason.rsplit(", ", 1)), folder.place(name, 1))
    reason = "it may hold INSERT, UPDATE and DELETE only"
    statements = tuple(statements_of_kind(StatementKind.WRITE, reason, folder, name, text, script_error))
    return Script(
        PurePosixPath(name).stem,
        folder.place(name).file,
        _FIRST_LINES[first_line],
        _checksum(statements),
        statements,
        tuple(_needs(folder, name, text, statements, correct)),
        _text_checksums(text),
        _positional_fault(folder, name, statements),
    )


def sql_files(
    folder: SchemaFolder, parent: str, reason: str, error_at: Callable[..., ProjectError]
) -> Iterator[tuple[str, str]]:
    """Yield name and text of each SQL file directly in `parent`; hidden files, and those of other kinds, are left out.

    Raises what `error_at` returns for a message, a place and perhaps a hint, with `reason` for a folder in `parent`.
    """
    if folder.has(parent) and not folder.is_folder(parent):
        raise error_at("this is not a folder", folder.place(parent))
    for name in folder.entries(f"{parent}/*"):
        path = PurePosixPath(name)
        if path.name.startswith("."):
            continue
        if folder.is_folder(name):
            hint = f"Move its files one level up, into `{parent}/`, or the folder out of it."
            raise error_at(f"this is a folder, and {reason}", folder.place(name), hint)
        if path.suffix.lower() != ".sql":
            continue
        try:
            text = folder.read_text(name)
        except SchemaFileError as error:
            raise error_at(error.reason, error.place, error.hint) from None
        yield name, text


def statements_of_kind(
    kind: StatementKind,
    reason: str,
    folder: SchemaFolder,
    name: str,
    text: str,
    error_at: Callable[[str, Place], ProjectError],
) -> Iterator[Statement]:
    """Yield the statements of a file that may hold one kind only.

    Raises what `error_at` returns for a message and a place, with `reason` for a statement of another kind.
    """
    try:
        statements = split(text)
    except SqlTextError as error:
        raise error_at(error.message, folder.place(name, *position(text, error.offset))) from None
    for statement in statements:
        place = folder.place(name, statement.line, statement.column)
        try:
            is_allowed = describe(statement.text).kind is kind
        except SqlTextError as error:
            raise error_at(error.message, place) from None
        if not is_allowed:
            raise error_at(reason, place)
        yield statement


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


def _positional_fault(folder: SchemaFolder, name: str, statements: Sequence[Statement]) -> tuple[str, Place] | None:
    """Return the first part of a script that goes by the order of columns, and its place."""
    for statement in statements:
        if use := find_positional_use(statement.text):
            line, _ = position(statement.text, use.offset)
            return f"{use.reason}: name the columns", folder.place(name, statement.line + line - 1)
    return None
