"""The workflow of a stored plan, on a real runner: planned in one job, deployed in the next, or stopped.

The server of artifacts is GitHub's; a stand-in copies the file from job to job.
"""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from tests.e2e.act import Run, run_workflow
from tests.e2e.engine import ROOT
from tests.support.sqld import PROGRAM, Sqld
from turso_deploy.core.transaction import Query, Rows
from turso_deploy.database.hrana import HranaDatabase

pytestmark = pytest.mark.container

EXAMPLE = ROOT / "docs/examples/stored-plan.yml"
ACTIONS = ROOT / "tests/e2e/artifacts"


def run_example(sqld: Sqld, folder: Path, *options: str, workflow: Path = EXAMPLE) -> Run:
    text = workflow.read_text()
    actions = {
        name: f"{found[0]}={ACTIONS / name}"
        for name in ("upload", "download")
        if (found := re.findall(rf"actions/{name}-artifact@\w+", text))
    }
    artifacts = folder / "artifacts"
    artifacts.mkdir(exist_ok=True)
    return run_workflow(
        workflow,
        "push",
        folder,
        *("--local-repository", f"OWNER/turso-deploy@v1={ROOT}"),
        *(word for action in actions.values() for word in ("--local-repository", action)),
        *("--container-options", f"--volume {PROGRAM}:/usr/local/bin/sqld:ro --volume {artifacts}:/artifacts"),
        *options,
        payload={"ref": "refs/heads/main"},
        secrets={
            "TURSO_DATABASE_URL": sqld.url,
            "TURSO_AUTH_TOKEN": sqld.token(),
            "TURSO_AUTH_TOKEN_RO": sqld.token("ro"),
        },
    )


def test_plan_of_one_job_is_deployed_by_the_next(sqld: Sqld, tmp_path: Path) -> None:
    run = run_example(sqld, tmp_path)
    assert run.jobs == {"plan": "success", "deploy": "success"}, run.log
    planned, deployed = (unescape(run.steps[job, job].summary) for job in ("plan", "deploy"))
    assert planned.startswith("## ✅ Planned 2.2.0 (first deployment)")
    assert deployed.startswith("## ✅ Deployed 2.2.0 (first deployment)")
    [fingerprint] = re.findall(r"--expect-plan ([0-9a-f]{64})", planned)
    assert f"plan {fingerprint[:12]}, as in plan.json" in deployed
    database = HranaDatabase(sqld.url, sqld.token(), timeout=30)
    [recorded] = database.query([Query("SELECT plan_fingerprint FROM schema_deployments")])
    database.close()
    assert isinstance(recorded, Rows)
    assert recorded.rows == ((fingerprint,),)

    again = run_example(sqld, tmp_path)
    assert again.jobs["plan"] == "success", again.log
    assert ("deploy", "deploy") not in again.steps


def test_plan_is_not_deployed_after_the_database_has_changed(sqld: Sqld, tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    download = text.index("      - uses: actions/download-artifact")
    program = (
        "import json, os, urllib.request as request; body = {'requests': [{'type': 'execute', 'stmt': {'sql': "
        "'CREATE TABLE by_hand (x)'}}]}; request.urlopen(request.Request(os.environ['URL'] + '/v3/pipeline', "
        "json.dumps(body).encode(), {'Authorization': 'Bearer ' + os.environ['TOKEN']}))"
    )
    change = (
        '      - run: python3 -c "$PROGRAM"\n        env:\n'
        "          URL: ${{ secrets.TURSO_DATABASE_URL }}\n"
        "          TOKEN: ${{ secrets.TURSO_AUTH_TOKEN }}\n"
        f'          PROGRAM: "{program}"\n'
    )
    workflow = tmp_path / "changed.yml"
    workflow.write_text(text[:download] + change + text[download:])
    run = run_example(sqld, tmp_path, workflow=workflow)
    assert run.jobs == {"plan": "success", "deploy": "failure"}, run.log
    messages = [message for level, _, message in run.steps["deploy", "deploy"].annotations if level == "error"]
    assert len(messages) == 1
    assert "table by_hand is new" in messages[0]
    database = HranaDatabase(sqld.url, sqld.token(), timeout=30)
    [history] = database.query([Query("SELECT count(*) FROM sqlite_master WHERE name = 'schema_deployments'")])
    database.close()
    assert isinstance(history, Rows)
    assert history.rows == ((0,),)
