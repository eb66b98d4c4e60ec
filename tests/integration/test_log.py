"""The log of a run: what it shows, where, and that no secret gets into it."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.platform.server import Answer, Faults, Request, serving
from tests.support.databases import QUICK, DatabaseUnderTest
from tests.support.schema_folders import SMALL, write_folder
from turso_deploy import deploy, load_project, open_database
from turso_deploy.cli.log import showing_log
from turso_deploy.cli.run import run
from turso_deploy.core.progress import report_step, report_wait
from turso_deploy.core.secret import redact
from turso_deploy.github.context import read_context
from turso_deploy.github.runner import Runner

TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJhIjoicncifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
OPAQUE = "opaque-token-4711"
LINE = re.compile(r"\d+\.\d{3} s turso_deploy(\.\w+)?: (.*)")


class Job:
    """Runs of the program, each with the streams that it wrote."""

    def __init__(self, folder: Path, database: DatabaseUnderTest) -> None:
        self.schema = write_folder(folder / "schema", SMALL)
        self.database = database

    def run(self, command: str = "deploy", environment: dict[str, str] | None = None, **settings: Any) -> list[str]:
        given = {
            "command": command,
            "schema_path": str(self.schema),
            "database_url": self.database.url,
            "auth_token": self.database.token or OPAQUE,
            **settings,
        }
        self.output, self.errors = io.StringIO(), io.StringIO()
        self.status = run(given, environment or {}, self.output, self.errors, QUICK)
        return [found[2] for found in map(LINE.fullmatch, self.errors.getvalue().splitlines()) if found]


@pytest.fixture
def job(tmp_path: Path, target: DatabaseUnderTest) -> Job:
    return Job(tmp_path, target)


@pytest.fixture
def local_job(tmp_path: Path, in_file: DatabaseUnderTest) -> Job:
    return Job(tmp_path, in_file)


def test_verbose_run_logs_its_phases_to_stderr(job: Job) -> None:
    lines = job.run(verbose=True)
    assert lines[0] == (
        "settings: command from the first word, schema-path from --schema-path, database-url from --database-url, "
        "auth-token from --auth-token, verbose from --verbose"
    )
    assert lines[1] == "reading the schema folder"
    phases = [line for line in lines[1:] if not line.startswith(("POST", "step "))]
    assert phases[1:3] == ["reading the database", "planning"]
    assert phases[-3].startswith("deploying: ")
    assert re.fullmatch(r"committed the deployment [0-9a-f-]{36}", phases[-2])
    assert re.fullmatch(r"deploy: deployed; \d requests in [\d,]+ ms", phases[-1])
    assert "turso_deploy" not in job.output.getvalue()


def test_each_request_is_logged_with_its_status_size_and_time(tmp_path: Path, on_sqld: DatabaseUnderTest) -> None:
    job = Job(tmp_path, on_sqld)
    requests = [line for line in job.run(verbose=True) if line.startswith("POST")]
    form = re.compile(r"POST /v\d/pipeline: HTTP 200, \d+ bytes, \d+ ms")
    assert len(requests) == on_sqld.proxy.requests
    assert all(map(form.fullmatch, requests)), requests


def test_failed_run_logs_the_code_of_its_error(local_job: Job) -> None:
    local_job.database.run("CREATE VIEW books AS SELECT 1")
    lines = local_job.run("deploy", verbose=True)
    assert re.fullmatch(r"deploy: plan-impossible; 1 request in \d+ ms", lines[-1])


@pytest.mark.parametrize("settings", [{"json_output": True}, {"sql": True, "command": "plan"}])
def test_log_is_not_part_of_a_document_or_script(local_job: Job, settings: dict[str, Any]) -> None:
    lines = local_job.run(verbose=True, **settings)
    assert "planning" in lines
    assert not any(map(LINE.match, local_job.output.getvalue().splitlines()))
    if "json_output" in settings:
        assert json.loads(local_job.output.getvalue())["status"] == "deployed"


def test_run_without_verbose_shows_no_log(local_job: Job) -> None:
    assert local_job.run() == []
    assert local_job.errors.getvalue() == ""


def test_debug_run_on_a_runner_logs_debug_commands(local_job: Job) -> None:
    local_job.run(environment={"GITHUB_ACTIONS": "true", "RUNNER_DEBUG": "1"})
    debug = re.findall(r"^::debug::(.*)$", local_job.output.getvalue(), re.MULTILINE)
    assert [found[2] for found in map(LINE.fullmatch, debug) if found][1:3] == [
        "reading the schema folder",
        "reading the database",
    ]
    local_job.run(environment={"RUNNER_DEBUG": "1"})  # only a runner sets it, but this is none
    assert "::debug::" not in local_job.output.getvalue() + local_job.errors.getvalue()


def test_retry_is_shown_once_in_a_debug_run(tmp_path: Path) -> None:
    with serving(lambda request: Answer(503, {}), [], Faults()) as url:
        job = Job(tmp_path, DatabaseUnderTest(url, url, TOKEN))
        job.run(timeout="1", environment={"GITHUB_ACTIONS": "true", "RUNNER_DEBUG": "1"})
    lines = [line for line in job.output.getvalue().splitlines() if "tried again after" in line]
    retries = [line for line in lines if not line.startswith("  ! ")]  # the report lists them, too
    assert retries
    assert all(line.startswith("::debug::") for line in retries)


def test_verbose_run_on_a_runner_logs_plain_lines_to_its_log(local_job: Job) -> None:
    local_job.run(verbose=True, environment={"GITHUB_ACTIONS": "true"})
    assert any(map(LINE.fullmatch, local_job.output.getvalue().splitlines()))
    assert "::debug::" not in local_job.output.getvalue()


def test_log_obeys_no_command_in_the_name_of_an_object(local_job: Job) -> None:
    write_folder(local_job.schema, {"bad.sql": 'CREATE TABLE "x\n::error::obeyed" (a);'})
    for environment in ({"GITHUB_ACTIONS": "true"}, {"GITHUB_ACTIONS": "true", "RUNNER_DEBUG": "1"}):
        local_job.run(verbose=True, environment=environment)
        local_job.database.file.unlink()
        assert "obeyed" in local_job.output.getvalue()
        assert not re.search(r"^\s*::error::obeyed", local_job.output.getvalue(), re.MULTILINE)


@pytest.fixture
def masked() -> Iterator[io.StringIO]:
    """The log of a run that knows a secret, outside of a runner."""
    shown = io.StringIO()
    runner = Runner(io.StringIO(), read_context({}))
    runner.mask(OPAQUE)
    with showing_log(lambda line: print(line, file=shown), runner.redacted):
        yield shown


@pytest.mark.parametrize(
    "text",
    [
        f"https://{TOKEN}@db.example/v3/pipeline",
        f"https://user:{OPAQUE}@db.example/v3/pipeline",
        "https://user:unknown-4711-password@db.example",
        f"/v3/pipeline?authToken={TOKEN}",
        f"{{'Authorization': 'Bearer {OPAQUE}'}}",
        f"Authorization: Bearer {TOKEN}",
        f"the server said: {TOKEN} is not valid",
        f"{TOKEN.partition('.')[0]}\n{TOKEN.partition('.')[2]}",
        "github_pat_4711AAAAAAAAAAAAAAAAAAAA ghp_4711aaaaaaaaaaaaaaaaaaaa",
    ],
)
def test_record_shows_no_secret(masked: io.StringIO, text: str) -> None:
    logging.getLogger("turso_deploy.http").debug("GET %s", text)
    logging.getLogger("turso_deploy").info(text)
    report_step(text)
    with report_wait(text):
        pass
    assert masked.getvalue().count("***") >= 4
    assert masked.getvalue().count("\n") == 4
    assert not re.search(r"4711|c2lnbmF0dXJl|eyJhbGci", masked.getvalue())


def test_redaction_leaves_names_and_addresses_readable() -> None:
    text = "POST http://127.0.0.1:8080/v3/pipeline for table_with_a_very_long_name_that_is_no_secret: eyJ@home"
    assert redact(text) == text
    assert redact("ab abc", ["ab", "abc"]) == "*** ***"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_server_that_repeats_the_token_gets_it_into_no_stream(tmp_path: Path, status: int) -> None:
    def repeat(request: Request) -> Answer:
        return Answer(status, {"error": f"Bearer {request.bearer} at {request.path}", "message": request.bearer})

    with serving(repeat, [], Faults()) as url:
        database = DatabaseUnderTest(url, url, TOKEN)
        for environment in ({}, {"GITHUB_ACTIONS": "true"}, {"GITHUB_ACTIONS": "true", "RUNNER_DEBUG": "1"}):
            job = Job(tmp_path, database)
            job.run(verbose=True, timeout="1", environment=environment)
            assert job.status == 1
            shown = job.output.getvalue() + job.errors.getvalue()
            assert "reading the database" in shown
            assert TOKEN.rpartition(".")[2] not in re.sub(r"^::add-mask::.*$", "", shown, flags=re.MULTILINE)


def test_record_that_cannot_be_formatted_or_written_stops_nothing(
    local_job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(line: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(logging.getLogger("turso_deploy"), "propagate", False)  # to the handlers of pytest
    with showing_log(fail, str):
        logging.getLogger("turso_deploy").info("%d", "no number")
        with open_database(local_job.database.url) as database, load_project(local_job.schema) as project:
            assert deploy(project, database).succeeded


def test_run_leaves_the_logger_as_it_was(local_job: Job) -> None:
    logger = logging.getLogger("turso_deploy")
    before = (list(logger.handlers), logger.level)
    local_job.run(verbose=True)
    local_job.run(verbose=True, schema_path="missing")
    assert (list(logger.handlers), logger.level) == before


def test_program_with_its_own_logging_gets_the_phases(local_job: Job, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "turso_deploy")
    with open_database(local_job.database.url) as database, load_project(local_job.schema) as project:
        deploy(project, database)
    messages = [record.getMessage() for record in caplog.records]
    assert {"reading the schema folder", "reading the database", "planning"} <= set(messages)
    assert {record.levelname for record in caplog.records} == {"INFO"}


def test_program_without_logging_prints_nothing_and_does_not_load_it(job: Job) -> None:
    script = (
        "import sys\nif sys.argv[1] == 'loaded': import logging\n"
        "from turso_deploy import deploy, load_project, open_database\n"
        "with load_project(sys.argv[2]) as project, open_database(sys.argv[3], auth_token=sys.argv[4]) as database:\n"
        "    deploy(project, database)\n"
        "assert sys.argv[1] == 'loaded' or not sys.argv[3].startswith('file:') or 'logging' not in sys.modules\n"
    )
    for loaded in ("loaded", "not loaded"):
        words = [loaded, str(job.schema), job.database.url, job.database.token]
        done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
