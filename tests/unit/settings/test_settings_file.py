"""The settings file: what it may hold, which database is meant, and what is said of everything else."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from turso_deploy.core.errors import MAX_LISTED, ErrorCode, InputError, Place
from turso_deploy.database.address import FileAddress, RemoteAddress
from turso_deploy.settings.fields import FileScope
from turso_deploy.settings.reader import all_databases, read_settings
from turso_deploy.settings.settings import SETTINGS, flag_of, input_of, input_variable_of, variable_of
from turso_deploy.settings.settings_file import keys_of
from turso_deploy.settings.sources import read_sources

TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJhIjoicncifQ.c2lnbmF0dXJl"
TWO = """
schema-path = "database"
token-max-age = "30d"
[databases.production]
url = "libsql://quiz-acme.turso.io"
token-policy = "enforce"
auth-token-variable = "PRODUCTION_TOKEN"
[databases.staging]
url = "file:staging.db"
"""


@pytest.fixture(autouse=True)
def _in_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "turso-deploy.toml") -> None:
    Path(name).write_text(text, encoding="utf-8")


def error_for(text: str | None = None, environment: dict[str, str] | None = None, **flags: Any) -> InputError:
    if text is not None:
        write(text)
    with pytest.raises(InputError) as caught:
        read_settings(flags, environment or {})
    assert caught.value.code is ErrorCode.INPUT_INVALID
    return caught.value


def test_settings_file_in_the_working_directory_is_read() -> None:
    write(TWO)
    settings = read_settings({"target": "staging"}, {})
    assert settings.schema_path == "database"
    assert settings.token_max_age.days == 30
    assert settings.database_url == FileAddress("staging.db")


def test_settings_file_of_a_folder_above_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write(TWO)
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    assert read_settings({}, {}).schema_path == "schema"


@pytest.mark.parametrize("by", ["flag", "input", "variable"])
def test_settings_file_of_another_name_is_given_by_every_source(by: str) -> None:
    write('schema-path = "other"', "other.toml")
    write('schema-path = "default"')
    assert read_settings({}, {}).schema_path == "default"
    flags = {"settings_file": "other.toml"} if by == "flag" else {}
    variable = {"input": "INPUT_SETTINGS-FILE", "variable": "TURSO_SETTINGS_FILE"}.get(by)
    assert read_settings(flags, {variable: "other.toml"} if variable else {}).schema_path == "other"


def test_table_of_a_database_wins_over_the_top_of_the_file() -> None:
    write('token-policy = "off"\ntimeout = 5\n[databases.a]\nurl = "file:a.db"\ntoken-policy = "enforce"\n')
    settings = read_settings({}, {})
    assert (settings.token_policy, settings.timeout) == ("enforce", 5)


VALUES = {
    "schema_path": ('"db"', "db"),
    "timeout": ("5.5", 5.5),
    "request_size": ("200_000", 200_000),
    "output": ('"pages"', "pages"),
    "version_from_tag": ("true", True),
    "organization": ('"acme"', "acme"),
    "token_policy": ('"off"', "off"),
    "token_require_expiry": ("true", True),
    "trial_branch": ("true", True),
    "keep_trial_branch": ("true", True),
    "restore_point": ('"off"', "off"),
    "restore_point_folder": ('"points"', "points"),
    "keep_restore_points": ("7", 7),
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("table", ["", '[databases.a]\ndatabase = "quiz"\n'])
def test_setting_of_the_file_is_read_as_toml_writes_it(name: str, table: str) -> None:
    value, expected = VALUES[name]
    write(f"{table}{input_of(name)} = {value}\n")
    environment = {"TURSO_API_TOKEN": TOKEN, "TURSO_ORGANIZATION": "" if name == "organization" else "acme"}
    flags = {"command": SETTINGS[name].commands[0], **({"target": "a"} if table else {"database": "quiz"})}
    assert getattr(read_settings(flags, environment), name) == expected


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "env_file"])
def test_flag_wins_over_input_over_variable_over_file_of_variables(name: str) -> None:
    write(f"{variable_of(name)}=in-env-file\n", ".env")
    environment = {input_variable_of(name): "in-input", variable_of(name): "in-variable", "TURSO_ENV_FILE": ".env"}
    flags = {name: "in-flag"}
    expected = ["in-flag", "in-input", "in-variable", "in-env-file"]
    assert [each.value for each in read_sources(flags, environment).given(name)] == expected
    assert read_sources({name: ""}, {**environment, input_variable_of(name): ""}).value(name) == "in-variable"
    del environment[variable_of(name)], environment[input_variable_of(name)]
    assert read_sources({}, environment).value(name) == "in-env-file"


PRECEDENCE = {name: setting for name, setting in SETTINGS.items() if setting.file_scope is not FileScope.NOWHERE}


@pytest.mark.parametrize("name", PRECEDENCE)
def test_flag_wins_over_input_over_variable_over_file_of_variables_over_settings_file(name: str) -> None:
    key = "url" if name == "database_url" else input_of(name)
    write(f'[databases.a]\n{key} = "in-settings-file"\n')
    write(f"{variable_of(name)}=in-env-file\n", ".env")
    flags: dict[str, Any] = {name: "in-flag", "env_file": ".env", "command": SETTINGS[name].commands[0]}
    environment = {input_variable_of(name): "in-input", variable_of(name): "in-variable"}
    sources = read_sources(flags, environment)._replace(selected="a")
    if name == "database_url":  # the value is no URL, which the file says at once
        assert sources.error is not None
        write('[databases.a]\nurl = "file:in-settings-file"\n')
        sources = read_sources(flags, environment)._replace(selected="a")
    given = [str(each.value).removeprefix("file:") for each in sources.given(name)]
    assert given == ["in-flag", "in-input", "in-variable", "in-env-file", "in-settings-file"]
    assert [each.source for each in sources.given(name)] == [
        flag_of(name),
        f"the input {input_of(name)}",
        variable_of(name),
        ".env:1",
        "turso-deploy.toml:2",
    ]


def test_setting_of_the_file_counts_for_the_commands_that_use_it() -> None:
    write('trial-branch = true\n[databases.a]\nversion-from-tag = true\ndatabase = "quiz"\norganization = "acme"\n')
    environment = {"TURSO_API_TOKEN": TOKEN}
    assert read_settings({"command": "deploy"}, environment).trial_branch
    assert not read_settings({"command": "plan"}, environment).trial_branch
    assert read_settings({"command": "plan"}, environment).version_from_tag
    assert not read_settings({"command": "pull"}, environment).version_from_tag


def test_only_database_of_the_file_is_meant_without_a_target() -> None:
    write('[databases.only]\nurl = "file:only.db"\n')
    assert read_settings({}, {}).database_url == FileAddress("only.db")
    assert read_settings({"target": "only"}, {}).database_url == FileAddress("only.db")


@pytest.mark.parametrize("command", ["deploy", "plan", "verify", "pull"])
def test_several_databases_without_a_target_are_an_error(command: str) -> None:
    error = error_for(TWO, command=command)
    assert "names 2 databases" in error.message
    assert error.hint == "Set --target (input `target`, TURSO_TARGET) to one of them: production, staging."


def test_name_of_the_file_in_place_of_a_name_of_turso_is_explained() -> None:
    assert error_for(TWO, database="staging").hint == "Set --target to select a database of the settings file."
    assert "Set all three" in (error_for(TWO, database="another").hint or "")


def test_command_without_a_database_needs_no_target() -> None:
    write(TWO)
    assert read_settings({"command": "docs"}, {}).schema_path == "database"
    assert read_settings({"command": "plan", "compare_to": "base"}, {}).schema_path == "database"


def test_target_that_is_not_in_the_file_is_an_error() -> None:
    error = error_for(TWO, target="prod")
    assert error.message == (
        "`target` is not the name of a database in the settings file. It names production, staging."
    )
    Path("turso-deploy.toml").unlink()
    assert "There is none" in error_for(target="prod").message


NAMED = [({"database_url": "file:x.db"}, {}), ({}, {"TURSO_DATABASE_URL": "file:x.db"})]


@pytest.mark.parametrize(("flags", "environment"), [*NAMED, ({}, {"INPUT_DATABASE-URL": "file:x.db"})])
def test_target_beside_another_database_is_an_error(flags: dict[str, str], environment: dict[str, str]) -> None:
    error = error_for(TWO, environment, target="production", **flags)
    assert error.message.startswith("`target` names a database of the settings file, and ")
    assert "file:x.db" not in error.message


@pytest.mark.parametrize(("flags", "environment"), NAMED)
@pytest.mark.parametrize("text", [TWO, '[databases.only]\nurl = "file:only.db"\ntoken-policy = "enforce"\n'])
def test_database_that_is_named_elsewhere_wins_and_takes_nothing_of_another_one(
    text: str, flags: dict[str, str], environment: dict[str, str]
) -> None:
    write(text)
    settings = read_settings(flags, environment)
    assert settings.database_url == FileAddress("x.db")
    assert settings.token_policy == "warn"


def test_token_of_a_database_is_in_the_variable_that_the_file_names() -> None:
    write(TWO)
    environment = {"PRODUCTION_TOKEN": TOKEN, "TURSO_AUTH_TOKEN": "of-another-database"}
    settings = read_settings({"target": "production"}, environment)
    assert settings.database_url == RemoteAddress("https://quiz-acme.turso.io")
    assert settings.auth_token is not None
    assert settings.auth_token.reveal() == TOKEN
    given = read_settings({"target": "production", "auth_token": "from-flag"}, environment).auth_token
    assert given is not None
    assert given.reveal() == "from-flag"
    staging = read_settings({"target": "staging"}, environment).auth_token
    assert staging is not None
    assert staging.reveal() == "of-another-database"


def test_missing_token_of_a_database_is_an_error_and_no_other_token_is_sent() -> None:
    error = error_for(TWO, {"TURSO_AUTH_TOKEN": TOKEN}, target="production")
    assert "The variable PRODUCTION_TOKEN" in error.message
    assert error.place == Place("turso-deploy.toml", 7)


def test_tokens_of_all_databases_are_known_for_masking() -> None:
    write(TWO)
    assert TOKEN in read_sources({}, {"PRODUCTION_TOKEN": TOKEN}).secrets


REJECTED = [
    ("tokn-policy = 'off'", "unknown key `tokn-policy`; did you mean `token-policy`?"),
    ("schema_path = 'x'", "unknown key `schema_path`; did you mean `schema-path`?"),
    ("colour = 'red'", "unknown key `colour`; known here: schema-path, "),
    ("auth-token = 'x'", "`auth-token` is a secret"),
    ("auth_token = 'x'", "`auth-token` is a secret"),
    ("api-token = 'x'", "`api-token` is a secret"),
    ("github-token = 'x'", "`github-token` is a secret"),
    ("password = 'x'", "a secret must not be in this file"),
    ("turso-secret = 'x'", "a secret must not be in this file"),
    (f"schema-path = '{TOKEN}'", "the value of `schema-path` looks like a token"),
    (f"{TOKEN.replace('.', '-')} = 1", "unknown key, which is not repeated here"),
    ("allow-hazards = 'drop-table'", "`allow-hazards` is an approval"),
    ("allow_hazards = 'drop-table'", "`allow-hazards` is an approval"),
    ("command = 'deploy'", "`command` is set for one run"),
    ("dry-run = true", "`dry-run` is set for one run"),
    ("show-keys = true", "`show-keys` is set for one run"),
    ("api-url = 'https://evil.example'", "`api-url` is set for one run"),
    ("settings-file = 'x'", "`settings-file` is set for one run"),
    ("database-url = 'file:x.db'", "`database-url` is called `url` and belongs below `[databases.NAME]`"),
    ("url = 'file:x.db'", "`url` is a key of a database"),
    ("database = 'x'", "`database` is a key of a database"),
    ("databases = 'x'", "write each database as a table"),
    ("databases.x = 'file:x.db'", "write it as a table: `[databases.x]`"),
    ("[databases.'a b']\nurl = 'file:x.db'", "the name of a database has letters"),
    ("[databases.x]\ndatabase-url = 'file:x.db'", "write `url`"),
    ("[databases.x]\nurl = 'file:x.db'\ntoken = 'x'", "a secret must not be in this file"),
    ("[databases.x]\nallow-hazards = 'x'", "`allow-hazards` is an approval"),
    (f"[databases.x]\nurl = 'libsql://h.io?authToken={TOKEN}'", "The database URL contains a token"),
    ("[databases.x]\nurl = 'https://user:pw@h.io'", "contains a user name or password"),
    ("[databases.x]\nurl = 'postgres://h.io'", "The scheme of the database URL is not one of"),
    ("[databases.x]\nauth-token-variable = 'my token'", "is the name of an environment variable"),
    ("timeout = [1]", "`timeout`: expected one value"),
    ("timeout = 2026-11-30", "`timeout`: expected one value"),
    ("schema-path = 'a'\nschema-path = 'b'", "this is not TOML"),
    ("schema-path = ", "this is not TOML"),
]


@pytest.mark.parametrize(("text", "message"), REJECTED)
def test_key_that_cannot_be_used_is_an_error_at_its_line(text: str, message: str) -> None:
    error = error_for(f"# first\n\n{text}\n", target="x")
    assert message in error.message
    assert error.place is not None
    assert error.place.file == "turso-deploy.toml"
    expected = 4 if "\n" in text and not text.startswith("[databases.'") else 3
    assert error.place.line == (5 if "\ntoken =" in text else expected)
    for part in (*TOKEN.split("."), "pw@", "evil"):
        assert part not in error.message + (error.hint or "")


EXTREME = {
    "a key of thousands of parts": "a" + ".a" * 5_000 + " = 1\n",
    "a table of thousands of parts": "[a" + ".a" * 5_000 + "]\n",
    "lists in lists": "timeout = " + "[" * 5_000 + "]" * 5_000 + "\n",
    "an integer of thousands of digits": f"timeout = {'9' * 5_000}\n",
    "a list of thousands of lines": "timeout = [\n" + "1,\n" * 20_000 + "]\n",
    "a text of thousands of lines": "timeout = '''\n" + "x\n" * 20_000 + "'''\n",
}


@pytest.mark.parametrize("text", EXTREME.values(), ids=EXTREME)
def test_file_made_to_exhaust_its_reader_is_an_error_soon(text: str) -> None:
    started = time.monotonic()
    error = error_for(text, database_url="file:a.db")
    assert error.place is not None
    assert error.place.file == "turso-deploy.toml"
    assert time.monotonic() - started < 10


def test_all_errors_of_the_file_are_reported_with_their_lines() -> None:
    error = error_for("timeot = 1\n[databases.a]\nurl = 'file:a.db'\nurll = '''\n\n'''\nscheme-path = 'x'\n")
    assert error.message.split("\n") == [
        "The settings file cannot be used:",
        "  turso-deploy.toml:1: unknown key `timeot`; did you mean `timeout`?",
        "  turso-deploy.toml:4: unknown key `urll`; did you mean `url`?",
        "  turso-deploy.toml:7: unknown key `scheme-path`; did you mean `schema-path`?",
    ]


def test_value_that_is_not_valid_is_an_error_at_its_line() -> None:
    error = error_for('[databases.a]\nurl = "file:a.db"\ntimeout = "soon-xyz"\n')
    assert error.message == "The setting `timeout` is not valid: expected a number."
    assert error.place == Place("turso-deploy.toml", 3)
    assert "xyz" not in f"{error.message}{error.hint}"


def test_value_of_a_database_that_is_not_used_is_no_error() -> None:
    write('[databases.a]\nurl = "file:a.db"\n[databases.b]\nurl = "file:b.db"\ntimeout = "soon"\n')
    assert read_settings({"target": "a"}, {}).timeout == 60


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * 1_000_001], ids=["not UTF-8", "too large"])
def test_file_that_cannot_be_read_is_an_error(content: bytes) -> None:
    Path("turso-deploy.toml").write_bytes(content)
    assert "`turso-deploy.toml` cannot be read" in error_for().message


def test_named_file_that_is_missing_is_an_error() -> None:
    assert "`absent.toml` cannot be read" in error_for(settings_file="absent.toml").message


def test_found_file_that_is_a_link_or_a_folder_is_an_error(tmp_path: Path) -> None:
    write(TWO, "elsewhere.toml")
    Path("turso-deploy.toml").symlink_to(tmp_path / "elsewhere.toml")
    assert "it is a link" in error_for().message
    Path("turso-deploy.toml").unlink()
    Path("turso-deploy.toml").mkdir()
    assert "cannot be read" in error_for().message


@pytest.mark.parametrize("event", ["pull_request_target", "workflow_run", "issue_comment"])
def test_file_that_may_be_of_a_stranger_names_no_server_for_the_token(event: str) -> None:
    on_runner = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": event}
    error = error_for(TWO, on_runner, target="staging")
    assert f"On the event `{event}`" in error.message
    assert error.place == Place("turso-deploy.toml", 8)
    write(TWO, "trusted.toml")
    assert read_settings({"target": "staging", "settings_file": "trusted.toml"}, on_runner).database_url
    by_input = read_settings({}, {**on_runner, "INPUT_DATABASE-URL": "file:mine.db"})
    assert by_input.database_url == FileAddress("mine.db")


def test_every_database_of_the_file_has_settings_of_its_own() -> None:
    write(TWO)
    environment = {"PRODUCTION_TOKEN": TOKEN, "TURSO_DATABASE_URL": "file:of-this-shell.db"}
    found = all_databases(read_sources({"command": "verify"}, environment))
    assert [(each.name, each.settings.database_url) for each in found] == [
        ("production", RemoteAddress("https://quiz-acme.turso.io")),
        ("staging", FileAddress("staging.db")),
    ]
    assert [each.settings.token_policy for each in found] == ["enforce", "warn"]
    assert [bool(each.settings.auth_token) for each in found] == [True, False]


@pytest.mark.parametrize(("flags", "name"), [({"target": "staging"}, "staging"), ({"database_url": "file:x.db"}, None)])
def test_one_database_is_returned_alone_if_it_is_named(flags: dict[str, str], name: str | None) -> None:
    write(TWO)
    [found] = all_databases(read_sources({"command": "verify", **flags}, {}))
    assert found.name == name


def test_secrets_and_approvals_and_what_is_for_one_run_are_no_keys() -> None:
    keys = keys_of(FileScope.DATABASE)
    assert {name for name in keys.values() if SETTINGS[name].is_secret} == set()
    one_run = {
        "command",
        "allow_hazards",
        "dry_run",
        "compare_to",
        "sql",
        "check",
        "revoke_others",
        "api_url",
        "target",
    }
    assert one_run.isdisjoint(keys.values())
    assert set(keys_of(FileScope.ANYWHERE).values()) < set(keys.values())


def test_file_of_another_kind_has_the_first_of_its_keys_reported() -> None:
    error = error_for(
        "".join(f"key-of-another-{chr(97 + number % 26)}{'x' * (number // 26)} = 1\n" for number in range(500))
    )
    assert len(error.causes) == MAX_LISTED
    assert error.place == Place("turso-deploy.toml", 1)
