"""Read the settings of a run from their sources, parse every value, and reject contradictions."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from turso_deploy.core.errors import Cause, ErrorCode, InputError, Place, listed
from turso_deploy.core.text import enumerated
from turso_deploy.core.validation import Issue, ValidationError, validate
from turso_deploy.database.address import RemoteAddress, parse_address
from turso_deploy.settings.other_tools import meant_command
from turso_deploy.settings.settings import (
    ALL_COMMANDS,
    DATABASE_COMMANDS,
    DEPLOYING_COMMANDS,
    FLEET_COMMANDS,
    FOR_ALL_DATABASES,
    SETTINGS,
    WRITING_COMMANDS,
    Command,
    Settings,
    flag_of,
    input_of,
    variable_of,
)
from turso_deploy.settings.sources import Given, Sources, read_sources

_log = logging.getLogger("turso_deploy.settings")

_NAMING = ("database_url", "database")
"""Settings that name a database."""

_EVENTS_OF_OTHERS = ("pull_request_target", "workflow_run", "issue_comment", "pull_request_review")
"""Events that run with secrets, and perhaps on the code of a stranger: the workflow that they start checks it out.

https://securitylab.github.com/resources/github-actions-preventing-pwn-requests/
"""


class NamedDatabase(NamedTuple):
    """A database with its settings; `name` is that of the settings file, or None for a database that is not in it."""

    name: str | None
    settings: Settings


def read_settings(flags: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Parse the settings of this run. `flags` are those of the command line. Raises InputError as `settings_of`."""
    return settings_of(read_sources(flags, environment))


def settings_of(sources: Sources) -> Settings:
    """Parse the settings of this run, with those of the selected database of the settings file.

    Raises InputError (`input-invalid`, `database-url-invalid`) for all errors; nothing was sent.
    """
    _log_sources({name: values[0] for name in SETTINGS if (values := sources.given(name))})
    if sources.error:
        raise sources.error
    uses_database = sources.command in DATABASE_COMMANDS
    if sources.command == "plan" and sources.value("compare_to"):
        uses_database = False
    if sources.command in FLEET_COMMANDS and sources.value("fleet"):
        uses_database = False
    if sources.command in FOR_ALL_DATABASES and sources.value("target") is None:
        uses_database = False
    if uses_database or sources.value("target") is not None:
        sources = sources._replace(selected=_selected(sources))
    if sources.selected:
        _log.debug("database of the settings file: %s", sources.selected)
    settings = _parsed(sources)
    for address in (settings.database_url, settings.control_url):
        if isinstance(address, RemoteAddress) and not settings.allow_insecure_http:
            parse_address(address.url)  # raises an error for plaintext HTTP
    _reject_contradictions(settings)
    _reject_save_of_what_is_done(settings)
    _reject_parts_of_a_fleet(settings)
    _require_usable_paths(settings)
    if uses_database:
        _reject_incomplete_platform(settings, sources.databases)
    return settings


def usable_settings(sources: Sources) -> Settings:
    """Return the settings of a run, with the default in place of each value that is not valid.

    They are for what has to be done even if a run cannot begin: to report that.
    """
    with suppress(InputError):
        sources = sources._replace(selected=_selected(sources))
    given = {name: values[0].value for name in SETTINGS if (values := sources.given(name))}
    try:
        return validate(given, Settings)
    except ValidationError as error:
        wrong = {str(issue.path[0]) for issue in error.issues if issue.path}
        return validate({name: value for name, value in given.items() if name not in wrong}, Settings)


def all_databases(sources: Sources) -> Sequence[NamedDatabase]:
    """Return the databases of the settings file in its order, each with its settings, for commands that read them all.

    If `target`, a flag or an input names one database, or the file names none, that one is returned alone. A variable
    that names a database (TURSO_DATABASE_URL) does not count: it belongs to no name of the file.
    Raises InputError as `settings_of`.
    """
    if sources.error:
        raise sources.error
    names_one = [each for name in ("target", *_NAMING) for each in sources.given(name)]
    variables = {variable_of(name) for name in _NAMING}
    if not sources.databases or any(each.source not in variables and not each.place for each in names_one):
        settings = settings_of(sources)
        return [NamedDatabase(_selected(sources), settings)]
    environment = {name: value for name, value in sources.environment.items() if name not in variables}
    in_file = {name: value for name, value in sources.env_file.items() if name not in variables}
    without = sources._replace(environment=environment, env_file=in_file)
    return [
        NamedDatabase(name, settings_of(without._replace(flags={**sources.flags, "target": name})))
        for name in sources.databases
    ]


def _selected(sources: Sources) -> str | None:
    """Return the database of the settings file that the run is for: `target`, or the only one if no other is named.

    Raises InputError if that is not clear, so that no run is for a database that was not meant.
    """
    target, names = sources.text("target"), list(sources.databases)
    named = [each for name in _NAMING for each in sources.given(name)]
    if target is None and (named or not names):
        return None
    if target is None and len(names) > 1:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"The settings file names {len(names)} databases, and no setting says which one is meant.",
            hint=f"Set --target (input `target`, TURSO_TARGET) to one of them: {enumerated(names, 'database')}.",
        )
    if target is not None and target not in names:
        known = f"It names {enumerated(names, 'database')}." if names else "There is none, or it names no database."
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"`target` is not the name of a database in the settings file. {known}",
            hint="Give the name as in `[databases.NAME]`; --settings-file sets another file.",
        )
    if named:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"`target` names a database of the settings file, and {named[0].source} names a database, too.",
            hint="Leave one of the two out.",
        )
    selected = target or names[0]
    if sources.value("settings_file") is None:
        _reject_file_of_others(sources, sources.databases[selected].place)
    return selected


def _reject_file_of_others(sources: Sources, place: Place) -> None:
    """Raise InputError if the settings file of a stranger could decide which server gets the token."""
    event = sources.environment.get("GITHUB_EVENT_NAME")
    if sources.environment.get("GITHUB_ACTIONS") == "true" and event in _EVENTS_OF_OTHERS:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"On the event `{event}`, the settings file of the workspace may be that of a stranger, and it would "
            "decide which server gets the token.",
            hint="Set `database-url` as an input, or `settings-file` to a file that no pull request can change.",
            place=place,
        )


def _log_sources(given: Mapping[str, Given]) -> None:
    """Log where each setting was found, before any of them is judged."""
    if given:
        _log.debug("settings: %s", ", ".join(f"{input_of(name)} from {each.source}" for name, each in given.items()))


def _parsed(sources: Sources) -> Settings:
    """Validate the first value of each setting."""
    given = {name: values[0] for name in SETTINGS if (values := sources.given(name))}
    token = given.get("auth_token")
    if token and token.place and token.value == "":
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"The variable {token.source}, which the settings file names for the token of the database, is not set.",
            hint="Set it in the environment of this run, or set `auth-token`.",
            place=token.place,
        )
    try:
        return validate({name: each.value for name, each in given.items()}, Settings)
    except ValidationError as error:
        raise _invalid([_error(issue, given[str(issue.path[0])]) for issue in error.issues]) from None


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


def _error(issue: Issue, given: Given) -> InputError:
    """Return the error of one setting, which does not repeat its value, unless it is a command of another tool."""
    if isinstance(issue.error, InputError):
        return issue.error
    name = str(issue.path[0])
    if given.place:
        return InputError(
            ErrorCode.INPUT_INVALID,
            f"The setting `{input_of(name)}` is not valid: {issue.reason}.",
            hint=f"It is set in {given.place}.",
            place=given.place,
        )
    flag = "the first word of the command line" if name == "command" else flag_of(name)
    meant = meant_command([str(given.value)], ALL_COMMANDS) if name == "command" else None
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
    causes = [Cause(f"{error.message} {error.hint}", error.place) for error in errors]
    return InputError(ErrorCode.INPUT_INVALID, f"{len(errors)} settings are not valid:{listed(causes)}", causes=causes)


class _Misplaced(NamedTuple):
    """A setting that must not be used with some commands, why, and what to do."""

    setting: str
    commands: tuple[Command, ...]
    reason: str
    hint: str


_ONLY_READS = "cannot be used with `{command}`"
_USE_PLAN = "Use it with `turso-deploy plan` (input `command: plan`), or leave it out."
_ONLY_DEPLOYS = "cannot be used with `{command}`, which deploys nothing"
_USE_DEPLOY = "Use it with `turso-deploy deploy`, or leave it out."
_MISPLACED = (
    _Misplaced("compare_to", WRITING_COMMANDS, _ONLY_READS, _USE_PLAN),
    _Misplaced("dry_run", WRITING_COMMANDS, _ONLY_READS, _USE_PLAN),
    _Misplaced("sql", (*WRITING_COMMANDS, "rollback"), _ONLY_READS, _USE_PLAN),
    _Misplaced("check", (*WRITING_COMMANDS, "rollback"), _ONLY_READS, _USE_PLAN),
    _Misplaced("save", WRITING_COMMANDS, _ONLY_READS, _USE_PLAN),
    _Misplaced("plan", ("plan", "verify", "pull"), _ONLY_DEPLOYS, _USE_DEPLOY),
    _Misplaced("expect_plan", ("plan", "verify", "pull"), _ONLY_DEPLOYS, _USE_DEPLOY),
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
    _Exclusive("deployment", "to", "rollback"),
    _Exclusive("sql", "json_output", "plan"),
    _Exclusive("sql", "dry_run", "plan"),
    _Exclusive("sql", "compare_to", "plan"),
    _Exclusive("compare_to", "dry_run", "plan"),
    _Exclusive("save", "compare_to", "plan"),
    _Exclusive("save", "sql", "plan"),
    *(
        _Exclusive("fleet", name)
        for name in (
            *("database_url", "database", "target", "trial_branch", "sql", "compare_to", "dry_run", "deployment"),
            *("read_only_auth_token", "previous_auth_token", "expect_plan", "issue"),
        )
    ),
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


def _reject_save_of_what_is_done(settings: Settings) -> None:
    """Raise InputError if a rollback that is carried out would have to be saved as a plan."""
    if settings.command == "rollback" and settings.save is not None and not settings.dry_run:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            "`save` saves a plan, and `rollback` without `dry-run` carries it out.",
            hint="Set `dry-run` to plan the rollback, and carry it out with `plan` afterwards.",
        )


_ONLY_WITH_FLEET = ("only", "except_", "canary", "waves", "failure_budget", "shard", "results", "names")

_WITH_PAGE = ("status", "history")
"""Commands that write a page without a fleet, too."""


def _reject_parts_of_a_fleet(settings: Settings) -> None:
    """Raise InputError for a setting of a fleet without one, and for what a fleet cannot do."""
    if settings.fleet is None or settings.command not in FLEET_COMMANDS:
        for name in ("fleet", *_ONLY_WITH_FLEET):
            if _is_given(settings, name) and settings.command not in SETTINGS[name].commands[len(FLEET_COMMANDS) :]:
                reason = (
                    f"cannot be used with `{settings.command}`" if name == "fleet" else "needs a `fleet` to choose from"
                )
                raise InputError(
                    ErrorCode.INPUT_INVALID,
                    f"`{input_of(name)}` {reason}.",
                    hint=f"Leave it out. The commands for a fleet are {', '.join(FLEET_COMMANDS)}.",
                )
        if settings.html is not None and settings.command in FLEET_COMMANDS and settings.command not in _WITH_PAGE:
            raise InputError(
                ErrorCode.INPUT_INVALID,
                f"`html` needs a `fleet` with `{settings.command}`.",
                hint="Leave it out, or use `json` for the report of one database.",
            )
        return
    if settings.command == "rollback" and settings.to is None:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            "`rollback` of a fleet needs the version to go back to: deployments have other numbers in each database.",
            hint="Set --to (input `to`) to a version.",
        )
    if settings.command in DEPLOYING_COMMANDS and settings.restore_point in ("branch", "file"):
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"`restore-point: {settings.restore_point}` cannot be used with a fleet.",
            hint="Leave it out: the history of each database can be rolled back, and Turso Cloud restores to a time.",
        )


def _is_given(settings: Settings, name: str) -> bool:
    return bool(getattr(settings, name) != SETTINGS[name].default)


def _reject_incomplete_platform(settings: Settings, databases: Collection[str]) -> None:
    """Raise InputError if a part of the Turso Platform's settings is missing, or all that a setting needs.

    `databases` are those of the settings file, whose names may have been meant.
    """
    parts = ("api_token", "organization", "database")
    missing = [name for name in parts if not getattr(settings, name)]
    if 0 < len(missing) < len(parts):
        names = " and ".join(f"`{input_of(name)}`" for name in missing)
        raise InputError(
            ErrorCode.INPUT_INVALID,
            "`api-token`, `organization` and `database` can only be used together; "
            f"{names} {'is' if len(missing) == 1 else 'are'} missing.",
            hint="Set --target to select a database of the settings file."
            if settings.database in databases
            else "Set all three, or use `database-url` and `auth-token` alone.",
        )
    if missing:
        for setting in _needing_platform(settings):
            raise InputError(
                ErrorCode.INPUT_INVALID,
                f"`{setting}` creates a branch of the database, which needs the Turso Platform API.",
                hint="Set `api-token`, `organization` and `database`.",
            )


def _needing_platform(settings: Settings) -> Iterator[str]:
    if settings.command in DEPLOYING_COMMANDS and settings.trial_branch:
        yield "trial-branch"
    if settings.command in DEPLOYING_COMMANDS and settings.restore_point == "branch":
        yield "restore-point: branch"
