"""One HTTP request to a server that speaks SQL over HTTP, and one of our errors for all that can go wrong with it.

A request that writes and may have run, although no answer can be read, is a LostReplyError; every other failure is a
DatabaseError. What failed in passing is sent again, unless it writes and may have run.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests
from requests import exceptions
from urllib3 import exceptions as urllib3_exceptions

from turso_deploy import __version__
from turso_deploy.database.failures import Explanation
from turso_deploy.database.refusals import UNREADABLE, refusal, unreadable
from turso_deploy.database.retries import Patience, Retries
from turso_deploy.errors import DatabaseError, ErrorCode, InputError, LostReplyError

_HOST_HINT = (
    "Check the host in the database URL, and that this machine may reach it (network, proxy, firewall, allowed IPs)."
)

_BEFORE_SENDING = (
    exceptions.ConnectTimeout,
    exceptions.ProxyError,
    exceptions.InvalidURL,  # and of a proxy
    urllib3_exceptions.NewConnectionError,  # and when the name is not known
    ssl.SSLCertVerificationError,
)
_NO_TLS_SPOKEN = "WRONG_VERSION_NUMBER"
# Turned away for now, or failed on the way: 408, 429, and all that a server or a gateway says of itself.
_PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class _Failed:
    """One try without an answer: why, whether the request may have run all the same, and whether it may pass.

    `wait` is how long the server asks to wait, in seconds.
    """

    explanation: Explanation
    may_have_run: bool
    passing: bool
    wait: float = 0


class Transport:
    """Sends pipelines to one server, over a connection that is kept open between them.

    `timeout` is in seconds, for connecting and for each wait for the server to say something.
    """

    def __init__(self, url: str, token: str, timeout: float, session: requests.Session | None = None) -> None:
        if not all("!" <= character <= "~" for character in token):
            raise InputError(
                ErrorCode.TOKEN_MALFORMED,
                "the database token holds characters that no token has",
                hint="Store the secret again: exactly the token, with nothing around it.",
            )
        self._endpoint = f"{url}/v3/pipeline"
        self._authentication = _Bearer(token)
        self._timeout = timeout
        self._session = session or requests.Session()
        self.requests = 0
        self.patience = Patience(timeout)

    def send(self, pipeline: list[dict[str, Any]], *, writes: bool) -> list[dict[str, Any]]:
        """The results of the pipeline, one for each request in it.

        What surely did not run, or only reads, is sent again while the patience lasts. Raises LostReplyError when it
        `writes` and may have run, and no answer can be read; DatabaseError otherwise.
        """
        retries = Retries(self.patience)
        body = encoded(pipeline)
        while isinstance(answer := self._try(body, len(pipeline)), _Failed):
            lost = writes and answer.may_have_run
            if lost or not answer.passing or not retries.again(answer.explanation.message, answer.wait):
                raise failed(answer.explanation, lost=lost)
        return answer

    def _try(self, body: bytes, count: int) -> list[dict[str, Any]] | _Failed:
        self.requests += 1
        try:
            response = self._session.post(
                self._endpoint,
                data=body,
                headers={"User-Agent": f"turso-deploy/{__version__}", "Content-Type": "application/json"},
                auth=self._authentication,
                timeout=(self._timeout, self._timeout),
                allow_redirects=False,  # a redirect would carry the token to another host
            )
        except exceptions.RequestException as error:
            return _Failed(_unanswered(error, self._timeout), not _surely_unsent(error), _may_pass(error))
        status = response.status_code
        if status != 200:
            wait = response.headers.get("Retry-After", "")
            return _Failed(
                refusal(status, response.text, wait),
                may_have_run=status == 408 or status >= 500,
                passing=status in _PASSING_STATUSES,
                wait=float(wait) if wait.isdecimal() else 0,
            )
        try:
            results = response.json()["results"]
            if len(results) == count:
                return list(results)
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        explanation = unreadable(response.text)
        return _Failed(explanation, may_have_run=True, passing=explanation is UNREADABLE)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def encoded(pipeline: list[dict[str, Any]]) -> bytes:
    """The body of the request for a pipeline."""
    return json.dumps({"baton": None, "requests": pipeline}).encode()


class _Bearer(requests.auth.AuthBase):
    """Sets the Authorization header itself: a header given in any other way loses to a netrc entry for the host."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def failed(explanation: Explanation, *, lost: bool) -> DatabaseError:
    """The error for a request that failed. `lost` says that it was a write, and may have run."""
    if lost:
        return LostReplyError(explanation.code, explanation.message, hint=explanation.hint, committed=None)
    return DatabaseError(explanation.code, explanation.message, hint=explanation.hint)


def _unanswered(error: exceptions.RequestException, timeout: float) -> Explanation:
    def caused_by(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in _causes(error))

    if caused_by(exceptions.ConnectTimeout):
        return Explanation(ErrorCode.TIMEOUT, f"the server could not be reached within {timeout:g} s", _HOST_HINT)
    if caused_by(exceptions.ReadTimeout, urllib3_exceptions.ReadTimeoutError):
        return Explanation(
            ErrorCode.TIMEOUT,
            f"the server did not answer within {timeout:g} s",
            "Give it more time with `timeout`, or run it again when the database is less busy.",
        )
    if caused_by(urllib3_exceptions.NameResolutionError):
        return Explanation(ErrorCode.UNREACHABLE, "the host of the database URL is not known", _HOST_HINT)
    if caused_by(exceptions.ProxyError):
        return Explanation(
            ErrorCode.UNREACHABLE, "the proxy could not be reached", "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY."
        )
    if caused_by(ssl.SSLError, exceptions.SSLError):
        return Explanation(
            ErrorCode.UNREACHABLE,
            "no secure connection to the server could be made",
            "Check its certificate; a server on this machine without TLS is http://127.0.0.1:PORT.",
        )
    if caused_by(urllib3_exceptions.NewConnectionError):
        return Explanation(ErrorCode.UNREACHABLE, "the server does not accept connections", _HOST_HINT)
    if isinstance(
        error, exceptions.ConnectionError | exceptions.ChunkedEncodingError | exceptions.ContentDecodingError
    ):
        return Explanation(ErrorCode.UNREACHABLE, "the connection broke before the answer was complete", _HOST_HINT)
    return Explanation(ErrorCode.UNREACHABLE, "the request could not be sent", _HOST_HINT)


def _surely_unsent(error: exceptions.RequestException) -> bool:
    """Whether the failure came before the request: no connection was made, or it was not a secure one."""
    return any(
        isinstance(cause, _BEFORE_SENDING)
        or (isinstance(cause, ssl.SSLError) and getattr(cause, "reason", None) == _NO_TLS_SPOKEN)
        for cause in _causes(error)
    )


def _may_pass(error: exceptions.RequestException) -> bool:
    """Whether the same request may be answered a moment later: a wrong certificate or name stays what it is."""
    stays = (ssl.SSLError, exceptions.SSLError, exceptions.InvalidURL, urllib3_exceptions.NameResolutionError)
    return not any(isinstance(cause, stays) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it wraps: requests and urllib3 keep the cause in `args` or in `reason`."""
    yield error
    for inner in (*error.args, getattr(error, "reason", None)):
        if isinstance(inner, BaseException):
            yield from _causes(inner)
