"""Hazards of a plan: their severities, the queries that count the affected rows, and approvals."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from turso_deploy.core.errors import BlockedError, Cause, ErrorCode, InputError, Place
from turso_deploy.core.transaction import Failure, Purpose, Query, Rows, TransactionStep
from turso_deploy.sql.lexer import fold_case, quote_identifier, quote_string, read_column_title, without_quotes


class Severity(StrEnum):
    """The effect of a hazard on a deployment if it affects rows."""

    WARNING = "warning"
    """Costs time or billed writes. No data is lost."""
    NEEDS_APPROVAL = "needs approval"
    """Loses data. The deployment is blocked unless the manifest or `allow-hazards` approves the hazard."""
    BLOCKED = "blocked"
    """Existing rows violate a new constraint. No approval helps: the rows have to be corrected first."""


class HazardName(StrEnum):
    """The stable names of the hazards in approvals, reports and the documentation."""

    DROP_TABLE = "drop-table"
    DROP_COLUMN = "drop-column"
    DROP_INDEX = "drop-index"
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
    OVERWRITE_ROWS = "overwrite-rows"
    DELETE_ROWS = "delete-rows"
    DOWNGRADE = "downgrade"


HAZARDS: dict[HazardName, tuple[Severity, str]] = {
    HazardName.DROP_TABLE: (Severity.NEEDS_APPROVAL, "the table and all its rows are lost"),
    HazardName.DROP_COLUMN: (Severity.NEEDS_APPROVAL, "the values of the column are lost"),
    HazardName.DROP_INDEX: (Severity.NEEDS_APPROVAL, "an unmanaged index is lost with a column that it uses"),
    HazardName.REWRITE_TABLE: (Severity.WARNING, "every row is rewritten, which takes time and is billed"),
    HazardName.CHANGE_TYPE: (Severity.NEEDS_APPROVAL, "values are stored in another form"),
    HazardName.CHANGE_GENERATED: (Severity.NEEDS_APPROVAL, "values are replaced by what the expression gives"),
    HazardName.CHANGE_COLLATION: (Severity.WARNING, "text is compared and sorted differently"),
    HazardName.CHANGE_PARENT: (Severity.NEEDS_APPROVAL, "rows refer to other rows than before"),
    HazardName.ADD_NOT_NULL: (Severity.BLOCKED, "rows have no value for the column"),
    HazardName.ADD_UNIQUE: (Severity.BLOCKED, "rows share a key that has to be unique"),
    HazardName.ADD_CHECK: (Severity.BLOCKED, "rows break the CHECK"),
    HazardName.ADD_FOREIGN_KEY: (Severity.BLOCKED, "rows refer to rows that do not exist"),
    HazardName.ADD_STRICT: (Severity.BLOCKED, "rows hold values that the type of the column does not take"),
    HazardName.OVERWRITE_ROWS: (Severity.NEEDS_APPROVAL, "values that the application wrote are replaced by seeds"),
    HazardName.DELETE_ROWS: (Severity.NEEDS_APPROVAL, "seeds or scripts make triggers or foreign keys delete rows"),
    HazardName.DOWNGRADE: (Severity.NEEDS_APPROVAL, "the database goes back to an earlier version of the schema"),
}
"""The severity and the cost of each hazard. The table in docs/concepts/hazards.md is generated from it."""


class Hazard(NamedTuple):
    """One hazard of a step, or of seeds, scripts and versions.

    `object` is a table, an index, one or more columns as `column_title` writes them, or a version. `count_query` counts
    the affected rows; `rows` is its result, None if it is unknown or there is nothing to count. `count_error` is
    the message of the database if the query failed. `unmanaged` lists kind and name of the unmanaged indexes and
    triggers that are dropped with a table or a column. `parent` is the folded name of the table that a foreign key
    refers to.
    """

    name: HazardName
    object: str
    count_query: Query | None
    place: Place | None = None
    rows: int | None = None
    remedy: str | None = None
    unmanaged: tuple[str, ...] = ()
    parent: str | None = None
    count_error: str | None = None

    @property
    def severity(self) -> Severity:
        """The effect on a deployment."""
        return HAZARDS[self.name][0]

    @property
    def cost(self) -> str:
        """The cost in words."""
        return HAZARDS[self.name][1]

    @property
    def affects_rows(self) -> bool:
        """True if rows or unmanaged objects are affected, or if the number of rows is unknown."""
        return self.rows is None or self.rows > 0 or bool(self.unmanaged)

    def __str__(self) -> str:
        """Return one line: `drop-column users.email: the values of the column are lost (120 rows)`."""
        if self.name in _WITHOUT_ROWS:
            return f"{self.name} {self.object}: {self.cost}"
        unknown = f"rows not counted: {self.count_error}" if self.count_error else "rows not counted"
        rows = unknown if self.rows is None else "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        dropped = f"; also drops {', '.join(self.unmanaged)}, not managed by turso-deploy" if self.unmanaged else ""
        return f"{self.name} {self.object}: {self.cost} ({rows}){dropped}"


_WITHOUT_ROWS = (HazardName.DOWNGRADE, HazardName.DROP_INDEX)


class Approval(NamedTuple):
    """The approval of a hazard, for every object or for one.

    `version` is that under which the manifest lists it; None for an entry of `allow-hazards`.
    """

    name: HazardName
    object: str | None = None
    version: str | None = None

    @property
    def source(self) -> str:
        """Where the approval was given: `allow-hazards`, or `manifest approve 2.3.0`."""
        return "allow-hazards" if self.version is None else f"manifest approve {self.version}"

    def covers(self, hazard: Hazard) -> bool:
        """Return True if this entry approves the hazard."""
        return self.name is hazard.name and (
            self.object is None or _folded_names(self.object) == _folded_names(hazard.object)
        )

    def __str__(self) -> str:
        """Return the entry as text that `parse_approvals` reads."""
        if self.object is None:
            return self.name
        is_plain = not re.search(r"[,\n]|^\s|\s$", self.object) and self.object == without_quotes(self.object)
        return f"{self.name}:{self.object if is_plain else quote_identifier(self.object)}"


def _folded_names(title: str) -> tuple[str, ...]:
    """Return the folded names of the table and its columns, without quotes."""
    return tuple(map(fold_case, read_column_title(title)))


# An object that begins with a double quote ends with one, because a name may contain commas.
_ENTRY = re.compile(r'[^:,\n]*:\s*"(?:[^"]|"")*"\s*(?=[,\n]|$)|[^,\n]+')
_DASH = re.compile(r"^-(?:\s+|$)")


def parse_approvals(given: str | Iterable[str | Approval]) -> tuple[Approval, ...]:
    """Parse a list of `name`, `name:object` and `name:"object"`, separated by commas or line breaks, or several lists.

    A dash before an entry, as a list in YAML has it, is left out. Raises InputError (`input-invalid`) for an unknown
    hazard and for an empty object.
    """
    if not isinstance(given, str):
        return tuple(one for each in given for one in ([each] if isinstance(each, Approval) else parse_approvals(each)))
    entries = (_DASH.sub("", entry.strip()) for entry in _ENTRY.findall(given))
    return tuple(map(_approval, filter(None, entries)))


def _approval(entry: str) -> Approval:
    name, colon, target = (part.strip() for part in entry.partition(":"))
    if name not in tuple(HazardName):
        suggestion = _suggestion(name)
        # A name that is like no hazard is not repeated: it may be a secret that was given with the wrong setting.
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"There is no hazard {f'`{name}`' if suggestion else 'of a given name'}.",
            hint=f"{suggestion}The hazards are {', '.join(HazardName)}. "
            "Write name:object to approve a hazard for one object.",
        )
    if colon and not target:  # from a template with an empty variable; it must not approve every object
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"The approval `{entry}` names no object after its colon.",
            hint=f"Write `{name}:object` to approve one object, or `{name}` to approve every object.",
        )
    return Approval(HazardName(name), without_quotes(target) or None)


_OF_COLUMNS = (HazardName.DROP_COLUMN, HazardName.CHANGE_TYPE, HazardName.CHANGE_GENERATED, HazardName.CHANGE_PARENT)


def reason_against(approval: Approval) -> str | None:
    """Return why an approval can have no effect in the manifest, as a clause; None if it can have one."""
    name, target = approval.name, approval.object
    match HAZARDS[name][0]:
        case Severity.WARNING:
            return f"`{name}` needs no approval, because it is only a warning"
        case Severity.BLOCKED:
            return f"`{name}` cannot be approved, because it is about rows that have to be corrected"
    if name is HazardName.DOWNGRADE:
        return f"`{name}` cannot be approved here, because this is for databases of an earlier version"
    if name in _OF_COLUMNS and target is not None and not all(read_column_title(target)):
        return f"`{approval}` names no column of a table: write `{name}:table.column`"
    return None


def _suggestion(name: str) -> str:
    from difflib import get_close_matches

    alike = get_close_matches(name.lower().replace("_", "-"), HazardName, n=1, cutoff=0.75)
    return f"Did you mean `{alike[0]}`? " if alike else ""


def with_counts(
    hazards: Sequence[Hazard], answers: Sequence[Rows | Failure], showable: Callable[[str], str]
) -> tuple[Hazard, ...]:
    """Return the hazards with the counts of the live database, one answer for each hazard that has a query.

    If a query failed, the number of rows stays unknown and the hazard gets the message of the server, in which
    `showable` has replaced quoted values.
    """
    remaining = iter(answers)
    return tuple(_with_count(hazard, next(remaining), showable) if hazard.count_query else hazard for hazard in hazards)


def _with_count(hazard: Hazard, answer: Rows | Failure, showable: Callable[[str], str]) -> Hazard:
    if isinstance(answer, Rows):
        return hazard._replace(rows=int(str(answer.rows[0][0] or 0)))
    return hazard._replace(count_error=showable(answer.message))


def uncounted_before_scripts(hazards: Sequence[Hazard]) -> tuple[Hazard, ...]:
    """Return the hazards, the blocking ones without their row counts: a script that runs first may correct those rows.

    SQLite then enforces the new constraints inside the transaction.
    """
    return tuple(
        hazard._replace(rows=None) if hazard.severity is Severity.BLOCKED and hazard.affects_rows else hazard
        for hazard in hazards
    )


def uncounted_before_seeds(hazards: Sequence[Hazard], seeded: Collection[str]) -> tuple[Hazard, ...]:
    """Return the hazards without the counts that seeds may change: they may add the parents of child rows.

    `seeded` holds the folded names of the seeded tables. Foreign keys are verified after the seeds; a new one must
    have no violation then.
    """
    return tuple(
        hazard._replace(rows=None) if hazard.rows and hazard.parent in seeded else hazard for hazard in hazards
    )


def approval_of(hazard: Hazard, approvals: Sequence[Approval]) -> Approval | None:
    """Return the approval with which a deployment continues despite a hazard; None if it needs none, or has none."""
    if hazard.severity is not Severity.NEEDS_APPROVAL or not hazard.affects_rows:
        return None
    return next((entry for entry in approvals if entry.covers(hazard)), None)


def is_approved(hazard: Hazard, approvals: Sequence[Approval]) -> bool | None:
    """Return True if a deployment continues with a hazard that affects rows, and False if it is blocked.

    Return None if the database decides inside the transaction: it enforces a constraint whose violations were not
    counted, or counts the rows that triggers delete.
    """
    match hazard.severity:
        case Severity.WARNING:
            return True
        case Severity.NEEDS_APPROVAL:
            if any(entry.covers(hazard) for entry in approvals):
                return True
            # Only the transaction can count what triggers delete: its check stops the deployment if they delete rows.
            return None if hazard.name is HazardName.DELETE_ROWS and hazard.rows is None else False
        case Severity.BLOCKED:
            return None if hazard.rows is None else False


Advice = Callable[[Sequence[Hazard]], Sequence[str]]
"""A function that returns, for hazards without an approval, the lines of the hint about approvals in the manifest."""


def no_advice(_: Sequence[Hazard]) -> Sequence[str]:
    """Return no line about approvals in the manifest."""
    return ()


def raise_if_blocked(hazards: Iterable[Hazard], approvals: Sequence[Approval], advice: Advice = no_advice) -> None:
    """Raise an error if a plan would lose data without approval, or if existing rows violate a new constraint.

    Raises BlockedError (`hazard-blocked`), which lists each hazard with its rows and the way to approve it.
    """
    if error := blocking_error(hazards, approvals, advice):
        raise error


_BLOCKED = "Hazards block the plan"
_MAYBE_BLOCKED = "No rows were counted. If these hazards affect rows, a deployment is blocked"
# GitHub drops an annotation or a job summary that is too long. The command `plan` lists all hazards.
_MAX_HAZARDS_SHOWN = 100


def blocking_error(
    hazards: Iterable[Hazard], approvals: Sequence[Approval], advice: Advice = no_advice, *, counted: bool = True
) -> BlockedError | None:
    """Return the error with which a deployment of the plan would be blocked; None if it would not.

    `advice` says how to approve them in the manifest. If the rows were not `counted` because no database was read,
    every hazard that may block is in the error.
    """
    blocking_answers = (False,) if counted else (False, None)
    blocking = [
        hazard for hazard in hazards if hazard.affects_rows and is_approved(hazard, approvals) in blocking_answers
    ]
    if not blocking:
        return None
    violated = [hazard for hazard in blocking if hazard.severity is Severity.BLOCKED]
    unapproved = [hazard for hazard in blocking if hazard.severity is Severity.NEEDS_APPROVAL]
    ordered = (*violated, *unapproved)
    lines = "\n".join(f"  {hazard}" for hazard in ordered[:_MAX_HAZARDS_SHOWN])
    if len(ordered) > _MAX_HAZARDS_SHOWN:
        lines += f"\n  and {len(ordered) - _MAX_HAZARDS_SHOWN:,} more, which the command plan lists"
    return BlockedError(
        ErrorCode.HAZARD_BLOCKED,
        f"{_BLOCKED if counted else _MAYBE_BLOCKED}:\n{lines}",
        hint="\n".join([*_corrections(violated), *_how_to_approve(unapproved, advice)]),
        place=ordered[0].place,
        causes=[Cause(str(hazard), hazard.place) for hazard in ordered],
    )


def _corrections(violated: Sequence[Hazard]) -> list[str]:
    """Return the sentences that say how to correct the rows, without repetitions."""
    general = (
        "Correct the rows first, for example with a one-time script in scripts/ that runs before the schema changes."
    )
    return list(dict.fromkeys(hazard.remedy or general for hazard in violated[:_MAX_HAZARDS_SHOWN]))


def _how_to_approve(unapproved: Sequence[Hazard], advice: Advice) -> list[str]:
    """Return the remedies of the hazards, and how to approve exactly these: in the manifest, and with the flag."""
    if not unapproved:
        return []
    shown = unapproved[:_MAX_HAZARDS_SHOWN]
    remedies = list(dict.fromkeys(hazard.remedy for hazard in shown if hazard.remedy))
    if len(unapproved) > len(shown):
        names = ",".join(sorted({hazard.name for hazard in unapproved}))
        return [
            *remedies,
            f"To approve these hazards for every object (input `allow-hazards`): --allow-hazards {names}",
        ]
    exact = shlex.quote(",".join(str(Approval(hazard.name, hazard.object)) for hazard in unapproved))
    flag = f"To approve exactly this (input `allow-hazards`): --allow-hazards {exact}"
    return [*remedies, flag, *advice(unapproved)]


def loss_guards(hazards: Iterable[Hazard]) -> list[TransactionStep]:
    """Return the guards of the hazards that affected no rows: each fails if rows were added since planning.

    They run before the renames, because the hazards were counted with the old names.
    """
    return [
        TransactionStep(
            Query(
                f"SELECT iif(({hazard.count_query.sql}) = 0, 'ok', json({quote_string(f'rows added: {hazard.name}')}))",
                hazard.count_query.arguments,
            ),
            Purpose.GUARD,
            f"no rows affected by {hazard.name} {hazard.object} since planning",
            hazard.place,
        )
        for hazard in hazards
        if hazard.severity is Severity.NEEDS_APPROVAL and hazard.rows == 0 and hazard.count_query
    ]


def unused_approvals(hazards: Sequence[Hazard], approvals: Sequence[Approval]) -> list[Approval]:
    """Return the approvals that match no hazard of the plan that needs one, with or without rows."""
    needed = [hazard for hazard in hazards if hazard.severity is Severity.NEEDS_APPROVAL]
    return [entry for entry in approvals if not any(entry.covers(hazard) for hazard in needed)]
