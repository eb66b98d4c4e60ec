"""Reads a CREATE statement, as a user wrote it or as `sqlite_schema` stores it, into its canonical parts.

It reads every statement that SQLite accepts, by SQLite's own grammar (https://www.sqlite.org/lang_createtable.html
and its sisters), and does not check what SQLite has checked.
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
from turso_deploy.sql.lexer import TokenKind, Tokens, fold_case, quote_string, tokenize, unquote
from turso_deploy.sql.table_parser import key_parts, read_table

_TIMINGS = {"BEFORE": "BEFORE", "AFTER": "AFTER", "INSTEAD": "INSTEAD OF"}
_BODY_STARTS = ("INSERT", "UPDATE", "DELETE", "SELECT", "REPLACE", "WITH", "VALUES")


# The wanted, the rehearsed and each live schema hold mostly the same texts, and a definition never changes.
@lru_cache(maxsize=32768)
def parse(sql: str) -> Definition:
    """The canonical parts of one CREATE statement.

    Raises SqlTextError when the text is not a CREATE statement that SQLite accepts, and for CREATE TABLE … AS, which
    `sqlite_schema` never holds.
    """
    reader = Cursor(tokenize(sql), len(sql))
    header = read_header(reader)
    if header is None:
        raise reader.error("TABLE, INDEX, VIEW or TRIGGER")
    definition = _read(reader, header, sql)
    if reader.word:
        raise reader.error("the end")
    return definition


def parse_table(sql: str) -> TableDefinition:
    """Return the canonical parts of the CREATE TABLE of an ordinary table. Raises SqlTextError as `parse` does."""
    definition = parse(sql)
    assert isinstance(definition, TableDefinition)
    return definition


def _read(reader: Cursor, header: Header, sql: str) -> Definition:
    name = fold_case(header.name)
    match header.kind:
        case "TABLE":
            return read_table(reader, name, sql)
        case "INDEX":
            return _read_index(reader, name, header.unique)
        case "VIEW":
            return _read_view(reader, name)
        case "TRIGGER":
            return _read_trigger(reader, name)
        case _:
            return _read_virtual_table(reader, name)


def _read_index(reader: Cursor, name: str, unique: bool) -> IndexDefinition:
    """`ON table (part, …) [WHERE predicate]`: https://www.sqlite.org/lang_createindex.html."""
    reader.expect("ON")
    table = reader.folded_name()
    parts = key_parts(reader, reader.group())
    where = reader.expression(reader.rest()) if reader.take("WHERE") else None
    return IndexDefinition(name, table, unique, parts, where)


def _read_view(reader: Cursor, name: str) -> ViewDefinition:
    """`[(column, …)] AS select`: https://www.sqlite.org/lang_createview.html."""
    columns = reader.folded_names() if reader.word == "(" else None
    reader.expect("AS")
    return ViewDefinition(name, columns, reader.expression(reader.rest()))


def _read_trigger(reader: Cursor, name: str) -> TriggerDefinition:
    """`[timing] event ON table [FOR EACH ROW] [WHEN …] BEGIN … END`: https://www.sqlite.org/lang_createtrigger.html."""
    timing = _TIMINGS.get(reader.word, "BEFORE")
    if reader.word in _TIMINGS:
        reader.advance()
        reader.take("OF")
    event = reader.words[reader.advance()]
    update_of = set()
    if reader.take("OF"):
        update_of.add(reader.folded_name())
        while reader.take(","):
            update_of.add(reader.folded_name())
    reader.expect("ON")
    _, table = reader.qualified_name()
    reader.take_all("FOR", "EACH", "ROW")
    when = reader.expression(_condition(reader)) if reader.take("WHEN") else None
    reader.expect("BEGIN")
    start, end = reader.rest()
    if reader.words[end - 1] != "END" or end <= start:
        raise reader.error("END")
    return TriggerDefinition(
        name, timing, event, frozenset(update_of), fold_case(table), when, tuple(reader.words[start : end - 1])
    )


def _condition(reader: Cursor) -> Span:
    """Step over the condition of a trigger, up to the BEGIN that a statement follows: a column may be called begin."""
    start = reader.at
    while not (reader.word == "BEGIN" and reader.words[reader.at + 1] in _BODY_STARTS):
        reader.advance()
    return start, reader.at


_OF_COLUMNS = ("fts", "rtree")
"""The modules, by how they are called first, whose arguments are columns."""


def _read_virtual_table(reader: Cursor, name: str) -> VirtualTableDefinition:
    """`USING module [(argument, …)]`: https://www.sqlite.org/lang_createvtab.html."""
    reader.expect("USING")
    module = reader.folded_name()
    read = _column_argument if module.startswith(_OF_COLUMNS) else _argument
    arguments = tuple(read(reader, span) for span in reader.items(reader.group())) if reader.word else ()
    return VirtualTableDefinition(name, module, tuple(argument for argument in arguments if argument))


def _argument(reader: Cursor, span: Span) -> Tokens:
    tokens = reader.tokens[span[0] : span[1]]
    return tuple(fold_case(token.text) if token.kind is TokenKind.WORD else token.text for token in tokens)


def _column_argument(reader: Cursor, span: Span) -> Tokens:
    """An option, `name = value`, or a column, whose name may stand in quotes: https://www.sqlite.org/fts5.html#fts5_table_creation_and_initialization."""
    words, tokens = _argument(reader, span), reader.tokens[span[0] : span[1]]
    if words[1:2] == ("=",):
        is_quoted = len(tokens) == 3 and TokenKind.QUOTED <= tokens[2].kind <= TokenKind.STRING
        return (*words[:2], quote_string(unquote(tokens[2]))) if is_quoted else words
    if not tokens or tokens[0].kind > TokenKind.STRING:
        return words
    return (fold_case(unquote(tokens[0])), *words[1:])
