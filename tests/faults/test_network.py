"""The way to the server: who gets the token, whose certificate is believed, which proxy is used."""

from __future__ import annotations

import ssl
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.proxy import Fault, running_proxy
from tests.support.canned_server import canned_server
from tests.support.certificates import make_certificate
from tests.support.databases import DatabaseUnderTest, quick_retries, run_program
from tests.support.schema_folders import SMALL, write_folder, write_project
from tests.support.sqld import Sqld, running_sqld
from turso_deploy.core.transaction import Query
from turso_deploy.database.hrana import HranaDatabase
from turso_deploy.deploy.deploy import deploy
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report, Status


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that no one has signed but itself, with its key."""
    return make_certificate(tmp_path)


def test_a_certificate_is_believed_only_when_its_signer_is(
    sqld: Sqld, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    project = write_project(tmp_path / "schema")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with running_proxy(sqld.url, tls=context) as proxy:
        target = DatabaseUnderTest(proxy.url, sqld.url, sqld.token())
        report = target.deploy(project)
        assert report.error is not None
        assert (report.committed, "secure connection" in report.error.message) == (False, True)
        assert proxy.happened.total() == 0
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert target.deploy(project).status is Status.DEPLOYED


def use_proxies(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def deploy_elsewhere(sqld: Sqld, project: Project) -> Report:
    """Deploy to a server that only the proxy can find."""
    with closing(
        HranaDatabase("http://database.invalid", sqld.token(), timeout=30, retry_budget=quick_retries(30))
    ) as database:
        return deploy(project, database)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_of_the_environment_is_used(
    sqld: Sqld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with running_proxy(sqld.url) as proxy:
        use_proxies(monkeypatch, **{name: proxy.url})
        report = deploy_elsewhere(sqld, write_project(tmp_path / "schema"))
        assert (report.error, report.status, proxy.happened.total()) == (None, Status.DEPLOYED, 2)


@pytest.mark.parametrize("fault", [Fault.CUT_AFTER, Fault.CUT_HALF_WAY, Fault.TRUNCATED])
def test_a_reply_that_is_lost_on_the_way_through_a_proxy_is_found_in_the_history(
    sqld: Sqld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    with running_proxy(sqld.url) as proxy:
        use_proxies(monkeypatch, HTTP_PROXY=proxy.url)
        proxy.plan([Fault.NONE, fault])
        report = deploy_elsewhere(sqld, write_project(tmp_path / "schema"))
        assert (report.error, report.status, report.committed, report.requests) == (None, Status.DEPLOYED, True, 3)


@pytest.mark.parametrize("base", ["https://elsewhere.example", "http://db-org.turso.io", "https://other-org.turso.io"])
def test_another_server_that_a_reply_names_never_gets_a_request(base: str) -> None:
    """A `base_url` is for the next request of a stream, and each of our streams is one request."""
    rows = {"cols": [], "rows": [], "affected_row_count": 0}
    batch = {"type": "batch", "result": {"step_results": [rows], "step_errors": [None]}}
    with canned_server() as cloud:
        database = HranaDatabase(cloud.url, "token", timeout=5, retry_budget=quick_retries(5))
        reply = {"baton": "b", "base_url": base, "results": [{"type": "ok", "response": batch}, {"type": "ok"}]}
        cloud.to("POST", "/v3/pipeline", reply)
        for _ in range(2):
            database.query([Query("SELECT 1")])
        database.close()
        assert [(request.path, request.headers["Host"]) for request in cloud.asked] == [
            ("/v3/pipeline", cloud.url.removeprefix("http://"))
        ] * 2


@pytest.mark.parametrize("allowed", [False, True])
def test_http_to_another_machine_is_refused_unless_it_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    folder = write_folder(tmp_path / "schema", SMALL)
    with canned_server() as network:
        use_proxies(monkeypatch, HTTP_PROXY=network.url)  # it stands for the other machine
        if allowed:
            network.to("POST", "/v3/pipeline", status=401)
        done = run_program("deploy", folder, "http://db.example", allow_insecure_http=allowed)
        assert [request.headers["Host"] for request in network.asked] == ["db.example"] * allowed
    assert done.error["code"] == ("token-rejected" if allowed else "database-url-invalid")


def test_what_was_committed_is_still_there_after_the_server_was_killed(tmp_path: Path) -> None:
    """`running_sqld` ends its server with SIGKILL."""
    folder = tmp_path / "server"
    folder.mkdir()
    project = write_project(tmp_path / "schema")
    with running_proxy("http://127.0.0.1:9") as proxy:
        with running_sqld(folder) as first:
            proxy.target = first.url
            assert DatabaseUnderTest(proxy.url, proxy.url, first.token()).deploy(project).status is Status.DEPLOYED
        gone = DatabaseUnderTest(proxy.url, proxy.url, first.token()).deploy(project)
        assert (gone.status, gone.committed) == (Status.FAILED, False)
        with running_sqld(folder) as second:
            proxy.target = second.url
            found = DatabaseUnderTest(proxy.url, proxy.url, second.token())
            assert found.deploy(project).status is Status.UNCHANGED
            assert found.rows("PRAGMA integrity_check") == [("ok",)]
