"""Tokens, read offline: form, claims and access. The signature is not checked."""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.core.validation import ValidationError, validate

if TYPE_CHECKING:
    from turso_deploy.turso.token_claims import Claims

RUN_LIFETIME = timedelta(minutes=15)
"""Default lifetime of a token that is minted for a run. A fleet renews it as long as its run lasts."""

_MINT = "Mint a database token with `turso db tokens create <database>` and store it, unchanged, as the secret."
MINT_API_TOKEN = (
    "Create an API token with `turso auth api-tokens mint <name> --org <organization>` and store it, unchanged, as the "
    "secret for `api-token`."
)
_COPY = "Store the secret again: exactly the token, with nothing around it."

_PLATFORM_CLAIMS = frozenset({"scopes", "organization", "org_id", "azp"})


def read_claims(token: str) -> Claims:
    """Read the claims of a database token; the signature is not checked.

    Raises InputError (TOKEN_MALFORMED) for every other text; the message repeats no part of it.
    """
    from turso_deploy.turso.token_claims import Claims

    if fault := _copying_fault(token):
        raise _malformed(f"the database token contains {fault}", _COPY)
    segments = token.split(".")
    if len(segments) != 3:
        raise _malformed(f"a database token has three parts separated by dots; this one has {len(segments)}", _MINT)
    header, payload = _json_object(segments[0], "first"), _json_object(segments[1], "second")
    _decoded(segments[2], "third")
    if header.get("alg") != "EdDSA" or not payload.keys().isdisjoint(_PLATFORM_CLAIMS):
        raise _malformed("this is not a database token; it looks like a token of the Turso Platform API", _MINT)
    try:
        return validate(payload, Claims)
    except ValidationError as error:
        raise _malformed(f"a claim of the database token has an invalid form{error.names}", _MINT) from None


def read_platform_claims(token: str) -> Claims:
    """Read the claims of a Platform API token: issue and expiry if it is a JWT, nothing otherwise.

    Raises InputError (TOKEN_MALFORMED) for a database token, or one that was stored wrongly.
    """
    from turso_deploy.turso.token_claims import Claims

    if fault := _copying_fault(token):
        raise _malformed(f"the API token contains {fault}", _COPY)
    segments = token.split(".")
    try:
        header, payload = _json_object(segments[0], "first"), _json_object(segments[1], "second")
    except (InputError, IndexError):
        return Claims()
    if header.get("alg") == "EdDSA" and not payload.keys().isdisjoint({"a", "p", "rid"}):
        raise _malformed("this is a database token, not a token of the Turso Platform API", MINT_API_TOKEN)
    try:
        return validate({name: payload[name] for name in ("iat", "exp") if name in payload}, Claims)
    except ValidationError:
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
    from pydantic_core import from_json  # unlike `json`, it raises ValueError for deep nesting and lone surrogates

    try:
        value = from_json(_decoded(segment, which))
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


def _malformed(message: str, hint: str) -> InputError:
    return InputError(ErrorCode.TOKEN_MALFORMED, message, hint=hint)
