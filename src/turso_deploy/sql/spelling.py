"""Names and expressions that are compared in canonical form and shown as they are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

from turso_deploy.sql.lexer import Token, TokenKind, Tokens, fold_case, readable_identifier, unquote


class Name(str):
    """A folded name that remembers its spelling, without quotes, in `written`."""

    __slots__ = ("written",)
    written: str

    @classmethod
    def of(cls, written: str) -> Self:
        """Return the folded form of a name."""
        name = cls(fold_case(written))
        name.written = written
        return name


class Expression(tuple[str, ...]):
    """The tokens of an expression in canonical form, which remembers them as they are written, in `tokens`."""

    tokens: Sequence[Token]

    @classmethod
    def of(cls, words: Iterable[str], tokens: Sequence[Token]) -> Self:
        """Return the expression of some words in canonical form and their tokens."""
        expression = cls(words)
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
