"""The settings: where they come from, which source wins, and what is said of a bad one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pytest

from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.settings.reader import read_settings
from turso_deploy.settings.settings import SETTINGS, flag_of, input_of, input_variable_of, variable_of
from turso_deploy.settings.sources import read_sources

SECRET = "eyJhbGciOiJFZERTQSJ9.top.secret"


def error_for(environment: Mapping[str, str] | None = None, **flags: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        read_settings(flags, environment or {})
    assert (caught.value.code, caught.value.exit_code) == (ErrorCode.INPUT_INVALID, 2)
    return caught.value


def test_without_any_setting_the_defaults_hold() -> None:
    inputs = read_settings({}, {})
    assert inputs.command == "deploy"
    assert inputs.schema_path == "schema"
    assert inputs.database_url is None
    assert inputs.auth_token is None
    assert inputs.timeout == 60
    assert not inputs.check
    assert not inputs.json_output


def test_a_flag_wins_over_the_input_and_the_input_over_the_variable() -> None:
    environment = dict[str, str]()
    environment["TURSO_SCHEMA_PATH"] = "from-variable"
    assert read_settings({}, environment).schema_path == "from-variable"
    environment["INPUT_SCHEMA-PATH"] = "from-input"
    assert read_settings({}, environment).schema_path == "from-input"
    assert read_settings({"schema_path": "from-flag"}, environment).schema_path == "from-flag"


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_the_runner_passes_an_input_in_upper_case_with_its_dashes(name: str) -> None:
    assert input_variable_of(name) == "INPUT_" + input_of(name).upper()
    assert "_" not in input_of(name)
    assert flag_of(name) == f"--{input_of(name)}"
    own = {"read_only_auth_token": "TURSO_AUTH_TOKEN_RO"}
    assert variable_of(name) == own.get(name, "TURSO_" + input_of(name).upper().replace("-", "_"))


def test_an_empty_input_is_no_input() -> None:
    environment = dict[str, str]()
    for name in SETTINGS:
        environment[input_variable_of(name)] = ""
    environment["TURSO_AUTH_TOKEN"] = SECRET
    environment["TURSO_TIMEOUT"] = ""
    inputs = read_settings({}, environment)
    assert inputs.auth_token is not None
    assert inputs.auth_token.reveal() == SECRET
    assert inputs.timeout == 60


def test_an_input_with_underscores_is_none_of_ours() -> None:
    environment = dict[str, str]()
    environment["INPUT_SCHEMA_PATH"] = "x"
    assert read_settings({}, environment).schema_path == "schema"


@pytest.mark.parametrize(
    ("written", "meant"),
    [(word, True) for word in "true True 1 yes Y on ON t".split()]
    + [(word, False) for word in "false FALSE 0 no N off Off f".split()],
)
def test_switches_are_read_as_workflows_write_them(written: str, meant: bool) -> None:
    environment = dict[str, str]()
    environment["INPUT_QUIET"] = written
    assert read_settings({}, environment).quiet is meant


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout", "soon-xyz"),
        ("timeout", "0.00"),
        ("timeout", "-3.25"),
        ("timeout", "nan"),
        ("timeout", "1_0"),
        ("timeout", "0__991"),
        ("timeout", "99999.5"),
        ("request-size", "99_998"),
        ("request-size", "1_000_000"),
        ("keep-restore-points", "1_0"),
        ("request-size", "1.5MB"),
        ("check", "perhaps-xyz"),
        ("json_output", "perhaps-xyz"),
        ("command", "depoly-xyz"),
    ],
)
def test_a_bad_value_is_told_by_its_names_and_never_by_itself(name: str, value: str) -> None:
    environment = dict[str, str]()
    environment[input_variable_of(name)] = value
    error = error_for(environment)
    assert f"`{input_of(name)}`" in error.message
    assert error.hint is not None
    assert f"the Action's input `{input_of(name)}`" in error.hint
    assert variable_of(name) in error.hint
    assert (flag_of(name) in error.hint) is (name != "command")
    assert value not in error.message + error.hint


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("text", ["\udcff", "drop-table:\udce9", "libsql://\udcff.example"])
def test_setting_with_bytes_that_are_not_utf_8_is_an_error_of_this_setting(name: str, text: str) -> None:
    integers = ("request_size", "keep_restore_points", "deployment", "limit", "parallel")
    kind = {"timeout": "a number", **dict.fromkeys(integers, "an integer")}
    reason = f"The setting `{input_of(name)}` is not valid: expected {kind.get(name, 'text in UTF-8')}."
    flags: dict[str, Any] = {name: text}
    assert error_for(**flags).message == reason
    if name != "command":
        assert error_for({variable_of(name): text}).message == reason


@pytest.mark.parametrize(("written", "seconds"), [("10", 10), (" 1. ", 1), (".5", 0.5), ("+1e3", 1000), ("0.25", 0.25)])
def test_timeout_is_a_decimal_number(written: str, seconds: float) -> None:
    assert read_settings({"timeout": written}, {}).timeout == seconds


@pytest.mark.parametrize("written", ["nan", "inf", ".", "1.2.3", "1_0", "\u0661", ""])
def test_timeout_that_is_no_decimal_number_is_reported_as_such(written: str) -> None:
    assert error_for(timeout=written).message == "The setting `timeout` is not valid: expected a number."


def test_a_bad_flag_is_judged_as_a_bad_variable_is() -> None:
    assert "`timeout`" in error_for(timeout="soon").message
    assert "`schema-path`" in error_for(schema_path="").message


def test_all_settings_that_are_wrong_are_reported_at_once_each_with_its_names() -> None:
    error = error_for(
        timeout="soon-xyz", database_url="xyz:", allow_hazards="drop-tabel", token_max_age="90", quiet="x"
    )
    first, *lines = error.message.split("\n")
    assert first == "5 settings are not valid:"
    assert [line.partition(". ")[0] for line in lines] == [
        "  The database URL has no scheme",
        "  The setting `timeout` is not valid: expected a number",
        "  There is no hazard `drop-tabel`",
        "  The setting `token-max-age` is not valid: a duration is a number with its unit, as in 90d, 12h or 15m",
        "  The setting `quiet` is not valid: expected `true` or `false`",
    ]
    assert "Set it with --timeout, with the Action's input `timeout` or with TURSO_TIMEOUT." in lines[1]
    assert "Did you mean `drop-table`?" in lines[2]
    assert "xyz" not in error.message
    assert [f"  {cause.message}" for cause in error.causes] == lines


def test_a_secret_is_in_no_text_of_the_settings() -> None:
    inputs = read_settings({"auth_token": SECRET}, {})
    assert SECRET not in repr(inputs) + str(inputs) + f"{inputs.auth_token}" + repr(asdict(inputs))
    with pytest.raises(TypeError):
        json.dumps(asdict(inputs))


def test_every_value_of_a_secret_setting_is_known_for_masking() -> None:
    environment = dict[str, str]()
    assert read_sources({}, environment).secrets == []
    environment["INPUT_AUTH-TOKEN"] = "from-input"
    environment["TURSO_AUTH_TOKEN"] = "from-variable"
    secrets = read_sources({"auth_token": "from-flag"}, environment).secrets
    assert secrets == ["from-flag", "from-input", "from-variable"]


def wants_json(flags: Mapping[str, Any], environment: Mapping[str, str]) -> bool:
    return read_sources(flags, environment).is_on("json_output")


def test_json_is_known_before_the_other_settings_are_judged() -> None:
    environment = dict[str, str]()
    assert not wants_json({}, environment)
    assert wants_json({"json_output": True, "timeout": "soon"}, environment)
    environment["TURSO_JSON"] = "true"
    assert wants_json({}, environment)
    environment["INPUT_JSON"] = "false"
    assert not wants_json({}, environment)
    assert wants_json({"json_output": True}, environment)
    environment["INPUT_JSON"] = "perhaps"
    assert not wants_json({}, environment)


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_setting_is_described(name: str) -> None:
    description = SETTINGS[name].description
    assert description
    assert description.endswith(".")


@pytest.mark.parametrize("command", ["deploy", "pull", "rotate-token"])
@pytest.mark.parametrize("trial", ["dry-run=true", "sql=true", "compare-to=base", "check=yes"])
def test_what_asks_for_a_trial_is_never_passed_over_by_a_command_that_writes(command: str, trial: str) -> None:
    name, _, value = trial.partition("=")
    name = name.replace("-", "_")
    with pytest.raises(InputError, match=rf"cannot be used with `{command}`"):
        read_settings({"command": command, name: value}, {})
    assert read_settings({"command": "plan", name: value}, {}).command == "plan"


def test_a_trial_that_an_input_asks_for_is_not_passed_over_either() -> None:
    environment = dict[str, str]()
    environment["INPUT_DRY-RUN"] = "true"
    with pytest.raises(InputError, match="`dry-run` cannot be used with `deploy`"):
        read_settings({}, environment)
    del environment["INPUT_DRY-RUN"]
    environment["INPUT_TRIAL-BRANCH"] = "true"
    with pytest.raises(InputError, match="`trial-branch` cannot be used with `plan`"):
        read_settings({"command": "plan"}, environment)
