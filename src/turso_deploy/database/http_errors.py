"""Errors of the server's HTTP answers: an error code, a message and a hint for each status and body.

Three shapes of a body are known, and none is promised: `{"error"}`, `{"message", "code"}` and plain text. The text of a
body tells the cases apart and is never repeated.
"""

from __future__ import annotations

import json

from turso_deploy.core.errors import ErrorCode, ErrorExplanation
from turso_deploy.core.text import retry_hint
from turso_deploy.database.engine_errors import BLOCKED, READ_ONLY_TOKEN

_MINT = (
    "Mint a token for exactly this database (on Turso Cloud `turso db tokens create <database>`) and store it as the "
    "secret."
)

UNREADABLE = ErrorExplanation(
    ErrorCode.UNEXPECTED_REPLY,
    "the answer of the server cannot be read",
    "Check that the URL leads to a libSQL server that speaks SQL over HTTP (version 3), without a proxy in between.",
)
"""HTTP 200 with a body that is empty, cut off, or not the answer to the request."""

EXPLANATIONS = {
    404: ErrorExplanation(
        ErrorCode.DATABASE_NOT_FOUND,
        "there is no database at this address",
        "Check the host; for Turso Cloud `turso db show --url <database>` prints it. A deleted database is not found "
        "either.",
    ),
    407: ErrorExplanation(
        ErrorCode.UNREACHABLE,
        "the proxy asks for a user and a password",
        "Add them to HTTP_PROXY: http://USER:PASSWORD@HOST:PORT.",
    ),
    408: ErrorExplanation(
        ErrorCode.TIMEOUT,
        "the server gave up the request, which took too long",
        "Run it again; if that fails too, deploy less at once (fewer seeds).",
    ),
    413: ErrorExplanation(
        ErrorCode.SERVER_ERROR,
        "the server does not accept a request of this size",
        "Make the seeds smaller, or import large data sets once instead of deploying them.",
    ),
    429: ErrorExplanation(ErrorCode.RATE_LIMITED, "the server received too many requests"),
}
"""The statuses whose meaning does not depend on the body. 429 gets its hint from the header Retry-After."""

# A gateway in front of the server sends these with a web page of its own, and means what the server means by them.
_SENT_BY_GATEWAYS = frozenset({401, 407, 408, 413, 429})


def explain_response(status: int, body: str, retry_after: int | None = None) -> ErrorExplanation:
    """Explain an HTTP status other than 200. `retry_after` is in seconds."""
    text = _error_text(body)
    if _is_web_page(body) and status not in _SENT_BY_GATEWAYS and status < 500:
        return _web_page(status)
    if status == 401 or (status == 400 and ("JWT" in text or "Unauthorized" in text)):
        return _rejected_token(text)
    if status == 403:
        if "Write permission" in text:
            return READ_ONLY_TOKEN
        return _rejected_token(text) if "permission" in text else BLOCKED
    if status == 429:
        found = EXPLANATIONS[status]
        return ErrorExplanation(found.code, found.message, retry_hint(retry_after))
    if status in EXPLANATIONS and not (status == 404 and "stream" in text):
        return EXPLANATIONS[status]
    return _by_class(status)


def explain_unreadable(body: str) -> ErrorExplanation:
    """Explain HTTP 200 with a body that is not the answer to the request."""
    return _web_page(200) if _is_web_page(body) else UNREADABLE


def _by_class(status: int) -> ErrorExplanation:
    if 300 <= status < 400:
        return ErrorExplanation(
            ErrorCode.UNEXPECTED_REPLY,
            f"the server answered with a redirect (HTTP {status}), which is not followed: it would pass the token on",
            "Use the URL of the server itself; for Turso Cloud `turso db show --url <database>` prints it.",
        )
    if status >= 500:
        return ErrorExplanation(
            ErrorCode.SERVER_ERROR,
            f"the server failed (HTTP {status})",
            "Run it again later; on Turso Cloud wake an archived database first (`turso group unarchive <group>`).",
        )
    return ErrorExplanation(
        ErrorCode.UNEXPECTED_REPLY,
        f"the server did not accept the request (HTTP {status})",
        "Check that the URL leads to a libSQL server that speaks SQL over HTTP, version 3.",
    )


def _web_page(status: int) -> ErrorExplanation:
    return ErrorExplanation(
        ErrorCode.UNEXPECTED_REPLY,
        f"the answer is a web page instead of a database's answer (HTTP {status})",
        "Check the URL: it leads to a web site, or to a proxy in between.",
    )


def _rejected_token(text: str) -> ErrorExplanation:
    if "expired" in text or "ExpiredSignature" in text:
        return ErrorExplanation(ErrorCode.TOKEN_EXPIRED, "the database token has expired", _MINT)
    if "empty JWT" in text or "none given" in text:
        return ErrorExplanation(
            ErrorCode.TOKEN_REJECTED,
            "the server requires a token, and none was given",
            "Set auth-token (TURSO_AUTH_TOKEN).",
        )
    if "permission" in text:
        return ErrorExplanation(ErrorCode.TOKEN_REJECTED, "the token grants no access to this database", _MINT)
    return ErrorExplanation(
        ErrorCode.TOKEN_REJECTED,
        "the server does not accept the token",
        "It belongs to another database or group, is a Platform API token, or was minted before the keys were "
        f"rotated. {_MINT}",
    )


def _error_text(body: str) -> str:
    """Return the `error`, `message` and `code` of a JSON body, joined as one text; any other body as it is."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return body
    if not isinstance(document, dict):
        return body
    return " ".join(str(document.get(key, "")) for key in ("error", "message", "code"))


def _is_web_page(body: str) -> bool:
    return body.lstrip()[:1] == "<"
