"""The runner's protocol: workflow commands on the log, masks, outputs, and the file of the job summary.

The rules are those of https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands; where that
page is silent, what the runner's own reader of them does (`ActionCommand` in https://github.com/actions/runner).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TextIO
from uuid import uuid4

from turso_deploy.core.errors import Place
from turso_deploy.core.text import inert, printable, printable_lines
from turso_deploy.report.document import Report
from turso_deploy.report.wording import rows_seeded

SUMMARY_LIMIT = 1024 * 1024
"""The bytes that the summary of one step may have.

A longer one is not shown at all (same page, "Step isolation and limits").
"""

OUTPUTS: Mapping[str, str] = {
    "status": "The verdict: deployed, unchanged, planned, verified, documented, stale, pulled, checked, rotated, "
    "blocked (by a hazard or a policy; no write was sent) or failed.",
    "changed": "Whether the database was changed: true or false.",
    "deployment-id": "The id of the deployment in the deployment history; empty when nothing was deployed.",
    "schema-version": "The schema version that the manifest states.",
    "tables": "How many tables the database has, or would have by a plan.",
    "indexes": "How many indexes the database has, or would have by a plan.",
    "views": "How many views the database has, or would have by a plan.",
    "triggers": "How many triggers the database has, or would have by a plan.",
    "rows-seeded": "How many seed rows were written.",
    "token-expires-at": "When the token that was given ends, in ISO 8601; empty when it never does.",
    "token-days-left": "How many whole days that token has left.",
    "token-age-days": "How many whole days ago that token was issued.",
    "token-rotation-due": "Whether a token that was given is to be rotated: true or false.",
}
"""Every output of the Action and what it means; `action.yml` and the documentation are checked against this."""

_SHORTEST_MASK = 4
"""A mask shorter than this would blot out ordinary text all over the log."""


class Level(StrEnum):
    """How much an annotation matters."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


def outputs(report: Report) -> dict[str, str]:
    """The Action's outputs of one run: every name of OUTPUTS with its value; empty where a value is not known.

    The counts of a run that was refused or failed are those it would have led to.
    """
    counts = report.counts if report.succeeded else {}
    found = {name: line.actual for name, line in counts.items()}
    values = {
        "status": report.status.value,
        "changed": "true" if report.changed else "false",
        "deployment-id": report.deployment_id,
        "schema-version": report.schema_version,
        **{name: found.get(name) for name in ("tables", "indexes", "views", "triggers")},
        "rows-seeded": rows_seeded(report),
        **_token_outputs(report),
    }
    return {name: "" if values[name] is None else str(values[name]) for name in OUTPUTS}


def _token_outputs(report: Report) -> dict[str, str | int | None]:
    """What later steps may want to know of the token that the run was given: the first, where there are several."""
    given = [token for token in report.tokens if not token.minted]
    first = given[0] if given else None
    return {
        "token-expires-at": first.expires_at if first else None,
        "token-days-left": first.days_left if first else None,
        "token-age-days": first.age_days if first else None,
        "token-rotation-due": "true" if any(token.due for token in given) else "false",
    }


def escape_data(text: str) -> str:
    """The message of a workflow command, on one line that the runner reads back as it was."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """The value of a workflow command's property, which also must not end the property or the list of them."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


class Runner:
    """The runner that this process works for, spoken to through its log and the files that its environment names.

    Off a runner there is nobody to obey a command, and a mask would print the very secret: then every command is
    silent, and only what people read is printed.
    """

    def __init__(self, log: TextIO, environment: Mapping[str, str]) -> None:
        self._log = log
        self._environment = environment
        self.present = environment.get("GITHUB_ACTIONS") == "true"

    def mask(self, secret: str) -> None:
        """Have the runner blot out the secret from here on. Comes before anything else is printed.

        A runner masks line by line, so each line of the secret is a mask of its own. It finds the URL, JSON and Base64
        forms of a mask by itself (`HostContext` in https://github.com/actions/runner).
        """
        for line in secret.splitlines():
            if len(line.strip()) >= _SHORTEST_MASK:
                self._command("add-mask", line.strip())

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold what is printed inside under the title."""
        self._command("group", printable(title))
        try:
            yield
        finally:
            self._command("endgroup")

    def annotate(self, level: Level, message: str, *, title: str | None = None, place: Place | None = None) -> None:
        """Attach a message to the run, and to the file and line that caused it where there is one."""
        properties: dict[str, str | int | None] = {"title": printable(title) if title else None}
        if place:
            properties |= {"file": printable(place.file), "line": place.line, "col": place.column}
        self._command(level.value, "\n".join(printable_lines(message)), properties)

    def print_untrusted(self, text: str) -> None:
        """Print text that may quote SQL, names or data, none of which the runner may obey.

        Commands are stopped around it under a token that the text cannot know. They are broken as well: the page that
        shows the log folds and colours `##[…]` lines even so, and other runners know less of stopping.
        """
        text = text if text.endswith("\n") else f"{text}\n"
        if not self.present:
            self._log.write(text)
            return
        token = uuid4().hex
        self._command("stop-commands", token)
        try:
            self._log.write(inert(text))
        finally:
            self._command(token)

    def set_outputs(self, values: Mapping[str, str]) -> None:
        """Hand each value to the steps that follow."""
        for name, value in values.items():
            self.set_output(name, value)

    def set_output(self, name: str, value: str) -> None:
        """Hand one value, of any number of lines, to the steps that follow.

        Raises ValueError when the name or the value holds the random delimiter that should end it.
        """
        delimiter = f"ghadelimiter_{uuid4()}"
        if delimiter in name or delimiter in value:
            raise ValueError(f"the output {name!r} holds the delimiter that should end it")
        self._append("GITHUB_OUTPUT", f"{name}<<{delimiter}\n{value}\n{delimiter}\n")

    def append_summary(self, render: Callable[[int], str]) -> None:
        """Append to the job summary, where there is one, what `render` makes of the bytes that are left in it.

        Raises ValueError when it makes more than that: a summary that is too long would not be shown at all.
        """
        if self._file("GITHUB_STEP_SUMMARY") is None:
            return
        room = self._room_in_summary()
        markdown = render(room)
        if len(markdown.encode()) > room:
            raise ValueError(f"the job summary has {len(markdown.encode())} bytes where {room} are left")
        self._append("GITHUB_STEP_SUMMARY", markdown)

    def _room_in_summary(self) -> int:
        path = self._file("GITHUB_STEP_SUMMARY")
        taken = path.stat().st_size if path and path.exists() else 0
        return max(0, SUMMARY_LIMIT - taken)

    def _append(self, variable: str, text: str) -> None:
        if path := self._file(variable):
            with path.open("a", encoding="utf-8", newline="") as file:
                file.write(text)

    def _file(self, variable: str) -> Path | None:
        name = self._environment.get(variable)
        return Path(name) if self.present and name else None

    def _command(self, name: str, data: str = "", properties: Mapping[str, str | int | None] | None = None) -> None:
        if not self.present:
            return
        given = [
            f"{key}={escape_property(str(value))}" for key, value in (properties or {}).items() if value is not None
        ]
        head = f"{name} {','.join(given)}" if given else name
        self._log.write(f"::{head}::{escape_data(data)}\n")
        self._log.flush()
