"""Read the settings of a run from flags and environment, parse every value, and reject contradictions.

Precedence: flag, then the Action's `INPUT_…` variable, then the `TURSO_…` variable, then the default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from turso_deploy.core.errors import Cause, ErrorCode, InputError, listed
from turso_deploy.core.validation import Issue, ValidationError, validate
from turso_deploy.database.address import RemoteAddress, parse_address
from turso_deploy.settings.other_tools import meant_command
from turso_deploy.settings.settings import (
    ALL_COMMANDS,
    DATABASE_COMMANDS,
    SETTINGS,
    WRITING_COMMANDS,
    Command,
    Settings,
    flag_of,
    input_of,
    input_variable_of,
    variable_of,
)


def read_settings(flags: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Parse the settings of this run. `flags` are those of the command line.

    Raises InputError (`input-invalid`, `database-url-invalid`) for all errors; nothing was sent.
    """
    variables = {name: values[0] for name in SETTINGS if (values := _variables(name, environment))}
    given = variables | {name: value for name, value in flags.items() if value is not None}
    try:
        settings = validate(given, Settings)
    except ValidationError as error:
        raise _invalid([_error(issue, given) for issue in error.issues]) from None
    if isinstance(settings.database_url, RemoteAddress) and not settings.allow_insecure_http:
        parse_address(settings.database_url.url)  # raises an error for plaintext HTTP
    _reject_contradictions(settings)
    _require_usable_paths(settings)
    if settings.command in DATABASE_COMMANDS and settings.compare_to is None:
        _reject_incomplete_platform(settings)
    return settings


def _require_usable_paths(settings: Settings) -> None:
    """Raise InputError for the name of a folder that no file system takes, or that cannot be reached."""
    for name in ("schema_path", "compare_to", "output"):
        try:
            Path(getattr(settings, name) or ".").lstat()
        except (FileNotFoundError, NotADirectoryError):
            pass
        except (OSError, ValueError) as error:  # ValueError for the character NUL
            reason = error.strerror if isinstance(error, OSError) else "no name holds the character NUL"
            raise InputError(
                ErrorCode.INPUT_INVALID,
                f"The setting `{input_of(name)}` names a folder that cannot be used: {reason}.",
                hint="Check the name, and the permissions of the folders that lead to it.",
            ) from None


def named_command(flags: Mapping[str, Any], environment: Mapping[str, str]) -> Command:
    """Return the given command, or the default if it is no command. It does not need the other settings."""
    given = _raw("command", flags, environment)
    return next((command for command in ALL_COMMANDS if command == given), Settings().command)


def wants_json(flags: Mapping[str, Any], environment: Mapping[str, str]) -> bool:
    """Return True if the report is JSON. It does not need the other settings, so that their errors are JSON too."""
    return _is_on("json_output", flags, environment)


def wants_sql(flags: Mapping[str, Any], environment: Mapping[str, str]) -> bool:
    """Return True if the output is the plan's script and nothing else. It does not need the other settings."""
    return _is_on("sql", flags, environment) and _raw("command", flags, environment) == "plan"


def secret_values(flags: Mapping[str, Any], environment: Mapping[str, str]) -> list[str]:
    """Return every given value of a secret setting, used or not, so that no output shows one of them."""
    return [value for name in _secrets() for value in (flags.get(name), *_variables(name, environment)) if value]


def input_secrets(environment: Mapping[str, str]) -> list[str]:
    """Return the values of the Action's secret inputs. The runner masks only those that are secrets of its own."""
    return [value for name in _secrets() if (value := environment.get(input_variable_of(name)))]


def _secrets() -> list[str]:
    return [name for name, setting in SETTINGS.items() if setting.is_secret]


def _is_on(name: str, flags: Mapping[str, Any], environment: Mapping[str, str]) -> bool:
    try:
        return validate(_raw(name, flags, environment) or False, bool)
    except ValidationError:
        return False


def _raw(name: str, flags: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    """Return a setting as it was given, by the first source that has it; None if none has."""
    given = (flags.get(name), *_variables(name, environment))
    return next((value for value in given if value not in (None, "")), None)


def _variables(name: str, environment: Mapping[str, str]) -> list[str]:
    """Return the values of a setting in the environment, the Action's input first.

    An empty variable counts as not set: the runner sets every input.
    """
    return [value for variable in (input_variable_of(name), variable_of(name)) if (value := environment.get(variable))]


def _error(issue: Issue, given: Mapping[str, Any]) -> InputError:
    """Return the error of one setting, which does not repeat its value, unless it is a command of another tool."""
    if isinstance(issue.error, InputError):
        return issue.error
    name = str(issue.path[0])
    flag = "the first word of the command line" if name == "command" else flag_of(name)
    meant = meant_command([str(given[name])], ALL_COMMANDS) if name == "command" else None
    reason = f"there is no command `{meant[0]}`; `{meant[1]}` is meant" if meant else issue.reason
    return InputError(
        ErrorCode.INPUT_INVALID,
        f"The setting `{input_of(name)}` is not valid: {reason}.",
        hint=f"Set it with {flag}, with the Action's input `{input_of(name)}` or with {variable_of(name)}.",
    )


def _invalid(errors: Sequence[InputError]) -> InputError:
    """Return the only error, or one that lists them all."""
    if len(errors) == 1:
        return errors[0]
    causes = [Cause(f"{error.message} {error.hint}") for error in errors]
    return InputError(ErrorCode.INPUT_INVALID, f"{len(errors)} settings are not valid:{listed(causes)}", causes=causes)


class _Misplaced(NamedTuple):
    """A setting that must not be used with some commands, why, and what to do."""

    setting: str
    commands: tuple[Command, ...]
    reason: str
    hint: str


_ONLY_READS = "cannot be used with `{command}`"
_USE_PLAN = "Use it with `turso-deploy plan` (input `command: plan`), or leave it out."
_MISPLACED = (
    _Misplaced("compare_to", WRITING_COMMANDS, _ONLY_READS, _USE_PLAN),
    _Misplaced("dry_run", WRITING_COMMANDS, _ONLY_READS, _USE_PLAN),
    _Misplaced("sql", WRITING_COMMANDS, _ONLY_READS, _USE_PLAN),
    _Misplaced("check", WRITING_COMMANDS, _ONLY_READS, _USE_PLAN),
    _Misplaced(
        "trial_branch",
        ("plan",),
        "cannot be used with `plan`, which creates no branch",
        "Use it with `turso-deploy deploy`. `dry-run` runs the plan on the database and rolls it back.",
    ),
)
"""Settings that a command must reject, because a user who sets them expects it to change less than it does."""


class _Exclusive(NamedTuple):
    """Two settings that must not be used together, with one command or with any (None)."""

    one: str
    other: str
    command: Command | None = None


_EXCLUSIVE = (
    _Exclusive("quiet", "verbose"),
    _Exclusive("sql", "json_output", "plan"),
    _Exclusive("sql", "dry_run", "plan"),
    _Exclusive("sql", "compare_to", "plan"),
    _Exclusive("compare_to", "dry_run", "plan"),
)


def _reject_contradictions(settings: Settings) -> None:
    """Raise InputError for settings that the command cannot follow, alone or together."""
    for setting, commands, reason, hint in _MISPLACED:
        if settings.command in commands and _is_given(settings, setting):
            message = f"`{input_of(setting)}` {reason.format(command=settings.command)}."
            raise InputError(ErrorCode.INPUT_INVALID, message, hint=hint)
    for one, other, command in _EXCLUSIVE:
        applies = command in (None, settings.command)
        if applies and _is_given(settings, one) and _is_given(settings, other):
            raise InputError(
                ErrorCode.INPUT_INVALID,
                f"The settings `{input_of(one)}` and `{input_of(other)}` cannot be used together.",
                hint="Leave one of them out.",
            )


def _is_given(settings: Settings, name: str) -> bool:
    return bool(getattr(settings, name) != SETTINGS[name].default)


def _reject_incomplete_platform(settings: Settings) -> None:
    """Raise InputError if a part of the Turso Platform's settings is missing, or all that a setting needs."""
    parts = ("api_token", "organization", "database")
    missing = [name for name in parts if not getattr(settings, name)]
    if 0 < len(missing) < len(parts):
        names = " and ".join(f"`{input_of(name)}`" for name in missing)
        raise InputError(
            ErrorCode.INPUT_INVALID,
            "`api-token`, `organization` and `database` can only be used together; "
            f"{names} {'is' if len(missing) == 1 else 'are'} missing.",
            hint="Set all three, or use `database-url` and `auth-token` alone.",
        )
    if missing:
        for setting in _needing_platform(settings):
            raise InputError(
                ErrorCode.INPUT_INVALID,
                f"`{setting}` creates a branch of the database, which needs the Turso Platform API.",
                hint="Set `api-token`, `organization` and `database`.",
            )


def _needing_platform(settings: Settings) -> Iterator[str]:
    if settings.command == "deploy" and settings.trial_branch:
        yield "trial-branch"
    if settings.command == "deploy" and settings.restore_point == "branch":
        yield "restore-point: branch"
