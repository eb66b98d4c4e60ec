"""The rotation policy: findings about a token by its claims, its role and its age; nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

from turso_deploy.core.errors import EXIT_CODE_ORDER, BlockedError, DatabaseError, DeployError, ErrorCode, InputError
from turso_deploy.turso.tokens import MINT_API_TOKEN, check_access, fingerprint, read_claims, read_platform_claims

if TYPE_CHECKING:
    from turso_deploy.turso.token_claims import Claims

Mode = Literal["warn", "enforce", "off"]
_ClaimsState = Literal["malformed", "valid", "expired", "unusable", "wrong token", "wrong database"]
State = Literal[_ClaimsState, "minted", "works", "still works", "blocked", "rejected", "unknown"]
"""Verdict on a token, for a table: by its claims and in comparison with the others; by a request with it."""

_NEEDED_TO_WRITE = frozenset({"data_read", "data_add", "data_update", "schema_add"})
_NEEDED_TO_READ = frozenset({"data_read"})
_MINT_READ_ONLY = "Mint one with `turso db tokens create --read-only <database>` and store it as the secret."
_SWAP = "Swap the two secrets."
_CREATE, _CREATE_READ_ONLY = "`turso db tokens create ", "`turso db tokens create --read-only "

_SEEN_IN_THE_TOKEN = (
    ErrorCode.TOKEN_MALFORMED,
    ErrorCode.TOKEN_EXPIRED,
    ErrorCode.TOKEN_READ_ONLY,
    ErrorCode.TOKEN_MISMATCH,
)


class Role(StrEnum):
    """The purpose of a token; the value is the setting that holds it."""

    DEPLOY = "auth-token"
    APPLICATION = "read-only-auth-token"
    PREVIOUS = "previous-auth-token"
    PLATFORM = "api-token"


_ROTATE = {
    Role.DEPLOY: "Rotate it: `turso-deploy rotate-token`, or mint a new one and store it as the secret.",
    Role.APPLICATION: "Rotate it: `turso-deploy rotate-token --token-access read-only --secret-name NAME`, or mint one "
    "with `turso db tokens create --read-only <database>` and store it as the secret.",
    Role.PLATFORM: MINT_API_TOKEN,
}


class Level(StrEnum):
    """The severity of a finding: a limit is near, or exceeded."""

    WARNING = "warning"
    ERROR = "error"


class Policy(NamedTuple):
    """The maximum age of a token, the time of the warning before its expiry, and the effect of a violation.

    With `off` age and expiry are not checked; a token that is useless for its role is still found.
    """

    max_age: timedelta = timedelta(days=90)
    expiry_warning: timedelta = timedelta(days=14)
    require_expiry: bool = False
    mode: Mode = "warn"


class Finding(NamedTuple):
    """One problem of a token. `stops` is True if the run cannot continue under any policy."""

    level: Level
    code: ErrorCode
    text: str
    remedy: str
    stops: bool = False


class TokenCheck(NamedTuple):
    """The result of checking the token of a role. It holds no part of the token.

    `claims` is None if the token could not be read.
    """

    role: Role
    fingerprint: str
    state: State
    claims: Claims | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def level(self) -> Level | None:
        """The highest level of its findings, or None."""
        return max((finding.level for finding in self.findings), key=list(Level).index, default=None)

    @property
    def access(self) -> Literal["full", "restricted", "read-only", "-"]:
        """The access that it grants, in words."""
        if self.claims is None or self.role is Role.PLATFORM:
            return "-"
        if self.claims.read_only:
            return "read-only"
        return "restricted" if self.claims.restrictions else "full"

    def found(self, *findings: Finding, state: State | None = None) -> TokenCheck:
        """Return the check with more findings, and another state if one is given."""
        return self._replace(findings=(*self.findings, *findings), state=state or self.state)

    def without(self, code: ErrorCode) -> TokenCheck:
        """Return the check without its findings of a code, because another finding says more."""
        return self._replace(findings=tuple(finding for finding in self.findings if finding.code is not code))

    def with_remedy(self, code: ErrorCode, remedy: str) -> TokenCheck:
        """Return the check with another remedy at its findings of a code."""
        return self._replace(
            findings=tuple(
                finding._replace(remedy=remedy) if finding.code is code else finding for finding in self.findings
            )
        )


def check_claims(role: Role, token: str, policy: Policy, now: datetime, *, needs_write: bool = True) -> TokenCheck:
    """Check the claims of a token. `needs_write` is True if the run writes with the deploy token."""
    try:
        claims = read_platform_claims(token) if role is Role.PLATFORM else read_claims(token)
    except InputError as error:
        finding = finding_of(error, role, stops=_is_needed_by_run(role))
        return TokenCheck(role, fingerprint(token), "malformed", None, (finding,))
    state: State = "expired" if claims.expired(now) else "valid"
    check = TokenCheck(role, fingerprint(token), state, claims)
    if role is Role.PREVIOUS:  # the server should reject it, so no finding about it matters
        return check
    usable = _usable(role, claims, now, needs_write=needs_write and role is Role.DEPLOY)
    if usable and usable[0].stops and not claims.expired(now):
        check = check.found(state="unusable")
    return check.found(*usable, *_rights(role, claims, needs_write), *aging(role, claims, policy, now))


def aging(role: Role, claims: Claims, policy: Policy, now: datetime) -> Iterator[Finding]:
    """Yield the findings about age and expiry. An expired token is not a matter of the policy."""
    if policy.mode == "off" or claims.expired(now):
        return
    if claims.issued_at is not None and now - claims.issued_at > policy.max_age:
        age, limit = whole_days(now - claims.issued_at), whole_days(policy.max_age)
        yield _policy_finding(role, Level.ERROR, f"it is {age} old, over `token-max-age` ({limit})")
    if claims.expires_at is not None and claims.expires_at - now <= policy.expiry_warning:
        yield _policy_finding(role, Level.WARNING, f"it expires in {whole_days(claims.expires_at - now)}")
    if claims.expires_at is None and policy.require_expiry:
        yield _policy_finding(role, Level.ERROR, "it never expires, and `token-require-expiry` is on")


def compare_roles(tokens: Mapping[Role, str], checks: Mapping[Role, TokenCheck]) -> dict[Role, TokenCheck]:
    """Add the findings that need a comparison of tokens: swapped roles, and one token in two roles."""
    result = dict(checks)
    deploy, serving, previous = (tokens.get(role) for role in (Role.DEPLOY, Role.APPLICATION, Role.PREVIOUS))

    def add(role: Role, text: str, remedy: str) -> None:
        result[role] = result[role].found(_mismatch(text, remedy), state="wrong token")

    if serving is not None and serving == deploy:
        result[Role.APPLICATION] = result[Role.APPLICATION].without(ErrorCode.TOKEN_MISMATCH)
        add(Role.APPLICATION, "it is the same as the deploy token", _MINT_READ_ONLY)
    elif _swapped(checks):
        swapped = "it can write, and the token in `auth-token` cannot: the two are swapped"
        result[Role.APPLICATION] = result[Role.APPLICATION].without(ErrorCode.TOKEN_MISMATCH)
        add(Role.APPLICATION, swapped, _SWAP)
        result[Role.DEPLOY] = result[Role.DEPLOY].with_remedy(ErrorCode.TOKEN_READ_ONLY, _SWAP)
    if previous is not None and previous == deploy:
        remedy = "Store the new token in the secret for `auth-token`, and the previous one in this secret."
        add(Role.PREVIOUS, "it is the same as the deploy token: there was no rotation", remedy)
    return result


def belongs(check: TokenCheck, database: str, database_id: str) -> TokenCheck:
    """Compare a database token with the id that the platform gives the database of this name."""
    carried = check.claims.database_id if check.claims else None
    if check.role is Role.PREVIOUS or carried is None or carried == database_id:
        return check
    finding = _mismatch(
        f"it belongs to another database than {database}, or was minted before {database} was recreated",
        _for_role(check.role, f"Mint one with {_CREATE}{database}` and store it as the secret."),
        stops=check.role is Role.DEPLOY,
    )
    return check.found(finding, state="wrong database")


def token_error(checks: Mapping[Role, TokenCheck], policy: Policy) -> DeployError | None:
    """Return the error of the checks: a finding that stops the run or, if the policy is enforced, any error.

    Of several it is the one whose exit code precedes.
    """
    found = [(check.role, finding) for check in checks.values() for finding in check.findings]
    found.sort(key=lambda pair: (not pair[1].stops, EXIT_CODE_ORDER.index(_kind(pair[1]).exit_code)))
    for role, finding in found:
        if finding.stops or (finding.level is Level.ERROR and policy.mode == "enforce"):
            return _kind(finding)(finding.code, f"The token in `{role}`: {finding.text}.", hint=finding.remedy)
    return None


def _kind(finding: Finding) -> type[DeployError]:
    if finding.code is ErrorCode.TOKEN_POLICY:
        return BlockedError
    return InputError if finding.code in _SEEN_IN_THE_TOKEN else DatabaseError


def is_due(check: TokenCheck) -> bool:
    """Return True if the token should be rotated now: too old, near its expiry, or without a required expiry."""
    return any(finding.code in (ErrorCode.TOKEN_POLICY, ErrorCode.TOKEN_EXPIRED) for finding in check.findings)


def whole_days(span: timedelta) -> str:
    """Return a time span in words, rounded down: `12 days`, `1 day`, `less than a day`."""
    if span < timedelta(days=1):
        return "less than a day"
    return "1 day" if span.days == 1 else f"{span.days:,} days"


def _usable(role: Role, claims: Claims, now: datetime, *, needs_write: bool) -> list[Finding]:
    """Return the findings that make a token useless under any policy, and the sign of a wrong clock."""
    from turso_deploy.turso.token_claims import LEEWAY  # it is loaded, because there are claims

    try:
        check_access(claims, needs_write=needs_write, now=now)
    except InputError as error:
        return [finding_of(error, role, stops=_is_needed_by_run(role))]
    if claims.not_before is not None and claims.not_before - LEEWAY > now:
        text = f"it is not valid before {claims.not_before:%Y-%m-%d %H:%M} UTC"
        remedy = "Wait until then, or mint another one."
        return [Finding(Level.ERROR, ErrorCode.TOKEN_REJECTED, text, remedy, stops=_is_needed_by_run(role))]
    if claims.issued_at is not None and claims.issued_at - LEEWAY > now:
        text = "it was issued in the future"
        return [Finding(Level.WARNING, ErrorCode.TOKEN_REJECTED, text, "Check the clock of this machine.")]
    return []


def _rights(role: Role, claims: Claims, needs_write: bool) -> list[Finding]:
    """Return the findings about its rights: too many for the application, or too few for a deployment.

    It is not established that servers enforce fine-grained rules, so these findings do not stop a run.
    """
    if role is Role.APPLICATION and not claims.read_only:
        return [_mismatch("it can write, although the application token should only read", _MINT_READ_ONLY)]
    needed = _NEEDED_TO_WRITE if needs_write else _NEEDED_TO_READ
    lacking = sorted(needed - claims.unrestricted_actions) if claims.restrictions and not claims.read_only else []
    if role is Role.DEPLOY and lacking:
        text = f"its rules do not allow {', '.join(lacking)} on every table"
        return [Finding(Level.ERROR, ErrorCode.TOKEN_MISMATCH, text, "Mint one without fine-grained rules.")]
    return []


def _is_needed_by_run(role: Role) -> bool:
    """Return True if the run itself uses the token, and cannot continue without it."""
    return role in (Role.DEPLOY, Role.PLATFORM)


def _swapped(checks: Mapping[Role, TokenCheck]) -> bool:
    read_only = {role: check.claims.read_only for role, check in checks.items() if check.claims}
    return read_only.get(Role.DEPLOY) is True and read_only.get(Role.APPLICATION) is False


def _policy_finding(role: Role, level: Level, text: str) -> Finding:
    return Finding(level, ErrorCode.TOKEN_POLICY, text, _ROTATE[role])


def _mismatch(text: str, remedy: str, *, stops: bool = False) -> Finding:
    return Finding(Level.ERROR, ErrorCode.TOKEN_MISMATCH, text, remedy, stops)


def finding_of(error: DeployError, role: Role, *, stops: bool, remedy: str = "") -> Finding:
    """Return the finding that an error with the token of a role states; `remedy` is for an error without a hint."""
    text = error.message.removesuffix(".")
    return Finding(Level.ERROR, error.code, text, _for_role(role, error.hint or remedy), stops)


def _for_role(role: Role, remedy: str) -> str:
    """Return a remedy with the access that a new token of the role needs."""
    return remedy.replace(_CREATE, _CREATE_READ_ONLY) if role is Role.APPLICATION else remedy
