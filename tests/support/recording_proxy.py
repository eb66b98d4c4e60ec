"""A reverse proxy that records the requests to a server, and that can delay, hold back or lose replies."""

from __future__ import annotations

import http.client
import json
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from tests.support.http_server import listening

MAX_WAIT = 60


@dataclass
class RecordingProxy:
    """A running proxy and its records.

    `bodies` are the JSON documents of the requests in the order of their arrival, `replies` the bodies of the replies.
    Each reply is delayed by `latency` seconds. With `lose_replies` the server receives the request and replies, and the
    client sees its connection close. Replies after the first `unheld_replies` are held until `replies_released` is set.
    `replacements` replaces parts of a request before it is sent to the server.
    """

    url: str = ""
    latency: float = 0
    lose_replies: bool = False
    bodies: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    replies: list[bytes] = field(default_factory=list)
    replacements: dict[bytes, bytes] = field(default_factory=dict)
    unheld_replies: float = math.inf
    replies_released: threading.Event = field(default_factory=threading.Event)
    _arrival: threading.Condition = field(default_factory=threading.Condition)
    _connections: int = 0

    @property
    def requests(self) -> int:
        """The number of requests that have arrived."""
        return len(self.bodies)

    def record_request(self, body: Any, headers: dict[str, str]) -> int:
        """Record a request, and return its number, counted from 1."""
        with self._arrival:
            self.bodies.append(body)
            self.headers.append(headers)
            self._arrival.notify_all()
            return self.requests

    def record_reply(self, content: bytes) -> None:
        """Record a reply of the server."""
        with self._arrival:
            self.replies.append(content)
            self._arrival.notify_all()

    def count_connections(self, change: int) -> None:
        """Change the number of open connections by `change`."""
        with self._arrival:
            self._connections += change
            self._arrival.notify_all()

    def await_disconnection(self) -> None:
        """Wait until no connection is open: every request has been executed, whether or not its reply was received."""
        with self._arrival:
            assert self._arrival.wait_for(lambda: self._connections == 0, MAX_WAIT), (
                f"{self._connections} are connected"
            )

    def await_requests(self, count: int) -> None:
        """Wait until this number of requests has arrived."""
        with self._arrival:
            assert self._arrival.wait_for(lambda: self.requests >= count, MAX_WAIT), f"{self.requests} of {count}"

    def await_replies(self, count: int) -> None:
        """Wait until the server has replied to this number of requests, whether or not the replies were delivered."""
        with self._arrival:
            replied = self._arrival.wait_for(lambda: len(self.replies) >= count, MAX_WAIT)
            assert replied, f"{len(self.replies)} of {count}"


@contextmanager
def recording_proxy(upstream: str) -> Iterator[RecordingProxy]:
    """Run a proxy in front of the server at the URL `upstream`."""
    proxy = RecordingProxy()
    host = urlsplit(upstream).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            proxy.count_connections(1)
            super().setup()

        def finish(self) -> None:
            with suppress(ConnectionError):
                super().finish()
            proxy.count_connections(-1)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            number = proxy.record_request(json.loads(body), dict(self.headers))
            for old, new in proxy.replacements.items():
                body = body.replace(old, new)
            connection = http.client.HTTPConnection(host)
            try:
                # Both headers are set by http.client: the reply is recorded as text, so it must not be compressed, and
                # the length of a changed body is another one.
                own = ("accept-encoding", "content-length")
                headers = {name: value for name, value in self.headers.items() if name.lower() not in own}
                connection.request("POST", self.path, body, headers)
                answer = connection.getresponse()
                content = answer.read()
                proxy.record_reply(content)
            finally:
                connection.close()
            time.sleep(proxy.latency)
            if number > proxy.unheld_replies:
                proxy.replies_released.wait()
            if proxy.lose_replies:
                self.close_connection = True
                return
            with suppress(ConnectionError):  # the client may have given up by now
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Do not log requests."""

    with listening(Handler) as proxy.url:
        try:
            yield proxy
        finally:
            proxy.replies_released.set()
