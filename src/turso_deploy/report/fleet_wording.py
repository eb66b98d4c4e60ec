"""Phrases and tables of a report about a fleet, which all renderings share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from turso_deploy.core.text import capitalized, count_of, printable
from turso_deploy.report.fleet_lines import Fleet, FleetCause, FleetPlan, SummedHazard

_SHORT = 12
_NOT_REACHED = "not-reached"


class FleetTable(NamedTuple):
    """A table of a report: its title, its header, and its rows of plain cells. Further `lines` stand below it."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[str, ...] = ()
    is_open: bool = True


def fleet_verdict(command: str, status: str, fleet: Fleet) -> str:
    """Return the result of a run in one line: `Deployed: 964 of 1,000 databases deployed, 36 unchanged`."""
    total = count_of(fleet.databases, "database")
    what = states_in_words(fleet.states) or "nothing"
    shard = f" (shard {fleet.shard})" if fleet.shard != "1/1" else ""
    title = f"{capitalized(command)} {status}" if command not in status else capitalized(status)
    return f"{title}: {total}{shard}: {what}"


def states_in_words(states: Mapping[str, int]) -> str:
    """Return the numbers of databases by state: `960 deployed, 40 not reached`."""
    return ", ".join(f"{number:,} {state.replace('-', ' ')}" for state, number in states.items())


def fleet_facts(fleet: Fleet) -> dict[str, str]:
    """Return the facts of a run that are not in its tables."""
    skipped = ", ".join(f"{number:,} {printable(reason)}" for reason, number in fleet.skipped.items())
    return {
        "left out": skipped,
        "stopped by": fleet.stopped_by or "",
        "tried again": count_of(fleet.retried, "database") if fleet.retried else "",
        "each took": f"{fleet.median_ms:,} ms (median), {fleet.slow_ms:,} ms (95 %)" if fleet.databases else "",
        "results": printable(fleet.results or ""),
    }


def fleet_tables(fleet: Fleet) -> Iterator[FleetTable]:
    """Yield the tables of a run: causes first, because they need an action, then plans, waves and versions."""
    yield from _causes(fleet.causes)
    yield from _plans(fleet.plans, fleet.databases - sum(plan.databases for plan in fleet.plans))
    yield from _waves(fleet)
    if fleet.versions and not (len(fleet.versions) == 1 and "" in fleet.versions):
        rows = tuple((printable(version) or "none", f"{number:,}") for version, number in fleet.versions.items())
        yield FleetTable("versions after the run", ("version", "databases"), rows)


def _causes(causes: Sequence[FleetCause]) -> Iterator[FleetTable]:
    if not causes:
        return
    rows = tuple(
        (
            f"{cause.databases:,}",
            cause.state,
            cause.code,
            printable(cause.subject or cause.message),
            _named(cause.examples, cause.databases),
        )
        for cause in causes
    )
    commands = [f"{cause.databases:,} {cause.code}: {cause.command}" for cause in causes if cause.command]
    yield FleetTable(
        "causes", ("databases", "state", "code", "cause", "names"), rows, tuple(_repeated(commands)), is_open=True
    )


def _repeated(commands: Sequence[str]) -> Iterator[str]:
    yield from (f"to repeat the {command}" for command in commands)


def _plans(plans: Sequence[FleetPlan], others: int) -> Iterator[FleetTable]:
    if not plans:
        return
    rows = tuple(
        (
            f"{plan.databases:,}",
            plan.fingerprint[:_SHORT],
            states_in_words(plan.states),
            ", ".join(map(printable, plan.changes)) or "the deployment history",
        )
        for plan in plans
    )
    lines = [_hazard(hazard) for plan in plans for hazard in plan.hazards]
    if others:
        lines.append(f"{count_of(others, 'database')} without a plan")
    yield FleetTable("plans", ("databases", "plan", "states", "changes"), rows, tuple(dict.fromkeys(lines)))


def _hazard(hazard: SummedHazard) -> str:
    """Return a hazard over all databases: `rewrite-table users: 964 databases, 41,200 rows, at most 3,100 in acme`."""
    parts = [count_of(hazard.databases, "database")]
    if hazard.rows is not None:
        parts.append(count_of(hazard.rows, "row"))
    if hazard.largest is not None and hazard.databases > 1:
        parts.append(f"at most {hazard.largest:,} in {printable(hazard.largest_in or '')}")
    if hazard.blocked:
        parts.append(f"{hazard.blocked:,} blocked")
    return f"{hazard.name} {printable(hazard.object)}: {', '.join(parts)}"


def _waves(fleet: Fleet) -> Iterator[FleetTable]:
    rows = tuple(
        (wave.name, f"{wave.databases:,}", states_in_words(wave.states), f"{wave.duration_ms / 1000:.1f} s")
        for wave in fleet.waves
    )
    if rows:
        yield FleetTable("waves", ("wave", "databases", "states", "time"), rows)


def _named(names: Sequence[str], total: int) -> str:
    more = total - len(names)
    return ", ".join(map(printable, names)) + (f" and {more:,} more" if more > 0 else "")
