"""A client for JSON APIs (Turso Platform, GitHub): one request, and its reply or an error.

Nothing is sent twice, no redirect is followed, and text of a reply that could be a secret is never repeated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from turso_deploy.core.errors import ErrorCode, ErrorExplanation, InputError, PlatformError
from turso_deploy.core.text import capitalized
from turso_deploy.core.validation import ValidationError, validate
from turso_deploy.http.client import HttpClient
from turso_deploy.http.errors import TransportError, TransportErrorKind
from turso_deploy.http.proxies import is_loopback

T = TypeVar("T")

_MAX_REASON = 200
# Text that could be a token: three base64url parts, or any other long run without a space.
_SECRET_LIKE = re.compile(r"[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+|[A-Za-z0-9_+/=-]{40,}")


class Reply(NamedTuple):
    """The reply of an API. `document` is its JSON, or None. `retry_after` is in seconds.

    Names of `headers` are found in any case.
    """

    status: int
    document: Any = None
    retry_after: int | None = None
    headers: Mapping[str, str] = MappingProxyType({})

    @property
    def ok(self) -> bool:
        """True if the status is a success."""
        return 200 <= self.status < 300

    @property
    def reason(self) -> str:
        """The reason that the API gives for an error (`error` or `message`), safe to show; empty if it gives none."""
        said = self.document if isinstance(self.document, dict) else {}
        text = " ".join(str(said.get("error") or said.get("message") or "").split())
        shown = "".join(character for character in text if character.isprintable())
        return _SECRET_LIKE.sub("***", shown)[:_MAX_REASON]


class JsonApi:
    """An API at one address, used with a bearer token.

    `name` is its name in errors; `timeout` is in seconds, for a request from its start to the end of its reply.
    Raises InputError if the address is not https (http is for this machine only) or the token cannot be a token.
    """

    def __init__(
        self, name: str, url: str, token: str, timeout: float, headers: Mapping[str, str] | None = None
    ) -> None:
        _require_https(name, url)
        if not token or not all("!" <= character <= "~" for character in token):
            raise InputError(
                ErrorCode.TOKEN_MALFORMED,
                f"The token for {name} is empty, or contains characters that no token has (white space, line breaks).",
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
        """Send one request. `path` consists of segments quoted by `segment`.

        Raises PlatformError (`unreachable`, `timeout`) if no reply came: a request that writes may have run then.
        """
        try:
            answer = self._connection.request(
                method,
                f"{path}?{urlencode(query)}" if query else path,
                None if body is None else json.dumps(body).encode(),
            )
        except TransportError as error:
            raise self._unanswered(error.kind) from None
        return Reply(answer.status, self._document(answer.body), answer.retry_after, answer.headers)

    def read(self, document: Any, model: type[T], action: str) -> T:
        """Return the document of a reply as a model. Raises PlatformError, which names the values that are wrong."""
        try:
            return validate(document, model)
        except ValidationError as error:
            raise self.unreadable(action, error.names) from None

    def unreadable(self, action: str, names: str = "") -> PlatformError:
        """Return the error for a success whose body is not what was asked for; `names` are those of wrong values."""
        return PlatformError(
            ErrorCode.UNEXPECTED_REPLY,
            f"{capitalized(action)} failed: the answer of {self.name} cannot be read{names}.",
            hint="Check its address, and the proxies in between. If they are right, it has changed: please report it.",
        )

    def _unanswered(self, kind: TransportErrorKind) -> PlatformError:
        if kind in (TransportErrorKind.NOT_REACHED_IN_TIME, TransportErrorKind.NOT_ANSWERED_IN_TIME):
            return PlatformError(
                ErrorCode.TIMEOUT,
                f"{self.name} did not answer within {self._timeout:g} s.",
                hint="Run it again, or increase `timeout`.",
            )
        if kind.setup is not None:
            reason, hint = kind.setup
            return PlatformError(ErrorCode.UNREACHABLE, f"{self.name} could not be reached: {reason}.", hint=hint)
        return PlatformError(
            ErrorCode.UNREACHABLE,
            f"{self.name} could not be reached, or the connection broke before the answer.",
            hint="Check that this machine can reach it (network, proxy, firewall), and run it again.",
        )

    def _document(self, body: bytes) -> Any:
        """Return the JSON of a reply, with the token masked in case the server repeats it."""
        try:
            return json.loads(body.replace(self._token.encode(), b"***"))
        except (ValueError, RecursionError):
            return None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def error_for_reply(reply: Reply, action: str, explanation: ErrorExplanation, speaker: str) -> PlatformError:
    """Return the error for a reply that is not a success: the action, the explanation, the status and its reason.

    `action` names the request, as in `minting a token for quiz`; `speaker` is who gives the reason.
    """
    reason = f" {speaker} reports: {reply.reason}" if reply.reason else ""
    return explanation.error(PlatformError, f"{capitalized(action)} failed: {{}} (HTTP {reply.status}).{reason}")


def segment(text: str) -> str:
    """Return a quoted segment of a path, in which a slash or a question mark has no effect."""
    return quote(text, safe="")


def _require_https(name: str, url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets that hold no IPv6 address
        raise InputError(
            ErrorCode.INPUT_INVALID, f"The address of {name} is not a URL.", hint="It starts with https:// and a host."
        ) from None
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return
    raise InputError(
        ErrorCode.INPUT_INVALID,
        f"The address of {name} does not start with https://. The token would be sent in clear text.",
        hint="Plain http is allowed only for servers on this machine.",
    )
