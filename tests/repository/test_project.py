"""The habits of the project itself: what is documented, what may be in the repository, what the locks hold."""

import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import turso_deploy

ROOT = Path(__file__).parents[2]
LOCKS = ["build", "runtime", "development"]

# Put together here, so that this file does not hold what it looks for.
REGISTRIES = [
    ".".join(host)
    for host in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("deb", "debian", "org"),
    ]
]
MACHINE_PATH = re.compile(rf"(?<![\w.}}/-])/(?:{'|'.join(['home', 'root', 'tmp', 'Users', 'work'])})/\w")


def public_names() -> Iterator[tuple[str, object]]:
    """Every public module below turso_deploy, its public classes and functions, and their public methods."""
    found = pkgutil.walk_packages(turso_deploy.__path__, "turso_deploy.")
    for name in ["turso_deploy", *(module.name for module in found if not module.name.endswith("__main__"))]:
        module = importlib.import_module(name)
        yield name, module
        yield from members(module, name, owner=module)


def members(holder: ModuleType | type, name: str, owner: ModuleType) -> Iterator[tuple[str, object]]:
    for key, member in vars(holder).items():
        member = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        documented = inspect.isclass(member) or inspect.isfunction(member) or isinstance(member, property)
        if key.startswith("_") or not documented:
            continue
        if getattr(member, "__module__", owner.__name__) != owner.__name__:
            continue  # imported, and documented where it lives
        yield f"{name}.{key}", member
        if inspect.isclass(member):
            yield from members(member, f"{name}.{key}", owner)


def has_docstring(member: object) -> bool:
    text = inspect.cleandoc(member.__doc__ or "")
    written_by_dataclass = inspect.isclass(member) and text.startswith(f"{member.__name__}(")
    return bool(text) and not written_by_dataclass


def tracked_files() -> list[Path]:
    """What is in the repository, or would be with the next commit."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = (ROOT / name for name in listing.stdout.split("\0") if name)
    return [path for path in paths if path.is_file()]


def lines_that_match(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for path in tracked_files()
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def locked(name: str) -> dict[str, tuple[str, int]]:
    """The packages of a lock: canonical name → (version, number of hashes)."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    entries = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    packages: dict[str, tuple[str, int]] = {}
    for entry in entries:
        match = re.match(r"([\w.-]+)==([\w.+!]+)", entry)
        assert match, f"requirements/{name}.txt pins no version: {entry}"
        packages[canonicalize_name(match[1])] = (match[2], entry.count("--hash=sha256:"))
    return packages


def test_every_public_name_says_what_it_means() -> None:
    silent = [name for name, member in public_names() if not has_docstring(member)]
    assert silent == []


def test_no_file_names_the_host_of_a_package_registry() -> None:
    assert lines_that_match(re.compile("|".join(map(re.escape, REGISTRIES)))) == []


def test_no_file_holds_a_path_of_one_machine() -> None:
    assert lines_that_match(MACHINE_PATH) == []


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_hashes(name: str) -> None:
    packages = locked(name)
    assert packages
    assert [package for package, (_, hashes) in packages.items() if not hashes] == []


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_holds_sphinx(name: str) -> None:
    assert [package for package in locked(name) if "sphinx" in package or package == "docutils"] == []


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_says_where_packages_come_from(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", text)


def test_the_lock_of_the_server_says_nothing_of_where_it_comes_from() -> None:
    packages = json.loads((ROOT / "tests" / "package-lock.json").read_text())["packages"]
    packages.pop("")
    assert all("integrity" in package and "resolved" not in package for package in packages.values())


def test_what_runs_is_locked_the_same_for_development() -> None:
    development = locked("development")
    wanted = locked("runtime") | locked("build")
    assert {name: development.get(name) for name in wanted} == wanted


def test_the_lock_holds_a_version_that_the_project_asks_for_of_each_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runtime = locked("runtime")
    for requirement in map(Requirement, project["dependencies"]):
        version, _ = runtime[canonicalize_name(requirement.name)]
        assert version in requirement.specifier


def test_image_has_every_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = {canonicalize_name(Requirement(text).name) for texts in extras.values() for text in texts}
    assert wanted <= locked("runtime").keys()


def test_the_locks_are_complete_but_for_the_theme_that_is_left_out() -> None:
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    complaints = [line for line in check.stdout.splitlines() if "sphinx-press-theme" not in line]
    assert complaints in ([], ["No broken requirements found."]), check.stderr
