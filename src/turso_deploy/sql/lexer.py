"""Tokens of SQLite: their positions, the quoting and comparison of names, and the canonical form."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import cache, lru_cache, partial
from typing import NamedTuple


class SqlTextError(ValueError):
    """SQL text that cannot be read. `offset` counts characters from the start of that text."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class TokenKind(IntEnum):
    """The kind of a token; the values are the groups of the scanner."""

    WORD = 1
    """A keyword or an unquoted identifier."""
    QUOTED = 2
    """An identifier in double quotes, back-quotes or brackets."""
    STRING = 3
    BLOB = 4
    NUMBER = 5
    VARIABLE = 6
    OPERATOR = 7
    COMMENT = 8


class Token(NamedTuple):
    """One token as it is written; `start` counts characters from the start of the text."""

    kind: TokenKind
    text: str
    start: int

    @property
    def end(self) -> int:
        """The offset of the first character after the token."""
        return self.start + len(self.text)


Tokens = tuple[str, ...]
"""A piece of SQL as tokens in canonical form (see `canonical_tokens`)."""


# The rules are those of https://www.sqlite.org/lang_keywords.html,
# https://www.sqlite.org/lang_expr.html#literal_values_constants_ and https://www.sqlite.org/lang_comment.html: every
# character beyond ASCII may stand in a name, a byte order mark is white space, and a block comment may end with the
# text. All repetition is possessive, so the time is linear for any text. The two sets of characters of a name are given
# by what is not in them: a set that reaches to the last character takes Python ten times as long to compile.
_NAME_START = r"[^\x00-@\[-^`{-\x7f]"
_NAME_REST = r"[^\x00-#%-/:-@\[-^`{-\x7f]"
_DIGITS = r"[0-9]++(?:_[0-9]++)*+"
_BLANK = r"[ \t\n\v\f\r\ufeff]*+"
_TOKENS = {
    TokenKind.WORD: rf"(?![xX]'){_NAME_START}{_NAME_REST}*+",
    TokenKind.QUOTED: r""" "[^"]*+(?:""[^"]*+)*+" | `[^`]*+(?:``[^`]*+)*+` | \[[^\]]*+\] """,
    TokenKind.STRING: r"'[^']*+(?:''[^']*+)*+'",
    TokenKind.BLOB: r"[xX]'(?:[0-9A-Fa-f]{2})*+'",
    TokenKind.NUMBER: rf"""(?>0[xX][0-9A-Fa-f]++(?:_[0-9A-Fa-f]++)*+
        | (?:{_DIGITS}(?:\.(?:{_DIGITS})?+)?+ | \.{_DIGITS})(?:[eE][+-]?+{_DIGITS})?+)(?!{_NAME_REST})""",
    TokenKind.VARIABLE: rf"\?[0-9]*+ | [$@:\#](?:::)*+{_NAME_REST}(?:{_NAME_REST}|::)*+(?:\([^\s)]*+\)|(?!\())",
    TokenKind.OPERATOR: r"->>? | \|\| | << | <= | <> | >> | >= | == | != | (?!--|/\*.)[-+*/%=<>|&~.,;()]",
    TokenKind.COMMENT: r"--[^\n]*+ | /\*(?=.)[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/)?+",
}
_KINDS = {kind.value: kind for kind in TokenKind}
_LAST = max(_KINDS)
_token: Callable[[tuple[TokenKind, str, int]], Token] = partial(
    tuple.__new__, Token
)  # Token(…) itself takes twice as long


# Both patterns are compiled when they are first used: the help of a command needs this module, and no token.
@cache
def _scanner() -> re.Pattern[str]:
    return re.compile(
        rf"{_BLANK}(?: {'|'.join(f'({pattern})' for pattern in _TOKENS.values())} | (.) | \Z)", re.VERBOSE | re.DOTALL
    )


@cache
def _tokens_before_semicolon() -> re.Pattern[str]:
    return re.compile(
        rf"(?:(?:{_BLANK}(?:{_TOKENS[TokenKind.COMMENT]}))*+{_BLANK}(?!;)"
        rf"(?:{'|'.join(pattern for kind, pattern in _TOKENS.items() if kind is not TokenKind.COMMENT)}))*+",
        re.VERBOSE | re.DOTALL,
    )


def scan(sql: str, start: int = 0) -> Iterator[Token]:
    """Yield every token and comment of the text, in order, from the offset `start`.

    Raises SqlTextError for an illegal character and for a string, name or blob literal that does not end.
    """
    for match in _scanner().finditer(sql, start):
        group = match.lastindex
        if group is None:
            return
        if group > _LAST:
            raise _illegal(sql, match.start(group))
        yield _token((_KINDS[group], match[group], match.start(group)))


def up_to_semicolon(sql: str, start: int) -> int:
    """Return the end of the last token before the next semicolon or illegal character, or `start` if there is none."""
    match = _tokens_before_semicolon().match(sql, start)
    assert match is not None
    return match.end()


def tokenize(sql: str) -> list[Token]:
    """Return every token of the text without the comments. Raises SqlTextError as `scan` does."""
    return [token for token in scan(sql) if token.kind is not TokenKind.COMMENT]


def code_tokens(sql: str, start: int = 0) -> Iterator[Token]:
    """Yield the same tokens lazily, from the offset `start`. Raises SqlTextError as `scan` does."""
    return (token for token in scan(sql, start) if token.kind is not TokenKind.COMMENT)


def _illegal(sql: str, start: int) -> SqlTextError:
    character = sql[start]
    if character in "\"'`[":
        return SqlTextError(f"{character} opens a string or a name that is not closed", start)
    if character in "$@:#":
        return SqlTextError("a variable without a name", start)
    if character in "xX":
        return SqlTextError("a blob literal needs pairs of hexadecimal digits and a closing quote", start)
    if character in ".0123456789":
        return SqlTextError("a number runs into a name", start)
    return SqlTextError(f"the character {character!a} has no meaning here", start)


def position(text: str, offset: int) -> tuple[int, int]:
    """Return the line and the column of an offset, both counted from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def quote_identifier(name: str) -> str:
    """Quote a name as an identifier (https://www.sqlite.org/lang_keywords.html)."""
    return '"' + name.replace('"', '""') + '"'


def projected_name(name: str) -> str:
    """Return the name under which a subquery shows a column.

    SQLite lets no column of a subquery be called `true` or `false`, not even in quotes, and reads such a name as text:
    sqlite3ColumnsFromExprList in src/select.c.
    """
    return f"turso_deploy_{name}" if capitals(name) in ("TRUE", "FALSE") else name


def readable_identifier(name: str) -> str:
    """Return a name as people write it in SQL: in quotes only if it needs them."""
    is_plain = name.isascii() and name.isidentifier() and capitals(name) not in _KEYWORDS
    return name if is_plain else quote_identifier(name)


def column_title(table: str, *columns: str) -> str:
    """Return the title of one or more columns of a table for messages and approvals: `table.column`.

    A name with a full stop or a double quote is quoted, so that `"a.b".c` and `a."b.c"` differ.
    """
    first, *others = [quote_identifier(name) if set(name) & set('."') else name for name in (table, *columns)]
    return f"{first}.{', '.join(others)}"


_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_TABLE = re.compile(rf"{_QUOTED.pattern}(?=\.|$)|[^.]*")


def read_column_title(title: str) -> tuple[str, str]:
    """Return the table and the column of a title that `column_title` wrote; the column is "" if it has none."""
    table = _TABLE.match(title)
    assert table is not None
    return without_quotes(table[0]), without_quotes(title[table.end() + 1 :])


def without_quotes(name: str) -> str:
    """Return a name without the double quotes around it, if it has them."""
    return name[1:-1].replace('""', '"') if _QUOTED.fullmatch(name) else name


def quote_string(text: str) -> str:
    """Quote a text as an SQL string (https://www.sqlite.org/lang_expr.html#literal_values_constants_)."""
    return "'" + text.replace("'", "''") + "'"


def unquote(token: Token) -> str:
    """Return the name in a token. SQLite also accepts a string where the grammar allows only a name."""
    return token.text if token.kind is TokenKind.WORD else _without_marks(token.text)


def _without_marks(text: str) -> str:
    return text[1:-1] if text[0] == "[" else text[1:-1].replace(text[0] * 2, text[0])


_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_UPPER = {lower: upper for upper, lower in _LOWER.items()}


def fold_case(name: str) -> str:
    """Return a name in the form in which SQLite compares it: with its ASCII letters, and no others, in lower case."""
    return name.lower() if name.isascii() else name.translate(_LOWER)


def capitals(text: str) -> str:
    """Return a text with its ASCII letters, and no others, in upper case."""
    return text.upper() if text.isascii() else text.translate(_UPPER)


# https://www.sqlite.org/lang_keywords.html. A bare RESERVED word is never the same as the quoted name: either it
# cannot be a name, or it is one only where it cannot be the keyword (LEFT, RAISE, CURRENT_DATE), so the two are not
# interchangeable.
RESERVED = frozenset(
    """ADD ALL ALTER AND AS AUTOINCREMENT BETWEEN CASE CHECK COLLATE COMMIT CONSTRAINT CREATE CROSS CURRENT_DATE
    CURRENT_TIME CURRENT_TIMESTAMP DEFAULT DEFERRABLE DELETE DISTINCT DROP ELSE ESCAPE EXCEPT EXISTS FALSE FOREIGN
    FROM FULL GROUP HAVING IN INDEX INDEXED INNER INSERT INTERSECT INTO IS ISNULL JOIN LEFT LIMIT NATURAL NOT NOTHING
    NOTNULL NULL ON OR ORDER OUTER PRIMARY RAISE REFERENCES RETURNING RIGHT SELECT SET TABLE THEN TO TRANSACTION TRUE
    UNION UNIQUE UPDATE USING VALUES WHEN WHERE""".split()
)
# SQLite lets these be names without quotes wherever the keyword cannot stand, so quoted or not is no difference.
_FALLBACK = frozenset(
    """ABORT ACTION AFTER ALWAYS ANALYZE ASC ATTACH BEFORE BEGIN BY CASCADE CAST COLUMN CONFLICT CURRENT DATABASE
    DEFERRED DESC DETACH DO EACH END EXCLUDE EXCLUSIVE EXPLAIN FAIL FILTER FIRST FOLLOWING FOR GENERATED GLOB GROUPS
    IF IGNORE IMMEDIATE INITIALLY INSTEAD KEY LAST LIKE MATCH MATERIALIZED NO NULLS OF OFFSET OTHERS OVER PARTITION
    PLAN PRAGMA PRECEDING QUERY RANGE RECURSIVE REGEXP REINDEX RELEASE RENAME REPLACE RESTRICT ROLLBACK ROW ROWS
    SAVEPOINT TEMP TEMPORARY TIES TRIGGER UNBOUNDED VACUUM VIEW VIRTUAL WINDOW WITH WITHIN WITHOUT""".split()
)
# The reserved words that are values.
VALUE_WORDS = frozenset({"NULL", "TRUE", "FALSE", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP"})
_KEYWORDS = RESERVED | _FALLBACK
_PLAIN_NAME = re.compile(r"[^\x00-^`{-\x7f][^\x00-#%-/:-^`{-\x7f]*")
_SYNONYMS = {"==": "=", "!=": "<>"}


@lru_cache(maxsize=8192)
def _word(text: str) -> str:
    upper = capitals(text)
    return upper if upper in _KEYWORDS else fold_case(text)


@lru_cache(maxsize=8192)
def _name(folded: str) -> str:
    upper = capitals(folded)
    if upper in _FALLBACK:
        return upper
    return folded if _PLAIN_NAME.fullmatch(folded) and upper not in RESERVED else quote_identifier(folded)


_CANONICAL: Mapping[TokenKind, Callable[[str], str]] = {
    TokenKind.WORD: _word,
    TokenKind.QUOTED: lambda text: _name(fold_case(_without_marks(text))),
    TokenKind.STRING: str,
    TokenKind.BLOB: str.lower,
    TokenKind.NUMBER: str.lower,
    TokenKind.VARIABLE: str,
    TokenKind.OPERATOR: lambda text: _SYNONYMS.get(text, text),
    TokenKind.COMMENT: str,
}


def canonical_tokens(sql: str | Iterable[Token]) -> Tokens:
    """Return the tokens of a text in the form that all their spellings share. Raises SqlTextError as `scan` does.

    Keywords are upper case; names are folded, and quoted only where they must be. A canonical text is still SQL.
    """
    tokens = tokenize(sql) if isinstance(sql, str) else sql
    return tuple([_CANONICAL[kind](text) for kind, text, _ in tokens])


class Name(str):
    """A folded name that remembers its spelling, without quotes, in `written`."""

    __slots__ = ("written",)
    written: str


def folded_name(written: str) -> str:
    """Return the folded form of a name, which remembers its spelling if that is another one."""
    folded = fold_case(written)
    if folded == written:
        return folded
    name = Name(folded)
    name.written = written
    return name


class Expression(tuple[str, ...]):
    """The tokens of an expression in canonical form, which remembers them as they are written, in `tokens`."""

    tokens: Sequence[Token]


def expression_of(words: Sequence[str], tokens: Sequence[Token]) -> Tokens:
    """Return words in canonical form, which remember their tokens if those are written in another way."""
    if [token.text for token in tokens] == list(words):
        return tuple(words)
    expression = Expression(words)
    expression.tokens = tokens
    return expression


def as_written(name: str) -> str:
    """Return a name in its own spelling, if it is known."""
    return name.written if isinstance(name, Name) else name


def readable_sql(tokens: Tokens) -> str:
    """Return an expression as people write SQL: no space inside parentheses or between a function and its own.

    Names and keywords are as they are written, if that is known, and names in quotes only if they need them.
    """
    texts = map(_text, tokens.tokens) if isinstance(tokens, Expression) else tokens
    text, before = "", "("
    for token, shown in zip(tokens, texts, strict=True):
        is_call = token == "(" and (before[0].islower() or before[0] in '_"')
        text += shown if is_call or token in (")", ",", ".") or before in ("(", ".") else f" {shown}"
        before = token
    return text


def _text(token: Token) -> str:
    return readable_identifier(unquote(token)) if token.kind is TokenKind.QUOTED else token.text
