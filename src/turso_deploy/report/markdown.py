"""Markdown for job summaries and documentation pages: escaped text, code, fences, tables, collapsible sections.

Text and code come in two variants, because the two kinds of output have different needs:

- A documentation page is kept in a repository and also read as plain text. `page_text` escapes with backslashes and
  `page_code` uses back-ticks, so that names stay legible in the source.
- A job summary or pull-request comment shows values of any origin in Markdown and inside HTML, where backslashes escape
  nothing. `summary_text` escapes with character references, breaks mentions and bare links, and `summary_code` uses the
  HTML element; `summary_prose` has both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from turso_deploy.core.text import printable, printable_lines

_MARKUP = re.compile(r"([\\`*_\[\]<>&~$])")
# At the start of a line these begin a heading, a list item or a thematic break.
_BLOCK_START = re.compile(r"^(?:\d{1,9}(?=[.)](?: |$))|(?=(?:#{1,6}|[+-]|-{2,})(?: |$)))")
_REFERENCED = re.compile(
    r"""
    (?<=[a-zA-Z0-9]) (?<!www) (?: [-._:/](?=[a-zA-Z0-9]) | [:;](?=[ ]|$) )  # harmless here, and names stay legible
    | ([^a-zA-Z0-9 ,])                                                      # may be markup
    """,
    re.VERBOSE,
)
_BACK_TICKS = re.compile(r"`+")
_CODE_IN_PROSE = re.compile(r"`([^`\n]+)`")
_ALIGNMENTS = {"l": "---", "r": "---:", "c": ":-:"}


def page_text(text: str) -> str:
    """Return text for a page: one line, with backslashes before all markup. A table escapes `|` itself."""
    return _BLOCK_START.sub(r"\g<0>\\", _MARKUP.sub(r"\\\1", _one_line(text)))


def page_code(text: str) -> str:
    """Return a code span for a page, empty for empty text: https://github.github.com/gfm/#code-spans."""
    line = _one_line(text)
    longest = _longest_back_ticks(line)
    ticks = "`" * (longest + 1)
    return f"{ticks} {line} {ticks}" if longest else f"`{line}`" if line else ""


def summary_text(text: str) -> str:
    """Return text for a summary: one line that shows exactly the text, without markup, HTML, links or mentions.

    Every character that may be markup becomes a character reference, which Markdown takes for text
    (https://spec.commonmark.org/0.31.2/#entity-and-numeric-character-references). GitHub looks for mentions in the
    rendered page, so an invisible space separates the `@` from the name.
    """
    return _with_references(text).replace("&#64;", "&#64;&#8203;")


def summary_prose(text: str) -> str:
    """Return a sentence for a summary: as `summary_text`, with what it has in back-ticks as code that can be copied."""
    shown, end = "", 0
    for span in _CODE_IN_PROSE.finditer(text):
        shown += summary_text(text[end : span.start()]) + summary_code(span[1])
        end = span.end()
    return shown + summary_text(text[end:])


def summary_code(text: str) -> str:
    """Return an HTML code element for a summary."""
    return f"<code>{_with_references(text)}</code>"


def fenced(block: str, language: str = "") -> str:
    """Return a fenced code block; the fence is longer than any run of back-ticks in the block.

    Source: https://spec.commonmark.org/0.31.2/#fenced-code-blocks
    """
    body = "\n".join(printable_lines(block))
    fence = "`" * max(3, _longest_back_ticks(body) + 1)
    return f"{fence}{language}\n{body}\n{fence}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], alignments: str = "") -> str:
    """Return a table of Markdown cells, empty if there are no rows.

    `alignments` has a letter for each column: `l`eft, `r`ight or `c`entre; columns without one are aligned left. A `|`
    in a cell is escaped, also inside code: https://github.github.com/gfm/#example-200.
    """
    if not rows:
        return ""
    letters = alignments.ljust(len(header), "l")
    rule = [_ALIGNMENTS[letter] for letter in letters]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (header, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (cells[0], rule, *cells[1:]))


def collapsible(title: str, body: str, *, is_open: bool = False) -> str:
    """Return an HTML section that opens on a click. Its empty lines make GitHub read the body as Markdown."""
    return f"<details{' open' if is_open else ''}><summary>{title}</summary>\n\n{body}\n\n</details>"


def joined(*blocks: str) -> str:
    """Return the blocks with an empty line between them; empty blocks are left out."""
    return "\n\n".join(block for block in blocks if block)


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def _longest_back_ticks(text: str) -> int:
    return max(map(len, _BACK_TICKS.findall(text)), default=0)


def _with_references(text: str) -> str:
    return _REFERENCED.sub(_reference, printable(text))


def _reference(match: re.Match[str]) -> str:
    character = match.group()
    return f"&#{ord(character)};" if match.group(1) and character.isascii() else character
