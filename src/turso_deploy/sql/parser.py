"""Parse a CREATE statement, as a user wrote it or as `sqlite_schema` stores it, into its definition.

The parser reads every statement that SQLite accepts, by SQLite's grammar (https://www.sqlite.org/lang_createtable.html
and the related pages), and does not repeat SQLite's checks.
"""

from __future__ import annotations

from functools import lru_cache

from turso_deploy.sql.cursor import Cursor, Header, Span, read_header
from turso_deploy.sql.definitions import (
    Definition,
    IndexDefinition,
    TableDefinition,
    TriggerDefinition,
    ViewDefinition,
    VirtualTableDefinition,
)
from turso_deploy.sql.lexer import TokenKind, Tokens, fold_case, folded_name, quote_string, tokenize, unquote
from turso_deploy.sql.table_parser import key_parts, read_table

_TIMINGS = {"BEFORE": "BEFORE", "AFTER": "AFTER", "INSTEAD": "INSTEAD OF"}
_BODY_STARTS = ("INSERT", "UPDATE", "DELETE", "SELECT", "REPLACE", "WITH", "VALUES")


# The wanted, the simulated and each live schema hold mostly the same texts, and a definition never changes.
@lru_cache(maxsize=32768)
def parse(sql: str) -> Definition:
    """Parse one CREATE statement.

    Raises SqlTextError when the text is not a CREATE statement that SQLite accepts, and for CREATE TABLE … AS, which
    `sqlite_schema` never holds.
    """
    cursor = Cursor(tokenize(sql), len(sql))
    header = read_header(cursor)
    if header is None:
        raise cursor.error("TABLE, INDEX, VIEW or TRIGGER")
    definition = _read(cursor, header, sql)
    if cursor.word:
        raise cursor.error("the end")
    return definition


def parse_table(sql: str) -> TableDefinition:
    """Parse the CREATE TABLE of an ordinary table. Raises SqlTextError as `parse` does."""
    definition = parse(sql)
    assert isinstance(definition, TableDefinition)
    return definition


def _read(cursor: Cursor, header: Header, sql: str) -> Definition:
    name = fold_case(header.name)
    match header.kind:
        case "TABLE":
            return read_table(cursor, name, sql)
        case "INDEX":
            return _read_index(cursor, name, header.unique)
        case "VIEW":
            return _read_view(cursor, name)
        case "TRIGGER":
            return _read_trigger(cursor, name)
        case _:
            return _read_virtual_table(cursor, name)


def _read_index(cursor: Cursor, name: str, unique: bool) -> IndexDefinition:
    """Read `ON table (part, …) [WHERE predicate]`: https://www.sqlite.org/lang_createindex.html."""
    cursor.expect("ON")
    table = cursor.folded_name()
    parts = key_parts(cursor, cursor.group())
    where = cursor.expression(cursor.rest()) if cursor.take("WHERE") else None
    return IndexDefinition(name, table, unique, parts, where)


def _read_view(cursor: Cursor, name: str) -> ViewDefinition:
    """Read `[(column, …)] AS select`: https://www.sqlite.org/lang_createview.html."""
    columns = cursor.folded_names() if cursor.word == "(" else None
    cursor.expect("AS")
    return ViewDefinition(name, columns, cursor.expression(cursor.rest()))


def _read_trigger(cursor: Cursor, name: str) -> TriggerDefinition:
    """Read `[timing] event ON table [FOR EACH ROW] [WHEN …] BEGIN … END`: https://www.sqlite.org/lang_createtrigger.html."""
    timing = _TIMINGS.get(cursor.word, "BEFORE")
    if cursor.word in _TIMINGS:
        cursor.advance()
        cursor.take("OF")
    event = cursor.words[cursor.advance()]
    update_of = set()
    if cursor.take("OF"):
        update_of.add(cursor.folded_name())
        while cursor.take(","):
            update_of.add(cursor.folded_name())
    cursor.expect("ON")
    _, table = cursor.qualified_name()
    cursor.take_all("FOR", "EACH", "ROW")
    when = cursor.expression(_condition(cursor)) if cursor.take("WHEN") else None
    cursor.expect("BEGIN")
    start, end = cursor.rest()
    if cursor.words[end - 1] != "END" or end <= start:
        raise cursor.error("END")
    return TriggerDefinition(
        name, timing, event, frozenset(update_of), folded_name(table), when, tuple(cursor.words[start : end - 1])
    )


def _condition(cursor: Cursor) -> Span:
    """Skip the condition of a trigger, up to the BEGIN before a statement: a column may be called begin."""
    start = cursor.at
    while not (cursor.word == "BEGIN" and cursor.words[cursor.at + 1] in _BODY_STARTS):
        cursor.advance()
    return start, cursor.at


_OF_COLUMNS = ("fts", "rtree")
"""Prefixes of the modules whose arguments are columns."""


def _read_virtual_table(cursor: Cursor, name: str) -> VirtualTableDefinition:
    """Read `USING module [(argument, …)]`: https://www.sqlite.org/lang_createvtab.html."""
    cursor.expect("USING")
    module = cursor.folded_name()
    read = _column_argument if module.startswith(_OF_COLUMNS) else _argument
    arguments = tuple(read(cursor, span) for span in cursor.items(cursor.group())) if cursor.word else ()
    return VirtualTableDefinition(name, module, tuple(argument for argument in arguments if argument))


def _argument(cursor: Cursor, span: Span) -> Tokens:
    tokens = cursor.tokens[span[0] : span[1]]
    return tuple(fold_case(token.text) if token.kind is TokenKind.WORD else token.text for token in tokens)


def _column_argument(cursor: Cursor, span: Span) -> Tokens:
    """Read an option, `name = value`, or a column, whose name may be quoted: https://www.sqlite.org/fts5.html#fts5_table_creation_and_initialization."""
    words, tokens = _argument(cursor, span), cursor.tokens[span[0] : span[1]]
    if words[1:2] == ("=",):
        is_quoted = len(tokens) == 3 and TokenKind.QUOTED <= tokens[2].kind <= TokenKind.STRING
        return (*words[:2], quote_string(unquote(tokens[2]))) if is_quoted else words
    if not tokens or tokens[0].kind > TokenKind.STRING:
        return words
    return (fold_case(unquote(tokens[0])), *words[1:])
