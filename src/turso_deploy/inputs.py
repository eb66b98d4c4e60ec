"""Every setting of the program, defined once: the flags, the Action's inputs, the environment and the reference table.

Precedence: flag, then the Action's `INPUT_…` variable, then the `TURSO_…` variable, then the default.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from turso_deploy.errors import ErrorCode, InputError

Command = Literal["deploy", "plan", "verify"]


class _Environment(PydanticBaseSettingsSource):
    """Settings from variables. An empty variable is an unset one: the runner sets every input, given or not."""

    def __init__(self, settings: type[BaseSettings], variable_of: Callable[[str], str]) -> None:
        super().__init__(settings)
        self._variable_of = variable_of

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The value of one field, as the base class asks for it."""
        return os.environ.get(self._variable_of(field_name)) or None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """All fields that the environment sets."""
        found = {name: os.environ.get(self._variable_of(name)) for name in self.settings_cls.model_fields}
        return {name: value for name, value in found.items() if value}


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
    return "TURSO_" + input_of(name).upper().replace("-", "_")


class Inputs(BaseSettings):
    """The settings of one run."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    command: Command = Field(
        "deploy", description="What to do: `deploy`, `plan` (show what would run) or `verify` (read only)."
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
    timeout: float = Field(60.0, gt=0, le=3600, description="Seconds to wait for the server, for each request.")
    check: bool = Field(False, description="With `plan`: exit with 3 when something would run.")
    json_output: bool = Field(False, description="Print one JSON document instead of the report.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags first, then the Action's inputs, then the `TURSO_…` variables; no files."""
        return init_settings, _Environment(settings_cls, input_variable_of), _Environment(settings_cls, variable_of)


def read_inputs(flags: Mapping[str, Any]) -> Inputs:
    """The settings of this run; `flags` are those that the command line gave. Raises InputError (`input-invalid`)."""
    try:
        return Inputs(**flags)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"The setting `{input_of(name)}` cannot be used: {str(first['msg'])[:1].lower()}{str(first['msg'])[1:]}.",
            hint=f"It is set by {flag_of(name)}, by the Action's input `{input_of(name)}` or by {variable_of(name)}.",
        ) from None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Where this run takes place, as GitHub's runner tells it; all None, and `on_runner` False, elsewhere.

    https://docs.github.com/en/actions/reference/workflows-and-actions/variables
    """

    on_runner: bool
    commit_sha: str | None
    ref: str | None
    run_url: str | None
    actor: str | None


def read_pipeline(environment: Mapping[str, str]) -> Pipeline:
    """The pipeline of this run, from the environment."""
    server, repository, run = (environment.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    return Pipeline(
        on_runner=environment.get("GITHUB_ACTIONS") == "true",
        commit_sha=environment.get("GITHUB_SHA") or None,
        ref=environment.get("GITHUB_REF") or None,
        run_url=f"{server}/{repository}/actions/runs/{run}" if server and repository and run else None,
        actor=environment.get("GITHUB_ACTOR") or None,
    )


def working_folder_path(path: str) -> str:
    """A path as messages show it: with forward slashes, as given."""
    return PurePath(path).as_posix()
