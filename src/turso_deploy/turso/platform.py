"""The client of the Turso Platform API: databases, their branches, and tokens.

The manual: https://docs.turso.tech/api-reference/introduction. Every call raises PlatformError, with a hint, if the API
rejects the request or no reply comes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field

from turso_deploy.core.durations import format_duration
from turso_deploy.core.errors import ErrorCode, InputError, PlatformError
from turso_deploy.database.address import RemoteAddress, parse_address
from turso_deploy.http.backoff import MAX_PAUSE, Backoff, RetryBudget
from turso_deploy.http.json_api import JsonApi, Reply, error_for_reply, segment
from turso_deploy.http.proxies import is_loopback
from turso_deploy.turso.platform_errors import explain
from turso_deploy.turso.token_claims import Moment

API_URL = "https://api.turso.tech"
MAX_NAME_LENGTH = 64

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_PAGE_SIZE = 100
_MAX_PAGES = 10_000
_PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
_MAX_UNANSWERED = 3


class _Reply(BaseModel):
    """A part of a reply: the values that are used here; there are others."""

    model_config = ConfigDict(frozen=True, strict=True, validate_by_name=True)


class PlatformDatabase(_Reply):
    """A database of the platform. Its tokens carry `id`; `parent_id` is the id of the origin of a branch."""

    name: str = Field(validation_alias=AliasChoices("Name", "name"))
    id: str = Field(validation_alias=AliasChoices("DbId", "dbId", "db_id"))
    hostname: str = Field(validation_alias=AliasChoices("Hostname", "hostname"))
    group: str | None = None
    parent_id: str | None = Field(default=None, validation_alias=AliasPath("parent", "id"))
    block_reads: bool | None = None
    block_writes: bool | None = None
    sleeping: bool | None = None
    archived: bool | None = None
    is_schema: bool | None = None
    engine: str | None = Field(default=None, validation_alias="database_type")

    @property
    def asleep(self) -> bool:
        """True if it has to be woken before its first use."""
        return bool(self.sleeping or self.archived)

    @property
    def address(self) -> RemoteAddress:
        """The address that serves its SQL. Raises InputError for an invalid host name."""
        host = urlsplit(f"//{self.hostname}").hostname or ""
        address = parse_address(f"{'http' if is_loopback(host) else 'libsql'}://{self.hostname}")
        assert isinstance(address, RemoteAddress)
        return address


class _Found(_Reply):
    database: PlatformDatabase


class _Created(_Reply):
    database: dict[str, Any]


class _Page(_Reply):
    databases: list[PlatformDatabase]
    cursor: str | None = Field(default=None, validation_alias=AliasPath("pagination", "next"))


class _Minted(_Reply):
    jwt: str = Field(min_length=1)


class _Validity(_Reply):
    exp: Moment


class Platform:
    """One organization of the Turso Platform. `timeout` is in seconds for each request.

    `max_pause` is the longest pause in seconds before a request is sent again, unless the API asks for more.
    Raises InputError for an invalid token, address or organization.
    """

    def __init__(
        self, token: str, organization: str, timeout: float, url: str = API_URL, *, max_pause: float = MAX_PAUSE
    ) -> None:
        self.organization = usable_name("organization", organization)
        self._timeout = timeout
        self._max_pause = max_pause
        self._api = JsonApi("the Turso Platform API", url, token, timeout)
        self._databases = f"/v1/organizations/{segment(organization)}/databases"
        self._groups = f"/v1/organizations/{segment(organization)}/groups"

    @property
    def url(self) -> str:
        """The address of the API, without a slash at the end."""
        return self._api.url

    def database(self, name: str) -> PlatformDatabase:
        """Return the database of this name. Raises InputError for an invalid name."""
        action = f"looking up the database {name}"
        return self._api.read(self._call("GET", self._path(name), action, "read"), _Found, action).database

    def branches(self, parent_id: str) -> list[PlatformDatabase]:
        """Return the branches of the database with this id."""
        return self._listed({"parent": parent_id}, "listing the branches")

    def databases(self, group: str | None = None) -> list[PlatformDatabase]:
        """Return all databases, or those of a group, each once. A group that does not exist has none.

        A request that fails for a passing reason is sent again. Raises InputError for an invalid name.
        """
        where = f"of the group {usable_name('group', group)}" if group else f"of {self.organization}"
        query = {"limit": str(_PAGE_SIZE), **({"group": group} if group else {})}
        found = self._listed(query, f"listing the databases {where}", again=True)
        return list({database.id: database for database in found}.values())

    def has_group(self, name: str) -> bool:
        """Return True if the organization has a group of this name. Raises InputError for an invalid name."""
        reply = self._reply("GET", self._group(name), None, again=True)
        return reply.status != 404 and _accepted(reply, f"looking up the group {name}", "read").ok

    def create_branch(self, name: str, origin: PlatformDatabase) -> PlatformDatabase:
        """Create a database with the current data of `origin`, in the same group."""
        action = f"creating the branch {usable_name('branch', name)} of {origin.name}"
        body: dict[str, Any] = {"name": name, "group": origin.group or "default"}
        for key in ("name", "value"):  # Turso's own command line sends `value` where the manual says `name`
            body["seed"] = {"type": "database", key: origin.name}
            reply = self._api.call("POST", self._databases, body=body)
            if reply.status != 400:
                break
        created = self._api.read(_accepted(reply, action, "db:create").document, _Created, action).database
        return self._api.read({"Name": name, "group": origin.group, **created}, PlatformDatabase, action)

    def delete(self, name: str) -> None:
        """Delete a database for good."""
        self._call("DELETE", self._path(name), f"deleting the database {name}", "db:delete")

    def wake(self, name: str) -> None:
        """Wake a database that sleeps, or was archived because it was not used."""
        self._call("POST", f"{self._path(name)}/wakeup", f"waking the database {name}", "db:configure")

    def mint(self, name: str, lifetime: timedelta, *, read_only: bool, again: bool = False) -> str:
        """Mint a token for the database that expires after `lifetime`. Mask it before anything else.

        With `again` the request is sent again if it fails for a passing reason.
        """
        path, action = f"{self._path(name)}/auth/tokens", f"minting a token for {name}"
        return self._minted(path, action, "db:mint-token", lifetime, read_only=read_only, again=again)

    def mint_for_group(self, group: str, lifetime: timedelta, *, read_only: bool) -> str:
        """Mint a token for all databases of a group that expires after `lifetime`. Mask it before anything else.

        A request that fails for a passing reason is sent again.
        """
        path, action = f"{self._group(group)}/auth/tokens", f"minting a token for the group {group}"
        return self._minted(path, action, "group:mint-token", lifetime, read_only=read_only, again=True)

    def rotate(self, name: str) -> None:
        """Replace the signing keys, which invalidates every token of the database, and perhaps of its group."""
        self._call("POST", f"{self._path(name)}/auth/rotate", f"rotating the keys of {name}", "db:rotate-creds")

    def token_expires_at(self) -> datetime | None:
        """Return the moment at which the API token expires, or None. Raises PlatformError if it is not accepted."""
        action = "checking the API token"
        expires_at = self._api.read(self._call("GET", "/v1/auth/validate", action, "read"), _Validity, action).exp
        return expires_at if expires_at.timestamp() > 0 else None

    def close(self) -> None:
        """Close the connection."""
        self._api.close()

    def _path(self, name: str) -> str:
        return f"{self._databases}/{segment(usable_name('database', name))}"

    def _group(self, name: str) -> str:
        return f"{self._groups}/{segment(usable_name('group', name))}"

    def _listed(self, query: dict[str, str], action: str, *, again: bool = False) -> list[PlatformDatabase]:
        """Return the databases on all pages of a list."""
        found = list[PlatformDatabase]()
        for _ in range(_MAX_PAGES):
            reply = self._reply("GET", self._databases, query, again=again)
            page = self._api.read(_accepted(reply, action, "read").document, _Page, action)
            found += page.databases
            if not page.cursor:
                return found
            if page.cursor == query.get("cursor"):  # it would be the same page for ever
                break
            query["cursor"] = page.cursor
        raise self._api.unreadable(action)

    def _minted(
        self, path: str, action: str, permission: str, lifetime: timedelta, *, read_only: bool, again: bool
    ) -> str:
        access = "read-only" if read_only else "full-access"
        query = {"expiration": format_duration(lifetime), "authorization": access}
        reply = _accepted(self._reply("POST", path, query, again=again), action, permission)
        return self._api.read(reply.document, _Minted, action).jwt

    def _call(self, method: str, path: str, action: str, permission: str) -> Any:
        return _accepted(self._api.call(method, path), action, permission).document

    def _reply(self, method: str, path: str, query: Mapping[str, str] | None, *, again: bool) -> Reply:
        """Return the reply to a request. With `again` it is sent again for a while if it fails for a passing reason."""
        backoff, unanswered = Backoff(RetryBudget(self._timeout, max_pause=self._max_pause)), 0
        while True:
            try:
                reply = self._api.call(method, path, query=query)
            except PlatformError as error:
                unanswered += 1
                if not again or unanswered >= _MAX_UNANSWERED or not backoff.wait(error.message):
                    raise
                continue
            is_passing = again and reply.status in _PASSING_STATUSES
            why = f"the Turso Platform API answered with HTTP {reply.status}"
            if not is_passing or not backoff.wait(why, reply.retry_after or 0):
                return reply


def usable_name(what: str, name: str) -> str:
    """Return a name that an organization or a database can have. Raises InputError for every other name."""
    if _NAME.fullmatch(name):
        return name
    raise InputError(
        ErrorCode.INPUT_INVALID,
        f"The name of the {what} is invalid: it may contain letters, digits, `-`, `_` and `.`, 100 at most.",
        hint="Give only the name that `turso org list` or `turso db list` shows: no URL, no white space, no quotes.",
    )


def _accepted(reply: Reply, action: str, permission: str) -> Reply:
    if not reply.ok:
        raise error_for_reply(reply, action, explain(reply, permission), "The API")
    return reply
