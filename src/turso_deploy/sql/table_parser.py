"""Parse the columns, constraints and options of a CREATE TABLE: https://www.sqlite.org/lang_createtable.html."""

from __future__ import annotations

from dataclasses import replace

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
from turso_deploy.sql.lexer import (
    RESERVED,
    VALUE_WORDS,
    TokenKind,
    Tokens,
    capitals,
    expression_of,
    fold_case,
    folded_name,
    quote_string,
    unquote,
)

_TABLE_CONSTRAINTS = frozenset({"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"})
_AFTER_TYPE = frozenset(
    ["", *"CONSTRAINT DEFAULT NULL NOT PRIMARY UNIQUE CHECK REFERENCES DEFERRABLE COLLATE AS ( ) ,".split()]
)
# After these words an operand is complete, so that ASC and DESC are the sort order and not a column.
_OPERAND_WORDS = VALUE_WORDS | {"ISNULL", "NOTNULL"}


class _Column:
    """A column that is being read."""

    type: str = ""
    not_null: bool = False
    not_null_conflict: str | None = None
    default: Tokens | None = None
    collation: str | None = None
    generated: Generated | None = None
    text: str = ""
    end: int = 0

    def __init__(self, name: str, start: int) -> None:
        self.name = name
        self.start = start


class _Table:
    """A table that is being read. A key written at its column with DESC (`key_descends`) is not the rowid."""

    primary_key: PrimaryKey | None = None
    key_descends: bool = False

    def __init__(self) -> None:
        self.columns: list[_Column] = []
        self.uniques: list[Unique] = []
        self.checks: list[Check] = []
        self.foreign_keys: list[ForeignKey] = []
        self.options: set[str] = set()


def read_table(cursor: Cursor, name: str, sql: str) -> TableDefinition:
    """Read a table from the token after its name. Raises SqlTextError."""
    if cursor.word != "(":
        raise cursor.error("(")
    table = _Table()
    cursor.advance()
    while cursor.word != ")":
        if cursor.word in _TABLE_CONSTRAINTS:
            _read_table_constraint(cursor, table)
        else:
            _read_column(cursor, table, sql)
        cursor.take(",")
    cursor.advance()
    while cursor.word:
        table.options.add(" ".join(_option(cursor)))
    return _definition(name, table)


def _option(cursor: Cursor) -> Tokens:
    start = cursor.at
    while cursor.word not in (",", ""):
        cursor.advance()
    option = tuple(cursor.words[start : cursor.at])
    cursor.take(",")
    return option


def _read_column(cursor: Cursor, table: _Table, sql: str) -> None:
    name = cursor.name()
    column = _Column(name, cursor.tokens[cursor.at - 1].start)
    table.columns.append(column)
    column.type = _read_type(cursor)
    while cursor.word not in (",", ")"):
        _read_column_constraint(cursor, table, column)
    column.end = cursor.tokens[cursor.at - 1].end
    column.text = sql[column.start : column.end]


def _read_type(cursor: Cursor) -> str:
    words = []
    while cursor.word not in _AFTER_TYPE:
        words.append(capitals(cursor.name()))
    # SQLite reads GENERATED ALWAYS as a part of the type, and takes it off again.
    if words[-2:] == ["GENERATED", "ALWAYS"]:
        del words[-2:]
    size = ""
    if cursor.word == "(":
        start, end = cursor.group()
        size = f"({capitals(''.join(cursor.words[start:end]))})"
    return " ".join(words) + size


def _read_column_constraint(cursor: Cursor, table: _Table, column: _Column) -> None:
    """Read one constraint of a column; SQLite accepts them in any order, and the last of a kind counts."""
    name = folded_name(column.name)
    match cursor.words[cursor.advance()]:
        case "CONSTRAINT":
            cursor.name()
        case "PRIMARY":
            cursor.expect("KEY")
            table.key_descends = cursor.take("DESC")
            cursor.take("ASC")
            key = KeyPart(name, descending=table.key_descends)
            table.primary_key = PrimaryKey(
                (key,), _read_conflict(cursor), cursor.take("AUTOINCREMENT"), rowid_alias=False
            )
        case "UNIQUE":
            table.uniques.append(Unique((KeyPart(name),), _read_conflict(cursor)))
        case "NOT" if cursor.take("NULL"):
            column.not_null = True
            column.not_null_conflict = _read_conflict(cursor)
        case "NOT":
            cursor.expect("DEFERRABLE")
            _read_deferral(cursor, table, deferrable=False)
        case "DEFERRABLE":
            _read_deferral(cursor, table, deferrable=True)
        case "NULL":
            _read_conflict(cursor)
        case "CHECK":
            table.checks.append(Check(cursor.expression(cursor.group()), name))
        case "DEFAULT":
            column.default = _read_default(cursor)
        case "COLLATE":
            column.collation = _other_than("binary", cursor.folded_name())
        case "REFERENCES":
            table.foreign_keys.append(_read_references(cursor, (name,), name))
        case "GENERATED":
            cursor.expect("ALWAYS")
        case "AS":
            column.generated = Generated(cursor.expression(cursor.group()), cursor.take("stored"))
            cursor.take("VIRTUAL")
        case _:
            cursor.at -= 1
            raise cursor.error("a column constraint")


def _read_table_constraint(cursor: Cursor, table: _Table) -> None:
    match cursor.words[cursor.advance()]:
        case "CONSTRAINT":
            cursor.name()
        case "PRIMARY":
            cursor.expect("KEY")
            start, end = cursor.group()
            autoincrement = cursor.words[end - 1] == "AUTOINCREMENT"
            parts = key_parts(cursor, (start, end - autoincrement))
            table.primary_key = PrimaryKey(parts, _read_conflict(cursor), autoincrement, rowid_alias=False)
        case "UNIQUE":
            parts = key_parts(cursor, cursor.group())
            table.uniques.append(Unique(parts, _read_conflict(cursor)))
        case "CHECK":
            table.checks.append(Check(cursor.expression(cursor.group()), None))
            _read_conflict(cursor)  # accepted by SQLite, and without effect
        case _:
            cursor.expect("KEY")
            columns = cursor.folded_names()
            cursor.expect("REFERENCES")
            table.foreign_keys.append(_read_references(cursor, columns, None))
            negated = cursor.take("NOT")
            if negated or cursor.word == "DEFERRABLE":
                cursor.expect("DEFERRABLE")
                _read_deferral(cursor, table, deferrable=not negated)


def _read_conflict(cursor: Cursor) -> str | None:
    """Read a conflict clause, None for the default ABORT: https://www.sqlite.org/lang_conflict.html."""
    if not cursor.take("ON"):
        return None
    cursor.expect("CONFLICT")
    return _other_than("ABORT", cursor.words[cursor.advance()])


def _read_default(cursor: Cursor) -> Tokens | None:
    """Read a constant, or an expression in parentheses; a name is its own text, as it is written."""
    if cursor.word == "(":
        start, end = cursor.without_parentheses(cursor.group())
    else:
        start = cursor.advance()
        end = cursor.advance() + 1 if cursor.words[start] in ("+", "-") else start + 1
    tokens = tuple(cursor.words[start:end])
    if len(tokens) == 2 and tokens[0] == "+" and cursor.tokens[start + 1].kind is TokenKind.NUMBER:
        return tokens[1:]
    if (
        len(tokens) == 1
        and tokens[0] not in VALUE_WORDS
        and cursor.tokens[start].kind in (TokenKind.WORD, TokenKind.QUOTED)
    ):
        return (quote_string(unquote(cursor.tokens[start])),)
    return None if tokens == ("NULL",) else expression_of(tokens, cursor.tokens[start:end])


def _read_references(cursor: Cursor, columns: tuple[str, ...], at_column: str | None) -> ForeignKey:
    """Read `parent [(column, …)]` and its actions in any order: https://www.sqlite.org/foreignkeys.html."""
    parent = cursor.folded_name()
    parent_columns = cursor.folded_names() if cursor.word == "(" else None
    actions: dict[str, str | None] = {}
    while cursor.word in ("ON", "MATCH"):
        clause = cursor.words[cursor.advance()]
        if clause == "ON":
            event = cursor.words[cursor.advance()]
            actions[event] = _read_action(cursor)
        else:
            actions[clause] = _other_than("simple", cursor.folded_name())
    on_delete, on_update, match = (actions.get(clause) for clause in ("DELETE", "UPDATE", "MATCH"))
    return ForeignKey(columns, parent, parent_columns, on_delete, on_update, match, deferred=False, at_column=at_column)


def _read_action(cursor: Cursor) -> str | None:
    first = cursor.words[cursor.advance()]
    action = f"{first} {cursor.words[cursor.advance()]}" if first in ("SET", "NO") else first
    return _other_than("NO ACTION", action)


def _read_deferral(cursor: Cursor, table: _Table, *, deferrable: bool) -> None:
    """Read `[NOT] DEFERRABLE [INITIALLY …]`, which SQLite applies to the last foreign key."""
    deferred = cursor.take("INITIALLY") and cursor.words[cursor.advance()] == "DEFERRED"
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
    """Add the properties of columns that follow from the primary key.

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
        table.primary_key = key._replace(parts=parts, rowid_alias=not without_rowid)
    if taken_for_rowid and not without_rowid:
        columns[0].not_null, columns[0].not_null_conflict = False, None
    elif without_rowid or strict:
        for column in columns:
            column.not_null = True


def key_parts(cursor: Cursor, span: Span) -> tuple[KeyPart, ...]:
    """Return the parts of a key or an index, which commas separate. Raises SqlTextError."""
    return tuple(_key_part(cursor, part) for part in cursor.items(span))


def _key_part(cursor: Cursor, span: Span) -> KeyPart:
    start, end = span
    if start == end:
        raise cursor.error("a column or an expression")
    order = cursor.words[end - 1] if _ends_with_order(cursor, span) else ""
    start, end = cursor.without_parentheses((start, end - bool(order)))
    collation = None
    while (operand_end := _end_of_collated_operand(cursor, (start, end))) != end:
        collation = collation or folded_name(unquote(cursor.tokens[end - 1]))
        start, end = cursor.without_parentheses((start, operand_end))
    is_column = end - start == 1 and cursor.words[start] != "NULL" and cursor.tokens[start].kind <= TokenKind.STRING
    column = folded_name(unquote(cursor.tokens[start])) if is_column else None
    expression = () if is_column else expression_of(cursor.words[start:end], cursor.tokens[start:end])
    return KeyPart(column, expression, collation, order == "DESC")


def _ends_with_order(cursor: Cursor, span: Span) -> bool:
    """Return True if a part ends with ASC or DESC as its order: where an operand is missing, the word is a column."""
    start, end = span
    if (
        end - start < 2
        or cursor.words[end - 1] not in ("ASC", "DESC")
        or cursor.tokens[end - 1].kind is not TokenKind.WORD
    ):
        return False
    before = cursor.words[end - 2]
    if cursor.tokens[end - 2].kind is TokenKind.OPERATOR:
        return before == ")"
    return before not in RESERVED or before in _OPERAND_WORDS


def _end_of_collated_operand(cursor: Cursor, span: Span) -> int:
    """Return the end of the operand of the last COLLATE if it makes up the whole part, else the end of the part.

    COLLATE binds more tightly than most operators: in `a + b COLLATE nocase` it applies to b alone
    (https://www.sqlite.org/lang_expr.html#operators_and_parse_affecting_attributes).
    """
    start, end = span
    operand_end = end
    while operand_end - start > 2 and cursor.words[operand_end - 2] == "COLLATE":
        operand_end -= 2
    call = start + 1 if operand_end - start > 2 and cursor.tokens[start].kind <= TokenKind.STRING else start
    stands_alone = operand_end - start == 1 or cursor.closes_at(call, operand_end - 1)
    return operand_end if stands_alone else end
