"""Texts in double quotes: SQLite takes a name for a text where no column is called so.

https://www.sqlite.org/quirks.html#dblquote. A database may hold such texts, because SQLite is usually built to accept
them. Servers and the schema folder take them for names.
"""

from __future__ import annotations

from collections.abc import Set

from turso_deploy.sql.identifiers import identifiers_in
from turso_deploy.sql.lexer import Token, TokenKind, canonical_tokens, fold_case, quote_string, tokenize, unquote
from turso_deploy.sql.schema import Index, Schema, SchemaObject, Table, Trigger

_ROWID = frozenset({"rowid", "oid", "_rowid_"})


def with_text(sql: str, text: str) -> str:
    """Return a statement in which a text is in single quotes wherever it is in double quotes and may be a text."""
    tokens = tokenize(sql)
    pieces, copied = [], 0
    for index, token in enumerate(tokens):
        if _is_in_double_quotes(token) and unquote(token) == text and _may_be_text(tokens, index):
            pieces += [sql[copied : token.start], quote_string(text)]
            copied = token.end
    return "".join([*pieces, sql[copied:]])


def differ_in_quotes_only(wanted: SchemaObject, live: SchemaObject, schema: Schema) -> bool:
    """Return True if an object has texts in double quotes where the wanted one has them in single quotes.

    `schema` is the one with the live object.
    """
    if '"' not in live.sql or "'" not in wanted.sql:
        return False
    ours, theirs = tokenize(wanted.sql), tokenize(live.sql)
    if len(ours) != len(theirs):
        return False
    texts = set()
    for index, (our, their) in enumerate(zip(ours, theirs, strict=True)):
        is_text = our.kind is TokenKind.STRING and _is_in_double_quotes(their) and unquote(our) == unquote(their)
        if is_text and _may_be_text(theirs, index):
            texts.add(fold_case(unquote(their)))
        elif canonical_tokens([our]) != canonical_tokens([their]):
            return False
    return bool(texts) and texts.isdisjoint(names_visible_in(live, schema))


def names_visible_in(item: SchemaObject, schema: Schema) -> Set[str]:
    """Return the folded names that an object may use for columns: those of all tables and views that it names."""
    found = set(_ROWID) | _aliases(item.sql)
    waiting = set(identifiers_in(item.sql))
    if isinstance(item, Index | Trigger):
        waiting.add(fold_case(item.table))
    seen: set[str] = set()
    while waiting - seen:
        name = min(waiting - seen)
        seen.add(name)
        table, view = schema.all_tables.get(name), schema.views.get(name)
        if isinstance(table, Table):
            found |= table.definition.by_name.keys()
        elif table is not None:
            found |= identifiers_in(table.sql)
        elif view is not None and view is not item:
            found |= identifiers_in(view.sql)
            waiting |= identifiers_in(view.sql)
    return found


def _aliases(sql: str) -> set[str]:
    tokens = tokenize(sql)
    return {
        fold_case(unquote(token))
        for index, token in enumerate(tokens)
        if index and fold_case(tokens[index - 1].text) == "as" and token.kind <= TokenKind.STRING
    }


def _is_in_double_quotes(token: Token) -> bool:
    return token.kind is TokenKind.QUOTED and token.text[0] == '"'


def _may_be_text(tokens: list[Token], index: int) -> bool:
    """Return False for the part of a qualified name, an alias, and the name of a function or collation."""
    before = fold_case(tokens[index - 1].text) if index else ""
    behind = tokens[index + 1].text if index + 1 < len(tokens) else ""
    return before not in (".", "as", "collate", "into", "from", "join", "update") and behind not in (".", "(")
