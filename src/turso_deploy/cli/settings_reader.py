"""Read the settings of a run from flags and environment, parse every value, and reject contradictions.

Precedence: flag, then the Action's `INPUT_…` variable, then the `TURSO_…` variable, then the default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from msgspec.structs import replace

from turso_deploy.cli.settings import (
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
from turso_deploy.core.durations import parse_duration
from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.core.secret import Secret
from turso_deploy.core.validation import ValidationError, validate
from turso_deploy.database.address import parse_address
from turso_deploy.plan.hazards import Approval, parse_approvals

_ON = ("true", "yes", "on", "1", "t", "y")
_OFF = ("false", "no", "off", "0", "f", "n")
_SWITCHES = dict.fromkeys(_ON, True) | dict.fromkeys(_OFF, False)

_PARSERS: Mapping[Any, Callable[[str], Any]] = {
    Secret: Secret,
    timedelta: parse_duration,
    tuple[Approval, ...]: parse_approvals,
}
"""Parsers of the types that are written as text. Each raises ValueError with a reason, or InputError."""


def read_settings(flags: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Parse the settings of this run. `flags` are those of the command line.

    Raises InputError (`input-invalid`, `database-url-invalid`); nothing is sent before all settings are parsed.
    """
    variables = {name: values[0] for name in SETTINGS if (values := _variables(name, environment))}
    given = variables | {name: value for name, value in flags.items() if value is not None}
    url = given.pop("database_url", None)
    settings = Settings(**{name: _parsed(name, value) for name, value in given.items()})
    if url is not None:
        address = parse_address(str(url), allow_insecure_http=settings.allow_insecure_http)
        settings = replace(settings, database_url=address)
    _reject_contradictions(settings)
    if settings.command in DATABASE_COMMANDS and settings.compare_to is None:
        _reject_incomplete_platform(settings)
    return settings


def wants_json(flags: Mapping[str, Any], environment: Mapping[str, str]) -> bool:
    """Return True if the report is JSON. It does not need the other settings, so that their errors are JSON too."""
    return _is_on("json_output", flags, environment)


def wants_sql(flags: Mapping[str, Any], environment: Mapping[str, str]) -> bool:
    """Return True if the output is the plan's script and nothing else. It does not need the other settings."""
    return _is_on("sql", flags, environment) and _raw("command", flags, environment) == "plan"


def secret_values(flags: Mapping[str, Any], environment: Mapping[str, str]) -> list[str]:
    """Return every given value of a secret setting, used or not, so that all of them can be masked first."""
    names = [name for name, setting in SETTINGS.items() if setting.type is Secret]
    return [value for name in names for value in (flags.get(name), *_variables(name, environment)) if value]


def _is_on(name: str, flags: Mapping[str, Any], environment: Mapping[str, str]) -> bool:
    return _switch(_raw(name, flags, environment)) is True


def _raw(name: str, flags: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    """Return a setting as it was given, by the first source that has it; None if none has."""
    given = (flags.get(name), *_variables(name, environment))
    return next((value for value in given if value not in (None, "")), None)


def _variables(name: str, environment: Mapping[str, str]) -> list[str]:
    """Return the values of a setting in the environment, the Action's input first.

    An empty variable counts as not set: the runner sets every input.
    """
    return [value for variable in (input_variable_of(name), variable_of(name)) if (value := environment.get(variable))]


def _parsed(name: str, written: Any) -> Any:
    """Parse one setting. Raises InputError, which does not repeat the value."""
    setting = SETTINGS.get(name)
    if setting is None:
        raise _invalid(name, "there is no such setting")
    try:
        if parse := _PARSERS.get(setting.type):
            return parse(validate(written, str))
        return validate(_from_text(written, setting.type), setting.annotation)
    except ValidationError as error:
        raise _invalid(name, error.issues[0].message) from None
    except ValueError as error:
        raise _invalid(name, str(error)) from None


def _invalid(name: str, reason: str) -> InputError:
    flag = "the first word of the command line" if name == "command" else flag_of(name)
    return InputError(
        ErrorCode.INPUT_INVALID,
        f"The setting `{input_of(name)}` is not valid: {reason}.",
        hint=f"Set it with {flag}, with the Action's input `{input_of(name)}` or with {variable_of(name)}.",
    )


def _from_text(written: Any, wanted: Any) -> Any:
    """Convert the text of a switch or a number; return all else unchanged, for `validate` to judge."""
    if wanted is bool:
        return _switch(written)
    if wanted in (int, float):
        return _number(written, wanted)
    return written


def _switch(written: Any) -> Any:
    return _SWITCHES.get(str(written).lower(), written)


def _number(written: Any, wanted: type[int] | type[float]) -> Any:
    try:
        number = float(written)
    except ValueError:
        return written
    return int(number) if wanted is int and number.is_integer() else number


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
