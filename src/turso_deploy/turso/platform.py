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
from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.database.address import RemoteAddress, parse_address
from turso_deploy.http.json_api import JsonApi, Reply, error_for_reply, segment
from turso_deploy.http.proxies import is_loopback
from turso_deploy.turso.platform_errors import explain
from turso_deploy.turso.token_claims import Moment

API_URL = "https://api.turso.tech"
MAX_NAME_LENGTH = 64

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_MAX_PAGES = 1000


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

    Raises InputError for an invalid token, address or organization.
    """

    def __init__(self, token: str, organization: str, timeout: float, url: str = API_URL) -> None:
        self.organization = usable_name("organization", organization)
        self._api = JsonApi("the Turso Platform API", url, token, timeout)
        self._databases = f"/v1/organizations/{segment(organization)}/databases"

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
        action, found = "listing the branches", list[PlatformDatabase]()
        query = {"parent": parent_id}
        for _ in range(_MAX_PAGES):
            page = self._api.read(self._call("GET", self._databases, action, "read", query=query), _Page, action)
            found += page.databases
            if not page.cursor:
                return found
            query["cursor"] = page.cursor
        raise self._api.unreadable(action)

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

    def mint(self, name: str, lifetime: timedelta, *, read_only: bool) -> str:
        """Mint a token for the database that expires after `lifetime`. Mask it before anything else."""
        path, action = f"{self._path(name)}/auth/tokens", f"minting a token for {name}"
        access = "read-only" if read_only else "full-access"
        query = {"expiration": format_duration(lifetime), "authorization": access}
        return self._api.read(self._call("POST", path, action, "db:mint-token", query=query), _Minted, action).jwt

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

    def _call(
        self, method: str, path: str, action: str, permission: str, *, query: Mapping[str, str] | None = None
    ) -> Any:
        return _accepted(self._api.call(method, path, query=query), action, permission).document


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
