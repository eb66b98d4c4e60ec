"""Every setting of the program, defined once: the flags, the Action's inputs, the environment and the reference table.

Precedence: flag, then the Action's `INPUT_…` variable, then the `TURSO_…` variable, then the default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import fields

from turso_deploy.core.durations import parse_duration
from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.core.secret import Secret
from turso_deploy.core.validation import ValidationError, field_type, validate
from turso_deploy.database.interface import REQUEST_SIZE

Command = Literal["deploy", "plan", "verify", "docs", "pull", "check-tokens", "rotate-token"]

# The name that applications know the token by that they serve with.
_OWN_VARIABLES = {"read_only_auth_token": "TURSO_AUTH_TOKEN_RO"}

_ON = ("true", "yes", "on", "1", "t", "y")
_OFF = ("false", "no", "off", "0", "f", "n")
_SWITCHES = dict.fromkeys(_ON, True) | dict.fromkeys(_OFF, False)


class Duration(str):
    """A span of time as it is written: `90d`, `12h`, `15m`. There is none that `parse_duration` does not take."""

    __slots__ = ()

    def __new__(cls, text: str) -> Duration:
        """Raises ValueError with the reason why the text is none."""
        parse_duration(text)
        return super().__new__(cls, text)


def input_of(name: str) -> str:
    """The Action's input for a field. `json_output` is `json` to people, and not in here, where that is a module."""
    return name.removesuffix("_output").replace("_", "-")


def flag_of(name: str) -> str:
    """The command line's flag for a field."""
    return "--" + input_of(name)


def input_variable_of(name: str) -> str:
    """The variable in which the runner passes an input to a container: upper case, spaces only made underscores."""
    return "INPUT_" + input_of(name).upper()


def variable_of(name: str) -> str:
    """The environment variable for a field, for use outside of Actions."""
    return _OWN_VARIABLES.get(name) or "TURSO_" + input_of(name).upper().replace("-", "_")


def _flag_or_word(name: str) -> str:
    return "the first word of the command line" if name == "command" else flag_of(name)


class Settings(Struct, frozen=True, kw_only=True):
    """The settings of one run."""

    command: Annotated[
        Command,
        Meta(
            description="Command to run: `deploy`, `plan` (show the changes), `verify` (read only), `docs` (write the "
            "schema's documentation), `pull` (write a schema folder from a database), `check-tokens` or `rotate-token`."
        ),
    ] = "deploy"
    schema_path: Annotated[
        str, Meta(min_length=1, description="Folder with the SQL files, `seeds/` and `manifest.yml`.")
    ] = "schema"
    database_url: Annotated[
        str | None,
        Meta(
            description="Database URL: `libsql://…`, `https://…` or `file:…`. Required on a runner; "
            "elsewhere the default is a local SQLite file in the working directory."
        ),
    ] = None
    auth_token: Annotated[
        Secret | None,
        Meta(
            description="Database token. `deploy` and `dry-run` need full access; "
            "for everything else read-only is enough."
        ),
    ] = None
    allow_insecure_http: Annotated[
        bool,
        Meta(description="Allow plaintext HTTP to hosts other than this one. The token is sent in clear text."),
    ] = False
    timeout: Annotated[
        float,
        Meta(
            gt=0,
            le=3600,
            description="Timeout of one request in seconds; also the total time spent on retries.",
        ),
    ] = 60.0
    request_size: Annotated[
        int,
        Meta(
            ge=100_000,
            le=100_000_000,
            description="Maximum size of one request with seeds, in bytes. "
            "Larger seeds are sent in chunks, after the schema.",
        ),
    ] = REQUEST_SIZE
    allow_hazards: Annotated[
        str,
        Meta(description="Approved hazards, separated by commas: `name`, or `name:object` for one object."),
    ] = ""
    dry_run: Annotated[
        bool,
        Meta(
            description="With `plan`: run the whole transaction on the database and roll it back. "
            "Needs a token that can write."
        ),
    ] = False
    compare_to: Annotated[
        str | None, Meta(description="With `plan`: schema folder to compare with, instead of a database.")
    ] = None
    sql: Annotated[bool, Meta(description="With `plan`: print the plan as a script for `sqlite3`.")] = False
    check: Annotated[
        bool,
        Meta(
            description="With `plan`: exit with 3 when there are changes to deploy. "
            "With `docs`: write nothing, and exit with 3 when pages are stale."
        ),
    ] = False
    output: Annotated[str, Meta(min_length=1, description="With `docs`: folder for the pages.")] = "docs/schema"
    version_from_tag: Annotated[
        bool, Meta(description="Stop unless the pushed tag (`v2.2.0`) matches `schema_version` in the manifest.")
    ] = False
    api_token: Annotated[
        Secret | None,
        Meta(
            description="Turso Platform API token, used with `organization` and `database`. It finds the database, "
            "and mints a token for the run if `auth-token` is not set."
        ),
    ] = None
    organization: Annotated[
        str | None, Meta(description="Turso organization; for a personal account, the user name.")
    ] = None
    database: Annotated[str | None, Meta(description="Name of the database in the Turso organization.")] = None
    api_url: Annotated[
        str | None, Meta(description="Base URL of the Turso Platform API, if it is not Turso's own.")
    ] = None
    read_only_auth_token: Annotated[
        Secret | None,
        Meta(description="Application token. It is checked: it must work, and it must be read-only."),
    ] = None
    previous_auth_token: Annotated[
        Secret | None,
        Meta(description="Token from before the last rotation. It is checked: the server must reject it."),
    ] = None
    token_policy: Annotated[
        Literal["warn", "enforce", "off"],
        Meta(description="Effect of a token that breaks the rotation policy: `warn`, `enforce` (fail) or `off`."),
    ] = "warn"
    token_max_age: Annotated[
        Duration, Meta(description="Maximum age of a token before it must be rotated: `90d`, `12h`.")
    ] = Duration("90d")
    token_expiry_warning: Annotated[Duration, Meta(description="Warn when a token expires within this time.")] = (
        Duration("14d")
    )
    token_require_expiry: Annotated[
        bool, Meta(description="Count a token without an expiry date as breaking the policy.")
    ] = False
    token_lifetime: Annotated[
        Duration | None,
        Meta(description="Lifetime of a minted token. Default: `15m` for a run, `90d` with `rotate-token`."),
    ] = None
    trial_branch: Annotated[
        bool,
        Meta(
            description="With `deploy` and an API token: deploy to a temporary branch of the database first, "
            "and continue only if that succeeds."
        ),
    ] = False
    keep_trial_branch: Annotated[bool, Meta(description="Keep the branch of `trial-branch`.")] = False
    restore_point: Annotated[
        Literal["timestamp", "branch", "off"],
        Meta(
            description="Restore point of a deployment with an API token: `timestamp` (print the commands that restore "
            "the database to the time before the deployment), `branch` (create a branch) or `off`."
        ),
    ] = "timestamp"
    keep_restore_points: Annotated[
        int, Meta(ge=1, le=100, description="Number of branches of `restore-point: branch` to keep.")
    ] = 3
    comment: Annotated[
        bool,
        Meta(description="Keep the report in one comment on the pull request. Needs `github-token`."),
    ] = False
    github_token: Annotated[
        Secret | None,
        Meta(
            description="GitHub token. With `comment`: the workflow's own token, with `pull-requests: write`. With "
            "`rotate-token`: a token that can write secrets, which the workflow's own token cannot."
        ),
    ] = None
    secret_name: Annotated[
        str, Meta(description="With `rotate-token`: name of the secret to store the new token in.")
    ] = "TURSO_AUTH_TOKEN"
    secret_scope: Annotated[
        str,
        Meta(
            description="With `rotate-token`: owner of the secret: `repository`, `environment:NAME` or "
            "`organization:NAME`."
        ),
    ] = "repository"
    token_access: Annotated[
        Literal["full-access", "read-only"],
        Meta(description="With `rotate-token`: access of the new token: `full-access` or `read-only`."),
    ] = "full-access"
    revoke_others: Annotated[
        bool,
        Meta(
            description="With `rotate-token`: revoke all older tokens of the database, and perhaps of its group. "
            "Causes a short downtime."
        ),
    ] = False
    quiet: Annotated[bool, Meta(description="Print only the result, and the reason if the run failed.")] = False
    verbose: Annotated[bool, Meta(description="Print the SQL of every step, also of a deployment.")] = False
    json_output: Annotated[bool, Meta(description="Print one JSON document instead of the report.")] = False


class Setting(Struct, frozen=True):
    """What the field of `Inputs` says of one setting."""

    takes: Any
    """Its type, limits included."""
    core: Any
    """Its type alone: without limits, and without `| None`."""
    default: Any
    description: str


def _settings() -> dict[str, Setting]:
    settings = {}
    for field in fields(Settings):
        kind = field_type(field.type)
        description = next(note.description for note in kind.notes if note.description)
        settings[field.name] = Setting(field.type, kind.core, field.default, description)
    return settings


SETTINGS: Mapping[str, Setting] = _settings()
"""Every setting, by the name of its field, in the order in which they are told."""


def wants_json(flags: Mapping[str, Any]) -> bool:
    """Whether the report is to be JSON: known before all settings are judged, so that a bad one is told as JSON too."""
    return _is_wanted("json_output", flags)


def wants_sql(flags: Mapping[str, Any]) -> bool:
    """Whether the output is to be the plan's script and nothing else: known as early as `wants_json`."""
    return _is_wanted("sql", flags) and _raw("command", flags) == "plan"


def _is_wanted(name: str, flags: Mapping[str, Any]) -> bool:
    return _switch(_raw(name, flags)) is True


def secret_values(flags: Mapping[str, Any]) -> list[str]:
    """Every value that a secret setting is given, be it used or not, so that all can be masked before anything else."""
    secret = [name for name, setting in SETTINGS.items() if setting.core is Secret]
    sources = [(flags.get(name), *_from_variables(name)) for name in secret]
    return [value for values in sources for value in values if value]


def _raw(name: str, flags: Mapping[str, Any]) -> Any:
    """A setting as it was given, by the first source that has it; None where none has."""
    given = (flags.get(name), *_from_variables(name))
    return next((value for value in given if value not in (None, "")), None)


def _from_variables(name: str) -> list[str]:
    """What the environment says of a setting, the Action's input first.

    An empty variable is an unset one: the runner sets every input, given or not.
    """
    return [value for variable in (input_variable_of(name), variable_of(name)) if (value := os.environ.get(variable))]


def read_settings(flags: Mapping[str, Any]) -> Settings:
    """The settings of this run; `flags` are those that the command line gave. Raises InputError (`input-invalid`)."""
    from_variables = {name: values[0] for name in SETTINGS if (values := _from_variables(name))}
    inputs = Settings(**{name: _taken(name, value) for name, value in (from_variables | dict(flags)).items()})
    _refuse_contradictions(inputs)
    return inputs


def _taken(name: str, written: Any) -> Any:
    setting = SETTINGS.get(name)
    if setting is None:
        raise _unusable(name, "there is no such setting")
    try:
        return validate(_plain(written, setting.core), setting.takes, lambda core, text: core(text))
    except ValidationError as error:
        raise _unusable(name, error.issues[0].message) from None


def _unusable(name: str, reason: str) -> InputError:
    return InputError(
        ErrorCode.INPUT_INVALID,
        f"The setting `{input_of(name)}` cannot be used: {reason}.",
        hint=f"It is set by {_flag_or_word(name)}, by the Action's input `{input_of(name)}` or by {variable_of(name)}.",
    )


def _plain(written: Any, core: Any) -> Any:
    """A switch or a number out of the text that says it; all else stays as it is, to be judged by what is wanted."""
    if core is bool:
        return _switch(written)
    if core in (int, float):
        return _number(written, core)
    return written


def _switch(written: Any) -> Any:
    return _SWITCHES.get(str(written).lower(), written)


def _number(written: Any, core: type[int] | type[float]) -> Any:
    try:
        number = float(written)
    except ValueError:
        return written
    return int(number) if core is int and number.is_integer() else number


_WRITING = ("deploy", "pull", "rotate-token")


def _refuse_contradictions(inputs: Settings) -> None:
    """Settings that cannot both be followed, and those of a trial where the command would write in earnest."""
    trials = {
        "compare-to": inputs.compare_to is not None,
        "dry-run": inputs.dry_run,
        "sql": inputs.sql,
        "check": inputs.check,
    }
    for trial, is_given in trials.items():
        if is_given and inputs.command in _WRITING:
            raise InputError(
                ErrorCode.INPUT_INVALID,
                f"`{trial}` belongs to `plan`, which changes nothing: `{inputs.command}` does.",
                hint="Run `turso-deploy plan` (input `command: plan`) for it, or leave it out.",
            )
    if inputs.command == "plan" and inputs.trial_branch:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            "`trial-branch` belongs to `deploy`: `plan` creates no branch.",
            hint="`dry-run` runs the plan on the database itself and rolls it back.",
        )
    given = {**trials, "json": inputs.json_output, "quiet": inputs.quiet, "verbose": inputs.verbose}
    of_a_plan = (
        ("sql", "json"),
        ("sql", "dry-run"),
        ("sql", "compare-to"),
        ("compare-to", "dry-run"),
    )
    for one, other in (("quiet", "verbose"), *(of_a_plan if inputs.command == "plan" else ())):
        if given[one] and given[other]:
            raise InputError(
                ErrorCode.INPUT_INVALID,
                f"The settings `{one}` and `{other}` cannot be used together.",
                hint="Leave one of them out.",
            )
