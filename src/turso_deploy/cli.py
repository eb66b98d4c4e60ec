"""The command line: parses, calls, exits."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from turso_deploy import __version__
from turso_deploy.inputs import Inputs, flag_of

_DESCRIPTIONS = {
    "deploy": "bring the database to the schema and the seeds, in one transaction",
    "plan": "show what a deployment would do, and change nothing",
    "verify": "check the database against the schema and the manifest, read only",
    "manifest-schema": "print the JSON Schema of the manifest",
}
_EPILOGUE = """examples:
  turso-deploy deploy                                   an embedded database in the working folder
  turso-deploy plan --check --database-url libsql://…   exit with 3 when something would change
  TURSO_DATABASE_URL=… TURSO_AUTH_TOKEN=… turso-deploy deploy

exit status: 0 done or nothing to do, 1 failed, 2 wrong input, 3 changes pending
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. Without a command, the Action's input `command` says which."""
    flags = _parser().parse_args(arguments)
    settings = {name: value for name, value in vars(flags).items() if value is not None}
    if settings.get("command") == "manifest-schema":
        from turso_deploy.schema.manifest import manifest_json_schema

        sys.stdout.write(manifest_json_schema())
        return 0
    from turso_deploy.session import run

    return run(settings, os.environ, sys.stdout)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="turso-deploy",
        description="Bring a Turso (libSQL) database to the schema and seeds of a repository, proven before commit.",
        epilog=_EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"turso-deploy {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, description in _DESCRIPTIONS.items():
        command = commands.add_parser(
            name, help=description, description=description[:1].upper() + description[1:] + ".", allow_abbrev=False
        )
        if name != "manifest-schema":
            _add_flags(command)
    return parser


def _add_flags(command: argparse.ArgumentParser) -> None:
    """A flag for each setting. Values are checked by `Inputs`, so that flags and variables are judged alike."""
    for name, field in Inputs.model_fields.items():
        if name == "command":
            continue
        options: dict[str, Any] = {"dest": name, "default": None, "help": _help_of(name)}
        if field.annotation is bool:
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["metavar"] = name.rpartition("_")[2].upper()
        command.add_argument(flag_of(name), **options)


def _help_of(name: str) -> str:
    field = Inputs.model_fields[name]
    text = str(field.description).replace("`", "").replace("%", "%%")
    shown = "" if field.default in (None, False) else f" Default: {field.default}."
    return text + shown
