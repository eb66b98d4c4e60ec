"""Command-line parser: the commands, their flags, and the texts of `--help`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from turso_deploy import __version__
from turso_deploy.core.text import capitalized
from turso_deploy.settings.other_tools import consent_hint, meant_by_flag, meant_command

if TYPE_CHECKING:
    from turso_deploy.settings.fields import Setting

COMMANDS = {
    "deploy": "bring the database to the schema and seeds of the schema folder, in one transaction",
    "plan": "show the changes that a deployment would make; change nothing",
    "rollback": "go back to the schema of an earlier deployment, from the deployment history alone",
    "verify": "check the database against the schema folder and the manifest; read only",
    "history": "list the deployments of the database, or show what one of them changed; read only",
    "status": "show for each database its version, last deployment, pending changes and drift; read only",
    "accept-drift": "record what others changed in the database in the deployment history; change nothing else",
    "docs": "write the documentation of the schema folder, with diagrams and the results of its queries",
    "pull": "write a schema folder that describes an existing database; read only",
    "check-tokens": "check each token: its claims, and one read-only request with it",
    "rotate-token": "mint a database token and store it as a GitHub secret",
    "join-results": "join the results of the shards of a fleet into one report",
    "manifest-schema": "print the JSON Schema of the manifest",
    "report-schema": "print the JSON Schema of the JSON report",
}
"""Commands and their descriptions."""

WITHOUT_SETTINGS = ("manifest-schema", "report-schema")
"""The commands that take no settings."""

_EXAMPLES = {
    "deploy": [
        "turso-deploy deploy --database-url file:site.db",
        "turso-deploy deploy --allow-hazards drop-column:users.nickname",
        "turso-deploy deploy --plan plan.json",
        "turso-deploy deploy --fleet fleet.yml --canary acme --waves 10%,50% --failure-budget 1%",
        "TURSO_API_TOKEN=… turso-deploy deploy --organization acme --database quiz --trial-branch",
    ],
    "plan": [
        "turso-deploy plan --check",
        "turso-deploy plan --dry-run",
        "turso-deploy plan --compare-to base/schema",
        "turso-deploy plan --save plan.json",
        "turso-deploy plan --sql > plan.sql",
    ],
    "rollback": [
        "turso-deploy rollback --dry-run",
        "turso-deploy rollback 12 --allow-hazards drop-column:users.nickname",
        "turso-deploy rollback --to 2.3.0 --keep-done merge_names --backfill \"users.email='unknown'\"",
    ],
    "verify": ["turso-deploy verify --json", "turso-deploy verify --quiet"],
    "history": ["turso-deploy history", "turso-deploy history 7", "turso-deploy history --limit 100 --json"],
    "status": ["turso-deploy status", "turso-deploy status --settings-file turso-deploy.toml --json"],
    "accept-drift": ["turso-deploy accept-drift"],
    "docs": ["turso-deploy docs --output docs/schema", "turso-deploy docs --check"],
    "pull": ["turso-deploy pull --schema-path schema --database-url file:site.db"],
    "check-tokens": ["turso-deploy check-tokens --token-policy enforce --token-max-age 90d"],
    "rotate-token": ["turso-deploy rotate-token --secret-name TURSO_AUTH_TOKEN --token-lifetime 90d"],
    "join-results": ["turso-deploy join-results --results results"],
    "manifest-schema": ["turso-deploy manifest-schema > schema/manifest.schema.json"],
    "report-schema": ["turso-deploy report-schema > report.schema.json"],
}
_METAVARS = {
    "schema_path": "FOLDER",
    "output": "FOLDER",
    "compare_to": "FOLDER",
    "save": "FILE",
    "plan": "FILE",
    "expect_plan": "FINGERPRINT",
    "timeout": "SECONDS",
    "request_size": "BYTES",
    "token_max_age": "DURATION",
    "token_expiry_warning": "DURATION",
    "token_lifetime": "DURATION",
    "restore_point": "KIND",
    "restore_point_folder": "FOLDER",
    "keep_restore_points": "NUMBER",
    "target": "NAME",
    "fleet": "SOURCE",
    "except_": "NAMES",
    "canary": "NUMBER|NAMES",
    "waves": "PERCENTAGES",
    "failure_budget": "NUMBER|PERCENTAGE",
    "parallel": "NUMBER",
    "shard": "I/N",
    "results": "FILE",
    "names": "FORM",
    "deployment": "NUMBER",
    "to": "VERSION",
    "run_again": "NAME",
    "keep_done": "NAME",
    "backfill": "TABLE.COLUMN=EXPRESSION",
}
"""Names of the values in the help, where the last word of the flag says too little."""

_FIRST_WORDS = {"rollback": "deployment", "history": "deployment"}
"""The settings that may be given as a word without a flag, by command."""

# Messages of argparse about one argument: its flags, then what is wrong with it, perhaps with its value.
_FLAG_IN_MESSAGE = re.compile(r"argument (?:-h/)?(--[a-z-]+)(?:/--no-[a-z-]+)?: ")
_WITHOUT_VALUE = "expected one argument"

_EPILOGUE = """examples:
  turso-deploy deploy                                   deploy to a local SQLite file, turso-deploy.db
  turso-deploy plan --check --database-url libsql://…   exit with 3 if there are changes to deploy
  TURSO_DATABASE_URL=… TURSO_AUTH_TOKEN=… turso-deploy deploy
  turso-deploy docs --check                             exit with 3 if pages in docs/schema are stale

exit status: 0 done or nothing to do, 1 failed, 2 invalid input or schema folder, 3 changes are pending (verify, and
plan with --check) or pages stale, 4 the database drifted (verify), 5 blocked by a hazard or a policy
"""
_VARIABLES = """Each flag can also be set as an environment variable: --schema-path is TURSO_SCHEMA_PATH.
A flag without a value turns an option on; with --no- in front it turns the option off.

"""


def parse_arguments(arguments: Sequence[str], *, needs_command: bool = True) -> dict[str, Any]:
    """Parse the command line into the given settings, by the names of their fields, and `command`.

    Exits with 2 for arguments that are unknown, or without a command if `needs_command`; with 0 after `--help` and
    `--version`. No message repeats a word of the command line that is not known here, because it may be a secret.
    """
    parser = _parser(arguments)
    if meant := meant_command(arguments, COMMANDS):
        parser.suggest(*meant)
    flags, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.commands.get(flags.command, parser).reject(unknown, arguments)
    if flags.command is None and needs_command:
        parser.print_help(sys.stderr)
        parser.exit(2, "\nNo command was given. Nothing was changed.\n")
    # A list may be given in several flags.
    given = {name: "\n".join(value) if isinstance(value, list) else value for name, value in vars(flags).items()}
    return {name: value for name, value in given.items() if value is not None}


class _Help(argparse.HelpFormatter):
    """Format of the help: flags with wrapped text, examples unchanged."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "".join(indent + line for line in text.splitlines(keepends=True))

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """Return the form of a switch that turns it on, without its `--no-` form."""
        if isinstance(action, argparse.BooleanOptionalAction):
            return action.option_strings[0]
        return super()._format_action_invocation(action)


class _Parser(argparse.ArgumentParser):
    """Parser whose errors say that nothing was changed and point to the help, and repeat no word of the command line.

    `commands` are its subparsers.
    """

    commands: Mapping[str, _Parser] = {}

    def error(self, message: str) -> NoReturn:
        """Exit with 2 after an error of argparse, whose own message may quote a value."""
        flag = _FLAG_IN_MESSAGE.match(message)
        if flag is None:
            self._exit("the arguments cannot be read")
        self._exit(f"{flag[1]} {'needs a value' if message.endswith(_WITHOUT_VALUE) else 'takes no value'}")

    def _exit(self, message: str) -> NoReturn:
        """Exit with 2 after a message, which begins in lower case and has no full stop, as in argparse."""
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {message}\nNothing was changed. For help: {self.prog} --help\n")

    def suggest(self, word: str, meant: str) -> NoReturn:
        """Exit with 2 after a command of another tool, and name what is meant by it."""
        command = meant.split()[0]
        explained = f" ({COMMANDS[command]})" if command in COMMANDS else ""
        self._exit(f"there is no command {word}; what is meant is turso-deploy {meant}{explained}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Reject an unknown command, and suggest the one that is like it."""
        if action.choices is not None and value not in action.choices:
            from difflib import get_close_matches

            alike = get_close_matches(str(value), COMMANDS, n=1)
            suggestion = _did_you_mean(alike) or ", and flags come after it"
            self._exit(f"the first word must be a command{suggestion}; the commands are {', '.join(COMMANDS)}")

    def reject(self, unknown: Sequence[str], arguments: Sequence[str]) -> NoReturn:
        """Exit with 2 because of unknown arguments, which are named by their positions."""
        names = [word.partition("=")[0] for word in unknown if word.startswith("--")]
        if any(name in self._option_string_actions for name in names):
            hint = ": flags come after the command"
        else:
            hint = consent_hint(unknown) or _did_you_mean(self._meant_by(unknown))
        if not hint and self.commands:
            hint = ": the first word must be a command, and flags come after it"
        positions = sorted({arguments.index(word) + 1 for word in unknown})
        shown = f"{'s' if len(positions) > 1 else ''} at position {', '.join(map(str, positions))}"
        self._exit(f"unrecognized argument{shown}{hint}")

    def _meant_by(self, unknown: Iterable[str]) -> Iterator[str]:
        """Yield what is meant by each unknown flag: of another tool, misspelt, or with its value directly behind."""
        from difflib import get_close_matches

        flags = [flag for flag in self._option_string_actions if flag.startswith("--")]
        for name in (word.partition("=")[0] for word in unknown if word.startswith("-")):
            if meant := meant_by_flag(name, flags):
                yield meant
            elif starts := [flag for flag in flags if name.startswith(flag)]:
                yield max(starts, key=len)
            elif name.startswith("--"):
                yield from get_close_matches(name, flags, n=1, cutoff=0.75)


def _did_you_mean(names: Iterable[str]) -> str:
    alike = dict.fromkeys(names)
    return f" (did you mean {' '.join(alike)}?)" if alike else ""


def _parser(arguments: Sequence[str]) -> _Parser:
    parser = _Parser(
        prog="turso-deploy",
        description="Bring a Turso (libSQL) database to the schema and seeds of a repository, verified before commit.",
        epilog=_EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"turso-deploy {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    called = next((word for word in arguments if not word.startswith("-")), None)
    for name, description in COMMANDS.items():
        has_settings = name not in WITHOUT_SETTINGS
        command = commands.add_parser(
            name,
            help=description,
            description=f"{capitalized(description)}.",
            usage=f"turso-deploy {name}{_first_word(name)} [--FLAG …]" if has_settings else None,
            epilog=(_VARIABLES if has_settings else "") + "\n  ".join(["examples:", *_EXAMPLES[name]]),
            formatter_class=_Help,
            allow_abbrev=False,
        )
        if name == called and has_settings:  # the model of the settings takes long to load
            _add_flags(command, name)
    parser.commands = commands.choices
    return parser


def _first_word(command: str) -> str:
    """Return the word that may follow a command, for its usage."""
    return f" [{_METAVARS[_FIRST_WORDS[command]]}]" if command in _FIRST_WORDS else ""


def _add_flags(parser: argparse.ArgumentParser, command: str) -> None:
    """Add a flag for each setting; the help shows those of the command, in their groups.

    Values are not checked here but with the settings, so that flags and variables have the same errors.
    """
    from turso_deploy.settings.fields import Group
    from turso_deploy.settings.settings import SETTINGS, flag_of

    shown = {name for name, setting in SETTINGS.items() if command in setting.commands}
    used = {SETTINGS[name].group for name in shown}
    groups = {group: parser.add_argument_group(group.value) for group in Group if group in used}
    for name, setting in SETTINGS.items():
        if setting.group is None:
            continue
        options: dict[str, Any] = {"dest": name, "default": None}
        options["help"] = _help_of(setting) if name in shown else argparse.SUPPRESS
        if isinstance(setting.default, bool):
            options["action"] = argparse.BooleanOptionalAction
        else:
            if setting.default == ():
                options["action"] = "append"
            options["metavar"] = _METAVARS.get(name) or name.rpartition("_")[2].upper()
        (groups[setting.group] if name in shown else parser).add_argument(flag_of(name), **options)
    if word := _FIRST_WORDS.get(command):
        parser.add_argument(word, metavar=_METAVARS[word], nargs="?", help=argparse.SUPPRESS, default=argparse.SUPPRESS)


def _help_of(setting: Setting) -> str:
    text = setting.description.replace("`", "").replace("%", "%%")
    shown = setting.default is not False and setting.default_text
    return f"{text} Default: {shown}." if shown else text
