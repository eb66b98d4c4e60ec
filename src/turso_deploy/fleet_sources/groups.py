"""The databases of a group of the Turso Platform, without those that no deployment of the fleet is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from turso_deploy.core.errors import Cause, InputError, Place
from turso_deploy.core.secret import Secret
from turso_deploy.fleet_sources.names import Found, fault_of_name, fleet_error
from turso_deploy.fleet_sources.target import Skipped, Target
from turso_deploy.fleet_sources.tokens import PlatformPool, then

if TYPE_CHECKING:
    from turso_deploy.turso.platform import PlatformDatabase

_LIBSQL = (None, "", "libsql")
"""The engines that are deployed to, as `database_type` names them; older replies name none."""


def group_source(name: str) -> str:
    """Return the `source` of the databases of a group."""
    return f"group {name}"


def read_group(
    name: str,
    pool: PlatformPool,
    token_for: Callable[[str], Callable[[], Secret | None]],
    place: Place,
    *,
    wake: bool,
) -> Found:
    """Return the databases of a group. Branches, schema parents, other engines, and blocked ones are left out.

    So are those that sleep, unless they are to be woken: then each is, in the thread that uses it first.
    Raises InputError (`fleet-invalid`) for a group that does not exist, PlatformError.
    """
    with pool.client() as platform:
        databases = platform.databases(name)
        if not databases and not platform.has_group(name):
            cause = Cause(f"the organization {platform.organization} has no group {name}", place)
            raise fleet_error([cause], "Compare the name with `turso group list`.")
    targets, skipped = list[Target](), list[Skipped]()
    for database in databases:
        if reason := _reason_against(database, wake=wake):
            skipped.append(Skipped(database.name, reason))
            continue
        token = token_for(database.name)
        if database.asleep:
            token = then(_waking(pool, database.name), token)
        targets.append(Target(database.name, _url(database, place), token, source=group_source(name)))
    return Found(tuple(targets), tuple(skipped))


def _reason_against(database: PlatformDatabase, *, wake: bool) -> str | None:
    """Return why a database is left out, or None."""
    if database.parent_id:
        return "branch"
    if database.is_schema:
        return "schema parent"
    if database.engine not in _LIBSQL:
        return "another engine"
    if database.block_reads or database.block_writes:
        return "access blocked"
    return "asleep" if database.asleep and not wake else None


def _url(database: PlatformDatabase, place: Place) -> str:
    if fault := fault_of_name(database.name):
        raise fleet_error([Cause(f"a database of the group cannot be named: {fault}", place)], "Rename it.")
    try:
        return database.address.url
    except InputError as error:
        raise fleet_error([Cause(f"{database.name}: {error.message.rstrip('.')}", place)], error.hint or "") from None


def _waking(pool: PlatformPool, name: str) -> Callable[[], None]:
    def wake() -> None:
        with pool.client() as platform:
            platform.wake(name)

    return wake
