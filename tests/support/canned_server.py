"""A server on loopback that sends replies registered by a test, and records the requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any

from tests.platform.server import Answer, Faults, Request, serving

_UNEXPECTED = Answer(501, {"error": "no reply is registered for this request"})


@dataclass
class _Expected:
    method: str
    path: str
    query: Mapping[str, str] | None
    body: Any
    answer: Answer
    given: int = 0

    def fits(self, request: Request) -> bool:
        return (
            (request.method, request.path) == (self.method, self.path)
            and (self.query is None or request.query == self.query)
            and (self.body is None or request.body == self.body)
        )


@dataclass
class CannedServer:
    """The server at `url`. Replies to one request are sent once each, in order; the last one is repeated."""

    url: str = ""
    asked: list[Request] = field(default_factory=list)
    _expected: list[_Expected] = field(default_factory=list)

    def to(
        self,
        method: str,
        path: str,
        document: Any = None,
        status: int = 200,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> None:
        """Register a reply: `document` as JSON, or bytes and text as they are.

        If `query` or `body` is given, the reply is for requests with that query or body only.
        """
        content = document.encode() if isinstance(document, str) else document
        self._expected.append(_Expected(method, path, query, body, Answer(status, content, dict(headers or {}))))

    def forget(self) -> None:
        """Delete all replies and records."""
        self.asked.clear()
        self._expected.clear()

    def answer(self, request: Request) -> Answer:
        """Return the reply to a request."""
        fitting = [expected for expected in self._expected if expected.fits(request)]
        expected = next((expected for expected in fitting if not expected.given), fitting[-1] if fitting else None)
        if expected is None:
            return _UNEXPECTED
        expected.given += 1
        return expected.answer

    @property
    def unused_replies(self) -> list[str]:
        """The registered replies that were never sent."""
        return [f"{expected.method} {expected.path}" for expected in self._expected if not expected.given]


@contextmanager
def canned_server(tls: SSLContext | None = None) -> Iterator[CannedServer]:
    """Run a server for one test, by https with `tls`. The test must request every reply that it registers."""
    server = CannedServer()
    with serving(server.answer, server.asked, Faults(), tls) as server.url:
        yield server
    assert server.unused_replies == []
