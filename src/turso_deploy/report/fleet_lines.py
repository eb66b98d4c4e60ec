"""Data of a report about a fleet: one line for each database, and what is counted over all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from turso_deploy.plan.hazards import HazardName


class State(StrEnum):
    """State of one database of a fleet after a run."""

    DEPLOYED = "deployed"
    UNCHANGED = "unchanged"
    PLANNED = "planned"
    VERIFIED = "verified"
    CHECKED = "checked"
    LISTED = "listed"
    PENDING = "pending"
    """The folder has changes that are not deployed to it."""
    DRIFTED = "drifted"
    BLOCKED = "blocked"
    """A hazard or a policy blocks the run; nothing was changed."""
    FAILED = "failed"
    UNKNOWN = "unknown"
    """The reply to a write was lost, and whether it was committed is not known."""
    STOPPED = "stopped"
    """A signal ended the run before the database was changed."""
    NOT_REACHED = "not-reached"
    """The run ended before it."""


@dataclass(frozen=True)
class FleetHazard:
    """A hazard in the plan of one database."""

    name: HazardName
    object: str
    rows: int | None
    approved: bool | None


@dataclass(frozen=True)
class DatabaseResult:
    """Result of one database: a line in the file of `results`."""

    name: str
    state: State
    wave: str
    code: str | None = None
    """Code of the error."""
    subject: str | None = None
    """Cause of the error as data: a hazard with its object, a check, a place in the folder; `null` if it has none."""
    message: str | None = None
    """First line of the error."""
    hint: str | None = None
    committed: bool | None = False
    schema_version: str | None = None
    """Version in the database after the run."""
    deployment: str | None = None
    """Id of the deployment of this run, or number of the last one."""
    plan_fingerprint: str | None = None
    changes: tuple[str, ...] = ()
    """Changes of the plan, the first ten."""
    hazards: tuple[FleetHazard, ...] = ()
    requests: int = 0
    duration_ms: int = 0
    attempts: int = 1


@dataclass(frozen=True)
class WaveLine:
    """One wave of a run."""

    name: str
    """`canary`, `wave 1`, …, `rest`."""
    databases: int
    states: dict[str, int]
    """Number of databases by state."""
    duration_ms: int


@dataclass(frozen=True)
class SummedHazard:
    """A hazard over all databases whose plan has it."""

    name: HazardName
    object: str
    databases: int
    rows: int | None
    """Number of affected rows in all of them; `null` if they were not counted in each."""
    largest: int | None
    """The largest number of rows in one of them."""
    largest_in: str | None
    """The database with that number."""
    blocked: int
    """Number of databases that it blocks."""


@dataclass(frozen=True)
class FleetPlan:
    """A plan that many databases have."""

    fingerprint: str
    databases: int
    states: dict[str, int]
    changes: tuple[str, ...]
    """Its changes, the first ten."""
    examples: tuple[str, ...]
    """Up to ten of the databases."""
    hazards: tuple[SummedHazard, ...] = ()


@dataclass(frozen=True)
class FleetCause:
    """A cause for which databases failed, were blocked, or ended in an unknown state."""

    state: State
    code: str
    subject: str | None
    databases: int
    message: str
    """The message for the first of them."""
    hint: str | None
    examples: tuple[str, ...]
    """Up to ten of the databases."""
    command: str | None
    """The command that repeats the run for just these databases."""


@dataclass(frozen=True)
class Fleet:
    """Result of a run for a fleet."""

    databases: int
    """Number of databases that the run was for."""
    states: dict[str, int]
    """Number of databases by state."""
    skipped: dict[str, int]
    """Number of databases that were found and left out, by reason."""
    shard: str
    failure_budget: int
    """Number of databases that may fail before no more are begun."""
    stopped_by: str | None
    """The reason for which databases were not reached: `canary`, `failure budget` or `signal`; `null` without one."""
    waves: tuple[WaveLine, ...]
    plans: tuple[FleetPlan, ...]
    causes: tuple[FleetCause, ...]
    versions: dict[str, int]
    """Number of databases by the version of their schema after the run; empty text for none."""
    median_ms: int
    slow_ms: int
    """Time that 95 of 100 databases did not exceed."""
    retried: int
    """Number of databases that got a second try at the end of their wave."""
    failed_names: tuple[str, ...]
    """Databases that failed, were blocked or are in an unknown state, the first 100."""
    not_reached: int
    results: str | None
    """File with one line of JSON a database."""
    shards: tuple[str, ...] = field(default=())
    """All shards of the fleet, for a matrix."""
