"""Tokens, read offline: form, claims and access. The signature is not checked."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct

from turso_deploy.core.errors import ErrorCode, InputError

_MINT = "Mint a database token with `turso db tokens create <database>` and store it, unchanged, as the secret."
_MINT_API_TOKEN = (
    "Create an API token with `turso auth api-tokens mint <name> --org <organization>` and store it, unchanged, as the "
    "secret for `api-token`."
)
_COPY = "Store the secret again: exactly the token, with nothing around it."

LEEWAY = timedelta(minutes=5)
"""The tolerated difference between the clocks of this machine and of the server."""

READING = frozenset({"data_read"})
"""The fine-grained actions that only read (Turso's manual: fine-grained permissions)."""

_PLATFORM_CLAIMS = frozenset({"scopes", "organization", "org_id", "azp"})


class Claims(Struct, frozen=True):
    """The claims of a database token. An absent claim is None (or empty).

    `access` is `rw`, `ro` or `roa` (read, and attach); `restrictions` are the fine-grained rules (claim `perm`).
    `scopes` are the permissions by namespace of newer sqld (claim `p`), which replace `access` and `database_id`.
    `key_id` names the key that signed the token; it changes when the keys are rotated.
    """

    access: str | None = None
    expires_at: datetime | None = None
    issued_at: datetime | None = None
    not_before: datetime | None = None
    key_id: str | None = None
    database_id: str | None = None
    restrictions: tuple[dict[str, Any], ...] = ()
    scopes: dict[str, Any] | None = None

    @property
    def read_only(self) -> bool:
        """True if the token surely cannot write. A token without any claim has every right (sqld's rule)."""
        if self.scopes is not None:
            return bool(self.scopes) and self.scopes.keys() <= {"ro", "roa"}
        return self.access in ("ro", "roa") or bool(self.restrictions and _actions(self.restrictions) <= READING)

    @property
    def unrestricted_actions(self) -> frozenset[str]:
        """The fine-grained actions that the token allows on every table (a rule without tables is for all)."""
        return _actions([rule for rule in self.restrictions if not rule.get("t")])

    def expired(self, now: datetime) -> bool:
        """Return True if it has expired by more than `LEEWAY`."""
        return self.expires_at is not None and self.expires_at + LEEWAY <= now


def read_claims(token: str) -> Claims:
    """Read the claims of a database token; the signature is not checked.

    Raises InputError (TOKEN_MALFORMED) for every other text; the message repeats no part of it.
    """
    if fault := _copying_fault(token):
        raise _malformed(f"the database token contains {fault}", _COPY)
    segments = token.split(".")
    if len(segments) != 3:
        raise _malformed(f"a database token has three parts separated by dots; this one has {len(segments)}", _MINT)
    header, payload = _json_object(segments[0], "first"), _json_object(segments[1], "second")
    _decoded(segments[2], "third")
    if header.get("alg") != "EdDSA" or not payload.keys().isdisjoint(_PLATFORM_CLAIMS):
        raise _malformed("this is not a database token; it looks like a token of the Turso Platform API", _MINT)
    return _claims(payload)


def read_platform_claims(token: str) -> Claims:
    """Read the claims of a Platform API token: issue and expiry if it is a JWT, nothing otherwise.

    Raises InputError (TOKEN_MALFORMED) for a database token, or one that was stored wrongly.
    """
    if fault := _copying_fault(token):
        raise _malformed(f"the API token contains {fault}", _COPY)
    segments = token.split(".")
    try:
        header, payload = _json_object(segments[0], "first"), _json_object(segments[1], "second")
    except (InputError, IndexError):
        return Claims()
    if header.get("alg") == "EdDSA" and not payload.keys().isdisjoint({"a", "p", "rid"}):
        raise _malformed("this is a database token, not a token of the Turso Platform API", _MINT_API_TOKEN)
    try:
        return Claims(issued_at=_moment(payload.get("iat")), expires_at=_moment(payload.get("exp")))
    except (TypeError, ValueError, OverflowError, OSError):
        return Claims()


def fingerprint(token: str) -> str:
    """Return eight hexadecimal digits that identify a token and reveal nothing about it."""
    return hashlib.sha256(token.encode()).hexdigest()[:8]


def check_access(claims: Claims, *, needs_write: bool, now: datetime) -> None:
    """Raise InputError for an expired token, and for a read-only one if the run writes."""
    if claims.expires_at is not None and claims.expired(now):
        raise InputError(
            ErrorCode.TOKEN_EXPIRED,
            f"the database token expired at {claims.expires_at:%Y-%m-%d %H:%M:%S} UTC",
            hint=_MINT,
        )
    if needs_write and claims.read_only:
        raise InputError(
            ErrorCode.TOKEN_READ_ONLY,
            "the database token is read-only, and a deployment or a dry run writes",
            hint="Use a token with full access for `deploy`, and for `plan` with `dry-run`. A read-only one is enough "
            "for `plan` alone and for `verify`.",
        )


def _actions(rules: Sequence[dict[str, Any]]) -> frozenset[str]:
    return frozenset(action for rule in rules for action in rule.get("a") or ())


def _copying_fault(token: str) -> str | None:
    """Return what copying and pasting added to a secret, in words, or None."""
    if not token.strip():
        return "only white space" if token else "no characters"
    if token != token.rstrip("\r\n"):
        return "a trailing newline"
    if "\n" in token or "\r" in token:
        return "a newline inside"
    if token[0] in "\"'`" or token[-1] in "\"'`":
        return "quotes around it"
    if token[:7].lower() == "bearer ":
        return "the word `Bearer` in front"
    if token != token.strip():
        return "white space around it"
    if any(character.isspace() for character in token):
        return "white space inside"
    if "://" in token:
        return "a URL"
    if "=" in token.rstrip("="):
        return "a `=`, as when `NAME=value` is stored in place of the value"
    if "=" in token:
        return "a `=` at the end: a token has no padding"
    return None


def _json_object(segment: str, which: str) -> dict[str, Any]:
    try:
        value = json.loads(_decoded(segment, which))
    except ValueError:
        raise _malformed(f"the {which} part of the database token is not JSON", _MINT) from None
    if not isinstance(value, dict):
        raise _malformed(f"the {which} part of the database token is not a JSON object", _MINT)
    return value


def _decoded(segment: str, which: str) -> bytes:
    """Base64url without padding: https://www.rfc-editor.org/rfc/rfc7515#section-2."""
    try:
        return base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _malformed(
            f"the {which} part of the database token is not base64url: it was cut or changed", _COPY
        ) from None


def _claims(payload: dict[str, Any]) -> Claims:
    try:
        return Claims(
            access=payload.get("a"),
            expires_at=_moment(payload.get("exp")),
            issued_at=_moment(payload.get("iat")),
            not_before=_moment(payload.get("nbf")),
            key_id=str(payload["kid"]) if "kid" in payload else None,
            database_id=payload.get("id"),
            restrictions=tuple(dict(rule) for rule in payload.get("perm") or ()),
            scopes=dict(payload["p"]) if "p" in payload else None,
        )
    except (TypeError, ValueError, OverflowError, OSError):
        raise _malformed("a claim of the database token has an invalid form", _MINT) from None


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _malformed(message: str, hint: str) -> InputError:
    return InputError(ErrorCode.TOKEN_MALFORMED, message, hint=hint)
