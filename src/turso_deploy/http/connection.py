"""An HTTP client for one server, with a kept connection, a total deadline, proxies and the trusted authorities.

A request is never retried here. A failure before the first byte of the body means that the server cannot have executed
it. No redirect is followed: it would carry the token to another host.
"""

from __future__ import annotations

import re
import selectors
import socket
import ssl
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum, auto
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from msgspec import Struct

from turso_deploy import __version__
from turso_deploy.http import proxies, trust
from turso_deploy.http.deadline import Deadline

if TYPE_CHECKING:
    from email.message import Message
    from gzip import GzipFile

_HEADERS = {"User-Agent": f"turso-deploy/{__version__}", "Accept": "*/*", "Accept-Encoding": "gzip"}
_PORTS = {"http": 80, "https": 443}
_SAFE_IN_PATH = "!$%&'()*+,/:;=?@[]"  # what else a path may hold: https://www.rfc-editor.org/rfc/rfc3986#section-2.2
# Some servers require Content-Length: 0: https://www.rfc-editor.org/rfc/rfc9110#section-8.6
_METHODS_WITH_BODY = ("POST", "PUT", "PATCH")
_READ_SIZE = 65_536  # bytes
_SEND_SIZE = 262_144  # bytes
# The message of http.client for a proxy's answer; it does not pass on the answer itself.
_REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: (\d+)")
# Far more than a libSQL server answers, and less than a machine can hold: a few compressed bytes can grow to any size.
_MAX_RESPONSE = 64 * 1024 * 1024  # bytes


class Response(Struct, frozen=True):
    """The response of a server. Names of `headers` are found in any case; `body` is decompressed."""

    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 are replaced."""
        return self.body.decode(errors="replace")


class TransportErrorKind(Enum):
    """The reason for which a request got no answer."""

    NOT_REACHED_IN_TIME = auto()
    NOT_ANSWERED_IN_TIME = auto()
    UNKNOWN_HOST = auto()
    NO_NAME_SERVER = auto()
    REFUSED = auto()
    PROXY = auto()
    PROXY_REFUSED = auto()
    UNUSABLE_PROXY = auto()
    NOT_SECURE = auto()
    NO_AUTHORITIES = auto()
    UNUSABLE_BUNDLE = auto()
    UNUSABLE_ADDRESS = auto()
    TOO_LONG = auto()
    BROKEN = auto()

    @property
    def setup(self) -> tuple[str, str] | None:
        """The fault in the set-up of this machine and the hint to correct it; None for every other kind."""
        return _SETUP_FAULTS.get(self)


_SETUP_FAULTS = {
    TransportErrorKind.UNUSABLE_PROXY: proxies.UNUSABLE,
    TransportErrorKind.NO_AUTHORITIES: trust.NO_AUTHORITIES,
    TransportErrorKind.UNUSABLE_BUNDLE: trust.UNUSABLE,
}


class TransportError(Exception):
    """A request without a complete answer; the message repeats nothing of the request.

    `request_sent` is True if the server may have received the request: the sending of its body, or of its head if it
    has none, had begun. `retryable` is True if the same request may succeed a moment later.
    """

    def __init__(self, kind: TransportErrorKind, *, request_sent: bool, retryable: bool) -> None:
        super().__init__(kind.name)
        self.kind = kind
        self.request_sent = request_sent
        self.retryable = retryable


class HttpClient:
    """A client for the server at a URL. The first request opens the connection; a closed one is opened again.

    The token is sent to this server only; an empty one is not sent. `timeout` is in seconds, for a request from its
    start to the end of its answer.
    """

    def __init__(self, url: str, token: str, timeout: float, headers: Mapping[str, str] | None = None) -> None:
        self._url = url
        self._headers = {**_HEADERS, **(headers or {})}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._deadline = Deadline(timeout)
        self._route: _Route | None = None

    def request(self, method: str, path: str, body: bytes | None = None) -> Response:
        """Return the response to a request, of any status. `body` is JSON. Raises TransportError."""
        self._deadline.restart()
        self._route = self._route or _route_to(self._url, self._deadline)
        line = self._route.line
        try:
            if not line.sock or _is_stale(line.sock):
                line.close()
                _connect(self._route)
            _put_head(line, method, self._route.base + path, self._route.headers | self._headers, body)
            _send(line, body, self._deadline)
            return _read_response(line)
        except BaseException:  # an interrupt, too: half of a request must not precede another one
            line.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        if self._route:
            self._route.line.close()


class _Route(Struct, frozen=True):
    """The route to a server: a socket to `host`, or to a proxy in front of it.

    `base` precedes each path, and `headers` accompany each request.
    """

    line: HTTPConnection
    host: str
    base: str
    headers: dict[str, str]
    by_proxy: bool
    tls_context: ssl.SSLContext | None
    deadline: Deadline


class _FinalResponse(HTTPResponse):
    """The final response: Python skips only "100 Continue", and other interim responses may precede it.

    It is read until the deadline.
    """

    def __init__(self, line: socket.socket, *arguments: Any, deadline: Deadline, **keywords: Any) -> None:
        super().__init__(line, *arguments, **keywords)
        self.fp.close()
        self.fp = deadline.reader(line)

    def begin(self) -> None:
        super().begin()
        while 100 <= self.status < 200:
            self.headers = None  # type: ignore[assignment]  # the sign for http.client that it has to read on
            super().begin()


def _route_to(url: str, deadline: Deadline) -> _Route:
    with _error_as(TransportErrorKind.UNUSABLE_ADDRESS):
        parts = urlsplit(url)
        host, usual_port = _ascii_host(parts.hostname or ""), _PORTS[parts.scheme]
        port = usual_port if parts.port is None else parts.port
        line = HTTPConnection(host, port)
    with _error_as(TransportErrorKind.UNUSABLE_PROXY):
        proxy = proxies.proxy_for(parts)
        line = HTTPConnection(proxy.host, proxy.port) if proxy else line
    line.response_class = partial(_FinalResponse, deadline=deadline)  # type: ignore[assignment]
    bracketed = f"[{host}]" if ":" in host else host
    authority = bracketed if port == usual_port else f"{bracketed}:{port}"
    base, headers = parts.path, {"Host": authority}
    tls_context = None
    if parts.scheme == "https":
        with _error_as(TransportErrorKind.UNUSABLE_BUNDLE):
            tls_context = trust.tls_context()
    if proxy and tls_context:
        line.set_tunnel(bracketed, port, {"Host": f"{bracketed}:{port}", **proxy.headers})
    elif proxy:
        base, headers = f"http://{authority}{base}", headers | proxy.headers
    return _Route(line, host, base, headers, proxy is not None, tls_context, deadline)


def _is_stale(line: socket.socket) -> bool:
    """Return True if the server closed a kept connection, or sent something unrequested on it."""
    with selectors.DefaultSelector() as selector:
        selector.register(line, selectors.EVENT_READ)
        return bool(selector.select(0))


def _connect(route: _Route) -> None:
    """Connect to the server, through the proxy if there is one, and start TLS if the URL asks for it."""
    try:
        route.line.timeout = route.deadline.left()
        route.line.connect()
    except (OSError, HTTPException, ValueError) as error:
        if refused := _REFUSED_TUNNEL.match(str(error)):
            passing = refused[1] in ("429", "502", "503", "504")
            raise TransportError(TransportErrorKind.PROXY_REFUSED, request_sent=False, retryable=passing) from None
        unknown = isinstance(error, socket.gaierror) and error.errno != socket.EAI_AGAIN
        lasting = unknown or isinstance(error, ValueError)  # a wrong name stays wrong
        kind = TransportErrorKind.PROXY if route.by_proxy else _connect_error_kind(error)
        raise TransportError(kind, request_sent=False, retryable=not lasting) from None
    if route.tls_context:
        _start_tls(route, route.tls_context)


def _connect_error_kind(error: Exception) -> TransportErrorKind:
    match error:
        case socket.gaierror(errno=socket.EAI_AGAIN):
            return TransportErrorKind.NO_NAME_SERVER
        case socket.gaierror():
            return TransportErrorKind.UNKNOWN_HOST
        case TimeoutError():
            return TransportErrorKind.NOT_REACHED_IN_TIME
        case OSError():
            return TransportErrorKind.REFUSED
        case _:
            return TransportErrorKind.UNUSABLE_ADDRESS


def _start_tls(route: _Route, tls_context: ssl.SSLContext) -> None:
    with _broken(TransportErrorKind.NOT_REACHED_IN_TIME, request_sent=False):
        try:
            route.line.sock.settimeout(route.deadline.left())
            route.line.sock = tls_context.wrap_socket(route.line.sock, server_hostname=route.host.rstrip("."))
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):  # the server left, as one does that restarts
            raise TransportError(TransportErrorKind.BROKEN, request_sent=False, retryable=True) from None
        except ssl.SSLError as error:
            unverified = isinstance(error, ssl.SSLCertVerificationError)
            no_authorities = unverified and trust.has_no_authorities(tls_context)
            kind = TransportErrorKind.NO_AUTHORITIES if no_authorities else TransportErrorKind.NOT_SECURE
            raise TransportError(kind, request_sent=False, retryable=False) from None


def _put_head(line: HTTPConnection, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> None:
    """Prepare the head of a request. Nothing is sent yet; a value that would be more than one header is an error."""
    with _error_as(TransportErrorKind.UNUSABLE_ADDRESS):
        line.putrequest(method, quote(target, safe=_SAFE_IN_PATH), skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            line.putheader(name, value)
        if body is not None:
            line.putheader("Content-Type", "application/json")
        if body is not None or method in _METHODS_WITH_BODY:
            line.putheader("Content-Length", len(body or b""))


def _send(line: HTTPConnection, body: bytes | None, deadline: Deadline) -> None:
    """Send the head, then the body: a server cannot execute a request before it has received the body."""
    with _broken(TransportErrorKind.NOT_ANSWERED_IN_TIME, request_sent=not body):
        line.sock.settimeout(deadline.left())
        line.endheaders()
    # A server may answer, and close the connection, before it has read everything.
    early = suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError)
    with _broken(TransportErrorKind.NOT_ANSWERED_IN_TIME, request_sent=True), early:
        for start in range(0, len(body or b""), _SEND_SIZE):
            line.sock.settimeout(deadline.left())
            line.send(memoryview(body or b"")[start : start + _SEND_SIZE])


def _read_response(line: HTTPConnection) -> Response:
    with _broken(TransportErrorKind.NOT_ANSWERED_IN_TIME, request_sent=True), line.getresponse() as response:
        return Response(response.status, response.headers, _decompressed(response))


def _decompressed(response: HTTPResponse) -> bytes:
    source: HTTPResponse | GzipFile = response
    if response.headers.get("Content-Encoding", "").strip().lower() == "gzip":
        from gzip import GzipFile  # few answers are long enough for a server to compress them

        source = GzipFile(fileobj=response, mode="rb")
    body = bytearray()
    while piece := source.read(_READ_SIZE):
        body += piece
        if len(body) > _MAX_RESPONSE:
            raise TransportError(TransportErrorKind.TOO_LONG, request_sent=True, retryable=False)
    if response.length:
        raise IncompleteRead(b"", response.length)
    return bytes(body)


@contextmanager
def _broken(timeout_kind: TransportErrorKind, *, request_sent: bool) -> Iterator[None]:
    """Turn every failure of the connection into a TransportError, a timeout into one of `timeout_kind`."""
    try:
        yield
    except TimeoutError:
        raise TransportError(timeout_kind, request_sent=request_sent, retryable=True) from None
    except (OSError, HTTPException, EOFError, ValueError, zlib.error):
        raise TransportError(TransportErrorKind.BROKEN, request_sent=request_sent, retryable=True) from None


@contextmanager
def _error_as(kind: TransportErrorKind) -> Iterator[None]:
    """Turn a value that no request can hold into a TransportError, before anything is sent."""
    try:
        yield
    except (KeyError, ValueError, HTTPException):  # of which http.client.InvalidURL is one
        raise TransportError(kind, request_sent=False, retryable=False) from None


def _ascii_host(host: str) -> str:
    """Return the host name as name servers know it: https://www.rfc-editor.org/rfc/rfc3490.

    Raises ValueError for an empty name, and for characters that this standard and its successor encode differently:
    they would lead to two hosts.
    """
    name = host if host.isascii() else host.encode("idna").decode()
    if not name or (name != host and name.encode().decode("idna") != host):
        raise ValueError
    return name
