"""Plain-text rendering of a report for terminals and logs, optionally in colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from turso_deploy.core.text import count_of, printable, printable_lines
from turso_deploy.report import deployments, wording
from turso_deploy.report.changes import diff_lines
from turso_deploy.report.document import (
    CheckLine,
    ErrorLine,
    HazardLine,
    ObjectChange,
    Report,
    Status,
    StepLine,
    TokenLine,
)
from turso_deploy.report.fleet_lines import Fleet
from turso_deploy.report.fleet_wording import FleetTable, fleet_facts, fleet_tables

_WIDTH = 100
_MAX_NAMES = 60
_MAX_CHECKS = 20
_MAX_SQL_LINES = 200
_VERDICTS = {True: "✔", False: "✗", None: "·"}
_SIGNS = {"created": "+", "changed": "~", "dropped": "-", "run": "~", "written": "+"}

# SGR codes of ECMA-48 (https://ecma-international.org/publications-and-standards/standards/ecma-48/), section 8.3.117.
_BOLD, _DIM, _RED, _GREEN, _YELLOW = "1", "2", "31", "32", "33"
_HAZARDS = {True: "!", False: "✗", None: "?"}
_COLOURS = {"✔": _GREEN, "✗": _RED, "?": _YELLOW, "+": _GREEN, "~": _YELLOW, "-": _RED, "!": _YELLOW}


class _Paint:
    """Add colour to text, or return it unchanged. Apply it to aligned text only: colour codes have no width."""

    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, text: str, *styles: str) -> str:
        return f"\x1b[{';'.join(styles)}m{text}\x1b[0m" if self._colour and styles else text

    def sign(self, sign: str) -> str:
        """Return a sign in its colour."""
        return self(sign, *([_COLOURS[sign]] if sign in _COLOURS else []))


def render(report: Report, colour: bool, *, quiet: bool = False, verbose: bool = False) -> str:
    """Return the report as text for a terminal, without control characters other than colour codes.

    `quiet` keeps only the verdict and the error; `verbose` adds every step with its SQL.
    """
    paint = _Paint(colour)
    found = _verdict_only(report, paint) if quiet else _sections(report, paint, verbose)
    sections = (list(section) for section in found)
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _verdict_only(report: Report, paint: _Paint) -> Iterator[Iterator[str]]:
    yield islice(_heading(report, paint), 1)
    if report.error:
        yield _error(report.error, wording.outcome(report), paint, _label(report))


def _sections(report: Report, paint: _Paint, verbose: bool) -> Iterator[Iterator[str]]:
    yield _heading(report, paint)
    yield from _fleet(report.fleet, paint)
    yield _manifest(report, paint)
    yield _databases(report, paint)
    yield _history(report, paint)
    yield _with_title(wording.DRIFT_TITLE, _diff(report.drift, paint))
    if report.command in ("verify", "history"):
        yield _with_title(wording.changes_title(report), _diff(report.changes, paint))
    if report.is_plan and report.changes and not verbose:
        yield _titled(count_of(len(report.changes), "change"), report, _changes(report, paint))
    else:
        steps = _script(report.steps, paint) if verbose else _steps(report, paint)
        yield _titled(count_of(len(wording.visible_steps(report.steps)), "step"), report, steps)
    yield _seeds(report, paint)
    yield _hazards(report.hazards, paint)
    yield _undecided(report, paint)
    yield _checks(report.checks, paint)
    yield _notices(report.notices, paint)
    yield _tokens(report.tokens, paint)
    yield _restore_point(report.restore_point, paint)
    if report.blocked_by:
        yield _error(report.blocked_by, "", paint, "blocked")
    if report.error:
        yield _error(report.error, wording.outcome(report), paint, _label(report))


def _heading(report: Report, paint: _Paint) -> Iterator[str]:
    is_doubtful = report.blocked_by or (report.command == "check-tokens" and any(one.findings for one in report.tokens))
    is_open = report.status in (Status.STALE, Status.PENDING, Status.DRIFTED)
    done = "!" if is_open or is_doubtful else "✔"
    sign = done if report.succeeded else "?" if report.committed is None else "✗"
    yield f"{paint(sign, _COLOURS[sign], _BOLD)} {paint(wording.verdict(report), _BOLD)}"
    facts = {
        "database": printable(report.database),
        "schema": "" if report.succeeded else printable(report.schema_path),
        "deployment": printable(report.deployment_id or ""),
        "plan": wording.plan_name(report),
        "versions": wording.versions_of_failure(report),
        "writes": wording.rows_to_write(report),
        "seeds": wording.chunks(report),
        "took": f"{wording.duration(report.duration_ms)}, {count_of(report.requests, 'request')}",
    }
    for name, value in facts.items():
        if value:
            yield f"  {paint(name.ljust(10), _DIM)}  {value}"


def _fleet(fleet: Fleet | None, paint: _Paint) -> Iterator[Iterator[str]]:
    if fleet is None:
        return
    yield (f"  {paint(name.ljust(11), _DIM)} {value}" for name, value in fleet_facts(fleet).items() if value)
    for one in fleet_tables(fleet):
        yield _fleet_table(one, paint)


def _fleet_table(one: FleetTable, paint: _Paint) -> Iterator[str]:
    lines = [one.header, *one.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(one.header) - 1)]
    yield f"  {paint(one.title, _BOLD)}"
    for line in lines:
        text = "  ".join([*map(str.ljust, line, widths), line[-1]])
        yield f"  {paint(text, _DIM) if line is one.header else text}"
    yield from (f"  {line}" for line in one.lines)


def _manifest(report: Report, paint: _Paint) -> Iterator[str]:
    lines = wording.manifest_lines(report)
    if lines:
        rows = [(line.name, line.expected, line.actual) for line in lines]
        header = ("manifest", "expected", wording.counts_heading(report))
        yield from _table(header, rows, [_VERDICTS[line.ok] for line in lines], paint)


def _titled(title: str, report: Report, lines: Iterator[str]) -> Iterator[str]:
    """Yield the lines, under a title that says so if they describe steps that were not executed."""
    note = wording.not_executed(report)
    for number, line in enumerate(lines):
        if note and not number:
            yield f"  {title}{note}:"
        yield line


def _history(report: Report, paint: _Paint) -> Iterator[str]:
    """Yield a table of deployments; of a single one also its details."""
    if not report.history:
        return
    yield from _left_aligned([deployments.HEADER, *map(deployments.cells, report.history)], paint)
    for name, value in deployments.details(report.history[0]) if report.shows_one else ():
        yield f"  {paint(name.ljust(13), _DIM)}  {value}"


def _databases(report: Report, paint: _Paint) -> Iterator[str]:
    """Yield a table of the states of databases."""
    if report.databases:
        yield from _left_aligned([deployments.STATUS_HEADER, *map(deployments.status_cells, report.databases)], paint)


def _left_aligned(lines: Sequence[Sequence[str]], paint: _Paint) -> Iterator[str]:
    """Yield a table whose first line is the header; columns without any text are left out."""
    shown = [column for column in range(len(lines[0])) if any(line[column] for line in lines[1:])]
    widths = {column: max(len(line[column]) for line in lines) for column in shown}
    for number, line in enumerate(lines):
        text = "  ".join(line[column].ljust(width) for column, width in widths.items()).rstrip()
        yield f"  {text if number else paint(text, _DIM)}"


def _with_title(title: str, lines: Iterator[str]) -> Iterator[str]:
    """Yield the lines under a title, and nothing without lines."""
    for number, line in enumerate(lines):
        if not number:
            yield f"  {title}:"
        yield line


def _steps(report: Report, paint: _Paint) -> Iterator[str]:
    """Yield one paragraph for each kind of step: its sign, the number of steps, the names; then the hazards."""
    yield from _kinds(wording.visible_steps(report.steps), paint)
    yield from _dependents(report.steps, paint)
    yield from _hazards(wording.hazards_of_steps(report), paint)


def _kinds(steps: Sequence[StepLine], paint: _Paint) -> Iterator[str]:
    groups = wording.steps_by_kind(steps)
    kinds = max((len(printable(kind)) for kind in groups), default=0)
    numbers = max((len(f"{len(group):,}") for group in groups.values()), default=0)
    for kind, group in groups.items():
        start = f"{printable(kind).ljust(kinds)}  {len(group):>{numbers},}"
        first, *rest = _wrapped(_names(group), indent=4 + len(start) + 2)
        yield f"  {paint.sign(_SIGNS[wording.effect(kind)])} {start}  {first}"
        yield from rest


def _changes(report: Report, paint: _Paint) -> Iterator[str]:
    """Yield the changes object by object, then the steps that change no object, and the hazards."""
    yield from _diff(report.changes, paint)
    yield from _kinds(wording.steps_beside_changes(report), paint)
    yield from _dependents(report.steps, paint)
    yield from _hazards(wording.hazards_of_steps(report), paint)


def _diff(changes: Sequence[ObjectChange], paint: _Paint) -> Iterator[str]:
    """Yield the changes object by object."""
    for line in diff_lines(changes):
        yield f"  {'    ' * line.depth}{paint.sign(line.sign)} {line.text if line.depth else paint(line.text, _BOLD)}"


def _script(steps: Sequence[StepLine], paint: _Paint) -> Iterator[str]:
    """Yield the steps with their SQL."""
    for number, step in enumerate(wording.visible_steps(steps)):
        if number:
            yield ""
        place = f"  {paint(printable(step.place), _DIM)}" if step.place else ""
        title = paint(f"{printable(step.kind)} {printable(step.object)}", _BOLD)
        yield f"  {paint.sign(_SIGNS[wording.effect(step.kind)])} {title}{place}"
        yield from _hazards(step.hazards, paint)
        yield from _sql(step.sql, paint)
    if line := list(_dependents(steps, paint)):
        yield from ["", *line]


def _sql(sql: str, paint: _Paint) -> Iterator[str]:
    """Yield the SQL, at most 200 lines of it."""
    text = wording.sql_text(sql)
    lines = text.split("\n") if text else []
    yield from (f"      {line}".rstrip() for line in lines[:_MAX_SQL_LINES])
    if len(lines) > _MAX_SQL_LINES:
        more = count_of(len(lines) - _MAX_SQL_LINES, "more line")
        yield f"      {paint(f'… and {more}', _DIM)}"


def _dependents(steps: Sequence[StepLine], paint: _Paint) -> Iterator[str]:
    """Yield one line for all dependents that are dropped and recreated."""
    if line := wording.recreated_dependents(steps):
        yield f"  {paint.sign('~')} {line}"


def _hazards(hazards: Sequence[HazardLine], paint: _Paint) -> Iterator[str]:
    """Yield hazards; the sign tells whether the deployment continues."""
    for hazard in hazards:
        yield f"  {paint.sign(_HAZARDS[hazard.approved])} {printable(wording.hazard_text(hazard))}"


def _undecided(report: Report, paint: _Paint) -> Iterator[str]:
    """Yield what only the deployment can decide."""
    yield from (f"  {paint.sign('?')} undecided: {printable(text)}" for text in report.undecided)


def _names(steps: Sequence[StepLine]) -> list[str]:
    names = [printable(step.object) for step in steps[:_MAX_NAMES]]
    left_out = len(steps) - len(names)
    return [*names, f"and {left_out:,} more"] if left_out else names


def _seeds(report: Report, paint: _Paint) -> Iterator[str]:
    if not report.seeds:
        return
    header, numbers = wording.seed_numbers(report)
    rows = [(printable(seed.table), *line) for seed, line in zip(report.seeds, numbers, strict=True)]
    signs = ["+" if seed.written else "·" for seed in report.seeds]
    yield from _table(("seeds", *header), rows, signs, paint)
    yield from (f"  {paint.sign('·')} {sentence}" for sentence in wording.left_rows(report))


def _checks(checks: Sequence[CheckLine], paint: _Paint) -> Iterator[str]:
    """Yield the failed checks that the manifest section does not show, and the number of passed ones."""
    passed = sum(check.ok for check in checks)
    failed = [check for check in checks if not (check.ok or wording.is_in_manifest(check))]
    for check in failed[:_MAX_CHECKS]:
        expected, actual = printable(check.expected), printable(check.actual)
        yield f"  {paint.sign('✗')} {printable(check.name)}: expected {expected}, found {actual}"
        yield from (f"      {printable(text)}" for text in check.details)
    if len(failed) > _MAX_CHECKS:
        yield f"  {paint.sign('✗')} and {len(failed) - _MAX_CHECKS:,} more failed"
    if passed:
        yield f"  {paint.sign('✔')} {count_of(passed, 'check')} passed"


def _notices(notices: Sequence[str], paint: _Paint) -> Iterator[str]:
    for notice in notices:
        first, *rest = printable_lines(notice)
        yield f"  {paint.sign('!')} {first}"
        yield from (f"    {line}".rstrip() for line in rest)


def _tokens(tokens: Sequence[TokenLine], paint: _Paint) -> Iterator[str]:
    """Yield a table of the tokens by role, and their findings."""
    if not tokens:
        return
    levels = [{finding.level for finding in token.findings} for token in tokens]
    signs = ["✗" if "error" in found else "!" if found else "✔" for found in levels]
    header = ("tokens", "fingerprint", "state", "access", "age", "expires")
    yield from _table(header, [wording.token_cells(token) for token in tokens], signs, paint)
    for token in tokens:
        for finding in token.findings:
            sign = paint.sign("✗" if finding.level == "error" else "!")
            yield f"  {sign} {printable(token.role)}: {printable(finding.text)}. {printable(finding.remedy)}"


def _restore_point(commands: Sequence[str], paint: _Paint) -> Iterator[str]:
    if commands:
        yield f"  {paint('to restore the state before this run into a new database:', _DIM)}"
        yield from (f"      {printable(command)}" for command in commands)


def _label(report: Report) -> str:
    return "blocked" if report.status is Status.BLOCKED else "error"


def _error(error: ErrorLine, outcome: str, paint: _Paint, label: str) -> Iterator[str]:
    """Yield what happened, where, whether the database was changed, and what to do."""
    place = wording.place_of(error)
    facts = {
        label: error.message,
        "where": str(place) if place else "",
        "outcome": outcome,
        "to do": error.hint or "",
        "code": error.code,
    }
    for name, value in facts.items():
        if value:
            first, *rest = printable_lines(value)
            yield f"  {paint(name.ljust(10), _RED if name == label else _DIM)}  {first}"
            yield from (f"{' ' * 14}{line}".rstrip() for line in rest)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], signs: Sequence[str], paint: _Paint) -> Iterator[str]:
    """Yield a table with a sign before each row; the first column is left-aligned, the others right-aligned."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line, sign in zip(lines, [" ", *signs], strict=True):
        numbers = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
        text = "  ".join([line[0].ljust(widths[0]), *numbers])
        yield f"  {paint.sign(sign)} {paint(text, _DIM) if line is header else text}"


def _wrapped(names: Sequence[str], indent: int) -> list[str]:
    """Join names by commas into lines of at most 100 columns; all lines but the first are indented."""
    lines = [""]
    for number, name in enumerate(names):
        word = f"{name}," if number < len(names) - 1 else name
        if lines[-1].strip() and len(lines[-1]) + 1 + len(word) > (_WIDTH if len(lines) > 1 else _WIDTH - indent):
            lines.append(" " * indent + word)
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return lines
