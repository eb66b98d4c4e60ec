"""Rendering of a report as one HTML file. Every value in it is escaped, and it loads nothing from elsewhere."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template

from turso_deploy.core.text import count_of, encodable, printable, printable_lines
from turso_deploy.report import deployments, wording
from turso_deploy.report.changes import diff_lines
from turso_deploy.report.document import Report
from turso_deploy.report.fleet_lines import DatabaseResult
from turso_deploy.report.fleet_wording import FleetTable, fleet_facts, fleet_tables
from turso_deploy.report_page.rows import Cell, Column, Table, table_of

MAX_ROWS = 10_000
MAX_ROW_BYTES = 8_000_000
"""How large the rows of the table may be together, so that a browser opens the page quickly."""
_MAX_CELL = 500
MARK = '<meta name="generator" content="turso-deploy">'
"""What every page has near its beginning."""

_KINDS = {
    "word": "white-space:nowrap",
    "number": "white-space:nowrap;text-align:right;font-variant-numeric:tabular-nums",
    "text": "min-width:9rem;overflow-wrap:anywhere",
    "sentence": "min-width:16rem;overflow-wrap:anywhere",
}

Redact = Callable[[str], str]
"""Returns a text without secrets."""


def render_page(report: Report, results: Sequence[DatabaseResult], redact: Redact, made_at: str) -> str:
    """Return the page of a report; `results` are those of the databases of a fleet."""
    values = _Values(redact)
    table = _without_empty_columns(table_of(report, results))
    rows = list(_rows(table, values))
    style = _part("page.css") + "".join(_column_styles(table.columns))
    script = _part("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'; "
        "form-action 'none'"
    )
    return Template(_part("page.html")).substitute(
        policy=policy,
        style=style,
        script=script,
        title=values.text(wording.verdict(report)),
        facts=_list_of_facts(_facts(report, made_at), values),
        error="".join(_error(report, values)),
        notices="".join(f"<p>{values.text(notice)}</p>" for notice in report.notices),
        sections="".join(_sections(report, values)),
        heading=f"{table.noun.capitalize()}s",
        left_out=_left_out(table, len(rows)),
        table=_table(table, rows, values),
    )


class _Values:
    """Values of a page: without secrets, printable, escaped."""

    def __init__(self, redact: Redact) -> None:
        self._redact = redact

    def text(self, text: str) -> str:
        """Return a text on one line."""
        return escape(encodable(printable(self._redact(text))))

    def lines(self, text: str) -> str:
        """Return a preformatted text."""
        return escape(encodable("\n".join(printable_lines(self._redact(text)))))

    def cell(self, text: str, *, is_link: bool = False) -> str:
        """Return the text of a cell, which is cut if it is long, and is a link if it may be and is an address."""
        text = self._redact(text)
        shown = text if len(text) <= _MAX_CELL else f"{text[:_MAX_CELL]}…"
        shown = escape(encodable(printable(shown)))
        if is_link and len(text) <= _MAX_CELL and re.fullmatch(r"https://[\w.~:/?#@!$&()*+,;=%-]+", text, re.ASCII):
            return f'<a href="{escape(text)}" rel="noreferrer noopener">{shown}</a>'
        return shown


def _part(name: str) -> str:
    return (files("turso_deploy.report_page") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _facts(report: Report, made_at: str) -> dict[str, str]:
    facts = {
        "database": report.database,
        "made": made_at,
        "took": f"{wording.duration(report.duration_ms)}, {count_of(report.requests, 'request')}",
    }
    facts |= fleet_facts(report.fleet) if report.fleet else {}
    return {name: value for name, value in facts.items() if value}


def _list_of_facts(facts: dict[str, str], values: _Values) -> str:
    lines = (f"<dt>{values.text(name)}</dt><dd>{values.text(value)}</dd>\n" for name, value in facts.items())
    return f"<dl>\n{''.join(lines)}</dl>"


def _error(report: Report, values: _Values) -> Iterator[str]:
    if report.error:
        hint = f"<p>{values.text(report.error.hint)}</p>" if report.error.hint else ""
        code = values.text(report.error.code)
        yield f'<div class="error" role="note"><pre>{values.lines(report.error.message)}</pre>{hint}'
        yield f"<p><code>{code}</code></p></div>"


def _sections(report: Report, values: _Values) -> Iterator[str]:
    """Yield what is above the main table: the tables of a fleet, or the details of a single deployment."""
    for number, one in enumerate(fleet_tables(report.fleet) if report.fleet else ()):
        yield from _small_table(f"table-{number}", one, values)
    if report.shows_one:
        details = "".join(
            f"<dt>{values.text(name)}</dt><dd>{values.text(value)}</dd>\n"
            for name, value in deployments.details(report.history[0])
        )
        yield f"<section>\n<h2>Details</h2>\n<dl>\n{details}</dl>\n</section>\n"
        changes = "\n".join(f"{'    ' * line.depth}{line.sign} {line.text}" for line in diff_lines(report.changes))
        if changes:
            yield f"<section>\n<h2>{values.text(wording.changes_title(report).capitalize())}</h2>\n"
            yield f"<pre>{values.lines(changes)}</pre>\n</section>\n"


def _small_table(name: str, one: FleetTable, values: _Values) -> Iterator[str]:
    title = values.text(one.title.capitalize())
    yield f'<section aria-labelledby="{name}">\n<h2 id="{name}">{title}</h2>\n'
    yield f'<div class="scroll" role="region" aria-labelledby="{name}" tabindex="0"><table>\n<thead><tr>'
    yield "".join(f'<th scope="col">{values.text(heading)}</th>' for heading in one.header)
    yield "</tr></thead>\n<tbody>\n"
    for row in one.rows:
        yield f"<tr>{''.join(f'<td>{values.cell(text)}</td>' for text in row)}</tr>\n"
    yield "</tbody>\n</table></div>\n"
    yield from (f"<pre>{values.text(line)}</pre>\n" for line in one.lines)
    yield "</section>\n"


def _without_empty_columns(table: Table) -> Table:
    shown = [place for place in range(len(table.columns)) if any(row[place].text for row in table.rows)]
    columns = tuple(table.columns[place] for place in shown)
    return table._replace(columns=columns, rows=[[row[place] for place in shown] for row in table.rows])


def _rows(table: Table, values: _Values) -> Iterator[str]:
    """Yield the rows that fit."""
    size = 0
    for row in table.rows[:MAX_ROWS]:
        found = f"<tr>{''.join(_cell(cell, values) for cell in row)}</tr>\n"
        size += len(found.encode())
        if size > MAX_ROW_BYTES:
            return
        yield found


def _cell(cell: Cell, values: _Values) -> str:
    order = f' data-order="{values.text(cell.order)}"' if cell.order else ""
    state = f' class="{cell.state}"' if cell.state else ""
    return f"<td{order}{state}>{values.cell(cell.text, is_link=cell.is_link)}</td>"


def _left_out(table: Table, shown: int) -> str:
    if shown == len(table.rows):
        return ""
    of = count_of(len(table.rows), table.noun)
    return (
        f"<p><strong>Only {shown:,} of {of} are in this page</strong>, so that it opens quickly: those that need an "
        "action first. The file of <code>--results</code>, or the output of <code>--json</code>, has all.</p>"
    )


def _table(table: Table, rows: Sequence[str], values: _Values) -> str:
    if not rows:
        return "<p>None.</p>"
    headings = "".join(f'<th scope="col">{values.text(column.heading)}</th>' for column in table.columns)
    return (
        f'<table id="rows" aria-labelledby="rows-title">\n<thead><tr>{headings}</tr></thead>\n<tbody>\n{"".join(rows)}'
        "</tbody>\n</table>"
    )


def _column_styles(columns: Sequence[Column]) -> Iterator[str]:
    """Yield the style of each column, and its heading before a cell on a narrow screen."""
    for number, column in enumerate(columns, 1):
        yield f"#rows td:nth-child({number}),#rows th:nth-child({number}){{{_KINDS[column.kind]}}}\n"
        yield f'@media (max-width:48rem){{#rows td:nth-child({number})::before{{content:"{column.heading}"}}}}\n'
