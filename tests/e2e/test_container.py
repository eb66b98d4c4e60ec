"""The container image: what is in it, what is not, and that it deploys as the program does."""

import json
import os
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.engine import ROOT, Completed, build, docker
from tests.support.sqld import Sqld

pytestmark = pytest.mark.container

WORKSPACE = "/github/workspace"


def in_image(image: str, *arguments: str, python: str = "python") -> Completed:
    return docker("run", "--rm", "--network", "none", "--entrypoint", python, image, *arguments)


def run_as_the_runner_does(image: str, environment: dict[str, str], *mounts: str) -> Completed:
    """No arguments, everything by variables, the repository at the runner's place. Values stay off the command line."""
    variables = [part for name in environment for part in ("--env", name)]
    volumes = [part for mount in (f"{ROOT}:{WORKSPACE}:ro", *mounts) for part in ("--volume", mount)]
    return docker(
        "run",
        "--rm",
        "--network",
        "host",
        "--workdir",
        WORKSPACE,
        *volumes,
        *variables,
        image,
        environment=environment,
    )


@pytest.mark.parametrize("python", ["python", "/opt/turso-deploy/bin/python"])
@pytest.mark.parametrize("module", ["pip", "ensurepip", "setuptools", "sphinx", "flit_core", "pytest"])
def test_the_image_holds_nothing_that_installs_tests_or_documents(image: str, python: str, module: str) -> None:
    found = in_image(image, "-c", f"import {module}", python=python)
    assert found.returncode == 1
    assert f"No module named '{module}'" in found.stderr


@pytest.mark.parametrize("compiler", ["cc", "gcc", "g++", "clang", "rustc"])
def test_the_image_holds_no_compiler(image: str, compiler: str) -> None:
    assert in_image(image, "-c", f"import shutil; assert shutil.which({compiler!r}) is None").returncode == 0


def test_all_that_runs_in_the_image_is_compiled_ahead(image: str) -> None:
    check = (
        "import sys, turso_deploy.cli.run, turso_deploy.deploy.deploy, turso_deploy.database.hrana\n"
        "from pathlib import Path\n"
        "specs = [spec for module in sys.modules.values() if (spec := getattr(module, '__spec__', None))]\n"
        "print([spec.cached for spec in specs if spec.cached and not Path(spec.cached).is_file()])"
    )
    found = in_image(image, "-B", "-c", check, python="/opt/turso-deploy/bin/python")
    assert found.stdout.strip() == "[]", found.stdout + found.stderr


def test_the_image_says_what_it_is() -> None:
    given = {"VERSION": "1.2.3", "REVISION": "c0ffee", "SOURCE": "https://github.com/OWNER/turso-deploy"}
    arguments = [part for name, value in given.items() for part in ("--build-arg", f"{name}={value}")]
    built = build("--quiet", *arguments)
    assert built.returncode == 0, built.stderr
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", built.stdout.strip()).stdout)
    told = {name: labels[f"org.opencontainers.image.{name}"] for name in ["version", "revision", "source", "licenses"]}
    assert told == {
        "version": "1.2.3",
        "revision": "c0ffee",
        "source": "https://github.com/OWNER/turso-deploy",
        "licenses": "MIT",
    }


def test_nothing_goes_into_the_image_but_the_package_and_what_it_needs(image: str) -> None:
    listing = in_image(image, "-c", "ls -A /opt /github/workspace; find /opt -name tests", python="sh").stdout
    assert listing.split() == ["/github/workspace:", "/opt:", "turso-deploy"]


def test_the_image_deploys_and_then_finds_nothing_to_do(image: str, sqld: Sqld) -> None:
    environment = {
        "INPUT_COMMAND": "deploy",
        "INPUT_DATABASE-URL": sqld.url,
        "INPUT_AUTH-TOKEN": sqld.token(),
        "INPUT_JSON": "true",
    }
    first = run_as_the_runner_does(image, environment)
    assert first.returncode == 0, first.stdout + first.stderr
    report = json.loads(first.stdout)
    assert (report["status"], report["committed"]) == ("deployed", True)
    counts = {kind: report["counts"][kind]["actual"] for kind in ["tables", "indexes", "views", "triggers"]}
    assert counts == {"tables": 12, "indexes": 33, "views": 3, "triggers": 2}

    second = run_as_the_runner_does(image, environment)
    assert second.returncode == 0, second.stdout + second.stderr
    report = json.loads(second.stdout)
    assert (report["status"], report["requests"]) == ("unchanged", 1)


def test_the_image_tells_the_runner_what_it_did(image: str, sqld: Sqld, tmp_path: Path) -> None:
    for name in ["output", "summary"]:
        (tmp_path / name).touch()
    token = sqld.token()
    run = run_as_the_runner_does(
        image,
        {
            "GITHUB_ACTIONS": "true",
            "RUNNER_DEBUG": "1",
            "GITHUB_OUTPUT": "/github/file_commands/output",
            "GITHUB_STEP_SUMMARY": "/github/file_commands/summary",
            "INPUT_COMMAND": "deploy",
            "INPUT_DATABASE-URL": sqld.url,
            "INPUT_AUTH-TOKEN": token,
        },
        f"{tmp_path}:/github/file_commands",
    )
    assert run.returncode == 0, run.stdout + run.stderr
    outputs = (tmp_path / "output").read_text().splitlines()
    assert {"deployed", "12", "33", "3", "2"} <= set(outputs)
    mask, *shown = run.stdout.splitlines()
    assert mask == f"::add-mask::{token}"
    assert any(line.startswith("::debug::") and line.endswith("reading the database") for line in shown)
    assert token not in "\n".join(shown) + (tmp_path / "summary").read_text() + (tmp_path / "output").read_text()


@pytest.mark.parametrize("module", ["yaml", "json", "pydantic", "turso_deploy", "sitecustomize", "simplejson"])
@pytest.mark.parametrize("path", [WORKSPACE, f"{WORKSPACE}/src", "src"])
def test_program_in_the_image_imports_nothing_of_the_repository(
    image: str, folder: Path, module: str, path: str
) -> None:
    (folder / "src").mkdir()
    for place in (folder, folder / "src"):
        (place / f"{module}.py").write_text("print('a module of the repository runs')\nraise SystemExit(0)\n")
    variables = {"PYTHONPATH": path, "PYTHONSTARTUP": f"{module}.py", "PYTHONHOME": "", "PYTHONINSPECT": "1"}
    options = [
        "--network",
        "none",
        *(part for name, value in variables.items() for part in ("--env", f"{name}={value}")),
    ]
    run = run_by_hand(image, folder, "deploy", "--database-url", "file:site.db", options=options)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Deployed" in run.stdout
    assert "a module of the repository runs" not in run.stdout + run.stderr


LOCKED_DOWN = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]


def run_by_hand(image: str, folder: Path, *arguments: str, options: Sequence[str] = ()) -> Completed:
    """As the documentation has it: a folder mounted at the working folder, and nothing else."""
    return docker("run", "--rm", *options, "--volume", f"{folder}:{WORKSPACE}", image, *arguments)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with our schema in it."""
    shutil.copytree(ROOT / "schema", tmp_path / "schema")
    return tmp_path


def test_by_hand_a_file_database_in_the_mounted_folder_is_deployed_and_verified(image: str, folder: Path) -> None:
    url = ["--database-url", "file:site.db"]
    for command, verdict in [
        ("plan", "Planned"),
        ("deploy", "Deployed"),
        ("plan", "Unchanged"),
        ("verify", "Verified"),
    ]:
        run = run_by_hand(image, folder, command, *url, options=["--network", "none"])
        assert run.returncode == 0, run.stdout + run.stderr
        assert verdict in run.stdout
    with closing(sqlite3.connect(folder / "site.db")) as database:
        assert database.execute("SELECT count(*) FROM questions").fetchone() == (26,)


def test_files_that_it_writes_belong_to_the_owner_of_the_mounted_folder(image: str, folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 1001, 1002)
    for arguments in (["docs"], ["deploy", "--database-url", "file:site.db"]):
        run = run_by_hand(image, folder, *arguments, options=["--network", "none"])
        assert run.returncode == 0, run.stdout + run.stderr
    assert (folder / "site.db").is_file()
    assert (folder / "docs/schema/README.md").is_file()
    assert {(path.stat().st_uid, path.stat().st_gid) for path in folder.rglob("*")} == {(1001, 1002)}


def test_without_a_command_it_prints_its_help_and_changes_nothing(image: str, folder: Path) -> None:
    run = run_by_hand(image, folder, options=["--network", "none"])
    assert run.returncode == 2
    assert "No command was given." in run.stderr
    assert [path.name for path in folder.iterdir()] == ["schema"]


def test_it_needs_no_capability_and_writes_nowhere_but_in_the_mounted_folder(image: str, folder: Path) -> None:
    run = run_by_hand(image, folder, "deploy", options=[*LOCKED_DOWN, "--network", "none"])
    assert run.returncode == 0, run.stdout + run.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["schema", "turso-deploy.db"]


def test_locked_down_it_deploys_to_a_server_with_settings_from_the_environment(
    image: str, folder: Path, sqld: Sqld
) -> None:
    settings = {"TURSO_DATABASE_URL": sqld.url, "TURSO_AUTH_TOKEN": sqld.token()}
    variables = [part for name in settings for part in ("--env", name)]
    mount = ["--volume", f"{folder}:{WORKSPACE}:ro"]
    options = ["--rm", *LOCKED_DOWN, "--network", "host", *variables, *mount]
    run = docker("run", *options, image, "deploy", environment=settings)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Deployed" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["plan", "--check"], 3),
        (["plan", "--schema-path", "nowhere"], 2),
        (["verify", "--database-url", "http://127.0.0.1:1", "--timeout", "5"], 1),
    ],
)
def test_the_exit_status_of_the_program_is_that_of_the_container(
    image: str, folder: Path, arguments: list[str], status: int
) -> None:
    assert run_by_hand(image, folder, *arguments, options=["--network", "none"]).returncode == status
