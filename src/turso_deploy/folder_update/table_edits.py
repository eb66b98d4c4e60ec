"""Edit the text of a CREATE TABLE column by column, so that its other columns and their comments stay as they are."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from turso_deploy.sql.comments import column_comments, without_directives
from turso_deploy.sql.definitions import ColumnDefinition, TableDefinition
from turso_deploy.sql.lexer import SqlTextError, Token, TokenKind, canonical_tokens, code_tokens, fold_case, scan
from turso_deploy.sql.parser import parse_table


class Edit(NamedTuple):
    """A part of a text, by its offsets, and the text in its place."""

    start: int
    end: int
    text: str


def edited(text: str, edits: Sequence[Edit]) -> str:
    """Return a text after edits that do not overlap; of two at one offset, the first given comes first."""
    for edit in sorted(edits, key=lambda each: (each.start, each.end))[::-1]:
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def with_columns_of(sql: str, before: str, after: str) -> str | None:
    """Return a CREATE TABLE with the columns that were added, changed and removed between two states of its table.

    Return None if the change is one of more than columns, or if the statement itself has changed one of these columns.
    """
    try:
        expected = parse_table(after)
        if parse_table(_edited_table(before, before, after) or "") != expected:
            return None
        return _edited_table(sql, before, after)
    except SqlTextError:
        return None


def _edited_table(sql: str, before: str, after: str) -> str | None:
    own, old, new = (parse_table(text).by_name for text in (sql, before, after))
    removed = [name for name in old if name not in new]
    added = [column for name, column in new.items() if name not in old]
    changed = [name for name in old if name in new and _words(old[name]) != _words(new[name])]
    if any(name not in own or _words(own[name]) != _words(old[name]) for name in (*removed, *changed)):
        return None
    if any(fold_case(column.name) in own for column in added):
        return None
    edits = [Edit(own[name].start, own[name].end, _plain(new[name].text)) for name in changed]
    sql = edited(sql, edits)
    for name in removed:
        sql = _without_column(sql, name)
    for column in added:
        sql = _with_column(sql, _plain(column.text))
    return sql


def _words(column: ColumnDefinition) -> tuple[str, ...]:
    return canonical_tokens(column.text)


def _plain(column: str) -> str:
    """Return a column without directives, and without a comment at its end, which would hide what follows."""
    text = without_directives(column)
    *_, last = code_tokens(text)
    return text[: last.end]


class _Place(NamedTuple):
    """The place of a column in its statement: with the comments that belong to it, and the commas around it."""

    start: int
    end: int
    comma_before: Token | None
    comma_after: Token | None


def _place(sql: str, table: TableDefinition, column: ColumnDefinition) -> _Place:
    tokens = list(scan(sql))
    code = [token for token in tokens if token.kind is not TokenKind.COMMENT]
    starts = [token.start for token in code]
    first = bisect_left(starts, column.start)
    after = bisect_left(starts, column.end)
    owned = {comment.start for comment in column_comments(sql, table).get(fold_case(column.name), ())}
    comments = [token for token in tokens if token.start in owned]
    comma_before = code[first - 1] if code[first - 1].text == "," else None
    comma_after = code[after] if code[after].text == "," else None
    ends = [column.end, *(token.end for token in comments), *([comma_after.end] if comma_after else [])]
    return _Place(min([column.start, *(token.start for token in comments)]), max(ends), comma_before, comma_after)


def _without_column(sql: str, name: str) -> str:
    table = parse_table(sql)
    place = _place(sql, table, table.by_name[name])
    start, end = place.start, place.end
    before = sql[:start].rstrip(" \t")
    if before.endswith("\n") and sql[end:].lstrip(" \t").startswith("\n"):
        start = len(before) - 1
    elif place.comma_after is None:
        start = len(before)
    elif sql[end : end + 1] == " ":
        end += 1
    edits = [Edit(start, end, "")]
    if place.comma_after is None and place.comma_before is not None:
        edits.append(Edit(place.comma_before.start, place.comma_before.end, ""))
    return edited(sql, edits)


def _with_column(sql: str, column: str) -> str:
    """Return the statement with a column behind the last one."""
    table = parse_table(sql)
    last = table.columns[-1]
    place = _place(sql, table, last)
    line_start = sql.rfind("\n", 0, last.start) + 1
    indent = sql[line_start : last.start]
    has_lines = line_start > 0 and not indent.strip()
    space = f"\n{indent}" if has_lines else "\n  " if "--" in sql[last.end : place.end] else " "
    if place.comma_after:
        return edited(sql, [Edit(place.end, place.end, f"{space}{column},")])
    return edited(sql, [Edit(last.end, last.end, ","), Edit(place.end, place.end, f"{space}{column}")])
