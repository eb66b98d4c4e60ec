"""A selection of databases: the targets of a fleet, in no order, and the databases that were left out with a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from turso_deploy.core.secret import Secret
from turso_deploy.fleet_sources.rollout import Rollout


class Target(NamedTuple):
    """One database of a fleet. `name` is unique in it; `url` is a database URL without a secret.

    `token` returns the token that is valid now, because tokens are renewed while a fleet runs; None for no token. It
    is called in the thread that uses the database. It raises DeployError if no token can be had.
    """

    name: str
    url: str
    token: Callable[[], Secret | None]
    host: str = ""
    """The Host header, which names a namespace of a server; empty for that of the URL."""
    canary: bool = False
    """Whether the source names the database as a canary."""
    source: str = ""
    """Where the database was found: `tenants.csv:12`, `group tenants`."""


class Skipped(NamedTuple):
    """A database that was found and left out, and why: asleep, blocked, another engine, a branch, excluded."""

    name: str
    reason: str


class Selection(NamedTuple):
    """The databases that a run is for, those that were left out, and what the fleet file says about the rollout."""

    targets: tuple[Target, ...]
    skipped: tuple[Skipped, ...] = ()
    rollout: Rollout = Rollout()
    uses_given_token: bool = False
    """Whether one of the targets is at a server that gets the token that was given for all."""
