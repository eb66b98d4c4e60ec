"""Data model of a report: the document that `--json` prints and that all renderings use."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from turso_deploy.plan.steps import StepKind


class Status(StrEnum):
    """Result of a run."""

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
    """An error in the input, the schema folder, the network or the database, or a failed check."""


@dataclass(frozen=True)
class PartChange:
    """Change of a part of an object: its text `before` and `after`; None where it does not exist.

    `part` is `column email`, `column name`, `order of columns`, `constraint`, `option` or, for an object other than a
    table, `definition`.
    """

    part: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class ObjectChange:
    """An object that is `added`, `changed`, `renamed` or `removed`; `old_name` is its name before a renaming."""

    effect: str
    kind: str
    name: str
    old_name: str | None = None
    parts: tuple[PartChange, ...] = ()


@dataclass(frozen=True)
class HazardLine:
    """Hazard of a step: its name, its object, and `text`, which describes it. `rows` is None if they were not counted.

    `severity` is `warning`, `needs approval` or `blocked`. `approved` tells whether a deployment continues despite it;
    None if only the engine can decide it, inside the transaction.
    """

    name: str
    object: str
    rows: int | None
    severity: str
    approved: bool | None
    text: str


@dataclass(frozen=True)
class StepLine:
    """One step of the plan: its kind, its object, its SQL, its hazards, and its file and line."""

    kind: StepKind
    object: str
    sql: str
    hazards: tuple[HazardLine, ...] = ()
    place: str | None = None


@dataclass(frozen=True)
class CountLine:
    """Number of objects of one kind: `expected` by the manifest, and `actual`. None: not stated, or unknown.

    `actual` is a prediction for a plan, and for a blocked or failed run that changed nothing.
    """

    expected: str | None
    actual: int | None
    ok: bool = True


@dataclass(frozen=True)
class CheckLine:
    """One check: its name, its result, the expected and the actual value, and details of a failure.

    `section` is the section of the manifest that defines it; empty for a built-in check. Only a failed check has a
    `place`.
    """

    name: str
    ok: bool
    expected: str
    actual: str
    details: tuple[str, ...] = ()
    section: str = ""
    place: str | None = None


@dataclass(frozen=True)
class SeedLine:
    """Seeds of one table: rows in the file, rows that were written, and rows that were unchanged in the database.

    `deployed_before` counts rows of an earlier deployment; they are not compared again.
    """

    table: str
    rows: int
    written: int
    unchanged: int
    deployed_before: int = 0

    @property
    def to_seed(self) -> int:
        """Number of rows that a deployment compares with the database, and writes if they differ."""
        return self.rows - self.deployed_before


@dataclass(frozen=True)
class ChunksLine:
    """Chunks of seeds outside of the first transaction: how many were committed, and how many there are."""

    sent: int
    total: int


@dataclass(frozen=True)
class FindingLine:
    """A problem of a token: `warning` or `error`, its description, and its remedy."""

    level: str
    text: str
    remedy: str


@dataclass(frozen=True)
class TokenLine:
    """A token, named by its role, which is the setting that holds it. Contains no part of the token.

    `expires_at` is ISO 8601 in UTC, None if the token has no expiry. `key` distinguishes the keys that signed tokens
    and is no part of them. `due`: the token should be rotated. `minted`: the token was created for this run.
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


@dataclass(frozen=True)
class EntityColumn:
    """A column in a diagram: its name, its type, its keys (`PK`, `FK`, `UK`), and the effect of the run on it."""

    name: str
    type: str
    keys: tuple[str, ...] = ()
    effect: str = ""


@dataclass(frozen=True)
class Entity:
    """A table in a diagram; `effect` is `added`, `changed`, `renamed`, `removed` or empty."""

    name: str
    columns: tuple[EntityColumn, ...]
    effect: str = ""


@dataclass(frozen=True)
class Relation:
    """A foreign key in a diagram, labelled with the columns of the child.

    `optional`: the child may have no parent. `single`: a parent has at most one child. `logical`: no key enforces it.
    """

    child: str
    parent: str
    columns: str
    optional: bool = True
    single: bool = False
    logical: bool = False
    effect: str = ""


@dataclass(frozen=True)
class Diagram:
    """Tables and their relations; `left_out` counts the tables that are not shown."""

    entities: tuple[Entity, ...]
    relations: tuple[Relation, ...]
    left_out: int = 0


@dataclass(frozen=True)
class PlaceLine:
    """Place in the repository; lines and columns count from 1."""

    file: str
    line: int | None
    column: int | None


@dataclass(frozen=True)
class CauseLine:
    """One of several causes of an error: a sentence, and its own place."""

    message: str
    place: PlaceLine | None


@dataclass(frozen=True)
class ErrorLine:
    """Error of a failed or blocked run with a hint; `file` and `line` name its cause in the repository, if known.

    `causes` lists several errors found at once, the most important first; `message` contains all of them.
    """

    code: str
    message: str
    hint: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    causes: tuple[CauseLine, ...] = ()


@dataclass(frozen=True)
class Report:
    """Result of a run. Contains no secret and no seed value, so it can be printed.

    `rows_to_write` estimates the rows that a plan writes, which Turso bills; None if unknown. `restore_point` holds the
    commands that restore the database to its state before the run. `chunks` is None if everything is one transaction.
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
    counts: dict[str, CountLine] = field(default_factory=dict)
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
        """True if the run did what it was asked to do."""
        return self.status not in (Status.BLOCKED, Status.FAILED)

    @property
    def changed(self) -> bool:
        """True if the database changed, as far as is known."""
        return bool(self.committed)

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values, in the order of the fields: the document that `--json` prints."""
        plain: dict[str, Any] = json.loads(json.dumps(self, default=vars))
        return plain
