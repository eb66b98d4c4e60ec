"""Data model of a report: the document that `--json` prints and that all renderings use.

pydantic makes the JSON Schema of the document from these classes and their docstrings, in which `null` stands for None.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Literal

from turso_deploy.core.errors import ErrorCode
from turso_deploy.core.validation import json_schema
from turso_deploy.plan.hazards import HazardName, Severity
from turso_deploy.plan.steps import StepKind
from turso_deploy.report.fleet_lines import Fleet

Effect = Literal["added", "changed", "renamed", "removed"]
"""Effect of a run on an object, a column or a relation."""
Mark = Literal[Effect, ""]
"""Effect that a diagram shows; empty for none."""

_ClaimsState = Literal["malformed", "valid", "expired", "unusable", "wrong token", "wrong database"]
TokenState = Literal[_ClaimsState, "minted", "works", "still works", "blocked", "rejected", "unknown"]
"""Verdict on a token: by its claims and in comparison with the others; by a request with it."""
TokenAccess = Literal["full", "restricted", "read-only", "-"]
"""Access that a token grants; `-` if it is unknown, and for an API token."""
Key = Literal["PK", "FK", "UK"]
"""Primary, foreign or unique key of a column."""


class Status(StrEnum):
    """Result of a run."""

    DEPLOYED = "deployed"
    UNCHANGED = "unchanged"
    ACCEPTED = "accepted"
    """The drift of the database is recorded in the deployment history."""
    PLANNED = "planned"
    PENDING = "pending"
    """The folder has changes that are not deployed, with `verify` and `plan --check`."""
    DRIFTED = "drifted"
    """The database is not as it was last deployed."""
    LISTED = "listed"
    VERIFIED = "verified"
    PULLED = "pulled"
    CHECKED = "checked"
    ROTATED = "rotated"
    DOCUMENTED = "documented"
    STALE = "stale"
    BLOCKED = "blocked"
    """A hazard or a policy blocks the run, or would block the deployment of a plan; nothing was changed."""
    FAILED = "failed"
    """An error in the input, the schema folder, the plan, the network or the database, or a failed check."""


@dataclass(frozen=True)
class PartChange:
    """Change of a part of an object."""

    part: str
    """`column email`, `column name`, `order of columns`, `constraint`, `option`, or `definition` of another object."""
    before: str | None
    """Its text before the run; `null` if it did not exist."""
    after: str | None
    """Its text after the run; `null` if it does not exist."""


@dataclass(frozen=True)
class ObjectChange:
    """Change of an object of the schema."""

    effect: Effect
    kind: Literal["table", "index", "view", "trigger"]
    name: str
    old_name: str | None = None
    """Its name before a renaming."""
    parts: tuple[PartChange, ...] = ()
    place: str | None = None
    """With drift: file and line at which the folder defines it."""


@dataclass(frozen=True)
class HazardLine:
    """Hazard of a step, or of seeds, scripts or a version."""

    name: HazardName
    object: str
    rows: int | None
    """Number of affected rows; `null` if they were not counted."""
    severity: Severity
    approved: bool | None
    """Whether a deployment continues despite it; `null` if the database decides inside the transaction."""
    text: str
    """Description of the hazard."""
    approved_by: str | None = None
    """Where its approval was given: `allow-hazards`, or `manifest approve 2.3.0`; `null` if it needs or has none."""


@dataclass(frozen=True)
class StepLine:
    """One step of the plan."""

    kind: StepKind
    object: str
    sql: str
    hazards: tuple[HazardLine, ...] = ()
    place: str | None = None
    """File and line of its cause."""


@dataclass(frozen=True)
class CountLine:
    """Number of objects of one kind."""

    expected: str | None
    """The bound in the manifest; `null` if it has none."""
    actual: int | None
    """A prediction for a plan, and for a run that changed nothing; `null` if unknown."""
    ok: bool = True


@dataclass(frozen=True)
class CheckLine:
    """One check."""

    name: str
    ok: bool
    expected: str
    actual: str
    details: tuple[str, ...] = ()
    """Details of a failure."""
    section: str = ""
    """The section of the manifest that defines it; empty for a built-in check."""
    place: str | None = None
    """File and line of the cause of a failure."""


@dataclass(frozen=True)
class SeedLine:
    """Seeds of one table."""

    table: str
    rows: int
    """Number of rows in the file."""
    inserted: int = 0
    """Number of rows that the database did not hold. In a plan this number and the following ones are predictions."""
    updated: int = 0
    """Number of rows that got the values of the file."""
    unchanged: int = 0
    """Number of rows that the database held already, with the values of the file."""
    kept: int = 0
    """Number of rows that the database holds with other values, and that are not overwritten."""
    deployed_before: int = 0
    """Number of rows of an earlier deployment; they are not compared again."""
    left: int = 0
    """Number of rows that were seeded, are in the file no longer, and stay in the database."""
    left_keys: tuple[str, ...] = ()
    """The keys of up to ten of those: integers, and other keys only with `show-keys`."""

    @property
    def written(self) -> int:
        """Number of rows that were inserted or updated."""
        return self.inserted + self.updated


@dataclass(frozen=True)
class ChunksLine:
    """Chunks of seeds outside of the first transaction: how many were committed, and how many there are."""

    sent: int
    total: int


@dataclass(frozen=True)
class FindingLine:
    """A problem of a token, and its remedy."""

    level: Literal["warning", "error"]
    text: str
    remedy: str


@dataclass(frozen=True)
class TokenLine:
    """A token. Contains no part of it."""

    role: Literal["auth-token", "read-only-auth-token", "previous-auth-token", "api-token"]
    """The setting that holds it."""
    fingerprint: str
    state: TokenState
    access: TokenAccess
    expires_at: str | None = None
    """ISO 8601 in UTC; `null` if it has no expiry."""
    days_left: int | None = None
    """Whole days until it expires; 0 if it has."""
    age_days: int | None = None
    key: str | None = None
    """Distinguishes the keys that signed tokens, and is no part of them."""
    due: bool = False
    """Whether it should be rotated."""
    minted: bool = False
    """Whether it was created for this run."""
    findings: tuple[FindingLine, ...] = ()
    expired: bool = False


@dataclass(frozen=True)
class EntityColumn:
    """A column in a diagram."""

    name: str
    type: str
    keys: tuple[Key, ...] = ()
    effect: Mark = ""


@dataclass(frozen=True)
class Entity:
    """A table in a diagram."""

    name: str
    columns: tuple[EntityColumn, ...]
    effect: Mark = ""


@dataclass(frozen=True)
class Relation:
    """A foreign key in a diagram."""

    child: str
    parent: str
    columns: str
    """The columns of the child."""
    optional: bool = True
    """Whether the child may have no parent."""
    single: bool = False
    """Whether a parent has at most one child."""
    logical: bool = False
    """Whether no key enforces it."""
    effect: Mark = ""


@dataclass(frozen=True)
class Diagram:
    """Tables and their relations."""

    entities: tuple[Entity, ...]
    relations: tuple[Relation, ...]
    left_out: int = 0
    """Number of tables that are not shown."""


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
class AnnotatedLine:
    """A warning that is an annotation on GitHub, at its place in the repository if it has one."""

    level: Literal["warning", "notice"]
    message: str
    place: PlaceLine | None = None


@dataclass(frozen=True)
class ErrorLine:
    """Error of a failed or blocked run. `file`, `line` and `column` name its cause in the repository, if known."""

    code: ErrorCode
    message: str
    hint: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    causes: tuple[CauseLine, ...] = ()
    """Several errors found at once, the most severe first; `message` contains all of them."""


@dataclass(frozen=True)
class ApprovedLine:
    """A hazard that a deployment carried out because it was approved."""

    name: str
    object: str
    rows: int | None
    """Number of affected rows; `null` if they were not counted beforehand."""
    source: str
    """Where it was approved."""


@dataclass(frozen=True)
class RenameLine:
    """A rename that a deployment made."""

    kind: str
    """`table` or `column`."""
    table: str
    """The table, or that of the column, by its new name."""
    old: str
    new: str


@dataclass(frozen=True)
class BackfillLine:
    """An `@using` expression that a deployment followed."""

    table: str
    column: str
    expression: str


@dataclass(frozen=True)
class DeploymentLine:
    """A deployment in the history. A value that was not recorded is `null`."""

    number: int
    id: str
    command: str | None
    """The command that made it: `deploy`, or `accept-drift`."""
    deployed_at: str
    """Time in UTC, by the clock of the machine that deployed."""
    started_at: str | None
    """Time in UTC, by the clock of the database, at which it was read."""
    duration_ms: int | None
    """Milliseconds from then until the row was written."""
    schema_version: str | None
    previous_version: str | None
    commit_sha: str | None
    ref: str | None
    run_url: str | None
    actor: str | None
    tool_version: str
    steps: dict[str, int] | None
    """Number of steps of each kind."""
    approved_hazards: tuple[ApprovedLine, ...] | None
    renames: tuple[RenameLine, ...] | None
    backfills: tuple[BackfillLine, ...] | None
    restore_point: str | None
    plan_fingerprint: str | None
    """Fingerprint of the plan that was carried out."""
    catalog_fingerprint: str | None


@dataclass(frozen=True)
class DatabaseLine:
    """State of one database."""

    name: str | None
    """Its name in the settings file; `null` for a database that is not in it."""
    database: str
    """The database, without credentials."""
    status: Status
    """`verified`, `pending`, `drifted` or `failed`."""
    schema_version: str | None = None
    deployment: int | None = None
    """Number of the last deployment; `null` before the first."""
    deployed_at: str | None = None
    """Time of the last deployment, in UTC."""
    pending: bool | None = None
    """Whether the folder has changes that are not deployed to it; `null` if it could not be read."""
    drifted: bool | None = None
    """Whether it is not as it was last deployed; `null` if that is not known."""
    drift: tuple[ObjectChange, ...] = ()
    """Objects that are not as the last deployment left them."""
    error: ErrorLine | None = None
    """The error of a database that could not be read."""
    exit_code: int = 0


@dataclass(frozen=True)
class Report:
    """Result of a run. Contains no secret and no seed value, so it can be printed."""

    # It holds for the other classes, too: pydantic passes it on to those without a configuration of their own.
    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid", "use_attribute_docstrings": True}

    command: str
    """The command that ran."""
    status: Status
    """The verdict, as in the output `status` of the Action."""
    committed: bool | None
    """Whether the database changed; `null` if the outcome is unknown."""
    database: str
    """The database, without credentials."""
    deployment_id: str | None = None
    """Id of the deployment in the deployment history."""
    schema_version: str | None = None
    """Version of the schema in the database after the run, from the deployment history; `null` if it has none."""
    previous_version: str | None = None
    """Version of the schema in the database before the run, or in the folder of `compare-to`; `null` if it has none."""
    manifest_version: str | None = None
    """Version stated in the manifest: the one that a plan leads to."""
    first_deployment: bool | None = None
    """Whether nothing was deployed to the database before the run; `null` if its deployment history was not read."""
    rollback_to: int | None = None
    """With `rollback`: number of the deployment that the database goes back to; otherwise `null`."""
    changes: tuple[ObjectChange, ...] = ()
    """Objects that are added, changed, renamed or removed, each with its changed parts."""
    drift: tuple[ObjectChange, ...] = ()
    """Objects that are not as the last deployment left them, each with its changed parts."""
    steps: tuple[StepLine, ...] = ()
    """Steps of the plan with their SQL, hazards and place (file and line)."""
    hazards: tuple[HazardLine, ...] = ()
    """Hazards that belong to no step: of seeds, scripts and versions."""
    undecided: tuple[str, ...] = ()
    """With `plan`: what only the deployment can decide, one sentence each; `dry-run` decides it."""
    diagram: Diagram | None = None
    """Tables and relations for the diagram."""
    counts: dict[str, CountLine] = field(default_factory=dict)
    """Expected and actual number of objects of each kind."""
    checks: tuple[CheckLine, ...] = ()
    """Each check with its result, the expected and the actual value, and details."""
    seeds: tuple[SeedLine, ...] = ()
    """For each seeded table: rows in the file, inserted, updated, unchanged and kept, and those that left the file."""
    chunks: ChunksLine | None = None
    """Chunks of seeds, sent and in total; `null` if everything is one transaction."""
    pending: bool | None = None
    """Whether the folder has changes that are not deployed to the database; `null` if that was not found out."""
    drifted: bool | None = None
    """Whether the database is not as it was last deployed; `null` if that was not found out."""
    notices: tuple[str, ...] = ()
    """Warnings, one sentence each."""
    annotated: tuple[AnnotatedLine, ...] = ()
    """Those of the warnings that are annotations on GitHub: a comment that failed, approvals that are left over."""
    databases: tuple[DatabaseLine, ...] = ()
    """With `status`: the state of each database."""
    history: tuple[DeploymentLine, ...] = ()
    """With `history`: deployments, the newest first. With a number, `changes` are those of this deployment."""
    fleet: Fleet | None = None
    """With `fleet`: the result over all of its databases; the fields of one database are then empty."""
    tokens: tuple[TokenLine, ...] = ()
    """The checked tokens by role, with expiry, age and findings; no part of a token."""
    restore_point: tuple[str, ...] = ()
    """Commands that restore the database to its state before the run."""
    plan_fingerprint: str | None = None
    """SHA-256 of what was planned: equal if the same would be deployed to a database that means the same."""
    plan_file: str | None = None
    """File in which the plan was saved, or that of the plan to deploy; `null` if there is none."""
    comment_url: str | None = None
    """Address of the comment on the pull request; `null` if there is none."""
    issue_url: str | None = None
    """Address of the issue about the drift of the database that this run wrote; `null` if it wrote none."""
    rows_to_write: int | None = None
    """Estimate of the rows that a plan writes, which Turso bills; `null` if unknown."""
    schema_path: str = ""
    """Path of the schema folder as it was given; empty for a command that reads none."""
    requests: int = 0
    """Number of requests."""
    duration_ms: int = 0
    """Time of the run in milliseconds."""
    blocked_by: ErrorLine | None = None
    """With `compare-to`: the error that may block a deployment, depending on the rows of the database."""
    error: ErrorLine | None = None
    """The error of a failed or blocked run."""
    exit_code: int = 0
    """The exit code of the process."""

    @property
    def is_plan(self) -> bool:
        """True if the run showed what a deployment would do; then everything in it is a prediction."""
        return self.command == "plan" or self.status is Status.PLANNED

    @property
    def shows_one(self) -> bool:
        """True if the report is about a single deployment of the history."""
        return self.command == "history" and len(self.history) == 1

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


def report_json_schema() -> str:
    """Return the JSON Schema of the document, as published in `docs/reference/report.schema.json`."""
    return json_schema(Report, "turso-deploy report", all_required=True)
