"""Errors of the Turso Platform API: an error code, a message and a hint for each status.

The statuses: https://docs.turso.tech/api-reference/introduction. A body is `{"error": text}`; its wording is not
promised.
"""

from __future__ import annotations

from turso_deploy.core.errors import ErrorCode, ErrorExplanation
from turso_deploy.core.text import retry_hint
from turso_deploy.http.json_api import Reply

_DELETE_PROTECTED = ErrorExplanation(
    ErrorCode.DELETE_PROTECTED,
    "the database is protected from deletion",
    "Remove the protection (`turso db config delete-protection disable <database>`), or delete the database by hand.",
)
_BLOCKED = ErrorExplanation(
    ErrorCode.ACCESS_BLOCKED,
    "access is blocked",
    "Check the plan's quota (`turso plan show`), and block_reads and block_writes of the database.",
)
_NAME_TAKEN = ErrorExplanation(
    ErrorCode.NAME_TAKEN,
    "the name is taken or not allowed",
    "Delete the database of that name, or choose another name.",
)
_NOT_UP = ErrorExplanation(
    ErrorCode.SERVER_ERROR,
    "the API, or an archived database behind it, is not running",
    "Run it again; wake an archived database with `turso group unarchive <group>`.",
)

EXPLANATIONS = {
    400: ErrorExplanation(
        ErrorCode.INPUT_INVALID, "the API did not accept the request", "Check the names and durations that were given."
    ),
    401: ErrorExplanation(
        ErrorCode.API_TOKEN_REJECTED,
        "the API does not accept the API token",
        "Create an API token with `turso auth api-tokens mint <name> --org <organization>` and store it, unchanged, as "
        "the secret for `api-token`; a database token is not an API token.",
    ),
    402: ErrorExplanation(
        ErrorCode.PLAN_LIMIT,
        "the plan of the organization does not include it",
        "Check the plan and its usage (`turso plan show`); branches count as databases.",
    ),
    403: ErrorExplanation(
        ErrorCode.API_FORBIDDEN,
        "the API token does not have the permission",
        "Use a token with the permission `{permission}`, of a member of exactly this organization, and from an address "
        "that the allow rules accept.",
    ),
    404: ErrorExplanation(
        ErrorCode.DATABASE_NOT_FOUND,
        "the database or the organization does not exist",
        "Compare `organization` and `database` with `turso org list` and `turso db list`; for a personal account the "
        "organization is the user name.",
    ),
    409: _NAME_TAKEN,
    422: _NAME_TAKEN,
    429: ErrorExplanation(ErrorCode.RATE_LIMITED, "the API received too many requests"),
    502: _NOT_UP,
    503: _NOT_UP,
}
"""The statuses with a meaning of their own. 403 takes the permission, and 429 gets its hint from Retry-After."""

_REDIRECT = ErrorExplanation(
    ErrorCode.UNEXPECTED_REPLY,
    "the API answered with a redirect, which is not followed: it would pass the token on",
    "Check `api-url`.",
)
_FAILED = ErrorExplanation(
    ErrorCode.SERVER_ERROR, "the API failed", "Run it again later; see https://status.turso.tech."
)
_UNKNOWN = ErrorExplanation(ErrorCode.UNEXPECTED_REPLY, "the API gave an unknown answer", "Check `api-url`.")


def explain(reply: Reply, permission: str) -> ErrorExplanation:
    """Explain a reply that is not a success. `permission` is the scope that the request takes."""
    found = _found(reply)
    hint = retry_hint(reply.retry_after) if reply.status == 429 else found.hint
    return ErrorExplanation(found.code, found.message, hint.replace("{permission}", permission))


def _found(reply: Reply) -> ErrorExplanation:
    reason = reply.reason.lower()
    if any(words in reason for words in ("delete protection", "delete_protection", "delete-protect")):
        return _DELETE_PROTECTED
    if reply.status >= 400 and ("block" in reason or "upgrade your plan" in reason):
        return _BLOCKED
    if found := EXPLANATIONS.get(reply.status):
        return found
    if 300 <= reply.status < 400:
        return _REDIRECT
    return _FAILED if reply.status >= 500 else _UNKNOWN
