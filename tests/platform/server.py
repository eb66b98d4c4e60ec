"""A JSON API on loopback for one test: a function answers, and what was asked is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from ssl import SSLContext
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.http_server import listening


@dataclass(frozen=True)
class Request:
    """What was asked. `path` is as it was sent, `body` is None when none was."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]

    @property
    def bearer(self) -> str:
        """The token that it was asked with."""
        return self.headers.get("Authorization", "").removeprefix("Bearer ")


@dataclass(frozen=True)
class Answer:
    """What is answered. With `drop` the connection is closed in place of an answer, once the work is done."""

    status: int = 200
    document: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False


@dataclass
class Faults:
    """Answers to give in place of the real one, each once and in order: to `POST .*/auth/tokens`, an Answer.

    With `after` the work is done all the same, as when a reply is lost.
    """

    pending: list[tuple[str, Answer | None, bool]] = field(default_factory=list)

    def add(self, pattern: str, answer: Answer, *, after: bool = False, times: int = 1, skip: int = 0) -> None:
        """Let `skip` requests that match pass, and answer the next `times` like this."""
        self.pending += [(pattern, None, True)] * skip + [(pattern, answer, after)] * times

    def take(self, request: Request) -> tuple[Answer | None, bool]:
        """The answer to give to this request in place of the real one, and whether the work is done all the same."""
        for index, (pattern, answer, after) in enumerate(self.pending):
            if re.fullmatch(pattern, f"{request.method} {request.path}"):
                del self.pending[index]
                return answer, after
        return None, True


@dataclass(frozen=True)
class Site:
    """What answers at one host: a function, what was asked of it, and the faults that come before it."""

    answer: Callable[[Request], Answer]
    asked: list[Request]
    faults: Faults


def serving(
    answer: Callable[[Request], Answer], asked: list[Request], faults: Faults, tls: SSLContext | None = None
) -> AbstractContextManager[str]:
    """The URL of a server that answers so, by https with `tls`."""
    site = Site(answer, asked, faults)
    return serving_sites(lambda _: site, tls)


@contextmanager
def serving_sites(
    find: Callable[[str], Site | None], tls: SSLContext | None = None, *, all_loopback: bool = False
) -> Iterator[str]:
    """The URL of a server for many hosts: `find` returns the site of a Host header. `all_loopback`: see `listening`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def __getattr__(self, name: str) -> Callable[[], None]:
            if name.startswith("do_"):  # one way for every method
                return self.answer_any
            raise AttributeError(name)

        def answer_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            request = Request(self.command, parts.path, query, json.loads(body) if body else None, dict(self.headers))
            site = find(self.headers.get("Host", ""))
            if site is None:
                self.reply(Answer(404, {"error": "no such host"}))
                return
            site.asked.append(request)
            fault, works = site.faults.take(request)
            reply = site.answer(request) if works else None
            self.reply(fault or reply or Answer(500))

        def reply(self, reply: Answer) -> None:
            if reply.drop:
                self.close_connection = True
                return
            content = reply.document if isinstance(reply.document, bytes) else json.dumps(reply.document).encode()
            content = b"" if reply.document is None else content
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with listening(Handler, tls, all_loopback=all_loopback) as url:
        yield url
