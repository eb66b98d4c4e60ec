"""Differences between a stored plan and the plan as it is made now, part by part."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from turso_deploy.core.text import count_of
from turso_deploy.plan.hazards import Approval, Hazard, is_approved
from turso_deploy.sql.lexer import fold_case
from turso_deploy.stored_plan.content import AFFECTED, PlanContent
from turso_deploy.stored_plan.document import PlannedHazard

_ORDER = "order of columns"
T = TypeVar("T")
RowsThenAndNow = tuple[int | None, int | None]
"""The rows of a hazard when the plan was stored, and now; None if they were not counted, or it did not exist."""


def differences(then: PlanContent, now: PlanContent, rows: Mapping[str, RowsThenAndNow]) -> Iterator[str]:
    """Yield a clause for each part of a plan that differs: where it belongs, its name, and how it differs.

    `rows` has the numbers of rows of the hazards, by their names in the content.
    """
    yield from _objects("the database", then.live, now.live)
    yield from _names("managed objects", then.managed, now.managed)
    yield from _objects("the schema folder", then.wanted, now.wanted)
    yield from _values("directives in the schema folder", then.directives, now.directives)
    if then.version != now.version:
        yield f"schema_version in the manifest: {then.version or 'none'} then, {now.version or 'none'} now"
    yield from _values("seeds in the schema folder", then.seeds, now.seeds)
    yield from _policies(then.policies, now.policies)
    yield from _pending_seeds(then, now)
    yield from _values("scripts to run", then.scripts, now.scripts)
    yield from _names("scripts that are not needed", then.skipped, now.skipped)
    yield from _hazards(then.hazards, now.hazards, rows)
    yield from _values("rollback", then.rollback, now.rollback)


def parts_beyond(plan: PlanContent, rest: PlanContent, steps: Sequence[str]) -> Iterator[str]:
    """Yield a clause for each part of what is left to deploy that is no part of a plan that was deployed in part.

    The folder has to be the same. None of the `steps` may be left, only seeds and the scripts that follow them, because
    the schema is deployed first.
    """
    yield from (f"a step: {step}" for step in steps)
    yield from _objects("the schema folder", plan.wanted, rest.wanted)
    yield from _values("directives in the schema folder", plan.directives, rest.directives)
    if plan.version != rest.version:
        yield f"schema_version in the manifest: {plan.version or 'none'} then, {rest.version or 'none'} now"
    yield from _values("seeds in the schema folder", plan.seeds, rest.seeds)
    yield from _values("rollback", plan.rollback, rest.rollback)
    yield from _policies(plan.policies, rest.policies)
    yield from (
        f"seeds of {name}: they were not to be deployed"
        for name in rest.pending_seeds
        if name not in plan.pending_seeds
    )
    scripts = {name: checksum for name, checksum in plan.scripts.items() if name in rest.scripts}
    yield from _values("scripts to run", scripts, rest.scripts)
    for name, count in rest.hazards.items():
        if AFFECTED in count and AFFECTED not in plan.hazards.get(name, ()):
            yield f"hazards: {name} affects rows, which it did not when the plan was made"


def changed_counts(then: Sequence[PlannedHazard], now: Sequence[Hazard]) -> Iterator[str]:
    """Yield a clause for each hazard that affects another number of rows than it did, and did affect some.

    That is no difference: the rows are what was approved, not their number.
    """
    before = {(hazard.name, fold_case(hazard.object)): hazard.rows for hazard in then}
    for hazard in now:
        rows = before.get((hazard.name, fold_case(hazard.object)))
        if rows and hazard.rows and rows != hazard.rows:
            yield f"{hazard.name} {hazard.object}: {count_of(rows, 'row')} then, {hazard.rows:,} now"


def missing_approvals(
    then: Sequence[PlannedHazard], now: Sequence[Hazard], approvals: Sequence[Approval]
) -> Iterator[str]:
    """Yield a sentence for each hazard that was approved when the plan was stored, and is not approved now."""
    sources = {(hazard.name, fold_case(hazard.object)): hazard.approved_by for hazard in then}
    for hazard in now:
        source = sources.get((hazard.name, fold_case(hazard.object)))
        if source and is_approved(hazard, approvals) is False:
            yield (
                f"{hazard.name} {hazard.object} was approved by {source} when the plan was stored. A stored plan does "
                "not approve: the deployment needs the approval, too."
            )


def _objects(where: str, then: Mapping[str, Mapping[str, str]], now: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for name, how in _changes(then, now):
        if name not in then or name not in now:
            yield f"{where}: {name} is {how}"
            continue
        parts = list(_changes(then[name], now[name]))
        has_other_columns = any(how != "different" for _, how in parts)
        for part, how_part in parts:
            if not (part == _ORDER and has_other_columns):  # the order follows from the columns
                yield f"{where}: {name}, {part} is {how_part}"


def _values(where: str, then: Mapping[str, T], now: Mapping[str, T]) -> Iterator[str]:
    yield from (f"{where}: {name} is {how}" for name, how in _changes(then, now))


def _names(where: str, then: Collection[str], now: Collection[str]) -> Iterator[str]:
    yield from _values(where, dict.fromkeys(then, ""), dict.fromkeys(now, ""))


def _policies(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name, _ in _changes(then, now):
        old, new = then.get(name, "not set"), now.get(name, "not set")
        yield f"`existing` of the seeds of {name} in the manifest: {old} then, {new} now"


def _pending_seeds(then: PlanContent, now: PlanContent) -> Iterator[str]:
    """Yield what differs in the seeds that are left to deploy, unless they are other seeds altogether."""
    for name, how in _changes(then.pending_seeds, now.pending_seeds):
        if then.seeds.get(name) != now.seeds.get(name):
            continue
        match how:
            case "new":
                yield f"seeds of {name}: they are to be deployed now, and were not then"
            case "gone":
                yield f"seeds of {name}: they were to be deployed then, and are not now"
            case _:
                old, new = then.pending_seeds[name], now.pending_seeds[name]
                yield f"seeds of {name}: {count_of(old, 'row')} deployed then, {new:,} now"


def _hazards(
    then: Mapping[str, Sequence[str]], now: Mapping[str, Sequence[str]], rows: Mapping[str, RowsThenAndNow]
) -> Iterator[str]:
    for name, how in _changes(then, now):
        old, new = rows.get(name, (None, None))
        match how:
            case "new":
                yield f"hazards: {name} appeared, with {_count(new)}"
            case "gone":
                yield f"hazards: {name} is gone; it had {_count(old)}"
            case _:
                yield f"hazards: {name} had {_count(old)} then, and has {_count(new)} now"


def _count(rows: int | None) -> str:
    return "an unknown number of rows" if rows is None else count_of(rows, "row")


def rows_of(then: Sequence[PlannedHazard], now: Sequence[Hazard]) -> dict[str, RowsThenAndNow]:
    """Return the numbers of rows of hazards, by their names in the content of a plan; those of one name as a sum."""
    sides = [_summed((f"{one.name} {fold_case(one.object)}", one.rows) for one in hazards) for hazards in (then, now)]
    return {name: (sides[0].get(name), sides[1].get(name)) for name in sides[0].keys() | sides[1].keys()}


def _summed(counts: Iterable[tuple[str, int | None]]) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for name, rows in counts:
        before = found.get(name, 0)
        found[name] = None if rows is None or before is None else before + rows
    return found


def _changes(then: Mapping[str, T], now: Mapping[str, T]) -> Iterator[tuple[str, str]]:
    """Yield each name whose value differs, and `new`, `gone` or `different`."""
    for name in sorted(then.keys() | now.keys()):
        if name not in then:
            yield name, "new"
        elif name not in now:
            yield name, "gone"
        elif then[name] != now[name]:
            yield name, "different"
