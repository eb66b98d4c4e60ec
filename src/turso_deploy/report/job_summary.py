"""Markdown rendering of a report for job summaries and comments, with every value escaped and a maximum size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from turso_deploy.core.text import count_of
from turso_deploy.report import deployments, wording
from turso_deploy.report.changes import diff_lines
from turso_deploy.report.document import CheckLine, Diagram, ErrorLine, ObjectChange, Report, Status, TokenLine
from turso_deploy.report.er_diagram import mermaid
from turso_deploy.report.fleet_lines import Fleet
from turso_deploy.report.fleet_wording import fleet_facts, fleet_tables
from turso_deploy.report.markdown import collapsible, fenced, joined, summary_code, summary_prose, summary_text, table

_SIGNS = {"+": "+", "-": "-", "~": "!"}  # `~` has no colour there
_MARKS = {True: "✅", False: "❌", None: ""}
_MAX_OPEN_LINES = 20
_MAX_TABLES_WITH_COLUMNS = 8  # of a diagram, which is as wide as the page
_HAZARDS = {True: "⚠️ ", False: "⛔ ", None: "⚠️ "}


class _Detail(NamedTuple):
    """Amount of detail in a summary: with or without SQL and diagram, and the maximum number of rows in each list."""

    sql: bool
    diagram: bool
    rows: int | None


_DETAILS = (
    _Detail(sql=True, diagram=True, rows=None),
    _Detail(sql=False, diagram=True, rows=None),
    _Detail(sql=False, diagram=True, rows=1000),
    _Detail(sql=False, diagram=False, rows=100),
    _Detail(sql=False, diagram=False, rows=10),
    _Detail(sql=False, diagram=False, rows=0),
)
"""Levels of detail, the highest first; the first that fits is used. SQL is omitted first: it is the largest part."""


def summary(report: Report, budget: float = math.inf) -> str:
    """Return the report as Markdown of at most `budget` bytes of UTF-8, with a note of what was omitted."""
    heading = f"## {_heading(report)}\n"
    texts = (f"{heading}\n{joined(*_parts(report, detail))}\n" for detail in _DETAILS)
    for text in chain(texts, [heading]):
        if len(text.encode(errors="backslashreplace")) <= budget:
            return text
    return ""


def _heading(report: Report) -> str:
    failed = "⚠️" if report.committed is None else "❌"
    signs = {Status.BLOCKED: "⛔", Status.FAILED: failed}
    is_open = report.blocked_by or report.status in (Status.STALE, Status.PENDING, Status.DRIFTED)
    sign = signs.get(report.status, "⚠️" if is_open else "✅")
    return f"{sign} {summary_text(wording.verdict(report))}"


def _parts(report: Report, detail: _Detail) -> Iterator[str]:
    yield _subject(report)
    if report.blocked_by:
        yield from _error(report.blocked_by, wording.OUTLOOK.capitalize())
    if report.error:
        yield from _error(report.error, "Blocked" if report.status is Status.BLOCKED else "Error")
    yield from _fleet(report.fleet, detail)
    yield _manifest(report, fulfilled=False)
    yield _list([summary_text(notice) for notice in report.notices], detail)
    yield _failed_checks(report.checks, detail)
    yield _databases(report, detail)
    yield _history(report, detail)
    yield _drift(report.drift, detail)
    yield _changes(report, detail)
    yield _hazards(report, detail)
    yield _list([f"Undecided: {summary_text(text)}" for text in report.undecided], detail)
    yield _steps(report, detail)
    yield _diagram(report.diagram, detail)
    yield _sql(report, detail)
    yield _seeds(report, detail)
    yield _manifest(report, fulfilled=True)
    yield _passed_checks(report.checks, detail)
    yield _tokens(report.tokens)
    yield _restore_point(report.restore_point)
    yield _plan(report)
    yield _footer(report)


def _fleet(fleet: Fleet | None, detail: _Detail) -> Iterator[str]:
    """Yield the tables of a fleet; its other facts in one line."""
    if fleet is None:
        return
    for one in fleet_tables(fleet):
        rows = [tuple(map(summary_text, row)) for row in one.rows]
        header = tuple(map(str.capitalize, one.header))
        body = joined(
            _limited_table("l" * len(header), header, rows, detail.rows),
            _list([summary_text(line) for line in one.lines], detail),
        )
        yield collapsible(f"{one.title.capitalize()}: {len(rows):,}", body, is_open=one.is_open)
    yield " · ".join(f"{name} {summary_text(value)}" for name, value in fleet_facts(fleet).items() if value)


def _error(error: ErrorLine, title: str) -> Iterator[str]:
    place = wording.place_of(error)
    where = f" at {summary_code(str(place))}" if place else ""
    yield f"**{title}** {summary_code(error.code)}{where}"
    yield _prose(error.message)
    if error.hint:
        yield _hint(error.hint)


def _hint(hint: str) -> str:
    """Return a hint as Markdown: several lines as a list, but one line, or lines with an indented one, as prose."""
    lines = [line for line in hint.splitlines() if line.strip()]
    if len(lines) == 1 or any(line[0].isspace() for line in lines):
        return f"**What to do:** {_prose(hint, summary_prose)}"
    return "**What to do:**\n\n" + "\n".join(f"- {summary_prose(line)}" for line in lines)


def _prose(text: str, as_line: Callable[[str], str] = summary_text) -> str:
    """Return the first line as prose and the others, whose layout has a meaning, in a fence."""
    first, _, rest = text.strip().partition("\n")
    return joined(as_line(first.strip()), fenced(rest, "text") if rest.strip() else "")


def _subject(report: Report) -> str:
    """Return the database, the versions and the schema folder in one line."""
    versions = wording.versions_of_failure(report) or wording.versions(report)
    facts = [
        f"database {summary_code(report.database)}" if report.database else "",
        f"versions {summary_text(versions)}" if versions else "",
        f"schema {summary_code(report.schema_path)}" if report.schema_path else "",
    ]
    return " · ".join(fact for fact in facts if fact)


def _manifest(report: Report, *, fulfilled: bool) -> str:
    """Return the expectations of the manifest: those that do not hold, or in a closed section those that do."""
    lines = [line for line in wording.manifest_lines(report) if (line.ok is not False) is fulfilled]
    rows = [
        (summary_text(line.name), summary_text(line.expected), summary_text(line.actual), _MARKS[line.ok])
        for line in lines
    ]
    found = wording.counts_heading(report).capitalize()
    shown = _limited_table("lrrc", ("Manifest", "Expected", found, ""), rows, limit=None)
    if not fulfilled or not shown:
        return shown
    held = sum(line.ok is True for line in lines)
    return collapsible(f"Manifest: {count_of(held, 'expectation')} fulfilled", shown)


def _hazards(report: Report, detail: _Detail) -> str:
    """Return the hazards, without those in the error message."""
    reported = report.error.message if report.error else ""
    of_steps = [hazard for step in report.steps for hazard in step.hazards]
    hazards = [hazard for hazard in (*of_steps, *report.hazards) if hazard.text not in reported]
    return _list([f"{_HAZARDS[one.approved]}{summary_text(wording.hazard_text(one))}" for one in hazards], detail)


def _changes(report: Report, detail: _Detail) -> str:
    """Return the changes object by object as a diff, which GitHub colours by the first character of a line."""
    title = f"{count_of(len(report.changes), 'change')}{wording.not_executed(report)}"
    title = wording.changes_title(report) if report.command in ("verify", "history") else title
    return _diff(title, report.changes, detail, is_open=report.is_plan)


def _databases(report: Report, detail: _Detail) -> str:
    """Return a table of the states of databases."""
    rows = [tuple(map(summary_text, deployments.status_cells(line))) for line in report.databases]
    header = deployments.STATUS_HEADER
    return _limited_table("l" * len(header), header, rows, detail.rows) if rows else ""


def _history(report: Report, detail: _Detail) -> str:
    """Return a table of deployments; of a single one also its details."""
    rows = [tuple(map(summary_text, deployments.cells(line))) for line in report.history]
    found = _limited_table("l" * len(deployments.HEADER), deployments.HEADER, rows, detail.rows) if rows else ""
    shown = deployments.details(report.history[0]) if report.shows_one else ()
    return joined(found, _list([f"{name}: {summary_text(value)}" for name, value in shown], detail))


def _drift(drift: Sequence[ObjectChange], detail: _Detail) -> str:
    """Return the changes that others made to the database."""
    return _diff(wording.DRIFT_TITLE, drift, detail, is_open=True)


def _diff(title: str, changes: Sequence[ObjectChange], detail: _Detail, *, is_open: bool) -> str:
    lines = [f"{_SIGNS[line.sign]} {'  ' * line.depth}{line.text}" for line in diff_lines(changes)]
    if not lines or detail.rows == 0:
        return ""
    body = "\n\n".join([fenced("\n".join(lines[: detail.rows]), "diff"), *_more(len(lines), detail.rows, "")])
    return collapsible(title, body, is_open=is_open or len(lines) <= _MAX_OPEN_LINES)


def _steps(report: Report, detail: _Detail) -> str:
    """Return a table of the steps."""
    if not report.steps:
        return ""
    visible = wording.visible_steps(report.steps)
    kinds = ", ".join(f"{summary_text(kind)} {len(steps):,}" for kind, steps in wording.steps_by_kind(visible).items())
    rows = [
        (summary_text(step.kind), summary_code(step.object), summary_code(step.place) if step.place else "")
        for step in visible
    ]
    shown = _limited_table("lll", ("Step", "Object", "From"), rows, detail.rows)
    body = joined(shown, summary_text(wording.recreated_dependents(report.steps)))
    is_open = report.is_plan and not report.changes
    title = f"{count_of(len(visible), 'step')}{wording.not_executed(report)}: {kinds}"
    return collapsible(title, body, is_open=is_open)


def _diagram(diagram: Diagram | None, detail: _Detail) -> str:
    with_columns = diagram is not None and len(diagram.entities) <= _MAX_TABLES_WITH_COLUMNS
    text = mermaid(diagram, with_columns=with_columns) if diagram and detail.diagram else ""
    if diagram is None or not text:
        return ""
    title = f"Diagram; {count_of(diagram.left_out, 'table')} omitted" if diagram.left_out else "Diagram"
    return collapsible(title, fenced(text, "mermaid"))


def _sql(report: Report, detail: _Detail) -> str:
    if not any(step.sql for step in report.steps):
        return ""
    if not detail.sql:
        return "_The SQL was omitted to stay within the size limit of this page._"
    statements = [wording.sql_text(step.sql) for step in report.steps if step.sql]
    return collapsible("SQL", fenced("\n\n".join(statements), "sql"))


def _seeds(report: Report, detail: _Detail) -> str:
    if not report.seeds:
        return ""
    header, numbers = wording.seed_numbers(report)
    rows = [(summary_code(seed.table), *line) for seed, line in zip(report.seeds, numbers, strict=True)]
    shown = _limited_table("l" + "r" * len(header), ("Table", *map(str.capitalize, header)), rows, detail.rows)
    shown = joined(shown, _list([summary_text(sentence) for sentence in wording.left_rows(report)], detail))
    return collapsible(f"Seeds of {count_of(len(report.seeds), 'table')}", shown)


def _failed_checks(checks: Sequence[CheckLine], detail: _Detail) -> str:
    """Return the failed checks in an open section, before the changes."""
    failed = [check for check in checks if not check.ok]
    if not failed:
        return ""
    title = f"{len(failed):,} of {count_of(len(checks), 'check')} failed"
    return collapsible(title, _checks_table(failed, detail), is_open=True)


def _passed_checks(checks: Sequence[CheckLine], detail: _Detail) -> str:
    """Return the passed checks in a closed section."""
    passed = [check for check in checks if check.ok]
    return collapsible(f"{count_of(len(passed), 'check')} passed", _checks_table(passed, detail)) if passed else ""


def _checks_table(checks: Sequence[CheckLine], detail: _Detail) -> str:
    rows = [
        (
            _MARKS[check.ok],
            summary_text(check.name),
            summary_code(check.expected),
            "<br>".join([summary_code(check.actual), *map(summary_text, check.details)]),
        )
        for check in checks
    ]
    return _limited_table("clrr", ("", "Check", "Expected", "Found"), rows, detail.rows)


def _list(texts: Sequence[str], detail: _Detail) -> str:
    """Return a list of Markdown texts."""
    lines = [f"- {text}" for text in texts[: detail.rows]]
    return "\n".join([*lines, *_more(len(texts), detail.rows, "- ")])


def _tokens(tokens: Sequence[TokenLine]) -> str:
    """Return a table of the tokens by role, open if there are findings."""
    rows = [
        (
            *(summary_text(cell) for cell in wording.token_cells(token)),
            "<br>".join(summary_text(f"{finding.text}. {finding.remedy}") for finding in token.findings),
        )
        for token in tokens
    ]
    if not rows:
        return ""
    shown = _limited_table(
        "llllrrl", ("Token", "Fingerprint", "State", "Access", "Age", "Expires", "To do"), rows, limit=None
    )
    wrong = any(token.findings for token in tokens)
    return collapsible(count_of(len(tokens), "token"), shown, is_open=wrong)


def _restore_point(commands: Sequence[str]) -> str:
    if not commands:
        return ""
    return collapsible("Restore the state before this run into a new database", fenced("\n".join(commands), "sh"))


def _plan(report: Report) -> str:
    """Return the fingerprint of a plan that can be deployed, and the command for exactly this plan."""
    if (
        report.command != "plan"
        or report.plan_fingerprint is None
        or report.status not in (Status.PLANNED, Status.PENDING, Status.BLOCKED)
    ):
        return ""
    command = f"turso-deploy deploy --expect-plan {report.plan_fingerprint}"
    return collapsible("Deploy exactly this plan", fenced(command, "sh"))


def _footer(report: Report) -> str:
    facts = [
        f"deployment {summary_code(report.deployment_id)}" if report.deployment_id else "",
        f"plan {summary_text(wording.plan_name(report))}" if report.plan_fingerprint else "",
        f"writes {wording.rows_to_write(report)}" if wording.rows_to_write(report) else "",
        f"seeds {wording.chunks(report)}" if report.chunks else "",
        count_of(report.requests, "request"),
        wording.duration(report.duration_ms),
    ]
    return " · ".join(fact for fact in facts if fact)


def _limited_table(alignments: str, header: Sequence[str], rows: Sequence[Sequence[str]], limit: int | None) -> str:
    """Return a table of Markdown cells with at most `limit` rows and a note of how many were left out."""
    if not rows:
        return ""
    if limit == 0:
        return _more(len(rows), limit, "")[0]
    return joined(table(header, rows[:limit], alignments), *_more(len(rows), limit, ""))


def _more(total: int, limit: int | None, start: str) -> list[str]:
    left_out = total - limit if limit is not None else 0
    omitted = f"{start}_… and {left_out:,} more, omitted to stay within the size limit of this page._"
    return [omitted] if left_out > 0 else []
