"""One run from settings to exit status: what is set up before the story in `deploy.py`, and who is told afterwards."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from msgspec.structs import replace

from turso_deploy.cli.credentials import EMBEDDED_DATABASE, Credentials, open_credentials
from turso_deploy.cli.output import Verbosity, print_script, publish
from turso_deploy.cli.settings import Settings, read_settings, secret_values, wants_json, wants_sql
from turso_deploy.core.errors import BlockedError, DeployError, ErrorCode, InputError, InternalError
from turso_deploy.core.progress import report_step
from turso_deploy.core.signals import ignore_signals
from turso_deploy.database.open import open_database
from turso_deploy.github.context import RunContext, read_context
from turso_deploy.github.runner import Runner
from turso_deploy.http.backoff import MAX_PAUSE, RetryBudget
from turso_deploy.report.document import Report, Status
from turso_deploy.report.lines import error_line, status_of
from turso_deploy.report.progress_display import SLOW_STEP, UPDATE_INTERVAL, display_progress

if TYPE_CHECKING:
    from turso_deploy.database.interface import Database
    from turso_deploy.project.project import Project

_EMBEDDED = f"No database URL was given: this is the embedded database {EMBEDDED_DATABASE} in the working folder."
CHANGES_PENDING = 3


class Timing(NamedTuple):
    """The times of a run in seconds that are no settings; tests shorten them."""

    update_interval: float = UPDATE_INTERVAL
    slow_step: float = SLOW_STEP
    max_pause: float = MAX_PAUSE


DEFAULT_TIMING = Timing()


def run(
    settings: Mapping[str, Any],
    environment: Mapping[str, str],
    output: TextIO,
    errors: TextIO | None = None,
    timing: Timing = DEFAULT_TIMING,
) -> int:
    """Do what the settings say, tell everyone who should know, and return the exit status.

    The report goes to `output`. When it is JSON nothing else does, and `errors` (by default stderr, where the runner
    listens too) gets the commands to the runner. When a script is asked for, only that goes to `output`.
    """
    as_json = wants_json(settings)
    log = (errors or sys.stderr) if as_json or wants_sql(settings) else output
    context = read_context(environment)
    runner = Runner(log, context)
    for secret in secret_values(settings):
        runner.mask(secret)
    inputs: Settings | None = None
    access = Credentials()
    emit = partial(print_script, runner=runner, output=output)
    try:
        inputs = read_settings(settings)
        terminal = None if environment.get("TERM") == "dumb" else errors or sys.stderr
        with _progress(inputs, log, terminal, context, timing):
            report = _report(inputs, context, access, runner.mask, emit, timing)
    except DeployError as error:
        report = _failed_early(str(settings.get("command", "deploy")), inputs, error)
    except Exception as error:  # whatever it is, the job must learn that it is our fault and not theirs
        report = _failed_early(str(settings.get("command", "deploy")), inputs, _bug(error))
    report = replace(report, tokens=access.lines)
    if inputs and inputs.comment:
        from turso_deploy.github.pull_request import comment_on

        report = comment_on(report, context, inputs.github_token, inputs.schema_path, inputs.timeout)
    with ignore_signals(), _though_nobody_may_listen(errors or sys.stderr):
        publish(report, runner, output if as_json else log, environment, _loudness(inputs, as_json))
    if inputs and inputs.check and report.status in (Status.PLANNED, Status.STALE):
        return CHANGES_PENDING
    return report.exit_code


@contextmanager
def _though_nobody_may_listen(errors: TextIO) -> Iterator[None]:
    """A report that cannot be printed (a full disk, a reader that is gone, a bug) changes nothing of what was done."""
    try:
        yield
    except Exception as error:
        reason = f"{error.strerror}." if isinstance(error, OSError) else f"{_bug(error).message} Please report it."
        with suppress(OSError):
            errors.write(f"The report could not be printed: {reason} The exit status tells how the run ended.\n")


def _loudness(inputs: Settings | None, as_json: bool) -> Verbosity:
    if as_json:
        return Verbosity.JSON
    if inputs and inputs.quiet:
        return Verbosity.QUIET
    return Verbosity.VERBOSE if inputs and inputs.verbose else Verbosity.NORMAL


def _progress(
    inputs: Settings, log: TextIO, terminal: TextIO | None, context: RunContext, timing: Timing
) -> AbstractContextManager[None]:
    """Progress goes where it is in nobody's way: to the runner's log, or to a terminal that waits for a report."""
    if inputs.quiet:
        return nullcontext()
    return display_progress(
        log,
        None if inputs.json_output or inputs.sql else terminal,
        on_runner=context.on_runner,
        update_interval=timing.update_interval,
        slow_step=timing.slow_step,
    )


def _report(
    inputs: Settings,
    context: RunContext,
    access: Credentials,
    mask: Callable[[str], None],
    emit: Callable[[str], None],
    timing: Timing,
) -> Report:
    if inputs.command == "plan" and inputs.compare_to is not None:
        return _comparison(inputs, inputs.compare_to)
    if inputs.command == "docs":
        from turso_deploy.schema_docs.generate import generate_docs

        return generate_docs(Path(inputs.schema_path), Path(inputs.output), check=inputs.check)
    with open_credentials(access, inputs, context, mask):
        match inputs.command:
            case "check-tokens":
                from turso_deploy.cli.token_commands import check_tokens

                return check_tokens(access)
            case "rotate-token":
                from turso_deploy.cli.token_commands import rotate

                return rotate(access, inputs, context, mask)
            case "pull":
                return _pull(inputs, _open(inputs, access, timing))
            case _:
                return _database_report(inputs, context, access, mask, emit, timing)


def _open(inputs: Settings, access: Credentials, timing: Timing) -> Database:
    budget = RetryBudget(inputs.timeout, max_pause=timing.max_pause)
    return open_database(access.address, access.token, inputs.timeout, inputs.request_size, budget)


def _comparison(inputs: Settings, folder: str) -> Report:
    from turso_deploy.deploy.preview import compare
    from turso_deploy.plan.hazards import parse_approvals
    from turso_deploy.project.loader import load_project

    approvals = parse_approvals(inputs.allow_hazards)
    project = load_project(Path(inputs.schema_path))
    if not Path(folder).is_dir():
        raise InputError(
            ErrorCode.SCHEMA_NOT_FOUND,
            f"There is no schema folder `{folder}` to compare with.",
            hint="Set --compare-to (input `compare-to`) to a folder, relative to the working directory.",
        )
    return compare(project, load_project(Path(folder)), approvals)


def _pull(inputs: Settings, database: Database) -> Report:
    from turso_deploy.cli.pull_command import pull

    try:
        return pull(Path(inputs.schema_path), database)
    finally:
        database.close()


def _database_report(
    inputs: Settings,
    context: RunContext,
    access: Credentials,
    mask: Callable[[str], None],
    emit: Callable[[str], None],
    timing: Timing,
) -> Report:
    from turso_deploy.cli.deploy_command import deploy_safely, provenance_of
    from turso_deploy.deploy import preview
    from turso_deploy.deploy.deployment import Deployment
    from turso_deploy.plan.hazards import parse_approvals
    from turso_deploy.project.loader import load_project

    approvals = parse_approvals(inputs.allow_hazards)
    report_step("reading the schema folder")
    project = load_project(Path(inputs.schema_path))
    if inputs.version_from_tag:
        _refuse_another_version(project, context)
    database = _open(inputs, access, timing)
    deployment = Deployment(project, database, approvals, provenance_of(context))
    try:
        match inputs.command:
            case "plan" if inputs.sql:
                report, script = preview.script(deployment)
                emit(script)
            case "plan":
                report = preview.plan(deployment, dry_run=inputs.dry_run)
            case "verify":
                report = preview.verify(deployment)
            case _:
                report = deploy_safely(deployment, access, inputs, mask)
    finally:
        database.close()
    named = inputs.database_url or access.hosting
    return report if named else replace(report, notices=(_EMBEDDED, *report.notices))


def _refuse_another_version(project: Project, context: RunContext) -> None:
    """A release deploys what it is called: its tag and the manifest name the same version."""
    tag, manifest = context.tag_version, project.manifest.schema_version
    if tag is None:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"`version-from-tag` is set, and {context.ref or 'this run'} is no version tag.",
            hint="Run the workflow on tags like v2.2.0 only (`tags: ['v*']`), or leave `version-from-tag` out.",
        )
    if tag != manifest:
        raise BlockedError(
            ErrorCode.MANIFEST_MISMATCH,
            f"The tag names the version {tag}, and the manifest says schema_version: {manifest or 'nothing'}.",
            hint="Set `schema_version` in the manifest to the version that is released, and tag that commit.",
            place=project.manifest_place,
        )


def _failed_early(command: str, inputs: Settings | None, error: DeployError) -> Report:
    return Report(
        command=inputs.command if inputs else command,
        status=status_of(error),
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
