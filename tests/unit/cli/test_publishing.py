"""Nothing that cannot be written takes the report of a committed deployment with it."""

from __future__ import annotations

import os
import sqlite3
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.support.schema_folders import SMALL, write_folder
from turso_deploy.cli.run import run
from turso_deploy.github import pull_request
from turso_deploy.github.context import read_context
from turso_deploy.github.runner import Runner
from turso_deploy.report import console

MINE = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REF": "refs/pull/7/merge",
    "GITHUB_REPOSITORY": "o/r",
    "TURSO_GITHUB_TOKEN": "ghs_0123456789",
}


class Deployed:
    """A deployment to a file on a runner, with a comment: its exit status and what it wrote."""

    def __init__(self, folder: Path, schema: str = "schema", **environment: str) -> None:
        write_folder(folder / schema, SMALL)
        self.file, self.outputs, self.summary = folder / "a.db", folder / "outputs", folder / "summary.md"
        self.outputs.touch()
        files = {"GITHUB_OUTPUT": str(self.outputs), "GITHUB_STEP_SUMMARY": str(self.summary)}
        flags: dict[str, Any] = {
            "command": "deploy",
            "schema_path": str(folder / schema),
            "database_url": f"file:{self.file}",
            "comment": True,
        }
        printed = StringIO()
        self.status = run(flags, {**MINE, **files, **environment}, printed, StringIO())
        self.printed = printed.getvalue()

    def assert_reported(self) -> None:
        assert self.status == 0
        with sqlite3.connect(self.file) as connection:
            [(tables,)] = connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchall()
        assert tables >= 3
        assert "Deployed" in self.printed


@pytest.mark.parametrize("error", [RuntimeError("odd"), RecursionError(), UnicodeError(), MemoryError(), KeyError("a")])
def test_comment_that_fails_in_any_way_is_a_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(pull_request, "_find", fail)
    done = Deployed(tmp_path)
    done.assert_reported()
    assert (
        f"The comment on the pull request was not written. Turso-deploy failed unexpectedly: {type(error).__name__}"
        in (done.printed.replace("turso-deploy failed", "Turso-deploy failed"))
    )
    assert "status<<" in done.outputs.read_text(encoding="utf-8")
    assert done.summary.exists()


@pytest.mark.parametrize(
    "url", ["https://[ghes", "https://[::1", "https://a]b", "//", "https://", "ftp://a", "https://a b"]
)
def test_address_of_the_api_that_is_no_url_takes_no_report(tmp_path: Path, url: str) -> None:
    done = Deployed(tmp_path, GITHUB_API_URL=url)
    done.assert_reported()
    assert "The comment on the pull request was not written" in done.printed
    assert "internal" not in done.printed
    assert "unexpectedly" not in done.printed


@pytest.mark.parametrize("method", ["set_output", "append_summary"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("odd"), RuntimeError("odd")])
def test_file_of_the_runner_that_cannot_be_written_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Runner, method, fail)
    done = Deployed(tmp_path)
    done.assert_reported()
    assert "could not be written" in done.printed
    assert done.summary.exists() is (method == "set_output")


def test_value_that_cannot_be_written_takes_no_other_output_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Runner.set_output

    def fail_once(self: Runner, name: str, value: str) -> None:
        if name == "status":
            raise ValueError(name)
        write(self, name, value)

    monkeypatch.setattr(Runner, "set_output", fail_once)
    done = Deployed(tmp_path)
    done.assert_reported()
    assert "deployment-id<<" in done.outputs.read_text(encoding="utf-8")


def test_rendering_that_fails_leaves_the_outputs_and_the_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise RuntimeError

    monkeypatch.setattr(console, "render", fail)
    done = Deployed(tmp_path)
    assert done.status == 0
    assert "deployment-id<<" in done.outputs.read_text(encoding="utf-8")
    assert "Deployed" in done.summary.read_text(encoding="utf-8")


def test_name_that_is_not_utf8_is_written_escaped(tmp_path: Path) -> None:
    runner_file = tmp_path / "outputs"
    runner = Runner(StringIO(), read_context({**MINE, "GITHUB_OUTPUT": str(runner_file)}), None)
    runner.set_output("status", os.fsdecode(b"sch\xe9ma"))
    assert "sch\\udce9ma" in runner_file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("head", "recorded"),
    [
        (None, ("a" * 40, "refs/heads/main")),
        ("a" * 40, ("a" * 40, "refs/heads/main")),
        ("b" * 40, ("b" * 40, None)),  # a `workflow_run` that checks out the commit of the other run
        ("ref: refs/heads/next", ("c" * 40, "refs/heads/next")),
    ],
)
def test_history_records_the_commit_that_is_checked_out(
    tmp_path: Path, head: str | None, recorded: tuple[str, str | None]
) -> None:
    if head:
        (tmp_path / ".git/refs/heads").mkdir(parents=True)
        (tmp_path / ".git/HEAD").write_text(f"{head}\n")
        (tmp_path / ".git/refs/heads/next").write_text("c" * 40)
    done = Deployed(tmp_path, GITHUB_SHA="a" * 40, GITHUB_REF="refs/heads/main")
    with sqlite3.connect(done.file) as connection:
        assert connection.execute("SELECT commit_sha, ref FROM schema_deployments").fetchall() == [recorded]
