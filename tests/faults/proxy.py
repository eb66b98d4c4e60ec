"""A proxy before a real server that can cut, delay, truncate, duplicate, hold back and answer in the server's place."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from tests.support.http_server import listening


class Fault(StrEnum):
    """What happens to one request, or to its reply."""

    NONE = "none"
    CUT_BEFORE = "cut before it is sent"
    CUT_AFTER = "cut after it is sent"
    CUT_HALF_WAY = "cut half way through the reply"
    TRUNCATED = "reply truncated"
    DUPLICATED = "sent twice, first reply"
    DUPLICATED_SECOND = "sent twice, second reply"
    DELAYED = "reply delayed past the time-out"
    HELD_BACK = "cut, and delivered later"
    EMPTY = "empty body"
    BROKEN_JSON = "broken JSON"
    HTML = "a web page"
    FEWER_RESULTS = "fewer results than requests"
    STATUS_408 = "408"
    STATUS_429 = "429 with Retry-After"
    STATUS_500 = "500"
    STATUS_502 = "502"
    STATUS_503 = "503"
    RAN_408 = "408 although it ran"
    RAN_500 = "500 although it ran"
    RAN_502 = "502 although it ran"
    RAN_503 = "503 although it ran"
    RAN_400 = "400 although it ran"
    RAN_404 = "404 although it ran"
    DRIPPED = "reply a byte at a time, past the time-out"


Reply = tuple[int, dict[str, str], bytes]

_IN_ITS_PLACE: dict[Fault, Reply] = {
    Fault.EMPTY: (200, {}, b""),
    Fault.BROKEN_JSON: (200, {}, b'{"baton": null, "results": [{"type"'),
    Fault.HTML: (200, {"Content-Type": "text/html"}, b"<html><body>Sign in to the network</body></html>"),
    Fault.FEWER_RESULTS: (200, {}, b'{"baton": null, "base_url": null, "results": []}'),
    Fault.STATUS_408: (408, {}, b"request timeout"),
    Fault.STATUS_429: (429, {"Retry-After": "0"}, b"Too many concurrent requests"),
    Fault.STATUS_500: (500, {}, b'{"error": "internal error"}'),
    Fault.STATUS_502: (502, {"Content-Type": "text/html"}, b"<html>Bad gateway</html>"),
    Fault.STATUS_503: (503, {}, b""),
}
_ANSWERED = {Fault.NONE, Fault.DUPLICATED, Fault.DUPLICATED_SECOND}
_AFTER_IT_RAN = {
    Fault.RAN_408: Fault.STATUS_408,
    Fault.RAN_500: Fault.STATUS_500,
    Fault.RAN_502: Fault.STATUS_502,
    Fault.RAN_503: Fault.STATUS_503,
}
_STREAM_IS_GONE: dict[Fault, Reply] = {
    Fault.RAN_400: (400, {}, b'{"message": "The stream has expired", "code": "STREAM_EXPIRED"}'),
    Fault.RAN_404: (404, {}, b'{"error": "stream not found: 1:2"}'),
}


@dataclass
class Proxy:
    """What happens to the next requests, in their order; no fault befalls those after.

    `host` is the Host header that the server gets: with namespaces its first label names the database. `delay` is how
    long, in seconds, a delayed reply takes, and `late` a request that is held back, unless it is `released` before.
    `answered_in` is how many seconds the last request took to get its own, whole answer; None when it got none.
    """

    url: str = ""
    target: str = ""
    host: str = ""
    delay: float = 0
    late: float = 0
    answered_in: float | None = None
    released: threading.Event = field(default_factory=threading.Event)
    faults: list[Fault] = field(default_factory=list)
    happened: Counter[Fault] = field(default_factory=Counter)
    held_back: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def plan(self, faults: Sequence[Fault]) -> None:
        """Set what happens to the next requests."""
        self.faults = list(faults)

    def calm(self) -> None:
        """Let everything that is held back arrive, and let no fault happen any more."""
        self.faults = []
        for thread in self.held_back:
            thread.join()

    def next_fault(self) -> Fault:
        """The fault of the request that has just come."""
        with self._lock:
            fault = self.faults.pop(0) if self.faults else Fault.NONE
            self.happened[fault] += 1
            return fault

    def forward(self, path: str, body: bytes, headers: dict[str, str]) -> Reply:
        """Send a request to the server."""
        connection = http.client.HTTPConnection(urlsplit(self.target).netloc, timeout=60)
        try:
            sent = {**headers, "Accept-Encoding": "identity"} | ({"Host": self.host} if self.host else {})
            connection.request("POST", path, body, sent)
            answer = connection.getresponse()
            return answer.status, {"Content-Type": answer.headers.get("Content-Type", "")}, answer.read()
        finally:
            connection.close()


@contextmanager
def running_proxy(target: str, host: str = "", delay: float = 0, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    """A proxy before the server at the URL `target`; with `tls` it speaks https."""
    proxy = Proxy(target=target, host=host, delay=delay)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            proxy.answered_in, arrived = None, time.monotonic()
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = dict(self.headers)
            with suppress(ConnectionError, http.client.HTTPException):
                fault = proxy.next_fault()
                self._answer(fault, body, headers)
                proxy.answered_in = time.monotonic() - arrived if fault in _ANSWERED else None
                return
            self.close_connection = True

        def _answer(self, fault: Fault, body: bytes, headers: dict[str, str]) -> None:
            match fault:
                case Fault.CUT_BEFORE:
                    self.close_connection = True
                case Fault.HELD_BACK:
                    self.close_connection = True
                    late = threading.Thread(target=self._deliver_late, args=(body, headers))
                    proxy.held_back.append(late)
                    late.start()
                case Fault.CUT_AFTER:
                    proxy.forward(self.path, body, headers)
                    self.close_connection = True
                case Fault.CUT_HALF_WAY | Fault.TRUNCATED:
                    status, reply_headers, content = proxy.forward(self.path, body, headers)
                    half = content[: len(content) // 2]
                    promised = content if fault is Fault.CUT_HALF_WAY else half
                    self._send((status, reply_headers, half), len(promised))
                    self.close_connection = fault is Fault.CUT_HALF_WAY
                case Fault.DUPLICATED:
                    first = proxy.forward(self.path, body, headers)
                    proxy.forward(self.path, body, headers)
                    self._send(first)
                case Fault.DUPLICATED_SECOND:
                    proxy.forward(self.path, body, headers)
                    self._send(proxy.forward(self.path, body, headers))
                case Fault.DELAYED:
                    reply = proxy.forward(self.path, body, headers)
                    time.sleep(proxy.delay)
                    self._send(reply)
                case Fault.NONE:
                    self._send(proxy.forward(self.path, body, headers))
                case Fault.DRIPPED:
                    self._drip(proxy.forward(self.path, body, headers))
                case _ if fault in _STREAM_IS_GONE:
                    proxy.forward(self.path, body, headers)
                    self._send(_STREAM_IS_GONE[fault])
                case _ if fault in _AFTER_IT_RAN:
                    proxy.forward(self.path, body, headers)
                    self._send(_IN_ITS_PLACE[_AFTER_IT_RAN[fault]])
                case _:
                    self._send(_IN_ITS_PLACE[fault])

        def _deliver_late(self, body: bytes, headers: dict[str, str]) -> None:
            proxy.released.wait(proxy.late)
            with suppress(ConnectionError, http.client.HTTPException):
                proxy.forward(self.path, body, headers)

        def _drip(self, reply: Reply) -> None:
            status, headers, content = reply
            self._send((status, headers, b""), len(content))
            until = time.monotonic() + proxy.delay
            for byte in content:
                if time.monotonic() < until:
                    self.wfile.write(bytes([byte]))
                    time.sleep(0.05)
            self.close_connection = True

        def _send(self, reply: Reply, promised: int | None = None) -> None:
            status, headers, content = reply
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content) if promised is None else promised))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    try:
        with listening(Handler, tls) as proxy.url:
            yield proxy
    finally:
        proxy.calm()


def everything() -> list[Fault]:
    """All faults but none."""
    return [fault for fault in Fault if fault is not Fault.NONE]
