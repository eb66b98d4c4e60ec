"""Try the expressions of tables and indexes with rows: SQLite creates some that fail for every row.

CHECKs, generated columns and indexes must give the same value at any time, but SQLite finds out that a date function
takes the current time only when it evaluates the call: https://www.sqlite.org/deterministic.html#special_case.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from typing import NamedTuple

from turso_deploy.catalog.compilation import has_call
from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.core.transaction import Query
from turso_deploy.sql.lexer import TokenKind, Tokens, fold_case, quote_identifier, tokenize, unquote
from turso_deploy.sql.schema import Index, Schema, Table

_DATE_FUNCTIONS = frozenset("date time datetime julianday unixepoch strftime timediff".split())
_SAMPLES = ("NULL", "1", "'2000-01-01'", "'{}'")
"""Values of all columns, one after the other. A date function gets past its time value with the third."""

_NOT_DETERMINISTIC = "non-deterministic use of "


class _Expression(NamedTuple):
    item: Table | Index
    kind: str
    tokens: Tokens

    @property
    def sql(self) -> str:
        return " ".join(self.tokens)


class FailingExpression(NamedTuple):
    """An expression that fails, the table or index that it belongs to, and SQLite's reason."""

    item: Table | Index
    kind: str
    reason: str

    @property
    def is_about_time(self) -> bool:
        """True if it takes the current time."""
        return self.reason.startswith(_NOT_DETERMINISTIC)


def failing_expressions(schema: Schema) -> Iterator[FailingExpression]:
    """Yield the expressions that fail for every row, or that take the current time in any part."""
    indexes: dict[str, list[Index]] = {}
    for index in schema.indexes.values():
        indexes.setdefault(index.definition.table, []).append(index)
    with closing(Scratch()) as scratch:
        for name, table in schema.tables.items():
            found = [each for each in _expressions(table, indexes.get(name, ())) if has_call(each.tokens)]
            if not found or _works(table, found, scratch):
                continue
            for expression in found:
                if reason := _fault(table, expression, scratch):
                    yield FailingExpression(expression.item, expression.kind, reason)


def _expressions(table: Table, indexes: Sequence[Index]) -> Iterator[_Expression]:
    for check in table.definition.checks:
        yield _Expression(table, "a CHECK", check.expression)
    for column in table.definition.columns:
        if column.generated:
            yield _Expression(table, f"the generated column {column.name}", column.generated.expression)
    for index in indexes:
        for part in index.definition.parts:
            yield _Expression(index, "an expression", part.expression)
        yield _Expression(index, "the condition", index.definition.where or ())


def _works(table: Table, expressions: Sequence[_Expression], scratch: Scratch) -> bool:
    """Return True if no expression fails for any sample, and none calls a date function."""
    if any(not _DATE_FUNCTIONS.isdisjoint(each.tokens) for each in expressions):
        return False
    return not _errors(table, [each.sql for each in expressions], _SAMPLES, scratch)


def _fault(table: Table, expression: _Expression, scratch: Scratch) -> str | None:
    """Return SQLite's reason if an expression fails for every row, or if a part of it takes the current time."""
    reasons = [next(iter(_errors(table, [expression.sql], [sample], scratch)), "") for sample in _SAMPLES]
    for call in _date_calls(expression.tokens):
        reasons += _errors(None, [call], _SAMPLES, scratch)
    about_time = (reason for reason in reasons if reason.startswith(_NOT_DETERMINISTIC))
    if reason := next(about_time, ""):
        return reason.partition(" in a")[0]
    return reasons[0] if all(reasons[: len(_SAMPLES)]) else None


def _errors(table: Table | None, expressions: Sequence[str], samples: Iterable[str], scratch: Scratch) -> list[str]:
    """Return the message of the first error with rows of these samples, if there is one.

    All are evaluated in a CHECK, which takes any function that CREATE takes for them.
    """
    name = quote_identifier(table.name if table else "turso_deploy_probe")
    columns = table.definition.columns if table else ()
    plain = [quote_identifier(column.name) for column in columns if not column.generated] or ['"value"']
    generated = _generated_columns(table, expressions) if table else []
    # A sum evaluates all its terms, and this one is never false.
    condition = " + ".join(f"(({sql}) IS NULL)" for sql in expressions)
    rows = ", ".join(f"({', '.join([sample] * len(plain))})" for sample in samples)
    try:
        scratch.query(Query(f"CREATE TABLE {name} ({', '.join((*plain, *generated))}, CHECK ({condition} >= 0))"))
    except ScratchError:
        return []  # what the probe cannot hold, it cannot try
    try:
        scratch.query(Query(f"INSERT INTO {name} ({', '.join(plain)}) VALUES {rows}"))
    except ScratchError as error:
        return [error.message]
    finally:
        scratch.query(Query(f"DROP TABLE {name}"))
    return []


def _generated_columns(table: Table, expressions: Sequence[str]) -> list[str]:
    """Return the definitions of the generated columns that expressions read: SQLite computes all that a row has."""
    found: dict[str, str] = {}
    waiting = [tokenize(sql) for sql in expressions]
    while waiting:
        for token in waiting.pop():
            name = fold_case(unquote(token)) if token.kind <= TokenKind.STRING else ""
            column = table.definition.by_name.get(name)
            if column and column.generated and name not in found:
                sql = " ".join(column.generated.expression)
                found[name] = f"{quote_identifier(column.name)} AS ({sql})"
                waiting.append(tokenize(sql))
    return list(found.values())


def _date_calls(tokens: Tokens) -> Iterator[str]:
    """Yield the calls of date functions, under any condition; `value` stands for an unknown argument."""
    for start, (word, following) in enumerate(pairwise(tokens)):
        if word in _DATE_FUNCTIONS and following == "(":
            arguments: list[list[str]] = [[]]
            depth = 0
            for token in tokens[start + 1 :]:
                depth += (token == "(") - (token == ")")
                if depth == 0:
                    break
                if depth == 1 and token == ",":
                    arguments.append([])
                elif not (depth == 1 and token == "("):
                    arguments[-1].append(token)
            given = ["".join(argument) if _is_literal(argument) else '"value"' for argument in arguments if argument]
            yield f"{word}({', '.join(given)})"


def _is_literal(argument: Sequence[str]) -> bool:
    return len(argument) == 1 and (argument[0][0] in "'.+-" or argument[0][0].isdigit())
