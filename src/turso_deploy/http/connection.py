"""HTTP with one server, over a connection that is kept: by the proxy and under the authorities that the machine names.

Every request is sent once, and known to have run nowhere before its body was begun to be sent. No redirect is followed:
it would carry the token to another host.
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
_OF_A_PATH = "!$%&'()*+,/:;=?@[]"  # what else it may hold: https://www.rfc-editor.org/rfc/rfc3986#section-2.2
# Some servers want to be told that nothing follows: https://www.rfc-editor.org/rfc/rfc9110#section-8.6
_USUALLY_WITH_A_BODY = ("POST", "PUT", "PATCH")
_PIECE = 65_536  # bytes
_SENT_AT_ONCE = 262_144  # bytes
# What http.client says of a proxy's answer, which it keeps to itself.
_REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: (\d+)")
# Far more than a libSQL server ever answers, and no more than a machine can hold: a few bytes can unpack to any size.
_LONGEST_ANSWER = 64 * 1024 * 1024  # bytes


class Response(Struct, frozen=True):
    """What a server answers. The names of `headers` are found in any case; `body` is decompressed."""

    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, where what is not UTF-8 is replaced."""
        return self.body.decode(errors="replace")


class TransportErrorKind(Enum):
    """Why there is no answer."""

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


TO_SET_UP = {
    TransportErrorKind.UNUSABLE_PROXY: proxies.UNUSABLE,
    TransportErrorKind.NO_AUTHORITIES: trust.NONE_KNOWN,
    TransportErrorKind.UNUSABLE_BUNDLE: trust.UNUSABLE,
}
"""The troubles that are this machine's own: what is wrong with it, and what to do about it."""


class TransportError(Exception):
    """No answer came, or only a part of one; the message repeats nothing of the request.

    `sent` is whether the server may have got the request: its body, or else its head, was begun to be sent.
    `passing` is whether the same request may be answered a moment later.
    """

    def __init__(self, trouble: TransportErrorKind, *, sent: bool, passing: bool) -> None:
        super().__init__(trouble.name)
        self.trouble = trouble
        self.sent = sent
        self.passing = passing


class HttpClient:
    """A connection to the server at a URL, which is opened by the first request, and opened anew when it was closed.

    The token is sent to this server only; an empty one is not sent. `timeout` is in seconds, for a request from its
    beginning to the end of its answer.
    """

    def __init__(self, url: str, token: str, timeout: float, headers: Mapping[str, str] | None = None) -> None:
        self._url = url
        self._headers = {**_HEADERS, **(headers or {})}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._deadline = Deadline(timeout)
        self._way: _Route | None = None

    def request(self, method: str, path: str, body: bytes | None = None) -> Response:
        """The answer to a request, whatever its status. `body` is JSON. Raises NoAnswerError."""
        self._deadline.restart()
        self._way = self._way or _way_to(self._url, self._deadline)
        line = self._way.line
        try:
            if not line.sock or _has_ended(line.sock):
                line.close()
                _connect(self._way)
            _write_head(line, method, self._way.base + path, self._way.headers | self._headers, body)
            _send(line, body, self._deadline)
            return _answer(line)
        except BaseException:  # an interrupt, too: what is half said belongs to no other request
            line.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        if self._way:
            self._way.line.close()


class _Route(Struct, frozen=True):
    """The way to a server: the line is open to `host`, or to a proxy that asks it.

    `base` comes before each path, and `headers` go with each request.
    """

    line: HTTPConnection
    host: str
    base: str
    headers: dict[str, str]
    by_proxy: bool
    verifier: ssl.SSLContext | None
    deadline: Deadline


class _FinalResponse(HTTPResponse):
    """The response that is meant: Python passes over "100 Continue" only, and other interim ones may come before it.

    It is read until the deadline.
    """

    def __init__(self, line: socket.socket, *arguments: Any, deadline: Deadline, **keywords: Any) -> None:
        super().__init__(line, *arguments, **keywords)
        self.fp.close()
        self.fp = deadline.reader(line)

    def begin(self) -> None:
        super().begin()
        while 100 <= self.status < 200:
            self.headers = None  # type: ignore[assignment]  # which is how it knows that there is more to read
            super().begin()


def _way_to(url: str, deadline: Deadline) -> _Route:
    with _refused_as(TransportErrorKind.UNUSABLE_ADDRESS):
        parts = urlsplit(url)
        host, usual_port = _in_ascii(parts.hostname or ""), _PORTS[parts.scheme]
        port = usual_port if parts.port is None else parts.port
        line = HTTPConnection(host, port)
    with _refused_as(TransportErrorKind.UNUSABLE_PROXY):
        proxy = proxies.proxy_for(parts)
        line = HTTPConnection(proxy.host, proxy.port) if proxy else line
    line.response_class = partial(_FinalResponse, deadline=deadline)  # type: ignore[assignment]
    bracketed = f"[{host}]" if ":" in host else host
    authority = bracketed if port == usual_port else f"{bracketed}:{port}"
    base, headers = parts.path, {"Host": authority}
    verifier = None
    if parts.scheme == "https":
        with _refused_as(TransportErrorKind.UNUSABLE_BUNDLE):
            verifier = trust.verifier()
    if proxy and verifier:
        line.set_tunnel(bracketed, port, {"Host": f"{bracketed}:{port}", **proxy.headers})
    elif proxy:
        base, headers = f"http://{authority}{base}", headers | proxy.headers
    return _Route(line, host, base, headers, proxy is not None, verifier, deadline)


def _has_ended(line: socket.socket) -> bool:
    """Whether the server closed a line that was kept, or says on it what nobody asked for."""
    with selectors.DefaultSelector() as selector:
        selector.register(line, selectors.EVENT_READ)
        return bool(selector.select(0))


def _connect(way: _Route) -> None:
    """Open the line to the server, through the proxy if there is one, and secure it if that is wanted."""
    try:
        way.line.timeout = way.deadline.left()
        way.line.connect()
    except (OSError, HTTPException, ValueError) as error:
        if refused := _REFUSED_TUNNEL.match(str(error)):
            passing = refused[1] in ("429", "502", "503", "504")
            raise TransportError(TransportErrorKind.PROXY_REFUSED, sent=False, passing=passing) from None
        unknown = isinstance(error, socket.gaierror) and error.errno != socket.EAI_AGAIN
        lasting = unknown or isinstance(error, ValueError)  # a wrong name stays what it is
        trouble = TransportErrorKind.PROXY if way.by_proxy else _why_not_reached(error)
        raise TransportError(trouble, sent=False, passing=not lasting) from None
    if way.verifier:
        _secure(way, way.verifier)


def _why_not_reached(error: Exception) -> TransportErrorKind:
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


def _secure(way: _Route, verifier: ssl.SSLContext) -> None:
    with _broken(TransportErrorKind.NOT_REACHED_IN_TIME, sent=False):
        try:
            way.line.sock.settimeout(way.deadline.left())
            way.line.sock = verifier.wrap_socket(way.line.sock, server_hostname=way.host.rstrip("."))
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):  # it went away, as a server does that starts again
            raise TransportError(TransportErrorKind.BROKEN, sent=False, passing=True) from None
        except ssl.SSLError as error:
            unverified = isinstance(error, ssl.SSLCertVerificationError)
            nobody = unverified and trust.none_known(verifier)
            trouble = TransportErrorKind.NO_AUTHORITIES if nobody else TransportErrorKind.NOT_SECURE
            raise TransportError(trouble, sent=False, passing=False) from None


def _write_head(line: HTTPConnection, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> None:
    """Write down what goes before the body. Nothing is sent: what would be more than one header is refused."""
    with _refused_as(TransportErrorKind.UNUSABLE_ADDRESS):
        line.putrequest(method, quote(target, safe=_OF_A_PATH), skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            line.putheader(name, value)
        if body is not None:
            line.putheader("Content-Type", "application/json")
        if body is not None or method in _USUALLY_WITH_A_BODY:
            line.putheader("Content-Length", len(body or b""))


def _send(line: HTTPConnection, body: bytes | None, deadline: Deadline) -> None:
    """Send the head, and then the body: no server does what it was asked before it was told what that is."""
    with _broken(TransportErrorKind.NOT_ANSWERED_IN_TIME, sent=not body):
        line.sock.settimeout(deadline.left())
        line.endheaders()
    # A server may answer, and close the line, before it has read everything.
    early = suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError)
    with _broken(TransportErrorKind.NOT_ANSWERED_IN_TIME, sent=True), early:
        for start in range(0, len(body or b""), _SENT_AT_ONCE):
            line.sock.settimeout(deadline.left())
            line.send(memoryview(body or b"")[start : start + _SENT_AT_ONCE])


def _answer(line: HTTPConnection) -> Response:
    with _broken(TransportErrorKind.NOT_ANSWERED_IN_TIME, sent=True), line.getresponse() as response:
        return Response(response.status, response.headers, _unpacked(response))


def _unpacked(response: HTTPResponse) -> bytes:
    source: HTTPResponse | GzipFile = response
    if response.headers.get("Content-Encoding", "").strip().lower() == "gzip":
        from gzip import GzipFile  # few answers are long enough for a server to pack them

        source = GzipFile(fileobj=response, mode="rb")
    body = bytearray()
    while piece := source.read(_PIECE):
        body += piece
        if len(body) > _LONGEST_ANSWER:
            raise TransportError(TransportErrorKind.TOO_LONG, sent=True, passing=False)
    if response.length:
        raise IncompleteRead(b"", response.length)
    return bytes(body)


@contextmanager
def _broken(in_time: TransportErrorKind, *, sent: bool) -> Iterator[None]:
    """Inside, whatever goes wrong on the line is told, and what is not done in time as that."""
    try:
        yield
    except TimeoutError:
        raise TransportError(in_time, sent=sent, passing=True) from None
    except (OSError, HTTPException, EOFError, ValueError, zlib.error):
        raise TransportError(TransportErrorKind.BROKEN, sent=sent, passing=True) from None


@contextmanager
def _refused_as(trouble: TransportErrorKind) -> Iterator[None]:
    """Inside, what cannot be a part of a request is told before anything is sent."""
    try:
        yield
    except (KeyError, ValueError, HTTPException):  # of which http.client.InvalidURL is one
        raise TransportError(trouble, sent=False, passing=False) from None


def _in_ascii(host: str) -> str:
    """The host as name servers know it: https://www.rfc-editor.org/rfc/rfc3490. Raises ValueError where there is none.

    Signs that this standard and the next one write differently would lead to two hosts, and lead to none.
    """
    name = host if host.isascii() else host.encode("idna").decode()
    if not name or (name != host and name.encode().decode("idna") != host):
        raise ValueError
    return name
