"""Constructs that versions of SQLite after 3.40 brought: an older one rejects them, or gives another result.

SQLite reads all definitions of a file when it opens it, so one that an older version cannot parse makes the whole file
malformed to it. Versions: https://www.sqlite.org/changes.html and the page of each function.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from turso_deploy.sql.lexer import Token, TokenKind, capitals, fold_case, tokenize

Version = tuple[int, ...]

OLDEST: Version = (3, 40)
"""The oldest SQLite that can open a file that was deployed to; Debian 12 has it."""

_FUNCTIONS = {
    "unhex": (3, 41),
    "json_error_position": (3, 42),
    "octet_length": (3, 43),
    "timediff": (3, 43),
    "concat": (3, 44),
    "concat_ws": (3, 44),
    "string_agg": (3, 44),
    **dict.fromkeys(
        """jsonb jsonb_array jsonb_extract jsonb_group_array jsonb_group_object jsonb_insert jsonb_object jsonb_patch
        jsonb_remove jsonb_replace jsonb_set""".split(),
        (3, 45),
    ),
    "json_pretty": (3, 46),
    "if": (3, 48),
    "unistr": (3, 50),
    "unistr_quote": (3, 50),
    "jsonb_each": (3, 51),
    "jsonb_tree": (3, 51),
    "json_array_insert": (3, 53),
    "jsonb_array_insert": (3, 53),
}
_EXTENSIONS = frozenset({"median", "percentile", "percentile_cont", "percentile_disc"})
"""Functions of 3.51 that older servers have as extensions, or not: a server reports its functions."""

_ARGUMENTS = {("json_valid", 2): (3, 45), ("iif", 2): (3, 48)}
_FORMATS = {**dict.fromkeys("eFIklpPRTu", (3, 44)), **dict.fromkeys("GgUV", (3, 46))}
_MODIFIERS = {"subsec": (3, 42), "subsecond": (3, 42), "floor": (3, 46), "ceiling": (3, 46)}
_DATE_SHIFT = re.compile(r"[+-]\d{4}-\d{2}-\d{2}")
_DATE_FUNCTIONS = frozenset({"date", "time", "datetime", "julianday", "unixepoch", "strftime"})
_WITH_ARGUMENTS = _DATE_FUNCTIONS | {"raise", "iif", "json_valid"}
_FTS5_OPTIONS = {
    "contentless_delete": (3, 43),
    "tokendata": (3, 45),
    "contentless_unindexed": (3, 47),
    "locale": (3, 47),
}
# A name with parentheses behind these words is no call of a function.
_BEFORE_NAMES = frozenset("TABLE EXISTS INTO REFERENCES ON VIEW WITH RECURSIVE UPDATE USING .".split())
_NOT_FUNCTIONS = frozenset({"OVER", "FILTER", "AS", "IN", "NOT", "MATERIALIZED", "VALUES", "USING", "CHECK", "KEY"})


class NewerSql(NamedTuple):
    """A construct in a statement, the version of SQLite that brought it, and its offset in characters.

    `on_server` is the version from which servers may have it, if that differs: the parser of libSQL is its own.
    """

    name: str
    since: Version
    offset: int
    on_server: Version | None = None


def newer_sql_in(sql: str, version: Version, *, is_server: bool = False) -> Iterator[NewerSql]:
    """Yield the constructs of a statement that came after a version of SQLite, each name once.

    Raises SqlTextError.
    """
    names = set()
    for found in _constructs(tokenize(sql)):
        if ((is_server and found.on_server) or found.since) > version[:2] and found.name not in names:
            names.add(found.name)
            yield found


def _constructs(tokens: Sequence[Token]) -> Iterator[NewerSql]:
    closing = _closing_parentheses(tokens)
    calls: list[int | None] = []  # for each open parenthesis, the position of the function's name
    for at, token in enumerate(tokens):
        if token.kind is TokenKind.NUMBER and "_" in token.text:
            yield NewerSql(f"the separator in {token.text}", (3, 46), token.start)
        elif token.text in ("->", "->>") and _is_negative(tokens[at + 1 : at + 4]):
            yield NewerSql(f"a negative index behind {token.text}", (3, 47), token.start)
        elif token.text == "(":
            is_call = at > 0 and _is_call(tokens, at - 1, closing[at])
            calls.append(at - 1 if is_call else None)
            if is_call or (at > 1 and capitals(tokens[at - 2].text) == "USING"):
                yield from _in_call(tokens, at - 1, closing[at])
        elif token.text == ")" and calls:
            calls.pop()
        elif calls and calls[-1] is not None and _are(tokens[at : at + 2], "ORDER", "BY"):
            # The parser of libSQL 3.45 does not accept it.
            yield NewerSql(f"ORDER BY inside {tokens[calls[-1]].text}", (3, 44), token.start, on_server=(3, 46))


def _closing_parentheses(tokens: Sequence[Token]) -> dict[int, int]:
    """Return the position of the closing parenthesis of each opening one; the end for one that stays open."""
    closing, opened = {}, []
    for at, token in enumerate(tokens):
        if token.text == "(":
            opened.append(at)
        elif token.text == ")" and opened:
            closing[opened.pop()] = at
    return closing | dict.fromkeys(opened, len(tokens))


def _is_call(tokens: Sequence[Token], at: int, closing: int) -> bool:
    """Return True if the name at a position is called with what stands in parentheses behind it."""
    name, before = capitals(tokens[at].text), capitals(tokens[at - 1].text) if at else ""
    return (
        tokens[at].kind <= TokenKind.QUOTED
        and before not in _BEFORE_NAMES
        and name not in _NOT_FUNCTIONS
        and not _are(tokens[at + 2 : at + 3], "SELECT")
        and not _are(tokens[at + 2 : at + 3], "WITH")
        # the name of a common table expression with its columns
        and not (before in ("WITH", "RECURSIVE", ",") and _is_table_expression(tokens[closing + 1 : closing + 4]))
    )


def _is_table_expression(following: Sequence[Token]) -> bool:
    """Return True if a SELECT in parentheses follows, and not another name, as behind the value of a column."""
    words = [capitals(token.text) for token in following]
    return words[:1] == ["AS"] and (words[1:2] in (["("], ["NOT"]) or words[1:] == ["MATERIALIZED", "("])


def _are(tokens: Sequence[Token], *words: str) -> bool:
    return tuple(capitals(token.text) for token in tokens) == words


def _is_negative(following: Sequence[Token]) -> bool:
    texts = [token.text for token in following if token.text != "("]
    return len(texts) > 1 and texts[0] == "-" and texts[1][0].isdigit()


def _in_call(tokens: Sequence[Token], at: int, closing: int) -> Iterator[NewerSql]:
    """Yield the constructs of a call: the function itself, its number of arguments, and what stands in them."""
    name, start = fold_case(tokens[at].text), tokens[at].start
    if at and capitals(tokens[at - 1].text) == "USING":
        if name == "fts5":
            yield from _fts5_options(_arguments(tokens[at + 2 : closing]))
        return
    if since := _FUNCTIONS.get(name):
        yield NewerSql(f"the function {name}", since, start)
    elif name in _EXTENSIONS:
        yield NewerSql(f"the function {name}", (3, 51), start, on_server=(3,))
    if name not in _WITH_ARGUMENTS:
        return
    arguments = _arguments(tokens[at + 2 : closing])
    count = len(arguments)
    if name == "raise" and count > 1 and [token.kind for token in arguments[1]] != [TokenKind.STRING]:
        yield NewerSql("RAISE with an expression", (3, 47), start)
    if since := _ARGUMENTS.get((name, count)) or ((3, 48) if name == "iif" and count > 3 else None):
        yield NewerSql(f"{name} with {count} arguments", since, start)
    if name in _DATE_FUNCTIONS:
        for number, argument in enumerate(arguments):
            if len(argument) == 1 and argument[0].kind is TokenKind.STRING:
                is_format = name == "strftime" and number == 0
                yield from _in_format(argument[0]) if is_format else _in_modifier(argument[0])


def _in_format(text: Token) -> Iterator[NewerSql]:
    for letter in re.findall(r"%(.)", text.text, re.DOTALL):
        if since := _FORMATS.get(letter):
            yield NewerSql(f"%{letter} of strftime", since, text.start)


def _in_modifier(text: Token) -> Iterator[NewerSql]:
    modifier = fold_case(text.text[1:-1].strip())
    if since := _MODIFIERS.get(modifier) or ((3, 43) if _DATE_SHIFT.match(modifier) else None):
        yield NewerSql(f"the modifier {text.text}", since, text.start)


def _fts5_options(arguments: Sequence[Sequence[Token]]) -> Iterator[NewerSql]:
    for argument in arguments:
        if len(argument) > 1 and argument[1].text == "=" and (since := _FTS5_OPTIONS.get(fold_case(argument[0].text))):
            yield NewerSql(f"the FTS5 option {argument[0].text}", since, argument[0].start)


def _arguments(tokens: Sequence[Token]) -> list[list[Token]]:
    """Return the tokens of each argument between the parentheses of a call."""
    arguments: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.text == ",":
            arguments.append([])
        else:
            arguments[-1].append(token)
    return arguments if tokens else []
