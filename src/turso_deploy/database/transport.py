"""One HTTP request to a server that speaks SQL over HTTP, and one of our errors for all that can go wrong with it.

A request that writes and may have run, although no answer can be read, is a LostReplyError; every other failure is a
DatabaseError. Nothing is sent twice.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import requests
from requests import exceptions
from urllib3 import exceptions as urllib3_exceptions

from turso_deploy import __version__
from turso_deploy.database.failures import Explanation
from turso_deploy.database.refusals import refusal, unreadable
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

    def send(self, pipeline: list[dict[str, Any]], *, writes: bool) -> list[dict[str, Any]]:
        """The results of the pipeline, one for each request in it.

        Raises LostReplyError when it `writes` and may have run, and no answer can be read; DatabaseError otherwise.
        """
        try:
            response = self._session.post(
                self._endpoint,
                json={"baton": None, "requests": pipeline},
                headers={"User-Agent": f"turso-deploy/{__version__}"},
                auth=self._authentication,
                timeout=(self._timeout, self._timeout),
                allow_redirects=False,  # a redirect would carry the token to another host
            )
        except exceptions.RequestException as error:
            raise failed(_unanswered(error, self._timeout), lost=writes and not _surely_unsent(error)) from error
        if response.status_code != 200:
            explanation = refusal(response.status_code, response.text, response.headers.get("Retry-After"))
            raise failed(explanation, lost=writes and (response.status_code == 408 or response.status_code >= 500))
        try:
            results = response.json()["results"]
            if len(results) == len(pipeline):
                return list(results)
        except (ValueError, KeyError, TypeError):
            pass
        raise failed(unreadable(response.text), lost=writes)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


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


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it wraps: requests and urllib3 keep the cause in `args` or in `reason`."""
    yield error
    for inner in (*error.args, getattr(error, "reason", None)):
        if isinstance(inner, BaseException):
            yield from _causes(inner)
