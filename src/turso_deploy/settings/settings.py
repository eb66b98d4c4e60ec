"""Model of all settings: for each its type, default, description, help group, commands and names.

The flags, the inputs of the Action, the environment variables and the reference table follow from it.
"""

# ruff: noqa: RUF009 — `_setting` returns the field of a dataclass
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Literal, get_args

from turso_deploy.database.interface import MAX_TIMEOUT, REQUEST_SIZE, REQUEST_SIZES
from turso_deploy.settings.fields import (
    Approvals,
    Backfills,
    Budget,
    Canary,
    DatabaseUrl,
    Duration,
    FileScope,
    Fingerprint,
    Group,
    Integer,
    Names,
    Number,
    SecretText,
    Setting,
    ShardText,
    Text,
    Waves,
)
from turso_deploy.settings.fields import setting as _setting

Command = Literal[
    "deploy",
    "plan",
    "rollback",
    "verify",
    "history",
    "status",
    "accept-drift",
    "docs",
    "pull",
    "check-tokens",
    "rotate-token",
    "join-results",
]

ALL_COMMANDS: tuple[Command, ...] = get_args(Command)
DATABASE_COMMANDS: tuple[Command, ...] = tuple(
    command for command in ALL_COMMANDS if command not in ("docs", "join-results")
)
FOR_ALL_DATABASES = ("status",)
"""Commands that run for every database of the settings file, unless `target` names one."""

WRITING_COMMANDS: tuple[Command, ...] = ("deploy", "accept-drift", "pull", "rotate-token")
DEPLOYING_COMMANDS: tuple[Command, ...] = ("deploy", "rollback")
FLEET_COMMANDS: tuple[Command, ...] = ("deploy", "plan", "rollback", "verify", "history", "status", "check-tokens")
"""Commands that run for a fleet of databases."""

# Turso's own name for the variable of the application token.
_OWN_VARIABLES = {"read_only_auth_token": "TURSO_AUTH_TOKEN_RO"}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of one run, parsed.

    It is a dataclass, which pydantic validates like its own models, because pydantic takes long to load and the help
    of a command is made from the fields alone.
    """

    command: Command = _setting(
        "deploy",
        "Command to run: `deploy`, `plan` (show the changes), `rollback` (go back to an earlier deployment), `verify` "
        "(read only), `history`, `status`, `accept-drift` (record what others changed), `docs` (write the schema's "
        "documentation), `pull` (write a schema folder from a database), `check-tokens`, `rotate-token` or "
        "`join-results` (of the shards of a fleet). Only the "
        "Action has a default.",
    )
    schema_path: str = _setting(
        "schema",
        "Folder with the SQL files, `seeds/` and `manifest.yml`.",
        Group.SCHEMA,
        ("deploy", "plan", "verify", "status", "accept-drift", "docs", "pull"),
        min_length=1,
        file_scope=FileScope.ANYWHERE,
    )
    database_url: DatabaseUrl | None = _setting(
        None,
        "Database URL: `libsql://…`, `https://…` or `file:…`. Required on a runner; elsewhere the default is a "
        "local SQLite file in the working directory.",
        Group.DATABASE,
        DATABASE_COMMANDS,
        file_scope=FileScope.DATABASE,
    )
    auth_token: SecretText | None = _setting(
        None,
        "Database token. `deploy`, `rollback` and `dry-run` need full access; for everything else read-only is enough.",
        Group.DATABASE,
        DATABASE_COMMANDS,
    )
    target: Text | None = _setting(
        None,
        "Database of the settings file, by its name there. Not needed if the file names one database only.",
        Group.DATABASE,
        DATABASE_COMMANDS,
    )
    allow_insecure_http: bool = _setting(
        False,
        "Allow plaintext HTTP to hosts other than this one. The token is sent in clear text.",
        Group.DATABASE,
        DATABASE_COMMANDS,
        file_scope=FileScope.DATABASE,
    )
    timeout: Number = _setting(
        60.0,
        "Timeout of one request in seconds; also the total time spent on retries.",
        Group.DATABASE,
        DATABASE_COMMANDS,
        gt=0,
        le=MAX_TIMEOUT,
        file_scope=FileScope.ANYWHERE,
    )
    request_size: Integer = _setting(
        REQUEST_SIZE,
        "Maximum size of one request with seeds, in bytes. Larger seeds are sent in chunks, after the schema.",
        Group.DATABASE,
        ("deploy", "plan"),
        ge=REQUEST_SIZES[0],
        le=REQUEST_SIZES[-1],
        file_scope=FileScope.ANYWHERE,
    )
    allow_hazards: Approvals = _setting(
        (),
        "Approved hazards, separated by commas: `name`, or `name:object` for one object.",
        Group.OPTIONS,
        ("deploy", "plan", "rollback"),
    )
    show_keys: bool = _setting(
        False,
        "Name live rows by their text keys in the report, too. Without it only integer keys are shown.",
        Group.OPTIONS,
        ("deploy", "plan", "rollback", "verify"),
    )
    deployment: Integer | None = _setting(
        None,
        "With `rollback`: number of the deployment to go back to; by default the one before the last one. With "
        "`history`: number of the deployment to show, with what it changed. It may also follow the command.",
        Group.OPTIONS,
        ("rollback", "history"),
        ge=1,
    )
    to: Text | None = _setting(
        None,
        "With `rollback`: version to go back to, in place of a number: that of the last deployment with it.",
        Group.OPTIONS,
        ("rollback",),
    )
    run_again: Names = _setting(
        (),
        "With `rollback`: scripts that ran since, and that the next forward deployment runs again, by name.",
        Group.OPTIONS,
        ("rollback",),
    )
    keep_done: Names = _setting(
        (),
        "With `rollback`: scripts that ran since, and that are not run again, by name.",
        Group.OPTIONS,
        ("rollback",),
    )
    backfill: Backfills = _setting(
        (),
        "With `rollback`: values of a column that comes back, as `TABLE.COLUMN=EXPRESSION` over the row as it is. Each "
        "in a line, or a flag for each.",
        Group.OPTIONS,
        ("rollback",),
    )
    dry_run: bool = _setting(
        False,
        "With `plan` and `rollback`: run the whole transaction on the database and roll it back. Needs a token that "
        "can write.",
        Group.OPTIONS,
        ("plan", "rollback"),
    )
    update: bool = _setting(
        False,
        "With `pull`: take what others changed in the database into the existing schema folder, each change in its "
        "file.",
        Group.OPTIONS,
        ("pull",),
    )
    save: Text | None = _setting(
        None,
        "With `plan`, or with `rollback` and `dry-run`: file to save the plan in. It holds names and checksums only.",
        Group.OPTIONS,
        ("plan", "rollback"),
    )
    plan: Text | None = _setting(
        None,
        "Plan file that `save` wrote. Exactly this plan is deployed, or nothing.",
        Group.OPTIONS,
        ("deploy", "rollback"),
    )
    expect_plan: Fingerprint | None = _setting(
        None,
        "Fingerprint of the plan. Exactly this plan is deployed, or nothing.",
        Group.OPTIONS,
        ("deploy", "rollback"),
    )
    compare_to: Text | None = _setting(
        None, "With `plan`: schema folder to compare with, instead of a database.", Group.OPTIONS, ("plan",)
    )
    sql: bool = _setting(False, "With `plan`: print the plan as a script for `sqlite3`.", Group.OPTIONS, ("plan",))
    check: bool = _setting(
        False,
        "With `plan`: exit with 3 when there are changes to deploy. With `docs`: write nothing, and exit with 3 "
        "when pages are stale.",
        Group.OPTIONS,
        ("plan", "docs"),
    )
    limit: Integer = _setting(
        20, "With `history`: number of deployments to list.", Group.OPTIONS, ("history",), ge=1, le=1000
    )
    output: str = _setting(
        "docs/schema",
        "With `docs`: folder for the pages.",
        Group.SCHEMA,
        ("docs",),
        min_length=1,
        file_scope=FileScope.ANYWHERE,
    )
    version_from_tag: bool = _setting(
        False,
        "Stop unless the pushed tag (`v2.2.0`) matches `schema_version` in the manifest.",
        Group.SCHEMA,
        ("deploy", "plan", "verify"),
        file_scope=FileScope.ANYWHERE,
    )
    api_token: SecretText | None = _setting(
        None,
        "Turso Platform API token, used with `organization` and `database`. It finds the database, and mints a "
        "token for the run if `auth-token` is not set.",
        Group.PLATFORM,
        DATABASE_COMMANDS,
    )
    organization: Text | None = _setting(
        None,
        "Turso organization; for a personal account, the user name.",
        Group.PLATFORM,
        DATABASE_COMMANDS,
        file_scope=FileScope.ANYWHERE,
    )
    database: Text | None = _setting(
        None,
        "Name of the database in the Turso organization.",
        Group.PLATFORM,
        DATABASE_COMMANDS,
        file_scope=FileScope.DATABASE,
    )
    api_url: Text | None = _setting(
        None, "Base URL of the Turso Platform API, if it is not Turso's own.", Group.PLATFORM, DATABASE_COMMANDS
    )
    read_only_auth_token: SecretText | None = _setting(
        None,
        "Application token. It is checked: it must work, and it must be read-only.",
        Group.TOKENS,
        DATABASE_COMMANDS,
    )
    previous_auth_token: SecretText | None = _setting(
        None,
        "Token from before the last rotation. It is checked: the server must reject it.",
        Group.TOKENS,
        DATABASE_COMMANDS,
    )
    token_policy: Literal["warn", "enforce", "off"] = _setting(
        "warn",
        "Effect of a token that breaks the rotation policy: `warn`, `enforce` (fail) or `off`.",
        Group.TOKENS,
        DATABASE_COMMANDS,
        file_scope=FileScope.ANYWHERE,
    )
    token_max_age: Duration = _setting(
        timedelta(days=90),
        "Maximum age of a token before it must be rotated: `90d`, `12h`.",
        Group.TOKENS,
        DATABASE_COMMANDS,
        file_scope=FileScope.ANYWHERE,
    )
    token_expiry_warning: Duration = _setting(
        timedelta(days=14),
        "Warn when a token expires within this time.",
        Group.TOKENS,
        DATABASE_COMMANDS,
        file_scope=FileScope.ANYWHERE,
    )
    token_require_expiry: bool = _setting(
        False,
        "Count a token without an expiry date as breaking the policy.",
        Group.TOKENS,
        DATABASE_COMMANDS,
        file_scope=FileScope.ANYWHERE,
    )
    token_lifetime: Duration | None = _setting(
        None,
        "Lifetime of a minted token. Default: `15m` for a run, `90d` with `rotate-token`.",
        Group.PLATFORM,
        DATABASE_COMMANDS,
        file_scope=FileScope.ANYWHERE,
    )
    fleet: Text | None = _setting(
        None,
        "Databases of a fleet: a fleet file (`fleet.yml`), `group:NAME` for a group of the Turso Platform, or a list "
        "(`.csv`, `.jsonl`, `-` for standard input). In place of `database-url` or `database`.",
        Group.FLEET,
        FLEET_COMMANDS,
    )
    only: Names = _setting(
        (),
        "With `fleet`: only these databases, by names or patterns (`acme`, `eu-*`), separated by commas.",
        Group.FLEET,
        FLEET_COMMANDS,
    )
    except_: Names = _setting(
        (),
        "With `fleet`: all but these databases, by names or patterns, separated by commas.",
        Group.FLEET,
        FLEET_COMMANDS,
    )
    control_url: DatabaseUrl | None = _setting(
        None,
        "With a fleet file that has a `query`: URL of the control database, which is only read.",
        Group.FLEET,
        FLEET_COMMANDS,
    )
    control_token: SecretText | None = _setting(
        None, "Token of the control database; a read-only one is enough.", Group.FLEET, FLEET_COMMANDS
    )
    canary: Canary | None = _setting(
        None,
        "With `fleet`: databases to deploy to first, by number or by names; each must succeed. Without it those that "
        "the fleet file names, otherwise 1.",
        Group.FLEET,
        DEPLOYING_COMMANDS,
    )
    waves: Waves | None = _setting(
        None,
        "With `fleet`: percentages of the databases after the canary that are done at the end of each wave: "
        "`10%,50%`. The rest is the last wave.",
        Group.FLEET,
        DEPLOYING_COMMANDS,
    )
    failure_budget: Budget | None = _setting(
        None,
        "With `fleet`: number or percentage of databases that may fail before no more are begun. Without it that of "
        "the fleet file, otherwise 0.",
        Group.FLEET,
        DEPLOYING_COMMANDS,
    )
    parallel: Integer = _setting(
        16,
        "With `fleet`: databases at a time. Halved while servers answer that there are too many requests.",
        Group.FLEET,
        FLEET_COMMANDS,
        ge=1,
        le=256,
    )
    shard: ShardText | None = _setting(
        None,
        "With `fleet`: part of the fleet that this run is for, as `1/3`; `canary/3` is the canary alone.",
        Group.FLEET,
        FLEET_COMMANDS,
    )
    results: Text | None = _setting(
        None,
        "With `fleet`: file for one line of JSON a database. With `join-results`: files to join, as a folder or a "
        "pattern.",
        Group.FLEET,
        (*FLEET_COMMANDS, "join-results"),
    )
    html: Text | None = _setting(
        None,
        "With `fleet`, `status`, `history` and `join-results`: file for the report as an HTML page, to sort and to "
        "search.",
        Group.REPORT,
        (*FLEET_COMMANDS, "join-results"),
    )
    names: Literal["plain", "hashed"] = _setting(
        "plain",
        "With `fleet`: `hashed` shows databases by the beginning of a hash of their names, for public logs.",
        Group.FLEET,
        FLEET_COMMANDS,
    )
    trial_branch: bool = _setting(
        False,
        "With an API token: deploy to a temporary branch of the database first, and continue only if that succeeds.",
        Group.OPTIONS,
        DEPLOYING_COMMANDS,
        file_scope=FileScope.ANYWHERE,
    )
    keep_trial_branch: bool = _setting(
        False,
        "Keep the branch of `trial-branch`.",
        Group.OPTIONS,
        DEPLOYING_COMMANDS,
        file_scope=FileScope.ANYWHERE,
    )
    restore_point: Literal["timestamp", "branch", "file", "off"] = _setting(
        "timestamp",
        "Restore point before a deployment: with an API token `timestamp` (print the commands that restore to that "
        "time) or `branch` (create a branch); for every database `file` (if there are hazards, copy a file or dump a "
        "server into `restore-point-folder`); or `off`.",
        Group.OPTIONS,
        DEPLOYING_COMMANDS,
        file_scope=FileScope.ANYWHERE,
    )
    restore_point_folder: Text = _setting(
        "restore-points",
        "Folder for the files of `restore-point: file`. They hold all rows.",
        Group.OPTIONS,
        DEPLOYING_COMMANDS,
        file_scope=FileScope.ANYWHERE,
    )
    keep_restore_points: Integer = _setting(
        3,
        "Number of branches, or of files of each database, that `restore-point` keeps.",
        Group.OPTIONS,
        DEPLOYING_COMMANDS,
        ge=1,
        le=100,
        file_scope=FileScope.ANYWHERE,
    )
    comment: bool = _setting(
        False,
        "Keep the report in one comment on the pull request. Needs `github-token`.",
        Group.GITHUB,
        ("deploy", "plan", "rollback", "verify"),
    )
    issue: bool = _setting(
        False,
        "Open an issue when the database drifted, update it, and close it when the drift is gone. Needs "
        "`github-token`.",
        Group.GITHUB,
        ("verify",),
    )
    comment_author: Text = _setting(
        "github-actions[bot]",
        "With `comment` or `issue`: user as whom `github-token` writes. Only what this user wrote is updated.",
        Group.GITHUB,
        ("deploy", "plan", "rollback", "verify"),
    )
    github_token: SecretText | None = _setting(
        None,
        "GitHub token. With `comment`: the workflow's own token, with `pull-requests: write`; with `issue`: with "
        "`issues: write`. With "
        "`rotate-token`: a token that can write secrets, which the workflow's own token cannot.",
        Group.GITHUB,
        ("deploy", "plan", "rollback", "verify", "rotate-token"),
    )
    secret_name: Text = _setting(
        "TURSO_AUTH_TOKEN",
        "With `rotate-token`: name of the secret to store the new token in.",
        Group.GITHUB,
        ("rotate-token",),
    )
    secret_scope: Text = _setting(
        "repository",
        "With `rotate-token`: owner of the secret: `repository`, `environment:NAME` or `organization:NAME`.",
        Group.GITHUB,
        ("rotate-token",),
    )
    token_access: Literal["full-access", "read-only"] = _setting(
        "full-access",
        "With `rotate-token`: access of the new token: `full-access` or `read-only`.",
        Group.OPTIONS,
        ("rotate-token",),
    )
    revoke_others: bool = _setting(
        False,
        "With `rotate-token`: revoke all older tokens of the database, and perhaps of its group. Causes a short "
        "downtime.",
        Group.OPTIONS,
        ("rotate-token",),
    )
    quiet: bool = _setting(
        False, "Print only the result, and the reason if the run failed.", Group.REPORT, ALL_COMMANDS
    )
    verbose: bool = _setting(
        False,
        "Print every step with its SQL, and a log of phases and requests.",
        Group.REPORT,
        ALL_COMMANDS,
    )
    json_output: bool = _setting(False, "Print one JSON document instead of the report.", Group.REPORT, ALL_COMMANDS)
    settings_file: Text | None = _setting(
        None,
        "Settings file, with databases by name and policies. Default: `turso-deploy.toml` in the working directory, if "
        "it is there.",
        Group.SOURCES,
        ALL_COMMANDS,
    )
    env_file: Text | None = _setting(
        None,
        "File with lines `NAME=VALUE`, whose variables are used where the environment does not set them.",
        Group.SOURCES,
        ALL_COMMANDS,
    )

    @property
    def uses_platform(self) -> bool:
        """True if the settings of the Turso Platform are given; `read_settings` requires all three together."""
        return self.api_token is not None

    @property
    def named_database(self) -> str:
        """The database as the settings name it, without secrets, whether it exists or not; empty if they name none."""
        if self.command == "plan" and self.compare_to is not None:
            return f"folder {self.compare_to}"
        if self.fleet is not None:
            return f"fleet {self.fleet}"
        if self.database_url is not None:
            return self.database_url.display
        return "/".join(filter(None, (self.organization, self.database)))

    @property
    def writes_to_database(self) -> bool:
        """True if the command executes writing statements on the database, even if it rolls them back."""
        return self.command in DEPLOYING_COMMANDS or self.command == "accept-drift" or self.dry_run


SETTINGS: Mapping[str, Setting] = {
    each.name: Setting(
        each.default,
        each.type == SecretText | None,
        each.metadata["description"],
        each.metadata["group"],
        each.metadata["commands"],
        each.metadata["file_scope"],
    )
    for each in fields(Settings)
}
"""Settings by the name of their field, in the order of the documentation."""


def input_of(name: str) -> str:
    """Return the input of the Action for a field; `json_output` is the input `json`, and `except_` is `except`."""
    return name.removesuffix("_output").rstrip("_").replace("_", "-")


def flag_of(name: str) -> str:
    """Return the flag of the command line for a field."""
    return "--" + input_of(name)


def input_variable_of(name: str) -> str:
    """Return the variable in which the runner passes an input to a container: upper case, with its dashes."""
    return "INPUT_" + input_of(name).upper()


def variable_of(name: str) -> str:
    """Return the environment variable for a field outside of GitHub Actions."""
    return _OWN_VARIABLES.get(name) or "TURSO_" + input_of(name).upper().replace("-", "_")
