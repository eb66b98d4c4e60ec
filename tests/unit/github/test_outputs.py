"""The outputs of the Action."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from turso_deploy.core.errors import ErrorCode
from turso_deploy.github.outputs import OUTPUTS, outputs
from turso_deploy.plan.hazards import HazardName, Severity
from turso_deploy.plan.steps import StepKind
from turso_deploy.report.document import ErrorLine, HazardLine, ObjectChange, Report, Status, StepLine

DROPPED = HazardLine(HazardName.DROP_COLUMN, "t.a", 2, Severity.NEEDS_APPROVAL, False, "drop-column t.a: …")
REWRITE = HazardLine(HazardName.REWRITE_TABLE, "t", 2, Severity.WARNING, True, "rewrite-table t: …")
STEP = StepLine(StepKind.REBUILD_TABLE, "t", "", (REWRITE, DROPPED))
FINGERPRINT = "f" * 64
PLANNED = Report(
    "plan",
    Status.PLANNED,
    committed=False,
    database="file:a.db",
    first_deployment=False,
    changes=(ObjectChange("added", "table", "u"), ObjectChange("changed", "table", "t")),
    steps=(StepLine(StepKind.RUN_SCRIPT, "one", "SELECT 1"),),
    plan_fingerprint=FINGERPRINT,
)
BLOCKED = replace(
    PLANNED, status=Status.BLOCKED, steps=(STEP,), error=ErrorLine(ErrorCode.HAZARD_BLOCKED, "x"), exit_code=5
)
EARLY = Report("plan", Status.FAILED, committed=False, database="", error=ErrorLine(ErrorCode.SQL_SYNTAX, "x"))


def test_the_outputs_of_a_deployment(deployed: Report) -> None:
    assert outputs(replace(deployed, plan_fingerprint=FINGERPRINT), "turso-deploy-reports/deploy-1.json") == {
        "status": "deployed",
        "error-code": "",
        "changed": "true",
        "would-change": "true",
        "blocked": "false",
        "pending": "false",
        "drifted": "",
        "changes": json.dumps({"added": 0, "changed": 0, "renamed": 0, "removed": 0, "scripts": 0, "seed_rows": 57}),
        "hazards": "[]",
        "plan-fingerprint": FINGERPRINT,
        "plan-fingerprint-short": FINGERPRINT[:12],
        "report-path": "turso-deploy-reports/deploy-1.json",
        "comment-url": "",
        "issue-url": "",
        "deployment-id": "0199f3a2-7c1e",
        "database": "https://quiz-acme.turso.io",
        "schema-path": "",
        "schema-version": "2.2.0",
        "previous-version": "",
        "manifest-version": "2.2.0",
        "tables": "12",
        "indexes": "33",
        "views": "3",
        "triggers": "2",
        "rows-seeded": "57",
        "fleet": "",
        "failed-names": "",
        "not-reached": "",
        "fleet-shards": "",
        "token-expires-at": "",
        "token-days-left": "",
        "token-age-days": "",
        "token-rotation-due": "false",
    }


def test_an_output_that_is_not_known_is_there_and_empty(failed: Report) -> None:
    early = outputs(replace(failed, counts={}, committed=None, schema_version=None, hazards=(), steps=()))
    assert list(early) == list(OUTPUTS)
    assert (
        early | {"status": "failed", "changed": "false", "tables": "", "deployment-id": "", "rows-seeded": "0"} == early
    )


@pytest.mark.parametrize(
    ("report", "code", "would_change", "blocked", "pending"),
    [
        (PLANNED, "", "true", "false", "true"),
        (replace(PLANNED, status=Status.PENDING), "", "true", "false", "true"),
        (replace(PLANNED, status=Status.UNCHANGED, steps=()), "", "false", "false", "false"),
        (BLOCKED, "hazard-blocked", "true", "true", "true"),
        (replace(BLOCKED, command="deploy"), "hazard-blocked", "true", "true", "true"),
        # A failure precedes a hazard in the status; the deployment would be blocked all the same.
        (replace(BLOCKED, status=Status.FAILED, error=EARLY.error), "sql-syntax", "true", "true", "true"),
        (replace(PLANNED, status=Status.FAILED, error=EARLY.error), "sql-syntax", "true", "false", "true"),
        (EARLY, "sql-syntax", "", "", ""),
        # Two folders: no database says whether rows are affected, or what was deployed.
        (replace(PLANNED, plan_fingerprint=None), "", "true", "false", ""),
        (replace(PLANNED, plan_fingerprint=None, blocked_by=BLOCKED.error), "", "true", "", ""),
        (replace(EARLY, command="verify", pending=True, error=None), "", "", "", "true"),
        (replace(EARLY, command="check-tokens", status=Status.CHECKED, error=None), "", "", "", ""),
    ],
)
def test_outputs_say_what_a_gate_asks(report: Report, code: str, would_change: str, blocked: str, pending: str) -> None:
    found = outputs(report)
    assert [found[name] for name in ("error-code", "would-change", "blocked", "pending")] == [
        *(code, would_change, blocked, pending)
    ]


@pytest.mark.parametrize(("drifted", "output"), [(True, "true"), (False, "false"), (None, "")])
def test_drift_is_an_output(drifted: bool | None, output: str) -> None:
    assert outputs(replace(EARLY, drifted=drifted))["drifted"] == output


def test_hazards_are_a_json_list_with_those_that_block_first() -> None:
    assert json.loads(outputs(BLOCKED)["hazards"]) == [
        {
            "name": "drop-column",
            "object": "t.a",
            "rows": 2,
            "severity": "needs approval",
            "approved": False,
            "text": "drop-column t.a: …",
            "approved_by": None,
        },
        {**json.loads(json.dumps(vars(REWRITE)))},
    ]


def test_of_very_many_hazards_the_output_has_a_hundred() -> None:
    many = tuple(replace(STEP, hazards=(REWRITE,)) for _ in range(200))
    found = json.loads(outputs(replace(BLOCKED, steps=(*many, STEP)))["hazards"])
    assert (len(found), found[0]["name"]) == (100, "drop-column")


def test_changes_are_counted_by_their_effect() -> None:
    assert json.loads(outputs(PLANNED)["changes"]) == {
        **{"added": 1, "changed": 1, "renamed": 0, "removed": 0},
        **{"scripts": 1, "seed_rows": 0},
    }
    assert outputs(EARLY)["changes"] == ""


def test_address_of_the_comment_is_an_output() -> None:
    assert outputs(replace(PLANNED, comment_url="https://x"))["comment-url"] == "https://x"
