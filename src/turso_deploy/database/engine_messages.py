"""Messages of the engines: the part that is safe to show, and the position in the statement that they name.

A server's message can quote SQL text and data. A message is shown only if SQLite or libSQL is known to send exactly it,
and the names in it only if they look like names. Every other message (a trigger's RAISE, for example) is withheld.
"""

from __future__ import annotations

import re
from functools import cache

_PREFIX = re.compile(
    r"^(?:SQLITE_[A-Z_]+: |SQL_[A-Z_]+: |BLOCKED: |SQLite error: |SQL input error: |SQL string could not be parsed: )+"
)
_BYTE_OFFSET = re.compile(r" \(at offset (\d+)\)$")
_LINE_COLUMN = re.compile(r" at \((\d+), (\d+)\)$")
_SYNTAX_AROUND = re.compile(r"^syntax error around L(\d+):(\d+): `(.*)`$", re.DOTALL)
_NAME = r"""(?:["'`\[]?[^\W\d][\w$]{0,63}["'`\]]?(?:\(\))?|\d{1,5})"""
_NAMES = re.compile(rf"{_NAME}(?:(?:\.|, ){_NAME}){{0,63}}")

_MAX_LENGTH = 2_000  # characters of a message that are compared; every known message is shorter

NO_REASON = "SQL logic error"
"""SQLite's message for an expression that fails in a statement of its own, such as a CHECK in ADD COLUMN."""

WITHHELD = "a reason that is not repeated here, because it may quote data"
"""The text in place of a message that is not known to be safe."""

# `{}` is a place for a name, a number or a piece of SQL; only names and small numbers are shown.
# The messages come from SQLite's src/*.c and sqld's hrana/stmt.rs.
_KNOWN = """
UNIQUE constraint failed: index {}
UNIQUE constraint failed: {}
NOT NULL constraint failed: {}
CHECK constraint failed: {}
CHECK constraint failed
NOT NULL constraint failed
type mismatch on DEFAULT
FOREIGN KEY constraint failed
foreign key mismatch - {} referencing {}
datatype mismatch
cannot store {} value in {} column {}
malformed JSON
bad JSON path: {}
JSON cannot hold BLOB values
no such table: {}
no such view: {}
no such index: {}
no such trigger: {}
no such column: {}
no such column: {} - should this be a string literal in single-quotes?
no such function: {}
unknown function: {}
no such module: {}
no such savepoint: {}
no such collation sequence: {}
no such table column: {}
unknown database {}
ambiguous column name: {}
table {} already exists
view {} already exists
index {} already exists
trigger {} already exists
there is already a table named {}
there is already an index named {}
there is already another table or index with this name: {}
object name reserved for internal use: {}
table {} has no column named {}
table {} has {} columns but {} values were supplied
table {} has more than one primary key
table {} may not be modified
table {} may not be altered
{} values for {} columns
duplicate column name: {}
cannot modify {} because it is a view
cannot create {} trigger on table: {}
cannot create {} trigger on view: {}
cannot create triggers on virtual tables
cannot add a STORED column
cannot drop {} column: {}
cannot drop column {}: no other columns exist
cannot rename columns of view {}
cannot UPSERT a view
Cannot add a column to a view
Cannot add a PRIMARY KEY column
Cannot add a UNIQUE column
Cannot add a NOT NULL column with default value NULL
Cannot add a REFERENCES column with non-NULL default value
Cannot add a column with non-constant default
default value of column {} is not constant
generated column loop on {}
generated columns cannot be part of the PRIMARY KEY
must have at least one non-generated column
cannot INSERT into generated column {}
cannot UPDATE generated column {}
AUTOINCREMENT is only allowed on an INTEGER PRIMARY KEY
PRIMARY KEY missing on table {}
missing datatype for {}
unknown datatype for {}: {}
unknown table option: {}
unknown column {} in foreign key definition
number of columns in foreign key does not match the number of columns in the referenced table
parameters prohibited in {}
parameters are not allowed in views
subqueries prohibited in {}
non-deterministic functions prohibited in {}
non-deterministic use of {} in {}
view {} is circularly defined
view {} cannot reference objects in database {}
expected {} columns for {} but got {}
use DROP TABLE to delete table {}
use DROP VIEW to delete view {}
ON CONFLICT clause does not match any PRIMARY KEY or UNIQUE constraint
wrong number of arguments to function {}
unsafe use of {}
unsafe use of virtual table {}
misuse of aggregate: {}
misuse of aggregate function {}
misuse of window function {}
row value misused
cannot join using column {} - column not present in both tables
no tables specified
unknown tokenizer: {}
error in tokenizer constructor
vtable constructor failed: {}
unrecognized parameter: {}
sub-select returns {} columns - expected {}
SELECTs to the left and right of {} do not have the same number of result columns
too many SQL variables
too many columns on {}
too many terms in compound SELECT
too many levels of trigger recursion
parser stack overflow
Expression tree is too large (maximum depth {})
Arguments do not match SQL parameters: {}
vector index: unexpected vector column type: {}
vector index: libsql_vector_idx first argument must be column with vector type
vector index(insert): dimensions are different: {} != {}
vector index(insert): vector type differs from column type: {} != {}
vector index(search): dimensions are different: {} != {}
vector index(search): failed to parse vector index parameters
vector: must start with '['
vector: must end with ']'
vector: unexpected binary type: {}
vector: unexpected value type: got {}, expected TEXT or BLOB
vector_distance: vectors must have the same length: {} != {}
vector_distance: vectors must have the same type: {} != {}
integer overflow
string or blob too big
incomplete input
syntax error
unexpected end of input
non-terminated literal
bad variable name
SQL string does not contain any statement
SQL string contains more than one statement
cannot start a transaction within a transaction
cannot commit - no transaction is active
cannot rollback - no transaction is active
database is locked
database table is locked
database schema has changed
database schema is locked: {}
database or disk is full
database disk image is malformed
file is not a database
unable to open database file
attempt to write a readonly database
disk I/O error
out of memory
interrupted
query aborted
Transaction timed out
Response is too large
SQL logic error
constraint failed
foreign keys could not be switched on or off
the overwriting of what is deleted could not be switched on
a text in the database is not valid UTF-8
"""

_REWORDED = (
    (re.compile(r"^vector: invalid float at position \d+: .*$", re.DOTALL), "vector: invalid float"),
    (_SYNTAX_AROUND, "syntax error"),
    (re.compile(r"^near .*: syntax error$", re.DOTALL), "syntax error"),
    (re.compile(r"^unrecognized token: .*$", re.DOTALL), "syntax error"),
    (
        re.compile(r"^(?:unsupported statement|SQL not allowed statement): .*$", re.DOTALL),
        "this kind of statement is not accepted",
    ),
)
_NESTED = re.compile(
    r"^error in (view|trigger|index|table) (.+?)(?: after (?:rename|drop column|add column))?: (.*)$", re.DOTALL
)


@cache
def _forms() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return the known messages with their patterns; compiled on first use, because most runs need none."""
    return tuple(
        (form, re.compile("(.*)".join(re.escape(part) for part in form.split("{}")), re.DOTALL))
        for form in _KNOWN.strip().splitlines()
    )


def showable(message: str) -> str:
    """Return a message that is safe to log: without data, SQL text and position (see `offset_in`)."""
    text = _LINE_COLUMN.sub("", _BYTE_OFFSET.sub("", _PREFIX.sub("", message[:_MAX_LENGTH])))
    for pattern, words in _REWORDED:
        if pattern.fullmatch(text):
            return words
    if nested := _NESTED.fullmatch(text):
        return f"error in {nested[1]} {_name_only(nested[2])}: {showable(nested[3])}"
    for form, pattern in _forms():
        if match := pattern.fullmatch(text):
            return form.format(*(_name_only(part) for part in match.groups()))
    return WITHHELD


def without_prefix(message: str) -> str:
    """Return a message without the prefixes that servers put before it; it may quote data."""
    return _PREFIX.sub("", message)


def offset_in(sql: str, message: str) -> int | None:
    """Return the position in the statement that a message names, in characters from 0, or None.

    SQLite counts bytes (https://www.sqlite.org/c3ref/errcode.html); sqld's parser gives a line and a column of bytes,
    both from 1, and for an unexpected token the column after it.
    """
    if match := _BYTE_OFFSET.search(message):
        return _characters(sql, int(match[1]))
    if match := _LINE_COLUMN.search(message):
        return _at_line(sql, int(match[1]), int(match[2]) - 1)
    if match := _SYNTAX_AROUND.fullmatch(_PREFIX.sub("", message)):
        return _at_line(sql, int(match[1]), int(match[2]) - 1 - len(match[3].encode()))
    return None


def _name_only(text: str) -> str:
    return text if _NAMES.fullmatch(text) else "…"


def _characters(text: str, byte_offset: int) -> int:
    return len(text.encode()[: max(byte_offset, 0)].decode(errors="ignore"))


def _at_line(sql: str, line: int, byte_column: int) -> int:
    lines = sql.split("\n")
    before, rest = lines[: line - 1], lines[line - 1 :]
    start = sum(len(text) + 1 for text in before)
    return min(start + _characters("".join(rest[:1]), byte_column), len(sql))
