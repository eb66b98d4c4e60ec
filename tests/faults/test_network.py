"""The way to the server: who gets the token, whose certificate is believed, which proxy is used."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import responses
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.faults.proxy import running_proxy
from tests.projects import SMALL, project_of, write_folder
from tests.sqld import Sqld, running_sqld
from tests.targets import Target, run_program
from turso_deploy.database.base import Query
from turso_deploy.database.hrana import HranaDatabase
from turso_deploy.report.document import Status

CLOUD = "https://db-org.turso.io"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that no one has signed but itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + signed.public_bytes(Encoding.PEM))
    return path


def test_a_certificate_is_believed_only_when_its_signer_is(
    sqld: Sqld, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    project = project_of(tmp_path / "schema")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with running_proxy(sqld.url, tls=context) as proxy:
        target = Target(proxy.url, sqld.url, sqld.token())
        report = target.deploy(project)
        assert report.error is not None
        assert (report.committed, "secure connection" in report.error.message) == (False, True)
        assert proxy.happened.total() == 0
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert target.deploy(project).status is Status.DEPLOYED


def test_a_proxy_of_the_environment_is_used(sqld: Sqld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with running_proxy(sqld.url) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        report = Target(sqld.url, sqld.url, sqld.token()).deploy(project_of(tmp_path / "schema"))
        assert (report.error, report.status, proxy.happened.total()) == (None, Status.DEPLOYED, 2)


@pytest.mark.parametrize("base", ["https://elsewhere.example", "http://db-org.turso.io", "https://other-org.turso.io"])
def test_another_server_that_a_reply_names_never_gets_a_request(base: str) -> None:
    """A `base_url` is for the next request of a stream, and each of our streams is one request."""
    rows = {"cols": [], "rows": [], "affected_row_count": 0}
    batch = {"type": "batch", "result": {"step_results": [rows], "step_errors": [None]}}
    database = HranaDatabase(CLOUD, "token", timeout=5)
    with responses.RequestsMock() as mock:
        reply = {"baton": "b", "base_url": base, "results": [{"type": "ok", "response": batch}, {"type": "ok"}]}
        mock.post(f"{CLOUD}/v3/pipeline", json=reply)
        for _ in range(2):
            database.query([Query("SELECT 1")])
        assert {call.request.url for call in mock.calls} == {f"{CLOUD}/v3/pipeline"}


@pytest.mark.parametrize("allowed", [False, True])
def test_http_to_another_machine_is_refused_unless_it_is_allowed(tmp_path: Path, allowed: bool) -> None:
    folder = write_folder(tmp_path / "schema", SMALL)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.post("http://db.example/v3/pipeline", status=401)
        done = run_program("deploy", folder, "http://db.example", allow_insecure_http=allowed)
        assert len(mock.calls) == allowed
    assert done.error["code"] == ("token-refused" if allowed else "database-url-invalid")


def test_what_was_committed_is_still_there_after_the_server_was_killed(tmp_path: Path) -> None:
    """`running_sqld` ends its server with SIGKILL."""
    folder = tmp_path / "server"
    folder.mkdir()
    project = project_of(tmp_path / "schema")
    with running_proxy("http://127.0.0.1:9") as proxy:
        with running_sqld(folder) as first:
            proxy.target = first.url
            assert Target(proxy.url, proxy.url, first.token()).deploy(project).status is Status.DEPLOYED
        gone = Target(proxy.url, proxy.url, first.token()).deploy(project)
        assert (gone.status, gone.committed) == (Status.FAILED, False)
        with running_sqld(folder) as second:
            proxy.target = second.url
            found = Target(proxy.url, proxy.url, second.token())
            assert found.deploy(project).status is Status.UNCHANGED
            assert found.rows("PRAGMA integrity_check") == [("ok",)]
