"""What a step may cost: named hazards, each with a query that counts the rows concerned, and the permission for it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Iterable, Sequence
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from turso_deploy.core.errors import BlockedError, Cause, ErrorCode, InputError, Place
from turso_deploy.core.transaction import Failure, Purpose, Query, Rows, TransactionStep
from turso_deploy.sql.lexer import fold_case, quote_identifier, quote_string, read_column_title, without_quotes


class Severity(StrEnum):
    """What a hazard does to a deployment when it concerns rows."""

    WARNING = "warning"
    """Costs time or billed writes, and loses nothing."""
    NEEDS_APPROVAL = "needs approval"
    """Loses data: only with `allow-hazards`."""
    BLOCKED = "blocked"
    """Existing rows break the new rule: no permission helps, the rows have to be mended first."""


class HazardName(StrEnum):
    """The stable names, as `allow-hazards`, reports and the documentation use them."""

    DROP_TABLE = "drop-table"
    DROP_COLUMN = "drop-column"
    REWRITE_TABLE = "rewrite-table"
    CHANGE_TYPE = "change-type"
    CHANGE_GENERATED = "change-generated"
    CHANGE_COLLATION = "change-collation"
    CHANGE_PARENT = "change-parent"
    ADD_NOT_NULL = "add-not-null"
    ADD_UNIQUE = "add-unique"
    ADD_CHECK = "add-check"
    ADD_FOREIGN_KEY = "add-foreign-key"
    ADD_STRICT = "add-strict"


HAZARDS: dict[HazardName, tuple[Severity, str]] = {
    HazardName.DROP_TABLE: (Severity.NEEDS_APPROVAL, "the table and all its rows are gone"),
    HazardName.DROP_COLUMN: (Severity.NEEDS_APPROVAL, "the values of the column are gone"),
    HazardName.REWRITE_TABLE: (Severity.WARNING, "every row is written again, which takes time and is billed"),
    HazardName.CHANGE_TYPE: (Severity.NEEDS_APPROVAL, "values are stored in another form"),
    HazardName.CHANGE_GENERATED: (Severity.NEEDS_APPROVAL, "values are replaced by what the expression gives"),
    HazardName.CHANGE_COLLATION: (Severity.WARNING, "texts compare and sort in another way"),
    HazardName.CHANGE_PARENT: (Severity.NEEDS_APPROVAL, "rows refer to other rows than before"),
    HazardName.ADD_NOT_NULL: (Severity.BLOCKED, "rows have no value for the column"),
    HazardName.ADD_UNIQUE: (Severity.BLOCKED, "rows share a key that has to be unique"),
    HazardName.ADD_CHECK: (Severity.BLOCKED, "rows break the CHECK"),
    HazardName.ADD_FOREIGN_KEY: (Severity.BLOCKED, "rows refer to rows that are not there"),
    HazardName.ADD_STRICT: (Severity.BLOCKED, "rows hold values that the type of the column does not take"),
}
"""Every hazard: what it does to a deployment, and what it costs. docs/concepts/hazards.md is made from this."""


class Hazard(Struct, frozen=True):
    """One hazard of one plan. `object` is a table, or what `column_title` says of columns.

    `count` asks the live database how many rows are concerned; `rows` is its answer, None where it is not known.
    `takes_along` are indexes and triggers of others that go with a table: nobody here ever deployed them. `parent` is
    the folded name of the table that a foreign key refers to. `fault` is what the live database said in place of a
    count.
    """

    name: HazardName
    object: str
    count: Query
    place: Place | None = None
    rows: int | None = None
    remedy: str | None = None
    takes_along: tuple[str, ...] = ()
    parent: str | None = None
    fault: str | None = None

    @property
    def severity(self) -> Severity:
        """What the hazard does to a deployment."""
        return HAZARDS[self.name][0]

    @property
    def cost(self) -> str:
        """What it costs, in words."""
        return HAZARDS[self.name][1]

    @property
    def concerns_rows(self) -> bool:
        """Whether rows, or objects of others, are concerned; as long as nobody knows, they are."""
        return self.rows is None or self.rows > 0 or bool(self.takes_along)

    def __str__(self) -> str:
        """One line: `drop-column users.email: the values of the column are gone (120 rows)`."""
        unknown = f"rows not counted: {self.fault}" if self.fault else "rows not counted"
        known = unknown if self.rows is None else "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        along = f", and with it {', '.join(self.takes_along)}, never deployed from here" if self.takes_along else ""
        return f"{self.name} {self.object}: {self.cost} ({known}){along}"


class Approval(Struct, frozen=True):
    """One entry of `allow-hazards`: a hazard by name, everywhere or for one object."""

    name: HazardName
    object: str | None = None

    def covers(self, hazard: Hazard) -> bool:
        """Whether this entry allows the hazard."""
        return self.name is hazard.name and (self.object is None or _parts(self.object) == _parts(hazard.object))

    def __str__(self) -> str:
        """The entry as it is written."""
        if self.object is None:
            return self.name
        is_plain = not re.search(r"[,\n]|^\s|\s$", self.object) and self.object == without_quotes(self.object)
        return f"{self.name}:{self.object if is_plain else quote_identifier(self.object)}"


def _parts(title: str) -> tuple[str, ...]:
    """Table and column, however they are quoted."""
    return tuple(map(fold_case, read_column_title(title)))


# An object that begins with a double quote ends with one, because a name may hold commas.
_ENTRY = re.compile(r'[^:,\n]*:\s*"(?:[^"]|"")*"\s*(?=[,\n]|$)|[^,\n]+')


def parse_approvals(text: str) -> tuple[Approval, ...]:
    """Read `name`, `name:object` and `name:"object"`, between commas.

    Raises InputError (`input-invalid`) for what allows nothing.
    """
    entries = (entry.strip() for entry in _ENTRY.findall(text))
    return tuple(map(_permission, filter(None, entries)))


def _permission(entry: str) -> Approval:
    name, colon, target = (part.strip() for part in entry.partition(":"))
    if name not in tuple(HazardName):
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"There is no hazard `{name}`.",
            hint=f"The hazards are {', '.join(HazardName)}; one is allowed for one object as name:object.",
        )
    if colon and not target:  # of a template whose object is empty; it must not allow everything
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"The permission `{entry}` names no object behind its colon.",
            hint=f"Write `{name}:object` for one object, or `{name}` to allow every one.",
        )
    return Approval(HazardName(name), without_quotes(target) or None)


def with_counts(
    hazards: Sequence[Hazard], answers: Sequence[Rows | Failure], showable: Callable[[str], str]
) -> tuple[Hazard, ...]:
    """The hazards with what the live database answered; a query that it could not answer leaves the rows unknown.

    `showable` makes of a server's message one that quotes nothing.
    """
    return tuple(
        replace(hazard, rows=int(str(answer.rows[0][0] or 0)))
        if isinstance(answer, Rows)
        else replace(hazard, fault=showable(answer.message))
        for hazard, answer in zip(hazards, answers, strict=True)
    )


def before_rows_are_mended(hazards: Sequence[Hazard]) -> tuple[Hazard, ...]:
    """The hazards when a script may mend rows first: whether any still break a rule, the engine finds out."""
    return tuple(
        replace(hazard, rows=None) if hazard.severity is Severity.BLOCKED and hazard.concerns_rows else hazard
        for hazard in hazards
    )


def before_parents_are_seeded(hazards: Sequence[Hazard], seeded: Collection[str]) -> tuple[Hazard, ...]:
    """The hazards when seeds may add what rows refer to; `seeded` are folded names of tables.

    The foreign keys are proven behind the seeds, and a new one may have no violation then.
    """
    return tuple(
        replace(hazard, rows=None) if hazard.rows and hazard.parent in seeded else hazard for hazard in hazards
    )


def is_approved(hazard: Hazard, permissions: Sequence[Approval]) -> bool | None:
    """Whether a deployment goes on with a hazard that concerns rows.

    None: a rule whose rows could not be counted is left to the engine, which enforces it inside the transaction.
    """
    match hazard.severity:
        case Severity.WARNING:
            return True
        case Severity.NEEDS_APPROVAL:
            return any(entry.covers(hazard) for entry in permissions)
        case Severity.BLOCKED:
            return None if hazard.rows is None else False


def refuse_hazards(hazards: Iterable[Hazard], permissions: Sequence[Approval]) -> None:
    """Stop a plan that would lose data without permission, or that existing rows make impossible.

    Raises BlockedError (`hazard-blocked`) that names each hazard, its rows, and how to go on.
    """
    if error := refusal_of(hazards, permissions):
        raise error


_REFUSED = "The plan is refused because of what it would cost"
# An annotation or a summary that is too long is not shown at all, and nobody reads more; a plan lists every one.
_TOLD = 100
_MAYBE_REFUSED = "No rows were counted. Where they are concerned, a deployment is refused because of what it would cost"


def refusal_of(
    hazards: Iterable[Hazard], permissions: Sequence[Approval], *, counted: bool = True
) -> BlockedError | None:
    """The error with which a deployment would refuse a plan; None where it would not.

    Without `counted` no database was asked, and it is the error with which one may.
    """
    open_questions = (False,) if counted else (False, None)
    concerning = [hazard for hazard in hazards if hazard.concerns_rows]
    refusing = [hazard for hazard in concerning if is_approved(hazard, permissions) in open_questions]
    if not refusing:
        return None
    forbidden = [hazard for hazard in refusing if hazard.severity is Severity.BLOCKED]
    needed = [hazard for hazard in refusing if hazard.severity is Severity.NEEDS_APPROVAL]
    refused = (*forbidden, *needed)
    lines = "\n".join(f"  {hazard}" for hazard in refused[:_TOLD])
    if len(refused) > _TOLD:
        lines += f"\n  and {len(refused) - _TOLD:,} more, which a plan lists"
    return BlockedError(
        ErrorCode.HAZARD_BLOCKED,
        f"{_REFUSED if counted else _MAYBE_REFUSED}:\n{lines}",
        hint="\n".join([*_remedies(forbidden), *_how_to_allow(needed)]),
        place=refused[0].place,
        causes=[Cause(str(hazard), hazard.place) for hazard in refused],
    )


def _remedies(forbidden: Sequence[Hazard]) -> list[str]:
    general = "Mend the rows first, for example with a script in scripts/ of the schema folder that runs before."
    return list(dict.fromkeys(hazard.remedy or general for hazard in forbidden[:_TOLD]))


def _how_to_allow(needed: Sequence[Hazard]) -> list[str]:
    if not needed:
        return []
    remedies = list(dict.fromkeys(hazard.remedy for hazard in needed[:_TOLD] if hazard.remedy))
    if len(needed) > _TOLD:
        names = ",".join(sorted({hazard.name for hazard in needed}))
        return [*remedies, f"To accept all of them, and any other (input `allow-hazards`): --allow-hazards {names}"]
    exact = shlex.quote(",".join(str(Approval(hazard.name, hazard.object)) for hazard in needed))
    return [*remedies, f"To accept exactly this (input `allow-hazards`): --allow-hazards {exact}"]


def loss_guards(hazards: Iterable[Hazard]) -> list[TransactionStep]:
    """The steps that fail where rows have come since none were counted, so that nobody was asked whether they may go.

    They count as the hazards were counted: before anything is renamed.
    """
    return [
        TransactionStep(
            Query(
                f"SELECT iif(({hazard.count.sql}) = 0, 'ok', json({quote_string(f'rows have come: {hazard.name}')}))",
                hazard.count.arguments,
            ),
            Purpose.GUARD,
            f"still no row that {hazard.name} {hazard.object} would cost",
            hazard.place,
        )
        for hazard in hazards
        if hazard.severity is Severity.NEEDS_APPROVAL and hazard.rows == 0
    ]


def unused_approvals(hazards: Sequence[Hazard], permissions: Sequence[Approval]) -> list[Approval]:
    """Permissions that no hazard of the plan could need, however many rows there were."""
    needy = [hazard for hazard in hazards if hazard.severity is Severity.NEEDS_APPROVAL]
    return [entry for entry in permissions if not any(entry.covers(hazard) for hazard in needy)]
