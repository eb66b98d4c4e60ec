"""Who is told of a run: the terminal or the log, and on a runner the annotations, the outputs and the job summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TextIO

from turso_deploy.errors import ErrorCode, RefusedError
from turso_deploy.report import console
from turso_deploy.report.actions import Level, Runner, inert, outputs
from turso_deploy.report.document import Report
from turso_deploy.report.summary import summary
from turso_deploy.report.wording import place_of, verdict


def publish(report: Report, runner: Runner, output: TextIO, environment: Mapping[str, str], *, as_json: bool) -> None:
    """Print the report, and tell the runner what steps, people and later jobs need to know.

    With `as_json` the output gets one JSON document and nothing else, so `runner` has to have another log.
    """
    if as_json:
        output.write(_json(report))
    else:
        with runner.group(f"turso-deploy {report.command}"):
            runner.print_untrusted(console.render(report, _wants_colour(output, environment)))
    if report.error:
        hint = f"\n{report.error.hint}" if report.error.hint else ""
        runner.annotate(
            Level.ERROR, f"{report.error.message}{hint}", title=verdict(report), place=place_of(report.error)
        )
    for token in report.tokens:
        for finding in token.findings:
            runner.annotate(Level(finding.level), f"{finding.text}\n{finding.to_do}", title=f"Token in {token.role}")
    runner.set_outputs(outputs(report))
    runner.append_summary(lambda room: summary(report, room))


def print_script(script: str, runner: Runner, output: TextIO) -> None:
    """Print a plan's script, and nothing else.

    Raises RefusedError where a runner would take a part of it for a command: unlike a report, it has to stay as it is.
    """
    if runner.present and inert(script) != script:
        raise RefusedError(
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
