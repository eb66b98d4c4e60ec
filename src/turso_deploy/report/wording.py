"""The words that every rendering of a report shares: the verdict, the counts, and names made fit to look at."""

from __future__ import annotations

from collections.abc import Sequence

from turso_deploy.errors import Place
from turso_deploy.report.document import ErrorLine, Report, Status, StepLine

ZERO_WIDTH_JOINER = "\u200d"

_TO_DO = {"created": "to create", "changed": "to change", "dropped": "to drop"}

_FATES = {
    False: "nothing was changed",
    True: "the database changed",
    None: "it is not known whether the database changed",
}


def printable(text: str) -> str:
    """The text on one line, with what acts instead of showing (line breaks, ANSI escapes, bidi marks) spelled out.

    The zero-width joiner stays, because emoji are made of it (https://www.unicode.org/reports/tr51/#Emoji_ZWJ_Sequences).
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character == ZERO_WIDTH_JOINER
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def printable_lines(text: str) -> list[str]:
    """Each line of a text that is laid out on purpose (SQL, a comparison), printable; tabs become spaces."""
    return [printable(line.expandtabs(4)) for line in text.replace("\r\n", "\n").strip("\n").split("\n")]


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 row`, `1,200 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(milliseconds: int) -> str:
    """A span of time as people say it: `420 ms`, `1.3 s`."""
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def label(name: str) -> str:
    """The key of a count in words: `foreign_keys` is `foreign keys`."""
    return printable(name).replace("_", " ")


def fate(report: Report) -> str:
    """What became of the database, in words: it was changed, it was not, or nobody knows."""
    return _FATES[report.committed]


def place_of(error: ErrorLine) -> Place | None:
    """Where in the repository the error was caused; None when it was not caused there."""
    return Place(error.file, error.line, error.column) if error.file else None


def statement(sql: str) -> str:
    """The SQL of a step, one printable text that ends with its semicolon."""
    text = "\n".join(printable_lines(sql)).rstrip()
    return text if text.endswith(";") else f"{text};"


def effect(kind: str) -> str:
    """What a kind of step does to an object: `created`, `changed` or `dropped`. Dropping a column changes its table."""
    verb, _, noun = kind.partition(" ")
    if verb == "create":
        return "created"
    return "dropped" if verb == "drop" and noun != "column" else "changed"


def by_kind(steps: Sequence[StepLine]) -> dict[str, list[StepLine]]:
    """The steps under their kinds, both in the order they run."""
    groups: dict[str, list[StepLine]] = {}
    for step in steps:
        groups.setdefault(step.kind, []).append(step)
    return groups


def rows_seeded(report: Report) -> int:
    """How many seed rows this run wrote to the database: none, when it did not commit."""
    return sum(seed.written for seed in report.seeds) if report.changed else 0


def verdict(report: Report) -> str:
    """What the run did, in one line that a reviewer understands without reading on."""
    match report.status:
        case Status.DEPLOYED:
            return f"{_titled('Deployed', report, _work_done(report))}, in {counted(report.requests, 'request')}"
        case Status.UNCHANGED:
            return f"Unchanged: the database already is at {_target(report)}, in {counted(report.requests, 'request')}"
        case Status.PLANNED:
            return _titled("Planned", report, _work_to_do(report) or ["nothing to do"])
        case Status.VERIFIED:
            return _titled("Verified", report, _findings(report))
        case Status.FAILED:
            return f"Failed: {fate(report)}"


def _titled(word: str, report: Report, parts: Sequence[str]) -> str:
    title = f"{word} {printable(report.schema_version)}" if report.schema_version else word
    return f"{title}: {', '.join(parts)}" if parts else title


def _target(report: Report) -> str:
    return printable(report.schema_version) if report.schema_version else "the wanted schema"


def _work_done(report: Report) -> list[str]:
    work = [f"{counted(number, 'object')} {effect}" for effect, number in _effects(report).items()]
    rows = rows_seeded(report)
    return [*work, f"{counted(rows, 'row')} seeded"] if rows else work


def _work_to_do(report: Report) -> list[str]:
    work = [f"{counted(number, 'object')} {_TO_DO[effect]}" for effect, number in _effects(report).items()]
    rows = sum(seed.rows - seed.unchanged for seed in report.seeds)
    return [*work, f"{counted(rows, 'row')} to seed"] if rows else work


def _effects(report: Report) -> dict[str, int]:
    """How many different objects were created, changed and dropped; an object that takes several steps counts once."""
    objects: dict[str, set[tuple[str, str]]] = {name: set() for name in _TO_DO}
    for step in report.steps:
        noun = step.kind.rpartition(" ")[2]
        objects[effect(step.kind)].add((noun, step.object))
    return {name: len(found) for name, found in objects.items() if found}


def _findings(report: Report) -> list[str]:
    found = [f"{line.actual:,} {label(name)}" for name, line in report.counts.items() if line.actual is not None]
    return [*found, f"{counted(len(report.checks), 'check')} held"] if report.checks else found
