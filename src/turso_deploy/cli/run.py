"""Run one command: parse the settings, do what they say, publish the report, return the exit status."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from turso_deploy.cli.credentials import DEFAULT_FILE, Credentials, require_database
from turso_deploy.cli.invocation import Invocation, Timing
from turso_deploy.cli.output import publish
from turso_deploy.core.errors import DeployError, ErrorCode, InternalError
from turso_deploy.core.signals import ignore_signals
from turso_deploy.core.text import inert
from turso_deploy.github.context import RunContext, read_context
from turso_deploy.github.runner import Runner, stream_for_masks
from turso_deploy.http.backoff import RetryBudget
from turso_deploy.http.count import counting_requests
from turso_deploy.report.document import ErrorLine, Report, Status
from turso_deploy.report.fleet_lines import DatabaseResult
from turso_deploy.report.lines import failed, with_notice
from turso_deploy.report.progress_display import display_progress
from turso_deploy.settings.reader import settings_of, usable_settings
from turso_deploy.settings.settings import SETTINGS, Settings
from turso_deploy.settings.sources import Sources, read_sources
from turso_deploy.sqlite.watcher import watching

DEFAULT_TIMING = Timing()
PENDING_OR_STALE = 3
"""Exit status with `--check`, if there are changes to deploy or stale pages."""

_DEFAULT_DATABASE = f"No database URL was given: using the local SQLite file {DEFAULT_FILE} in the working directory."


def run(
    flags: Mapping[str, Any],
    environment: Mapping[str, str],
    output: TextIO,
    errors: TextIO | None = None,
    timing: Timing = DEFAULT_TIMING,
) -> int:
    """Run the command of the settings, publish its report, and return the exit status.

    `flags` are those of the command line. The report goes to `output`. If it is JSON, or a script was asked for,
    nothing else goes there, and `errors` (stderr by default, which the runner reads too) gets the workflow commands.
    """
    errors = errors or sys.stderr
    sources = read_sources(flags, environment)
    as_json = sources.is_on("json_output")
    log = errors if as_json or sources.wants_sql else output
    context = read_context(environment)
    runner = Runner(log, context, stream_for_masks(log, output, errors, context))
    for secret in sources.unmasked_secrets:
        runner.mask(secret)
    for secret in sources.secrets:
        runner.hide(secret)
    settings: Settings | None = None
    credentials = Credentials()
    started = time.monotonic()

    def complete(report: Report) -> Report:
        report = replace(
            report,
            database=runner.redacted(report.database),
            schema_path=runner.redacted(_schema_path(sources, settings)),
            error=report.error and _redacted(report.error, runner),
            tokens=credentials.lines,
        )
        if settings and settings.check:
            report = _checked(report)
        return _posted(report, context, settings or usable_settings(sources), timing)

    def failure(error: Exception) -> Report:
        report = Report(sources.command, Status.FAILED, committed=False, database="")
        report = _with_context(report, sources, settings, credentials, context)
        report = failed(report, error if isinstance(error, DeployError) else _bug(error))
        return complete(replace(report, duration_ms=round((time.monotonic() - started) * 1000)))

    def finish(report: Report) -> int:
        with ignore_signals(), _reporting_print_errors(errors):
            publish(
                report,
                runner,
                output if as_json else log,
                environment,
                as_json=as_json,
                quiet=settings is not None and (settings.quiet or settings.sql),
                verbose=settings is not None and settings.verbose,
            )
        return report.exit_code

    with ExitStack() as shown:
        shown.enter_context(counting_requests(credentials.sent))
        try:
            if sources.is_on("verbose") or context.debug:
                shown.enter_context(_log(runner, log if context.on_runner else errors, context))
            settings = settings_of(sources)
            terminal = None if environment.get("TERM") == "dumb" else errors
            with _progress(settings, log, terminal, context, timing), watching(lambda error: finish(failure(error))):
                report = _report(Invocation(settings, sources, context, runner, output, credentials, timing))
        except Exception as error:
            report = failure(error)
        else:
            report = complete(report)
    return finish(report)


_WITH_VERSION = ("deploy", "plan", "verify", "docs")


def _schema_path(sources: Sources, settings: Settings | None) -> str:
    """Return the path of the schema folder as it was given; "" for a command that reads none."""
    if sources.command in ("check-tokens", "rotate-token", "rollback", "history", "join-results"):
        return ""
    if settings:
        return str(settings.schema_path)
    path = sources.text("schema_path") or SETTINGS["schema_path"].default
    with suppress(OSError, ValueError):
        return path if Path(path).is_dir() else ""  # another value may be a secret in the place of a path
    return ""


def _with_context(
    report: Report, sources: Sources, settings: Settings | None, credentials: Credentials, context: RunContext
) -> Report:
    """Return the report of a run that failed early with the database, the version and the requests that are known."""
    version = None
    if sources.command in _WITH_VERSION:
        with suppress(Exception):  # what is wrong with the folder or the manifest is reported elsewhere
            from turso_deploy.core.schema_folder import SchemaFolder
            from turso_deploy.project.manifest_file import load_manifest

            version = load_manifest(SchemaFolder.open(Path(_schema_path(sources, settings)))).schema_version
    database = ""
    if sources.command != "docs":
        found = (settings or usable_settings(sources)).named_database
        database = found or ("" if settings is None or context.on_runner else credentials.address.display)
    return replace(report, database=database, manifest_version=version, requests=credentials.sent.number)


def _redacted(error: ErrorLine, runner: Runner) -> ErrorLine:
    """Return the error without secrets; one may be given with the wrong setting, as the name of a folder."""
    causes = tuple(replace(cause, message=runner.redacted(cause.message)) for cause in error.causes)
    return replace(
        error,
        message=runner.redacted(error.message),
        hint=error.hint and runner.redacted(error.hint),
        file=error.file and runner.redacted(error.file),
        causes=causes,
    )


def _posted(report: Report, context: RunContext, settings: Settings, timing: Timing) -> Report:
    """Return the report after writing the comment and the issue. What fails there never takes the report with it."""
    wanted = [name for name in ("comment", "issue") if getattr(settings, name)]
    for name in wanted:
        if settings.command in SETTINGS[name].commands:
            report = _with_post(report, name, context, settings, timing)
    return report


def _with_post(report: Report, name: str, context: RunContext, settings: Settings, timing: Timing) -> Report:
    try:
        from turso_deploy.github.drift_issue import keep_issue
        from turso_deploy.github.posts import PostSettings
        from turso_deploy.github.pull_request import comment_on

        wanted = PostSettings(
            settings.schema_path,
            settings.named_database,
            settings.github_token,
            settings.comment_author,
            settings.timeout,
            RetryBudget(settings.timeout, max_pause=timing.max_pause),
        )
        return (comment_on if name == "comment" else keep_issue)(report, context, wanted)
    except Exception as error:
        what = "comment on the pull request" if name == "comment" else "issue about the drift"
        reason = error.message if isinstance(error, DeployError) else f"{_bug(error).message} Please report it."
        return with_notice(report, f"The {what} was not written. {reason}", "warning")


def _checked(report: Report) -> Report:
    """Return the report of a run with `--check`: changes that are not deployed, and stale pages, have an exit code."""
    status = Status.PENDING if report.status is Status.PLANNED else report.status
    if status in (Status.PENDING, Status.STALE):
        return replace(report, status=status, exit_code=PENDING_OR_STALE)
    return report


def _report(invocation: Invocation) -> Report:
    """Run the command. Everything local is checked before the first request. Raises DeployError."""
    settings = invocation.settings
    if settings.html is not None:
        from turso_deploy.report_page.file import require_writable_page

        require_writable_page(Path(settings.html))
    if settings.command == "docs":
        from turso_deploy.schema_docs.generate import generate_docs

        return generate_docs(Path(settings.schema_path), Path(settings.output), check=settings.check)
    if settings.command == "join-results":
        from turso_deploy.fleet.joined import join_results

        return _with_page(invocation, *join_results(settings.results or "results"))
    if settings.command == "plan" and settings.compare_to is not None:
        from turso_deploy.cli.preview_commands import compare

        return compare(invocation, settings.compare_to)
    if settings.fleet is not None:
        from turso_deploy.cli.fleet_command import run_fleet

        return _with_page(invocation, *run_fleet(invocation))
    if settings.command == "status":
        from turso_deploy.cli.history_commands import status

        return _with_page(invocation, status(invocation))
    require_database(settings, invocation.context)
    match settings.command:
        case "check-tokens":
            from turso_deploy.cli.token_commands import check_tokens

            return check_tokens(invocation)
        case "rotate-token":
            from turso_deploy.cli.token_commands import rotate

            return rotate(invocation)
        case "pull" if settings.update:
            from turso_deploy.folder_update.update import update_folder

            with invocation.load_project() as project, invocation.open_database() as database:
                return update_folder(project, database)
        case "pull":
            from turso_deploy.cli.pull_command import pull, require_target

            require_target(Path(settings.schema_path))
            with invocation.open_database() as database:
                return pull(Path(settings.schema_path), database)
        case "history":
            from turso_deploy.cli.history_commands import history

            report = _with_page(invocation, history(invocation))
        case "accept-drift":
            from turso_deploy.cli.history_commands import accept_drift

            report = accept_drift(invocation)
        case "plan":
            from turso_deploy.cli.preview_commands import plan

            report = plan(invocation)
        case "rollback":
            from turso_deploy.cli.deploy_command import rollback

            report = rollback(invocation)
        case "verify":
            from turso_deploy.cli.preview_commands import verify

            report = verify(invocation)
        case _:
            from turso_deploy.cli.deploy_command import deploy

            report = deploy(invocation)
    uses_default = settings.database_url is None and not settings.uses_platform
    return replace(report, notices=(_DEFAULT_DATABASE, *report.notices)) if uses_default else report


def _with_page(invocation: Invocation, report: Report, results: Sequence[DatabaseResult] = ()) -> Report:
    """Write the page of a report if one is wanted, and return the report. `results` are those of a fleet."""
    if invocation.settings.html is None:
        return report
    from turso_deploy.report_page.file import write_page

    return write_page(Path(invocation.settings.html), report, results, invocation.runner.redacted)


def _log(runner: Runner, stream: TextIO, context: RunContext) -> AbstractContextManager[None]:
    """Show the log of the run: with `verbose`, and in a debug run on a runner."""
    from turso_deploy.cli.log import showing_log

    def write(line: str) -> None:
        stream.write(f"{inert(line)}\n")
        stream.flush()

    return showing_log(runner.debug if context.debug else write, runner.redacted)


def _progress(
    settings: Settings, log: TextIO, terminal: TextIO | None, context: RunContext, timing: Timing
) -> AbstractContextManager[None]:
    """Show progress on a runner, or on a terminal that waits for a report, unless the log of the run has it."""
    if settings.quiet or settings.verbose or context.debug:
        return nullcontext()
    return display_progress(
        log,
        None if settings.json_output or settings.sql else terminal,
        on_runner=context.on_runner,
        update_interval=timing.update_interval,
        slow_step=timing.slow_step,
    )


def _bug(error: Exception) -> InternalError:
    """Return the error for an unexpected exception: its type and place only, because its text may contain data."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return InternalError(
        ErrorCode.INTERNAL,
        f"turso-deploy failed unexpectedly: {type(error).__name__}{where}.",
        hint="This is a bug: please report it. The table schema_deployments shows whether the database changed.",
        committed=None,
    )


@contextmanager
def _reporting_print_errors(errors: TextIO) -> Iterator[None]:
    """Write a line to `errors` if the report cannot be printed (a full disk, a closed pipe, a bug); raise nothing."""
    try:
        yield
    except Exception as error:
        reason = f"{error.strerror}." if isinstance(error, OSError) else f"{_bug(error).message} Please report it."
        with suppress(OSError):
            errors.write(f"The report could not be printed: {reason} The exit status shows how the run ended.\n")
