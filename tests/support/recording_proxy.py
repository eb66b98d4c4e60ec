"""The door of a server: a reverse proxy that keeps every request that came through, and can be slow or lose replies."""

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

_LONGEST_WAIT = 60


@dataclass
class Door:
    """What came through. `bodies` are the JSON documents in the order of their arrival, `replies` what was answered.

    `latency` is waited before each reply, in seconds. With `lose_replies` the server gets the request and answers it,
    and the client sees its connection close. The replies behind the first `free_replies` are held until the door is
    opened for them. `instead` is what the server gets in place of some words of a request.
    """

    url: str = ""
    latency: float = 0
    lose_replies: bool = False
    bodies: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    replies: list[bytes] = field(default_factory=list)
    instead: dict[bytes, bytes] = field(default_factory=dict)
    free_replies: float = math.inf
    open_for_replies: threading.Event = field(default_factory=threading.Event)
    _arrival: threading.Condition = field(default_factory=threading.Condition)
    _guests: int = 0

    @property
    def requests(self) -> int:
        """How many requests came through."""
        return len(self.bodies)

    def let_in(self, body: Any, headers: dict[str, str]) -> int:
        """Keep a request that has arrived, and number it."""
        with self._arrival:
            self.bodies.append(body)
            self.headers.append(headers)
            self._arrival.notify_all()
            return self.requests

    def keep_reply(self, content: bytes) -> None:
        """Keep what the server replied."""
        with self._arrival:
            self.replies.append(content)
            self._arrival.notify_all()

    def welcome(self, more: int) -> None:
        """Count the connections that are open: one more, or one less."""
        with self._arrival:
            self._guests += more
            self._arrival.notify_all()

    def await_farewell(self) -> None:
        """Wait until nobody is connected any more: all that they asked for is done, whether or not they heard of it."""
        with self._arrival:
            assert self._arrival.wait_for(lambda: self._guests == 0, _LONGEST_WAIT), f"{self._guests} are connected"

    def await_requests(self, count: int) -> None:
        """Wait until so many requests have arrived."""
        with self._arrival:
            assert self._arrival.wait_for(lambda: self.requests >= count, _LONGEST_WAIT), f"{self.requests} of {count}"

    def await_replies(self, count: int) -> None:
        """Wait until the server has replied to so many requests, whether or not the replies were let through."""
        with self._arrival:
            replied = self._arrival.wait_for(lambda: len(self.replies) >= count, _LONGEST_WAIT)
            assert replied, f"{len(self.replies)} of {count}"


@contextmanager
def open_door(target: str) -> Iterator[Door]:
    """A door before the server at the URL `target`."""
    door = Door()
    host = urlsplit(target).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            door.welcome(1)
            super().setup()

        def finish(self) -> None:
            with suppress(ConnectionError):
                super().finish()
            door.welcome(-1)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            number = door.let_in(json.loads(body), dict(self.headers))
            for words, others in door.instead.items():
                body = body.replace(words, others)
            connection = http.client.HTTPConnection(host)
            try:
                # The reply is kept as text, so it must not be compressed: http.client asks for that by itself, and it
                # counts what is sent.
                own = ("accept-encoding", "content-length")
                headers = {name: value for name, value in self.headers.items() if name.lower() not in own}
                connection.request("POST", self.path, body, headers)
                answer = connection.getresponse()
                content = answer.read()
                door.keep_reply(content)
            finally:
                connection.close()
            time.sleep(door.latency)
            if number > door.free_replies:
                door.open_for_replies.wait()
            if door.lose_replies:
                self.close_connection = True
                return
            with suppress(ConnectionError):  # the client may have given up by now
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with listening(Handler) as door.url:
        try:
            yield door
        finally:
            door.open_for_replies.set()
