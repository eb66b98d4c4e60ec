"""What could act on the text that we write: a runner, a page of Markdown, a Mermaid diagram, a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt

COMMANDS = {"add-mask", "group", "endgroup", "stop-commands", "error", "notice", "warning"}
"""The workflow commands that we send."""

_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
_TEXT = {"text", "text_special", "softbreak"}
_NAME = r'"[\w .$()-]+"'
_WORD = r"[A-Za-z][A-Za-z0-9_]*"
_MERMAID = re.compile(
    rf"""
    erDiagram
    | \ {{4}}{_NAME}(?:\ {{)?
    | \ {{4}}}}
    | \ {{8}}{_WORD}\ {_WORD}(?:\ (?:PK|FK|UK)(?:,\ (?:PK|FK|UK))*)?(?:\ "\w+")?
    | \ {{4}}{_NAME}\ \|[|o](?:--|\.\.)o[|{{]\ {_NAME}\ :\ {_NAME}
    """,
    re.VERBOSE,
)
_MERMAID_BLOCK = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# C0 but the line feed, DEL, C1, and the marks that change the direction of text (https://www.unicode.org/reports/tr9/).
_ACTS_ON_A_TERMINAL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def obeyed(printed: str) -> Iterator[tuple[str, str]]:
    """The commands that a runner takes from a log: name and message, those between stop-commands and its token not."""
    token = None
    for line in re.split(r"\r\n|\r|\n", printed):
        found = re.match(r"\s*::(?P<name>[\w-]+)(?: [^:]*(?:%3A[^:]*)*)?::(?P<data>.*)$", line) or re.search(
            r"##\[(?P<name>[\w-]+)[^\]]*\](?P<data>.*)$", line
        )
        if not found:
            continue
        if token:
            token = None if found["name"] == token else token
        elif found["name"] == "stop-commands":
            token = found["data"]
            yield found["name"], ""
        else:
            yield found["name"], found["data"]


def outputs_in(text: str) -> dict[str, str]:
    """The outputs that a runner reads from its file, line by line; ValueError where it would refuse the file."""
    found, lines = {}, iter(text.split("\n"))
    for line in lines:
        name, marker, delimiter = line.partition("<<")
        if not line:
            continue
        if not marker:
            raise ValueError(f"no output: {line!r}")
        value = []
        while (line := next(lines)) != delimiter:
            value.append(line)
        found[name] = "\n".join(value)
    return found


def skeleton(markdown: str) -> list[str]:
    """What a page is made of, without its words: two pages that differ in their words only have the same.

    A fence is words too: a text of several lines may get one.
    """
    found = []
    for token in _MARKDOWN.parse(markdown):
        for part in (token, *(token.children or ())):
            if part.type in ("html_block", "html_inline"):
                found += re.findall(r"</?[A-Za-z][\w-]*|<!--", part.content)
            elif part.type not in _TEXT and part.type != "fence":
                found.append(f"{part.type} {part.tag}")
    return found


def diagrams_in(markdown: str) -> list[str]:
    """The lines of all Mermaid diagrams that are not what we draw."""
    return [
        line
        for block in _MERMAID_BLOCK.findall(markdown)
        for line in block.splitlines()
        if not _MERMAID.fullmatch(line)
    ]


def acts_on_a_terminal(text: str) -> list[str]:
    """The characters that a terminal would follow rather than show."""
    return _ACTS_ON_A_TERMINAL.findall(text)
