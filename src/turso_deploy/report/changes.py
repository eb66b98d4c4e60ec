"""The changes of a plan as the lines of a diff: a sign, an indent and a text each; the renderings colour them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from turso_deploy.core.text import printable, printable_lines
from turso_deploy.report.document import ChangeLine, PartLine

_SIGNS = {"added": "+", "changed": "~", "renamed": "~", "removed": "-"}


class DiffLine(Struct, frozen=True):
    """One line: `+`, `-` or `~`, how deep it stands below its object, and what it says, fit to print."""

    sign: str
    depth: int
    text: str


def diff_lines(changes: Sequence[ChangeLine]) -> Iterator[DiffLine]:
    """For each object its name, and for one that changes what comes and goes in it."""
    for change in changes:
        called = f", which was {printable(change.old_name)}" if change.old_name else ""
        yield DiffLine(_SIGNS[change.effect], 0, f"{change.kind} {printable(change.name)}{called}")
        for part in change.parts:
            yield from _part(part)


def _part(part: PartLine) -> Iterator[DiffLine]:
    """Short texts on one line; definitions, and what has several lines, below each other."""
    was, now = (printable_lines(text) if text is not None else [] for text in (part.was, part.now))
    name = printable(part.part)
    if len(was) == 1 and len(now) == 1 and part.part != "definition":
        yield DiffLine("~", 1, f"{name}: {was[0]} → {now[0]}")
    elif len(was) + len(now) == 1:
        yield DiffLine("+" if now else "-", 1, f"{name}: {(now or was)[0]}")
    else:
        yield from (DiffLine("-", 1, line) for line in was if line not in now)
        yield from (DiffLine("+", 1, line) for line in now if line not in was)
