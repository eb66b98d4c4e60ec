"""A release is only made of a tag, a package and a changelog that agree, and names its image by digest."""

import importlib.util
import re
import shutil
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from turso_deploy import __version__

ROOT = Path(__file__).parents[2]
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
IMAGE = f"ghcr.io/owner/turso-deploy@{DIGEST}"


@pytest.fixture(scope="module")
def release() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release", ROOT / ".github/release.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository that is ready to release 1.2.3."""
    package = tmp_path / "src/turso_deploy/__init__.py"
    package.parent.mkdir(parents=True)
    package.write_text('"""A package."""\n\n__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## 1.2.3 (2026-01-31)\n\n- new\n- newer\n\n## 1.2.2 (2026-01-01)\n\n- old\n"
    )
    shutil.copy(ROOT / "action.yml", tmp_path)
    (tmp_path / "Dockerfile").write_text(f"FROM python:3-slim@{DIGEST} AS base\nFROM base AS build\nFROM base\n")
    return tmp_path


def test_a_tag_that_agrees_gives_the_version(release: ModuleType, repository: Path) -> None:
    assert release.check("v1.2.3-source", repository) == "1.2.3"


@pytest.mark.parametrize("tag", ["v1.2.3", "v1.2.4-source", "1.2.3-source", "v1.2.2-source"])
def test_a_tag_of_another_version_or_form_ends_the_release(tag: str, release: ModuleType, repository: Path) -> None:
    with pytest.raises(SystemExit, match=r"its tag is v1\.2\.3-source"):
        release.check(tag, repository)


@pytest.mark.parametrize("image", ["python:3-slim", "python:3-slim@sha256:abc"])
def test_base_image_without_its_digest_ends_the_release(image: str, release: ModuleType, repository: Path) -> None:
    (repository / "Dockerfile").write_text(f"FROM {image} AS base\nFROM base\n")
    with pytest.raises(SystemExit, match="`make base-image`"):
        release.check("v1.2.3-source", repository)
    release.base(DIGEST, repository)
    assert (repository / "Dockerfile").read_text() == f"FROM python:3-slim@{DIGEST} AS base\nFROM base\n"
    assert release.check("v1.2.3-source", repository) == "1.2.3"
    with pytest.raises(SystemExit, match="not a digest"):
        release.base("latest", repository)


def test_dockerfile_names_one_image_for_dependabot_to_pin() -> None:
    images = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert images[0].startswith("python:3.")
    assert images[1:] == ["base", "base"]


def test_dependabot_updates_everything_that_is_locked() -> None:
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    found = {(update["package-ecosystem"], update["directory"]) for update in updates}
    locks = {("npm", f"/{path.parent.relative_to(ROOT)}") for path in ROOT.glob("*/package-lock.json")}
    locks |= {("npm", f"/{path.parent.relative_to(ROOT)}") for path in ROOT.glob("docs/*/package-lock.json")}
    assert found == {("github-actions", "/"), ("pip", "/requirements"), ("docker", "/"), *locks}


def test_a_changelog_that_is_silent_ends_the_release(release: ModuleType, repository: Path) -> None:
    (repository / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.3 (2026-01-31)\n\n## 1.2.2 (2026-01-01)\n\n- old\n")
    with pytest.raises(SystemExit, match=r"says nothing about 1\.2\.3"):
        release.check("v1.2.3-source", repository)


def test_the_notes_are_the_section_of_the_version_alone(release: ModuleType, repository: Path) -> None:
    assert release.notes("1.2.3", repository) == "- new\n- newer"


def test_the_released_action_runs_the_image_and_is_else_the_same(release: ModuleType, repository: Path) -> None:
    before = yaml.safe_load((repository / "action.yml").read_text())
    release.pin(IMAGE, repository)
    after = yaml.safe_load((repository / "action.yml").read_text())
    assert after == before | {"runs": {"using": "docker", "image": f"docker://{IMAGE}"}}


@pytest.mark.parametrize("image", ["ghcr.io/owner/turso-deploy:1.2.3", "ghcr.io/owner/turso-deploy@sha256:abc"])
def test_an_image_without_its_digest_ends_the_release(image: str, release: ModuleType, repository: Path) -> None:
    with pytest.raises(SystemExit, match="not named by its digest"):
        release.pin(image, repository)


def test_the_changelog_knows_this_version(release: ModuleType) -> None:
    assert release.notes(__version__)
