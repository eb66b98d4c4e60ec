"""The words that every rendering of a report shares: the verdict, the counts, and names made fit to look at."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from turso_deploy.core.errors import Place
from turso_deploy.core.text import count_of, printable, printable_lines
from turso_deploy.plan.step_kinds import StepKind, Verb
from turso_deploy.report.document import CheckLine, ErrorLine, HazardLine, Report, Status, StepLine, TokenLine
from turso_deploy.sql.lexer import read_column_title

_TO_DO = {"created": "to create", "changed": "to change", "dropped": "to drop"}
_AROUND_OTHERS = frozenset({Verb.DROP_TEMPORARILY, Verb.RECREATE})

_SECTIONS = {"rows": ("rows as expected", "table"), "json_columns": ("valid JSON", "column")}
_MOST_FAILED = 10
_WRITE = ("deploy", "plan")

_FATES = {
    False: "nothing was changed",
    True: "the database was changed",
    None: "it is unknown whether the database was changed",
}


def duration(milliseconds: int) -> str:
    """A span of time as people say it: `420 ms`, `1.3 s`."""
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def label(name: str) -> str:
    """The key of a count in words: `foreign_keys` is `foreign keys`."""
    return printable(name).replace("_", " ")


class ManifestLine(Struct, frozen=True):
    """One line of the manifest held against the database. `ok` is None where nothing is expected."""

    name: str
    expected: str
    actual: str
    ok: bool | None


def manifest_lines(report: Report) -> list[ManifestLine]:
    """What the manifest expects and what there is: kind by kind, and of rows and JSON how many are as they should be.

    What is not as it should be has a line of its own, the first ten of each; the checks tell all. Where the manifest
    expects no count, there is none to hold against it.
    """
    states_counts = any(line.expected is not None for line in report.counts.values())
    lines = [
        ManifestLine(
            label(name),
            printable(line.expected or "-"),
            "-" if line.actual is None else f"{line.actual:,}",
            line.ok if line.expected else None,
        )
        for name, line in report.counts.items()
        if states_counts
    ]
    for section, (name, noun) in _SECTIONS.items():
        checks = [check for check in report.checks if check.section == section]
        failed = [check for check in checks if not check.ok]
        if checks:
            held = len(checks) - len(failed)
            lines.append(ManifestLine(name, count_of(len(checks), noun), count_of(held, noun), not failed))
            lines += [_failed_line(check) for check in failed[:_MOST_FAILED]]
    return lines


def heading_of_counts(report: Report) -> str:
    """What the counts are: those of the database, or those that it would have come to."""
    return "would be" if _is_foretold(report) else "actual"


def _is_foretold(report: Report) -> bool:
    not_done = not report.succeeded and not report.committed and report.command in _WRITE
    return report.status is Status.PLANNED or not_done


def seed_numbers(report: Report) -> tuple[list[str], list[tuple[str, ...]]]:
    """How the numbers of seeds are headed, and those of each table: of a plan other ones than of a deployment."""
    columns = {"rows": [seed.rows for seed in report.seeds]}
    if _is_foretold(report):
        columns["to seed"] = [seed.to_seed for seed in report.seeds]
    else:
        columns["written"] = [seed.written for seed in report.seeds]
        columns["unchanged"] = [seed.unchanged for seed in report.seeds]
    if any(seed.deployed_before for seed in report.seeds):
        columns["deployed before"] = [seed.deployed_before for seed in report.seeds]
    return list(columns), [tuple(f"{number:,}" for number in line) for line in zip(*columns.values(), strict=True)]


def undone(report: Report) -> str:
    """What stands behind the number of steps where it is known that nothing came of them; empty where it is not."""
    if report.succeeded or report.committed is not False or report.command == "pull":  # which writes files
        return ""
    return ", none of them done"


def is_in_manifest(check: CheckLine) -> bool:
    """Whether a check is told by `manifest_lines`."""
    return check.section in _SECTIONS


def _failed_line(check: CheckLine) -> ManifestLine:
    return ManifestLine(printable(check.name), printable(check.expected), printable(check.actual), False)


def hazard(line: HazardLine) -> str:
    """What a step may cost, behind what that does to a deployment."""
    does = line.severity
    if line.severity == "needs approval" and line.approved:
        does = "approved"
    if line.severity == "blocked" and line.approved is None:
        does = "blocked if rows break it"
    return f"{does}: {line.text}"


def fate(report: Report) -> str:
    """What became of the database, in words: it was changed, it was not, or nobody knows."""
    return _FATES[report.committed]


def place_of(error: ErrorLine) -> Place | None:
    """Where in the repository the error was caused; None when it was not caused there."""
    return Place(error.file, error.line, error.column) if error.file else None


def statement(sql: str) -> str:
    """The SQL of a step, one printable text that ends with its semicolon; empty for a step that has none."""
    text = "\n".join(printable_lines(sql)).rstrip()
    return text if text.endswith(";") or not text else f"{text};"


def effect(kind: StepKind) -> str:
    """What a kind of step does: an object is `created`, `changed` or `dropped`, a script is `run`, a file `written`.

    Dropping a column changes its table.
    """
    match kind.verb:
        case Verb.CREATE:
            return "created"
        case Verb.RUN:
            return "run"
        case Verb.WRITE:
            return "written"
        case Verb.DROP if kind is not StepKind.DROP_COLUMN:
            return "dropped"
        case _:
            return "changed"


def told(steps: Sequence[StepLine]) -> list[StepLine]:
    """The steps that people want to read one by one: not those that only clear the way for others."""
    return [step for step in steps if step.kind.verb not in _AROUND_OTHERS]


def set_aside(steps: Sequence[StepLine]) -> str:
    """The rest, in a line: `2 indexes, 1 view and 3 triggers dropped and recreated`; empty where there is none."""
    recreated = [step.kind.noun for step in steps if step.kind.verb is Verb.RECREATE]
    found = [
        count_of(number, noun, plural)
        for noun, plural in (("index", "indexes"), ("view", "views"), ("trigger", "triggers"))
        if (number := recreated.count(noun))
    ]
    listed = " and ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)
    return f"{listed} dropped and recreated" if listed else ""


def by_kind(steps: Sequence[StepLine]) -> dict[StepKind, list[StepLine]]:
    """The steps under their kinds, both in the order they run."""
    groups: dict[StepKind, list[StepLine]] = {}
    for step in steps:
        groups.setdefault(step.kind, []).append(step)
    return groups


def rows_seeded(report: Report) -> int:
    """How many seed rows this run wrote to the database: none, when it did not commit."""
    return sum(seed.written for seed in report.seeds) if report.changed else 0


def rows_to_write(report: Report) -> str:
    """What a plan would write, in words; empty for any other run, and where it is nothing or not known."""
    estimated = report.rows_to_write if report.status is Status.PLANNED else None
    return f"about {count_of(estimated, 'row')}" if estimated else ""


def chunks(report: Report) -> str:
    """The chunks of seeds that are no part of the one transaction, in words; empty where all is one."""
    if report.chunks is None:
        return ""
    number = count_of(report.chunks.total, "chunk")
    return f"in {number}" if report.status is Status.PLANNED else f"{report.chunks.sent:,} of {number} committed"


def verdict(report: Report) -> str:
    """What the run did, in one line that a reviewer understands without reading on."""
    match report.status:
        case Status.DEPLOYED:
            return f"{_titled('Deployed', report, _work_done(report))}, in {count_of(report.requests, 'request')}"
        case Status.UNCHANGED:
            if not report.requests:  # no database was asked
                return f"Unchanged: {_target(report)} does not differ from the {printable(report.database)}"
            return f"Unchanged: the database already is at {_target(report)}, in {count_of(report.requests, 'request')}"
        case Status.PLANNED:
            title = _titled("Planned", report, _work_to_do(report) or ["nothing to do"])
            return f"{title}; {outlook(report)}" if report.blocked_by else title
        case Status.VERIFIED:
            return _titled("Verified", report, _findings(report))
        case Status.PULLED:
            return _titled("Pulled", report, [*_findings(report), f"{count_of(len(report.steps), 'file')} written"])
        case Status.DOCUMENTED:
            work = [f"{count_of(len(report.steps), 'page')} written"] if report.steps else ["every page is current"]
            return _titled("Documented", report, [*_findings(report), *work])
        case Status.STALE:
            return _titled("Stale", report, [f"{count_of(len(report.steps), 'page')} to write with turso-deploy docs"])
        case Status.CHECKED:
            return f"Checked {count_of(len(report.tokens), 'token')}: {_judgement(report)}"
        case Status.ROTATED:
            return "Rotated: the secret holds a new token, which works"
        case Status.BLOCKED:
            return f"Blocked: {fate(report)}"
        case Status.FAILED:
            return f"Failed: {fate(report)}"


def outlook(report: Report) -> str:
    """What would become of a deployment that the plan knows to be blocked."""
    if not report.requests:  # no database was asked
        return "a deployment may be blocked, depending on the rows"
    return "a deployment would be blocked"


def _titled(word: str, report: Report, parts: Sequence[str]) -> str:
    title = f"{word} {printable(report.schema_version)}" if report.schema_version else word
    return f"{title}: {', '.join(parts)}" if parts else title


def _target(report: Report) -> str:
    return printable(report.schema_version) if report.schema_version else "the wanted schema"


def _work_done(report: Report) -> list[str]:
    work = [f"{count_of(number, 'object')} {effect}" for effect, number in _effects(report).items()]
    if scripts := _scripts(report):
        work.append(f"{count_of(scripts, 'script')} run")
    rows = rows_seeded(report)
    return [*work, f"{count_of(rows, 'row')} seeded"] if rows else work


def _work_to_do(report: Report) -> list[str]:
    work = [f"{count_of(number, 'object')} {_TO_DO[effect]}" for effect, number in _effects(report).items()]
    if scripts := _scripts(report):
        work.append(f"{count_of(scripts, 'script')} to run")
    rows = sum(seed.to_seed for seed in report.seeds)
    return [*work, f"{count_of(rows, 'row')} to seed"] if rows else work


def _effects(report: Report) -> dict[str, int]:
    """How many different objects were created, changed and dropped.

    An object that takes several steps counts once, and so does a table with its columns; one that is dropped and
    created again was changed.
    """
    objects: dict[str, set[tuple[str, str]]] = {name: set() for name in _TO_DO}
    for step in told(report.steps):
        if (done := effect(step.kind)) in objects:
            noun = step.kind.noun
            objects[done].add(("table", read_column_title(step.object)[0]) if noun == "column" else (noun, step.object))
    again = objects["created"] & objects["dropped"]
    objects = {
        "created": objects["created"] - again,
        "changed": objects["changed"] | again,
        "dropped": objects["dropped"] - again,
    }
    return {name: len(found) for name, found in objects.items() if found}


def _scripts(report: Report) -> int:
    return sum(step.kind is StepKind.RUN_SCRIPT for step in report.steps)


def _judgement(report: Report) -> str:
    levels = [finding.level for token in report.tokens for finding in token.findings]
    found = [
        count_of(levels.count(level), noun)
        for level, noun in (("error", "error"), ("warning", "warning"))
        if level in levels
    ]
    return " and ".join(found) or "all is well"


def _one(kind: str) -> str:
    """The noun for one of a kind of objects: `foreign_keys` is `foreign key`."""
    return "index" if kind == "indexes" else label(kind).removesuffix("s")


def token_cells(token: TokenLine) -> tuple[str, ...]:
    """A token as the cells of a table: role, fingerprint, state, access, age and days left."""
    age = "-" if token.age_days is None else count_of(token.age_days, "day")
    if token.expires_at is None:
        left = "-" if token.state == "malformed" or token.access == "-" else "never ends"
    elif token.minted:
        left = "for this run"
    else:
        left = count_of(token.days_left or 0, "day") if (token.days_left or 0) >= 0 else "over"
    cells = (token.role, token.fingerprint, token.state, token.access, age, left)
    return tuple(printable(cell) for cell in cells)


def _findings(report: Report) -> list[str]:
    found = [count_of(line.actual, _one(name), label(name)) for name, line in report.counts.items() if line.actual]
    return [*found, f"{count_of(len(report.checks), 'check')} held"] if report.checks else found
