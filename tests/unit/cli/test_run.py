"""One run: the masks come first, every failure becomes a report, and no database is used that nobody named."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.json_reports import parse_report
from tests.support.schema_folders import SMALL, with_changes, write_folder
from turso_deploy.cli import output as output_module
from turso_deploy.cli.run import run
from turso_deploy.project import loader

SECRET = "eyJ-not-a-token-at-all"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("INPUT_", "TURSO_", "GITHUB_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "schema", SMALL)


class Job:
    """A run on a runner: what it prints and what it leaves in the runner's files."""

    def __init__(self, folder: Path) -> None:
        self.outputs_file, self.summary_file = folder / "outputs", folder / "summary"
        self.environment = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(self.outputs_file),
            "GITHUB_STEP_SUMMARY": str(self.summary_file),
        }
        self.stdout, self.stderr = io.StringIO(), io.StringIO()

    def run(self, **settings: Any) -> int:
        return run(settings, {**os.environ, **self.environment}, self.stdout, self.stderr)

    @property
    def log(self) -> list[str]:
        return self.stdout.getvalue().splitlines()

    @property
    def outputs(self) -> Mapping[str, str]:
        lines = self.outputs_file.read_text(encoding="utf-8").splitlines()
        names = [line.split("<<", 1) for line in lines if "<<ghadelimiter_" in line]
        return {name: lines[lines.index(f"{name}<<{delimiter}") + 1] for name, delimiter in names}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def locally(**settings: Any) -> tuple[int, str]:
    output, errors = io.StringIO(), io.StringIO()
    status = run(settings, dict(os.environ), output, errors)
    assert errors.getvalue() == ""
    return status, output.getvalue()


def as_json(**settings: Any) -> tuple[int, dict[str, Any]]:
    status, text = locally(**settings, json_output=True)
    return status, parse_report(text)


def database_token(claims: Mapping[str, object]) -> str:
    """A token with these claims, whose signature nobody checks offline."""
    parts = [json.dumps({"alg": "EdDSA", "typ": "JWT"}), json.dumps(claims), "signature"]
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


def test_without_a_url_a_local_file_is_used_and_the_report_says_so(tmp_path: Path) -> None:
    status, report = as_json(command="deploy")
    assert (status, report["status"], report["committed"]) == (0, "deployed", True)
    assert report["database"] == "file:turso-deploy.db"
    assert report["notices"] == [
        "No database URL was given: using the local SQLite file turso-deploy.db in the working directory."
    ]
    assert (tmp_path / "turso-deploy.db").is_file()
    assert "No database URL was given" in locally(command="deploy")[1]


def test_settings_are_read_from_the_environment_that_is_given(tmp_path: Path) -> None:
    output = io.StringIO()
    run({"command": "plan", "json_output": True}, {"TURSO_DATABASE_URL": "file:x.db"}, output)
    assert json.loads(output.getvalue())["database"] == "file:x.db"


def test_settings_of_the_process_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURSO_DATABASE_URL", "file:process.db")
    output = io.StringIO()
    run({"command": "plan", "json_output": True}, {}, output)
    assert json.loads(output.getvalue())["database"] == "file:turso-deploy.db"


def test_a_url_that_was_given_needs_no_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert as_json(database_url="file:mine.db")[1]["notices"] == []
    monkeypatch.setenv("TURSO_DATABASE_URL", "file:mine.db")
    assert as_json()[1]["notices"] == []


def test_a_failure_in_the_default_file_says_where_it_was(tmp_path: Path) -> None:
    write_folder(tmp_path / "schema", with_changes(SMALL, manifest="expect: {tables: 13}\n"))
    status, report = as_json()
    assert (status, report["error"]["code"]) == (1, "manifest-mismatch")
    assert "local SQLite file" in report["notices"][0]
    assert not (tmp_path / "turso-deploy.db").exists()


@pytest.mark.parametrize("command", ["plan", "verify"])
def test_what_only_looks_leaves_no_database_file(command: str, tmp_path: Path) -> None:
    locally(command=command)
    assert not list(tmp_path.glob("*.db"))


@pytest.mark.parametrize("url", [None, ""])
def test_on_a_runner_a_missing_url_never_means_a_throw_away_database(
    job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str | None
) -> None:
    if url is not None:
        monkeypatch.setenv("INPUT_DATABASE-URL", url)
    assert job.run(command="deploy") == 2
    text = job.stdout.getvalue()
    assert "TURSO_DATABASE_URL" in text
    assert "pull request from a fork" in text
    assert job.outputs["status"] == "failed"
    assert not list(tmp_path.glob("*.db"))


def test_masks_of_the_inputs_are_the_first_lines_of_an_action(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INPUT_AUTH-TOKEN", "from-the-input")
    monkeypatch.setenv("TURSO_AUTH_TOKEN", "from-the-variable")
    job.run(auth_token=SECRET, database_url="file:x.db")
    assert job.log[0] == "::add-mask::from-the-input"
    assert not any("add-mask" in line for line in job.log[1:])


@pytest.mark.parametrize("settings", [{}, {"schema_path": SECRET}, {"timeout": "soon"}, {"verbose": True}])
def test_secret_of_a_file_of_variables_is_masked_first_and_shown_nowhere(
    job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, Any]
) -> None:
    (tmp_path / "secrets.env").write_text(f"TURSO_AUTH_TOKEN='{SECRET}'\n", encoding="utf-8")
    monkeypatch.setenv("INPUT_ENV-FILE", "secrets.env")
    job.run(command="plan", database_url="file:x.db", **settings)
    first, *others = job.log
    assert first == f"::add-mask::{SECRET}"
    assert SECRET not in "\n".join([*others, job.stderr.getvalue(), job.summary_file.read_text(encoding="utf-8")])


def test_file_that_cannot_be_used_is_an_error_in_the_form_that_was_asked_for(job: Job, tmp_path: Path) -> None:
    (tmp_path / "turso-deploy.toml").write_text("auth-token = 'x'\n", encoding="utf-8")
    assert job.run(command="plan", json_output=True) == 2
    report = json.loads(job.stdout.getvalue())
    assert (report["status"], report["error"]["code"]) == ("failed", "input-invalid")
    assert (report["error"]["file"], report["error"]["line"]) == ("turso-deploy.toml", 1)
    assert ",file=turso-deploy.toml,line=1::" in job.stderr.getvalue()


def test_a_secret_is_masked_before_a_bad_setting_is_told(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INPUT_AUTH-TOKEN", SECRET)
    assert job.run(timeout="soon") == 2
    assert job.log[0] == f"::add-mask::{SECRET}"
    assert sum(SECRET in line for line in job.log) == 1


@pytest.mark.parametrize("flags", [[], ["--json"], ["--sql"], ["--quiet"], ["--verbose"], ["--timeout=soon"]])
@pytest.mark.parametrize("variable", ["TURSO_AUTH_TOKEN", "INPUT_AUTH-TOKEN"])
def test_no_file_that_output_is_redirected_to_holds_a_token(
    job: Job, tmp_path: Path, flags: list[str], variable: str
) -> None:
    environment = {**os.environ, **job.environment, variable: SECRET, "RUNNER_DEBUG": "1"}
    command = [sys.executable, "-m", "turso_deploy", "plan", "--database-url", "file:x.db", *flags]
    with (tmp_path / "out").open("wb") as out, (tmp_path / "errors").open("wb") as errors:
        subprocess.run(command, env=environment, stdout=out, stderr=errors, check=False)
    kept = (tmp_path / "out").read_text("utf-8") + (tmp_path / "errors").read_text("utf-8")
    assert kept
    assert SECRET not in kept


def test_secret_in_place_of_another_setting_is_not_shown(job: Job) -> None:
    for settings in ({"schema_path": SECRET}, {"compare_to": SECRET}, {"database_url": f"file:{SECRET}/x.db"}):
        assert job.run(command="plan", auth_token=SECRET, **settings) != 0
    assert "***" in job.stdout.getvalue()
    assert SECRET not in job.stdout.getvalue() + job.stderr.getvalue() + job.summary_file.read_text("utf-8")


def test_a_deployment_on_a_runner_is_told_in_log_outputs_and_summary(job: Job) -> None:
    assert job.run(database_url="file:x.db") == 0
    assert job.log[0] == "::group::turso-deploy deploy"
    assert "::endgroup::" in job.log
    assert not any(line.startswith("::error") for line in job.log)
    assert job.outputs == {
        "status": "deployed",
        "error-code": "",
        "changed": "true",
        "would-change": "true",
        "blocked": "false",
        "pending": "false",
        "drifted": "",
        "changes": '{"added": 5, "changed": 0, "renamed": 0, "removed": 0, "scripts": 0, "seed_rows": 4}',
        "hazards": "[]",
        "plan-fingerprint": job.outputs["plan-fingerprint"],
        "plan-fingerprint-short": job.outputs["plan-fingerprint"][:12],
        "report-path": "",
        "comment-url": "",
        "issue-url": "",
        "deployment-id": job.outputs["deployment-id"],
        "database": "file:x.db",
        "schema-path": "schema",
        "schema-version": "1.0.0",
        "previous-version": "",
        "manifest-version": "1.0.0",
        "tables": "2",
        "indexes": "1",
        "views": "1",
        "triggers": "1",
        "rows-seeded": "4",
        "fleet": "",
        "failed-names": "",
        "not-reached": "",
        "fleet-shards": "",
        "token-expires-at": "",
        "token-days-left": "",
        "token-age-days": "",
        "token-rotation-due": "false",
    }
    assert len(job.outputs["deployment-id"]) == 36
    assert "Deployed 1.0.0 &#40;first deployment&#41;" in job.summary_file.read_text(encoding="utf-8")


def test_a_failure_on_a_runner_is_annotated_at_its_line(job: Job, tmp_path: Path) -> None:
    write_folder(tmp_path / "schema", with_changes(SMALL, views="\nCREATE VIEW v AS\nSELEKT 1;\n"))
    assert job.run(database_url="file:x.db") == 2
    [annotation] = [line for line in job.log if line.startswith("::error ")]
    assert "file=schema/views.sql,line=3,col=1::" in annotation
    assert "SELEKT" in annotation
    assert (job.outputs["status"], job.outputs["changed"]) == ("failed", "false")
    assert (job.outputs["tables"], job.outputs["deployment-id"]) == ("", "")
    assert "schema/views.sql" in job.summary_file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("settings", "status", "message"),
    [
        ({}, 2, "SELEKT"),
        ({"auth_token": "abc", "database_url": "https://quiz.turso.io"}, 2, "SELEKT"),
        ({"timeout": "soon"}, 2, "`timeout`"),
    ],
)
def test_early_failure_names_database_schema_folder_and_version_everywhere(
    job: Job, tmp_path: Path, settings: dict[str, str], status: int, message: str
) -> None:
    write_folder(tmp_path / "db", with_changes(SMALL, views="CREATE VIEW v AS SELEKT 1;\n"))
    settings = {"schema_path": "db", "database_url": "file:x.db", **settings}
    assert job.run(**settings) == status
    database = settings["database_url"]
    [annotation] = [line for line in job.log if line.startswith("::error ")]
    assert message in annotation
    assert annotation.endswith(f"{database} · 1.0.0 in the schema folder · db")
    for name, value in {"database": database, "schema": "db", "versions": "1.0.0 in the schema folder"}.items():
        assert f"  {name:<10}  {value}" in job.log
    second = job.summary_file.read_text(encoding="utf-8").splitlines()[2]
    assert second.endswith("</code> · versions 1.0.0 in the schema folder · schema <code>db</code>")
    assert second.startswith("database <code>")
    found = job.outputs
    assert (found["database"], found["schema-path"], found["manifest-version"]) == (database, "db", "1.0.0")


def test_value_in_the_place_of_the_schema_path_is_not_shown_where_settings_are_wrong(job: Job) -> None:
    assert job.run(schema_path="s3cret", timeout="soon", database_url="s3cret") == 2
    for text in (job.stdout.getvalue(), job.summary_file.read_text(), job.outputs_file.read_text()):
        assert "s3cret" not in text


def test_success_on_a_runner_is_one_line_outside_of_the_folded_group(job: Job) -> None:
    assert job.run(database_url="file:x.db") == 0
    outside = job.log[job.log.index("::endgroup::") + 1 :]
    [line] = [line for line in outside if not line.startswith("::")]
    assert line.startswith("Deployed 1.0.0 (first deployment): ")
    assert line.endswith(" (file:x.db · schema)")


def test_approval_without_effect_is_an_annotation(job: Job) -> None:
    assert job.run(database_url="file:x.db", allow_hazards="drop-column:users.old") == 0
    [annotation] = [line for line in job.log if line.startswith("::notice ")]
    assert "::The approval drop-column:users.old matches nothing in this plan" in annotation


def test_script_of_a_plan_is_alone_on_stdout_beside_a_short_summary(tmp_path: Path) -> None:
    output, errors = io.StringIO(), io.StringIO()
    assert run({"command": "plan", "sql": True, "database_url": "file:x.db"}, {}, output, errors) == 0
    assert output.getvalue().startswith(".bail on\n-- Generated by turso-deploy")
    assert errors.getvalue() == "✔ Planned 1.0.0 (first deployment): 5 objects to create, 4 rows to seed\n"


def test_counts_that_were_never_committed_are_no_outputs(job: Job, tmp_path: Path) -> None:
    write_folder(tmp_path / "schema", with_changes(SMALL, manifest="expect: {tables: 13}\n"))
    assert job.run(database_url="file:x.db") == 1
    assert (job.outputs["tables"], job.outputs["views"], job.outputs["rows-seeded"]) == ("", "", "0")


def test_json_on_a_runner_is_the_whole_of_stdout(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INPUT_AUTH-TOKEN", SECRET)
    assert job.run(database_url="file:x.db", json_output=True) == 0
    assert json.loads(job.stdout.getvalue())["status"] == "deployed"
    assert job.stderr.getvalue() == f"::add-mask::{SECRET}\n"
    assert job.outputs["status"] == "deployed"
    assert job.summary_file.stat().st_size > 0


def test_json_on_a_runner_is_chosen_by_the_input_too(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INPUT_JSON", "true")
    monkeypatch.setenv("INPUT_AUTH-TOKEN", SECRET)
    monkeypatch.setenv("INPUT_TIMEOUT", "soon")
    assert job.run(database_url="file:x.db") == 2
    report = json.loads(job.stdout.getvalue())
    assert report["error"]["code"] == "input-invalid"
    mask, annotation = job.stderr.getvalue().splitlines()
    assert mask == f"::add-mask::{SECRET}"
    assert annotation.startswith("::error ")


HOSTILE = "::error::x ##[error]y %0A::add-mask::z"


def test_text_from_the_repository_is_never_a_command(job: Job, tmp_path: Path) -> None:
    sql = f'CREATE TABLE "{HOSTILE}" (a REFERENCES "\n::error::nope");\n'
    write_folder(tmp_path / "schema", {"a.sql": sql})
    assert job.run(database_url="file:x.db") == 2
    commands = [line for line in job.log if line.lstrip().startswith("::") or "##[" in line]
    names = [line.lstrip(":").partition(":")[0].partition(" ")[0] for line in commands]
    assert names[:2] == ["group", "stop-commands"]
    assert names[3:] == ["endgroup", "error"]


def test_text_from_the_repository_is_never_a_command_in_json(job: Job, tmp_path: Path) -> None:
    write_folder(tmp_path / "schema", {"a.sql": f'CREATE TABLE "{HOSTILE}" (a /* \n::error::b\n */);'})
    assert job.run(command="plan", database_url="file:x.db", json_output=True) == 0
    text = job.stdout.getvalue()
    assert HOSTILE in json.loads(text)["steps"][0]["sql"]
    assert "##[" not in text
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    assert text.isascii()


def test_a_token_that_cannot_write_is_refused_before_any_request() -> None:
    token = database_token({"a": "ro"})
    status, report = as_json(database_url="https://db.invalid", auth_token=token)
    assert (status, report["error"]["code"], report["requests"]) == (2, "token-read-only", 0)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"database_url": "postgres://db.invalid"}, "database-url-invalid"),
        ({"database_url": "https://db.invalid?authToken=eyJ-hidden"}, "database-url-invalid"),
        ({"database_url": "https://db.invalid", "auth_token": f"{SECRET}\n"}, "token-malformed"),
        ({"database_url": "https://db.invalid", "auth_token": f"'{SECRET}'"}, "token-malformed"),
        ({"database_url": "https://db.invalid", "auth_token": SECRET.replace("-", " ")}, "token-malformed"),
        ({"schema_path": "nowhere"}, "schema-not-found"),
        ({"timeout": "soon"}, "input-invalid"),
        ({"database_url": "file:no/such/folder/x.db"}, "database-url-invalid"),
    ],
)
def test_wrong_input_is_told_before_any_request(settings: dict[str, Any], code: str) -> None:
    status, report = as_json(**settings)
    assert (status, report["status"], report["error"]["code"]) == (2, "failed", code)
    assert (report["committed"], report["requests"]) == (False, 0)
    assert report["error"]["hint"]
    assert "eyJ" not in json.dumps(report)


def test_an_unexpected_exception_is_told_without_its_text(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Path, **__: bool) -> None:
        raise KeyError("a value that is nobody's business")

    monkeypatch.setattr(loader, "load_project", broken)
    assert job.run(database_url="file:x.db", json_output=True) == 1
    report = json.loads(job.stdout.getvalue())
    assert (report["status"], report["committed"], report["error"]["code"]) == ("failed", None, "internal")
    assert "KeyError at test_run.py:" in report["error"]["message"]
    everything = job.stdout.getvalue() + job.stderr.getvalue() + job.summary_file.read_text(encoding="utf-8")
    assert "nobody's business" not in everything


def test_a_plan_that_cannot_comment_says_so_and_succeeds(job: Job) -> None:
    job.environment |= {"GITHUB_REF": "refs/pull/7/merge", "GITHUB_REPOSITORY": "acme/quiz"}
    assert job.run(command="plan", database_url="file:x.db", comment=True) == 0
    assert "The comment on the pull request was not written" in job.summary_file.read_text(encoding="utf-8")
    [annotation] = [line for line in job.log if line.startswith("::warning ")]
    assert "::The comment on the pull request was not written" in annotation


def test_a_deployment_is_drawn_in_the_summary(job: Job) -> None:
    job.run(command="deploy", database_url="file:x.db")
    assert '"authors (added)" ||--o{ "books (added)" : "author (added)"' in job.summary_file.read_text(encoding="utf-8")


def test_quiet_and_verbose_contradict_each_other(job: Job) -> None:
    assert job.run(command="plan", database_url="file:x.db", quiet=True, verbose=True) == 2


def test_a_rename_is_drawn_as_one(job: Job, tmp_path: Path) -> None:
    job.run(command="deploy", database_url="file:x.db")
    job.summary_file.unlink()
    text = SMALL["tables.sql"].replace("CREATE TABLE authors", "-- @renamed from=authors\nCREATE TABLE writers")
    text = text.replace("REFERENCES authors", "REFERENCES writers")
    files = {
        "tables.sql": text,
        "seeds/books.jsonl": SMALL["seeds/books.jsonl"],
        "seeds/writers.csv": SMALL["seeds/authors.csv"],
    }
    write_folder(tmp_path / "schema", files)
    job.run(command="plan", database_url="file:x.db")
    drawn = job.summary_file.read_text(encoding="utf-8")
    assert '"writers (renamed)"' in drawn
    assert '"authors (removed)"' not in drawn


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_report_that_cannot_be_printed_does_not_turn_a_deployment_into_a_failure(
    tmp_path: Path, unbuffered: str, flags: tuple[str, ...]
) -> None:
    schema = write_folder(tmp_path / "schema", SMALL)
    command = [sys.executable, "-m", "turso_deploy", "deploy", "--schema-path", str(schema), *flags]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered, "TURSO_DATABASE_URL": f"file:{tmp_path}/site.db"}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert done.stderr.startswith("The report could not be printed: No space left on device.")
    assert (tmp_path / "site.db").exists()


def test_a_bug_in_telling_of_a_deployment_does_not_turn_it_into_a_failure(
    job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def failing(*_: object) -> str:
        raise KeyError("a secret")

    monkeypatch.setattr(output_module, "summary", failing)
    url = f"file:{tmp_path}/site.db"
    assert job.run(command="deploy", schema_path=str(tmp_path / "schema"), database_url=url) == 0
    printed = job.stdout.getvalue() + job.stderr.getvalue()
    assert "The job summary could not be written: KeyError." in printed
    assert "a secret" not in printed
    assert "status<<" in job.outputs_file.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["deploy", "plan"])
@pytest.mark.parametrize("closing", [">&-", "2>&-", ">&- 2>&-"])
def test_streams_that_are_closed_from_the_start_hear_nothing_and_change_nothing(
    tmp_path: Path, command: str, closing: str
) -> None:
    schema = write_folder(tmp_path / "schema", SMALL)
    run_closed = ["sh", "-c", f'exec "$@" {closing}', "sh", sys.executable, "-m", "turso_deploy", command]
    arguments = ["--schema-path", str(schema), "--database-url", f"file:{tmp_path}/site.db"]
    done = subprocess.run([*run_closed, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) == (closing == "2>&-")
    assert (tmp_path / "site.db").exists() == (command == "deploy")
