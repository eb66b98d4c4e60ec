"""One HTTP request to a server that speaks SQL over HTTP, and one of our errors for all that can go wrong with it.

A request that writes and may have run, although no answer can be read, is a LostReplyError; every other failure is a
DatabaseError. What failed in passing is sent again, unless it writes and may have run.
"""

from __future__ import annotations

import json
from typing import Any

from msgspec import Struct

from turso_deploy.core.errors import DatabaseError, ErrorCode, InputError, LostReplyError
from turso_deploy.database.engine_errors import Explanation
from turso_deploy.database.http_errors import UNREADABLE, refusal, unreadable
from turso_deploy.http.backoff import Backoff, RetryBudget
from turso_deploy.http.connection import TO_SET_UP, HttpClient, TransportError, TransportErrorKind

_HOST_HINT = (
    "Check the host in the database URL, and that this machine may reach it (network, proxy, firewall, allowed IPs)."
)

# Turned away before anything was done. Behind any other status a write may have run: of a stream that it has closed,
# the server says the same after a commit as before it.
_NOT_RUN = frozenset({301, 302, 307, 308, 401, 403, 405, 407, 411, 413, 414, 415, 429, 431})
_NEVER_RUN = frozenset({ErrorCode.TOKEN_REFUSED, ErrorCode.TOKEN_EXPIRED, ErrorCode.DATABASE_NOT_FOUND})

# Turned away for now, or failed on the way: 408, 429, and all that a server or a gateway says of itself.
_PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


class _Failed(Struct, frozen=True):
    """One try without an answer: why, whether the request may have run all the same, and whether it may pass.

    `wait` is how long the server asks to wait, in seconds.
    """

    explanation: Explanation
    may_have_run: bool
    passing: bool
    wait: float = 0


class Transport:
    """Sends pipelines to one server, over a connection that is kept open between them.

    `timeout` is in seconds, for one request from its beginning to the end of its answer.
    """

    def __init__(self, url: str, token: str, timeout: float) -> None:
        if not all("!" <= character <= "~" for character in token):
            raise InputError(
                ErrorCode.TOKEN_MALFORMED,
                "the database token holds characters that no token has",
                hint="Store the secret again: exactly the token, with nothing around it.",
            )
        self._connection = HttpClient(url, token, timeout)
        self._timeout = timeout
        self.requests = 0
        self.patience = RetryBudget(timeout)

    def send(self, pipeline: list[dict[str, Any]], *, writes: bool) -> list[dict[str, Any]]:
        """The results of the pipeline, one for each request in it.

        What surely did not run, or only reads, is sent again while the patience lasts. Raises LostReplyError when it
        `writes` and may have run, and no answer can be read; DatabaseError otherwise.
        """
        retries = Backoff(self.patience)
        body = encoded(pipeline)
        while isinstance(answer := self._try(body, len(pipeline)), _Failed):
            lost = writes and answer.may_have_run
            if lost or not answer.passing or not retries.again(answer.explanation.message, answer.wait):
                raise failed(answer.explanation, lost=lost)
        return answer

    def _try(self, body: bytes, count: int) -> list[dict[str, Any]] | _Failed:
        self.requests += 1
        try:
            answer = self._connection.request("POST", "/v3/pipeline", body)
        except TransportError as error:
            return _Failed(_unanswered(error.trouble, self._timeout), error.sent, error.passing)
        status = answer.status
        if status != 200:
            wait = answer.headers.get("Retry-After", "")
            explanation = refusal(status, answer.text, wait)
            return _Failed(
                explanation,
                may_have_run=status not in _NOT_RUN and explanation.code not in _NEVER_RUN,
                passing=status in _PASSING_STATUSES,
                wait=float(wait) if wait.isdecimal() else 0,
            )
        try:
            results = json.loads(answer.body)["results"]
            if len(results) == count:
                return list(results)
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        explanation = unreadable(answer.text)
        return _Failed(explanation, may_have_run=True, passing=explanation is UNREADABLE)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def encoded(pipeline: list[dict[str, Any]]) -> bytes:
    """The body of the request for a pipeline."""
    return json.dumps({"baton": None, "requests": pipeline}).encode()


def failed(explanation: Explanation, *, lost: bool) -> DatabaseError:
    """The error for a request that failed. `lost` says that it was a write, and may have run."""
    if lost:
        return LostReplyError(explanation.code, explanation.message, hint=explanation.hint, committed=None)
    return DatabaseError(explanation.code, explanation.message, hint=explanation.hint)


def _unanswered(trouble: TransportErrorKind, timeout: float) -> Explanation:
    match trouble:
        case TransportErrorKind.NOT_REACHED_IN_TIME:
            return Explanation(ErrorCode.TIMEOUT, f"the server could not be reached within {timeout:g} s", _HOST_HINT)
        case TransportErrorKind.NOT_ANSWERED_IN_TIME:
            return Explanation(
                ErrorCode.TIMEOUT,
                f"the server did not answer within {timeout:g} s",
                "Give it more time with `timeout`, or run it again when the database is less busy.",
            )
        case TransportErrorKind.UNKNOWN_HOST:
            return _unreachable("the host of the database URL is not known")
        case TransportErrorKind.PROXY:
            return _unreachable("the proxy could not be reached", "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY.")
        case TransportErrorKind.PROXY_REFUSED:
            return _unreachable(
                "the proxy does not lead to the server",
                "Check its user and password in HTTPS_PROXY, and that it may lead to the host of the database.",
            )
        case TransportErrorKind.NO_NAME_SERVER:
            return _unreachable("no name server told the address of the host of the database URL")
        case TransportErrorKind.TOO_LONG:
            return _unreachable(
                "the answer is longer than any that a libSQL server gives",
                "Check that a libSQL server is at the URL, and no proxy between.",
            )
        case TransportErrorKind.UNUSABLE_PROXY:
            return _unreachable(*TO_SET_UP[trouble])
        case TransportErrorKind.NOT_SECURE:
            return _unreachable(
                "no secure connection to the server could be made",
                "Check its certificate; a server on this machine without TLS is http://127.0.0.1:PORT.",
            )
        case TransportErrorKind.NO_AUTHORITIES | TransportErrorKind.UNUSABLE_BUNDLE:
            reason, hint = TO_SET_UP[trouble]
            return _unreachable(f"no secure connection to the server could be made: {reason}", hint)
        case TransportErrorKind.REFUSED:
            return _unreachable("the server does not accept connections")
        case TransportErrorKind.BROKEN:
            return _unreachable("the connection broke before the answer was complete")
        case TransportErrorKind.UNUSABLE_ADDRESS:
            return _unreachable("the request could not be sent")


def _unreachable(message: str, hint: str = _HOST_HINT) -> Explanation:
    return Explanation(ErrorCode.UNREACHABLE, message, hint)
