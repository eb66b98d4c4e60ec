"""The file of variables: its form, that the environment wins, and that no message repeats a part of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from turso_deploy.core.errors import MAX_LISTED, ErrorCode, InputError, Place
from turso_deploy.database.address import FileAddress
from turso_deploy.settings.reader import read_settings
from turso_deploy.settings.sources import read_sources

SECRET = "s3cr3t-value-of-the-file"


@pytest.fixture(autouse=True)
def _in_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def values(content: str | bytes) -> dict[str, str]:
    Path(".env").write_bytes(content.encode() if isinstance(content, str) else content)
    sources = read_sources({"env_file": ".env"}, {})
    if sources.error:
        raise sources.error
    return {name: each.value for name, each in sources.env_file.items()}


def error_for(content: str | bytes) -> InputError:
    with pytest.raises(InputError) as caught:
        values(content)
    assert (caught.value.code, caught.value.exit_code) == (ErrorCode.INPUT_INVALID, 2)
    assert SECRET not in f"{caught.value.message} {caught.value.hint}"
    return caught.value


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=1", "1"),
        ("export A=1", "1"),
        ("A = 1 ", "1"),
        ("A='x y'", "x y"),
        ('A="x y"', "x y"),
        ('A="x\\ny"', "x\ny"),
        ("A='x\\ny'", "x\\ny"),
        ("A=x # comment", "x"),
        ("A=x#y", "x#y"),
        ("A='x # y' # comment", "x # y"),
        ("A=$HOME ${B} $(c)", "$HOME ${B} $(c)"),
        ("A=eyJ.a=b==", "eyJ.a=b=="),
        ("A=", ""),
        ("A='one\ntwo'", "one\ntwo"),
    ],
)
def test_line_sets_a_variable_as_shells_and_docker_write_it(line: str, value: str) -> None:
    assert values(f"# comment\n\n{line}\nB=2\n") == {"A": value, "B": "2"}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_may_end_as_on_windows(end: str) -> None:
    assert values(end.join(["\ufeffA=1", "B='2'", "C=3", ""])) == {"A": "1", "B": "2", "C": "3"}


def test_environment_wins_over_the_file_and_an_empty_variable_does_not() -> None:
    Path(".env").write_text("TURSO_SCHEMA_PATH=of-file\nTURSO_DATABASE_URL=file:of-file.db\nPATH=nowhere\n")
    settings = read_settings({"env_file": ".env"}, {"TURSO_SCHEMA_PATH": "of-environment", "TURSO_DATABASE_URL": ""})
    assert settings.schema_path == "of-environment"
    assert settings.database_url == FileAddress("of-file.db")


@pytest.mark.parametrize("variable", ["INPUT_ENV-FILE", "TURSO_ENV_FILE"])
def test_file_is_named_by_an_input_or_a_variable_too(variable: str) -> None:
    Path(".env").write_text("TURSO_COMMAND=plan\n")
    assert read_settings({}, {variable: ".env"}).command == "plan"


def test_file_in_the_working_directory_is_not_read_unless_it_is_named() -> None:
    Path(".env").write_text("TURSO_SCHEMA_PATH=of-file\n")
    assert read_settings({}, {}).schema_path == "schema"


def test_file_can_name_the_settings_file_and_hold_the_token_of_a_database() -> None:
    Path("other.toml").write_text('[databases.a]\nurl = "file:a.db"\nauth-token-variable = "A_TOKEN"\n')
    Path(".env").write_text(f"TURSO_SETTINGS_FILE=other.toml\nA_TOKEN={SECRET}\n")
    sources = read_sources({"env_file": ".env"}, {})
    settings = read_settings({"env_file": ".env"}, {})
    assert settings.database_url == FileAddress("a.db")
    assert settings.auth_token is not None
    assert settings.auth_token.reveal() == SECRET
    assert sources.secrets == [SECRET]


def test_secrets_of_the_file_are_masked_because_the_runner_does_not_know_them() -> None:
    Path(".env").write_text(f"TURSO_AUTH_TOKEN={SECRET}\n")
    assert read_sources({"env_file": ".env"}, {}).unmasked_secrets == [SECRET]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (f"A=1\n{SECRET}\n", 2),
        (f"A=1\n\n\nB {SECRET}\n", 4),
        (f"={SECRET}\n", 1),
        (f"A=1\nB='{SECRET}\nC=2\n", 2),
        (f'A=1\r\nB="{SECRET}\r\n', 2),
        (f"TURSO_AUTH_TOKEN={SECRET}\nA=1\nTURSO_AUTH_TOKEN=x\n", 3),
    ],
)
def test_line_of_another_form_is_an_error_at_its_place_without_its_text(content: str, line: int) -> None:
    assert error_for(content).place == Place(".env", line)


def test_all_lines_of_another_form_are_reported() -> None:
    assert [cause.place for cause in error_for("A\nB=1\nC\n").causes] == [Place(".env", 1), Place(".env", 3)]


def test_variable_of_another_program_may_be_set_twice() -> None:
    assert values("A=1\nA=2\n") == {"A": "2"}


@pytest.mark.parametrize("content", [b"A=\xff\n", b"A=\x00\n", b"A=" + b"x" * 1_000_000])
def test_file_that_is_no_text_is_an_error(content: bytes) -> None:
    assert "cannot be read" in error_for(content).message


def test_file_that_is_missing_or_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("absent", "folder", "a\x00b"):
        with pytest.raises(InputError, match="cannot be read"):
            read_settings({"env_file": name}, {})


def test_file_of_another_kind_has_the_first_of_its_lines_reported() -> None:
    assert len(error_for("one more line of prose\n" * 10_000).causes) == MAX_LISTED
