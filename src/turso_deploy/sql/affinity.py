"""Column affinities: what they do to copied values, and to the operands of comparisons (https://www.sqlite.org/datatype3.html)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum

from turso_deploy.sql.lexer import Tokens, canonical_tokens


class Affinity(StrEnum):
    """The five affinities."""

    INTEGER = "INTEGER"
    TEXT = "TEXT"
    BLOB = "BLOB"
    REAL = "REAL"
    NUMERIC = "NUMERIC"


# The first rule that finds one of its words decides: https://www.sqlite.org/datatype3.html#determination_of_column_affinity
_RULES = (
    (Affinity.INTEGER, ("INT",)),
    (Affinity.TEXT, ("CHAR", "CLOB", "TEXT")),
    (Affinity.BLOB, ("BLOB",)),
    (Affinity.REAL, ("REAL", "FLOA", "DOUB")),
)


def affinity_of(type_name: str, *, strict: bool = False) -> Affinity:
    """Return the affinity of a column type in upper case. ANY in a STRICT table converts no value."""
    if not type_name or (strict and type_name == "ANY"):
        return Affinity.BLOB
    for affinity, words in _RULES:
        if any(word in type_name for word in words):
            return affinity
    return Affinity.NUMERIC


def stored_form(expression: str, affinity: Affinity) -> str:
    """Return an SQL expression for the value that a column of this affinity stores when `expression` is written to it.

    A text counts as a number if it equals its own cast, because the comparison applies the same affinity
    (https://www.sqlite.org/datatype3.html#type_conversions_prior_to_comparison).
    """
    value = expression
    number = f"CAST({value} AS NUMERIC)"
    is_number = f"typeof({value}) = 'text' AND {value} = {number}"
    match affinity:
        case Affinity.BLOB:  # https://www.sqlite.org/datatype3.html#affinity_of_expressions: the + takes the type away
            return f"+{value}"
        case Affinity.TEXT:
            return f"CASE WHEN typeof({value}) IN ('integer', 'real') THEN CAST({value} AS TEXT) ELSE {value} END"
        case Affinity.REAL:
            return f"CASE WHEN {is_number} OR typeof({value}) = 'integer' THEN CAST({value} AS REAL) ELSE {value} END"
        case _:  # the smallest of all integers stays a real: sqlite3VdbeIntegerAffinity in src/vdbemem.c
            is_whole = f"{number} = CAST({number} AS INTEGER) AND {number} > -9223372036854775808"
            return (
                f"CASE WHEN typeof({value}) = 'real' OR ({is_number}) "
                f"THEN iif({is_whole}, CAST({number} AS INTEGER), {number}) ELSE {value} END"
            )


_STORED_TYPES = {"INT": "integer", "INTEGER": "integer", "REAL": "real", "TEXT": "text", "BLOB": "blob"}


def strict_type(type_name: str) -> str | None:
    """Return the `typeof` of all values in a STRICT column, or None for ANY (https://www.sqlite.org/stricttables.html)."""
    return _STORED_TYPES.get(type_name)


_ORDERINGS = ("<", "<=", ">", ">=")
_EQUALITIES = ("=", "==", "<>", "!=", "IS", "IN", "LIKE", "GLOB", "MATCH", "REGEXP")
_BOUNDARIES = frozenset([*_ORDERINGS, *_EQUALITIES, *"ISNULL NOTNULL NOT BETWEEN AND OR , WHEN THEN ELSE".split()])
"""The words that bind operands no closer than `<`: https://www.sqlite.org/lang_expr.html#operators_and_parse_affecting_attributes."""


def with_numbers_beside(
    expression: Tokens, is_numeric: Callable[[Tokens], bool], collation: Callable[[Tokens], str]
) -> Tokens:
    """Return an expression in which each value that is ordered against a numeric column is converted by its affinity.

    So the column itself can be replaced by a value without affinity. Names that may be operators have to be quoted.
    `is_numeric` tells such a column, and `collation` gives the collation of any operand that is a column, or "".
    """
    tokens = _without_between(expression)
    converted: dict[tuple[int, int], str] = {}
    for at, token in enumerate(tokens):
        if token in _ORDERINGS:
            left, right = (_begin(tokens, at), at), (at + 1, _end(tokens, at + 1))
            (first, _), (second, second_collation) = (_uncollated(tokens[slice(*part)]) for part in (left, right))
            if is_numeric(first):
                converted[right] = ""
            if is_numeric(second):
                converted[left] = "" if second_collation else collation(first)
    return tuple(_rendered(tokens, (0, len(tokens)), converted))


def _rendered(tokens: Tokens, part: tuple[int, int], converted: dict[tuple[int, int], str]) -> Iterator[str]:
    """Yield the tokens of a part with the conversions of the parts inside it."""
    at, end = part
    while at < end:
        inner = max((one for one in converted if one[0] == at and part != one and one[1] <= end), default=None)
        if inner is None:
            yield tokens[at]
            at += 1
            continue
        value, collated = _uncollated(tuple(_rendered(tokens, inner, converted)))
        number = stored_form(f"({' '.join(value)})", Affinity.NUMERIC)
        yield from canonical_tokens(f"({number})")
        yield from collated or (("COLLATE", converted[inner]) if converted[inner] else ())
        at = inner[1]


def _uncollated(operand: Tokens) -> tuple[Tokens, Tokens]:
    """Return an operand and the COLLATE behind it, if there is one."""
    end = len(operand) - 2
    return (operand[:end], operand[end:]) if operand[end : end + 1] == ("COLLATE",) else (operand, ())


def _without_between(tokens: Tokens) -> Tokens:
    """Return an expression with two comparisons in place of each BETWEEN, which is what it means."""
    for at, token in enumerate(tokens):
        if token != "BETWEEN":
            continue
        is_negated = tokens[at - 1] == "NOT"
        until = at - 1 if is_negated else at
        begin, middle = _begin(tokens, until), _end(tokens, at + 1)
        end = _end(tokens, middle + 1)
        if (begin and tokens[begin - 1] in _EQUALITIES) or tokens[middle : middle + 1] != ("AND",):
            continue
        value, low, high = tokens[begin:until], tokens[at + 1 : middle], tokens[middle + 1 : end]
        both = ("(", *value, ">=", *low, "AND", *value, "<=", *high, ")")
        negated = ("NOT", *both) if is_negated else both
        return _without_between((*tokens[:begin], "(", *negated, ")", *tokens[end:]))
    return tokens


def _begin(tokens: Tokens, end: int) -> int:
    """Return the index of the first token of the operand that ends before `end`."""
    depth = 0
    for at in range(end - 1, -1, -1):
        if tokens[at] in (")", "END"):
            depth += 1
        elif tokens[at] in ("(", "CASE"):
            depth -= 1
        if depth < 0 or (depth == 0 and tokens[at] in _BOUNDARIES):
            return at + 1
    return 0


def _end(tokens: Tokens, begin: int) -> int:
    """Return the index behind the last token of the operand that begins at `begin`."""
    depth = 0
    for at in range(begin, len(tokens)):
        if tokens[at] in (")", "END"):
            depth -= 1
        elif tokens[at] in ("(", "CASE"):
            depth += 1
        if depth < 0 or (depth == 0 and tokens[at] in _BOUNDARIES):
            return at
    return len(tokens)
