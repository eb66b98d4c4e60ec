"""The whole way of a change on a real runner, from the pull request to the rollback."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.e2e.act import Run, run_workflow
from tests.e2e.engine import ROOT
from tests.platform.github import WORKFLOW, Github, running_github

pytestmark = pytest.mark.container

PULL_REQUEST = {"number": 7, "pull_request": {"number": 7, "head": {"ref": "change", "sha": "a" * 40}}}


@dataclass
class Flow:
    """What came of the workflow, and what it left on GitHub."""

    run: Run
    github: Github

    def summary(self, step: str) -> str:
        return self.run.steps["flow", step].summary


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Flow:
    with running_github() as github:
        run = run_workflow(
            ROOT / "tests/e2e/flow.yml",
            "pull_request",
            tmp_path_factory.mktemp("act"),
            *("--env", f"GITHUB_API_URL={github.url}", "--env", "GITHUB_REPOSITORY=acme/quiz"),
            payload=PULL_REQUEST,
            secrets={"WORKFLOW_TOKEN": WORKFLOW},
        )
    return Flow(run, github)


def test_change_goes_from_the_pull_request_to_production_and_back(flow: Flow) -> None:
    assert flow.run.jobs == {"flow": "success"}, flow.run.log


def test_pull_request_has_one_comment_that_names_the_hazard_and_then_its_approval(flow: Flow) -> None:
    [comment] = flow.github.comments[7]
    assert comment["body"].split("\n")[1] == flow.summary("green").split("\n")[0]
    assert "- drop-column:users.nickname" in flow.summary("red")
    assert "manifest approve 1.1.0" in comment["body"]


def test_plan_that_does_not_fit_any_more_says_what_became_different(flow: Flow) -> None:
    assert "meanwhile" in flow.summary("refused")


def test_history_lists_both_deployments_with_the_approval(flow: Flow) -> None:
    assert "1.0.0" in flow.summary("history")
    assert "1.1.0" in flow.summary("history")


def test_issue_is_opened_with_the_drift_and_closed_after_it(flow: Flow) -> None:
    assert "by_hand" in flow.summary("drift")
    [issue] = flow.github.issues
    assert issue["state"] == "closed"
    assert issue["body"].split("\n")[1] == flow.summary("quiet").split("\n")[0]
