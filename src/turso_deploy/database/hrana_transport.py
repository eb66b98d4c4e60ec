"""The transport of SQL over HTTP: one request to a server, and an error for everything that can go wrong with it.

A request that writes and may have run, although no answer can be read, is a LostReplyError; every other failure is a
DatabaseError. A request that failed for a passing reason is sent again, unless it writes and may have run.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from turso_deploy.core.errors import (
    DatabaseError,
    ErrorCode,
    ErrorExplanation,
    InputError,
    LostReplyError,
    RejectedError,
)
from turso_deploy.database.http_errors import UNREADABLE, explain_response, explain_unreadable
from turso_deploy.http.backoff import Backoff, RetryBudget
from turso_deploy.http.client import HttpClient
from turso_deploy.http.errors import TransportError
from turso_deploy.http.errors import TransportErrorKind as Kind

# Rejected before anything ran. Behind every other status a write may have run: of a stream that it has closed, the
# server says the same after a commit as before it.
_NOT_RUN = frozenset({301, 302, 307, 308, 401, 403, 405, 407, 411, 413, 414, 415, 429, 431})
_NEVER_RUN = frozenset({ErrorCode.TOKEN_REJECTED, ErrorCode.TOKEN_EXPIRED, ErrorCode.DATABASE_NOT_FOUND})

# Rejected for the moment, or failed on the way: 408, 429, and what a server or a gateway reports of itself.
_RETRYABLE_STATUSES = frozenset({408, 429, 500, 502, 503, 504})

_OVERLOADED_STATUSES = frozenset({429, 503})

_HOST_HINT = (
    "Check the host in the database URL, and that this machine may reach it (network, proxy, firewall, allowed IPs)."
)
_NOT_SECURE = "no secure connection to the server could be made"

_UNREACHABLE = {
    Kind.UNKNOWN_HOST: ("the host of the database URL does not exist", _HOST_HINT),
    Kind.NO_NAME_SERVER: ("no name server returned an address for the host of the database URL", _HOST_HINT),
    Kind.REFUSED: ("the server does not accept connections", _HOST_HINT),
    Kind.BROKEN: ("the connection broke before the answer was complete", _HOST_HINT),
    Kind.UNUSABLE_ADDRESS: ("the request could not be sent", _HOST_HINT),
    Kind.NOT_LOOPBACK: (
        "the host of the database URL is a name of this machine, and leads to another one",
        "Plain http would send the token over the network in clear text: use libsql:// or https://.",
    ),
    Kind.PROXY: (
        "the proxy could not be reached",
        "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY, and the certificate of a proxy by https.",
    ),
    Kind.PROXY_REFUSED: (
        "the proxy did not open a connection to the server",
        "Check its user and password in HTTPS_PROXY, and that it may connect to the host of the database.",
    ),
    Kind.TOO_LONG: (
        "the answer is longer than any answer of a libSQL server",
        "Check that the URL leads to a libSQL server, without a proxy in between.",
    ),
    Kind.NOT_SECURE: (
        _NOT_SECURE,
        "Check its certificate; a server on this machine without TLS is http://127.0.0.1:PORT.",
    ),
}


class _FailedAttempt(NamedTuple):
    """An attempt without an answer: the reason, whether the request may have run, and whether a retry may succeed.

    `rejected` means that the server received the request and says that it did not run. `retry_after` is the pause that
    it asks for, in seconds.
    """

    explanation: ErrorExplanation
    may_have_run: bool
    retryable: bool
    retry_after: float = 0
    rejected: bool = False


class Transport:
    """A connection to one server that stays open between pipelines.

    `timeout` is in seconds, for one request from its start to the end of its answer. `host` is the Host header, by
    default the host of the URL. Raises InputError for a token that a header cannot hold.
    """

    def __init__(self, url: str, token: str, timeout: float, retry_budget: RetryBudget, host: str = "") -> None:
        if not all("!" <= character <= "~" for character in token):
            raise InputError(
                ErrorCode.TOKEN_MALFORMED,
                "the database token contains characters that no token has",
                hint="Store the secret again: exactly the token, with nothing around it.",
            )
        self._client = HttpClient(url, token, timeout, {"Host": host} if host else None)
        self._timeout = timeout
        self.requests = 0
        self._baton: str | None = None
        self.retry_budget = retry_budget

    def send(self, pipeline: list[dict[str, Any]], *, writes: bool) -> list[dict[str, Any]]:
        """Return the results of a pipeline, one for each request in it.

        A pipeline that only reads, or that cannot have run, is sent again while the retry budget lasts; once if there
        is no database at the address, which a server also answers while it puts an idle database away. Raises
        LostReplyError if it `writes` and may have run, and no answer can be read; RejectedError if it `writes` and the
        server says that it did not run; DatabaseError otherwise.
        """
        backoff = Backoff(self.retry_budget)
        body = encode_pipeline(pipeline)
        while isinstance(answer := self._attempt(body, len(pipeline)), _FailedAttempt):
            lost = writes and answer.may_have_run
            not_found = answer.explanation.code is ErrorCode.DATABASE_NOT_FOUND
            retryable = backoff.attempts == 1 if not_found else answer.retryable
            if lost or not retryable or not backoff.wait(answer.explanation.message, answer.retry_after):
                if writes and answer.rejected:
                    raise answer.explanation.error(RejectedError)
                raise transport_error(answer.explanation, lost=lost)
        return answer

    def send_in_stream(self, pipeline: list[dict[str, Any]], *, is_first: bool) -> list[dict[str, Any]]:
        """Return the results of a pipeline in the stream of the one before it, which may not be sent again.

        The server names the stream in each answer. Raises DatabaseError.
        """
        answer = self._attempt(encode_pipeline(pipeline, None if is_first else self._baton), len(pipeline))
        if isinstance(answer, _FailedAttempt):
            raise transport_error(answer.explanation, lost=False)
        if self._baton is None and pipeline[-1].get("type") != "close":
            raise transport_error(UNREADABLE, lost=False)
        return answer

    def _attempt(self, body: bytes, count: int) -> list[dict[str, Any]] | _FailedAttempt:
        self.requests += 1
        try:
            response = self._client.request("POST", "/v3/pipeline", body)
        except TransportError as error:
            return _FailedAttempt(_explain_unanswered(error.kind, self._timeout), error.request_sent, error.retryable)
        if response.status != 200:
            if response.status in _OVERLOADED_STATUSES:
                self.retry_budget.overloads += 1
            explanation = explain_response(response.status, response.text, response.retry_after)
            may_have_run = response.status not in _NOT_RUN and explanation.code not in _NEVER_RUN
            return _FailedAttempt(
                explanation,
                may_have_run,
                retryable=response.status in _RETRYABLE_STATUSES,
                retry_after=response.retry_after or 0,
                rejected=not may_have_run,
            )
        try:
            document = json.loads(response.body)
            results = document["results"]
            if len(results) == count:
                self._baton = document.get("baton")
                return list(results)
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        explanation = explain_unreadable(response.text)
        return _FailedAttempt(explanation, may_have_run=True, retryable=explanation is UNREADABLE)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def encode_pipeline(pipeline: list[dict[str, Any]], baton: str | None = None) -> bytes:
    """Return the body of the request for a pipeline; `baton` names the stream of an earlier one."""
    return json.dumps({"baton": baton, "requests": pipeline}).encode()


def transport_error(explanation: ErrorExplanation, *, lost: bool) -> DatabaseError:
    """Return the error for a request that failed. `lost` means that it was a write and may have run."""
    return explanation.error(LostReplyError, committed=None) if lost else explanation.error(DatabaseError)


def _explain_unanswered(kind: Kind, timeout: float) -> ErrorExplanation:
    if kind is Kind.NOT_REACHED_IN_TIME:
        return ErrorExplanation(ErrorCode.TIMEOUT, f"the server could not be reached within {timeout:g} s", _HOST_HINT)
    if kind is Kind.NOT_ANSWERED_IN_TIME:
        return ErrorExplanation(
            ErrorCode.TIMEOUT,
            f"the server did not answer within {timeout:g} s",
            "Increase `timeout`, or run it again when the database is less busy.",
        )
    if kind.setup is not None:
        reason, hint = kind.setup
        message = reason if kind in (Kind.UNUSABLE_PROXY, Kind.NO_SOCKS) else f"{_NOT_SECURE}: {reason}"
        return ErrorExplanation(ErrorCode.UNREACHABLE, message, hint)
    return ErrorExplanation(ErrorCode.UNREACHABLE, *_UNREACHABLE[kind])
