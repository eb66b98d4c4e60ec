"""A cursor over the tokens of one statement, and the header that all CREATE statements share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from turso_deploy.sql.lexer import (
    SqlTextError,
    Token,
    TokenKind,
    Tokens,
    canonical_tokens,
    code_tokens,
    expression_of,
    folded_name,
    unquote,
)

Span = tuple[int, int]
"""A run of tokens: the index of the first token, and the index after the last."""


class Cursor:
    """A reader of tokens from left to right. `words` holds the canonical form of each, and "" at the end."""

    def __init__(self, tokens: Sequence[Token], length: int) -> None:
        """Start at the first token. `length` is the length of the text, the offset of errors at its end."""
        self.tokens = tokens
        self.length = length
        self.words = list(canonical_tokens(tokens))
        if self.words[-1:] == [";"]:
            self.words.pop()
        self.words.append("")
        self.at = 0

    @property
    def word(self) -> str:
        """The next token in canonical form, "" at the end."""
        return self.words[self.at]

    def error(self, expected: str) -> SqlTextError:
        """Return the error for an unexpected token or end."""
        at_end = not self.word
        found = "the text ends" if at_end else f"found {self.tokens[self.at].text!a}"
        return SqlTextError(f"expected {expected}, but {found}", self.length if at_end else self.tokens[self.at].start)

    def advance(self) -> int:
        """Skip the next token and return its index. Raises SqlTextError at the end."""
        if not self.words[self.at]:
            raise self.error("more")
        self.at += 1
        return self.at - 1

    def take(self, word: str) -> bool:
        """Skip the next token if it is this word; return True if it was."""
        found = self.words[self.at] == word
        self.at += found
        return found

    def take_all(self, *words: str) -> bool:
        """Skip these words if they are the next ones; return True if they were."""
        found = tuple(self.words[self.at : self.at + len(words)]) == words
        if found:
            self.at += len(words)
        return found

    def expect(self, word: str) -> None:
        """Skip this word. Raises SqlTextError if it is not the next one."""
        if not self.take(word):
            raise self.error(word)

    def name(self) -> str:
        """Skip a name and return it as written, without its quotes. SQLite accepts a string as a name here."""
        at = self.at
        if not self.words[at] or self.tokens[at].kind > TokenKind.STRING:
            raise self.error("a name")
        self.at = at + 1
        return unquote(self.tokens[at])

    def folded_name(self) -> str:
        """Skip a name and return it folded."""
        return folded_name(self.name())

    def folded_names(self) -> tuple[str, ...]:
        """Skip a list of names in parentheses and return them folded."""
        start, end = self.group()
        self.at = start
        names = [self.folded_name()]
        while self.take(","):
            names.append(self.folded_name())
        if self.at != end:
            raise self.error(")")
        self.at = end + 1
        return tuple(names)

    def qualified_name(self) -> tuple[str | None, str]:
        """Skip a name with an optional schema and return the schema, or None, and the name."""
        name = self.name()
        return (name, self.name()) if self.take(".") else (None, name)

    def group(self) -> Span:
        """Skip a group in parentheses and return the span between them."""
        if self.word != "(":
            raise self.error("(")
        opening = self.at
        self.at = self._closing[opening] + 1
        return opening + 1, self.at - 1

    def items(self, span: Span) -> Iterator[Span]:
        """Yield the parts of a span that commas separate outside of inner parentheses."""
        start, end = span
        at = start
        while at < end:
            if self.words[at] == "(":
                at = self._closing[at]
            elif self.words[at] == ",":
                yield start, at
                start = at + 1
            at += 1
        yield start, end

    def closes_at(self, opening: int, closing: int) -> bool:
        """Return True if these two tokens are the parentheses of one group."""
        return self.words[opening] == "(" and self._closing[opening] == closing

    def without_parentheses(self, span: Span) -> Span:
        """Return a span without the parentheses that enclose all of it."""
        start, end = span
        while end - start > 2 and self.closes_at(start, end - 1):
            start, end = start + 1, end - 1
        return start, end

    def expression(self, span: Span) -> Tokens:
        """Return an expression in canonical form, without parentheses around all of it."""
        start, end = self.without_parentheses(span)
        return expression_of(self.words[start:end], self.tokens[start:end])

    def rest(self) -> Span:
        """Skip everything to the end and return its span."""
        start, self.at = self.at, len(self.words) - 1
        return start, self.at

    @cached_property
    def _closing(self) -> dict[int, int]:
        """The indexes of closing parentheses by opening ones. Raises SqlTextError if one has no partner."""
        closing = {}
        opened = []
        for index, word in enumerate(self.words):
            if word == "(":
                opened.append(index)
            elif word == ")":
                if not opened:
                    raise SqlTextError("a closing parenthesis without an opening one", self.tokens[index].start)
                closing[opened.pop()] = index
        if opened:
            raise SqlTextError("a parenthesis that is not closed", self.tokens[opened[-1]].start)
        return closing


class Header(NamedTuple):
    """The header of a CREATE statement. `position` is the index of the token that names the object."""

    kind: str
    name: str
    schema: str | None
    temporary: bool
    unique: bool
    if_not_exists: bool
    position: int


_KINDS = ("TABLE", "INDEX", "VIEW", "TRIGGER")
# No header is longer, up to the name and the table of an index: CREATE UNIQUE INDEX IF NOT EXISTS a . b ON c.
_HEADER_TOKENS = 12


def at_header(sql: str) -> Cursor:
    """Return a cursor over the first tokens of a statement, enough for any header."""
    return Cursor(list(islice(code_tokens(sql), _HEADER_TOKENS)), len(sql))


def read_header(cursor: Cursor) -> Header | None:
    """Skip `CREATE … [IF NOT EXISTS] [schema.]name` and return it, or None for an unknown kind of object."""
    cursor.expect("CREATE")
    temporary = cursor.take("TEMP") or cursor.take("TEMPORARY")
    unique = cursor.take("UNIQUE")
    virtual = cursor.take("VIRTUAL")
    kind = cursor.word
    if kind not in _KINDS:
        return None
    cursor.advance()
    if_not_exists = cursor.take_all("IF", "NOT", "EXISTS")
    schema, name = cursor.qualified_name()
    return Header(f"VIRTUAL {kind}" if virtual else kind, name, schema, temporary, unique, if_not_exists, cursor.at - 1)
