"""Answers of a server that are not an answer to the question: by HTTP status and body, in our words.

Three body shapes are known, and none is promised: `{"error"}`, `{"message", "code"}` and plain text. What a body says
tells the cases apart, and is never repeated.
"""

from __future__ import annotations

import json

from turso_deploy.core.errors import ErrorCode
from turso_deploy.database.engine_errors import Explanation, blocked, read_only_token

_MINT = "Mint a token for exactly this database (`turso db tokens create <database>`) and store it as the secret."

# What a gateway before the server says in a page of its own, and means as the server does.
_TOLD_IN_PAGES = frozenset({401, 407, 408, 413, 429})

UNREADABLE = Explanation(
    ErrorCode.UNEXPECTED_REPLY,
    "the answer of the server cannot be read",
    "Check that a libSQL server which speaks SQL over HTTP (version 3) is at the URL, and no proxy between.",
)
"""HTTP 200 with a body that is empty, broken, or no answer to what was asked."""


def refusal(status: int, body: str, retry_after: str | None = None) -> Explanation:
    """What an HTTP status other than 200 means. `retry_after` is the header of that name."""
    said = _words(body)
    if _is_web_page(body) and status not in _TOLD_IN_PAGES and status < 500:
        return web_page(status)
    if status == 401 or (status == 400 and ("JWT" in said or "Unauthorized" in said)):
        return _token_refused(said)
    match status:
        case 403 if "Write permission" in said:
            return read_only_token()
        case 403 if "permission" in said:
            return _token_refused(said)
        case 403:
            return blocked()
        case 404 if "stream" not in said:
            return Explanation(
                ErrorCode.DATABASE_NOT_FOUND,
                "there is no database at this address",
                "Compare the host with `turso db show --url <database>`; a deleted database is not found either.",
            )
        case 407:
            return Explanation(
                ErrorCode.UNREACHABLE,
                "the proxy wants a user and a password",
                "Name them in HTTP_PROXY: http://USER:PASSWORD@HOST:PORT.",
            )
        case 408:
            return Explanation(
                ErrorCode.TIMEOUT,
                "the server gave up on the request, which took too long",
                "Run it again; when it happens again, deploy less at once (fewer seeds).",
            )
        case 413:
            return Explanation(
                ErrorCode.SERVER_ERROR,
                "the server does not take a request of this size",
                "Make the seeds smaller: large data sets are better imported once than deployed.",
            )
        case 429:
            wait = f"Wait {retry_after} seconds" if retry_after and retry_after.isdigit() else "Wait a while"
            return Explanation(
                ErrorCode.RATE_LIMITED, "the server has had too many requests", f"{wait} and run it again."
            )
    if 300 <= status < 400:
        return Explanation(
            ErrorCode.UNEXPECTED_REPLY,
            f"the server answered with a redirect (HTTP {status}), which is not followed: the token would go along",
            "Use the URL that `turso db show --url <database>` prints.",
        )
    if status >= 500:
        return Explanation(
            ErrorCode.SERVER_ERROR,
            f"the server failed (HTTP {status})",
            "Run it again later; an archived database has to be woken first (`turso group unarchive <group>`).",
        )
    return Explanation(
        ErrorCode.UNEXPECTED_REPLY,
        f"the server did not accept the request (HTTP {status})",
        "Check that the URL is the one of a libSQL server that speaks SQL over HTTP, version 3.",
    )


def web_page(status: int) -> Explanation:
    """HTML came back: something else than a libSQL server answers there."""
    return Explanation(
        ErrorCode.UNEXPECTED_REPLY,
        f"a web page came back instead of a database's answer (HTTP {status})",
        "Check the URL: this is a web site, or a proxy that stands between.",
    )


def unreadable(body: str) -> Explanation:
    """HTTP 200, and a body that is no answer to what was asked."""
    return web_page(200) if _is_web_page(body) else UNREADABLE


def _token_refused(said: str) -> Explanation:
    if "expired" in said or "ExpiredSignature" in said:
        return Explanation(ErrorCode.TOKEN_EXPIRED, "the database token has expired", _MINT)
    if "empty JWT" in said or "none given" in said:
        return Explanation(
            ErrorCode.TOKEN_REFUSED,
            "the server wants a token, and none was given",
            "Set auth-token (TURSO_AUTH_TOKEN).",
        )
    if "permission" in said:
        return Explanation(ErrorCode.TOKEN_REFUSED, "the token has no right to this database", _MINT)
    return Explanation(
        ErrorCode.TOKEN_REFUSED,
        "the server does not accept the token",
        f"It is of another database or group, a Platform API token, or from before the keys were rotated. {_MINT}",
    )


def _words(body: str) -> str:
    """What the body says, out of any of its shapes."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return body
    if not isinstance(document, dict):
        return body
    return " ".join(str(document.get(key, "")) for key in ("error", "message", "code"))


def _is_web_page(body: str) -> bool:
    return body.lstrip()[:1] == "<"
