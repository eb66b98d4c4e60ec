"""Split a script into statements, each with its position and the comments above it.

A statement ends where `sqlite3_complete` (https://www.sqlite.org/c3ref/complete.html) says so: at a semicolon, and for
CREATE TRIGGER at the semicolon of its `; END ;`. A dot command of SQLite's shell ends with its line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from turso_deploy.sql.lexer import SqlTextError, Token, TokenKind, capitals, code_tokens, scan, up_to_semicolon


class Comment(NamedTuple):
    """One comment without its marks and the spaces around; `start` is its offset in the text it was found in."""

    text: str
    start: int


class Statement(NamedTuple):
    """One statement of a script: from its first token to its last, without the semicolon; comments inside are kept.

    `offset` counts characters from the start of the script, `line` and `column` count from 1. `comments` are the ones
    directly above the statement: no blank line between, and not behind the statement before.
    """

    text: str
    offset: int
    line: int
    column: int
    comments: tuple[Comment, ...] = ()


def split(script: str) -> list[Statement]:
    """Return the statements of a script in order. The last one may lack its semicolon; empty ones are left out.

    Raises SqlTextError if the script cannot be tokenized.
    """
    _reject_open_comment(script)
    statements = []
    line, line_start, counted = 1, 0, 0
    for above, start, end in _pieces(script):
        line += script.count("\n", counted, start)
        line_start = max(line_start, script.rfind("\n", counted, start) + 1)
        counted = start
        comments = comments_directly_above(script, above, start)
        statements.append(Statement(script[start:end], start, line, start - line_start + 1, comments))
    return statements


def _pieces(script: str) -> Iterator[tuple[list[Token], int, int]]:
    """Yield for each statement the comments between it and the one before, and its start and end."""
    above: list[Token] = []
    start: int | None = None
    end, finished_at, at = 0, 0, 0
    in_trigger = is_end_of_trigger = False
    while (token := next(scan(script, at), None)) is not None:
        at = token.end
        if token.kind is TokenKind.COMMENT:
            behind_another = finished_at and "\n" not in script[finished_at : token.start]
            if start is None and not behind_another:
                above.append(token)
        elif start is None and is_dot_command(script, token.start):
            finished_at = at = _end_of_line(script, token.start)
            yield above, token.start, at
            above = []
        elif token.text != ";":
            start = token.start if start is None else start
            at = end = up_to_semicolon(script, token.end)
            is_end_of_trigger = in_trigger and end == token.end and capitals(token.text) == "END"
        elif start is None or is_end_of_trigger or not (in_trigger or _creates_trigger(script, start)):
            if start is not None:
                yield above, start, end
            above, start, finished_at = [], None, at
            in_trigger = is_end_of_trigger = False
        else:
            end, in_trigger = at, True
    if start is not None:
        yield above, start, end


def _creates_trigger(script: str, start: int) -> bool:
    """Return True if the statement from `start` is a CREATE TRIGGER, or explains one."""
    is_explained = creates = False
    for token in code_tokens(script, start):
        word = capitals(token.text)
        if creates:
            if word not in ("TEMP", "TEMPORARY"):
                return word == "TRIGGER"
        elif word == "CREATE":
            creates = True
        elif word == "EXPLAIN" and not is_explained:
            is_explained = True
        elif not is_explained or word in (";", "EXPLAIN", "TEMP", "TEMPORARY", "TRIGGER", "END"):
            return False
    return False


def is_dot_command(text: str, start: int = 0) -> bool:
    """Return True if a statement that begins at `start` is a dot command of SQLite's shell.

    https://www.sqlite.org/cli.html#special_commands_to_sqlite3_dot_commands_
    """
    return text[start : start + 1] == "." and text[start + 1 : start + 2].isalpha()


def _end_of_line(script: str, start: int) -> int:
    """Return the end of the line from `start`, without the white space at its end."""
    end = script.find("\n", start)
    return start + len(script[start : end if end >= 0 else len(script)].rstrip())


def _reject_open_comment(script: str) -> None:
    """Raise SqlTextError for an unclosed comment, which SQLite silently extends to the end of the text.

    https://www.sqlite.org/lang_comment.html
    """
    if "/*" in script:
        *_, last = scan(script)
        if last.kind is TokenKind.COMMENT and last.text.startswith("/*") and not last.text.endswith("*/", 2):
            raise SqlTextError("this comment is never closed", last.start)


def comments_directly_above(text: str, comments: Sequence[Token], start: int) -> tuple[Comment, ...]:
    """Return the comments that lead to `start` without a blank line between, in order."""
    near: list[Comment] = []
    for comment in reversed(comments):
        if text.count("\n", comment.end, start) > 1:
            break
        near.append(Comment(comment_text(comment), comment.start))
        start = comment.start
    return tuple(reversed(near))


def comment_text(comment: Token) -> str:
    """Return the text of a comment without its marks."""
    if comment.text.startswith("--"):
        return comment.text[2:].strip()
    return comment.text[2:].removesuffix("*/").strip()


def terminated(sql: str) -> str:
    """Return a statement with a semicolon that no comment at its end hides."""
    *_, last = scan(sql)
    if last.kind is not TokenKind.COMMENT:
        return f"{sql};"
    if last.text.startswith("--"):
        return f"{sql}\n;"
    # A block comment may end with the text: https://www.sqlite.org/lang_comment.html
    return f"{sql};" if last.text.endswith("*/") and len(last.text) > len("/*/") else f"{sql} */;"
