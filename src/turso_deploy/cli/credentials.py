"""Resolve the database address and token, check every given token, and mint one for this run if none was given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.core.secret import Secret
from turso_deploy.database.address import Address, FileAddress
from turso_deploy.github.context import RunContext
from turso_deploy.http.count import RequestCount
from turso_deploy.report.document import FindingLine, TokenLine
from turso_deploy.settings.settings import Settings
from turso_deploy.turso.token_policy import Policy, Role, TokenCheck, check_claims, is_due, token_error
from turso_deploy.turso.tokens import RUN_LIFETIME, fingerprint

if TYPE_CHECKING:
    from turso_deploy.turso.platform import Platform, PlatformDatabase

DEFAULT_FILE = "turso-deploy.db"
"""The local SQLite file that is used if no database was given."""


class HostedDatabase(NamedTuple):
    """A database on the Turso Platform, and the client of its organization."""

    platform: Platform
    database: PlatformDatabase


@dataclass
class Credentials:
    """Address and token of the database. `checks` are filled while they are opened, so that an error can report them.

    `hosted` is None without settings of the Turso Platform. `sent` counts all requests of the run.
    """

    address: Address = field(default_factory=lambda: FileAddress(DEFAULT_FILE))
    token: str = field(default="", repr=False)
    hosted: HostedDatabase | None = None
    checks: dict[Role, TokenCheck] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    sent: RequestCount = field(default_factory=RequestCount)

    @property
    def lines(self) -> tuple[TokenLine, ...]:
        """The checked tokens as lines of the report."""
        return tuple(_line(check, self.now) for check in self.checks.values())


def require_database(settings: Settings, context: RunContext) -> None:
    """Raise InputError (`database-url-missing`) on a runner without a database; a file there would be lost."""
    if context.on_runner and settings.database_url is None and not settings.uses_platform:
        raise InputError(
            ErrorCode.DATABASE_URL_MISSING,
            "No database URL was given: the input `database-url` is empty, and so is TURSO_DATABASE_URL.",
            hint="Usually the secret is not set for this repository or environment, or the run is for a pull request "
            "from a fork, which gets no secrets. Set the secret TURSO_DATABASE_URL and pass it as "
            "`database-url`; or set `api-token`, `organization` and `database`.",
        )


@contextmanager
def open_credentials(
    credentials: Credentials, settings: Settings, mask: Callable[[str], None]
) -> Iterator[Credentials]:
    """Find the database and check every given token; mint one for this run if none was given.

    The claims of the tokens are checked before the first request. `mask` is called with a minted token.
    Raises DeployError if a token cannot be used, or if it breaks the policy and the policy is enforced.
    """
    platform = _platform(settings)
    with closing(platform) if platform else nullcontext():
        _open(credentials, settings, platform, mask)
        yield credentials


def _open(credentials: Credentials, settings: Settings, platform: Platform | None, mask: Callable[[str], None]) -> None:
    given, policy = _given_tokens(settings), policy_of(settings)
    needs_write = settings.writes_to_database or settings.command == "check-tokens"
    is_file = isinstance(settings.database_url, FileAddress) or not (settings.database_url or platform)
    if not is_file:
        from turso_deploy.turso.token_checks import check_claims_of_all, check_on_platform, check_on_server

        credentials.checks = check_claims_of_all(given, policy, credentials.now, needs_write=needs_write)
        # `check-tokens` reports all that is wrong; other commands stop before the first request.
        if settings.command != "check-tokens" and (error := token_error(credentials.checks, policy)):
            raise error
    if platform:
        name = settings.database or ""
        database = platform.database(name)
        if database.asleep:
            platform.wake(name)
        credentials.hosted = HostedDatabase(platform, database)
    hosted = credentials.hosted
    credentials.address = settings.database_url or (hosted.database.address if hosted else FileAddress(DEFAULT_FILE))
    if is_file or isinstance(credentials.address, FileAddress):
        return
    if hosted:
        credentials.checks = check_on_platform(
            credentials.checks, hosted.platform, hosted.database, policy, credentials.now
        )
    # Other commands use the deploy token in their own first request, which shows whether it works.
    asked = {Role.APPLICATION, Role.PREVIOUS} | ({Role.DEPLOY} if settings.command == "check-tokens" else set())
    credentials.checks = check_on_server(credentials.checks, given, credentials.address, settings.timeout, asked)
    if error := token_error(credentials.checks, policy):
        raise error
    credentials.token = given.get(Role.DEPLOY, "")
    if hosted and not credentials.token and settings.command not in ("check-tokens", "rotate-token"):
        _mint(credentials, hosted, settings, mask)


def _mint(credentials: Credentials, hosted: HostedDatabase, settings: Settings, mask: Callable[[str], None]) -> None:
    """Mint a token for this run, read-only if the run writes nothing."""
    needs_write = settings.writes_to_database
    lifetime = settings.token_lifetime or RUN_LIFETIME
    credentials.token = hosted.platform.mint(hosted.database.name, lifetime, read_only=not needs_write)
    mask(credentials.token)
    off = Policy(mode="off")  # a short lifetime is intended
    check = check_claims(Role.DEPLOY, credentials.token, off, credentials.now, needs_write=needs_write)
    credentials.checks = {Role.DEPLOY: check.found(state="minted"), **credentials.checks}
    if error := token_error(credentials.checks, off):
        raise error


def policy_of(settings: Settings) -> Policy:
    """Return the rotation policy of the settings."""
    return Policy(
        max_age=settings.token_max_age,
        expiry_warning=settings.token_expiry_warning,
        require_expiry=settings.token_require_expiry,
        mode=settings.token_policy,
    )


def _platform(settings: Settings) -> Platform | None:
    """Return the client of the Turso Platform, if its settings are given. Sends nothing."""
    if settings.api_token is None:
        return None
    from turso_deploy.turso.platform import API_URL, Platform
    from turso_deploy.turso.tokens import read_platform_claims

    token = settings.api_token.reveal()
    read_platform_claims(token)  # raises for a database token, which must not be sent to another server
    return Platform(token, settings.organization or "", settings.timeout, settings.api_url or API_URL)


def _given_tokens(settings: Settings) -> Mapping[Role, str]:
    """Return the tokens to check. The token that `rotate-token` replaces is not checked."""
    secrets: dict[Role, Secret | None] = {
        Role.DEPLOY: settings.auth_token if settings.command != "rotate-token" else None,
        Role.APPLICATION: settings.read_only_auth_token,
        Role.PREVIOUS: settings.previous_auth_token,
        Role.PLATFORM: settings.api_token,
    }
    return {role: secret.reveal() for role, secret in secrets.items() if secret}


def _line(check: TokenCheck, now: datetime) -> TokenLine:
    claims = check.claims
    expires_at = claims.expires_at if claims else None
    issued_at = claims.issued_at if claims else None
    return TokenLine(
        role=check.role.value,
        fingerprint=check.fingerprint,
        state=check.state,
        access=check.access,
        expires_at=expires_at.isoformat().replace("+00:00", "Z") if expires_at else None,
        days_left=max(0, (expires_at - now).days) if expires_at else None,
        expired=check.state == "expired" or (claims is not None and claims.expired(now)),
        age_days=max(0, (now - issued_at).days) if issued_at else None,
        key=fingerprint(claims.key_id) if claims and claims.key_id else None,
        due=is_due(check),
        minted=check.state == "minted",
        findings=tuple(FindingLine(one.level.value, one.text, one.remedy) for one in check.findings),
    )
