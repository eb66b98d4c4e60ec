"""Publish a report: terminal or log, and on a runner annotations, outputs and job summary."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TextIO

from turso_deploy.core.errors import ErrorCode, PlanError
from turso_deploy.core.text import inert
from turso_deploy.github.annotations import Level, annotations_of
from turso_deploy.github.outputs import outputs
from turso_deploy.github.runner import Runner
from turso_deploy.report import console, wording
from turso_deploy.report.document import Report
from turso_deploy.report.job_summary import summary


def publish(
    report: Report,
    runner: Runner,
    output: TextIO,
    environment: Mapping[str, str],
    *,
    as_json: bool = False,
    quiet: bool = False,
    verbose: bool = False,
) -> None:
    """Print the report, and give the runner its annotations, outputs and job summary.

    As JSON, the output gets one document and nothing else; the log of `runner` must then be another stream.
    Raises OSError if the output cannot be written, after everything else is done.
    """
    try:
        if as_json:
            output.write(_json(report))
        else:
            with runner.group(f"turso-deploy {report.command}"):
                text = console.render(report, _wants_colour(output, environment), quiet=quiet, verbose=verbose)
                runner.print_untrusted(text)
            if runner.present and report.succeeded:  # errors stand outside of the folded group as annotations
                runner.print_untrusted(wording.one_line(report))
        for note in annotations_of(report):
            runner.annotate(note.level, note.message, title=note.title, place=note.place)
        output.flush()
    finally:
        path = ""
        with _warning_on_error(runner, "The report file"):
            path = runner.write_report(report.command, _json(report))
        with _warning_on_error(runner, "The outputs"):
            _write_outputs(report, path, runner)
        with _warning_on_error(runner, "The job summary"):
            runner.append_summary(lambda budget: summary(report, budget))


def _write_outputs(report: Report, path: str, runner: Runner) -> None:
    """Write each output that can be written. Raises the first error afterwards."""
    errors: list[Exception] = []
    for name, value in outputs(report, path).items():
        try:
            runner.set_output(name, value)
        except (OSError, ValueError) as error:
            errors.append(error)
    if errors:
        raise errors[0]


@contextmanager
def _warning_on_error(runner: Runner, what: str) -> Iterator[None]:
    """Warn if a file of the runner cannot be written; the exit status is about the database only."""
    try:
        yield
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        with suppress(OSError, ValueError):  # the log may be closed, too
            runner.annotate(Level.WARNING, f"{what} could not be written: {reason}.")


def print_script(script: str, runner: Runner, output: TextIO) -> None:
    """Print the script of a plan, and nothing else.

    Raises PlanError if a runner would take a part of it for a workflow command: a script cannot be escaped.
    """
    if runner.present and inert(script) != script:
        raise PlanError(
            ErrorCode.PLAN_IMPOSSIBLE,
            "The script of the plan cannot be printed here: the runner would take a part of it for a workflow command.",
            hint="Run `turso-deploy plan --sql` outside of a workflow.",
        )
    output.write(script)


def _json(report: Report) -> str:
    """Return the report as JSON without workflow commands: in JSON, `##[` occurs only in strings, and is escaped."""
    return json.dumps(report.as_json(), indent=2).replace("##[", "#\\u0023[") + "\n"


def _wants_colour(output: TextIO, environment: Mapping[str, str]) -> bool:
    """Return True for a terminal, unless NO_COLOR is set: https://no-color.org."""
    return output.isatty() and not environment.get("NO_COLOR")
