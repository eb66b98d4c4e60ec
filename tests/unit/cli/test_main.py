"""The command line: every command and flag has help, bad words are refused, and nothing loads before it is needed."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.schema_folders import SMALL, write_folder
from turso_deploy import __version__
from turso_deploy.cli.arguments import COMMANDS, WITHOUT_SETTINGS
from turso_deploy.cli.main import main
from turso_deploy.project.manifest import manifest_json_schema
from turso_deploy.report.document import report_json_schema
from turso_deploy.settings.settings import SETTINGS, flag_of, input_variable_of, variable_of

HEAVY = ["pydantic", "pydantic_core", "requests", "yaml", "sqlite3", "apsw"]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("INPUT_", "TURSO_", "GITHUB_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


def said(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> tuple[str, str]:
    """What the program prints before it exits by itself."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == status
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_help_names_every_command_with_what_it_does_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    text, _ = said(capsys, "--help")
    joined = " ".join(text.split())
    for command in COMMANDS:
        assert re.search(rf" {command} \w+ \w+ \w+", joined)
    assert "examples:\n  turso-deploy deploy " in text
    assert "3 changes are pending" in text


def test_help_names_the_exit_status_of_a_blocked_run(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(said(capsys, "--help")[0].split())
    assert "1 failed, 2 invalid input" in text
    assert "5 blocked by a hazard or a policy" in text


def test_every_flag_is_explained_in_the_help_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    texts = [said(capsys, command, "--help")[0] for command in COMMANDS]
    joined = " ".join(" ".join(texts).split())
    for name, setting in SETTINGS.items():
        if name != "command":
            assert f" {flag_of(name)} " in joined
            assert " ".join(setting.description.replace("`", "").split()) in joined
    assert "Default: 60." in joined
    assert "Default: ." not in joined
    assert "Default: None" not in joined


def test_the_help_of_a_command_tells_what_it_is_for_and_takes_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    text, _ = said(capsys, "docs", "--help")
    assert "--output" in text
    assert "--database-url" not in text
    assert "--no-check" not in text
    assert main(["docs", "--no-comment", "--database-url", "file:x.db", "--schema-path", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().out


@pytest.mark.parametrize("command", WITHOUT_SETTINGS)
def test_the_help_of_a_json_schema_offers_no_settings(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert "--database-url" not in said(capsys, command, "--help")[0]


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "--version")[0] == f"turso-deploy {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [(["--version"], [*HEAVY, "dataclasses"]), (["--help"], [*HEAVY, "dataclasses"]), (["deploy", "--help"], HEAVY)],
)
def test_help_and_version_load_nothing_heavy(arguments: list[str], heavy: list[str]) -> None:
    code = (
        "import sys\nfrom turso_deploy.cli.main import main\n"
        f"try: main({arguments!r})\n"
        f"finally: sys.stderr.write(' '.join(name for name in {heavy!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout
    assert done.stderr == ""


def test_a_deployment_to_a_file_loads_no_client_for_servers(tmp_path: Path) -> None:
    write_folder(tmp_path / "schema", SMALL)
    code = (
        "import sys\nfrom turso_deploy.cli.main import main\n"
        "status = main(['deploy', '--database-url', 'file:x.db'])\n"
        "assert 'requests' not in sys.modules\n"
        "sys.exit(status)"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


@pytest.mark.parametrize("disabled", [None, "another"])
def test_a_plugin_of_pydantic_is_loaded_only_by_those_who_ask_for_it(tmp_path: Path, disabled: str | None) -> None:
    folder = write_folder(tmp_path / "schema", SMALL)
    (tmp_path / "spy.py").write_text("print('loaded')\nplugin = None\n")
    (tmp_path / "spy-1.dist-info").mkdir()
    (tmp_path / "spy-1.dist-info" / "METADATA").write_text("Name: spy\nVersion: 1\n")
    (tmp_path / "spy-1.dist-info" / "entry_points.txt").write_text("[pydantic]\nspy = spy\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    environment.pop("PYDANTIC_DISABLE_PLUGINS", None)
    if disabled:
        environment["PYDANTIC_DISABLE_PLUGINS"] = disabled
    command = [sys.executable, "-m", "turso_deploy", "plan", "--schema-path", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=disabled is None)
    assert ("loaded" in done.stdout) is (disabled is not None)


def test_the_json_schema_of_the_manifest_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["manifest-schema"]) == 0
    assert capsys.readouterr().out == manifest_json_schema()


def test_the_json_schema_of_the_report_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report-schema"]) == 0
    assert capsys.readouterr().out == report_json_schema()


@pytest.mark.parametrize("command", WITHOUT_SETTINGS)
def test_json_schema_that_cannot_be_printed_is_an_ordinary_error(command: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    for output, reason in ((writing, "Broken pipe"), (os.open("/dev/full", os.O_WRONLY), "No space left on device")):
        arguments = [sys.executable, "-m", "turso_deploy", command]
        done = subprocess.run(arguments, stdout=output, stderr=subprocess.PIPE, text=True, check=False)
        os.close(output)
        assert (done.returncode, done.stderr) == (1, f"The JSON Schema could not be printed: {reason}.\n")


SECRET = "eyJhbGciOiJFZERTQSJ9.eyJhIjoicncifQ.c2lnbmF0dXJl"
MISPLACED = [
    ["{}"],
    ["--", "{}"],
    ["--{}"],
    ["-{}"],
    ["-h{}"],
    ["--help={}"],
    ["--version={}"],
    ["--auth-token", "{}", "deploy"],
    ["--auth-token", "{}"],
    ["--auth-token={}", "deploy"],
    ["--auth-token={}"],
    ["--database-url", "libsql://x.turso.io?authToken={}", "deploy"],
    ["deploy", "{}"],
    ["deploy", "--", "{}"],
    ["deploy", "-{}"],
    ["deploy", "-h{}"],
    ["deploy", "--{}"],
    ["deploy", "--help={}"],
    ["deploy", "--quiet={}"],
    ["deploy", "--no-quiet={}"],
    ["deploy", "--quiet", "{}"],
    ["deploy", "--auth-tokn", "{}"],
    ["deploy", "--auth-tokn={}"],
    ["deploy", "--auth-token{}"],
    ["deploy", "--auth-token", "-{}"],
    ["deploy", "--auth-token", "--{}"],
    ["deploy", "--auth-token=", "{}"],
    ["deploy", "--auth", "{}"],
    ["plan", "--database-url", "file:x.db", "--{}=x"],
    ["manifest-schema", "{}"],
    ["manifest-schema", "--json={}"],
]


@pytest.mark.parametrize("arguments", MISPLACED)
@pytest.mark.parametrize("value", [SECRET, "s3cret", "hunter"])
def test_usage_error_names_no_value_wherever_it_stands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], value: str
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    output, error = said(capsys, *(argument.format(value) for argument in arguments), status=2)
    assert not output
    assert "error: " in error
    assert "Nothing was changed." in error
    assert not any(part in error for part in value.split("."))


@pytest.mark.parametrize("name", [name for name, setting in SETTINGS.items() if name != "command"])
@pytest.mark.parametrize("by", ["flag", "variable", "input"])
def test_setting_that_is_not_valid_is_named_without_its_value(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, by: str
) -> None:
    commands = SETTINGS[name].commands
    arguments: list[str] = ["deploy" if "deploy" in commands else commands[0]]
    if by == "flag" and not isinstance(SETTINGS[name].default, bool):
        arguments.append(f"{flag_of(name)}={SECRET}")
    else:
        monkeypatch.setenv(variable_of(name) if by != "input" else input_variable_of(name), SECRET)
    assert main(arguments) != 0
    captured = capsys.readouterr()
    assert not any(part in captured.out + captured.err for part in SECRET.split(".")), captured


def test_misspelt_flag_is_reported_with_its_position_and_the_flag_that_is_like_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = said(capsys, "plan", "--databse-url=x", "--bogus", status=2)[1]
    assert error.splitlines() == [
        "usage: turso-deploy plan [--FLAG …]",
        "turso-deploy plan: error: unrecognized arguments at position 2, 3 (did you mean --database-url?)",
        "Nothing was changed. For help: turso-deploy plan --help",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "--auth-token"], "--auth-token needs a value"),
        (["plan", "--auth-token", "--quiet"], "--auth-token needs a value"),
        (["plan", "--quiet=yes"], "--quiet takes no value"),
        (["plan", "--auth-tokenx"], "unrecognized argument at position 2 (did you mean --auth-token?)"),
        (["--quiet", "plan"], "unrecognized argument at position 1: flags come after the command"),
        (["--auth-token", "x", "plan"], "the first word must be a command, and flags come after it; the commands are"),
    ],
)
def test_usage_error_says_what_to_write(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert f": error: {message}" in said(capsys, *arguments, status=2)[1]


@pytest.mark.parametrize("arguments", [["manifest-schema", "--json"], ["report-schema", "--jsn"], ["--quiet", "plan"]])
def test_flag_that_would_be_rejected_again_is_not_suggested(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    error = said(capsys, *arguments, status=2)[1]
    assert "unrecognized argument at position" in error
    assert "did you mean" not in error


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    error = said(capsys, "depoly", status=2)[1]
    commands = "deploy, plan, rollback, verify, "
    assert f"the first word must be a command (did you mean deploy?); the commands are {commands}" in error
    assert "did you mean" not in said(capsys, "frobnicate", status=2)[1]


def test_no_command_prints_the_help_and_runs_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_folder(tmp_path / "schema", SMALL)
    output, error = said(capsys, status=2)
    assert output == ""
    assert "usage: turso-deploy" in error
    assert all(re.search(rf"^ +{command}( |$)", error, re.MULTILINE) for command in COMMANDS)
    assert error.endswith("No command was given. Nothing was changed.\n")
    assert [path.name for path in tmp_path.iterdir()] == ["schema"]


def test_no_command_in_a_step_of_a_workflow_that_runs_a_shell_prints_the_help(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert "No command was given." in said(capsys, status=2)[1]


def test_variable_selects_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_folder(tmp_path / "schema", SMALL)
    monkeypatch.setenv("TURSO_COMMAND", "plan")
    assert main([]) == 0
    assert "Planned" in capsys.readouterr().out


@pytest.mark.parametrize(("variable", "status"), [("", "deployed"), ("plan", "planned")])
def test_action_with_empty_inputs_runs_what_the_variable_says_or_deploys(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, status: str
) -> None:
    write_folder(tmp_path / "schema", SMALL)
    for name in SETTINGS:
        monkeypatch.setenv(input_variable_of(name), "")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("TURSO_COMMAND", variable)
    monkeypatch.setenv("TURSO_DATABASE_URL", "file:x.db")
    assert main([]) == 0
    assert f"\n{status}\n" in (tmp_path / "output").read_text(encoding="utf-8")
    assert (tmp_path / "x.db").exists() is (status == "deployed")


MEANT = [
    ("apply", "deploy"),
    ("migrate", "deploy"),
    ("push", "deploy"),
    ("Up", "deploy"),
    ("db push", "deploy"),
    ("migrate status", "status"),
    ("diff", "plan"),
    ("schema diff", "plan"),
    ("check", "plan --check"),
    ("dry-run", "plan --dry-run"),
    ("drift", "verify"),
    ("introspect", "pull"),
    ("db pull", "pull"),
    ("tokens", "check-tokens"),
    ("help", "--help"),
    ("version", "--version"),
]


@pytest.mark.parametrize(("words", "meant"), MEANT)
def test_command_of_another_tool_names_what_is_meant_and_does_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: str, meant: str
) -> None:
    write_folder(tmp_path / "schema", SMALL)
    output, error = said(capsys, *words.split(), "--database-url", "file:x.db", status=2)
    assert output == ""
    assert f"there is no command {words.lower()}; what is meant is turso-deploy {meant}" in error
    assert "Nothing was changed." in error
    assert not list(tmp_path.glob("*.db"))


@pytest.mark.parametrize(("words", "meant"), [(words, meant) for words, meant in MEANT if " " not in words])
def test_command_of_another_tool_is_named_where_a_variable_gives_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: str, meant: str
) -> None:
    monkeypatch.setenv("TURSO_COMMAND", words)
    assert main([]) == 2
    assert f"there is no command `{words.lower()}`; `{meant}` is meant" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["--plan"], "did you mean turso-deploy plan?"),
        (["--dry-run"], "did you mean turso-deploy plan --dry-run?"),
        (["deploy", "--diff"], "did you mean turso-deploy plan?"),
        (["deploy", "--url", "file:x.db"], "did you mean --database-url?"),
        (["deploy", "--token=x"], "did you mean --auth-token?"),
        (["plan", "--schema", "x"], "did you mean --schema-path?"),
        (["plan", "-v"], "did you mean --verbose?"),
        (["plan", "--config", "x.toml"], "did you mean --settings-file?"),
        (["plan", "--env", "x"], "did you mean --env-file?"),
        (["plan", "--stage", "x"], "did you mean --target?"),
        (["--quiet"], "the first word must be a command, and flags come after it"),
        (["--env-file", ".env"], "the first word must be a command, and flags come after it"),
        (["deploy", "--yes"], "--allow-hazards drop-column:users.nickname"),
        (["deploy", "-y"], "--allow-hazards drop-column:users.nickname"),
        (["deploy", "--force=true"], "--allow-hazards drop-column:users.nickname"),
    ],
)
def test_flag_of_another_tool_names_what_is_meant(
    capsys: pytest.CaptureFixture[str], arguments: list[str], meant: str
) -> None:
    output, error = said(capsys, *arguments, status=2)
    assert output == ""
    assert meant in error


def test_dry_run_of_a_deployment_names_the_plan_and_changes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_folder(tmp_path / "schema", SMALL)
    assert main(["deploy", "--dry-run", "--database-url", "file:x.db"]) == 2
    assert "`turso-deploy plan`" in capsys.readouterr().out
    assert not list(tmp_path.glob("*.db"))


def test_without_a_command_the_actions_input_decides(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_folder(tmp_path / "schema", SMALL)
    monkeypatch.setenv("INPUT_COMMAND", "plan")
    monkeypatch.setenv("INPUT_JSON", "true")
    assert main([]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["command"], report["status"]) == ("plan", "planned")
    assert not list(tmp_path.glob("*.db"))


def test_changes_pending_exit_with_3_when_asked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_folder(tmp_path / "schema", SMALL)
    assert main(["plan", "--check"]) == 3
    assert main(["plan"]) == 0
    assert "turso-deploy.db" in capsys.readouterr().out
    assert main(["plan", "--check", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["exit_code"] == 3
    assert main(["deploy"]) == 0
    assert main(["plan", "--check"]) == 0


def test_a_terminal_that_lacks_a_sign_still_gets_the_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_folder(tmp_path / "schema", SMALL)
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", output)
    assert main(["deploy"]) == 0
    output.seek(0)
    assert "\\u2714 Deployed 1.0.0" in output.read()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_has_examples_that_can_be_read(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    examples = capsys.readouterr().out.partition("examples:\n")[2].splitlines()
    assert examples
    assert all(f"turso-deploy {command}" in line for line in examples)


def test_stale_pages_exit_with_3_when_asked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "schema", SMALL)
    arguments = ["docs", "--schema-path", str(folder), "--output", str(tmp_path / "pages")]
    assert main([*arguments, "--check"]) == 3
    assert "Stale 1.0.0: 3 pages to write" in capsys.readouterr().out
    assert main([*arguments, "--check", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["exit_code"] == 3
    assert main(arguments) == 0
    assert main([*arguments, "--check"]) == 0
