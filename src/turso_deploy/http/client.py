"""An HTTP client for one server, on requests: a total deadline, bounded answers, and what of a request was sent.

A request is never retried here. No redirect is followed: it would carry the token to another host. Credentials of
`~/.netrc` and cookies are never sent.
"""

from __future__ import annotations

import logging
import ssl
import time
import zlib
from collections.abc import Mapping
from gzip import GzipFile
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError

from turso_deploy import __version__
from turso_deploy.http.adapter import Adapter
from turso_deploy.http.deadline import deadline, is_over
from turso_deploy.http.errors import TransportError, TransportErrorKind
from turso_deploy.http.proxies import proxy_for
from turso_deploy.http.trust import tls_context

_log = logging.getLogger("turso_deploy.http")

_HEADERS = {"User-Agent": f"turso-deploy/{__version__}", "Accept": "*/*", "Accept-Encoding": "gzip"}
_SAFE_IN_PATH = "!$%&'()*+,/:;=?@[]"  # what else a path may hold: https://www.rfc-editor.org/rfc/rfc3986#section-2.2
_READ_SIZE = 65_536  # bytes
# Far more than a libSQL server answers, and less than a machine can hold: a few compressed bytes can grow to any size.
_MAX_RESPONSE = 64 * 1024 * 1024  # bytes


class Response(NamedTuple):
    """The response of a server. Names of `headers` are found in any case; `body` is decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 are replaced."""
        return self.body.decode(errors="replace")


class HttpClient:
    """A client for the server at a URL, for one thread at a time. The TLS context is that of all clients.

    The first request opens the connection; a closed one is opened again. The token is sent to this server only; an
    empty one is not sent. `timeout` is in seconds, for a request from its start to the end of its answer.
    """

    def __init__(self, url: str, token: str, timeout: float, headers: Mapping[str, str] | None = None) -> None:
        self._url = url
        self._headers = {**_HEADERS, **(headers or {})}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._timeout = timeout
        self._proxies: dict[str, str] = {}
        self._session: _Session | None = None

    def request(self, method: str, path: str, body: bytes | None = None) -> Response:
        """Return the response to a request, of any status. `body` is JSON. Raises TransportError."""
        begun = time.monotonic()
        result = "interrupted"
        try:
            with deadline(self._timeout):
                response = self._send(method, path, body)
            result = f"HTTP {response.status}, {len(response.body)} bytes"
        except TransportError as error:
            result = error.kind.name.lower().replace("_", " ")
            raise
        finally:  # a query may hold what is secret
            _log.debug("%s %s: %s, %.0f ms", method, path.partition("?")[0], result, 1000 * (time.monotonic() - begun))
        return response

    def _send(self, method: str, path: str, body: bytes | None) -> Response:
        session = self._session or self._open_session()
        request = requests.PreparedRequest()
        request.method, request.url, request.body = method, self._url + quote(path, safe=_SAFE_IN_PATH), body
        request.headers = CaseInsensitiveDict(self._headers)
        if body is not None:
            request.headers.update({"Content-Type": "application/json", "Content-Length": str(len(body))})
        try:
            answer = session.send(request, stream=True, allow_redirects=False, proxies=self._proxies)
            try:
                return Response(answer.status_code, answer.headers, _read_body(answer))
            except BaseException:  # an interrupt, too: the rest of an answer must not precede another one
                answer.close()
                raise
        except (HTTPError, OSError, EOFError, ValueError, zlib.error):  # RequestException is an OSError
            kind = TransportErrorKind.NOT_ANSWERED_IN_TIME if is_over() else TransportErrorKind.BROKEN
            raise TransportError(kind, request_sent=True, retryable=True) from None

    def _open_session(self) -> _Session:
        """Find the route to the server and make the session; nothing is sent."""
        self._url = _ascii_url(self._url)
        scheme = urlsplit(self._url).scheme
        if scheme not in ("http", "https") or not all(map(_is_header, self._headers.values())):
            raise TransportError(TransportErrorKind.UNUSABLE_ADDRESS, request_sent=False, retryable=False)
        proxy = proxy_for(self._url)
        self._proxies = {scheme: proxy} if proxy else {}
        has_tls = scheme == "https" or (proxy or "").startswith("https:")
        self._session = _Session(tls_context() if has_tls else None)
        return self._session

    def close(self) -> None:
        """Close the connection."""
        if self._session:
            self._session.close()


class _Session(requests.Session):
    """A session with one adapter, which follows no redirect."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__()
        self.adapters.clear()
        self.mount("http", Adapter(context))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: requests would read the answer to find the next request."""


def _ascii_url(url: str) -> str:
    """Return a URL whose host is in ASCII, without a slash at the end. Raises TransportError if none can be made."""
    request = requests.PreparedRequest()
    try:
        request.prepare_url(url, None)
    except ValueError:  # every error of requests about a URL is one
        raise TransportError(TransportErrorKind.UNUSABLE_ADDRESS, request_sent=False, retryable=False) from None
    return str(request.url).rstrip("/")


def _is_header(value: str) -> bool:
    """Return True if a value can be sent as one header."""
    return value.isascii() and value.isprintable()


def _read_body(answer: requests.Response) -> bytes:
    """Return the whole body, decompressed. Raises TransportError if it is too long."""
    source = answer.raw
    if answer.headers.get("Content-Encoding", "").strip().lower() == "gzip":
        source = GzipFile(fileobj=source, mode="rb")  # that of urllib3 takes a part for the whole
    body = bytearray()
    while piece := source.read(_READ_SIZE):
        body += piece
        if len(body) > _MAX_RESPONSE:
            raise TransportError(TransportErrorKind.TOO_LONG, request_sent=True, retryable=False)
    return bytes(body)
