"""Client of GitHub's REST API, and its rate limits, which are waited for."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from turso_deploy.core.errors import ErrorCode, ErrorExplanation
from turso_deploy.http.backoff import Backoff, RetryBudget
from turso_deploy.http.json_api import JsonApi, Reply, error_for_reply

# https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}

_LIMITED = re.compile("rate limit|abuse detection", re.IGNORECASE)
_PAUSE_WITHOUT_HEADERS = 60  # seconds: "at least one minute", same page as `rate_limit_pause`

_REJECTED = ErrorExplanation(
    ErrorCode.API_FORBIDDEN,
    "GitHub does not accept the token",
    "Set `github-token: ${{ github.token }}`; the token of an earlier job is not valid any more.",
)
_LOCKED = ErrorExplanation(
    ErrorCode.API_FORBIDDEN, "the conversation of the pull request is locked", "Unlock it, or leave `comment` out."
)
_NO_ISSUES = ErrorExplanation(
    ErrorCode.API_FORBIDDEN, "the repository has no issues", "Enable them in its settings, or leave `issue` out."
)
_UNKNOWN = ErrorExplanation(ErrorCode.UNEXPECTED_REPLY, "GitHub did not accept the request")


def open_api(token: str, timeout: float, url: str) -> JsonApi:
    """Return a client of the API at `url`; `timeout` is the timeout of one request in seconds.

    Raises InputError for a token or a URL that cannot be used.
    """
    return JsonApi("GitHub's API", url, token, timeout, _HEADERS)


def rate_limit_pause(reply: Reply, now: float) -> float | None:
    """Return the seconds to wait before the next request if a rate limit rejected this one, otherwise None.

    `now` is the time since 1970 in seconds. Source:
    https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#handle-rate-limit-errors-appropriately
    """
    is_exhausted = reply.headers.get("X-RateLimit-Remaining") == "0"
    limited = reply.retry_after is not None or is_exhausted or _LIMITED.search(reply.reason)
    if reply.status != 429 and not (reply.status == 403 and limited):
        return None
    if reply.retry_after is not None:
        return float(reply.retry_after)
    reset = reply.headers.get("X-RateLimit-Reset", "")
    if is_exhausted and reset.isdecimal() and len(reset) < 12:
        return max(0.0, int(reset) - now)
    return float(_PAUSE_WITHOUT_HEADERS)


def call(
    api: JsonApi,
    budget: RetryBudget,
    action: str,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
    permission: str,
) -> Reply:
    """Return the successful reply to a request, after waiting for rate limits as long as the budget lasts.

    `action` names the request in errors, and `permission` what the job needs for it. A request that a rate limit
    rejected was not executed, so it is sent again. Raises PlatformError.
    """
    backoff = Backoff(budget)
    while True:
        reply = api.call(method, path, query=query, body=body)
        if reply.ok:
            return reply
        pause = rate_limit_pause(reply, time.time())
        if pause is None:
            raise error_for_reply(reply, action, _explanation(reply, permission), "GitHub")
        if not backoff.wait(f"{action}: GitHub's rate limit is reached", pause):
            raise error_for_reply(reply, action, _limit(pause), "GitHub")
        backoff.begin()


def _limit(pause: float) -> ErrorExplanation:
    return ErrorExplanation(
        ErrorCode.RATE_LIMITED,
        f"GitHub's rate limit is reached, and the next request is allowed in {pause:,.0f} s",
        "Run the job again later, or set a higher `timeout`, which limits the time that is waited.",
    )


def _explanation(reply: Reply, permission: str) -> ErrorExplanation:
    if reply.status == 401:
        return _REJECTED
    if reply.status == 403 and "locked" in reply.reason.lower():
        return _LOCKED
    if reply.status == 410:  # https://docs.github.com/en/rest/issues/issues
        return _NO_ISSUES
    return _forbidden(permission) if reply.status in (403, 404) else _UNKNOWN


def _forbidden(permission: str) -> ErrorExplanation:
    return ErrorExplanation(
        ErrorCode.API_FORBIDDEN,
        "the token does not have the permission",
        f"Give the job the permission `{permission}`; runs from a fork never have it.",
    )
