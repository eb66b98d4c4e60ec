"""A script into its statements, each with its place and the comments above it.

Where a statement ends is decided as https://www.sqlite.org/c3ref/complete.html decides it: at a semicolon, and for
CREATE TRIGGER at the semicolon of its `; END ;`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from turso_deploy.sql.lexer import SqlTextError, Token, TokenKind, capitals, scan, up_to_semicolon
from turso_deploy.sql.meaning import ComparedByMeaning


class Comment(Struct, frozen=True):
    """One comment without its marks and the spaces around; `start` is its offset in the text it was found in."""

    text: str
    start: int


class Statement(ComparedByMeaning, frozen=True):
    """One statement of a script: from its first token to its last, without the semicolon; comments inside are kept.

    `offset` counts characters from the start of the script, `line` and `column` count from 1. `comments` are the ones
    directly above the statement: no blank line between, and not behind the statement before.
    """

    text: str
    offset: int
    line: int
    column: int
    comments: tuple[Comment, ...] = ()

    def meaning(self) -> tuple[object, ...]:
        """The statement and its place, whatever is said above it."""
        return (self.text, self.offset, self.line, self.column)


# The states of SQLite's own sqlite3_complete(): in each row, the state that follows a token of each class.
_CLASSES = {";": 0, "EXPLAIN": 2, "CREATE": 3, "TEMP": 4, "TEMPORARY": 4, "TRIGGER": 5, "END": 6}
_OTHER = 1
_START = 0
_ORDINARY = 1
_NEXT = (
    # ;  other  EXPLAIN  CREATE  TEMP  TRIGGER  END
    (0, 1, 2, 3, 1, 1, 1),  # 0 start of a statement
    (0, 1, 1, 1, 1, 1, 1),  # 1 in an ordinary statement
    (0, 2, 1, 3, 1, 1, 1),  # 2 after EXPLAIN
    (0, 1, 1, 1, 3, 4, 1),  # 3 after CREATE [TEMP]
    (5, 4, 4, 4, 4, 4, 4),  # 4 in a trigger
    (5, 4, 4, 4, 4, 4, 6),  # 5 after a semicolon in a trigger
    (0, 4, 4, 4, 4, 4, 4),  # 6 after `; END` in a trigger
)


def split(script: str) -> list[Statement]:
    """The statements of a script in order; the last one may lack its semicolon, and empty ones are left out.

    Raises SqlTextError where the script cannot be read.
    """
    _refuse_open_comment(script)
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
    """For each statement: the comments between it and the one before, and where it starts and ends."""
    above: list[Token] = []
    start: int | None = None
    state, end, finished_at, at = _START, 0, 0, 0
    while (token := next(scan(script, at), None)) is not None:
        at = token.end
        if token.kind is TokenKind.COMMENT:
            behind_another = finished_at and "\n" not in script[finished_at : token.start]
            if start is None and not behind_another:
                above.append(token)
            continue
        state = _NEXT[state][_CLASSES.get(capitals(token.text), _OTHER)]
        if state == _START:
            if start is not None:
                yield above, start, end
            above, start, finished_at = [], None, token.end
            continue
        start = token.start if start is None else start
        end = token.end
        if state == _ORDINARY:
            at = end = up_to_semicolon(script, end)
    if start is not None:
        yield above, start, end


def _refuse_open_comment(script: str) -> None:
    """SQLite takes all that follows for the comment (https://www.sqlite.org/lang_comment.html), and says nothing."""
    if "/*" in script:
        *_, last = scan(script)
        if last.kind is TokenKind.COMMENT and last.text.startswith("/*") and not last.text.endswith("*/", 2):
            raise SqlTextError("this comment is never closed", last.start)


def comments_directly_above(text: str, comments: Sequence[Token], start: int) -> tuple[Comment, ...]:
    """Those of the comments that lead to `start` without a blank line between, in order."""
    near: list[Comment] = []
    for comment in reversed(comments):
        if text.count("\n", comment.end, start) > 1:
            break
        near.append(Comment(comment_text(comment), comment.start))
        start = comment.start
    return tuple(reversed(near))


def comment_text(comment: Token) -> str:
    """What a comment says, without its marks."""
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
