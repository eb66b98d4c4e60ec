"""Reports as a run of the 2.2.0 schema gives them, and replies of HTTP servers."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from responses import RequestsMock

from turso_deploy.core.errors import ErrorCode
from turso_deploy.plan.steps import StepKind
from turso_deploy.report.document import CheckLine, CountLine, ErrorLine, Report, SeedLine, Status, StepLine

TABLES = [
    "users",
    "questions",
    "channel_mappings",
    "certifications",
    "learning_paths",
    "work_queue",
    "bot_ledger",
    "bot_runs",
    "question_relationships",
    "voice_sessions",
    "user_sessions",
    "question_history",
]


@pytest.fixture
def deployed() -> Report:
    """A deployment to an empty database: all of the schema created, all of the seeds written."""
    tables = [
        StepLine(
            StepKind.CREATE_TABLE,
            name,
            f"CREATE TABLE {name} (\n  id TEXT PRIMARY KEY\n)",
            (),
            f"schema/tables.sql:{line}",
        )
        for line, name in enumerate(TABLES, start=1)
    ]
    indexes = [
        StepLine(StepKind.CREATE_INDEX, f"idx_{name}_{number}", f"CREATE INDEX idx_{name}_{number} ON {name} (id)")
        for name in TABLES[:11]
        for number in range(3)
    ]
    views = [
        StepLine(StepKind.CREATE_VIEW, f"view_{number}", f"CREATE VIEW view_{number} AS SELECT 1;")
        for number in range(3)
    ]
    triggers = [StepLine(StepKind.CREATE_TRIGGER, f"touch_{name}", "CREATE TRIGGER …") for name in TABLES[:2]]
    return Report(
        command="deploy",
        status=Status.DEPLOYED,
        committed=True,
        database="https://quiz-acme.turso.io",
        deployment_id="0199f3a2-7c1e",
        schema_version="2.2.0",
        manifest_version="2.2.0",
        steps=(*tables, *indexes, *views, *triggers),
        counts={
            "tables": CountLine("12", 12),
            "indexes": CountLine("33", 33),
            "views": CountLine(">=3", 3),
            "triggers": CountLine("2", 2),
            "foreign_keys": CountLine(None, 3),
        },
        checks=(
            CheckLine("rows of certifications", True, ">=12", "12", section="rows"),
            CheckLine("invalid JSON in questions.tags", True, "0", "0", section="json_columns"),
        ),
        seeds=(SeedLine("certifications", 12, 12), SeedLine("questions", 45, 45)),
        requests=2,
        duration_ms=420,
    )


@pytest.fixture
def failed(deployed: Report) -> Report:
    """The same deployment, stopped by a manifest that expects one table more."""
    return replace(
        deployed,
        status=Status.FAILED,
        committed=False,
        deployment_id=None,
        steps=(),
        seeds=(),
        counts=deployed.counts | {"tables": CountLine("13", 12, ok=False)},
        checks=(*deployed.checks, CheckLine("rows of questions", False, ">=50", "45", section="rows")),
        notices=("The table legacy_scores is not in the schema; it stays as it is.",),
        error=ErrorLine(
            code=ErrorCode.MANIFEST_MISMATCH,
            message="the manifest expects 13 tables, and the database would have 12\n  users\n  questions",
            hint="Correct expect: in the manifest, or add the table that is missing.",
            file="schema/manifest.yml",
            line=4,
            column=11,
        ),
    )


@pytest.fixture
def replies() -> Iterator[RequestsMock]:
    """Replies to requests, with what was sent. Each must be requested, and any other request gets no reply."""
    with RequestsMock() as registered:
        yield registered
