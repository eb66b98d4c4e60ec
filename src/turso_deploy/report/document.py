"""The report of one run: what `--json` prints, and what every other rendering is made from."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct, to_builtins

from turso_deploy.core.errors import Cause
from turso_deploy.plan.step_kinds import StepKind


class Status(StrEnum):
    """The verdict of a run."""

    DEPLOYED = "deployed"
    UNCHANGED = "unchanged"
    PLANNED = "planned"
    VERIFIED = "verified"
    PULLED = "pulled"
    CHECKED = "checked"
    ROTATED = "rotated"
    DOCUMENTED = "documented"
    STALE = "stale"
    BLOCKED = "blocked"
    """A hazard or a policy forbids the run; no write was sent."""
    FAILED = "failed"
    """Something did not work: the input, the schema folder, the network, the database, a check in it."""


class PartChange(Struct, frozen=True):
    """A part of an object that changes: its text `before` and `after`; None where it does not exist.

    `part` is `column email`, `column name`, `order of columns`, `constraint`, `option` or, for what is not a table,
    `definition`.
    """

    part: str
    before: str | None
    after: str | None


class ObjectChange(Struct, frozen=True):
    """An object that is `added`, `changed`, `renamed` or `removed`; `old_name` is what it was called."""

    effect: str
    kind: str
    name: str
    old_name: str | None = None
    parts: tuple[PartChange, ...] = ()


class HazardLine(Struct, frozen=True):
    """What a step may cost: `text` says it in a sentence. `rows` is None where they were not counted.

    `severity` is `warning`, `needs approval` or `blocked`. `approved` tells whether a deployment continues despite it;
    None if only the engine can decide it, inside the transaction.
    """

    name: str
    object: str
    rows: int | None
    severity: str
    approved: bool | None
    text: str


class StepLine(Struct, frozen=True):
    """One step of the plan: what it does to which object, its SQL, its hazards, and the file and line behind it."""

    kind: StepKind
    object: str
    sql: str
    hazards: tuple[HazardLine, ...] = ()
    place: str | None = None


class CountLine(Struct, frozen=True):
    """How many objects of one kind the manifest expects, and the database has. None: not stated, not known.

    Of a plan, and of a run that changed nothing because it was refused or failed, `actual` is what it would come to.
    """

    expected: str | None
    actual: int | None
    ok: bool = True


class CheckLine(Struct, frozen=True):
    """One check: its name, whether it held, what was expected, what was found, and details of what is wrong.

    `section` of the manifest states it; empty for what is always checked. `place` is told when it failed.
    """

    name: str
    ok: bool
    expected: str
    actual: str
    details: tuple[str, ...] = ()
    section: str = ""
    place: str | None = None


class SeedLine(Struct, frozen=True):
    """The seeds of one table: rows in the file, rows the database had to write, rows that stood there just so.

    `deployed_before` are those that an earlier deployment has brought in; nobody looked whether they still stand so.
    """

    table: str
    rows: int
    written: int
    unchanged: int
    deployed_before: int = 0

    @property
    def to_seed(self) -> int:
        """How many rows a deployment has to look at, and to write where the database has others."""
        return self.rows - self.deployed_before


class ChunksLine(Struct, frozen=True):
    """Seeds that are not part of the one transaction: how many chunks of them were committed, and are to be in all."""

    sent: int
    total: int


class FindingLine(Struct, frozen=True):
    """One thing that is wrong with a token: `warning` or `error`, in words, and what to do about it."""

    level: str
    text: str
    remedy: str


class TokenLine(Struct, frozen=True):
    """A token by its role, which is the setting that it was given in. Holds no part of it.

    `expires_at` is ISO 8601 in UTC. None: it does not say. `key` tells apart the keys that tokens were signed with, and
    is no part of them either. `due` says that it is to be rotated, `minted` that it was made for this run.
    """

    role: str
    fingerprint: str
    state: str
    access: str
    expires_at: str | None = None
    days_left: int | None = None
    age_days: int | None = None
    key: str | None = None
    due: bool = False
    minted: bool = False
    findings: tuple[FindingLine, ...] = ()


class EntityColumn(Struct, frozen=True):
    """A column in a diagram: its name, its type, `PK`, `FK` and `UK` for its keys, and what happened to it."""

    name: str
    type: str
    keys: tuple[str, ...] = ()
    effect: str = ""


class Entity(Struct, frozen=True):
    """A table in a diagram. `effect` is what the run does to it: `added`, `changed`, `renamed`, `removed` or empty."""

    name: str
    columns: tuple[EntityColumn, ...]
    effect: str = ""


class Relation(Struct, frozen=True):
    """A foreign key in a diagram, by the child's columns.

    `optional`: the child may have no parent; `single`: a parent has one child at most; `logical`: no key enforces it.
    """

    child: str
    parent: str
    columns: str
    optional: bool = True
    single: bool = False
    logical: bool = False
    effect: str = ""


class Diagram(Struct, frozen=True):
    """Tables and how they refer to each other; `left_out` tables of the database are not in it."""

    entities: tuple[Entity, ...]
    relations: tuple[Relation, ...]
    left_out: int = 0


class ErrorLine(Struct, frozen=True):
    """Why the run failed or was refused, and what to do. `file` and `line` name the cause where there is one.

    `causes` are for several things that are wrong at once, the worst first; `message` tells them all.
    """

    code: str
    message: str
    hint: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    causes: tuple[Cause, ...] = ()


class Report(Struct, frozen=True):
    """Everything a run has to say. Holds no secret and no seed value, so it can be printed as it is.

    `rows_to_write` estimates what a plan writes, which Turso bills; None where that is not known. `restore_point` holds
    the commands that restore the database to its state before the run. `chunks` is None where all is one transaction.
    `blocked_by` is the error that would block the deployment of a plan; if no database was read, that could block it.
    """

    command: str
    status: Status
    committed: bool | None
    database: str
    deployment_id: str | None = None
    schema_version: str | None = None
    changes: tuple[ObjectChange, ...] = ()
    steps: tuple[StepLine, ...] = ()
    diagram: Diagram | None = None
    counts: dict[str, CountLine] = {}
    checks: tuple[CheckLine, ...] = ()
    seeds: tuple[SeedLine, ...] = ()
    chunks: ChunksLine | None = None
    notices: tuple[str, ...] = ()
    tokens: tuple[TokenLine, ...] = ()
    restore_point: tuple[str, ...] = ()
    rows_to_write: int | None = None
    requests: int = 0
    duration_ms: int = 0
    blocked_by: ErrorLine | None = None
    error: ErrorLine | None = None
    exit_code: int = 0

    @property
    def succeeded(self) -> bool:
        """Whether the run did what it was asked to do."""
        return self.status not in (Status.BLOCKED, Status.FAILED)

    @property
    def changed(self) -> bool:
        """Whether the database was changed, as far as is known."""
        return bool(self.committed)

    def as_json(self) -> dict[str, Any]:
        """The report as plain values, in the order of the fields: the document that `--json` prints."""
        plain: dict[str, Any] = to_builtins(self)
        return plain
