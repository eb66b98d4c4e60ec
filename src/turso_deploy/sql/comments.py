"""The comments of a table's columns, and the directives among them.

A comment belongs to a column if it is directly above the column (no blank line between), before or inside it, or
after it on the same line, before or after the comma. The comments of the table itself are those of its statement.

Directives are comments that control the change from the live to the wanted schema:

    -- @renamed from=old_name      this column or table was called old_name
    -- @using <expression>         backfills this column if its old values cannot be kept
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from turso_deploy.sql.definitions import ColumnDefinition, Directives, TableDefinition
from turso_deploy.sql.lexer import SqlTextError, Token, TokenKind, fold_case, quote_identifier, scan, tokenize, unquote
from turso_deploy.sql.splitter import Comment, comment_text, comments_directly_above

# A rule is a line of dashes or the like, or stands at an end of a line.
_MARKS = r"[-=*#~_+/\u2500-\u257f]"
_RULE_AT_START = re.compile(rf"^(?:{_MARKS}{{5,}}|{_MARKS}{{2,}}(?=\s)|{_MARKS}+$)")
_RULE_AT_END = re.compile(rf"(?:{_MARKS}{{5,}}|(?<=\s){_MARKS}{{2,}})$")
_ASTERISK = re.compile(r"^\*(?=\s|$)\s*")
_MAX_HEADING = 60
# A comment may begin with another tool's @word, but hardly with one of these.
_MISSPELT = ("@rename", "@using")


def column_comments(sql: str, table: TableDefinition) -> dict[str, tuple[Comment, ...]]:
    """Return the comments of each column that has any, in order, by the column's folded name.

    `table` is the definition that `parse` reads from the same text; offsets count in it. Raises SqlTextError.
    """
    found: dict[str, list[Comment]] = {}
    starts = [column.start for column in table.columns]
    for before, comments, comma, after in _gaps(sql):
        trailing = [comment for comment in comments if _stands_behind(sql, before, comment, comma, after)]
        owners = [(_column_at(table, starts, before), [plain(comment) for comment in trailing])]
        if after is not None:
            leading = comments_directly_above(sql, comments[len(trailing) :], after.start)
            owners.append((_column_at(table, starts, after), list(leading)))
        for column, texts in owners:
            if column is not None and texts:
                found.setdefault(fold_case(column.name), []).extend(texts)
    return {name: tuple(texts) for name, texts in found.items()}


def directives(comments: Iterable[Comment]) -> Directives:
    """Parse the directives among comments; if one is repeated, the last counts.

    Raises SqlTextError, with the offset of the comment, if one is malformed.
    """
    renamed_from = using = None
    for comment in comments:
        word, rest = [*comment.text.split(maxsplit=1), "", ""][:2]
        if word == "@renamed":
            renamed_from = _old_name(rest, comment)
        elif word == "@using":
            using = _expression(rest, comment)
        elif fold_case(word).startswith(_MISSPELT):
            raise SqlTextError(f"there is no directive {word}", comment.start)
    return Directives(renamed_from, using)


def expressions_in(sql: str, table: TableDefinition) -> dict[str, str]:
    """Return the `@using` expressions in the stored SQL of a table, by the folded names of their columns."""
    found = {}
    for name, comments in column_comments(sql, table).items():
        with suppress(SqlTextError):  # a comment of another tool, which the user need not correct
            if (using := directives(comments).using) is not None:
                found[name] = using
    return found


def documentation(comments: Iterable[Comment]) -> str:
    """Return the text of comments without the directives and without rules, the lines of dashes and the like."""
    return "\n".join(text for line in _lines(comments) if (text := undecorated(line)) or not line).strip("\n")


def description(comments: Iterable[Comment]) -> str:
    """Return the documentation in comments without banners, which are headings of all that follows.

    A banner is a heading between two rules, or on a line with a rule: `-- ===== People =====`. A sentence is none.
    """
    kept: list[str] = []
    since_rule: int | None = None  # the number of lines kept when the last rule was read
    for line in _lines(comments):
        text = undecorated(line)
        if line and not text:
            between = [kept_line for kept_line in kept[since_rule:] if kept_line]
            if since_rule is not None and len(between) == 1 and _is_heading(between[0]):
                del kept[since_rule:]
            since_rule = len(kept)
        elif text == line or not _is_heading(text):
            kept.append(text)
    return "\n".join(kept).strip("\n")


def undecorated(line: str) -> str:
    """Return a line of a comment without the rules at its ends."""
    return _RULE_AT_END.sub("", _RULE_AT_START.sub("", line)).strip()


def _lines(comments: Iterable[Comment]) -> Iterator[str]:
    """Yield the lines of comments without the directives, and without the asterisks at the left of a block."""
    for comment in comments:
        if not comment.text.startswith(("@renamed", "@using")):
            lines = [line.strip() for line in comment.text.split("\n")]
            yield from lines if len(lines) == 1 else [_ASTERISK.sub("", line) for line in lines]


def _is_heading(text: str) -> bool:
    return len(text) <= _MAX_HEADING and not text.endswith((".", "!", "?", ":", ";", ","))


def without_directives(sql: str) -> str:
    """Return a statement without its directives and the lines that hold nothing else. Raises SqlTextError."""
    comments = [token for token in scan(sql) if token.kind is TokenKind.COMMENT]
    for comment in reversed(comments):
        if not comment_text(comment).startswith(_MISSPELT):
            continue
        before, after = sql[: comment.start].rstrip(" \t"), sql[comment.end :]
        if before.endswith("\n") and after.startswith("\n"):
            after = after[1:]
        space = " " if comment.text.startswith("/*") else ""
        sql = f"{before}{space}{after}"
    return sql


def _gaps(sql: str) -> Iterator[tuple[Token | None, list[Token], Token | None, Token | None]]:
    """Yield each run of comments with the token before it, the last comma in it, if any, and the token after it."""
    before: Token | None = None
    comma: Token | None = None
    comments: list[Token] = []
    for token in scan(sql):
        if token.kind is TokenKind.COMMENT:
            comments.append(token)
        elif token.text == ",":
            comma = token
        else:
            if comments:
                yield before, comments, comma, token
            before, comma, comments = token, None, []
    if comments:
        yield before, comments, comma, None


def _stands_behind(sql: str, before: Token | None, comment: Token, comma: Token | None, after: Token | None) -> bool:
    """Return True if a comment is on the line of the token before it, and ends that line or precedes its comma."""
    starts_there = before is not None and "\n" not in sql[before.end : comment.start]
    is_before_comma = comma is not None and comment.start < comma.start
    return starts_there and (is_before_comma or after is None or "\n" in sql[comment.start : after.start])


def _column_at(table: TableDefinition, starts: Sequence[int], token: Token | None) -> ColumnDefinition | None:
    index = bisect_right(starts, token.start) - 1 if token else -1
    return table.columns[index] if token and index >= 0 and token.start < table.columns[index].end else None


def plain(comment: Token) -> Comment:
    """Return the comment of a token, without its marks."""
    return Comment(comment_text(comment), comment.start)


def renamed_from(old: str) -> str:
    """Return the `@renamed` directive for an old name, as a user writes it."""
    return f"-- @renamed from={old if old.isidentifier() else quote_identifier(old)}"


def _old_name(text: str, comment: Comment) -> str:
    match _tokens(text, comment):
        case [Token(TokenKind.WORD, keyword), Token(TokenKind.OPERATOR, "="), Token(kind) as name] if (
            fold_case(keyword) == "from" and kind <= TokenKind.QUOTED
        ):
            return unquote(name)
        case _:
            raise SqlTextError("expected a comment of the form: -- @renamed from=old_name", comment.start)


def _expression(text: str, comment: Comment) -> str:
    tokens = _tokens(text, comment)
    if not tokens:
        raise SqlTextError("expected a comment of the form: -- @using <expression>", comment.start)
    if not _stands_alone(tokens):
        raise SqlTextError(f"`-- {comment.text}` is not one expression by itself", comment.start)
    return text[tokens[0].start : tokens[-1].end]


def _stands_alone(tokens: Sequence[Token]) -> bool:
    """Return True if an expression stays within parentheses around it."""
    depth = 0
    for token in tokens:
        depth += (token.text == "(") - (token.text == ")")
        if depth < 0 or token.text == ";" or token.kind is TokenKind.VARIABLE:
            return False
    return depth == 0


def _tokens(text: str, comment: Comment) -> list[Token]:
    try:
        return tokenize(text)
    except SqlTextError as error:
        raise SqlTextError(f"the comment -- {comment.text} cannot be read: {error.message}", comment.start) from None
