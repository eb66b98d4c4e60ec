"""Deployments and rollbacks in a few words, for tests of the way back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_folder
from turso_deploy.core.errors import DeployError
from turso_deploy.deploy import preview
from turso_deploy.deploy.deploy import deploy
from turso_deploy.plan.hazards import HAZARDS, Approval
from turso_deploy.project.loader import load_project
from turso_deploy.report.document import Report
from turso_deploy.rollback.project import NO_TERMS, Terms, load_earlier

EVERYTHING = tuple(Approval(name) for name in HAZARDS)


def deploy_sql(
    target: DatabaseUnderTest,
    folder: Path,
    sql: str,
    version: str | None = None,
    **files: str,
) -> Report:
    """Deploy a folder with this SQL, and more files by name, in which `__` stands for `/`."""
    names = {name: name.replace("__", "/") + (".json" if name.startswith("seeds") else ".sql") for name in files}
    contents = {"schema.sql": sql, **{names[name]: text for name, text in files.items()}}
    if version:
        contents["manifest.yml"] = f"schema_version: {version}\n"
    with load_project(write_folder(folder / "schema", contents)) as project:
        return target.deploy(project, approvals=EVERYTHING)


def roll_back(
    target: DatabaseUnderTest,
    number: int | None = None,
    version: str | None = None,
    terms: Terms = NO_TERMS,
    *,
    approvals: Sequence[Approval] = EVERYTHING,
) -> Report:
    """Roll back. Raises DeployError if there is no such deployment to go back to."""
    with closing(target.open()) as database, load_earlier(database, number, version, terms) as project:
        return deploy(project, database, allow_hazards=approvals)


def try_rollback(target: DatabaseUnderTest, number: int | None = None, terms: Terms = NO_TERMS) -> Report:
    """Run a rollback on the database, and roll the transaction back."""
    with closing(target.open()) as database, load_earlier(database, number, None, terms) as project:
        return preview.plan(project, database, allow_hazards=EVERYTHING, dry_run=True)


def error_of_rollback(target: DatabaseUnderTest, number: int | None = None, version: str | None = None) -> DeployError:
    """Return the error of a rollback to a deployment that cannot be gone back to."""
    try:
        report = roll_back(target, number, version)
    except DeployError as error:
        return error
    raise AssertionError(f"rolled back: {report.status}")


def done(report: Report) -> Report:
    """Return the report of a deployment that succeeded."""
    assert report.error is None, report.error
    return report


def step_lines(report: Report) -> list[str]:
    """Return the steps of a report as words."""
    return [f"{step.kind} {step.object}" for step in report.steps]


def history(target: DatabaseUnderTest, number: int) -> Mapping[str, Any]:
    """Return the row of a deployment; JSON columns are decoded."""
    names = ("command", "schema_version", "schema_fingerprint", "seeds", "scripts", "managed_objects", "renames")
    [row] = target.rows(f"SELECT {', '.join(names)} FROM schema_deployments WHERE number = {number}")
    found = dict(zip(names, row, strict=True))
    return {name: json.loads(str(value)) if str(value)[:1] in "[{" else value for name, value in found.items()}
