"""A transaction as one script for the `sqlite3` shell: the plan to read, to keep, or to run by hand.

The shell goes on after an error, and would commit what is left; so the script begins with `.bail on`, which makes it
stop, and what was begun is rolled back when it ends (https://www.sqlite.org/cli.html). It is the one line that is no
SQL: a client that stops at the first error by itself runs the script without it.
"""

from __future__ import annotations

import math
import sqlite3

from turso_deploy import __version__
from turso_deploy.core.errors import BlockedError, ErrorCode
from turso_deploy.core.transaction import Purpose, Query, Transaction, TransactionStep, Value
from turso_deploy.sql.lexer import TokenKind, quote_string, scan
from turso_deploy.sql.splitter import terminated

_HEADER = f"""\
.bail on
-- Made by turso-deploy {__version__}. One transaction: everything in it is done, or nothing.
-- To run it: sqlite3 DATABASE < SCRIPT
-- It stops, and changes nothing, where the database is no longer as it was when this was made, or a check fails: with
-- "malformed JSON", below the line that says what was checked.
-- Another client than sqlite3 has to stop at the first error by itself, and takes the script without its first line.
"""


# As in the shells of Oracle and SQL Server: https://www.sqlite.org/cli.html
_ENDS = ("/", "go")


def as_script(transaction: Transaction) -> str:
    """The script that does what `Database.apply` would do with the transaction.

    Raises BlockedError for a statement with a line break that the shell would not keep.
    """
    foreign_keys = int(transaction.foreign_keys)
    lines = [
        _HEADER,
        f"PRAGMA foreign_keys = {foreign_keys};",
        "BEGIN IMMEDIATE;",
        f"SELECT iif(foreign_keys = {foreign_keys}, 'ok', json('foreign keys could not be switched')) "
        "FROM pragma_foreign_keys;",
    ]
    for step in transaction.steps:
        if step.purpose in (Purpose.GUARD, Purpose.CHECK):  # what did not hold is the last that is printed
            lines += ["", f"SELECT {quote_string(f'checking: {_title(step)}')};", _statement(step)]
        elif step.purpose is not Purpose.FIGURES:  # they say why a check fails, and their check is there too
            lines += ["", f"-- {_title(step)}", _statement(step)]
    lines += ["", "COMMIT;" if transaction.commit else "ROLLBACK;", ""]
    return "\n".join(lines)


def _title(step: TransactionStep) -> str:
    place = f"  ({step.place})" if step.place else ""
    return " ".join(f"{step.label}{place}".split())


def _statement(step: TransactionStep) -> str:
    text = terminated(with_arguments(step.query))
    # The shell reads a line at a time and ends each with a line feed, whatever it ended with.
    if "\r\n" in text or "\0" in text:
        raise BlockedError(
            ErrorCode.PLAN_IMPOSSIBLE,
            f"The plan cannot be put into a script: {step.label} holds a line break of Windows, which sqlite3 loses.",
            hint="Save the SQL files with LF line breaks (in .gitattributes: *.sql text eol=lf), or run "
            "`turso-deploy deploy`, which keeps every character.",
            place=step.place,
        )
    if _ends_early(text):
        raise BlockedError(
            ErrorCode.PLAN_IMPOSSIBLE,
            f"The plan cannot be put into a script: {step.label} has a line of `/` or `go` alone, which ends a "
            "statement for sqlite3.",
            hint="Join that line with the one before it, or run `turso-deploy deploy`, which keeps every character.",
            place=step.place,
        )
    return text


def _ends_early(text: str) -> bool:
    lines = text.split("\n")
    ends = (number for number, line in enumerate(lines) if line.strip().lower() in _ENDS)
    return any(sqlite3.complete_statement("\n".join(lines[:number]) + ";") for number in ends)


def with_arguments(query: Query) -> str:
    """The statement with its arguments (`?1`, `?2`, …) written into it."""
    pieces, copied = [], 0
    for token in scan(query.sql) if query.arguments else ():
        if token.kind is TokenKind.VARIABLE:
            pieces += [query.sql[copied : token.start], _literal(query.arguments[int(token.text[1:]) - 1])]
            copied = token.end
    return "".join([*pieces, query.sql[copied:]])


def _literal(value: Value) -> str:
    """A value as SQL writes it: https://www.sqlite.org/lang_expr.html#literal_values_constants_."""
    match value:
        case None:
            return "NULL"
        case str():
            return quote_string(value)
        case bytes():
            return f"x'{value.hex()}'"
        case float() if math.isnan(value):
            return "NULL"
        case float() if math.isinf(value):
            return "9e999" if value > 0 else "(-9e999)"
        case _:  # in parentheses, lest a minus sign before it makes a comment of the two
            return repr(value) if value >= 0 else f"({value!r})"
