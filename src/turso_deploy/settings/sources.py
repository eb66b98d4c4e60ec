"""Sources of the settings, and for each setting the values that they give, by precedence.

Precedence: flag, input of the Action, environment variable, file of variables, settings file (the table of the
database, then the top), default. An input is set for one step and wins over a variable, which `env` may set for a whole
workflow; and the environment wins over a file, which is the same for every run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from turso_deploy.core.errors import InputError, Place
from turso_deploy.core.validation import ValidationError, validate
from turso_deploy.settings.env_file import EnvValue, read_env_file
from turso_deploy.settings.settings import (
    ALL_COMMANDS,
    SETTINGS,
    Command,
    Settings,
    flag_of,
    input_of,
    input_variable_of,
    variable_of,
)
from turso_deploy.settings.settings_file import FileDatabase, SettingsFile, read_settings_file


class Given(NamedTuple):
    """A value of a setting as it was given, the source that messages name, and the place in a file."""

    value: Any
    source: str
    place: Place | None = None


class Sources(NamedTuple):
    """Everything that settings are read from. `error` is that of a file that cannot be used.

    `selected` is the database of the settings file whose table counts.
    """

    flags: Mapping[str, Any]
    environment: Mapping[str, str]
    env_file: Mapping[str, EnvValue] = {}
    file: SettingsFile | None = None
    selected: str | None = None
    error: InputError | None = None

    def given(self, name: str) -> list[Given]:
        """Return all values of a setting, by precedence. An empty variable or input counts as not given."""
        return [*self._before_files(name), *self._in_files(name)]

    def value(self, name: str) -> Any:
        """Return the first value of a setting that is not empty, as it was given; None if there is none."""
        return next((each.value for each in self.given(name) if each.value != ""), None)

    def text(self, name: str) -> str | None:
        """Return the first value of a setting as text; None if it is no text that a file or a message can hold."""
        try:
            value = self.value(name)
            return None if value is None else str(value).encode().decode()
        except UnicodeEncodeError:
            return None

    def is_on(self, name: str) -> bool:
        """Return True if a switch is on. It does not need the other settings, so that their errors can follow it."""
        try:
            return validate(self.value(name) or False, bool)
        except ValidationError:
            return False

    @property
    def command(self) -> Command:
        """The given command, or the default if it is no command."""
        given = self.value("command")
        return next((command for command in ALL_COMMANDS if command == given), Settings().command)

    @property
    def wants_sql(self) -> bool:
        """True if the output is the plan's script and nothing else."""
        return self.is_on("sql") and self.command == "plan"

    @property
    def secrets(self) -> list[str]:
        """Every given value of a secret setting, used or not, so that no output shows one of them."""
        values = [each.value for name in _SECRETS for each in self.given(name)]
        variables = [database.token_variable for database in self.databases.values()]
        return [value for value in (*values, *(self.variable(each.value) for each in variables if each)) if value]

    @property
    def unmasked_secrets(self) -> list[str]:
        """The secrets of inputs and of the file of variables. The runner masks only those that are its own."""
        inputs = (self.environment.get(input_variable_of(name)) for name in _SECRETS)
        in_file = (self.env_file.get(variable_of(name)) for name in _SECRETS)
        return [value for value in (*inputs, *(each.value for each in in_file if each)) if value]

    @property
    def databases(self) -> Mapping[str, FileDatabase]:
        """The databases of the settings file by name."""
        return self.file.databases if self.file else {}

    def variable(self, name: str) -> str | None:
        """Return a variable of the environment or of the file of variables; None if it is not set, or empty."""
        in_file = self.env_file.get(name)
        return self.environment.get(name) or (in_file.value if in_file else None) or None

    def _before_files(self, name: str) -> Iterator[Given]:
        if self.flags.get(name) is not None:
            yield Given(self.flags[name], "the first word" if name == "command" else flag_of(name))
        if value := self.environment.get(input_variable_of(name)):
            yield Given(value, f"the input {input_of(name)}")
        database = self.databases.get(self.selected or "")
        if name == "auth_token" and database and (variable := database.token_variable):
            yield Given(self.variable(variable.value) or "", variable.value, variable.place)
        if value := self.environment.get(variable_of(name)):
            yield Given(value, variable_of(name))

    def _in_files(self, name: str) -> Iterator[Given]:
        if (value := self.env_file.get(variable_of(name))) and value.value:
            yield Given(value.value, str(value.place), value.place)
        database = self.databases.get(self.selected or "")
        for settings in (database.settings if database else {}, self.file.settings if self.file else {}):
            if (found := settings.get(name)) and self.command in SETTINGS[name].commands:
                yield Given(found.value, str(found.place), found.place)


_SECRETS = [name for name, setting in SETTINGS.items() if setting.is_secret]


def read_sources(flags: Mapping[str, Any], environment: Mapping[str, str]) -> Sources:
    """Read the files that flags and environment name. Raises nothing: an error is kept for the report."""
    sources = Sources(flags, environment)
    try:
        if name := sources.text("env_file"):
            sources = sources._replace(env_file=read_env_file(name, set(map(variable_of, SETTINGS))))
        return sources._replace(file=read_settings_file(sources.text("settings_file")))
    except InputError as error:
        return sources._replace(error=error)
