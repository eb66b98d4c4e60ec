"""The kind and the object of a statement, by which statements are ordered and some are rejected."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from turso_deploy.sql.cursor import Cursor, at_header, read_header
from turso_deploy.sql.lexer import canonical_tokens, fold_case, tokenize
from turso_deploy.sql.splitter import is_dot_command


class StatementKind(StrEnum):
    """The kinds of statements (https://www.sqlite.org/lang.html), named for messages."""

    CREATE_TABLE = "CREATE TABLE"
    CREATE_TABLE_AS_SELECT = "CREATE TABLE … AS SELECT"
    CREATE_VIRTUAL_TABLE = "CREATE VIRTUAL TABLE"
    CREATE_INDEX = "CREATE INDEX"
    CREATE_VIEW = "CREATE VIEW"
    CREATE_TRIGGER = "CREATE TRIGGER"
    CREATE_TEMPORARY = "CREATE TEMP"
    """Any object of the temp schema, whether TEMP or the prefix `temp.` says so."""
    ALTER = "ALTER"
    DROP = "DROP"
    WRITE = "INSERT, UPDATE or DELETE"
    SELECT = "SELECT"
    PRAGMA = "PRAGMA"
    TRANSACTION = "BEGIN, COMMIT, ROLLBACK, SAVEPOINT or RELEASE"
    VACUUM = "VACUUM"
    ANALYZE = "ANALYZE"
    ATTACH = "ATTACH"
    DETACH = "DETACH"
    REINDEX = "REINDEX"
    EXPLAIN = "EXPLAIN"
    DOT_COMMAND = "dot command"
    OTHER = "other"


class Description(NamedTuple):
    """The kind and the object of a statement. Names are as written, without quotes.

    For CREATE: `name` and `schema` (the prefix, such as `main`) of the object, `named_at`, the offset of its name in
    the statement, `table` that an index or a trigger stands on, and `if_not_exists`. For DROP: `name` and `schema` of
    the object, `dropped`, its kind in lower case, and `if_exists`. For PRAGMA: its `name`, `schema`, and `writes` when
    it may change something. `verb` is the word of a write or of a statement about transactions, and the name of a dot
    command.
    """

    kind: StatementKind
    name: str | None = None
    schema: str | None = None
    table: str | None = None
    if_not_exists: bool = False
    writes: bool = False
    named_at: int = 0
    dropped: str = ""
    if_exists: bool = False
    verb: str = ""


_BY_FIRST_WORD = {
    "ALTER": StatementKind.ALTER,
    "DROP": StatementKind.DROP,
    "INSERT": StatementKind.WRITE,
    "UPDATE": StatementKind.WRITE,
    "DELETE": StatementKind.WRITE,
    "REPLACE": StatementKind.WRITE,
    "SELECT": StatementKind.SELECT,
    "VALUES": StatementKind.SELECT,
    "BEGIN": StatementKind.TRANSACTION,
    "COMMIT": StatementKind.TRANSACTION,
    "END": StatementKind.TRANSACTION,
    "ROLLBACK": StatementKind.TRANSACTION,
    "SAVEPOINT": StatementKind.TRANSACTION,
    "RELEASE": StatementKind.TRANSACTION,
    "VACUUM": StatementKind.VACUUM,
    "ANALYZE": StatementKind.ANALYZE,
    "ATTACH": StatementKind.ATTACH,
    "DETACH": StatementKind.DETACH,
    "REINDEX": StatementKind.REINDEX,
    "EXPLAIN": StatementKind.EXPLAIN,
}
_CREATED = {
    "TABLE": StatementKind.CREATE_TABLE,
    "VIRTUAL TABLE": StatementKind.CREATE_VIRTUAL_TABLE,
    "INDEX": StatementKind.CREATE_INDEX,
    "VIEW": StatementKind.CREATE_VIEW,
    "TRIGGER": StatementKind.CREATE_TRIGGER,
}
# https://www.sqlite.org/pragma.html: with an argument these only read; without one, only the others below do more
# than read.
_READING_PRAGMAS = frozenset(
    """foreign_key_check foreign_key_list index_info index_list index_xinfo integrity_check quick_check table_info
    table_list table_xinfo""".split()
)
_ACTING_PRAGMAS = frozenset("incremental_vacuum optimize shrink_memory wal_checkpoint".split())


def describe(sql: str) -> Description:
    """Return the kind and the object of one statement. Raises SqlTextError if it cannot be read."""
    if is_dot_command(sql):
        return Description(StatementKind.DOT_COMMAND, verb=sql.split(maxsplit=1)[0])
    cursor = at_header(sql)
    first = cursor.word
    if first == "CREATE":
        return _describe_create(cursor, sql)
    if first == "PRAGMA":
        return _describe_pragma(cursor)
    if first == "DROP":
        return _describe_drop(cursor)
    if first == "WITH":
        first = _verb_behind_with(sql)
    kind = _BY_FIRST_WORD.get(first, StatementKind.OTHER)
    return Description(kind, verb=first if kind in (StatementKind.WRITE, StatementKind.TRANSACTION) else "")


def _describe_create(cursor: Cursor, sql: str) -> Description:
    header = read_header(cursor)
    if header is None:
        return Description(StatementKind.OTHER)
    table = None
    if header.kind == "INDEX":
        cursor.expect("ON")
        table = cursor.name()
    elif header.kind == "TRIGGER":
        table = _table_of_trigger(sql)
    temporary = header.temporary or (header.schema is not None and fold_case(header.schema) in ("temp", "temporary"))
    kind = StatementKind.CREATE_TEMPORARY if temporary else _CREATED[header.kind]
    if kind is StatementKind.CREATE_TABLE and cursor.word == "AS":
        kind = StatementKind.CREATE_TABLE_AS_SELECT
    named_at = cursor.tokens[header.position].start
    return Description(kind, header.name, header.schema, table, header.if_not_exists, named_at=named_at)


def _table_of_trigger(sql: str) -> str:
    cursor = Cursor(tokenize(sql), len(sql))
    read_header(cursor)
    while cursor.word != "ON":
        cursor.advance()
    cursor.expect("ON")
    return cursor.qualified_name()[1]


def _describe_pragma(cursor: Cursor) -> Description:
    cursor.expect("PRAGMA")
    schema, name = cursor.qualified_name()
    has_argument = cursor.word in ("=", "(")
    writes = fold_case(name) not in _READING_PRAGMAS if has_argument else fold_case(name) in _ACTING_PRAGMAS
    return Description(StatementKind.PRAGMA, name, schema, writes=writes)


def _describe_drop(cursor: Cursor) -> Description:
    """Read `DROP kind [IF EXISTS] [schema.]name`: https://www.sqlite.org/lang_droptable.html."""
    cursor.expect("DROP")
    kind = cursor.words[cursor.advance()].lower()
    if_exists = cursor.take_all("IF", "EXISTS")
    schema, name = cursor.qualified_name()
    return Description(StatementKind.DROP, name, schema, dropped=kind, if_exists=if_exists)


def _verb_behind_with(sql: str) -> str:
    """Return the verb of `WITH name AS (…), … <statement>`, which follows the last closing parenthesis."""
    depth = 0
    before = ""
    for word in canonical_tokens(sql):
        if depth == 0 and before == ")" and word in _BY_FIRST_WORD:
            return word
        depth += (word == "(") - (word == ")")
        before = word
    return ""
