"""A server on loopback that gives the replies which a test has written down, and keeps what was asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.platform.server import Answer, Faults, Request, serving

_UNEXPECTED = Answer(501, {"error": "no reply was written down for this request"})


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
class Replies:
    """The server at `url`. Of replies to one request each is given once and in order, and the last one for ever."""

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
        """Write a reply down: `document` as JSON, or bytes and text as they are.

        It is for requests with this `query` and `body` alone, where they are given.
        """
        content = document.encode() if isinstance(document, str) else document
        self._expected.append(_Expected(method, path, query, body, Answer(status, content, dict(headers or {}))))

    def forget(self) -> None:
        """Begin anew."""
        self.asked.clear()
        self._expected.clear()

    def answer(self, request: Request) -> Answer:
        """The reply to a request."""
        fitting = [expected for expected in self._expected if expected.fits(request)]
        expected = next((expected for expected in fitting if not expected.given), fitting[-1] if fitting else None)
        if expected is None:
            return _UNEXPECTED
        expected.given += 1
        return expected.answer

    @property
    def left_over(self) -> list[str]:
        """What was written down, and not asked for."""
        return [f"{expected.method} {expected.path}" for expected in self._expected if not expected.given]


@contextmanager
def replying() -> Iterator[Replies]:
    """A server for one test, which has to ask for every reply that it writes down."""
    replies = Replies()
    with serving(replies.answer, replies.asked, Faults()) as replies.url:
        yield replies
    assert replies.left_over == []
