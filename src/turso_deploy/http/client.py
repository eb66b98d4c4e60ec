"""An HTTP client for one server, on requests: a total deadline, bounded answers, and what of a request was sent.

Requests go to an adapter of requests without its Session, which would follow redirects with the token, send credentials
of `~/.netrc` and keep cookies. A request is never retried here.
"""

from __future__ import annotations

import logging
import re
import time
import zlib
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import requests
from urllib3.exceptions import HTTPError

from turso_deploy import __version__
from turso_deploy.http.adapter import Adapter
from turso_deploy.http.count import count_request
from turso_deploy.http.deadline import Request, current_request
from turso_deploy.http.errors import TransportError, TransportErrorKind
from turso_deploy.http.proxies import proxy_for
from turso_deploy.http.trust import tls_context

_log = logging.getLogger("turso_deploy.http")

_HEADERS = {"User-Agent": f"turso-deploy/{__version__}", "Accept": "*/*", "Accept-Encoding": "gzip"}
_SAFE_IN_PATH = "!$%&'()*+,/:;=?@[]"  # what else a path may hold: https://www.rfc-editor.org/rfc/rfc3986#section-2.2
# The alerts of a server about the certificate of a client, as OpenSSL names them:
# https://www.rfc-editor.org/rfc/rfc8446#section-6.2
_UNACCEPTED_CERTIFICATE = re.compile("ALERT_(CERTIFICATE_|BAD_CERTIFICATE|UNKNOWN_CA|UNSUPPORTED_CERTIFICATE)")
_READ_SIZE = 65_536  # bytes
_MAX_DIGITS = 9
# Far more than a libSQL server answers, and less than a machine can hold: a few compressed bytes can grow to any size.
_MAX_RESPONSE = 64 * 1024 * 1024  # bytes


class Response(NamedTuple):
    """The response of a server. Names of `headers` are found in any case; `body` is decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def retry_after(self) -> int | None:
        """The pause that the server asks for, in whole seconds; None if it asks for none, or for a date."""
        seconds = self.headers.get("Retry-After", "")
        return int(seconds) if seconds.isdecimal() and len(seconds) <= _MAX_DIGITS else None

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
        self._prepared: _Prepared | None = None

    def request(self, method: str, path: str, body: bytes | None = None) -> Response:
        """Return the response to a request, of any status. `body` is JSON. Raises TransportError."""
        count_request()
        begun = time.monotonic()
        current = Request(self._timeout)
        outer = current_request.set(current)
        result = "interrupted"
        try:
            response = self._send(current, method, path, body)
            result = f"HTTP {response.status}, {len(response.body)} bytes"
        except TransportError as error:
            result = error.kind.name.lower().replace("_", " ")
            raise
        finally:
            current_request.reset(outer)
            # A query may hold what is secret.
            _log.debug("%s %s: %s, %.0f ms", method, path.partition("?")[0], result, 1000 * (time.monotonic() - begun))
        return response

    def _send(self, current: Request, method: str, path: str, body: bytes | None) -> Response:
        prepared = self._prepared = self._prepared or _prepare(self._url, self._headers)
        request = prepared.request.copy()
        request.method, request.body = method, body
        request.url = f"{prepared.request.url}{quote(path, safe=_SAFE_IN_PATH)}"
        if body is not None:
            request.headers.update({"Content-Type": "application/json", "Content-Length": str(len(body))})
        try:
            answer = prepared.adapter.send(request, stream=True, proxies=prepared.proxies)
            current.is_sent = True
            try:
                return Response(answer.status_code, answer.headers, _read_body(answer))
            except BaseException:  # an interrupt, too: the rest of an answer must not precede another one
                answer.close()
                raise
        except requests.exceptions.SSLError as error:
            # With TLS 1.3 the request is sent before the server judges the certificate of the client.
            unaccepted = _UNACCEPTED_CERTIFICATE.search(str(error)) is not None
            kind = TransportErrorKind.NO_CERTIFICATE if unaccepted else TransportErrorKind.BROKEN
            raise TransportError(kind, request_sent=True, retryable=not unaccepted) from None
        except (HTTPError, OSError, EOFError, ValueError, zlib.error):  # RequestException is an OSError
            kind = TransportErrorKind.NOT_ANSWERED_IN_TIME if current.is_late else TransportErrorKind.BROKEN
            kind = kind if current.is_sent else TransportErrorKind.UNUSABLE_ADDRESS
            raise TransportError(kind, request_sent=current.is_sent, retryable=current.is_sent) from None

    def close(self) -> None:
        """Close the connection."""
        if self._prepared:
            self._prepared.adapter.close()


class _Prepared(NamedTuple):
    """The common part of all requests to a server: its URL without a path, their headers, and how they are sent."""

    request: requests.PreparedRequest
    proxies: dict[str, str]
    adapter: Adapter


def _prepare(url: str, headers: Mapping[str, str]) -> _Prepared:
    """Find the route to the server at a URL; nothing is sent."""
    request = requests.PreparedRequest()
    try:
        request.prepare_url(url, None)
        request.prepare_headers(headers)
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname or ""
        # The address was judged by what one parser takes for its host: another parser must find the same one in it.
        if scheme not in ("http", "https") or (host.isascii() and host != urlsplit(str(request.url)).hostname):
            raise ValueError
    except ValueError:  # of which every error of requests about a URL or a header is one
        raise TransportError(TransportErrorKind.UNUSABLE_ADDRESS, request_sent=False, retryable=False) from None
    request.url = str(request.url).rstrip("/")
    proxy = proxy_for(request.url)
    has_tls = scheme == "https" or (proxy or "").startswith("https:")
    return _Prepared(request, {scheme: proxy} if proxy else {}, Adapter(tls_context() if has_tls else None))


def _read_body(answer: requests.Response) -> bytes:
    """Return the whole body, decompressed. Raises TransportError if it is too long."""
    source = answer.raw
    if answer.headers.get("Content-Encoding", "").strip().lower() == "gzip":
        from gzip import GzipFile  # few answers are long enough for a server to compress them

        source = GzipFile(fileobj=source, mode="rb")  # urllib3 takes a part of a compressed answer for the whole
    body = bytearray()
    while piece := source.read(_READ_SIZE):
        body += piece
        if len(body) > _MAX_RESPONSE:
            raise TransportError(TransportErrorKind.TOO_LONG, request_sent=True, retryable=False)
    return bytes(body)
