"""The public Python API: what a program that imports turso_deploy can rely on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import turso_deploy
from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import SMALL, with_changes, write_folder
from turso_deploy import (
    Database,
    InputError,
    Project,
    ProjectError,
    Provenance,
    Report,
    Status,
    deploy,
    load_project,
    open_database,
    plan,
    verify,
)

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/python-api.md"
FLEET = ROOT / "docs/examples/fleet.py"

OBSERVER = """
import signal, sys
handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
from turso_deploy import deploy, load_project, open_database, plan, verify
with load_project("schema") as project, open_database("file:own.db") as database:
    reports = [plan(project, database, dry_run=True), deploy(project, database), verify(project, database)]
assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
assert not {"requests", "logging", "argparse"} & set(sys.modules)
assert [report.exit_code for report in reports] == [0, 0, 0], reports
"""


def run_python(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    source = str(Path(turso_deploy.__file__).parents[1])
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": source, **variables}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_import_loads_no_module_before_a_name_is_used(tmp_path: Path) -> None:
    shown = run_python(
        "-c",
        "import sys, turso_deploy; assert set(turso_deploy.__all__) <= set(dir(turso_deploy))\n"
        "print([name for name in sys.modules if name.startswith('turso_deploy') or name in ('typing', 'logging')])",
        folder=tmp_path,
    )
    assert (shown.stdout, shown.stderr) == ("['turso_deploy']\n", "")


def test_public_name_is_not_hidden_by_the_subpackage_of_that_name(tmp_path: Path) -> None:
    shown = run_python(
        "-c",
        "import turso_deploy, turso_deploy.plan.hazards, turso_deploy.deploy.submission\n"
        "from turso_deploy import deploy, plan\n"
        "from turso_deploy.deploy import preview\n"
        "assert turso_deploy.deploy is deploy and turso_deploy.plan is plan is preview.plan\n"
        "assert callable(deploy) and callable(plan)\n",
        folder=tmp_path,
    )
    assert shown.stderr == ""


def test_every_public_name_exists_and_no_other_name_is_made_up() -> None:
    assert all(getattr(turso_deploy, name) for name in turso_deploy.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'deploi'"):
        turso_deploy.deploi  # type: ignore[attr-defined]  # noqa: B018


def test_project_is_planned_deployed_and_verified(target: DatabaseUnderTest, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "schema", SMALL)
    with load_project(folder) as project, open_database(target.url, auth_token=target.token) as database:
        planned = plan(project, database)
        reports = [planned, deploy(project, database), verify(project, database), deploy(project, database)]
    assert [report.status for report in reports] == [
        Status.PLANNED,
        Status.DEPLOYED,
        Status.VERIFIED,
        Status.UNCHANGED,
    ]
    assert all(report.succeeded and report.exit_code == 0 for report in reports)
    assert reports[1].as_json()["deployment_id"] == reports[1].deployment_id
    assert target.value("SELECT count(*) FROM books") == 2


def test_hazards_are_approved_by_their_texts(target: DatabaseUnderTest, tmp_path: Path) -> None:
    tables = {"t.sql": "CREATE TABLE old (a PRIMARY KEY); CREATE TABLE kept (a);", "seeds/old.csv": "a\n1\n"}
    before = load_project(write_folder(tmp_path / "before", tables))
    after = load_project(write_folder(tmp_path / "after", {"t.sql": "CREATE TABLE kept (a);"}))
    with before, after, open_database(target.url, auth_token=target.token) as database:
        deploy(before, database)
        planned, blocked = plan(after, database), deploy(after, database)
        for report in (planned, blocked):
            assert (report.status, report.error and report.error.code) == (Status.BLOCKED, "hazard-blocked")
            assert (report.exit_code, report.succeeded) == (5, False)
        assert plan(after, database, allow_hazards="drop-table").status is Status.PLANNED
        with pytest.raises(InputError, match="There is no hazard"):
            deploy(after, database, allow_hazards=["drop-table:old", "drop-tabel"])
        assert deploy(after, database, allow_hazards=["drop-table:old"]).status is Status.DEPLOYED


def test_provenance_is_recorded(target: DatabaseUnderTest, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "schema", SMALL)
    with load_project(folder) as project, open_database(target.url, auth_token=target.token) as database:
        deploy(project, database, provenance=Provenance(commit_sha="abc123", actor="Ada"))
    assert target.rows("SELECT commit_sha, actor, ref FROM schema_deployments") == [("abc123", "Ada", None)]


def test_unreachable_server_is_reported_and_mistakes_are_raised(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "schema", SMALL)
    with load_project(folder) as project, open_database("http://127.0.0.1:9", timeout=0.1) as database:
        report = deploy(project, database)
    assert (report.status, report.committed, report.exit_code) == (Status.FAILED, False, 1)
    assert report.error is not None
    assert report.error.code == "unreachable"
    broken = write_folder(tmp_path / "broken", {"t.sql": "CREATE TABLE t (a,\n);"})
    with pytest.raises(ProjectError) as caught:
        load_project(broken)
    assert caught.value.place is not None
    assert caught.value.place.line == 2


@pytest.mark.parametrize("use", [deploy, plan])
def test_project_that_is_closed_is_an_input_error(
    target: DatabaseUnderTest, use: Callable[[Project, Database], Report], tmp_path: Path
) -> None:
    with load_project(write_folder(tmp_path / "schema", SMALL)) as project:
        pass
    with (
        open_database(target.url, auth_token=target.token) as database,
        pytest.raises(InputError, match=r"The project of .* is closed"),
    ):
        use(project, database)
    assert database.requests == 0


@pytest.mark.parametrize("url", ["", "http://10.9.9.9:8080", "libsql://x:hunter2@db.example", "sqlite:x.db"])
def test_url_is_checked_as_on_the_command_line(url: str) -> None:
    with pytest.raises(InputError) as caught:
        open_database(url)
    assert caught.value.code == "database-url-invalid"
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_insecure_http_is_opened_if_it_is_allowed() -> None:
    with open_database("http://10.9.9.9:8080", allow_insecure_http=True) as database:
        assert (database.address, database.requests) == ("http://10.9.9.9:8080", 0)


def test_one_project_is_deployed_to_many_databases_by_many_threads(tmp_path: Path) -> None:
    def deploy_twice(number: int) -> list[Status]:
        with open_database(f"file:{tmp_path}/{number}.db") as database:
            return [deploy(project, database).status, verify(project, database).status]

    with load_project(write_folder(tmp_path / "schema", SMALL)) as project, ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(deploy_twice, range(24)))
    assert statuses == [[Status.DEPLOYED, Status.VERIFIED]] * 24
    urls = [f"file:{tmp_path}/{number}.db" for number in range(24)]
    contents = [DatabaseUnderTest(url, url).rows("SELECT * FROM books ORDER BY id") for url in urls]
    assert contents == [[("b1", "Notes", 1), ("b2", "Compilers", 2)]] * 24


def test_api_prints_nothing_and_takes_nothing_from_arguments_environment_and_signals(tmp_path: Path) -> None:
    write_folder(tmp_path / "schema", SMALL)
    outputs = tmp_path / "outputs"
    outputs.touch()
    done = run_python(
        "-c",
        OBSERVER,
        "--command=nonsense",
        "--database-url",
        folder=tmp_path,
        TURSO_DATABASE_URL="file:other.db",
        TURSO_SCHEMA_PATH="elsewhere",
        TURSO_ALLOW_HAZARDS="no-such-hazard",
        INPUT_COMMAND="pull",
        GITHUB_ACTIONS="true",
        GITHUB_SHA="abc123",
        GITHUB_OUTPUT=str(outputs),
        RUNNER_DEBUG="1",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (outputs.read_text(), (tmp_path / "other.db").exists()) == ("", False)
    own = f"file:{tmp_path / 'own.db'}"
    assert DatabaseUnderTest(own, own).rows("SELECT commit_sha FROM schema_deployments") == [(None,)]


def test_first_example_of_the_page_works(tmp_path: Path) -> None:
    write_folder(tmp_path / "schema", SMALL)
    [example, *_] = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    done = run_python("-c", example, folder=tmp_path)
    assert re.fullmatch(r"deployed [0-9a-f-]{36}\n", done.stdout), done.stderr


def test_fleet_example_deploys_to_every_database_and_reports_the_one_that_fails(tmp_path: Path) -> None:
    write_folder(tmp_path / "schema", with_changes(SMALL))
    names = [f"file:{number}.db" for number in range(20)]
    (tmp_path / "databases.txt").write_text("\n".join(names))
    first = run_python(str(FLEET), folder=tmp_path)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.splitlines() == [f"{name} deployed " for name in names]
    (tmp_path / "7.db").write_text("This is not a database, but a text of more than sixteen bytes.")
    second = run_python(str(FLEET), folder=tmp_path)
    assert second.returncode == 1
    assert [line.split()[1] for line in second.stdout.splitlines()] == [
        "failed" if number == 7 else "unchanged" for number in range(20)
    ]


def test_fleet_example_reports_an_invalid_url_by_its_line_and_deploys_to_the_others(tmp_path: Path) -> None:
    write_folder(tmp_path / "schema", SMALL)
    (tmp_path / "databases.txt").write_text("file:a.db\n\nlibsql://user:hunter2@db.example\nfile:b.db\n")
    done = run_python(str(FLEET), folder=tmp_path)
    assert (done.returncode, done.stderr) == (2, "")
    first, second, third = done.stdout.splitlines()
    assert (first, third) == ("file:a.db deployed ", "file:b.db deployed ")
    assert second.startswith("databases.txt:3 failed The database URL contains a user name or password.")


def test_fleet_example_without_a_database_does_nothing(tmp_path: Path) -> None:
    write_folder(tmp_path / "schema", SMALL)
    (tmp_path / "databases.txt").touch()
    done = run_python(str(FLEET), folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_fleet_example_names_the_place_of_a_mistake_in_the_schema_folder(tmp_path: Path) -> None:
    write_folder(tmp_path / "schema", {"t.sql": "CREATE TABLE t (a,\n);"})
    (tmp_path / "databases.txt").write_text("file:a.db")
    done = run_python(str(FLEET), folder=tmp_path)
    assert (done.returncode, done.stdout.startswith("schema/t.sql:2")) == (2, True)
