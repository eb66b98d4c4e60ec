"""Find the names in a statement, and rename the table of a CREATE TABLE."""

from __future__ import annotations

from collections.abc import Mapping, Set

from turso_deploy.sql.cursor import Cursor, read_header
from turso_deploy.sql.lexer import SqlTextError, TokenKind, code_tokens, fold_case, quote_identifier, tokenize, unquote


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


def in_back_quotes(sql: str) -> str:
    """Replace double quotes around names by back-quotes: SQLite never takes those for strings.

    Raises SqlTextError.
    """
    pieces = []
    copied = 0
    for token in code_tokens(sql):
        if token.text[0] == '"':
            name = unquote(token).replace("`", "``")
            pieces += [sql[copied : token.start], f"`{name}`"]
            copied = token.end
    return "".join([*pieces, sql[copied:]])


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
