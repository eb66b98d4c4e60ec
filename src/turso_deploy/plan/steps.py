"""The steps of a plan: their kinds, statements and hazards."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from turso_deploy.core.errors import DeployError, ErrorCode, Place, PlanError
from turso_deploy.plan.hazards import Hazard
from turso_deploy.sql.lexer import column_title, fold_case


class Verb(StrEnum):
    """The action of a step."""

    CREATE = "create"
    REBUILD = "rebuild"
    REPLACE = "replace"
    """Drop and create, without the rows."""
    RENAME = "rename"
    ADD = "add"
    DROP = "drop"
    DROP_TEMPORARILY = "temporarily drop"
    """Drop because another step cannot run while the object exists; a later step recreates it."""
    RECREATE = "recreate"
    """Create again, as it was, after a temporary drop or after the rebuild of its table."""
    RUN = "run"
    WRITE = "write"


class StepKind(StrEnum):
    """A verb and a noun, such as `create table`. The value is the text of reports and of the deployment history.

    A plan has steps of all kinds except the last three, which only a report lists.
    """

    verb: Verb
    noun: str

    def __new__(cls, verb: Verb, noun: str) -> StepKind:
        """Return a member whose value is its verb and noun."""
        text = f"{verb} {noun}"
        member = str.__new__(cls, text)
        member._value_ = text
        member.verb = verb
        member.noun = noun
        return member

    CREATE_TABLE = Verb.CREATE, "table"
    REBUILD_TABLE = Verb.REBUILD, "table"
    REPLACE_TABLE = Verb.REPLACE, "table"
    RENAME_TABLE = Verb.RENAME, "table"
    DROP_TABLE = Verb.DROP, "table"
    ADD_COLUMN = Verb.ADD, "column"
    RENAME_COLUMN = Verb.RENAME, "column"
    DROP_COLUMN = Verb.DROP, "column"
    CREATE_INDEX = Verb.CREATE, "index"
    REBUILD_INDEX = Verb.REBUILD, "index"
    RECREATE_INDEX = Verb.RECREATE, "index"
    DROP_INDEX = Verb.DROP, "index"
    CREATE_VIEW = Verb.CREATE, "view"
    DROP_VIEW = Verb.DROP, "view"
    DROP_VIEW_TEMPORARILY = Verb.DROP_TEMPORARILY, "view"
    RECREATE_VIEW = Verb.RECREATE, "view"
    CREATE_TRIGGER = Verb.CREATE, "trigger"
    DROP_TRIGGER = Verb.DROP, "trigger"
    DROP_TRIGGER_TEMPORARILY = Verb.DROP_TEMPORARILY, "trigger"
    RECREATE_TRIGGER = Verb.RECREATE, "trigger"
    RUN_SCRIPT = Verb.RUN, "script"
    WRITE_FILE = Verb.WRITE, "file"
    WRITE_PAGE = Verb.WRITE, "page"

    @classmethod
    def of(cls, verb: Verb, noun: str) -> StepKind:
        """Return the kind with this verb and noun."""
        return next(kind for kind in cls if (kind.verb, kind.noun) == (verb, noun))


KINDS_THAT_DROP_ROWS = (StepKind.DROP_TABLE, StepKind.REPLACE_TABLE)
"""The kinds of steps that drop a table with its rows."""


class AlteredTable(NamedTuple):
    """A table after a step, with the SQL that SQLite stores for it."""

    table: str
    sql: str


class Step(NamedTuple):
    """One action on one object, in one or more statements.

    `column` is set if the step acts on a column of the table `object`. `old_name` is the name before a rename.
    `keeps_values` is True for a rebuild that keeps every value of the table, and `backfilled` lists the columns that
    get their values from an `@using` expression. `altered` is set if planning has run the step already and no other
    object is affected.
    """

    kind: StepKind
    object: str
    statements: tuple[str, ...]
    hazards: tuple[Hazard, ...] = ()
    place: Place | None = None
    old_name: str | None = None
    column: str | None = None
    keeps_values: bool = False
    backfilled: tuple[str, ...] = ()
    altered: AlteredTable | None = None

    @property
    def title(self) -> str:
        """The name of the object, or of the column with its table."""
        return self.object if self.column is None else column_title(self.object, self.column)

    @property
    def label(self) -> str:
        """Kind and title, with the `@using` expressions: an error in the step may come from one of them."""
        expressions = f" with @using at {', '.join(self.backfilled)}" if self.backfilled else ""
        return f"{self.kind} {self.title}{expressions}"

    @property
    def sql(self) -> str:
        """The statements as one text."""
        return ";\n".join(self.statements)


class StepFailure(NamedTuple):
    """A step that would fail on the live rows, the engine's reason as far as it may be shown, and the whole error."""

    step: Step
    reason: str
    error: DeployError


def objects_of(steps: Iterable[Step], *kinds: StepKind) -> frozenset[str]:
    """Return the folded names of the objects of the steps of these kinds."""
    return frozenset(fold_case(step.object) for step in steps if step.kind in kinds)


HINT_ABOUT_FUNCTIONS = (
    "The engine of this database does not have the function with these arguments: `SELECT name, narg FROM "
    "pragma_function_list` lists those that it has. Correct the name, or use another function."
)


def is_missing_function(reason: str) -> bool:
    """Return True for the messages about a function that an engine does not have, or not with these arguments."""
    return reason.startswith(("no such function", "unknown function", "wrong number of arguments"))


def impossible(step: str, reason: str, place: Place | None) -> PlanError:
    """Return the error for a step that fails in the scratch database, mostly because of an unmanaged object."""
    hint = (
        "The cause is often an index, a view or a trigger that the schema folder does not define and that depends on "
        "what the plan changes. Change or drop it by hand, or define it in the schema folder."
    )
    if is_missing_function(reason):
        hint = HINT_ABOUT_FUNCTIONS
    return PlanError(
        ErrorCode.PLAN_IMPOSSIBLE, f"The plan cannot be carried out: {step}: {reason}.", hint=hint, place=place
    )
