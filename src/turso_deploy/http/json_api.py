"""One JSON request to an HTTP API (the Turso Platform's, GitHub's): a reply, or an error for why there is none.

Nothing is sent twice, no redirect is followed, and no reply's text is repeated that could hold a secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from msgspec import Struct

from turso_deploy.core.errors import ErrorCode, InputError, PlatformError
from turso_deploy.http.connection import TO_SET_UP, HttpClient, TransportError, TransportErrorKind
from turso_deploy.http.proxies import is_loopback

_LONGEST_REASON = 200
# What could be a token: three base64url parts, or any other long run without a space.
_SECRET_LIKE = re.compile(r"[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+|[A-Za-z0-9_+/=-]{40,}")


class Reply(Struct, frozen=True):
    """The answer of an API. `document` is its JSON, or None where there is none. `retry_after` is in seconds."""

    status: int
    document: Any = None
    retry_after: int | None = None

    @property
    def ok(self) -> bool:
        """Whether the API did what it was asked."""
        return 200 <= self.status < 300

    @property
    def reason(self) -> str:
        """What the API says about a refusal (`error` or `message`), fit to be shown; empty when it says nothing."""
        said = self.document if isinstance(self.document, dict) else {}
        text = " ".join(str(said.get("error") or said.get("message") or "").split())
        shown = "".join(character for character in text if character.isprintable())
        return _SECRET_LIKE.sub("***", shown)[:_LONGEST_REASON]


class JsonApi:
    """An API at one address, asked with a bearer token.

    `name` is how errors call it; `timeout` is in seconds, for connecting and for each wait for the server.
    Raises InputError when the address is not https (http is for this machine only) or the token is no token at all.
    """

    def __init__(
        self,
        name: str,
        url: str,
        token: str,
        timeout: float,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        _refuse_clear_text(name, url)
        if not token or not all("!" <= character <= "~" for character in token):
            raise InputError(
                ErrorCode.TOKEN_MALFORMED,
                f"The token for {name} is empty, or holds characters that no token has (white space, line breaks).",
                hint="Store the secret again: exactly the token, with nothing around it.",
            )
        self.name = name
        self.url = url.rstrip("/")
        self._token = token
        self._timeout = timeout
        self._connection = HttpClient(self.url, token, timeout, headers)

    def call(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> Reply:
        """Send one request. `path` is made of segments that `segment` has quoted.

        Raises PlatformError (`unreachable`, `timeout`) when no reply came: a request that writes may have run then.
        """
        try:
            answer = self._connection.request(
                method,
                f"{path}?{urlencode(query)}" if query else path,
                None if body is None else json.dumps(body).encode(),
            )
        except TransportError as error:
            raise self._unanswered(error.trouble) from None
        return Reply(answer.status, self._document(answer.body), _seconds(answer.headers.get("Retry-After")))

    def _unanswered(self, trouble: TransportErrorKind) -> PlatformError:
        if trouble in (TransportErrorKind.NOT_REACHED_IN_TIME, TransportErrorKind.NOT_ANSWERED_IN_TIME):
            return PlatformError(
                ErrorCode.TIMEOUT,
                f"{self.name} did not answer within {self._timeout:g} s.",
                hint="Run it again; give it more time with `timeout`.",
            )
        if trouble in TO_SET_UP:
            reason, hint = TO_SET_UP[trouble]
            return PlatformError(ErrorCode.UNREACHABLE, f"{self.name} could not be reached: {reason}.", hint=hint)
        return PlatformError(
            ErrorCode.UNREACHABLE,
            f"{self.name} could not be reached, or the connection broke before the answer.",
            hint="Check that this machine may reach it (network, proxy, firewall), and run it again.",
        )

    def _document(self, body: bytes) -> Any:
        """The reply's JSON, without the token that it was asked with, should the server say it back."""
        try:
            return json.loads(body.replace(self._token.encode(), b"***"))
        except (ValueError, RecursionError):
            return None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def segment(text: str) -> str:
    """One segment of a path: a slash or a question mark inside must not lead elsewhere."""
    return quote(text, safe="")


def _refuse_clear_text(name: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return
    raise InputError(
        ErrorCode.INPUT_INVALID,
        f"The address of {name} does not start with https://: the token would travel in clear text.",
        hint="Plain http is for servers on this machine.",
    )


def _seconds(header: str | None) -> int | None:
    return int(header) if header and header.isdecimal() else None
