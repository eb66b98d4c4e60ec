"""The JSON report of each command and status has the form that the JSON Schema states, and no other form is valid."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.platform.github import WRITER, Github
from tests.platform.turso import Turso
from tests.support.json_reports import parse_report, validator
from tests.support.schema_folders import SMALL, with_changes, write_folder
from turso_deploy.cli.main import main
from turso_deploy.report.document import Status

Json = dict[str, Any]

WITHOUT_A_COLUMN = with_changes(
    SMALL, tables=SMALL["tables.sql"].replace(",\n  profile TEXT", ""), authors="id,name\n1,Ada\n", manifest=""
)
WITH_A_TABLE = with_changes(SMALL, tables=f"{SMALL['tables.sql']}CREATE TABLE shelves (id INTEGER PRIMARY KEY);\n")
WITH_BROKEN_VIEWS = with_changes(
    SMALL, views="CREATE VIEW a AS SELECT * FROM missing;\nCREATE VIEW b AS SELECT * FROM absent;\n"
)
WITH_MANY_SEEDS = with_changes(SMALL, authors="id,name\n" + "".join(f"{n},Author {n}\n" for n in range(10_000)))


@dataclass
class Stage:
    """A schema folder, a local database, and the program, with nothing set in the environment but what a test sets."""

    folder: Path
    request: pytest.FixtureRequest
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def run(self, *arguments: str, files: Mapping[str, str] = SMALL) -> Json:
        """Run a command with a schema folder of these files, and return its report."""
        write_folder(self.folder / "schema", files)
        main([*arguments, "--json"])
        return parse_report(self.capsys.readouterr().out)

    def deploy(self, files: Mapping[str, str] = SMALL) -> None:
        assert self.run("deploy", files=files)["status"] == "deployed"

    def hosted(self) -> list[str]:
        """Start the platform with the database `quiz`, and return the flags that lead to it."""
        turso: Turso = self.request.getfixturevalue("turso")
        quiz = turso.create("quiz")
        expires = datetime.now(UTC) + timedelta(days=3)
        return [
            f"--api-token={turso.api_token()}",
            f"--api-url={turso.url}",
            "--organization=acme",
            "--database=quiz",
            f"--auth-token={turso.token(quiz, exp=expires)}",
        ]


@pytest.fixture
def stage(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Stage:
    for name in list(os.environ):
        if name.startswith(("INPUT_", "TURSO_", "GITHUB_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return Stage(tmp_path, request, capsys, monkeypatch)


def unchanged(stage: Stage) -> Json:
    stage.deploy()
    return stage.run("deploy")


def change(stage: Stage) -> Json:
    stage.deploy()
    report = stage.run("deploy", "--allow-hazards", "drop-column", files=WITHOUT_A_COLUMN)
    assert [step["hazards"] for step in report["steps"] if step["hazards"]]
    assert report["changes"][0]["parts"]
    return report


def in_chunks(stage: Stage) -> Json:
    report = stage.run("deploy", "--request-size", "100000", *stage.hosted(), files=WITH_MANY_SEEDS)
    assert report["chunks"]["sent"] == report["chunks"]["total"] > 0
    return report


def on_a_branch_first(stage: Stage) -> Json:
    report = stage.run("deploy", "--trial-branch", "--restore-point", "branch", *stage.hosted())
    assert report["restore_point"]
    return report


def blocked_plan(stage: Stage) -> Json:
    stage.deploy()
    report = stage.run("plan", files=WITHOUT_A_COLUMN)
    assert report["error"]["causes"]
    return report


def comparison_that_may_be_blocked(stage: Stage) -> Json:
    write_folder(stage.folder / "other", WITH_A_TABLE)
    report = stage.run("plan", "--compare-to", "other", files=WITHOUT_A_COLUMN)
    assert report["blocked_by"]["causes"]
    return report


def comparison(stage: Stage) -> Json:
    write_folder(stage.folder / "other", WITH_A_TABLE)
    return stage.run("plan", "--compare-to", "other")


def verified(stage: Stage) -> Json:
    stage.deploy()
    return stage.run("verify")


def drifted(stage: Stage) -> Json:
    stage.deploy()
    with closing(sqlite3.connect("turso-deploy.db")) as database:
        database.execute("CREATE INDEX by_hand ON authors (name)")
    report = stage.run("verify")
    assert [check["details"] or check["actual"] for check in report["checks"] if not check["ok"]]
    assert [change["name"] for change in report["drift"]] == ["by_hand"]
    return report


def accepted(stage: Stage) -> Json:
    assert drifted(stage)["exit_code"] == 4
    return stage.run("accept-drift")


def not_deployed(stage: Stage) -> Json:
    stage.deploy()
    return stage.run("verify", files=WITH_A_TABLE)


def deployments(stage: Stage) -> Json:
    stage.deploy()
    report = stage.run("history", "1")
    assert report["history"]
    return report


def rolled_back(stage: Stage) -> Json:
    assert change(stage)["status"] == "deployed"
    return stage.run("rollback", files=WITHOUT_A_COLUMN)


def stale(stage: Stage) -> Json:
    stage.run("docs", "--output", "pages")
    return stage.run("docs", "--output", "pages", "--check", files=WITH_A_TABLE)


def pulled(stage: Stage) -> Json:
    stage.deploy()
    return stage.run("pull", "--schema-path", "pulled")


def blocked(stage: Stage) -> Json:
    stage.deploy()
    return stage.run("deploy", files=WITHOUT_A_COLUMN)


def broken(stage: Stage) -> Json:
    report = stage.run("deploy", files=WITH_BROKEN_VIEWS)
    assert [cause["place"]["line"] for cause in report["error"]["causes"]] == [1, 2]
    return report


def rotated(stage: Stage) -> Json:
    github: Github = stage.request.getfixturevalue("github")
    stage.monkeypatch.setenv("GITHUB_API_URL", github.url)
    stage.monkeypatch.setenv("GITHUB_REPOSITORY", "acme/quiz")
    return stage.run("rotate-token", f"--github-token={WRITER}", *stage.hosted())


def checked(stage: Stage) -> Json:
    report = stage.run("check-tokens", *stage.hosted())
    assert [token["findings"] for token in report["tokens"] if token["due"]]
    return report


RUNS: list[tuple[Status, Callable[[Stage], Json]]] = [
    (Status.DEPLOYED, lambda stage: stage.run("deploy")),
    (Status.DEPLOYED, change),
    (Status.DEPLOYED, in_chunks),
    (Status.DEPLOYED, on_a_branch_first),
    (Status.UNCHANGED, unchanged),
    (Status.PLANNED, lambda stage: stage.run("plan")),
    (Status.PLANNED, lambda stage: stage.run("plan", "--dry-run", *stage.hosted())),
    (Status.PLANNED, comparison),
    (Status.PLANNED, comparison_that_may_be_blocked),
    (Status.PENDING, lambda stage: stage.run("plan", "--check")),
    (Status.VERIFIED, verified),
    (Status.PULLED, pulled),
    (Status.CHECKED, checked),
    (Status.ROTATED, rotated),
    (Status.DOCUMENTED, lambda stage: stage.run("docs", "--output", "pages")),
    (Status.STALE, stale),
    (Status.BLOCKED, blocked),
    (Status.BLOCKED, blocked_plan),
    (Status.FAILED, broken),
    (Status.DEPLOYED, rolled_back),
    (Status.PENDING, not_deployed),
    (Status.DRIFTED, drifted),
    (Status.ACCEPTED, accepted),
    (Status.LISTED, deployments),
    (Status.PENDING, lambda stage: stage.run("status")),
    (Status.FAILED, lambda stage: stage.run("deploy", "--database-url", "ftp://quiz", "--timeout", "soon")),
    (Status.FAILED, lambda stage: stage.run("verify", "--database-url", "http://127.0.0.1:1")),
]


@pytest.mark.parametrize(("status", "run"), RUNS)
def test_a_report_has_the_form_that_its_schema_states(
    stage: Stage, status: Status, run: Callable[[Stage], Json]
) -> None:
    assert run(stage)["status"] == status


def test_a_report_of_every_status_is_checked() -> None:
    assert {status for status, _ in RUNS} == set(Status)


def objects_in(value: Any) -> list[Json]:
    """Return all objects of a document."""
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [*([value] if isinstance(value, dict) else []), *(found for one in members for found in objects_in(one))]


def test_no_object_of_a_report_may_lack_a_key_or_have_an_unknown_one(stage: Stage) -> None:
    report = blocked_plan(stage)
    for one in objects_in(report):
        if one is report["counts"]:  # its keys are the kinds of objects
            continue
        one["unknown"] = None
        assert not validator().is_valid(report), one
        del one["unknown"]
        for key in list(one):
            value = one.pop(key)
            assert not validator().is_valid(report), key
            one[key] = value
    validator().validate(report)


@pytest.mark.parametrize(
    ("key", "value"),
    [("status", "done"), ("committed", "yes"), ("exit_code", "0"), ("steps", None), ("requests", None)],
)
def test_no_key_of_a_report_may_have_another_type_or_word(stage: Stage, key: str, value: Any) -> None:
    report = stage.run("plan")
    assert not validator().is_valid({**report, key: value})
