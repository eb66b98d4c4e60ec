"""The container image: what is in it, what is not, and that it deploys as the program does."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.sqld import Sqld

pytestmark = pytest.mark.container

ROOT = Path(__file__).parents[2]
TAG = "turso-deploy:test"
WORKSPACE = "/github/workspace"


def docker(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *arguments], env=os.environ | (environment or {}), capture_output=True, text=True, timeout=600
    )


def in_image(image: str, *arguments: str, python: str = "python") -> subprocess.CompletedProcess[str]:
    return docker("run", "--rm", "--network", "none", "--entrypoint", python, image, *arguments)


def run_as_the_runner_does(image: str, environment: dict[str, str], *mounts: str) -> subprocess.CompletedProcess[str]:
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


@pytest.fixture(scope="module")
def image() -> str:
    """The image, built from this tree."""
    build = docker("build", "--tag", TAG, str(ROOT))
    assert build.returncode == 0, build.stdout[-4000:] + build.stderr[-4000:]
    size = docker("image", "inspect", "--format", "{{.Size}}", TAG).stdout
    base = docker("image", "inspect", "--format", '{{index .Config.Labels "turso-deploy.stand-in"}}', TAG).stdout
    note = " (on a stand-in of its base image)" if base.strip() == "true" else ""
    print(f"size of the image: {int(size) / 1e6:.0f} MB{note}")
    return TAG


@pytest.mark.parametrize("python", ["python", "/opt/turso-deploy/bin/python"])
@pytest.mark.parametrize("module", ["pip", "ensurepip", "setuptools", "sphinx", "flit_core"])
def test_the_image_holds_nothing_that_installs_or_writes_documentation(image: str, python: str, module: str) -> None:
    found = in_image(image, "-c", f"import {module}", python=python)
    assert found.returncode == 1
    assert f"No module named '{module}'" in found.stderr


@pytest.mark.parametrize("compiler", ["cc", "gcc", "g++", "clang", "rustc"])
def test_the_image_holds_no_compiler(image: str, compiler: str) -> None:
    assert in_image(image, "-c", f"import shutil; assert shutil.which({compiler!r}) is None").returncode == 0


def test_the_package_in_the_image_is_compiled_ahead(image: str) -> None:
    check = "import turso_deploy, pathlib; print(pathlib.Path(turso_deploy.__cached__).is_file())"
    assert in_image(image, "-c", check, python="/opt/turso-deploy/bin/python").stdout.strip() == "True"


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
    assert run.stdout.splitlines()[0] == f"::add-mask::{token}"
    assert token not in (tmp_path / "summary").read_text() + (tmp_path / "output").read_text()
