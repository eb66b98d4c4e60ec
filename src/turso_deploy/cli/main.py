"""Entry point of the program: set up the streams, parse the arguments, run the command, return the exit status."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from turso_deploy.cli.arguments import WITHOUT_SETTINGS, parse_arguments
from turso_deploy.core.signals import StoppedError, cancel_on_signals
from turso_deploy.github.context import read_context

if TYPE_CHECKING:
    from turso_deploy.cli.invocation import Timing

# A run creates a few hundred thousand objects and hardly any reference cycle. Collecting after every 700 objects, as
# Python does, takes a tenth of the time of a large plan (https://docs.python.org/3/library/gc.html#gc.set_threshold).
# The collection at exit takes a tenth of the time of a small one, so the remaining objects are frozen before it.
_COLLECTION_INTERVAL = 200_000

# pydantic calls the plugins of all installed packages (https://docs.pydantic.dev/latest/concepts/plugins/). They would
# see the tokens among the settings, no deployment needs them, and searching for them takes time.
_NO_PLUGINS = ("PYDANTIC_DISABLE_PLUGINS", "__all__")


def main(arguments: Sequence[str] | None = None, timing: Timing | None = None) -> int:
    """Run one command and return its exit status.

    Without a command on the command line, the environment selects it; the Action has a default, which is `deploy`.
    """
    _open_streams()
    gc.set_threshold(_COLLECTION_INTERVAL)
    os.environ.setdefault(*_NO_PLUGINS)
    atexit.register(gc.freeze)
    given = sys.argv[1:] if arguments is None else arguments
    flags = parse_arguments(given, needs_command=not _has_command(os.environ))
    _escape_what_cannot_be_encoded(sys.stdout, sys.stderr)
    if flags.get("command") in WITHOUT_SETTINGS:
        return _print_json_schema(flags["command"])
    try:
        with cancel_on_signals():
            from turso_deploy.cli.run import DEFAULT_TIMING, run

            return run(flags, os.environ, sys.stdout, sys.stderr, timing or DEFAULT_TIMING)
    except StoppedError as error:  # before the run began
        sys.stderr.write(f"{error.message}\n")
        return error.exit_code
    finally:
        _keep_exit_status(sys.stdout)


def _has_command(environment: Mapping[str, str]) -> bool:
    """Return True if the environment selects the command, or is that of the Action, which has a default."""
    is_given = any(environment.get(variable) for variable in ("INPUT_COMMAND", "TURSO_COMMAND"))
    return is_given or read_context(environment).is_action


def _open_streams() -> None:
    """Replace a stream that was closed before the start, which is None in Python, by one that discards everything.

    https://docs.python.org/3/library/sys.html#sys.stdout
    """
    if sys.stdout is None or sys.stderr is None:
        nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 — open until the process ends
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere


def _print_json_schema(command: str) -> int:
    if command == "manifest-schema":
        from turso_deploy.project.manifest import manifest_json_schema as json_schema
    else:
        from turso_deploy.report.document import report_json_schema as json_schema
    try:
        sys.stdout.write(json_schema())
        sys.stdout.flush()
    except OSError as error:
        _keep_exit_status(sys.stdout)
        sys.stderr.write(f"The JSON Schema could not be printed: {error.strerror}.\n")
        return 1
    return 0


def _keep_exit_status(stream: TextIO) -> None:
    """Discard output that cannot be written: Python would exit with 120 (https://docs.python.org/3/library/sys.html#sys.exit)."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _escape_what_cannot_be_encoded(*streams: TextIO) -> None:
    """Escape characters that a stream cannot encode, so that one of them does not hide the report."""
    for stream in streams:
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
