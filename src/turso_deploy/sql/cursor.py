"""A cursor over the tokens of one statement, and the beginning that all CREATE statements share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice

from msgspec import Struct

from turso_deploy.sql.canonical import canonical
from turso_deploy.sql.lexer import SqlTextError, Token, TokenKind, Tokens, code_tokens, fold_case, unquote

Span = tuple[int, int]
"""A run of tokens: the index of the first, and the index behind the last."""


class Cursor:
    """Reads tokens from left to right. `words` holds each token in canonical writing, and an empty word at the end."""

    def __init__(self, tokens: Sequence[Token], length: int) -> None:
        """Start at the first token; `length` is that of the text, where errors at its end point."""
        self.tokens = tokens
        self.length = length
        self.words = [canonical(token) for token in tokens]
        if self.words[-1:] == [";"]:
            self.words.pop()
        self.words.append("")
        self.at = 0

    @property
    def word(self) -> str:
        """The next token in canonical writing, "" at the end."""
        return self.words[self.at]

    def error(self, expected: str) -> SqlTextError:
        """The error for a text that goes on differently than it must."""
        at_end = not self.word
        found = "the text ends" if at_end else f"it goes on with {self.tokens[self.at].text!a}"
        return SqlTextError(f"expected {expected}, but {found}", self.length if at_end else self.tokens[self.at].start)

    def advance(self) -> int:
        """Step over the next token and return its index. Raises SqlTextError at the end."""
        if not self.word:
            raise self.error("more")
        self.at += 1
        return self.at - 1

    def take(self, word: str) -> bool:
        """Step over the next token if it is this word."""
        found = self.words[self.at] == word
        self.at += found
        return found

    def take_all(self, *words: str) -> bool:
        """Step over these words if they are the next ones."""
        found = tuple(self.words[self.at : self.at + len(words)]) == words
        if found:
            self.at += len(words)
        return found

    def expect(self, word: str) -> None:
        """Step over this word. Raises SqlTextError when it is not the next one."""
        if not self.take(word):
            raise self.error(word)

    def name(self) -> str:
        """The name that the next token is, as written, without its quotes. SQLite accepts a string as a name here."""
        if not self.word or self.tokens[self.at].kind > TokenKind.STRING:
            raise self.error("a name")
        return unquote(self.tokens[self.advance()])

    def folded_name(self) -> str:
        """The name that the next token is, as SQLite compares it."""
        return fold_case(self.name())

    def folded_names(self) -> tuple[str, ...]:
        """The names in a group in parentheses, as SQLite compares them."""
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
        """The schema, if one is written, and the name."""
        name = self.name()
        return (name, self.name()) if self.take(".") else (None, name)

    def group(self) -> Span:
        """Step over a group in parentheses and return what is between them."""
        if self.word != "(":
            raise self.error("(")
        opening = self.at
        self.at = self._closing[opening] + 1
        return opening + 1, self.at - 1

    def items(self, span: Span) -> Iterator[Span]:
        """The parts of a run of tokens that commas separate, outside of inner parentheses."""
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
        """Whether these two tokens are the parentheses of one group."""
        return self.words[opening] == "(" and self._closing[opening] == closing

    def without_parentheses(self, span: Span) -> Span:
        """A run of tokens without the parentheses that enclose all of it."""
        start, end = span
        while end - start > 2 and self.closes_at(start, end - 1):
            start, end = start + 1, end - 1
        return start, end

    def expression(self, span: Span) -> Tokens:
        """An expression in canonical writing; parentheses around all of it mean nothing."""
        start, end = self.without_parentheses(span)
        return tuple(self.words[start:end])

    def rest(self) -> Span:
        """Everything from here to the end."""
        start, self.at = self.at, len(self.words) - 1
        return start, self.at

    @cached_property
    def _closing(self) -> dict[int, int]:
        """For each opening parenthesis, by index, its closing one. Raises SqlTextError when one has no partner."""
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


class Header(Struct, frozen=True):
    """The beginning of a CREATE statement. `position` is the index of the token that names the object."""

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
    """A reader of a statement's beginning, which goes no further than a header can."""
    return Cursor(list(islice(code_tokens(sql), _HEADER_TOKENS)), len(sql))


def read_header(reader: Cursor) -> Header | None:
    """Step over `CREATE … [IF NOT EXISTS] [schema.]name`; None when it creates something that SQLite does not know."""
    reader.expect("CREATE")
    temporary = reader.take("TEMP") or reader.take("TEMPORARY")
    unique = reader.take("UNIQUE")
    virtual = reader.take("VIRTUAL")
    kind = reader.word
    if kind not in _KINDS:
        return None
    reader.advance()
    if_not_exists = reader.take_all("IF", "NOT", "EXISTS")
    schema, name = reader.qualified_name()
    return Header(f"VIRTUAL {kind}" if virtual else kind, name, schema, temporary, unique, if_not_exists, reader.at - 1)
