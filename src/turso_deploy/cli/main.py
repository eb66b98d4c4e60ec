"""The command line: parses, calls, exits."""

from __future__ import annotations

import argparse
import atexit
import gc
import os
import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from turso_deploy import __version__
from turso_deploy.core.signals import StoppedError, cancel_on_signals

if TYPE_CHECKING:
    from turso_deploy.cli.settings import Setting

# A run makes a few hundred thousand objects and hardly a cycle among them: looking for some after every 700 of them, as
# Python does, takes a tenth of a large plan (https://docs.python.org/3/library/gc.html#gc.set_threshold). Looking for
# the last ones at the end, when all memory goes anyway, takes a tenth of a small one: what is frozen is left out.
_SELDOM = 200_000

COMMANDS = {
    "deploy": "bring the database to the schema and seeds of the schema folder, in one transaction",
    "plan": "show the changes that a deployment would make; change nothing",
    "verify": "check the database against the schema folder and the manifest; read only",
    "docs": "write the documentation of the schema folder, with diagrams and the results of its queries",
    "pull": "write a schema folder that describes an existing database; read only",
    "check-tokens": "check each token: its claims, and one read-only request with it",
    "rotate-token": "mint a database token and store it as a GitHub secret",
    "manifest-schema": "print the JSON Schema of the manifest",
}
"""Commands and their descriptions."""

_EXAMPLES = {
    "deploy": [
        "turso-deploy deploy --database-url file:site.db",
        "turso-deploy deploy --allow-hazards drop-column:users.nickname",
        "turso-deploy deploy --api-token … --organization acme --database quiz --trial-branch",
    ],
    "plan": [
        "turso-deploy plan --check",
        "turso-deploy plan --dry-run",
        "turso-deploy plan --compare-to base/schema",
        "turso-deploy plan --sql > plan.sql",
    ],
    "verify": ["turso-deploy verify --json", "turso-deploy verify --quiet"],
    "docs": ["turso-deploy docs --output docs/schema", "turso-deploy docs --check"],
    "pull": ["turso-deploy pull --schema-path schema --database-url file:site.db"],
    "check-tokens": ["turso-deploy check-tokens --token-policy enforce --token-max-age 90d"],
    "rotate-token": ["turso-deploy rotate-token --secret-name TURSO_AUTH_TOKEN --token-lifetime 90d"],
    "manifest-schema": ["turso-deploy manifest-schema > schema/manifest.schema.json"],
}
_GROUPS = {
    "schema": ("the schema", "schema_path version_from_tag"),
    "folder": ("the schema", "schema_path output check"),
    "new folder": ("the schema", "schema_path"),
    "database": ("the database", "database_url auth_token allow_insecure_http timeout request_size"),
    "platform": ("the database, by the Turso Platform", "api_token organization database api_url token_lifetime"),
    "plan": ("the plan", "allow_hazards dry_run compare_to sql check"),
    "safety": (
        "approvals, trial and restore point",
        "allow_hazards trial_branch keep_trial_branch restore_point keep_restore_points",
    ),
    "tokens": (
        "the tokens",
        "read_only_auth_token previous_auth_token token_policy token_max_age token_expiry_warning token_require_expiry",
    ),
    "secret": ("the secret", "github_token secret_name secret_scope token_access revoke_others"),
    "comment": ("the pull request", "comment github_token"),
    "report": ("the report", "quiet verbose json_output"),
}
"""What belongs together among the settings, under its title."""

_SHOWN = {
    "deploy": ("schema", "database", "platform", "safety", "tokens", "comment", "report"),
    "plan": ("schema", "database", "platform", "plan", "tokens", "comment", "report"),
    "verify": ("schema", "database", "platform", "tokens", "comment", "report"),
    "docs": ("folder", "report"),
    "pull": ("new folder", "database", "platform", "tokens", "report"),
    "check-tokens": ("database", "platform", "tokens", "report"),
    "rotate-token": ("database", "platform", "secret", "tokens", "report"),
}
"""What the help of a command tells. Every flag is taken by every command, as every variable is."""

_EPILOGUE = """Without a command it deploys.

examples:
  turso-deploy deploy                                   an embedded database in the working folder
  turso-deploy plan --check --database-url libsql://…   exit with 3 when something would change
  TURSO_DATABASE_URL=… TURSO_AUTH_TOKEN=… turso-deploy deploy
  turso-deploy docs --check                             exit with 3 when the pages in docs/schema are stale

exit status: 0 done or nothing to do, 1 failed or refused, 2 wrong input, 3 changes pending
"""
_VARIABLES = """Each flag is a variable too: --schema-path is TURSO_SCHEMA_PATH.
What --flag switches on, --no-flag switches off.

"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. Without a command, the Action's input `command` says which."""
    _open_streams()
    gc.set_threshold(_SELDOM)
    atexit.register(gc.freeze)
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser(arguments)
    flags, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.commands.get(flags.command, parser).refuse(unknown)
    settings = {name: value for name, value in vars(flags).items() if value is not None}
    _print_anything(sys.stdout, sys.stderr)
    if settings.get("command") == "manifest-schema":
        from turso_deploy.project.manifest import manifest_json_schema

        sys.stdout.write(manifest_json_schema())
        return 0
    try:
        with cancel_on_signals():
            from turso_deploy.cli.run import run

            return run(settings, os.environ, sys.stdout, sys.stderr)
    except StoppedError as error:  # before the run itself began
        sys.stderr.write(f"{error.message}\n")
        return error.exit_code
    finally:
        _keep_the_exit_status(sys.stdout)


def _open_streams() -> None:
    """A stream that was closed before the start is None in Python (https://docs.python.org/3/library/sys.html#sys.stdout).

    What would be told there goes nowhere, and the run itself goes on.
    """
    if sys.stdout is None or sys.stderr is None:
        nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 — for as long as the run takes
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere


def _keep_the_exit_status(stream: TextIO) -> None:
    """Python ends with 120 when what is left to print cannot be: https://docs.python.org/3/library/sys.html#sys.exit."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _print_anything(*streams: TextIO) -> None:
    """What a stream's encoding lacks is spelled out: a sign that cannot be printed must not hide what was done."""
    for stream in streams:
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class _Help(argparse.HelpFormatter):
    """Help whose flags are explained in wrapped text, and whose examples stand as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "".join(indent + line for line in text.splitlines(keepends=True))

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """Of a switch, the form that switches it on."""
        if isinstance(action, argparse.BooleanOptionalAction):
            return action.option_strings[0]
        return super()._format_action_invocation(action)


class _Parser(argparse.ArgumentParser):
    """One whose errors say that nothing was changed, and where to look. `commands` are those of its commands."""

    commands: Mapping[str, _Parser] = {}

    def error(self, message: str) -> NoReturn:
        """Exit with 2 after what argparse says, which begins in lower case and has no full stop."""
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {message}\nNothing was changed. What there is: {self.prog} --help\n")

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """Exit with 2 because of arguments, which are named without their values: one may be a token."""
        from difflib import get_close_matches

        from turso_deploy.cli.settings import SETTINGS, flag_of

        named = [argument.partition("=")[0] for argument in unknown if argument.startswith("-")]
        alike = [flag for name in named for flag in get_close_matches(name, map(flag_of, SETTINGS), n=1, cutoff=0.75)]
        meant = f" (meant: {' '.join(alike)}?)" if alike else ""
        self.error(f"unrecognized arguments: {' '.join(named) or 'too many words'}{meant}")


def _parser(arguments: Sequence[str]) -> _Parser:
    parser = _Parser(
        prog="turso-deploy",
        description="Bring a Turso (libSQL) database to the schema and seeds of a repository, proven before commit.",
        epilog=_EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"turso-deploy {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, description in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=description,
            description=description[:1].upper() + description[1:] + ".",
            usage=f"turso-deploy {name} [--FLAG …]" if name in _SHOWN else None,
            epilog=(_VARIABLES if name in _SHOWN else "") + "\n  ".join(["examples:", *_EXAMPLES[name]]),
            formatter_class=_Help,
            allow_abbrev=False,
        )
        if name in arguments and name in _SHOWN:  # the model behind the flags is slow to load
            _add_flags(command, _SHOWN[name])
    parser.commands = commands.choices
    return parser


def _add_flags(command: argparse.ArgumentParser, shown: Sequence[str]) -> None:
    """A flag for each setting, in the help those that are `shown`.

    Values are checked by `Inputs`, so that flags and variables are judged alike.
    """
    from turso_deploy.cli.settings import SETTINGS, flag_of

    told = {name: title for title, names in map(_GROUPS.__getitem__, shown) for name in names.split()}
    titles = {title: command.add_argument_group(title) for title in dict.fromkeys(told.values())}
    for name in dict.fromkeys([*told, *SETTINGS]):
        setting = SETTINGS[name]
        help_text = _help_of(setting) if name in told else argparse.SUPPRESS
        options: dict[str, Any] = {"dest": name, "default": None, "help": help_text}
        if setting.core is bool:
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["metavar"] = name.rpartition("_")[2].upper()
        if name != "command":
            (titles[told[name]] if name in told else command).add_argument(flag_of(name), **options)


def _help_of(setting: Setting) -> str:
    text = setting.description.replace("`", "").replace("%", "%%")
    number = isinstance(setting.default, float)
    shown = "" if setting.default in (None, False, "") else f" Default: {setting.default:{'g' if number else ''}}."
    return text + shown
