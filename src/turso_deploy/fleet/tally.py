"""Tally of a fleet: what is counted over the results of all databases, by state, wave, plan and cause."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from turso_deploy.core.errors import EXIT_CODE_ORDER, ErrorCode
from turso_deploy.core.text import count_of
from turso_deploy.fleet.run import FAILURES
from turso_deploy.report.document import ErrorLine, Report, Status
from turso_deploy.report.fleet_lines import (
    DatabaseResult,
    Fleet,
    FleetCause,
    FleetPlan,
    State,
    SummedHazard,
    WaveLine,
)

MAX_EXAMPLES = 10
"""How many databases are named for a plan or a cause."""
MAX_NAMES = 100
"""How many databases are named in an output, and in a command."""
_MAX_GROUPS = 50
_MAX_VERSIONS = 50

_EXIT_CODES = {
    State.FAILED: 1,
    State.UNKNOWN: 1,
    State.STOPPED: 1,
    State.NOT_REACHED: 1,
    State.BLOCKED: 5,
    State.DRIFTED: 4,
    State.PENDING: 3,
}

# The states by precedence: that of the run is the first that a database has.
_STATUSES = {
    State.DRIFTED: Status.DRIFTED,
    State.PENDING: Status.PENDING,
    State.DEPLOYED: Status.DEPLOYED,
    State.PLANNED: Status.PLANNED,
    State.VERIFIED: Status.VERIFIED,
    State.CHECKED: Status.CHECKED,
    State.LISTED: Status.LISTED,
}


class Facts(NamedTuple):
    """What is known of a run beside the results of its databases."""

    skipped: dict[str, int]
    shard: str
    shards: tuple[str, ...]
    failure_budget: int
    stopped_by: str | None
    waves: dict[str, int]
    """Milliseconds that each wave took, by its name."""
    retried: int
    results: str | None
    command_for: Callable[[Sequence[str]], str | None]
    """Returns the command that repeats the run for some databases."""


def report_of(command: str, database: str, results: Sequence[DatabaseResult], facts: Facts, hint: str) -> Report:
    """Return the report of a run for a fleet. `database` names the fleet, `hint` is that of an error."""
    fleet = fleet_of(results, facts)
    status, code = verdict_of(fleet)
    committed = any(result.committed for result in results)
    unknown = any(result.committed is None for result in results)
    return Report(
        command,
        status,
        committed=True if committed else None if unknown else False,
        database=database,
        fleet=fleet,
        requests=sum(result.requests for result in results),
        error=error_of(fleet, hint),
        exit_code=code,
    )


def fleet_of(results: Sequence[DatabaseResult], facts: Facts) -> Fleet:
    """Return what is counted over the results."""
    states = Counter(result.state for result in results)
    failed = [result for result in results if result.state in FAILURES]
    times = sorted(result.duration_ms for result in results if result.attempts)
    versions = Counter(
        result.schema_version or "" for result in results if result.state not in (State.NOT_REACHED, State.STOPPED)
    )
    return Fleet(
        databases=len(results),
        states=_counted(states),
        skipped=facts.skipped,
        shard=facts.shard,
        failure_budget=facts.failure_budget,
        stopped_by=facts.stopped_by,
        waves=tuple(_waves(results, facts.waves)),
        plans=_plans(results),
        causes=_causes(failed, facts.command_for),
        versions=dict(versions.most_common(_MAX_VERSIONS)),
        median_ms=_percentile(times, 50),
        slow_ms=_percentile(times, 95),
        retried=facts.retried,
        failed_names=tuple(result.name for result in failed[:MAX_NAMES]),
        not_reached=states[State.NOT_REACHED] + states[State.STOPPED],
        results=facts.results,
        shards=facts.shards,
    )


def verdict_of(fleet: Fleet) -> tuple[Status, int]:
    """Return the status of a run and its exit code, which are those of the worst database."""
    states = {State(state) for state in fleet.states}
    codes = {_EXIT_CODES.get(state, 0) for state in states}
    if fleet.stopped_by != "signal" and states & {State.FAILED, State.UNKNOWN, State.BLOCKED} == {State.BLOCKED}:
        codes.discard(1)  # the others were not reached because of what is blocked
    code = next(code for code in EXIT_CODE_ORDER if code in codes or code == 0)
    if code in (1, 5):
        return (Status.FAILED if code == 1 else Status.BLOCKED), code
    status = next((status for state, status in _STATUSES.items() if state in fleet.states), Status.UNCHANGED)
    return status, code


def error_of(fleet: Fleet, hint: str) -> ErrorLine | None:
    """Return the error of a run in which databases failed, were blocked, or were not reached."""
    failed = sum(number for state, number in fleet.states.items() if state in FAILURES)
    if not failed and not fleet.not_reached:
        return None
    left = f" {count_of(fleet.not_reached, 'database was', 'databases were')} not reached." if fleet.not_reached else ""
    if not failed:
        return ErrorLine(ErrorCode.STOPPED, f"A signal stopped the run.{left}", hint)
    order = {State.FAILED: 0, State.UNKNOWN: 1, State.BLOCKED: 2}
    first = min(fleet.causes, key=lambda cause: (order[cause.state], -cause.databases))
    why = {
        "canary": " The canary has to succeed before other databases begin.",
        "failure budget": f" That is more than the failure budget of {fleet.failure_budget:,}.",
        "signal": " A signal stopped the run.",
    }.get(fleet.stopped_by or "", "")
    causes = "".join(f"\n  {one_cause(cause)}" for cause in fleet.causes[:MAX_EXAMPLES])
    message = f"{failed:,} of {count_of(fleet.databases, 'database')} did not succeed.{why}{left}{causes}"
    return ErrorLine(ErrorCode(first.code), message, hint)


def one_cause(cause: FleetCause) -> str:
    """Return a cause in one line: `31 blocked: hazard-blocked drop-column:users.nick`."""
    what = cause.subject or cause.message
    return f"{cause.databases:,} {cause.state}: {cause.code}: {what}"


def _waves(results: Sequence[DatabaseResult], durations: dict[str, int]) -> Iterable[WaveLine]:
    by_wave: dict[str, Counter[State]] = defaultdict(Counter)
    for result in results:
        by_wave[result.wave][result.state] += 1
    for name, states in by_wave.items():
        yield WaveLine(name, states.total(), _counted(states), durations.get(name, 0))


def _plans(results: Sequence[DatabaseResult]) -> tuple[FleetPlan, ...]:
    groups: dict[str, list[DatabaseResult]] = defaultdict(list)
    for result in results:
        if result.plan_fingerprint and result.state is not State.UNCHANGED:
            groups[result.plan_fingerprint].append(result)
    found = sorted(groups.items(), key=lambda item: -len(item[1]))
    return tuple(
        FleetPlan(
            fingerprint,
            len(group),
            _counted(Counter(result.state for result in group)),
            group[0].changes,
            tuple(result.name for result in group[:MAX_EXAMPLES]),
            _summed(group),
        )
        for fingerprint, group in found[:_MAX_GROUPS]
    )


def _summed(group: Sequence[DatabaseResult]) -> tuple[SummedHazard, ...]:
    found: dict[tuple[str, str], SummedHazard] = {}
    for result in group:
        for hazard in result.hazards:
            key, blocked = (hazard.name, hazard.object), int(hazard.approved is False)
            one = SummedHazard(hazard.name, hazard.object, 1, hazard.rows, hazard.rows, result.name, blocked)
            found[key] = _added(found[key], one) if key in found else one
    return tuple(found.values())


def _added(sum_so_far: SummedHazard, one: SummedHazard) -> SummedHazard:
    is_larger = (one.largest or -1) > (sum_so_far.largest or -1)
    return SummedHazard(
        sum_so_far.name,
        sum_so_far.object,
        sum_so_far.databases + 1,
        None if sum_so_far.rows is None or one.rows is None else sum_so_far.rows + one.rows,
        one.largest if is_larger else sum_so_far.largest,
        one.largest_in if is_larger else sum_so_far.largest_in,
        sum_so_far.blocked + one.blocked,
    )


def _causes(
    failed: Sequence[DatabaseResult], command_for: Callable[[Sequence[str]], str | None]
) -> tuple[FleetCause, ...]:
    groups: dict[tuple[str, ...], list[DatabaseResult]] = defaultdict(list)
    for result in failed:
        alike = result.subject or re.sub(r"[0-9a-f]{8,}|[0-9]+", "…", result.message or "")
        groups[result.state, result.code or "", alike].append(result)
    found = sorted(groups.values(), key=lambda group: -len(group))
    return tuple(
        FleetCause(
            group[0].state,
            group[0].code or ErrorCode.INTERNAL,
            group[0].subject,
            len(group),
            group[0].message or "",
            group[0].hint,
            tuple(result.name for result in group[:MAX_EXAMPLES]),
            command_for([result.name for result in group]),
        )
        for group in found[:_MAX_GROUPS]
    )


def _counted(states: Counter[State]) -> dict[str, int]:
    """Return the number of databases by state, in the order of the states."""
    return {state.value: states[state] for state in State if states[state]}


def _percentile(times: Sequence[int], percent: int) -> int:
    return times[min(len(times) - 1, len(times) * percent // 100)] if times else 0
