"""The names in a statement: which it mentions, and a CREATE TABLE under another name."""

from __future__ import annotations

from turso_deploy.sql.lexer import Kind, SqlTextError, code, fold, quote, tokenize, unquote
from turso_deploy.sql.reader import Reader, read_header


def names_in(sql: str) -> frozenset[str]:
    """Every name that a statement mentions, folded: tables, columns, functions, and the words that could be one.

    What a view or a trigger reads or writes is among them. Raises SqlTextError.
    """
    return frozenset(fold(unquote(token)) for token in code(sql) if token.kind <= Kind.QUOTED)


def with_table_name(sql: str, name: str) -> str:
    """A CREATE TABLE for the same table under another name; the rest stays as it is written.

    The table's references to itself follow: in REFERENCES, and before a column in CHECK
    (https://www.sqlite.org/lang_altertable.html#altertabrename). Raises SqlTextError.
    """
    reader = Reader(tokenize(sql), len(sql))
    header = read_header(reader)
    if header is None or header.kind != "TABLE":
        raise SqlTextError("this is not a CREATE TABLE", 0)
    own = fold(header.name)
    found = [header.position]
    for index in range(header.position + 1, len(reader.words) - 1):
        means_a_table = reader.words[index - 1] == "REFERENCES" or reader.words[index + 1] == "."
        if means_a_table and reader.tokens[index].kind <= Kind.STRING and fold(unquote(reader.tokens[index])) == own:
            found.append(index)
    pieces = []
    copied = 0
    for token in (reader.tokens[index] for index in found):
        pieces += [sql[copied : token.start], quote(name)]
        copied = token.end
    return "".join([*pieces, sql[copied:]])
