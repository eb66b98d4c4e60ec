"""Connections: which address they lead to, and what precedes a request."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from tests.support import broken_servers
from tests.support.canned_server import CannedServer
from tests.support.http_clients import TOKEN, ask, failure, write
from tests.support.sqld import free_port
from turso_deploy.core.errors import ErrorCode, InputError, LostReplyError
from turso_deploy.database.address import parse_address
from turso_deploy.http.client import HttpClient
from turso_deploy.http.errors import TransportErrorKind
from turso_deploy.http.json_api import JsonApi


def test_a_server_that_goes_away_within_a_handshake_may_come_back() -> None:
    with broken_servers.aborted_handshake() as url:
        error = failure(url)
    assert (error.kind, error.request_sent, error.retryable) == (TransportErrorKind.BROKEN, False, True)


def test_a_name_server_that_does_not_answer_for_now_is_no_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*arguments: object, **keywords: object) -> list[object]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", busy)
    error = failure("http://db.example")
    assert (error.kind, error.request_sent, error.retryable) == (TransportErrorKind.NO_NAME_SERVER, False, True)


def test_what_did_not_reach_the_server_was_not_sent_with_or_without_a_body() -> None:
    with broken_servers.closed_port() as url:
        assert not failure(url, body=b"{}").request_sent
        assert not failure(url, body=None).request_sent
    with broken_servers.reset_connection() as url:
        assert failure(url, body=None).request_sent


Resolver = Callable[..., None]


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    """Let the name servers answer with these addresses, to each query with the next group of them."""

    def resolve(*answers: tuple[str, ...]) -> None:
        pending = list(answers)

        def found(host: str, port: int, *arguments: object, **options: object) -> list[object]:
            addresses = pending.pop(0) if len(pending) > 1 else pending[0]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", found)

    return resolve


@contextmanager
def dropping(address: str, port: int) -> Iterator[None]:
    """Let the address drop connections: its queue is full."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server((address, port), backlog=0))
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield


def test_client_reaches_the_next_address_when_the_first_one_drops_connections(
    server: CannedServer, resolve: Resolver
) -> None:
    server.to("POST", "/", {"read": True})
    port = urlsplit(server.url).port or 0
    with dropping("127.0.0.2", port):
        resolve(("127.0.0.2", "127.0.0.1"))
        client = HttpClient(f"http://db.example:{port}", TOKEN, timeout=2)
        begun = time.monotonic()
        assert client.request("POST", "/", b"{}").status == 200
        assert 0.9 < time.monotonic() - begun < 2
        client.close()


def test_addresses_that_all_drop_connections_take_the_timeout_once(resolve: Resolver) -> None:
    port = free_port()
    with dropping("127.0.0.2", port), dropping("127.0.0.3", port):
        resolve(("127.0.0.2", "127.0.0.3"))
        begun = time.monotonic()
        error = write(f"http://db.example:{port}", timeout=0.5)
        assert time.monotonic() - begun < 0.9
    assert error.message == "The server could not be reached within 0.5 s."


def test_client_reaches_the_next_address_when_the_first_one_refuses(server: CannedServer, resolve: Resolver) -> None:
    server.to("POST", "/", {"read": True})
    resolve(("127.0.0.2", "127.0.0.1"))
    assert json.loads(ask(f"http://db.example:{urlsplit(server.url).port}", body=b"{}")) == {"read": True}


def test_client_reaches_the_next_address_when_the_machine_has_no_sockets_for_the_first_one(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.to("POST", "/", {"read": True})
    port = urlsplit(server.url).port or 0
    unknown_family = 9_999
    found = [(family, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for family in (unknown_family, socket.AF_INET)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert json.loads(ask(f"http://db.example:{port}", body=b"{}")) == {"read": True}


def test_look_up_that_never_comes_to_an_end_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: end.wait(30))
    error = write("http://db.example", timeout=0.3)
    end.set()
    assert not isinstance(error, LostReplyError)
    assert error.message == "The server could not be reached within 0.3 s."


LOCAL = ["localhost", "db.localhost"]


@pytest.mark.parametrize("host", LOCAL)
@pytest.mark.parametrize("addresses", [("10.9.9.9",), ("127.0.0.1", "10.9.9.9")])
def test_name_of_this_machine_that_leads_to_another_one_gets_no_token_in_clear_text(
    resolve: Resolver, host: str, addresses: tuple[str, ...]
) -> None:
    resolve(addresses)
    with pytest.raises(InputError) as caught:
        parse_address(f"http://{host}:8080")
    assert caught.value.code is ErrorCode.DATABASE_URL_INVALID
    with pytest.raises(InputError, match="clear text"):
        JsonApi("The API", f"http://{host}:8080", TOKEN, timeout=5)
    error = failure(f"http://{host}:8080")
    assert (error.kind, error.request_sent, error.retryable) == (TransportErrorKind.NOT_LOOPBACK, False, False)


def test_name_that_leads_to_another_machine_since_it_was_checked_gets_no_token(resolve: Resolver) -> None:
    resolve(("127.0.0.1",), ("10.9.9.9",))
    parse_address("http://db.localhost:8080")
    error = write("http://db.localhost:8080")
    assert not isinstance(error, LostReplyError)
    assert error.message == "The host of the database URL is a name of this machine, and leads to another one."


@pytest.mark.parametrize("host", LOCAL)
def test_name_of_this_machine_that_leads_to_it_gets_the_token(
    server: CannedServer, resolve: Resolver, host: str
) -> None:
    server.to("POST", "/", {})
    resolve(("127.0.0.1",))
    url = f"http://{host}:{urlsplit(server.url).port}"
    parse_address(url)
    ask(url, body=b"{}")
    assert server.asked[0].bearer == TOKEN


def test_name_of_this_machine_that_does_not_resolve_is_an_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*arguments: object, **options: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    parse_address("http://db.localhost:8080")
    assert failure("http://db.localhost:8080").kind is TransportErrorKind.UNKNOWN_HOST


def test_handshake_that_never_comes_to_an_end_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as background:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        asked = background.submit(write, url, 0.5)
        with listening.accept()[0] as accepted, suppress(OSError):
            accepted.sendall(b"\x16\x03\x03\x40\x00")  # a record of 16 KiB, of which a byte comes now and then
            while not asked.done():
                accepted.sendall(b"\x02")
                time.sleep(0.01)
        error = asked.result(10)
    assert not isinstance(error, LostReplyError)
    assert error.message == "The server could not be reached within 0.5 s."
