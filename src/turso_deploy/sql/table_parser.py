"""Reads the columns, constraints and options of a CREATE TABLE: https://www.sqlite.org/lang_createtable.html."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from turso_deploy.sql.canonical import RESERVED, VALUE_WORDS
from turso_deploy.sql.cursor import Cursor, Span
from turso_deploy.sql.definitions import (
    Check,
    ColumnDefinition,
    ForeignKey,
    Generated,
    KeyPart,
    PrimaryKey,
    TableDefinition,
    Unique,
)
from turso_deploy.sql.lexer import TokenKind, Tokens, capitals, fold_case, quote_string, unquote

_TABLE_CONSTRAINTS = frozenset({"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"})
_AFTER_TYPE = frozenset(
    ["", *"CONSTRAINT DEFAULT NULL NOT PRIMARY UNIQUE CHECK REFERENCES DEFERRABLE COLLATE AS ( ) ,".split()]
)
# After these words an operand is complete, so that ASC and DESC are the sort order and not a column.
_OPERAND_WORDS = VALUE_WORDS | {"ISNULL", "NOTNULL"}


class _Column(Struct):
    """A column while it is read."""

    name: str
    start: int
    type: str = ""
    not_null: bool = False
    not_null_conflict: str | None = None
    default: Tokens | None = None
    collation: str | None = None
    generated: Generated | None = None
    text: str = ""
    end: int = 0


class _Table(Struct):
    """A table while it is read. A key written at its column with DESC (`key_descends`) is not the rowid."""

    columns: list[_Column] = []
    primary_key: PrimaryKey | None = None
    key_descends: bool = False
    uniques: list[Unique] = []
    checks: list[Check] = []
    foreign_keys: list[ForeignKey] = []
    options: set[str] = set()


def read_table(reader: Cursor, name: str, sql: str) -> TableDefinition:
    """Read on behind the name of a table. Raises SqlTextError."""
    if reader.word != "(":
        raise reader.error("(")
    table = _Table()
    reader.advance()
    while reader.word != ")":
        if reader.word in _TABLE_CONSTRAINTS:
            _read_table_constraint(reader, table)
        else:
            _read_column(reader, table, sql)
        reader.take(",")
    reader.advance()
    while reader.word:
        table.options.add(" ".join(_option(reader)))
    return _definition(name, table)


def _option(reader: Cursor) -> Tokens:
    start = reader.at
    while reader.word not in (",", ""):
        reader.advance()
    option = tuple(reader.words[start : reader.at])
    reader.take(",")
    return option


def _read_column(reader: Cursor, table: _Table, sql: str) -> None:
    name = reader.name()
    column = _Column(name, reader.tokens[reader.at - 1].start)
    table.columns.append(column)
    column.type = _read_type(reader)
    while reader.word not in (",", ")"):
        _read_column_constraint(reader, table, column)
    column.end = reader.tokens[reader.at - 1].end
    column.text = sql[column.start : column.end]


def _read_type(reader: Cursor) -> str:
    words = []
    while reader.word not in _AFTER_TYPE:
        words.append(capitals(reader.name()))
    # SQLite reads GENERATED ALWAYS as a part of the type, and takes it off again.
    if words[-2:] == ["GENERATED", "ALWAYS"]:
        del words[-2:]
    size = ""
    if reader.word == "(":
        start, end = reader.group()
        size = f"({capitals(''.join(reader.words[start:end]))})"
    return " ".join(words) + size


def _read_column_constraint(reader: Cursor, table: _Table, column: _Column) -> None:
    """One constraint of a column; SQLite takes them in any order, and the last of a kind counts."""
    name = fold_case(column.name)
    parts = (KeyPart(name),)
    match reader.words[reader.advance()]:
        case "CONSTRAINT":
            reader.name()
        case "PRIMARY":
            reader.expect("KEY")
            table.key_descends = reader.take("DESC")
            reader.take("ASC")
            key = replace(parts[0], descending=table.key_descends)
            table.primary_key = PrimaryKey(
                (key,), _read_conflict(reader), reader.take("AUTOINCREMENT"), rowid_alias=False
            )
        case "UNIQUE":
            table.uniques.append(Unique(parts, _read_conflict(reader)))
        case "NOT" if reader.take("NULL"):
            column.not_null = True
            column.not_null_conflict = _read_conflict(reader)
        case "NOT":
            reader.expect("DEFERRABLE")
            _read_deferral(reader, table, deferrable=False)
        case "DEFERRABLE":
            _read_deferral(reader, table, deferrable=True)
        case "NULL":
            _read_conflict(reader)
        case "CHECK":
            table.checks.append(Check(reader.expression(reader.group()), name))
        case "DEFAULT":
            column.default = _read_default(reader)
        case "COLLATE":
            column.collation = _other_than("binary", reader.folded_name())
        case "REFERENCES":
            table.foreign_keys.append(_read_references(reader, (name,), name))
        case "GENERATED":
            reader.expect("ALWAYS")
        case "AS":
            column.generated = Generated(reader.expression(reader.group()), reader.take("stored"))
            reader.take("VIRTUAL")
        case _:
            reader.at -= 1
            raise reader.error("a column constraint")


def _read_table_constraint(reader: Cursor, table: _Table) -> None:
    match reader.words[reader.advance()]:
        case "CONSTRAINT":
            reader.name()
        case "PRIMARY":
            reader.expect("KEY")
            start, end = reader.group()
            autoincrement = reader.words[end - 1] == "AUTOINCREMENT"
            parts = key_parts(reader, (start, end - autoincrement))
            table.primary_key = PrimaryKey(parts, _read_conflict(reader), autoincrement, rowid_alias=False)
        case "UNIQUE":
            parts = key_parts(reader, reader.group())
            table.uniques.append(Unique(parts, _read_conflict(reader)))
        case "CHECK":
            table.checks.append(Check(reader.expression(reader.group()), None))
            _read_conflict(reader)  # accepted by SQLite, and without effect
        case _:
            reader.expect("KEY")
            columns = reader.folded_names()
            reader.expect("REFERENCES")
            table.foreign_keys.append(_read_references(reader, columns, None))
            negated = reader.take("NOT")
            if negated or reader.word == "DEFERRABLE":
                reader.expect("DEFERRABLE")
                _read_deferral(reader, table, deferrable=not negated)


def _read_conflict(reader: Cursor) -> str | None:
    """https://www.sqlite.org/lang_conflict.html: ABORT is what holds without the clause."""
    if not reader.take("ON"):
        return None
    reader.expect("CONFLICT")
    return _other_than("ABORT", reader.words[reader.advance()])


def _read_default(reader: Cursor) -> Tokens | None:
    """A constant, or an expression in parentheses; a name stands for its text, as it is written."""
    if reader.word == "(":
        start, end = reader.without_parentheses(reader.group())
    else:
        start = reader.advance()
        end = reader.advance() + 1 if reader.words[start] in ("+", "-") else start + 1
    tokens = tuple(reader.words[start:end])
    if len(tokens) == 2 and tokens[0] == "+" and reader.tokens[start + 1].kind is TokenKind.NUMBER:
        return tokens[1:]
    if (
        len(tokens) == 1
        and tokens[0] not in VALUE_WORDS
        and reader.tokens[start].kind in (TokenKind.WORD, TokenKind.QUOTED)
    ):
        return (quote_string(unquote(reader.tokens[start])),)
    return None if tokens == ("NULL",) else tokens


def _read_references(reader: Cursor, columns: tuple[str, ...], at_column: str | None) -> ForeignKey:
    """`parent [(column, …)]` and its actions in any order: https://www.sqlite.org/foreignkeys.html."""
    parent = reader.folded_name()
    parent_columns = reader.folded_names() if reader.word == "(" else None
    actions: dict[str, str | None] = {}
    while reader.word in ("ON", "MATCH"):
        clause = reader.words[reader.advance()]
        if clause == "ON":
            event = reader.words[reader.advance()]
            actions[event] = _read_action(reader)
        else:
            actions[clause] = _other_than("simple", reader.folded_name())
    on_delete, on_update, match = (actions.get(clause) for clause in ("DELETE", "UPDATE", "MATCH"))
    return ForeignKey(columns, parent, parent_columns, on_delete, on_update, match, deferred=False, at_column=at_column)


def _read_action(reader: Cursor) -> str | None:
    first = reader.words[reader.advance()]
    action = f"{first} {reader.words[reader.advance()]}" if first in ("SET", "NO") else first
    return _other_than("NO ACTION", action)


def _read_deferral(reader: Cursor, table: _Table, *, deferrable: bool) -> None:
    """`[NOT] DEFERRABLE [INITIALLY …]`; SQLite applies it to the foreign key that was written last."""
    deferred = reader.take("INITIALLY") and reader.words[reader.advance()] == "DEFERRED"
    if table.foreign_keys:
        table.foreign_keys[-1] = replace(table.foreign_keys[-1], deferred=deferrable and deferred)


def _other_than(usual: str, written: str) -> str | None:
    return None if written == usual else written


def _definition(name: str, table: _Table) -> TableDefinition:
    without_rowid = "WITHOUT rowid" in table.options
    strict = "strict" in table.options
    _settle_primary_key(table, without_rowid=without_rowid, strict=strict)
    return TableDefinition(
        name,
        tuple(
            ColumnDefinition(
                column.name,
                column.type,
                column.not_null,
                column.not_null_conflict,
                column.default,
                column.collation,
                column.generated,
                column.text,
                column.start,
                column.end,
            )
            for column in table.columns
        ),
        table.primary_key,
        tuple(table.uniques),
        tuple(table.checks),
        tuple(table.foreign_keys),
        strict,
        without_rowid,
        "random rowid" in table.options,
    )


def _settle_primary_key(table: _Table, *, without_rowid: bool, strict: bool) -> None:
    """Write down what follows from the primary key and need not be written.

    An INTEGER key of a rowid table is the rowid: never NULL, and without order or collation of its own
    (https://www.sqlite.org/lang_createtable.html#rowid). SQLite takes it for that at first in any table, so in a
    WITHOUT ROWID table it loses its collation as well. The key of a WITHOUT ROWID or a STRICT table is NOT NULL
    (https://www.sqlite.org/withoutrowid.html, https://www.sqlite.org/stricttables.html).
    """
    key = table.primary_key
    if key is None:
        return
    names = [part.column for part in key.parts]
    columns = [column for column in table.columns if fold_case(column.name) in names]
    is_integer = len(key.parts) == 1 and [column.type for column in columns] == ["INTEGER"]
    taken_for_rowid = is_integer and not table.key_descends
    if taken_for_rowid:
        descending = without_rowid and key.parts[0].descending
        parts = (KeyPart(key.parts[0].column, descending=descending),)
        table.primary_key = replace(key, parts=parts, rowid_alias=not without_rowid)
    if taken_for_rowid and not without_rowid:
        columns[0].not_null, columns[0].not_null_conflict = False, None
    elif without_rowid or strict:
        for column in columns:
            column.not_null = True


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
