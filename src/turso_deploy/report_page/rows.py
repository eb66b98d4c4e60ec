"""The main table of a page: a row for each database of a fleet or of the settings file, or for each deployment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from turso_deploy.core.text import count_of, printable
from turso_deploy.report import deployments
from turso_deploy.report.document import DeploymentLine, Report
from turso_deploy.report.fleet_lines import DatabaseResult, FleetHazard, State

Kind = Literal["word", "number", "text", "sentence"]
"""A word is never broken, a number is aligned to the right, a text is broken where needed; a sentence is wider."""
_SHORT = 12

_BY_URGENCY = (
    *(State.FAILED, State.UNKNOWN, State.BLOCKED, State.DRIFTED, State.PENDING, State.STOPPED, State.NOT_REACHED),
    *(State.DEPLOYED, State.PLANNED, State.VERIFIED, State.CHECKED, State.LISTED, State.UNCHANGED),
)


class Column(NamedTuple):
    """A column of the table."""

    heading: str
    kind: Kind = "word"


class Cell(NamedTuple):
    """A cell: printable text, the text that it is sorted by if that is another one, and the state that colours it."""

    text: str
    order: str = ""
    state: str = ""
    is_link: bool = False
    """Whether an address in it is a link."""


class Table(NamedTuple):
    """A table: what a row is, the columns, and the rows, of which the first ones need an action."""

    noun: str
    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Cell]]


def table_of(report: Report, results: Sequence[DatabaseResult]) -> Table:
    """Return the main table of a report. `results` are those of the databases of a fleet."""
    if report.fleet is not None:
        return _of_fleet(results)
    if report.command == "status":
        return _of_databases(report)
    return _of_history(report)


_FLEET = (
    Column("database", "text"),
    *(Column("state"), Column("version"), Column("changes", "text"), Column("hazards", "text")),
    *(Column("problem", "sentence"), Column("wave"), Column("plan"), Column("deployment", "text")),
    *(Column("requests", "number"), Column("tries", "number"), Column("time (ms)", "number")),
)


def _of_fleet(results: Sequence[DatabaseResult]) -> Table:
    rank = {state: number for number, state in enumerate(_BY_URGENCY)}
    found = sorted(results, key=lambda result: (rank[result.state], result.name))
    return Table("database", _FLEET, [_result(result) for result in found])


def _result(result: DatabaseResult) -> Sequence[Cell]:
    return (
        Cell(printable(result.name)),
        Cell(result.state.value, state=result.state.value),
        Cell(printable(result.schema_version or "")),
        Cell(printable(", ".join(result.changes))),
        Cell(printable("; ".join(map(_hazard, result.hazards)))),
        Cell(printable(_problem(result))),
        Cell(printable(result.wave)),
        Cell(printable((result.plan_fingerprint or "")[:_SHORT])),
        Cell(printable(result.deployment or "")),
        Cell(str(result.requests)),
        Cell(str(result.attempts)),
        Cell(str(result.duration_ms)),
    )


def _hazard(hazard: FleetHazard) -> str:
    facts = [] if hazard.rows is None else [count_of(hazard.rows, "row")]
    facts += ["blocked"] if hazard.approved is False else []
    return f"{hazard.name} {hazard.object}" + (f" ({', '.join(facts)})" if facts else "")


def _problem(result: DatabaseResult) -> str:
    is_elsewhere = result.hazards or not result.subject or result.subject in (result.message or "")
    about = "" if is_elsewhere else f" ({result.subject})"
    return f"{result.code}: {result.message or ''}{about}" if result.code else ""


_DATABASES: tuple[Kind, ...] = ("text", "word", "word", "word", "sentence")


def _of_databases(report: Report) -> Table:
    columns = tuple(map(_column, deployments.STATUS_HEADER, _DATABASES))
    rank = {state.value: number for number, state in enumerate(_BY_URGENCY)}
    lines = sorted(report.databases, key=lambda line: rank[line.status.value])
    rows = [list(map(Cell, deployments.status_cells(line))) for line in lines]
    for line, row in zip(lines, rows, strict=True):
        row[2] = row[2]._replace(order=line.deployed_at or "")
        row[3] = row[3]._replace(state=line.status.value)
    return Table("database", columns, rows)


_DEPLOYMENTS: tuple[Kind, ...] = ("number", "word", "word", "number", "word", "word", "text", "text", "word", "word")


def _of_history(report: Report) -> Table:
    columns = tuple(map(_column, deployments.HEADER, _DEPLOYMENTS))
    return Table("deployment", columns, [list(_deployment(line)) for line in report.history])


def _deployment(line: DeploymentLine) -> Iterator[Cell]:
    orders = {"took": "" if line.duration_ms is None else str(line.duration_ms), "version": line.schema_version or ""}
    for heading, text in zip(deployments.HEADER, deployments.cells(line), strict=True):
        yield Cell(text, orders.get(heading, ""), is_link=heading == "run")


def _column(heading: str, kind: Kind) -> Column:
    return Column(heading, kind)
