"""Every setting of the program, defined once: the flags, the Action's inputs, the environment and the reference table.

Precedence: flag, then the Action's `INPUT_…` variable, then the `TURSO_…` variable, then the default.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Struct
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from turso_deploy.database.base import REQUEST_SIZE
from turso_deploy.errors import ErrorCode, InputError
from turso_deploy.turso.durations import parse_duration

# `v2.2.0`, or in a repository with several parts `database/v2.2.0` and `database-v2.2.0`.
_VERSION_TAG = re.compile(r"refs/tags/(?:.*[/-])?v(\d.*)")

Command = Literal["deploy", "plan", "verify", "docs", "adopt", "check-tokens", "rotate-token"]

# The name that applications know the token by that they serve with.
_OWN_VARIABLES = {"read_only_auth_token": "TURSO_AUTH_TOKEN_RO"}


def _checked_duration(text: str) -> str:
    try:
        parse_duration(text)
    except ValueError as error:
        raise PydanticCustomError("duration", "{reason}", {"reason": str(error)}) from None
    return text


Duration = Annotated[str, AfterValidator(_checked_duration)]
"""A span of time as it is written: `90d`, `12h`, `15m`."""


def input_of(name: str) -> str:
    """The Action's input for a field. `json_output` has its name because pydantic's models have a method `json`."""
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


class Inputs(BaseModel):
    """The settings of one run."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    command: Command = Field(
        "deploy",
        description="What to do: `deploy`, `plan` (show what would run), `verify` (read only), `docs` (write the "
        "schema's documentation), `adopt` (write a schema folder), `check-tokens` or `rotate-token`.",
    )
    schema_path: str = Field(
        "schema", min_length=1, description="Folder with the SQL files, `seeds/` and `manifest.yml`."
    )
    database_url: str | None = Field(
        None,
        description="Database to deploy to: `libsql://…`, `https://…` or `file:…`. On a runner it must be given; "
        "elsewhere the default is an embedded database in the working folder.",
    )
    auth_token: SecretStr | None = Field(
        None, description="Database token; read-write for `deploy`, read-only is enough for the rest."
    )
    allow_insecure_http: bool = Field(
        False,
        description="Let an `http://` URL lead to another machine. The token then travels in clear text.",
    )
    timeout: float = Field(
        60.0,
        gt=0,
        le=3600,
        description="Seconds to wait for the server, for each request; and in all for what is tried again.",
    )
    request_size: int = Field(
        REQUEST_SIZE,
        ge=100_000,
        le=100_000_000,
        description="Bytes that a request with seeds may have. Seeds that need more go in chunks, after the schema.",
    )
    allow_hazards: str = Field(
        "", description="Hazards that are accepted: `name`, or `name:object` for one object, separated by commas."
    )
    rehearse: Literal["off", "rollback", "branch"] = Field(
        "off",
        description="`rollback`, with `plan`: run the whole transaction on the database and roll it back. `branch`, "
        "with `deploy` and an API token: deploy to a branch of the database first.",
    )
    against: str | None = Field(
        None, description="With `plan`: another schema folder to compare with, in place of a database."
    )
    sql: bool = Field(False, description="With `plan`: print the plan as a script for `sqlite3`.")
    check: bool = Field(
        False,
        description="With `plan`: exit with 3 when something would run. With `docs`: write nothing, and exit with 3 "
        "when pages are stale.",
    )
    output: str = Field("docs/schema", min_length=1, description="With `docs`: the folder for the pages.")
    version_from_tag: bool = Field(
        False, description="Refuse to run unless the pushed tag (`v2.2.0`) names the manifest's `schema_version`."
    )
    api_token: SecretStr | None = Field(
        None,
        description="Token of the Turso Platform API, with `organization` and `database`: finds the database, and "
        "mints a token for the run where `auth-token` is not given.",
    )
    organization: str | None = Field(None, description="Organization at Turso; for a personal account the user name.")
    database: str | None = Field(None, description="Name of the database at Turso.")
    api_url: str | None = Field(None, description="Address of the Turso Platform API, where it is not Turso's own.")
    read_only_auth_token: SecretStr | None = Field(
        None, description="Token that the application serves with: checked to work, and to be read-only."
    )
    previous_auth_token: SecretStr | None = Field(
        None, description="Token from before the last rotation: checked to be refused."
    )
    token_policy: Literal["warn", "enforce", "off"] = Field(
        "warn", description="What a token that breaks the rotation policy does: `warn`, `enforce` (fail) or `off`."
    )
    token_max_age: Duration = Field("90d", description="Age at which a token is to be rotated: `90d`, `12h`.")
    token_expiry_warning: Duration = Field("14d", description="Time before a token's end from which on to warn.")
    token_require_expiry: bool = Field(False, description="Whether a token without an end breaks the policy.")
    token_lifetime: Duration | None = Field(
        None, description="Life of a minted token; `15m` for a deployment, `90d` with `rotate-token`, unless given."
    )
    keep_branch: bool = Field(False, description="Keep the branch of `rehearse: branch`.")
    backup: Literal["bookmark", "branch", "off"] = Field(
        "bookmark",
        description="Way back, with an API token: `bookmark` (commands that restore to the moment before), `branch` "
        "or `off`.",
    )
    backup_keep: int = Field(3, ge=1, le=100, description="How many branches of `backup: branch` are kept.")
    comment: bool = Field(
        False, description="Keep the report as one comment on the pull request up to date; takes `github-token`."
    )
    github_token: SecretStr | None = Field(
        None,
        description="GitHub token. With `comment`: the workflow's own, with `pull-requests: write`. With "
        "`rotate-token`: one that may write secrets, which the workflow's own may not.",
    )
    secret_name: str = Field("TURSO_AUTH_TOKEN", description="With `rotate-token`: the secret that gets the new token.")
    secret_scope: str = Field(
        "repository",
        description="With `rotate-token`: whose secret it is: `repository`, `environment:NAME` or `organization:NAME`.",
    )
    token_access: Literal["full-access", "read-only"] = Field(
        "full-access", description="With `rotate-token`: what the new token may do: `full-access` or `read-only`."
    )
    revoke_others: bool = Field(
        False,
        description="With `rotate-token`: refuse all older tokens of the database, and perhaps of its group. "
        "A short downtime.",
    )
    quiet: bool = Field(False, description="Print the verdict only, and why it failed.")
    verbose: bool = Field(False, description="Print every step with its SQL, also of a deployment.")
    json_output: bool = Field(False, description="Print one JSON document instead of the report.")


def wants_json(flags: Mapping[str, Any]) -> bool:
    """Whether the report is to be JSON: known before all settings are judged, so that a bad one is told as JSON too."""
    return _is_wanted("json_output", flags)


def wants_sql(flags: Mapping[str, Any]) -> bool:
    """Whether the output is to be the plan's script and nothing else: known as early as `wants_json`."""
    return _is_wanted("sql", flags) and _raw("command", flags) == "plan"


def _is_wanted(name: str, flags: Mapping[str, Any]) -> bool:
    value = _raw(name, flags)
    try:
        return TypeAdapter(bool).validate_python(value or False)
    except ValidationError:
        return False


def secret_values(flags: Mapping[str, Any]) -> list[str]:
    """Every value that a secret setting is given, be it used or not, so that all can be masked before anything else."""
    secret = [name for name, field in Inputs.model_fields.items() if field.annotation == SecretStr | None]
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


def read_inputs(flags: Mapping[str, Any]) -> Inputs:
    """The settings of this run; `flags` are those that the command line gave. Raises InputError (`input-invalid`)."""
    from_variables = {name: values[0] for name in Inputs.model_fields if (values := _from_variables(name))}
    try:
        inputs = Inputs(**(from_variables | dict(flags)))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"The setting `{input_of(name)}` cannot be used: {str(first['msg'])[:1].lower()}{str(first['msg'])[1:]}.",
            hint=f"It is set by {_flag_or_word(name)}, by the Action's input `{input_of(name)}` "
            f"or by {variable_of(name)}.",
        ) from None
    _refuse_contradictions(inputs)
    return inputs


def _refuse_contradictions(inputs: Inputs) -> None:
    """Settings that cannot both be followed."""
    if inputs.quiet and inputs.verbose:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            "The settings `quiet` and `verbose` cannot be used together.",
            hint="Leave one of them out.",
        )
    given = {
        "against": inputs.against is not None,
        "rehearse": inputs.rehearse == "rollback",
        "sql": inputs.sql,
        "json": inputs.json_output,
    }
    for one, other in (("sql", "json"), ("sql", "rehearse"), ("sql", "against"), ("against", "rehearse")):
        if inputs.command == "plan" and given[one] and given[other]:
            raise InputError(
                ErrorCode.INPUT_INVALID,
                f"The settings `{one}` and `{other}` cannot be used together.",
                hint="Leave one of them out.",
            )


class Pipeline(Struct, frozen=True):
    """Where this run takes place, as GitHub's runner tells it; all None, and `on_runner` False, elsewhere.

    https://docs.github.com/en/actions/reference/workflows-and-actions/variables
    """

    on_runner: bool
    commit_sha: str | None
    ref: str | None
    run_url: str | None
    actor: str | None
    repository: str | None = None
    github_api_url: str | None = None
    backup: str | None = None
    """How to get back to before this run: a moment, or the name of a branch."""

    @property
    def pull_request(self) -> int | None:
        """The number of the pull request that this run is for; None when it is for none."""
        match = re.fullmatch(r"refs/pull/(\d+)/(?:merge|head)", self.ref or "")
        return int(match[1]) if match else None

    @property
    def tag_version(self) -> str | None:
        """The version that the tag of this run names, without its `v`; None when the run is not for such a tag."""
        match = _VERSION_TAG.fullmatch(self.ref or "")
        return match[1] if match else None


def read_pipeline(environment: Mapping[str, str]) -> Pipeline:
    """The pipeline of this run, from the environment."""
    server, repository, run = (environment.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    return Pipeline(
        on_runner=environment.get("GITHUB_ACTIONS") == "true",
        commit_sha=environment.get("GITHUB_SHA") or None,
        ref=environment.get("GITHUB_REF") or None,
        run_url=f"{server}/{repository}/actions/runs/{run}" if server and repository and run else None,
        actor=environment.get("GITHUB_ACTOR") or None,
        repository=repository or None,
        github_api_url=environment.get("GITHUB_API_URL") or None,
    )
