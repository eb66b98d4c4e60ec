"""What the Turso Platform API's refusals mean: by status and words, each as an error with what to do about it.

The statuses: https://docs.turso.tech/api-reference/introduction. A body is `{"error": text}`, and no text is promised.
"""

from __future__ import annotations

from turso_deploy.core.errors import ErrorCode, PlatformError
from turso_deploy.http.json_api import Reply

_MINT_API_TOKEN = (
    "Make an API token with `turso auth api-tokens mint <name> --org <organization>` and store it, unchanged, as the "
    "secret for `api-token`; a database token is not one."
)


def platform_refusal(reply: Reply, doing: str, permission: str) -> PlatformError:
    """The error for a reply that is not a success.

    `doing` says what was asked, as in `minting a token for quiz`; `permission` is the scope that it takes.
    """
    code, meaning, hint = _meaning(reply, permission)
    said = f" It says: {reply.reason}" if reply.reason else ""
    return PlatformError(
        code, f"{doing[:1].upper()}{doing[1:]} failed: {meaning} (HTTP {reply.status}).{said}", hint=hint
    )


def unreadable(doing: str) -> PlatformError:
    """The API said yes, and its answer is not what was asked for."""
    return PlatformError(
        ErrorCode.UNEXPECTED_REPLY,
        f"{doing[:1].upper()}{doing[1:]} failed: the answer of the Turso Platform API cannot be read.",
        hint="Check `api-url` and the proxies between; otherwise this is news about the API: please report it.",
    )


def _meaning(reply: Reply, permission: str) -> tuple[ErrorCode, str, str]:
    words = reply.reason.lower()
    if "delete protection" in words or "delete_protection" in words or "delete-protect" in words:
        return (
            ErrorCode.DELETE_PROTECTED,
            "the database is protected from being deleted",
            "Take the protection off (`turso db config delete-protection disable <database>`), or delete it by hand.",
        )
    if reply.status >= 400 and ("block" in words or "upgrade your plan" in words):
        return (
            ErrorCode.ACCESS_BLOCKED,
            "access is blocked",
            "Look at the quota of the plan (`turso plan show`) and at block_reads and block_writes of the database.",
        )
    match reply.status:
        case 400:
            return ErrorCode.INPUT_INVALID, "the request was not understood", "Check the names and durations given."
        case 401:
            return ErrorCode.API_TOKEN_REFUSED, "the API token is not accepted", _MINT_API_TOKEN
        case 402:
            return (
                ErrorCode.PLAN_LIMIT,
                "the plan of the organization does not cover it",
                "Look at the plan and its bill (`turso plan show`); branches count as databases.",
            )
        case 403:
            return (
                ErrorCode.API_FORBIDDEN,
                "the API token may not do this",
                f"It takes a token with the permission `{permission}`, of a member of exactly this organization, "
                "and from an address that the allow rules let in.",
            )
        case 404:
            return (
                ErrorCode.DATABASE_NOT_FOUND,
                "there is no such database, or no such organization",
                "Compare `organization` and `database` with `turso org list` and `turso db list`; "
                "for a personal account the organization is the user name.",
            )
        case 409 | 422:
            return (
                ErrorCode.NAME_TAKEN,
                "the name is taken, or cannot be used",
                "Delete the database of that name, or give another name.",
            )
        case 429:
            wait = f"Wait {reply.retry_after} seconds" if reply.retry_after is not None else "Wait a while"
            return ErrorCode.RATE_LIMITED, "the API has had too many requests", f"{wait} and run it again."
    if 300 <= reply.status < 400:
        return (
            ErrorCode.UNEXPECTED_REPLY,
            "it answered with a redirect, which is not followed: the token would go along",
            "Check `api-url`.",
        )
    if reply.status in (502, 503):
        return (
            ErrorCode.SERVER_ERROR,
            "the API, or an archived database behind it, is not up",
            "Run it again; an archived database is woken with `turso group unarchive <group>`.",
        )
    if reply.status >= 500:
        return ErrorCode.SERVER_ERROR, "the API failed", "Run it again later; see https://status.turso.tech."
    return ErrorCode.UNEXPECTED_REPLY, "the API answered in an unknown way", "Check `api-url`."
