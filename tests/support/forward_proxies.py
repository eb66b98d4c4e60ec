"""Proxies on loopback that open tunnels: by CONNECT, with and without TLS, and by SOCKS 5."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from ssl import SSLContext, SSLSocket
from typing import cast

MAX_WAIT = 30  # seconds


@dataclass
class ForwardProxy:
    """A running proxy: its address, the targets that it was asked for, and all that it received of its clients."""

    address: str = ""
    targets: list[tuple[str, int]] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)
    credentials: list[bytes] = field(default_factory=list)


def connect_proxy(tls: SSLContext | None = None) -> AbstractContextManager[ForwardProxy]:
    """A proxy for CONNECT; with `tls` it is reached by https."""

    def open_tunnel(client: socket.socket, proxy: ForwardProxy) -> socket.socket | None:
        head = client.recv(65536)
        proxy.received.append(head)
        host, _, port = head.split()[1].decode().rpartition(":")
        proxy.targets.append((host, int(port)))
        server = socket.create_connection((host, int(port)), MAX_WAIT)
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        return server

    return _serving(open_tunnel, tls)


def socks_proxy(
    refusal: int = 0, user_and_password: tuple[bytes, bytes] | None = None, stall: float = 0
) -> AbstractContextManager[ForwardProxy]:
    """A SOCKS 5 proxy: https://www.rfc-editor.org/rfc/rfc1928. It answers every request with `refusal`, if that is set.

    It asks for a user and a password if they are given. With `stall` it sends a byte of its first answer after that
    many seconds, and never more.
    """

    def open_tunnel(client: socket.socket, proxy: ForwardProxy) -> socket.socket | None:
        _, count = _read(client, 2)
        _read(client, count)
        if stall:
            threading.Event().wait(stall)
            client.sendall(b"\x05")
            client.recv(1)
            return None
        client.sendall(b"\x05\x02" if user_and_password else b"\x05\x00")
        if user_and_password:
            user = _read(client, _read(client, 2)[1])
            password = _read(client, _read(client, 1)[0])
            proxy.credentials += [user, password]
            fits = (user, password) == user_and_password
            client.sendall(b"\x01\x00" if fits else b"\x01\x01")
            if not fits:
                return None
        kind = _read(client, 4)[3]
        length = {1: 4, 4: 16}.get(kind) or _read(client, 1)[0]
        name = _read(client, length)
        host = name.decode() if kind == 3 else socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, name)
        (port,) = struct.unpack(">H", _read(client, 2))
        proxy.targets.append((host, port))
        server = None if refusal else socket.create_connection(("127.0.0.1", port), MAX_WAIT)
        client.sendall(bytes((5, refusal, 0, 1, 0, 0, 0, 0, 0, 0)))
        return server

    return _serving(open_tunnel, None)


def _read(line: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        piece = line.recv(count - len(received))
        if not piece:
            raise ConnectionError
        received += piece
    return received


@contextmanager
def _serving(
    open_tunnel: Callable[[socket.socket, ForwardProxy], socket.socket | None], tls: SSLContext | None
) -> Iterator[ForwardProxy]:
    proxy = ForwardProxy()

    def serve(client: socket.socket) -> None:
        with suppress(OSError):
            client = tls.wrap_socket(client, server_side=True) if tls else client
            with client, open_tunnel(client, proxy) or client as server:
                if server is not client:
                    _relay(client, server, proxy.received)

    def accept() -> None:
        with suppress(OSError):  # the test is over
            while True:
                client, _ = listening.accept()
                client.settimeout(MAX_WAIT)
                threading.Thread(target=serve, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        proxy.address = f"127.0.0.1:{listening.getsockname()[1]}"
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _relay(client: socket.socket, server: socket.socket, received: list[bytes]) -> None:
    """Pass bytes on in both directions until both ends are closed; keep those of the client.

    One thread does both, because two threads must not use one TLS connection: a read and a write at the same time
    break it (https://docs.openssl.org/master/man7/openssl-threads/).
    """
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ, server)
        selector.register(server, selectors.EVENT_READ, client)
        while selector.get_map() and (events := selector.select(MAX_WAIT)):
            for key, _ in events:
                source, target = cast("socket.socket", key.fileobj), cast("socket.socket", key.data)
                piece = _received(source)
                if piece:
                    if source is client:
                        received.append(piece)
                    target.sendall(piece)
                elif isinstance(target, SSLSocket):
                    return  # TLS has no way to close one direction only
                else:
                    selector.unregister(source)
                    target.shutdown(socket.SHUT_WR)


def _received(source: socket.socket) -> bytes:
    """Return what has arrived, with what a TLS connection has read already; nothing at the end of the connection."""
    piece = source.recv(65536)
    while isinstance(source, SSLSocket) and source.pending():
        piece += source.recv(65536)
    return piece
