"""Select the databases of a fleet: read its sources, apply `only` and `except`, and reject what could forget one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from turso_deploy.core.errors import Cause, ErrorCode, InputError, Place
from turso_deploy.core.secret import Secret
from turso_deploy.core.text import MAX_NAMES, count_of
from turso_deploy.database.address import Address
from turso_deploy.database.open import open_address
from turso_deploy.fleet_sources.control_query import read_query
from turso_deploy.fleet_sources.fleet_file import FleetFile, LoadedFleet, Source, load_fleet
from turso_deploy.fleet_sources.groups import group_source, read_group
from turso_deploy.fleet_sources.lists import (
    LIST_ENDINGS,
    STANDARD_INPUT,
    Entry,
    EntryReader,
    normal_url,
    read_list,
    read_names,
)
from turso_deploy.fleet_sources.names import Found, chosen, fleet_error
from turso_deploy.fleet_sources.rollout import Rollout
from turso_deploy.fleet_sources.target import Selection, Target
from turso_deploy.fleet_sources.tokens import MintedToken, PlatformPool, given
from turso_deploy.http.backoff import MAX_PAUSE, Clock, RetryBudget
from turso_deploy.turso.tokens import RUN_LIFETIME

if TYPE_CHECKING:
    from turso_deploy.turso.platform import Platform

_GROUP = "group:"


class Access(NamedTuple):
    """The settings by which databases are found and opened: the given token, the Turso Platform, the control database.

    `writes` is False for a run that changes nothing: the tokens that are minted for it can only read. `mask` is called
    with each of them. `max_pause` is the longest pause between two attempts in seconds.
    """

    token: Secret | None = None
    writes: bool = True
    api_token: Secret | None = None
    organization: str | None = None
    api_url: str | None = None
    control_url: Address | None = None
    control_token: Secret | None = None
    token_lifetime: timedelta | None = None
    timeout: float = 60
    allow_insecure_http: bool = False
    mask: Callable[[str], None] = lambda _: None
    max_pause: float = MAX_PAUSE
    clock: Clock = time


@contextmanager
def open_selection(fleet: str, only: Sequence[str], without: Sequence[str], access: Access) -> Iterator[Selection]:
    """Yield the databases of a fleet, whose tokens can be had inside the context. `fleet` is the setting.

    Raises InputError for a fleet, `only` or `except` that cannot be right, among them an empty selection, a name or an
    address that two databases have, and a name that is not found; DeployError for what a server or an API answers.
    """
    loaded = _loaded(fleet)
    with closing(PlatformPool(lambda: _platform(access))) as pool:
        sources = _Sources(loaded, access, pool)
        parts = [
            chosen(sources.read(source, place), source.only, source.without, place)
            for source, place in zip(loaded.content.databases, loaded.places, strict=True)
        ]
        found = Found(
            tuple(target for part in parts for target in part.targets),
            tuple(skipped for part in parts for skipped in part.skipped),
        )
        _reject_twice(found.targets, "name", lambda target: target.name)
        _reject_twice(found.targets, "address", lambda target: f"{target.url} {target.host}".rstrip())
        found = chosen(found, only, without)
        if not found.targets:
            left_out = f": {count_of(len(found.skipped), 'database')} are left out" if found.skipped else ""
            raise fleet_error([Cause(f"no database is selected{left_out}")], "Check its sources, `only` and `except`.")
        sources.mint_for_groups(found.targets)
        keys = loaded.content.rollout
        rollout = Rollout(keys.canary, keys.waves, keys.failure_budget)
        yield Selection(found.targets, found.skipped, rollout, sources.use_given_token(found.targets))


def _loaded(fleet: str) -> LoadedFleet:
    """Return the fleet that the setting names: that of a file, or of the one source that it is."""
    lower = fleet.lower()
    if lower.endswith((".yml", ".yaml")):
        return load_fleet(fleet)
    if fleet.startswith(_GROUP) and fleet != _GROUP:
        source = Source(group=fleet.removeprefix(_GROUP))
    elif fleet == STANDARD_INPUT or lower.endswith(LIST_ENDINGS):
        source = Source(list=fleet)
    else:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            "The setting `fleet` is not valid: expected a fleet file (`.yml`), `group:NAME`, or a list (`.csv`, "
            "`.jsonl`, `-`).",
            hint="Set it with --fleet, or with the Action's input `fleet`.",
        )
    return LoadedFleet(FleetFile(databases=[source]), Path(), (Place(fleet),))


class _Sources:
    """The sources of a fleet, and the tokens of what they name."""

    def __init__(self, loaded: LoadedFleet, access: Access, pool: PlatformPool) -> None:
        self._loaded = loaded
        self._access = access
        self._pool = pool
        self._given = given(access.token)
        self._of_groups: dict[str, MintedToken] = {}
        self._hosts: dict[str, str] | None = None

    def read(self, source: Source, place: Place) -> Found:
        """Return the databases of one source."""
        if source.group is not None:
            token_for = self._token_for_group(source.group, place)
            wake = self._loaded.content.asleep == "wake"
            return read_group(source.group, self._pool, token_for, place, wake=wake)
        if source.server is not None:
            return Found(self._namespaces(source.server, source.names or (), place))
        reader = self._reader("The control query" if source.query else "The list", self._token_for)
        if source.list_file is not None:
            return Found(self._verified(read_list(source.list_file, self._loaded.folder, reader), place))
        return Found(self._verified(self._queried(source.query or "", reader, place), place))

    def mint_for_groups(self, targets: Sequence[Target]) -> None:
        """Mint the token of each group of these databases now, so that a wrong API token fails once and before them."""
        used = {target.source for target in targets}
        for source, token in self._of_groups.items():
            if source in used:
                token()

    def use_given_token(self, targets: Sequence[Target]) -> bool:
        """Return True if one of these databases is at a server that gets the token that was given for all."""
        if self._access.token is None:
            return False
        return any(target.token is self._given and not target.url.startswith("file:") for target in targets)

    def _reader(self, subject: str, token_for: Callable[[str], Callable[[], Secret | None]]) -> EntryReader:
        return EntryReader(subject, token_for, allow_insecure_http=self._access.allow_insecure_http)

    def _queried(self, query: str, reader: EntryReader, place: Place) -> tuple[Target, ...]:
        access = self._access
        if access.control_url is None:
            raise InputError(
                ErrorCode.INPUT_INVALID,
                f"{place} has a `query`, and no control database to send it to.",
                hint="Set `control-url` (TURSO_CONTROL_URL), and its token as `control-token`.",
                place=place,
            )
        token = access.control_token.reveal() if access.control_token else None
        retries = RetryBudget(access.timeout, max_pause=access.max_pause)
        with open_address(access.control_url, token, access.timeout, retry_budget=retries) as database:
            return reader.read(read_query(query, database, place))

    def _namespaces(self, server: str, names: str | tuple[str, ...], place: Place) -> tuple[Target, ...]:
        """Return the namespaces of a server, each with the Host header that names it."""
        try:
            url = normal_url(server, allow_insecure_http=self._access.allow_insecure_http)
        except InputError as error:
            raise fleet_error([Cause(f"`server`: {error.message.rstrip('.')}", place)], error.hint or "") from None
        if not url.startswith(("http:", "https:")):
            raise fleet_error([Cause("`server` is a file", place)], "Name the URL of an sqld with namespaces.")
        parent = urlsplit(url).hostname or ""
        parent = "server" if ":" in parent else parent  # the address of IPv6 has no labels
        listed = names if isinstance(names, str) else None
        entries = (
            read_names(listed, self._loaded.folder) if listed else (Entry({"name": name}, place) for name in names)
        )
        return self._reader("The list of namespaces", lambda _: self._given).read(
            Entry({"name": _namespace(entry), "url": url, "host": f"{entry.values['name']}.{parent}"}, entry.place)
            for entry in entries
        )

    def _token_for_group(self, group: str, place: Place) -> Callable[[str], Callable[[], Secret | None]]:
        kind = self._loaded.content.tokens or ("given" if self._access.token else "group")
        if kind == "mint":
            return self._minted
        if kind == "given":
            if self._access.token is None:
                raise _without_token(place)
            return lambda _: self._given
        token = self._short_lived(
            lambda client, lifetime, read_only: client.mint_for_group(group, lifetime, read_only=read_only)
        )
        self._of_groups[group_source(group)] = token
        return lambda _: token

    def _token_for(self, name: str) -> Callable[[], Secret | None]:
        """Return the source of the tokens of a database that is not one of a group."""
        return self._minted(name) if self._loaded.content.tokens == "mint" else self._given

    def _minted(self, name: str) -> MintedToken:
        return self._short_lived(
            lambda client, lifetime, read_only: client.mint(name, lifetime, read_only=read_only, again=True)
        )

    def _short_lived(self, mint: Callable[..., str]) -> MintedToken:
        access = self._access
        lifetime = access.token_lifetime or RUN_LIFETIME

        def minted() -> str:
            with self._pool.client() as client:
                return mint(client, lifetime, not access.writes)

        return MintedToken(minted, access.mask, lifetime, access.clock)

    def _verified(self, targets: tuple[Target, ...], place: Place) -> tuple[Target, ...]:
        """Return the targets of a list. With `tokens: mint`, each has to be at the address that the Platform names.

        Otherwise the token of a database would be sent to a server that a list names.
        """
        if self._loaded.content.tokens != "mint":
            return targets
        if self._hosts is None:
            with self._pool.client() as platform:
                self._hosts = {database.name: database.address.url for database in platform.databases()}
        causes = [
            Cause(f"{target.name}: the organization has no database of this name at this address", place)
            for target in targets
            if self._hosts.get(target.name) != target.url
        ]
        if causes:
            raise fleet_error(
                causes, "A minted token is sent to the address that `turso db show --url <database>` shows, only."
            )
        return targets


def _platform(access: Access) -> Platform:
    """Return a client of the Turso Platform. Raises InputError without its settings."""
    from turso_deploy.turso.platform import API_URL, Platform
    from turso_deploy.turso.tokens import read_platform_claims

    missing = [
        f"`{name}`"
        for name, value in (("api-token", access.api_token), ("organization", access.organization))
        if not value
    ]
    if missing or not access.api_token or not access.organization:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"The fleet needs the Turso Platform API; {' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} "
            "missing.",
            hint="Set both: a group is listed, and tokens are minted, with them.",
        )
    token = access.api_token.reveal()
    read_platform_claims(token)  # raises for a database token, which must not be sent to another server
    return Platform(token, access.organization, access.timeout, access.api_url or API_URL, max_pause=access.max_pause)


def _namespace(entry: Entry) -> str:
    """Return a name that is one label of a Host header, or the name as it is if it is no name at all."""
    name = str(entry.values["name"])
    if "." in name or not name.isascii():
        raise fleet_error(
            [Cause("a namespace is one label of the Host header: letters, digits, `-` and `_`", entry.place)],
            "Correct `names`.",
            "The list of namespaces",
        )
    return name


def _reject_twice(targets: Sequence[Target], what: str, key: Callable[[Target], str]) -> None:
    first: dict[str, Target] = {}
    causes = list[Cause]()
    for target in targets:
        other = first.setdefault(key(target), target)
        if other is not target and len(causes) <= MAX_NAMES:
            where = f"{other.source} and {target.source}" if other.source != target.source else target.source
            names = target.name if what == "name" else f"{other.name} and {target.name}"
            causes.append(Cause(f"{names}: the same {what} twice ({where})"))
    if causes:
        raise fleet_error(causes, "Correct the sources: one of two would be forgotten, or deployed to twice at once.")


def _without_token(place: Place) -> InputError:
    return InputError(
        ErrorCode.INPUT_INVALID,
        "`tokens: given` is for the token of `auth-token`, which is not set.",
        hint="Set `auth-token` to a token of the group, or have one minted with `tokens: group`.",
        place=place,
    )
