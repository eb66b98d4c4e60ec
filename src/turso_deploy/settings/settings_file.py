"""The settings file `turso-deploy.toml`: databases by name and policies, and the place of every error in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from turso_deploy.core.errors import MAX_LISTED, Cause, DeployError, ErrorCode, InputError, Place, listed
from turso_deploy.core.files import read_file
from turso_deploy.core.secret import redact
from turso_deploy.database.address import parse_address
from turso_deploy.settings.fields import FileScope
from turso_deploy.settings.settings import SETTINGS, input_of, variable_of

DEFAULT_NAME = "turso-deploy.toml"
MAX_BYTES = 1_000_000
DATABASES = "databases"
URL = "url"
"""Key of a database for the setting `database-url`: the table says already that it is that of a database."""

TOKEN_VARIABLE = "auth-token-variable"
"""Key of a database for the name of the variable that holds its token."""

_DATABASE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_KEY = re.compile(r"[A-Za-z][A-Za-z_-]{0,39}")
_SECRET_KEY = re.compile(r"token|secret|passw|api.?key|credential|jwt", re.IGNORECASE)
_HINT = "The reference of the settings lists the keys of the settings file. Nothing was sent."


class FileValue(NamedTuple):
    """A value of the settings file as text, and its place."""

    value: str
    place: Place


class FileDatabase(NamedTuple):
    """A database of the settings file: its settings by field, and the variable that holds its token."""

    settings: Mapping[str, FileValue]
    token_variable: FileValue | None
    place: Place


class SettingsFile(NamedTuple):
    """A settings file: the settings of every run, and the databases by name."""

    name: str
    settings: Mapping[str, FileValue]
    databases: Mapping[str, FileDatabase]


def keys_of(scope: FileScope) -> dict[str, str]:
    """Return the keys for settings of every run, or of one database, with the field that each sets."""
    fields = (name for name, setting in SETTINGS.items() if setting.file_scope in (scope, FileScope.ANYWHERE))
    return {URL if name == "database_url" else input_of(name): name for name in fields}


def read_settings_file(name: str | None) -> SettingsFile | None:
    """Return the settings file; without a name, the one in the working directory, or None if there is none.

    Raises InputError with file and line of every error in it. No message repeats a value.
    """
    if name is None and not Path(DEFAULT_NAME).is_symlink() and not Path(DEFAULT_NAME).exists():
        return None
    import tomllib

    file = name or DEFAULT_NAME
    text = _read(file, follow_links=name is not None)
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError for an integer of thousands of digits, too
        found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        place = Place(file, int(found[1]), int(found[2])) if found else Place(file)
        raise _invalid([Cause("this is not TOML", place)]) from None
    return _Reader(file, text).read(document)


class _Reader:
    """Reader of one document, which collects the errors in it."""

    def __init__(self, file: str, text: str) -> None:
        from turso_deploy.settings.toml_lines import lines_of

        self._file, self._lines = file, lines_of(text)
        self._causes = list[Cause]()

    def read(self, document: Mapping[str, Any]) -> SettingsFile:
        """Return the settings of a document. Raises InputError with all errors."""
        known = keys_of(FileScope.ANYWHERE)
        settings = dict(self._settings(document, (), known, {DATABASES}))
        databases = document.get(DATABASES, {})
        if not isinstance(databases, dict):
            self._error((DATABASES,), "write each database as a table: `[databases.production]`")
            databases = {}
        read = {name: self._database(name, table) for name, table in databases.items()}
        if self._causes:
            causes = sorted(self._causes, key=lambda cause: cause.place.line or 0 if cause.place else 0)
            raise _invalid(causes[:MAX_LISTED])
        return SettingsFile(self._file, settings, {name: database for name, database in read.items() if database})

    def _database(self, name: str, table: Any) -> FileDatabase | None:
        path = (DATABASES, name)
        if not _DATABASE_NAME.fullmatch(name) or redact(name) != name:
            self._error(path, "the name of a database has letters, digits, `.`, `_` and `-`, at most 64")
            return None
        if not isinstance(table, dict):
            self._error(path, f"write it as a table: `[databases.{name}]`, and the keys of the database below it")
            return None
        settings = dict(self._settings(table, path, keys_of(FileScope.DATABASE), {TOKEN_VARIABLE}))
        if url := settings.get("database_url"):
            try:
                parse_address(url.value, allow_insecure_http=True)
            except DeployError as error:
                self._causes.append(Cause(error.message.rstrip("."), url.place))
        variable = self._value((*path, TOKEN_VARIABLE), table[TOKEN_VARIABLE]) if TOKEN_VARIABLE in table else None
        if variable and not _VARIABLE_NAME.fullmatch(variable.value):
            self._causes.append(Cause(f"`{TOKEN_VARIABLE}` is the name of an environment variable", variable.place))
        return FileDatabase(settings, variable, self._place(path))

    def _settings(
        self, table: Mapping[str, Any], path: tuple[str, ...], known: Mapping[str, str], others: set[str]
    ) -> Iterator[tuple[str, FileValue]]:
        """Yield the field and the value of each known key; `others` are read elsewhere."""
        for key, value in table.items():
            if key in others:
                continue
            if key not in known:
                self._error((*path, key), _unknown(key, path, [*known, *others]))
            elif (text := self._value((*path, key), value)) and text.value:
                yield known[key], text

    def _value(self, path: tuple[str, ...], value: Any) -> FileValue | None:
        """Return a value as a workflow would write it; None, after noting it, if it is no single value or a secret."""
        if not isinstance(value, str | bool | int | float):
            self._error(path, f"`{path[-1]}`: expected one value: text, a number or a boolean")
            return None
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if redact(text) != text and path[-1] != URL:  # the error of a URL says more
            self._error(path, f"the value of `{path[-1]}` looks like a token. Remove it, and rotate the token")
            return None
        return FileValue(text, self._place(path))

    def _error(self, path: tuple[str, ...], message: str) -> None:
        self._causes.append(Cause(message, self._place(path)))

    def _place(self, path: tuple[str, ...]) -> Place:
        return Place(self._file, self._lines.get(path))


def _unknown(key: str, path: tuple[str, ...], known: Sequence[str]) -> str:
    """Return why a key cannot be in the settings file: it is not known, or belongs elsewhere."""
    from difflib import get_close_matches

    names = {input_of(name): name for name in SETTINGS}
    if name := names.get(key):
        return _elsewhere(name, path)
    if not _KEY.fullmatch(key):
        return "unknown key, which is not repeated here because it may be a secret"
    if not path and key in keys_of(FileScope.DATABASE):
        return f"`{key}` is a key of a database: write it below `[databases.NAME]`"
    if alike := get_close_matches(key.replace("_", "-").lower(), known, n=1, cutoff=0.75):
        return f"unknown key `{key}`; did you mean `{alike[0]}`?"
    if forbidden := get_close_matches(key.replace("_", "-").lower(), names, n=1, cutoff=0.9):
        return _elsewhere(names[forbidden[0]], path)
    if _SECRET_KEY.search(key):
        return f"unknown key `{key}`; a secret must not be in this file, which is part of the repository"
    return f"unknown key `{key}`; known here: {', '.join(known)}"


def _elsewhere(name: str, path: tuple[str, ...]) -> str:
    """Return where a setting is given that is not known at this place of the file."""
    setting, key = SETTINGS[name], input_of(name)
    if setting.is_secret:
        own = f", or name a variable of your own with `{TOKEN_VARIABLE}`" if name == "auth_token" else ""
        return (
            f"`{key}` is a secret, which must not be in a file of the repository. If it was committed, replace it. "
            f"Set {variable_of(name)}{own}"
        )
    if name == "allow_hazards":
        return (
            "`allow-hazards` is an approval, which holds for one change and stands beside it: in the manifest, in the "
            "workflow or on the command line"
        )
    if name == "database_url":
        return f"`{key}` is called `{URL}` and belongs below `[databases.NAME]`" if not path else f"write `{URL}`"
    if setting.file_scope is FileScope.DATABASE:
        return f"`{key}` is a key of a database: write it below `[databases.NAME]`"
    return f"`{key}` is set for one run: as a flag, an input of the Action or with {variable_of(name)}"


def _read(name: str, *, follow_links: bool) -> str:
    try:
        return read_file(Path(name), MAX_BYTES, follow_links=follow_links).decode("utf-8-sig")
    except UnicodeDecodeError:
        reason = "it is not text in UTF-8"
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except ValueError:
        reason = "no name holds the character NUL"
    raise InputError(
        ErrorCode.INPUT_INVALID,
        f"The settings file `{name}` cannot be read: {reason}.",
        hint="Set --settings-file (input `settings-file`) to a file, relative to the working directory.",
    )


def _invalid(causes: Sequence[Cause]) -> InputError:
    return InputError(
        ErrorCode.INPUT_INVALID,
        f"The settings file cannot be used:{listed(causes)}",
        hint=_HINT,
        place=causes[0].place,
        causes=causes,
    )
