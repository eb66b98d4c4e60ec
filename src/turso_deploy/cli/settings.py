"""Model of all settings: for each its type, default, description, help group, commands and names.

The flags, the inputs of the Action, the environment variables and the reference table follow from it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import fields

from turso_deploy.core.durations import format_duration
from turso_deploy.core.secret import Secret
from turso_deploy.core.validation import field_type
from turso_deploy.database.address import Address
from turso_deploy.database.interface import REQUEST_SIZE
from turso_deploy.plan.hazards import Approval

Command = Literal["deploy", "plan", "verify", "docs", "pull", "check-tokens", "rotate-token"]

ALL_COMMANDS: tuple[Command, ...] = ("deploy", "plan", "verify", "docs", "pull", "check-tokens", "rotate-token")
DATABASE_COMMANDS: tuple[Command, ...] = ("deploy", "plan", "verify", "pull", "check-tokens", "rotate-token")
WRITING_COMMANDS: tuple[Command, ...] = ("deploy", "pull", "rotate-token")

# Turso's own name for the variable of the application token.
_OWN_VARIABLES = {"read_only_auth_token": "TURSO_AUTH_TOKEN_RO"}


class Group(StrEnum):
    """Group of settings under one title in the help of a command, in the order of the help."""

    SCHEMA = "schema folder"
    DATABASE = "database"
    PLATFORM = "Turso Platform, to find the database and to mint a token"
    OPTIONS = "options of this command"
    GITHUB = "GitHub"
    TOKENS = "token checks"
    REPORT = "report"


def _described(description: str, group: Group, commands: Collection[Command], **limits: Any) -> Meta:
    """Return the metadata of a setting: the help of `commands` shows it in `group`."""
    return Meta(description=description, extra={"group": group, "commands": tuple(commands)}, **limits)


class Settings(Struct, frozen=True, kw_only=True):
    """Settings of one run, parsed."""

    command: Annotated[
        Command,
        Meta(
            description="Command to run: `deploy`, `plan` (show the changes), `verify` (read only), `docs` (write "
            "the schema's documentation), `pull` (write a schema folder from a database), "
            "`check-tokens` or `rotate-token`."
        ),
    ] = "deploy"
    schema_path: Annotated[
        str,
        _described(
            "Folder with the SQL files, `seeds/` and `manifest.yml`.",
            Group.SCHEMA,
            ("deploy", "plan", "verify", "docs", "pull"),
            min_length=1,
        ),
    ] = "schema"
    database_url: Annotated[
        Address | None,
        _described(
            "Database URL: `libsql://…`, `https://…` or `file:…`. Required on a runner; elsewhere the "
            "default is a local SQLite file in the working directory.",
            Group.DATABASE,
            DATABASE_COMMANDS,
        ),
    ] = None
    auth_token: Annotated[
        Secret | None,
        _described(
            "Database token. `deploy` and `dry-run` need full access; for everything else read-only is enough.",
            Group.DATABASE,
            DATABASE_COMMANDS,
        ),
    ] = None
    allow_insecure_http: Annotated[
        bool,
        _described(
            "Allow plaintext HTTP to hosts other than this one. The token is sent in clear text.",
            Group.DATABASE,
            DATABASE_COMMANDS,
        ),
    ] = False
    timeout: Annotated[
        float,
        _described(
            "Timeout of one request in seconds; also the total time spent on retries.",
            Group.DATABASE,
            DATABASE_COMMANDS,
            gt=0,
            le=3_600,
        ),
    ] = 60.0
    request_size: Annotated[
        int,
        _described(
            "Maximum size of one request with seeds, in bytes. Larger seeds are sent in chunks, after the schema.",
            Group.DATABASE,
            ("deploy", "plan"),
            ge=100_000,
            le=100_000_000,
        ),
    ] = REQUEST_SIZE
    allow_hazards: Annotated[
        tuple[Approval, ...],
        _described(
            "Approved hazards, separated by commas: `name`, or `name:object` for one object.",
            Group.OPTIONS,
            ("deploy", "plan"),
        ),
    ] = ()
    dry_run: Annotated[
        bool,
        _described(
            "With `plan`: run the whole transaction on the database and roll it back. Needs a token that can write.",
            Group.OPTIONS,
            ("plan",),
        ),
    ] = False
    compare_to: Annotated[
        str | None,
        _described("With `plan`: schema folder to compare with, instead of a database.", Group.OPTIONS, ("plan",)),
    ] = None
    sql: Annotated[
        bool,
        _described("With `plan`: print the plan as a script for `sqlite3`.", Group.OPTIONS, ("plan",)),
    ] = False
    check: Annotated[
        bool,
        _described(
            "With `plan`: exit with 3 when there are changes to deploy. With `docs`: write nothing, "
            "and exit with 3 when pages are stale.",
            Group.OPTIONS,
            ("plan", "docs"),
        ),
    ] = False
    output: Annotated[
        str,
        _described("With `docs`: folder for the pages.", Group.SCHEMA, ("docs",), min_length=1),
    ] = "docs/schema"
    version_from_tag: Annotated[
        bool,
        _described(
            "Stop unless the pushed tag (`v2.2.0`) matches `schema_version` in the manifest.",
            Group.SCHEMA,
            ("deploy", "plan", "verify"),
        ),
    ] = False
    api_token: Annotated[
        Secret | None,
        _described(
            "Turso Platform API token, used with `organization` and `database`. It finds the "
            "database, and mints a token for the run if `auth-token` is not set.",
            Group.PLATFORM,
            DATABASE_COMMANDS,
        ),
    ] = None
    organization: Annotated[
        str | None,
        _described("Turso organization; for a personal account, the user name.", Group.PLATFORM, DATABASE_COMMANDS),
    ] = None
    database: Annotated[
        str | None,
        _described("Name of the database in the Turso organization.", Group.PLATFORM, DATABASE_COMMANDS),
    ] = None
    api_url: Annotated[
        str | None,
        _described("Base URL of the Turso Platform API, if it is not Turso's own.", Group.PLATFORM, DATABASE_COMMANDS),
    ] = None
    read_only_auth_token: Annotated[
        Secret | None,
        _described(
            "Application token. It is checked: it must work, and it must be read-only.", Group.TOKENS, DATABASE_COMMANDS
        ),
    ] = None
    previous_auth_token: Annotated[
        Secret | None,
        _described(
            "Token from before the last rotation. It is checked: the server must reject it.",
            Group.TOKENS,
            DATABASE_COMMANDS,
        ),
    ] = None
    token_policy: Annotated[
        Literal["warn", "enforce", "off"],
        _described(
            "Effect of a token that breaks the rotation policy: `warn`, `enforce` (fail) or `off`.",
            Group.TOKENS,
            DATABASE_COMMANDS,
        ),
    ] = "warn"
    token_max_age: Annotated[
        timedelta,
        _described("Maximum age of a token before it must be rotated: `90d`, `12h`.", Group.TOKENS, DATABASE_COMMANDS),
    ] = timedelta(days=90)
    token_expiry_warning: Annotated[
        timedelta,
        _described("Warn when a token expires within this time.", Group.TOKENS, DATABASE_COMMANDS),
    ] = timedelta(days=14)
    token_require_expiry: Annotated[
        bool,
        _described("Count a token without an expiry date as breaking the policy.", Group.TOKENS, DATABASE_COMMANDS),
    ] = False
    token_lifetime: Annotated[
        timedelta | None,
        _described(
            "Lifetime of a minted token. Default: `15m` for a run, `90d` with `rotate-token`.",
            Group.PLATFORM,
            DATABASE_COMMANDS,
        ),
    ] = None
    trial_branch: Annotated[
        bool,
        _described(
            "With `deploy` and an API token: deploy to a temporary branch of the database first, and "
            "continue only if that succeeds.",
            Group.OPTIONS,
            ("deploy",),
        ),
    ] = False
    keep_trial_branch: Annotated[
        bool,
        _described("Keep the branch of `trial-branch`.", Group.OPTIONS, ("deploy",)),
    ] = False
    restore_point: Annotated[
        Literal["timestamp", "branch", "off"],
        _described(
            "Restore point of a deployment with an API token: `timestamp` (print the commands that "
            "restore the database to the time before the deployment), `branch` (create a branch) or "
            "`off`.",
            Group.OPTIONS,
            ("deploy",),
        ),
    ] = "timestamp"
    keep_restore_points: Annotated[
        int,
        _described("Number of branches of `restore-point: branch` to keep.", Group.OPTIONS, ("deploy",), ge=1, le=100),
    ] = 3
    comment: Annotated[
        bool,
        _described(
            "Keep the report in one comment on the pull request. Needs `github-token`.",
            Group.GITHUB,
            ("deploy", "plan", "verify"),
        ),
    ] = False
    github_token: Annotated[
        Secret | None,
        _described(
            "GitHub token. With `comment`: the workflow's own token, with `pull-requests: write`. "
            "With `rotate-token`: a token that can write secrets, which the workflow's own token "
            "cannot.",
            Group.GITHUB,
            ("deploy", "plan", "verify", "rotate-token"),
        ),
    ] = None
    secret_name: Annotated[
        str,
        _described(
            "With `rotate-token`: name of the secret to store the new token in.", Group.GITHUB, ("rotate-token",)
        ),
    ] = "TURSO_AUTH_TOKEN"
    secret_scope: Annotated[
        str,
        _described(
            "With `rotate-token`: owner of the secret: `repository`, `environment:NAME` or `organization:NAME`.",
            Group.GITHUB,
            ("rotate-token",),
        ),
    ] = "repository"
    token_access: Annotated[
        Literal["full-access", "read-only"],
        _described(
            "With `rotate-token`: access of the new token: `full-access` or `read-only`.",
            Group.OPTIONS,
            ("rotate-token",),
        ),
    ] = "full-access"
    revoke_others: Annotated[
        bool,
        _described(
            "With `rotate-token`: revoke all older tokens of the database, and perhaps of its group. "
            "Causes a short downtime.",
            Group.OPTIONS,
            ("rotate-token",),
        ),
    ] = False
    quiet: Annotated[
        bool,
        _described("Print only the result, and the reason if the run failed.", Group.REPORT, ALL_COMMANDS),
    ] = False
    verbose: Annotated[
        bool,
        _described(
            "Print the SQL of every step, also of a deployment, and a log of phases and requests.",
            Group.REPORT,
            ALL_COMMANDS,
        ),
    ] = False
    json_output: Annotated[
        bool,
        _described("Print one JSON document instead of the report.", Group.REPORT, ALL_COMMANDS),
    ] = False

    @property
    def uses_platform(self) -> bool:
        """True if the settings of the Turso Platform are given; `read_settings` requires all three together."""
        return self.api_token is not None

    @property
    def writes_to_database(self) -> bool:
        """True if the command executes writing statements on the database, even if it rolls them back."""
        return self.command == "deploy" or self.dry_run


class Setting(Struct, frozen=True):
    """One setting, as its field of `Settings` describes it.

    `annotation` is its type with limits, `type` the type alone: without limits and without `| None`. `group` is None
    for the command, which is no flag.
    """

    annotation: Any
    type: Any
    default: Any
    description: str
    group: Group | None
    commands: tuple[Command, ...]

    @property
    def default_text(self) -> str:
        """Default as a workflow writes it; empty if there is none."""
        match self.default:
            case None | ():
                return ""
            case bool():
                return str(self.default).lower()
            case float():
                return f"{self.default:g}"
            case timedelta():
                return format_duration(self.default)
            case _:
                return str(self.default)


def _settings() -> dict[str, Setting]:
    settings = {}
    for field in fields(Settings):
        parsed = field_type(field.type)
        note = next(note for note in parsed.notes if note.description)
        extra = note.extra or {}
        settings[field.name] = Setting(
            field.type,
            parsed.core,
            field.default,
            note.description or "",
            extra.get("group"),
            extra.get("commands", ()),
        )
    return settings


SETTINGS: Mapping[str, Setting] = _settings()
"""Settings by the name of their field, in the order of the documentation."""


def input_of(name: str) -> str:
    """Return the input of the Action for a field; the field `json_output` is the input `json`."""
    return name.removesuffix("_output").replace("_", "-")


def flag_of(name: str) -> str:
    """Return the flag of the command line for a field."""
    return "--" + input_of(name)


def input_variable_of(name: str) -> str:
    """Return the variable in which the runner passes an input to a container: upper case, with its dashes."""
    return "INPUT_" + input_of(name).upper()


def variable_of(name: str) -> str:
    """Return the environment variable for a field outside of GitHub Actions."""
    return _OWN_VARIABLES.get(name) or "TURSO_" + input_of(name).upper().replace("-", "_")
