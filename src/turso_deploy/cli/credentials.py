"""Who gets in: the address of the database and the token for it, once all tokens are known to be all right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct, field

from turso_deploy.cli.settings import Settings
from turso_deploy.core.durations import parse_duration
from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.core.secret import Secret
from turso_deploy.database.address import Address, FileAddress, parse_address
from turso_deploy.github.context import RunContext
from turso_deploy.report.document import FindingLine, TokenLine
from turso_deploy.turso.token_policy import Policy, Role, TokenCheck, check_claims, is_due, token_error
from turso_deploy.turso.tokens import fingerprint

if TYPE_CHECKING:
    from turso_deploy.turso.platform import Platform, PlatformDatabase

EMBEDDED_DATABASE = "turso-deploy.db"
DEPLOYMENT_LIFETIME = "15m"


class HostedDatabase(Struct, frozen=True):
    """The database at the Turso Platform, when there is an API token."""

    platform: Platform
    database: PlatformDatabase


class Credentials(Struct):
    """The way into the database. `checks` fill while it is opened, so that a refusal can still tell them."""

    address: Address = field(default_factory=lambda: FileAddress(EMBEDDED_DATABASE))
    token: str = ""
    hosting: HostedDatabase | None = None
    checks: dict[Role, TokenCheck] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    minted: bool = False

    @property
    def lines(self) -> tuple[TokenLine, ...]:
        """The tokens as the report tells them."""
        return tuple(_line(check, self) for check in self.checks.values())


@contextmanager
def open_credentials(
    access: Credentials, inputs: Settings, context: RunContext, mask: Callable[[str], None]
) -> Iterator[Credentials]:
    """Find the database and check every token that was given; mint one for the run where none was.

    Raises DeployError when a token cannot do its work, and the policy's complaint when the policy is enforced.
    """
    platform = _platform(inputs)
    try:
        if platform:
            access.hosting = HostedDatabase(platform, _awake(platform, inputs.database or ""))
        _open(access, inputs, context, mask)
        yield access
    finally:
        if platform:
            platform.close()


def policy_of(inputs: Settings) -> Policy:
    """The rotation policy that the settings describe."""
    return Policy(
        max_age=parse_duration(inputs.token_max_age),
        expiry_warning=parse_duration(inputs.token_expiry_warning),
        require_expiry=inputs.token_require_expiry,
        mode=inputs.token_policy,
    )


def _open(access: Credentials, inputs: Settings, context: RunContext, mask: Callable[[str], None]) -> None:
    access.address = _address(inputs, context, access.hosting)
    if isinstance(access.address, FileAddress):
        return
    from turso_deploy.turso.token_checks import check_claims_of_all, check_on_platform, check_on_server

    given, policy = _given_tokens(inputs), policy_of(inputs)
    writes = inputs.command in ("deploy", "check-tokens") or inputs.dry_run
    # The story's first request shows whether the deploy token works; only where there is no story it is asked here.
    asked = {Role.APPLICATION, Role.PREVIOUS} | ({Role.DEPLOY} if inputs.command == "check-tokens" else set())
    access.checks = check_claims_of_all(given, policy, access.now, needs_write=writes)
    if access.hosting:
        hosting = access.hosting
        access.checks = check_on_platform(access.checks, hosting.platform, hosting.database, policy, access.now)
    access.checks = check_on_server(access.checks, given, access.address, inputs.timeout, asked)
    if error := token_error(access.checks, policy):
        raise error
    access.token = given.get(Role.DEPLOY, "")
    if access.hosting and not access.token and inputs.command not in ("check-tokens", "rotate-token"):
        _mint(access, access.hosting, inputs, mask)


def _mint(access: Credentials, hosting: HostedDatabase, inputs: Settings, mask: Callable[[str], None]) -> None:
    """A token for this run alone. Reading needs no right to write."""
    lifetime = lifetime_of(inputs, DEPLOYMENT_LIFETIME)
    needs_write = inputs.command == "deploy" or inputs.dry_run
    access.token = hosting.platform.mint(hosting.database.name, lifetime, read_only=not needs_write)
    mask(access.token)
    off = Policy(mode="off")  # its short life is the point of it
    check = check_claims(Role.DEPLOY, access.token, off, access.now, needs_write=needs_write)
    access.checks = {Role.DEPLOY: check.found(state="minted"), **access.checks}
    access.minted = True
    if error := token_error(access.checks, off):
        raise error


def lifetime_of(inputs: Settings, default: str) -> timedelta:
    """How long a minted token lasts."""
    return parse_duration(inputs.token_lifetime or default)


def _platform(inputs: Settings) -> Platform | None:
    parts = {"api-token": inputs.api_token, "organization": inputs.organization, "database": inputs.database}
    missing = [name for name, value in parts.items() if not value]
    if len(missing) == len(parts):
        return None
    if missing or inputs.api_token is None:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"The Turso Platform is asked with `api-token`, `organization` and `database` together; "
            f"{' and '.join(f'`{name}`' for name in missing)} {'is' if len(missing) == 1 else 'are'} missing.",
            hint="Set all three, or use `database-url` and `auth-token` alone.",
        )
    from turso_deploy.turso.platform import API_URL, Platform
    from turso_deploy.turso.tokens import read_platform_claims

    token, organization = inputs.api_token.reveal(), inputs.organization or ""
    read_platform_claims(token)  # a database token is told before it is sent to somebody else
    return Platform(token, organization, inputs.timeout, inputs.api_url or API_URL)


def _awake(platform: Platform, name: str) -> PlatformDatabase:
    database = platform.database(name)
    if database.asleep:
        platform.wake(name)
    return database


def _given_tokens(inputs: Settings) -> Mapping[Role, str]:
    """The tokens that are judged. The one that is rotated away may be anything."""
    secrets: dict[Role, Secret | None] = {
        Role.DEPLOY: inputs.auth_token if inputs.command != "rotate-token" else None,
        Role.APPLICATION: inputs.read_only_auth_token,
        Role.PREVIOUS: inputs.previous_auth_token,
        Role.PLATFORM: inputs.api_token,
    }
    return {role: secret.reveal() for role, secret in secrets.items() if secret}


def _address(inputs: Settings, context: RunContext, hosting: HostedDatabase | None) -> Address:
    if inputs.database_url is not None:
        return parse_address(inputs.database_url, allow_insecure_http=inputs.allow_insecure_http)
    if hosting:
        return hosting.database.address
    if context.on_runner:
        raise InputError(
            ErrorCode.DATABASE_URL_MISSING,
            "No database URL was given: the input `database-url` is empty, and so is TURSO_DATABASE_URL.",
            hint="Usually the secret is not set for this repository or environment, or the run is of a pull request "
            "from a fork, to which GitHub gives no secrets. Set the secret TURSO_DATABASE_URL and pass it as "
            "`database-url`; or give `api-token`, `organization` and `database`.",
        )
    return FileAddress(EMBEDDED_DATABASE)


def _line(check: TokenCheck, access: Credentials) -> TokenLine:
    claims = check.claims
    expires_at = claims.expires_at if claims else None
    issued_at = claims.issued_at if claims else None
    return TokenLine(
        role=check.role.value,
        fingerprint=check.fingerprint,
        state=check.state,
        access=check.access,
        expires_at=expires_at.isoformat().replace("+00:00", "Z") if expires_at else None,
        days_left=(expires_at - access.now).days if expires_at else None,
        age_days=max(0, (access.now - issued_at).days) if issued_at else None,
        key=fingerprint(claims.key_id) if claims and claims.key_id else None,
        due=is_due(check),
        minted=access.minted and check.role is Role.DEPLOY,
        findings=tuple(FindingLine(one.level.value, one.text, one.remedy) for one in check.findings),
    )
