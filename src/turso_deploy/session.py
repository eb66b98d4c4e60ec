"""One run from settings to exit status: what is set up before the story in `deploy.py`, and who is told afterwards."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from turso_deploy.database.address import Address, FileAddress, parse_address
from turso_deploy.database.connect import open_database
from turso_deploy.draft import error_line
from turso_deploy.errors import DeployError, ErrorCode, InputError, InternalError, RefusedError
from turso_deploy.inputs import Inputs, Pipeline, read_inputs, read_pipeline, secret_values, wants_json
from turso_deploy.publish import publish
from turso_deploy.report.actions import Runner
from turso_deploy.report.document import Report, Status

if TYPE_CHECKING:
    from turso_deploy.schema.project import Project

EMBEDDED_DATABASE = "turso-deploy.db"
_EMBEDDED = f"No database URL was given: this is the embedded database {EMBEDDED_DATABASE} in the working folder."
CHANGES_PENDING = 3


def run(
    settings: Mapping[str, Any], environment: Mapping[str, str], output: TextIO, errors: TextIO | None = None
) -> int:
    """Do what the settings say, tell everyone who should know, and return the exit status.

    The report goes to `output`. When it is JSON nothing else does, and `errors` (by default stderr, where the runner
    listens too) gets the commands to the runner.
    """
    as_json = wants_json(settings)
    runner = Runner((errors or sys.stderr) if as_json else output, environment)
    for secret in secret_values(settings):
        runner.mask(secret)
    inputs: Inputs | None = None
    try:
        inputs = read_inputs(settings)
        report = _report(inputs, read_pipeline(environment))
    except DeployError as error:
        report = _failed_early(str(settings.get("command", "deploy")), inputs, error)
    except Exception as error:  # whatever it is, the job must learn that it is our fault and not theirs
        report = _failed_early(str(settings.get("command", "deploy")), inputs, _bug(error))
    publish(report, runner, output, environment, as_json=as_json)
    if inputs and inputs.command == "plan" and inputs.check and report.status is Status.PLANNED:
        return CHANGES_PENDING
    return report.exit_code


def _report(inputs: Inputs, pipeline: Pipeline) -> Report:
    from turso_deploy import deploy as story
    from turso_deploy.schema.hazards import parse_permissions
    from turso_deploy.schema.project import load_project

    permissions = parse_permissions(inputs.allow_hazards)
    address = _address(inputs, pipeline)
    token = _usable_token(inputs) if not isinstance(address, FileAddress) else ""
    project = load_project(Path(inputs.schema_path))
    if inputs.version_from_tag:
        _refuse_another_version(project, pipeline)
    database = open_database(address, token, inputs.timeout)
    try:
        match inputs.command:
            case "plan":
                rehearse = inputs.rehearse == "rollback"
                report = story.plan(project, database, pipeline, permissions, rehearse=rehearse)
            case "verify":
                report = story.verify(project, database)
            case _:
                report = story.deploy(project, database, pipeline, permissions)
    finally:
        database.close()
    return report if inputs.database_url else replace(report, notices=(_EMBEDDED, *report.notices))


def _address(inputs: Inputs, pipeline: Pipeline) -> Address:
    if inputs.database_url is not None:
        return parse_address(inputs.database_url)
    if pipeline.on_runner:
        raise InputError(
            ErrorCode.DATABASE_URL_MISSING,
            "No database URL was given: the input `database-url` is empty, and so is TURSO_DATABASE_URL.",
            hint="Usually the secret is not set for this repository or environment, or the run is of a pull request "
            "from a fork, to which GitHub gives no secrets. Set the secret TURSO_DATABASE_URL and pass it as "
            "`database-url`.",
        )
    return FileAddress(EMBEDDED_DATABASE)


def _refuse_another_version(project: Project, pipeline: Pipeline) -> None:
    """A release deploys what it is called: its tag and the manifest name the same version."""
    tag, manifest = pipeline.tag_version, project.manifest.schema_version
    if tag is None:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"`version-from-tag` is set, and {pipeline.ref or 'this run'} is no version tag.",
            hint="Run the workflow on tags like v2.2.0 only (`tags: ['v*']`), or leave `version-from-tag` out.",
        )
    if tag != manifest:
        raise RefusedError(
            ErrorCode.MANIFEST_MISMATCH,
            f"The tag names the version {tag}, and the manifest says schema_version: {manifest or 'nothing'}.",
            hint="Set `schema_version` in the manifest to the version that is released, and tag that commit.",
            place=project.manifest_place,
        )


def _usable_token(inputs: Inputs) -> str:
    """The token, once it is known offline that it can do the work. A server without authentication needs none."""
    from turso_deploy.turso.tokens import check_access, read_claims

    if inputs.auth_token is None:
        return ""
    token = inputs.auth_token.get_secret_value()
    check_access(read_claims(token), needs_write=inputs.command == "deploy", now=datetime.now(UTC))
    return token


def _failed_early(command: str, inputs: Inputs | None, error: DeployError) -> Report:
    return Report(
        command=inputs.command if inputs else command,
        status=Status.FAILED,
        committed=error.committed,
        database="",
        error=error_line(error),
        exit_code=error.exit_code,
    )


def _bug(error: Exception) -> InternalError:
    """An unexpected exception. Its text may quote data, so only its type and the place in our code are told."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return InternalError(
        ErrorCode.INTERNAL,
        f"turso-deploy failed in a way that it does not know: {type(error).__name__}{where}.",
        hint="This is a bug: please report it. Whether the database changed is told by the table schema_deployments.",
        committed=None,
    )
