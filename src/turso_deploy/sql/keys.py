"""Reads the parts of a key or an index: https://www.sqlite.org/syntax/indexed-column.html."""

from __future__ import annotations

from turso_deploy.sql.canonical import RESERVED, VALUE_WORDS
from turso_deploy.sql.cursor import Cursor, Span
from turso_deploy.sql.definitions import KeyPart
from turso_deploy.sql.lexer import TokenKind, fold_case, unquote

# After these words an operand is complete, so that ASC and DESC are the order of sorting and not a column.
_OPERAND_WORDS = VALUE_WORDS | {"ISNULL", "NOTNULL"}


def key_parts(reader: Cursor, span: Span) -> tuple[KeyPart, ...]:
    """The parts of a key or an index, which commas separate. Raises SqlTextError."""
    return tuple(_key_part(reader, part) for part in reader.items(span))


def _key_part(reader: Cursor, span: Span) -> KeyPart:
    start, end = span
    if start == end:
        raise reader.error("a column or an expression")
    order = reader.words[end - 1] if _ends_with_order(reader, span) else ""
    start, end = reader.without_parentheses((start, end - bool(order)))
    collation = None
    while (operand_end := _end_of_collated_operand(reader, (start, end))) != end:
        collation = collation or fold_case(unquote(reader.tokens[end - 1]))
        start, end = reader.without_parentheses((start, operand_end))
    is_column = end - start == 1 and reader.words[start] != "NULL" and reader.tokens[start].kind <= TokenKind.STRING
    column = fold_case(unquote(reader.tokens[start])) if is_column else None
    return KeyPart(column, () if is_column else tuple(reader.words[start:end]), collation, order == "DESC")


def _ends_with_order(reader: Cursor, span: Span) -> bool:
    """Whether a part ends with ASC or DESC, which may also be the name of a column where an operand is missing."""
    start, end = span
    if (
        end - start < 2
        or reader.words[end - 1] not in ("ASC", "DESC")
        or reader.tokens[end - 1].kind is not TokenKind.WORD
    ):
        return False
    before = reader.words[end - 2]
    if reader.tokens[end - 2].kind is TokenKind.OPERATOR:
        return before == ")"
    return before not in RESERVED or before in _OPERAND_WORDS


def _end_of_collated_operand(reader: Cursor, span: Span) -> int:
    """Where the operand of the last COLLATE ends, if the part is nothing but that operand; else the end of the part.

    COLLATE binds more tightly than most operators: in `a + b COLLATE nocase` it is a matter of b alone
    (https://www.sqlite.org/lang_expr.html#operators_and_parse_affecting_attributes).
    """
    start, end = span
    operand_end = end
    while operand_end - start > 2 and reader.words[operand_end - 2] == "COLLATE":
        operand_end -= 2
    call = start + 1 if operand_end - start > 2 and reader.tokens[start].kind <= TokenKind.STRING else start
    stands_alone = operand_end - start == 1 or reader.closes_at(call, operand_end - 1)
    return operand_end if stands_alone else end
