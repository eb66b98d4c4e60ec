"""Find the names in a statement, and rename the table of a CREATE TABLE."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from turso_deploy.sql.cursor import Cursor, read_header
from turso_deploy.sql.lexer import (
    RESERVED,
    SqlTextError,
    Token,
    TokenKind,
    Tokens,
    capitals,
    code_tokens,
    fold_case,
    projected_name,
    quote_identifier,
    tokenize,
    unquote,
    without_quotes,
)


def identifiers_in(sql: str) -> frozenset[str]:
    """Return every name in a statement, folded: tables, columns, functions, and words that may be one.

    The objects that a view or a trigger reads or writes are among them. Raises SqlTextError.
    """
    return frozenset(fold_case(unquote(token)) for token in code_tokens(sql) if token.kind <= TokenKind.QUOTED)


def names_and_strings_in(sql: str) -> frozenset[str]:
    """Return the names of `identifiers_in`, and strings, which a virtual table may use so. Raises SqlTextError."""
    return frozenset(fold_case(unquote(token)) for token in code_tokens(sql) if token.kind <= TokenKind.STRING)


def names_behind_from(sql: str) -> frozenset[str]:
    """Return the folded names after FROM, JOIN or a comma, where a query names its tables. Raises SqlTextError.

    The result holds every table that is read, and may hold columns of a list.
    """
    tokens = list(code_tokens(sql))
    found = set()
    for index, token in enumerate(tokens[1:], start=1):
        if fold_case(tokens[index - 1].text) in ("from", "join", ",") and token.kind <= TokenKind.STRING:
            qualified = [behind.text for behind in tokens[index + 1 : index + 2]] == ["."]
            found.add(fold_case(unquote(tokens[index + 2] if qualified else token)))
    return frozenset(found)


def names_in_double_quotes(sql: str) -> frozenset[str]:
    """Return the folded names in double quotes. Raises SqlTextError.

    SQLite takes one for a string if there is no such column:
    https://www.sqlite.org/quirks.html#dblquote
    """
    return frozenset(fold_case(unquote(token)) for token in code_tokens(sql) if token.text[0] == '"')


def with_projected_names(sql: str) -> str:
    """Return a query for tables of which subqueries show the columns (see `projected_name`). Raises SqlTextError."""
    if not _HIDDEN.search(sql):
        return sql
    pieces, copied = [], 0
    for token in code_tokens(sql):
        if token.text[0] == '"':
            pieces += [sql[copied : token.start], quote_identifier(projected_name(unquote(token)))]
            copied = token.end
    return "".join([*pieces, sql[copied:]])


_HIDDEN = re.compile(r'"(true|false)"', re.IGNORECASE)


def counts_columns_of(sql: str) -> frozenset[str]:
    """Return the folded names of the tables into which a statement inserts without column names.

    Raises SqlTextError.
    """
    tokens = list(code_tokens(sql))
    found = set()
    for index, token in enumerate(tokens):
        if fold_case(token.text) != "into" or token.kind is not TokenKind.WORD:
            continue
        at = index + 1
        while tokens[at + 1].text == ".":
            at += 2
        follows = at + 3 if fold_case(tokens[at + 1].text) == "as" else at + 1
        if tokens[follows].text != "(":
            found.add(fold_case(unquote(tokens[at])))
    return frozenset(found)


def takes_every_column(sql: str) -> bool:
    """Return True if a statement selects `*`, whose result depends on the order of columns. Raises SqlTextError."""
    texts = [fold_case(token.text) for token in code_tokens(sql)]
    return any(
        text == "*" and texts[index - 1] in _BEFORE_A_STAR and texts[max(index - 3, 0) : index] != _EXISTS
        for index, text in enumerate(texts)
    )


_BEFORE_A_STAR = frozenset({"select", "distinct", "all", ".", ","})
_EXISTS = ["exists", "(", "select"]


class PositionalUse(NamedTuple):
    """A part of a statement that goes by the order of columns: a reason as a clause, and its offset."""

    reason: str
    offset: int


def find_positional_use(sql: str) -> PositionalUse | None:
    """Return the first part of an INSERT, UPDATE or DELETE whose effect depends on the order of columns in a table.

    These are an INSERT without column names; and a `*` whose columns go somewhere by position: into an INSERT, a
    compound SELECT, a row value, or a common table expression with a list of columns. A `*` in any other subquery gives
    names. Raises SqlTextError.
    """
    tokens = list(code_tokens(sql))
    words = [fold_case(token.text) if token.kind in (TokenKind.WORD, TokenKind.OPERATOR) else '"' for token in tokens]
    uses = [*_inserts_without_names(tokens, words), *_stars_by_position(tokens, words)]
    return min(uses, key=lambda use: use.offset, default=None)


def _inserts_without_names(tokens: Sequence[Token], words: Sequence[str]) -> Iterator[PositionalUse]:
    padded = [*words, *[""] * 6]
    for index, word in enumerate(words):
        if word != "into":
            continue
        at = index + 1
        while padded[at + 1] == ".":
            at += 2
        follows = at + 3 if padded[at + 1] == "as" else at + 1
        if padded[follows] != "(" and padded[follows : follows + 2] != ["default", "values"]:
            yield PositionalUse("an INSERT without column names goes by the order of columns", tokens[index].start)


class _Scope:
    """The tokens between two parentheses, or the whole statement: where its `*` are, and the clause that is read."""

    def __init__(self, start: int, clause: str = "") -> None:
        self.start = start
        self.clause = clause
        self.stars: list[int] = []
        self.is_compound = False
        self.has_comma = False


_CLAUSES = frozenset("select from where group having window order limit set on using returning values".split())
_COMPOUND = frozenset({"union", "intersect", "except"})
_COMPARISONS = frozenset({"=", "==", "<>", "!=", "<", "<=", ">", ">=", "is", "not", "in", "between"})


def _stars_by_position(tokens: Sequence[Token], words: Sequence[str]) -> Iterator[PositionalUse]:
    scopes = [_Scope(-1)]
    row_values: set[int] = set()  # the closing parentheses of lists such as (a, b)
    for index, word in enumerate(words):
        scope = scopes[-1]
        if word == "(":
            begins_source = scope.clause == "from" and words[index - 1] in ("from", "join", ",", "(")
            scopes.append(_Scope(index, "from" if begins_source else ""))
        elif word == ")" and len(scopes) > 1:
            scopes.pop()
            if scope.has_comma and not _is_call(tokens, scope.start):
                row_values.add(index)
            if scope.stars and _goes_by_position(scope, index, words, row_values):
                yield _star(tokens[scope.stars[0]])
        elif word == "join" or (word == "," and scope.clause in ("on", "using")):
            scope.clause = "from"
        elif word in _CLAUSES:
            scope.clause = word
        elif word in _COMPOUND:
            scope.is_compound = True
        elif word == "*" and scope.clause == "select" and words[index - 1] in _BEFORE_A_STAR:
            scope.stars.append(index)
        elif word == "in" and words[index + 1 : index + 2] != ["("] and _left_operand(words, index + 1) in row_values:
            yield PositionalUse("a table behind IN goes by the order of its columns", tokens[index].start)
        scope.has_comma |= word == ","
    if scopes[0].stars:
        yield _star(tokens[scopes[0].stars[0]])


def _star(token: Token) -> PositionalUse:
    return PositionalUse("the columns of this `*` go by their order", token.start)


def _goes_by_position(scope: _Scope, end: int, words: Sequence[str], row_values: Set[int]) -> bool:
    """Return True if the columns of a subquery, which ends at a closing parenthesis, are used by their positions."""
    before = words[scope.start - 1]
    if before == "exists":
        return False
    if scope.is_compound:
        return True
    if before in ("as", "materialized"):
        at = scope.start - 1
        while words[at] in ("as", "not", "materialized"):
            at -= 1
        return words[at] == ")"  # of a list of columns
    follows = words[end + 1 : end + 2]
    return _left_operand(words, scope.start) in row_values or (bool(follows) and follows[0] in _COMPARISONS)


def _left_operand(words: Sequence[str], index: int) -> int:
    """Return the index of the word before the comparison that ends before `index`; -1 if there is no comparison."""
    at = index - 1
    while at >= 0 and words[at] in _COMPARISONS:
        at -= 1
    return at if at < index - 1 else -1


def _is_call(tokens: Sequence[Token], parenthesis: int) -> bool:
    """Return True if an opening parenthesis follows the name of a function or of a table."""
    if parenthesis < 1 or tokens[parenthesis - 1].kind > TokenKind.QUOTED:
        return False
    before = tokens[parenthesis - 1]
    return before.kind is TokenKind.QUOTED or capitals(before.text) not in RESERVED


def with_table_name(sql: str, name: str) -> str:
    """Rename the table in a CREATE TABLE; the rest stays as written.

    The table's references to itself follow: in REFERENCES, and before a column in CHECK
    (https://www.sqlite.org/lang_altertable.html#altertabrename). Raises SqlTextError.
    """
    cursor = Cursor(tokenize(sql), len(sql))
    header = read_header(cursor)
    if header is None or header.kind != "TABLE":
        raise SqlTextError("this is not a CREATE TABLE", 0)
    own = fold_case(header.name)
    found = [header.position]
    for index in range(header.position + 1, len(cursor.words) - 1):
        means_a_table = cursor.words[index - 1] == "REFERENCES" or cursor.words[index + 1] == "."
        if (
            means_a_table
            and cursor.tokens[index].kind <= TokenKind.STRING
            and fold_case(unquote(cursor.tokens[index])) == own
        ):
            found.append(index)
    pieces = []
    copied = 0
    for token in (cursor.tokens[index] for index in found):
        pieces += [sql[copied : token.start], quote_identifier(name)]
        copied = token.end
    return "".join([*pieces, sql[copied:]])


def with_columns(expression: Tokens, names: Mapping[str, str]) -> str:
    """Return an expression in which columns have other names. `names` gives the SQL of a name by the folded old one.

    A column called `true` also hides the constant: https://www.sqlite.org/lang_expr.html#booleanexpr.
    """
    quoted = with_quoted_names(expression)
    found = [*quoted, "", ""]
    pieces, in_type = [], False
    for index, token in enumerate(quoted):
        before, behind = found[index - 1] if index else "", found[index + 1]
        in_type = (in_type or before == "AS") and token != ")"
        is_word = token[0] == '"' or (capitals(token) not in _NEVER_NAMES or token in ("TRUE", "FALSE"))
        is_column = is_word and before != "COLLATE" and behind not in (".", "(") and not in_type
        pieces.append(names.get(fold_case(without_quotes(token)), token) if is_column else token)
    return " ".join(pieces)


_OPERATORS_OR_NAMES = frozenset({"END", "LIKE", "GLOB", "MATCH", "REGEXP"})
_NEVER_NAMES = RESERVED | _OPERATORS_OR_NAMES
_BEFORE_AN_OPERAND = frozenset(
    "( , . CASE WHEN THEN ELSE AND OR NOT IS IN LIKE GLOB MATCH REGEXP BETWEEN ESCAPE".split()
)


def with_quoted_names(expression: Tokens) -> Tokens:
    """Return an expression in which columns with the name of an operator, or of the END of a CASE, are quoted.

    SQLite tells them apart by what precedes them: https://www.sqlite.org/lang_keywords.html
    """
    if _OPERATORS_OR_NAMES.isdisjoint(expression):
        return expression
    found: list[str] = []
    needs_operand, is_negated = True, False
    for token in expression:
        if token in _OPERATORS_OR_NAMES and needs_operand and not (is_negated and token != "END"):
            found.append(quote_identifier(fold_case(token)))
            needs_operand = False
            continue
        found.append(token)
        is_negated = token == "NOT" and not needs_operand
        is_symbol = token != ")" and not (token[0].isalnum() or token[0] in "\"'_.") and not token.isidentifier()
        needs_operand = token in _BEFORE_AN_OPERAND or is_symbol
    return tuple(found)


def with_readers(objects: Set[tuple[str, str]], named: Mapping[tuple[str, str], Set[str]]) -> Set[tuple[str, str]]:
    """Return objects, and the views and triggers that read one of their views directly or through others.

    `named` are the identifiers in the SQL of each view and trigger.
    """
    found = set(objects)
    while True:
        views = {name for kind, name in found if kind == "view"}
        readers = {key for key, names in named.items() if not names.isdisjoint(views)}
        if readers <= found:
            return found
        found |= readers
