"""The workflow for a database for each tenant, on a real runner: canary, three shards, one summary."""

from __future__ import annotations

import json
import re
import shutil
from html import unescape
from pathlib import Path

import pytest

from tests.e2e.act import Run, run_workflow
from tests.e2e.engine import ROOT
from tests.e2e.test_examples import commit
from tests.support.fleets import NamespaceFleet, host_of, running_fleet
from tests.support.sqld import PROGRAM

pytestmark = pytest.mark.container

EXAMPLE = ROOT / "docs/examples/tenants.yml"
ACTIONS = ROOT / "tests/e2e/artifacts"
NAMES = [f"tenant{number:02}" for number in range(20)]


def repository(fleet: NamespaceFleet, folder: Path) -> Path:
    """A repository with the schema and the list of the tenants."""
    shutil.copytree(ROOT / "schema", folder / "schema")
    lines = (json.dumps({"name": name, "url": fleet.server.url, "host": host_of(name)}) for name in fleet.names)
    (folder / "tenants.jsonl").write_text("".join(f"{line}\n" for line in lines))
    commit(folder, "the schema")
    return folder


def run_example(fleet: NamespaceFleet, root: Path, folder: Path) -> Run:
    text = EXAMPLE.read_text()
    actions = [
        f"{re.findall(rf'actions/{name}-artifact@[0-9a-f]+', text)[0]}={ACTIONS / name}"
        for name in ("upload", "download")
    ]
    artifacts = folder / "artifacts"
    shutil.rmtree(artifacts, ignore_errors=True)
    artifacts.mkdir()
    return run_workflow(
        EXAMPLE,
        "push",
        folder,
        *("--local-repository", f"OWNER/turso-deploy@v1={ROOT}"),
        *(word for action in actions for word in ("--local-repository", action)),
        *("--container-options", f"--volume {PROGRAM}:/usr/local/bin/sqld:ro --volume {artifacts}:/artifacts"),
        payload={"ref": "refs/heads/main"},
        secrets={"TURSO_AUTH_TOKEN": fleet.token},
        root=root,
    )


def test_tenants_are_deployed_in_three_shards_after_the_canary_with_one_summary(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running_fleet(tmp_path_factory.mktemp("fleet"), NAMES) as fleet:
        root = repository(fleet, tmp_path / "repository")
        run = run_example(fleet, root, tmp_path)
        assert set(run.jobs) == {"canary", "deploy 1/3", "deploy 2/3", "deploy 3/3", "summary"}, run.log
        assert set(run.jobs.values()) == {"success"}, run.log
        assert "1 deployed" in unescape(run.steps["canary", "canary"].summary)
        summary = unescape(run.steps["summary", "summary"].summary)
        assert summary.startswith("## ✅")
        assert "20 databases: 20 deployed" in summary
        assert all(fleet.deployments(name) == 1 for name in NAMES)


def test_tenant_that_fails_fails_its_shard_and_the_summary_and_the_others_are_deployed(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running_fleet(tmp_path_factory.mktemp("fleet"), NAMES) as fleet:
        root = repository(fleet, tmp_path / "repository")
        last = max(NAMES[10:])
        fleet.execute(last, "CREATE TABLE users (x TEXT)", "CREATE VIEW mine AS SELECT x FROM users")
        run = run_example(fleet, root, tmp_path)
        assert (run.jobs["canary"], run.jobs["summary"]) == ("success", "failure"), run.log
        summaries = [unescape(run.steps[f"deploy {number}/3", "deploy"].summary) for number in (1, 2, 3)]
        assert sorted(summary[:4] for summary in summaries) == ["## ✅", "## ✅", "## ❌"]
        summary = unescape(run.steps["summary", "summary"].summary)
        assert summary.startswith("## ❌")
        assert last in summary
        assert "20 databases" in summary
