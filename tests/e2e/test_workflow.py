"""e2e.yml, run by a real runner with a real engine and a real server, once for each event that starts it.

The workflow checks outcomes, outputs and databases itself; what is checked here is what a workflow cannot see: the
annotations and the summary of each step, and that nothing secret is in the log.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.act import Run, run_workflow
from tests.e2e.engine import ROOT
from tests.support.recording_proxy import recording_proxy
from tests.support.sqld import Sqld
from turso_deploy.core.transaction import Query, Rows
from turso_deploy.database.hrana import HranaDatabase

pytestmark = pytest.mark.container

WORKFLOW = ROOT / ".github/workflows/e2e.yml"
EVENTS: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "branch": ("push", {"ref": "refs/heads/main"}, []),
    "tag": ("push", {"ref": "refs/tags/v2.2.0"}, []),
    # Runs the jobs of a branch too; once is enough here.
    "pull-request": ("pull_request", {"pull_request": {"head": {"ref": "change"}}}, ["--job", "pull-request"]),
    "schedule": ("schedule", {}, []),
}
STARTED = {
    "branch": {"deployments", "after"},
    "tag": {"tag"},
    "pull-request": {"pull-request"},
    "schedule": {"schedule"},
}

NOTHING_CHANGED = "❌ Failed: nothing was changed"
BLOCKED = "⛔ Blocked: nothing was changed"
LOST_COLUMN = "drop-column notes.draft"
TOLD: list[tuple[str, str, str, str, list[tuple[str, str]]]] = [
    ("branch", "deployments", "first", "✅ Deployed 2.2.0 &#40;first deployment&#41;", []),
    ("branch", "deployments", "again", "✅ Unchanged: the database is already at 2.2.0", []),
    ("branch", "deployments", "additive", "✅ Deployed 2.2.0: 2 objects created", []),
    ("branch", "deployments", "blocked", BLOCKED, [("error", LOST_COLUMN)]),
    ("branch", "deployments", "allowed", "✅ Deployed 2.2.0", [("warning", LOST_COLUMN)]),
    ("branch", "deployments", "mismatch", NOTHING_CHANGED, [("error", "rows of users: expected >=1, found 0")]),
    ("branch", "deployments", "expired", NOTHING_CHANGED, [("error", "token expired")]),
    ("branch", "deployments", "read-only", NOTHING_CHANGED, [("error", "token is read-only")]),
    ("branch", "deployments", "deep", "✅ Deployed 2.2.0: 1 object created", []),
    ("tag", "tag", "another", NOTHING_CHANGED, [("error", "The tag names the version 2.2.0, and the manifest has")]),
    ("tag", "tag", "same", "✅ Deployed 2.2.0 &#40;first deployment&#41;", []),
    ("pull-request", "pull-request", "plan", "✅ Planned 2.2.0", []),
    ("pull-request", "pull-request", "check", "⚠️ Pending 2.2.0", []),
    ("pull-request", "pull-request", "fork", NOTHING_CHANGED, [("error", "a pull request from a fork")]),
    ("pull-request", "pull-request", "compare", "✅ Planned 2.2.0: 1 object to create", []),
    ("schedule", "schedule", "verify", "✅ Verified", []),
    ("schedule", "schedule", "drift", "⚠️ Drifted 2.2.0: 1 object is", [("error", "idx_questions_channel")]),
    ("schedule", "schedule", "tokens", "✅ Checked 2 tokens: no problems found", []),
    ("schedule", "schedule", "short", "✅ Checked 1 token: 1 warning", [("warning", "expires in 2 days")]),
    ("schedule", "schedule", "ended", "❌ Failed: checked 1 token: 1 error", [("error", "token expired")]),
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """What came of each event."""
    return {
        name: run_workflow(WORKFLOW, event, tmp_path_factory.mktemp("act"), *options, payload=payload)
        for name, (event, payload, options) in EVENTS.items()
    }


@pytest.mark.parametrize("event", EVENTS)
def test_each_event_starts_its_jobs_and_they_hold(event: str, runs: dict[str, Run]) -> None:
    assert runs[event].jobs == dict.fromkeys(STARTED[event], "success"), runs[event].log


@pytest.mark.parametrize(("event", "job", "step", "verdict", "annotations"), TOLD)
def test_each_step_has_its_summary_and_its_annotations(
    event: str, job: str, step: str, verdict: str, annotations: list[tuple[str, str]], runs: dict[str, Run]
) -> None:
    told = runs[event].steps[job, step]
    assert told.summary.startswith(f"## {verdict}")
    assert {level for level, _, _ in told.annotations} == {level for level, _ in annotations}
    for level, text in annotations:
        assert any(text in message for found, _, message in told.annotations if found == level)


def test_what_the_manifest_asks_in_vain_is_shown_at_the_manifest(runs: dict[str, Run]) -> None:
    ((_, properties, _),) = runs["branch"].steps["deployments", "mismatch"].annotations
    assert "file=schema/manifest.yml" in properties


def test_of_two_jobs_that_deploy_at_once_one_does_it(sqld: Sqld, tmp_path: Path) -> None:
    token = sqld.token()
    with recording_proxy(sqld.url) as proxy:
        proxy.latency = 0.2  # long enough for both to read before one of them writes
        run = run_workflow(
            WORKFLOW,
            "push",
            tmp_path,
            *("--job", "after-two"),
            payload=EVENTS["branch"][1],
            variables={"E2E_DATABASE_URL": proxy.url},
            secrets={"E2E_AUTH_TOKEN": token},
        )
    assert run.jobs == dict.fromkeys(["two-at-once one", "two-at-once other", "after-two"], "success"), run.log
    verdicts = [run.steps[f"two-at-once {job}", "deploy"].summary.split()[2] for job in ("one", "other")]
    assert sorted(verdicts) == ["Deployed", "Unchanged:"]
    database = HranaDatabase(sqld.url, token, timeout=30)
    (history,) = database.query([Query("SELECT count(*) FROM schema_deployments")])
    database.close()
    assert isinstance(history, Rows)
    assert history.rows == ((1,),)
    assert token not in run.log
