"""Who is told of a run: the terminal or the log, and on a runner the annotations, the outputs and the job summary."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import TextIO

from turso_deploy.core.errors import BlockedError, ErrorCode
from turso_deploy.core.text import inert
from turso_deploy.github.annotations import Level, annotations_of
from turso_deploy.github.outputs import outputs
from turso_deploy.github.runner import Runner
from turso_deploy.report import console
from turso_deploy.report.document import Report
from turso_deploy.report.job_summary import summary


class Verbosity(StrEnum):
    """How much is printed."""

    QUIET = "quiet"
    NORMAL = "normal"
    VERBOSE = "verbose"
    JSON = "json"


def publish(
    report: Report,
    runner: Runner,
    output: TextIO,
    environment: Mapping[str, str],
    loudness: Verbosity = Verbosity.NORMAL,
) -> None:
    """Print the report, and tell the runner what steps, people and later jobs need to know.

    As JSON the output gets one document and nothing else, so `runner` has to have another log. Raises OSError when the
    output cannot be written, after all else is done.
    """
    try:
        if loudness is Verbosity.JSON:
            output.write(_json(report))
        else:
            quiet, verbose = loudness is Verbosity.QUIET, loudness is Verbosity.VERBOSE
            with runner.group(f"turso-deploy {report.command}"):
                text = console.render(report, _wants_colour(output, environment), quiet=quiet, verbose=verbose)
                runner.print_untrusted(text)
        for note in annotations_of(report):
            runner.annotate(note.level, note.message, title=note.title, place=note.place)
        output.flush()
    finally:
        with _without_failing(runner, "The outputs"):
            runner.set_outputs(outputs(report))
        with _without_failing(runner, "The job summary"):
            runner.append_summary(lambda room: summary(report, room))


@contextmanager
def _without_failing(runner: Runner, what: str) -> Iterator[None]:
    """A file of the runner's that cannot be written is a warning: the exit status tells of the database."""
    try:
        yield
    except OSError as error:
        runner.annotate(Level.WARNING, f"{what} could not be written: {error.strerror}.")


def print_script(script: str, runner: Runner, output: TextIO) -> None:
    """Print a plan's script, and nothing else.

    Raises BlockedError where a runner would take a part of it for a command: unlike a report, it has to stay as it is.
    """
    if runner.present and inert(script) != script:
        raise BlockedError(
            ErrorCode.PLAN_IMPOSSIBLE,
            "The plan cannot be printed as a script here: the runner would take a part of it for a command.",
            hint="Run `turso-deploy plan --sql` outside of a workflow.",
        )
    output.write(script)


def _json(report: Report) -> str:
    """The report as JSON that a runner finds no command in: in JSON, `##[` can only stand in a string."""
    return json.dumps(report.as_json(), indent=2).replace("##[", "#\\u0023[") + "\n"


def _wants_colour(output: TextIO, environment: Mapping[str, str]) -> bool:
    """Colour is for terminals, and for those who did not decline it: https://no-color.org."""
    return output.isatty() and not environment.get("NO_COLOR")
