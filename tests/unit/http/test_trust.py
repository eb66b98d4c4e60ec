"""Whose certificates are believed, and the certificate that the client shows."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from tests.support import broken_servers
from tests.support.canned_server import CannedServer, canned_server
from tests.support.certificates import make_certificate, server_context
from tests.support.http_clients import ask, failure, write
from turso_deploy.core.errors import LostReplyError
from turso_deploy.http.errors import TransportErrorKind


def test_a_certificate_that_nobody_signed_is_told_and_nothing_was_sent(certificate: Path) -> None:
    with broken_servers.aborted_tls_connection(certificate) as url:
        error = write(url)
    assert not isinstance(error, LostReplyError)
    assert error.message == "No secure connection to the server could be made."


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_secure_connection_that_ends_after_the_request_leaves_the_outcome_open(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(certificate))
    with broken_servers.aborted_tls_connection(certificate) as url:
        error = write(url)
    assert isinstance(error, LostReplyError)
    assert "connection broke" in error.message


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_DIR"])
def test_a_folder_of_certificates_is_believed(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    hashed = tmp_path / "authorities"
    hashed.mkdir()
    # https://docs.openssl.org/master/man1/openssl-rehash/: the name is a hash of the subject, here of CN=127.0.0.1
    (hashed / "88d0bdcb.0").write_bytes(certificate.read_bytes())
    monkeypatch.setenv(variable, str(hashed))
    with broken_servers.aborted_tls_connection(certificate) as url:
        assert isinstance(write(url), LostReplyError)


def test_a_machine_without_authorities_is_told(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    with broken_servers.aborted_tls_connection(certificate) as url:
        error = write(url)
    assert not isinstance(error, LostReplyError)
    assert "this machine has no trusted certificate authority" in error.message
    assert "ca-certificates" in str(error.hint)


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_bundle_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_bytes(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with broken_servers.closed_port() as url:
        error = write(url.replace("http:", "https:"))
    assert not isinstance(error, LostReplyError)
    assert "REQUESTS_CA_BUNDLE" in error.message


def test_bundle_with_a_name_that_no_file_can_have_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "a" * 300)
    with broken_servers.closed_port() as url:
        assert failure(url.replace("http:", "https:")).kind is TransportErrorKind.UNUSABLE_BUNDLE


def test_certificates_are_not_read_for_http(server: CannedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*arguments: object, **keywords: object) -> ssl.SSLContext:
        raise AssertionError

    server.to("GET", "/", {})
    monkeypatch.setattr(ssl, "create_default_context", none)
    ask(server.url)
    assert len(server.asked) == 1


def test_client_never_adds_the_authorities_of_certifi(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("certifi.where", lambda: str(certificate))
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(certificate))
    with canned_server(server_context(certificate)) as server:
        assert failure(server.url).kind is TransportErrorKind.NOT_SECURE
        assert server.asked == []


def test_client_rejects_a_certificate_without_alternative_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its common name would fit: https://www.rfc-editor.org/rfc/rfc9110#section-4.3.4."""
    certificate = make_certificate(tmp_path, alternative_name=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with canned_server(server_context(certificate)) as server:
        error = failure(server.url)
        assert server.asked == []
    assert (error.kind, error.request_sent, error.retryable) == (TransportErrorKind.NOT_SECURE, False, False)


def test_client_rejects_a_certificate_of_another_host(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with canned_server(server_context(certificate)) as server:
        error = failure(server.url.replace("127.0.0.1", "localhost"))
        assert server.asked == []
    assert error.kind is TransportErrorKind.NOT_SECURE


def test_clients_of_a_process_read_the_authorities_once(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contexts = []
    make = ssl.create_default_context

    def counted(*arguments: Any, **options: Any) -> ssl.SSLContext:
        contexts.append(make(*arguments, **options))
        return contexts[-1]

    monkeypatch.setattr(ssl, "create_default_context", counted)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with canned_server(server_context(certificate)) as server, ThreadPoolExecutor(4) as pool:
        server.to("POST", "/", {})
        list(pool.map(lambda _: ask(server.url, body=b"{}"), range(20)))
        assert len(server.asked) == 20
    (context,) = contexts
    # urllib3 changes a context that it is given at each connection; these values must stay.
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert not context.hostname_checks_common_name


@pytest.fixture
def demanding(certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CannedServer]:
    """A server that demands the certificate `client.pem`."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    client = make_certificate(tmp_path, "client.pem")
    with canned_server(server_context(certificate, clients=client)) as server:
        yield server


def test_client_shows_its_certificate_to_a_server_that_demands_it(
    demanding: CannedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demanding.to("POST", "/", {"read": True})
    monkeypatch.setenv("SSL_CLIENT_CERT", str(tmp_path / "client.pem"))
    assert json.loads(ask(demanding.url, body=b"{}")) == {"read": True}


def test_client_takes_the_key_of_its_certificate_from_a_file_of_its_own(
    demanding: CannedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demanding.to("POST", "/", {"read": True})
    key, mark, rest = (tmp_path / "client.pem").read_text().partition("-----END PRIVATE KEY-----\n")
    (tmp_path / "client.key").write_text(key + mark)
    (tmp_path / "client.pem").write_text(rest)
    monkeypatch.setenv("SSL_CLIENT_CERT", str(tmp_path / "client.pem"))
    monkeypatch.setenv("SSL_CLIENT_KEY", str(tmp_path / "client.key"))
    assert json.loads(ask(demanding.url, body=b"{}")) == {"read": True}


def test_client_without_certificate_learns_that_a_server_demands_one(demanding: CannedServer) -> None:
    error = write(demanding.url)
    assert isinstance(error, LostReplyError)  # with TLS 1.3 the request was sent before the server refused
    assert error.message.endswith("the server demands a certificate of its clients.")
    assert "SSL_CLIENT_CERT" in str(error.hint)
    assert demanding.asked == []
    assert not failure(demanding.url).retryable


@pytest.mark.parametrize("content", [None, "", "no certificate", "only the certificate", "a key with a passphrase"])
def test_client_certificate_that_cannot_be_read_is_an_error_and_nothing_is_sent(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    named = tmp_path / "mine.pem"
    key, mark, rest = certificate.read_text().partition("-----END PRIVATE KEY-----\n")
    if content == "a key with a passphrase":
        secret = load_pem_private_key((key + mark).encode(), None)
        sealed = secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase"))
        named.write_text(sealed.decode() + rest)
    elif content is not None:
        named.write_text(rest if content == "only the certificate" else content)
    monkeypatch.setenv("SSL_CLIENT_CERT", str(named))
    with broken_servers.closed_port() as url:
        error = write(url.replace("http:", "https:"))
    assert not isinstance(error, LostReplyError)
    assert "the client certificate that SSL_CLIENT_CERT names cannot be read" in error.message


def test_key_without_client_certificate_is_an_error(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CLIENT_KEY", str(certificate))
    assert failure("https://127.0.0.1").kind is TransportErrorKind.UNUSABLE_CERTIFICATE
