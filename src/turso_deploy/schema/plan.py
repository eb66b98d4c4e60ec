"""Changes into an ordered plan, rehearsed in the scratch database before anyone sends it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from turso_deploy.errors import ErrorCode, InternalError, Place, RefusedError
from turso_deploy.schema.catalog import Catalog, read_catalog
from turso_deploy.schema.diff import Change, diff
from turso_deploy.schema.model import Schema, SchemaObject
from turso_deploy.schema.scratch import Scratch, ScratchError


@dataclass(frozen=True, slots=True)
class Step:
    """One statement that brings the live schema closer to the wanted one.

    `kind` says what it does ("create table"), `object` to which object; `hazards` name what it may cost.
    """

    kind: str
    object: str
    sql: str
    hazards: tuple[str, ...] = ()
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps, in order, and the catalog that they lead to, as the rehearsal showed it."""

    steps: tuple[Step, ...]
    predicted: Catalog
    unmanaged: tuple[SchemaObject, ...] = ()

    @property
    def created(self) -> frozenset[tuple[str, str]]:
        """What the steps make: kind and folded name of each row that the live catalog did not have in this form."""
        return frozenset((step.kind.rsplit(" ", 1)[-1], step.object) for step in self.steps)


def make_plan(wanted: Schema, live: Catalog, ignore: Sequence[str] = ()) -> Plan:
    """Plan how the live database becomes the wanted one, and rehearse it.

    Raises RefusedError (`object-differs`) when an object stands there with another meaning.
    """
    difference = diff(wanted, live.schema)
    if difference.changed:
        raise _differs(difference.changed)
    steps = tuple(_create(change) for change in difference.missing)
    return Plan(steps, _rehearse(steps, wanted, live, ignore), tuple(change.object for change in difference.extra))


def _create(change: Change) -> Step:
    wanted = change.object
    return Step(f"create {wanted.kind}", wanted.name, wanted.sql, place=wanted.place)


def _rehearse(steps: Iterable[Step], wanted: Schema, live: Catalog, ignore: Sequence[str]) -> Catalog:
    """Run the steps on a copy of the live schema and prove that they lead to the wanted one."""
    steps = tuple(steps)
    if not steps:
        return live
    scratch = Scratch()
    try:
        untouched = scratch.load(live.rows, live.shadows)
        for step in steps:
            try:
                scratch.run(step.sql)
            except ScratchError as error:
                raise _does_not_converge(f"{step.kind} {step.object}: {error.message}", step.place) from None
        rows = [*scratch.rows(), *untouched]
        predicted = read_catalog(rows, {*scratch.shadows(), *live.shadows}, ignore)
    finally:
        scratch.close()
    left = diff(wanted, predicted.schema)
    if left.missing or left.changed:
        names = ", ".join(f"{change.object.kind} {change.object.name}" for change in (*left.missing, *left.changed))
        raise _does_not_converge(f"after the plan these still differ: {names}", None)
    return predicted


def _differs(changes: Sequence[Change]) -> RefusedError:
    parts = []
    for change in changes:
        assert change.wanted is not None
        assert change.live is not None
        parts.append(
            f"{change.wanted.kind} {change.wanted.name}\n"
            + side_by_side("in the schema folder", change.wanted.sql, "in the database", change.live.sql)
        )
    count = len(changes)
    return RefusedError(
        ErrorCode.OBJECT_DIFFERS,
        f"{count} object{'s' if count > 1 else ''} in the database {'differ' if count > 1 else 'differs'} "
        "from the schema folder:\n" + "\n".join(parts),
        hint="Bring the definition in the schema folder to the one in the database, or the other way round.",
        place=changes[0].object.place,
    )


def side_by_side(left_title: str, left: str, right_title: str, right: str) -> str:
    """Two definitions next to each other, a `|` marking the lines that differ."""
    left_lines, right_lines = left.expandtabs(4).splitlines(), right.expandtabs(4).splitlines()
    width = min(max(len(line) for line in (left_title, *left_lines)), 78)
    height = max(len(left_lines), len(right_lines))
    left_lines += [""] * (height - len(left_lines))
    right_lines += [""] * (height - len(right_lines))
    body = [
        f"  {one:<{width}}  {' ' if one.split() == other.split() else '|'}  {other}".rstrip()
        for one, other in zip(left_lines, right_lines, strict=True)
    ]
    return "\n".join([f"  {left_title:<{width}}     {right_title}", *body])


def _does_not_converge(reason: str, place: Place | None) -> InternalError:
    return InternalError(
        ErrorCode.INTERNAL,
        f"The plan did not pass its rehearsal: {reason}.",
        hint="This is a bug of turso-deploy: please report it, with the definition of the objects named here.",
        place=place,
    )
