"""Connections to a server, or to a proxy before it, with a total deadline.

A failure to connect is raised as TransportError, which urllib3 and requests pass on: the request was surely not sent.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Mapping
from functools import cache, partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from urllib3.connection import HTTPConnection, HTTPException, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import is_ipaddress

from turso_deploy.http.deadline import TimedSocket, current_request
from turso_deploy.http.errors import TransportError
from turso_deploy.http.errors import TransportErrorKind as Kind
from turso_deploy.http.proxies import is_local_name, is_loopback_address
from turso_deploy.http.trust import tls_context

# The message for a proxy's answer; the answer itself is not passed on.
_REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: (\d+)")
_SOCKS_PORT = 1080
_LENGTH = re.compile(r"[0-9]{1,18}")  # Python would read a text of thousands of digits as no length at all


class _FinalResponse(HTTPConnection.response_class):  # type: ignore[misc,valid-type]
    """The final response to a request: Python skips only "100 Continue", and other interim responses may precede it.

    Raises HTTPException if its length is ambiguous: https://www.rfc-editor.org/rfc/rfc9112#section-6.3.
    """

    headers: Any

    def begin(self) -> None:
        super().begin()
        while 100 <= self.status < 200:
            self.headers = None  # the sign that the head has to be read
            super().begin()
        lengths = {length.strip(" \t") for length in self.headers.get_all("Content-Length", ())}
        if lengths and (len(lengths) > 1 or not _LENGTH.fullmatch(*lengths) or "Transfer-Encoding" in self.headers):
            raise HTTPException


def _look_up(host: str, port: int) -> list[Any]:
    """Return the addresses of a host. The system sets no limit to the look-up of a name: another thread waits."""
    find = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    if is_ipaddress(host):
        return find()
    answers: SimpleQueue[list[Any] | Exception] = SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(find())
        except Exception as error:
            answers.put(error)

    Thread(target=look_up, daemon=True).start()
    try:
        answer = answers.get(timeout=current_request.get().time_left)
    except Empty:
        raise TimeoutError from None
    if isinstance(answer, Exception):
        raise answer
    return answer


class _Connection(HTTPConnection):
    """A connection by plain HTTP."""

    response_class = _FinalResponse
    by_socks = False

    def connect(self) -> None:
        """Connect, with all that precedes a request: the tunnel of a proxy, TLS. Raises TransportError."""
        try:
            super().connect()
        except (OSError, HTTPException, ValueError) as error:
            kind, retryable = self._explain(error)
            raise TransportError(kind, request_sent=False, retryable=retryable) from None

    def set_tunnel(
        self, host: str, port: int | None = None, headers: Mapping[str, str] | None = None, scheme: str = "http"
    ) -> None:
        """Ask a proxy for a tunnel. Python leaves the Host header out, or an IPv6 address in it without brackets."""
        bracketed = f"[{host.strip('[]')}]" if ":" in host else host
        super().set_tunnel(host, port, {"Host": f"{bracketed}:{port}", **(headers or {})}, scheme)

    def endheaders(self, *arguments: Any, **options: Any) -> None:
        """Send the head of a request; what fails before is a value that no request can hold."""
        current_request.get().is_sent = True
        super().endheaders(*arguments, **options)

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that accepts. Each one gets an equal part of the time that is left."""
        failure: OSError = ConnectionRefusedError()
        found = _look_up(*self._next_hop())
        is_clear_text = self.default_port != HTTPSConnection.default_port and not self.proxy
        stays_here = is_clear_text and is_local_name(self.host)
        if stays_here and not all(is_loopback_address(str(address[0])) for *_, address in found):
            raise TransportError(Kind.NOT_LOOPBACK, request_sent=False, retryable=False)
        for index, (family, kind, protocol, _, address) in enumerate(found):
            line = None
            try:
                line = self._make_socket(family, kind, protocol)
                line.settimeout(current_request.get().time_left / (len(found) - index))
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._reach(line, address)
                return line
            except BaseException as error:
                if line:
                    line.close()
                if not isinstance(error, OSError):
                    raise
                failure = error
        raise failure

    def _next_hop(self) -> tuple[str, int]:
        return self._dns_host, self.port

    def _make_socket(self, family: int, kind: int, protocol: int) -> TimedSocket:
        return TimedSocket(family, kind, protocol)

    def _reach(self, line: Any, address: tuple[Any, ...]) -> None:
        line.connect(address)

    def _explain(self, error: Exception) -> tuple[Kind, bool]:
        """Return the kind of a failure to connect, and True if it may pass."""
        if refused := _REFUSED_TUNNEL.match(str(error)):
            return Kind.PROXY_REFUSED, refused[1] in ("429", "502", "503", "504")
        is_lasting = isinstance(error, ValueError)  # a wrong name stays wrong
        if isinstance(error, socket.gaierror):
            is_lasting = error.errno != socket.EAI_AGAIN
        by_proxy = self.by_socks or self.proxy
        match error:
            case ssl.SSLEOFError() | ssl.SSLZeroReturnError():  # the server left, as one does that restarts
                return Kind.BROKEN, True
            case ssl.SSLError() if not self.proxy or self.has_connected_to_proxy:
                is_unverified = isinstance(error, ssl.SSLCertVerificationError)
                # Those of a folder are read on demand, so they are there after the handshake.
                no_authorities = is_unverified and not tls_context().cert_store_stats()["x509"]
                return (Kind.NO_AUTHORITIES if no_authorities else Kind.NOT_SECURE), False
            case _ if by_proxy:
                return Kind.PROXY, not is_lasting
            case socket.gaierror():
                return (Kind.UNKNOWN_HOST if is_lasting else Kind.NO_NAME_SERVER), not is_lasting
            case ValueError():
                return Kind.UNUSABLE_ADDRESS, False
            case TimeoutError():
                return Kind.NOT_REACHED_IN_TIME, True
            case ConnectionResetError() | HTTPException():
                return Kind.BROKEN, True
            case _:
                return Kind.REFUSED, True


class _TlsConnection(_Connection, HTTPSConnection):
    """A connection by TLS."""


class _Queue(SimpleQueue[Any]):
    """The queue of a pool. An interrupt cannot leave it locked, as it can the one that urllib3 uses."""

    def __new__(cls, maxsize: int) -> _Queue:
        return super().__new__(cls)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection
    QueueCls = _Queue  # type: ignore[assignment]


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection
    QueueCls = _Queue  # type: ignore[assignment]


POOLS = {"http": _Pool, "https": _TlsPool}
"""The class of the connections for each scheme."""


@cache
def socks_pools() -> dict[str, type[HTTPConnectionPool]]:
    """Return the classes of the connections through a SOCKS proxy. PySocks has to be installed."""
    import socks  # type: ignore[import-untyped]

    class SocksSocket(TimedSocket, socks.socksocket):  # type: ignore[misc]
        """A socket that connects through a SOCKS proxy before the deadline."""

    class SocksConnection(_Connection):
        by_socks = True

        def __init__(self, _socks_options: dict[str, Any], *arguments: Any, **options: Any) -> None:
            self._proxy = _socks_options
            super().__init__(*arguments, **options)

        def _next_hop(self) -> tuple[str, int]:
            return self._proxy["proxy_host"], self._proxy["proxy_port"] or _SOCKS_PORT

        def _make_socket(self, family: int, kind: int, protocol: int) -> TimedSocket:
            return SocksSocket(family, kind, protocol)

        def _reach(self, line: Any, address: tuple[Any, ...]) -> None:
            proxy = self._proxy
            line.set_proxy(proxy["socks_version"], *address[:2], proxy["rdns"], proxy["username"], proxy["password"])
            line.connect((self._dns_host, self.port))

        def _explain(self, error: Exception) -> tuple[Kind, bool]:
            answer = getattr(error, "socket_err", None)
            if isinstance(answer, socks.ProxyError):
                return Kind.PROXY_REFUSED, not isinstance(answer, socks.SOCKS5AuthError)
            return super()._explain(error)

    class SocksTlsConnection(SocksConnection, HTTPSConnection):
        pass

    class SocksPool(_Pool):
        ConnectionCls = SocksConnection  # type: ignore[assignment]

    class SocksTlsPool(_TlsPool):
        ConnectionCls = SocksTlsConnection  # type: ignore[assignment]

    return {"http": SocksPool, "https": SocksTlsPool}
