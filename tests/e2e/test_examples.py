"""The workflows that docs/examples/ offers, each run as it stands, with this tree for the published Action."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.act import run_workflow
from tests.e2e.engine import ROOT
from tests.support.sqld import Sqld

pytestmark = pytest.mark.container

FOLDER = ROOT / "docs/examples"
EVENTS: dict[str, dict[str, Any]] = {
    "branch": {"ref": "refs/heads/main"},
    "tag": {"ref": "refs/tags/v2.2.0"},
    "pull_request": {"pull_request": {"head": {"repo": {"fork": False}}}},
    "fork": {"pull_request": {"head": {"repo": {"fork": True}}}},
    "schedule": {},
}
NEW = "✅ Deployed 2.2.0 (first deployment): 50 objects created, 95 rows seeded"
PLANNED = "✅ Planned 2.2.0 (first deployment): 50 objects to create"
SAME = "✅ Unchanged: the database is already at 2.2.0"
CASES: list[tuple[str, str, str, dict[str, str]]] = [
    ("push", "push", "branch", {"deploy": NEW}),
    # Both environments have the secrets of the same database here.
    ("tag-with-environments", "push", "tag", {"staging": NEW, "production": SAME}),
    (
        "pull-request-plan",
        "pull_request",
        "pull_request",
        {"plan": PLANNED},
    ),
    ("pull-request-plan", "pull_request", "fork", {}),
    ("self-hosted-sqld", "push", "branch", {"deploy": NEW}),
    ("weekly-tokens", "schedule", "schedule", {"check": "✅ Checked 2 tokens: no problems found"}),
]


def run_example(name: str, event: str, payload: str, sqld: Sqld, folder: Path) -> dict[str, str]:
    """The verdict in the summary of each job that ran the Action. All jobs have to succeed."""
    lifetime: dict[str, Any] = {"iat": datetime.now(UTC), "exp": datetime.now(UTC) + timedelta(days=60)}
    token, read_only = sqld.token(**lifetime), sqld.token("ro", **lifetime)
    settings = {"TURSO_DATABASE_URL": sqld.url, "TURSO_AUTH_TOKEN": token, "TURSO_AUTH_TOKEN_RO": read_only}
    run = run_workflow(
        FOLDER / f"{name}.yml",
        event,
        folder,
        *("--local-repository", f"OWNER/turso-deploy@v1={ROOT}"),
        payload=EVENTS[payload],
        variables={"SQLD_URL": sqld.url},
        secrets=settings | {"SQLD_TOKEN": token},
    )
    assert set(run.jobs.values()) <= {"success"}, run.log
    return {job: step.summary.splitlines()[0] for (job, _), step in run.steps.items() if step.summary}


@pytest.mark.parametrize(("name", "event", "payload", "verdicts"), CASES)
def test_an_example_does_what_it_says(
    name: str, event: str, payload: str, verdicts: dict[str, str], sqld: Sqld, tmp_path: Path
) -> None:
    told = run_example(name, event, payload, sqld, tmp_path)
    assert told.keys() == verdicts.keys()
    for job, verdict in verdicts.items():
        assert unescape(told[job]).startswith(f"## {verdict}")


def test_the_matrix_deploys_to_each_of_its_databases(sqld: Sqld, tmp_path: Path) -> None:
    told = run_example("matrix", "push", "branch", sqld, tmp_path)
    assert told.keys() == {"deploy europe", "deploy america", "deploy asia"}
    verdicts = sorted(verdict.split(maxsplit=3)[2] for verdict in told.values())
    assert verdicts == ["Deployed", "Unchanged:", "Unchanged:"]  # the three have the secrets of the same database here


def test_the_nightly_check_verifies(sqld: Sqld, tmp_path: Path) -> None:
    settings = {"TURSO_DATABASE_URL": sqld.url, "TURSO_AUTH_TOKEN": sqld.token()}
    command = [sys.executable, "-m", "turso_deploy", "deploy"]
    subprocess.run(command, cwd=ROOT, env=os.environ | settings, check=True, capture_output=True)
    told = run_example("nightly-drift", "schedule", "schedule", sqld, tmp_path)
    assert told["verify"].startswith("## ✅ Verified")


def test_pull_request_from_a_fork_is_compared_with_its_base_branch(tmp_path: Path) -> None:
    root, folder = tmp_path / "repository", tmp_path / "act"
    folder.mkdir()
    shutil.copytree(ROOT / "schema", root / "schema")
    commit(root, "the base branch")
    (root / "schema/notes.sql").write_text("CREATE TABLE notes (id INTEGER PRIMARY KEY);\n")
    manifest = root / "schema/manifest.yml"
    manifest.write_text(manifest.read_text().replace("tables: 12", "tables: 13"))
    commit(root, "the merge of the pull request")
    run = run_workflow(
        FOLDER / "pull-request-from-fork.yml",
        "pull_request",
        folder,
        *("--local-repository", f"OWNER/turso-deploy@v1={ROOT}"),
        *("--container-options", f"--volume {shutil.which('git')}:/usr/local/bin/git:ro"),
        payload=EVENTS["fork"],
        root=root,
    )
    assert run.jobs == {"compare": "success"}, run.log
    [verdict] = [step.summary.splitlines()[0] for step in run.steps.values() if step.summary]
    assert unescape(verdict).startswith("## ✅ Planned 2.2.0: 1 object to create")


def commit(root: Path, message: str) -> None:
    """Commit everything in a folder, which becomes a repository."""
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "--message", message]):
        subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def test_every_example_is_tried() -> None:
    tried = {name for name, *_ in CASES} | {
        "matrix",
        "nightly-drift",
        "pull-request-from-fork",
        "stored-plan",
        "tenants",
    }
    assert {path.stem for path in FOLDER.glob("*.yml")} == tried  # the others have own tests
