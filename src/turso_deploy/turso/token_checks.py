"""Checks of tokens: by their claims, against each other, by one read-only request each, and by the platform's data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from turso_deploy.core.errors import DeployError, ErrorCode
from turso_deploy.core.transaction import Failure, Query
from turso_deploy.database.address import RemoteAddress
from turso_deploy.database.engine_errors import explain
from turso_deploy.database.open import open_address
from turso_deploy.turso.token_policy import (
    Finding,
    Level,
    Policy,
    Role,
    State,
    TokenCheck,
    aging,
    belongs,
    check_claims,
    compare_roles,
    finding_of,
)

if TYPE_CHECKING:
    from turso_deploy.turso.platform import Platform, PlatformDatabase

_REJECTED = (ErrorCode.TOKEN_REJECTED, ErrorCode.TOKEN_EXPIRED)
_NO_ACCESS = (*_REJECTED, ErrorCode.DATABASE_NOT_FOUND)
_ALL_ROLES = frozenset({Role.DEPLOY, Role.APPLICATION, Role.PREVIOUS})
_REVOKE = "Revoke it: `turso-deploy rotate-token --revoke-others`"
_MINT = "Mint one for exactly this database (on Turso Cloud `turso db tokens create <database>`), and store it."


class TokenReply(NamedTuple):
    """The reply of the server to one token: an error, or None if it accepts the token."""

    error: DeployError | None = None

    @property
    def works(self) -> bool:
        """True if the server answered the query."""
        return self.error is None

    @property
    def rejected(self) -> bool:
        """True if the server rejects the token itself (HTTP 401)."""
        return self.error is not None and self.error.code in _REJECTED


def ask(address: RemoteAddress, token: str, timeout: float) -> TokenReply:
    """Send one read-only request with the token. A failure is part of the reply and never raised."""
    try:
        with open_address(address, token, timeout) as database:
            (reply,) = database.query([Query("SELECT 1")])
    except DeployError as error:
        return TokenReply(error)
    return TokenReply(explain(reply).error(DeployError) if isinstance(reply, Failure) else None)


def check_claims_of_all(
    tokens: Mapping[Role, str], policy: Policy, now: datetime, *, needs_write: bool = True
) -> dict[Role, TokenCheck]:
    """Check all given tokens by their claims alone; nothing is sent."""
    checks = {role: check_claims(role, token, policy, now, needs_write=needs_write) for role, token in tokens.items()}
    return compare_roles(tokens, checks)


def check_on_server(
    checks: Mapping[Role, TokenCheck],
    tokens: Mapping[Role, str],
    address: RemoteAddress,
    timeout: float,
    roles: Collection[Role] = _ALL_ROLES,
) -> dict[Role, TokenCheck]:
    """Add the server's reply to the check of each database token of these roles, unless it cannot work anyway."""
    return {
        role: _answered(check, ask(address, tokens[role], timeout))
        if role in roles and check.claims is not None and (role is Role.PREVIOUS or check.state == "valid")
        else check
        for role, check in checks.items()
    }


def check_on_platform(
    checks: Mapping[Role, TokenCheck], platform: Platform, database: PlatformDatabase, policy: Policy, now: datetime
) -> dict[Role, TokenCheck]:
    """Add to the checks what the platform knows: the owner of a token, blocks, the expiry of the API token."""
    result = {
        role: check if role is Role.PLATFORM else belongs(check, database.name, database.id)
        for role, check in checks.items()
    }
    if Role.PLATFORM in result:
        result[Role.PLATFORM] = _with_expiry(result[Role.PLATFORM], platform, policy, now)
    if Role.DEPLOY in result and (database.block_writes or database.block_reads):
        result[Role.DEPLOY] = result[Role.DEPLOY].found(_blocked(database), state="blocked")
    return result


def _answered(check: TokenCheck, answer: TokenReply) -> TokenCheck:
    if check.role is Role.PREVIOUS:
        return _answered_previous(check, answer)
    if answer.error is None:
        return check.found(state="works")
    state: State = "rejected" if answer.error.code in _NO_ACCESS else "unknown"
    if answer.error.code is ErrorCode.ACCESS_BLOCKED:
        state = "blocked"
    if answer.error.code is ErrorCode.TOKEN_EXPIRED:  # by the clock of the server
        state, check = "expired", check.without(ErrorCode.TOKEN_POLICY)
    return check.found(finding_of(answer.error, check.role, stops=check.role is Role.DEPLOY, remedy=_MINT), state=state)


def _answered_previous(check: TokenCheck, answer: TokenReply) -> TokenCheck:
    """Return the check of the old token, which passes only if the server rejects the token itself."""
    if answer.rejected:
        return check.found(state="rejected")
    if answer.works or (answer.error and answer.error.code is ErrorCode.ACCESS_BLOCKED):
        expires = check.claims is not None and check.claims.expires_at is not None
        remedy = f"{_REVOKE}, or wait until it expires." if expires else f"{_REVOKE}."
        finding = Finding(Level.ERROR, ErrorCode.TOKEN_POLICY, "the old token still works", remedy)
        return check.found(finding, state="still works")
    assert answer.error is not None
    finding = finding_of(answer.error, check.role, stops=False, remedy=_MINT)._replace(level=Level.WARNING)
    return check.found(finding, state="unknown")


def _with_expiry(check: TokenCheck, platform: Platform, policy: Policy, now: datetime) -> TokenCheck:
    from turso_deploy.turso.token_claims import Claims

    expires_at = platform.token_expires_at()
    issued_at = check.claims.issued_at if check.claims else None
    known = Claims(expires_at=expires_at, issued_at=issued_at)
    kept = [finding for finding in check.findings if finding.code is not ErrorCode.TOKEN_POLICY]
    return check._replace(state="works", claims=known, findings=(*kept, *aging(check.role, known, policy, now)))


def _blocked(database: PlatformDatabase) -> Finding:
    what = " and ".join(
        name for name, on in (("block_reads", database.block_reads), ("block_writes", database.block_writes)) if on
    )
    return Finding(
        Level.ERROR,
        ErrorCode.ACCESS_BLOCKED,
        f"the database has {what} on, so that no token works",
        "Remove the block (`turso db config`, or PATCH …/configuration), or check the quota of the plan.",
        stops=True,
    )
