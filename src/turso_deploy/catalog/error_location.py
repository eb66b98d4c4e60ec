"""Locate an SQLite error in its statement, where `sqlite3_error_offset()` does not."""

from __future__ import annotations

import re
from collections.abc import Sequence

from turso_deploy.sql.cursor import Cursor, read_header
from turso_deploy.sql.lexer import Token, TokenKind, fold_case, tokenize, unquote

# The messages of https://sqlite.org/src/file/src/parse.y, build.c and resolve.c that name their cause.
_SYNTAX_ERROR = re.compile(r'near "(.*)": syntax error', re.DOTALL)
_NAMED = re.compile(
    r"""no\ such\ (?:column|table|module|function|collation\ sequence|index):\ "?(.+?)"?(?:\ -\ should\ this\ be\ .*)?$
    | unknown\ column\ "(.+)"\ in\ foreign\ key | has\ no\ column\ named\ (.+) | referencing\ "(.+)"
    | duplicate\ column\ name:\ (.+) | unknown\ table\ option:\ (.+) | missing\ datatype\ for\ .+\.(.+)
    | default\ value\ of\ column\ \[(.+)\] | unknown\ datatype\ for\ .+:\ "([^"(\ ]+)
    | ambiguous\ column\ name:\ (.+) | unknown\ function:\ (.+)\(\)
    | wrong\ number\ of\ arguments\ to\ function\ (.+)\(\) | non-deterministic\ use\ of\ (.+?)\(\)""",
    re.VERBOSE | re.DOTALL,
)


def is_syntax_error(message: str) -> bool:
    """Return True if the parser rejected the text itself, and not a name in it."""
    return message == "incomplete input" or _SYNTAX_ERROR.fullmatch(message) is not None


def locate(sql: str, message: str, offset: int | None = None) -> int | None:
    """Return the offset of the token to which SQLite's message for a statement points, or None.

    `offset` is what SQLite gives, if it does; it has none where it calls a text "incomplete input", and for many names.
    The name that the message quotes is searched in the text after the object's own name.
    """
    tokens = tokenize(sql)
    if message == "incomplete input":
        return _never_closed(tokens, sql)
    named = None if is_syntax_error(message) else _NAMED.search(message)
    if named is None:
        return offset
    cursor = Cursor(tokens, len(sql))
    header = read_header(cursor) if cursor.word == "CREATE" else None
    behind = tokens[header.position + 1 :] if header else tokens
    found = _occurrences(next(filter(None, named.groups())).split("."), behind)
    wanted = 1 if message.startswith("duplicate column") else 0
    return found[wanted].start if len(found) > wanted else offset


def _never_closed(tokens: Sequence[Token], sql: str) -> int:
    """Return the offset of the innermost parenthesis that is not closed, or the end of the text."""
    opened = []
    for token in tokens:
        if token.text == "(":
            opened.append(token.start)
        elif token.text == ")" and opened:
            opened.pop()
    return opened[-1] if opened else len(sql)


def _occurrences(names: Sequence[str], tokens: Sequence[Token]) -> list[Token]:
    """Return the tokens of the last name, preceded by the other names if such tokens exist."""
    written = [fold_case(unquote(token)) if token.kind <= TokenKind.STRING else token.text for token in tokens]
    qualified = [name for part in names for name in (fold_case(part), ".")][:-1]
    length = len(qualified)
    found = [tokens[at + length - 1] for at in range(len(tokens)) if written[at : at + length] == qualified]
    alone = [token for token, name in zip(tokens, written, strict=True) if name == fold_case(names[-1])]
    return found or alone
