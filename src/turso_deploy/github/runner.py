"""Protocol of the runner: workflow commands on the log, masks, and the files of outputs and job summary.

Source: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands; for what that page leaves
open, the runner's parser (`ActionCommand` in https://github.com/actions/runner).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO
from uuid import uuid4

from turso_deploy.core.errors import Place
from turso_deploy.core.secret import redact
from turso_deploy.core.text import encodable, inert, printable, printable_lines
from turso_deploy.github.annotations import Level
from turso_deploy.github.context import RunContext
from turso_deploy.github.report_file import write_report_file

MAX_SUMMARY_SIZE = 1024 * 1024
"""Maximum size of the job summary of one step, in bytes.

A larger one is not shown at all (same page, "Step isolation and limits").
"""

_MIN_MASK_LENGTH = 4
"""Shorter masks would replace ordinary text all over the log."""


def escape_data(text: str) -> str:
    """Escape the message of a workflow command; the runner restores it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """Escape the value of a property of a workflow command, so that it cannot end the property or the list."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


class Runner:
    """Workflow commands on the log, and the files that the context names.

    Outside of a runner no command is written: nothing would interpret it. `masks` is the stream for masks; without it
    none is written, because a mask that the runner does not read is a secret in clear text.
    """

    def __init__(self, log: TextIO, context: RunContext, masks: TextIO | None = None) -> None:
        self._log = log
        self._context = context
        self._masks = masks
        self._secrets = list[str]()

    @property
    def present(self) -> bool:
        """True if this process runs on a runner."""
        return self._context.on_runner

    def mask(self, secret: str) -> None:
        """Mask the secret in everything that is printed later, here and by the runner.

        The runner masks line by line, so each line of the secret is a mask. It derives the URL, JSON and Base64 forms
        itself (`HostContext` in https://github.com/actions/runner).
        """
        for line in self.hide(secret):
            if self._masks:
                self._command("add-mask", line, stream=self._masks)

    def hide(self, secret: str) -> list[str]:
        """Mask the secret in everything that this process prints later; return its lines that are long enough."""
        lines = [line.strip() for line in secret.splitlines() if len(line.strip()) >= _MIN_MASK_LENGTH]
        self._secrets += lines
        return lines

    def redacted(self, text: str) -> str:
        """Return the text with everything masked that `mask` or `hide` was called with, also outside of a runner."""
        return redact(text, self._secrets)

    def debug(self, text: str) -> None:
        """Print a debug message; the runner shows it in a debug run only."""
        self._command("debug", text)

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Collapse what is printed inside the context under a title."""
        self._command("group", printable(title))
        try:
            yield
        finally:
            self._command("endgroup")

    def annotate(self, level: Level, message: str, *, title: str | None = None, place: Place | None = None) -> None:
        """Attach a message to the run, and to the file and line that caused it if they are known."""
        properties: dict[str, str | int | None] = {"title": printable(title) if title else None}
        if place:
            properties |= {"file": printable(place.file), "line": place.line, "col": place.column}
        self._command(level.value, "\n".join(printable_lines(message)), properties)

    def print_untrusted(self, text: str) -> None:
        """Print text that may contain SQL, names or data, without letting the runner execute commands in it.

        Commands are stopped around it under a random token. They are also broken by a space: the page that shows the
        log formats `##[…]` lines even then, and other runners support stopping only in part.
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

    def set_output(self, name: str, value: str) -> None:
        """Set an output of this step; its value may have several lines.

        Raises ValueError if the name or the value contains the random delimiter.
        """
        delimiter = f"ghadelimiter_{uuid4()}"
        if delimiter in name or delimiter in value:
            raise ValueError(f"the output {name!r} contains its own delimiter")
        self._append(self._context.output_file, f"{name}<<{delimiter}\n{value}\n{delimiter}\n")

    def append_summary(self, render: Callable[[int], str]) -> None:
        """Append Markdown to the job summary if there is one; `render` gets the maximum size in bytes.

        Raises ValueError if the Markdown is larger: the summary would not be shown at all.
        """
        path = self._context.summary_file
        if path is None:
            return
        used = path.stat().st_size if path.exists() else 0
        available = max(0, MAX_SUMMARY_SIZE - used)
        markdown = encodable(render(available))
        if len(markdown.encode()) > available:
            raise ValueError(f"the job summary has {len(markdown.encode())} bytes where {available} are left")
        self._append(path, markdown)

    def write_report(self, command: str, report: str) -> str:
        """Write the JSON report of a command below the workspace, and return its path there; empty without one.

        Raises OSError.
        """
        workspace = self._context.workspace
        if workspace is None or self._context.output_file is None:
            return ""
        return write_report_file(workspace, command, report)

    def _append(self, path: Path | None, text: str) -> None:
        if path is not None:
            with path.open("a", encoding="utf-8", newline="") as file:
                file.write(encodable(text))

    def _command(
        self,
        name: str,
        data: str = "",
        properties: Mapping[str, str | int | None] | None = None,
        stream: TextIO | None = None,
    ) -> None:
        if not self.present:
            return
        stream = stream or self._log
        given = [
            f"{key}={escape_property(str(value))}" for key, value in (properties or {}).items() if value is not None
        ]
        head = f"{name} {','.join(given)}" if given else name
        stream.write(f"::{head}::{escape_data(data)}\n")
        stream.flush()


def stream_for_masks(log: TextIO, output: TextIO, errors: TextIO, context: RunContext) -> TextIO | None:
    """Return the stream that the runner itself reads, or None if a user may keep what is written to each of them.

    The streams of an Action belong to the runner. Those of a `run:` step may be redirected: to a file, which is seen,
    or through a pipe, which looks like the runner's own. People keep the output, so only `errors` is left, unless both
    are one and the same.
    """
    if not context.on_runner:
        return None
    if context.is_action:
        return None if _is_file(log) else log
    return None if _is_file(errors) or _are_one(errors, output) else errors


def _is_file(stream: TextIO) -> bool:
    status = _status(stream)
    return status is not None and stat.S_ISREG(status.st_mode)


def _are_one(one: TextIO, other: TextIO) -> bool:
    first, second = _status(one), _status(other)
    return one is other or (first is not None and second is not None and os.path.samestat(first, second))


def _status(stream: TextIO) -> os.stat_result | None:
    """Return the status of the file of a stream, or None for a stream in memory."""
    try:
        return os.fstat(stream.fileno())
    except (OSError, ValueError):
        return None
