"""Prepare a release of this repository: see docs/contributing/releasing.md.

release.py check TAG     prints the version that the tag releases, if tag, package and changelog agree, and if the base
                         image is named by its digest
release.py base DIGEST   pins the base image in the Dockerfile
release.py notes VERSION prints its section of the changelog
release.py pin IMAGE     makes action.yml use this image instead of building one
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_DIGEST = r"sha256:[0-9a-f]{64}"


def check(tag: str, root: Path = ROOT) -> str:
    """Return the version. Exit if tag, package and changelog do not agree on it, or if the base image has no digest."""
    package = (root / "src/turso_deploy/__init__.py").read_text()
    match = re.search(r'^__version__ = "(.+)"$', package, re.MULTILINE)
    version = match[1] if match else ""
    if tag != f"v{version}-source":
        sys.exit(f"The tag is {tag}, and the package says {version}: its tag is v{version}-source.")
    notes(version, root)
    if not re.fullmatch(_DIGEST, _base_image(root).partition("@")[2]):
        sys.exit("The base image in the Dockerfile has no digest: run `make base-image`, and commit the result.")
    return version


def notes(version: str, root: Path = ROOT) -> str:
    """Return the changelog's section for this version. Exit if it is missing or empty."""
    changelog = (root / "CHANGELOG.md").read_text()
    match = re.search(rf"^## {re.escape(version)} .*$\n((?:(?!^## ).*\n?)*)", changelog, re.MULTILINE)
    section = match[1].strip() if match else ""
    if not section:
        sys.exit(f"CHANGELOG.md says nothing about {version}.")
    return section


def base(digest: str, root: Path = ROOT) -> str:
    """Pin the base image of the Dockerfile. Exit if this is no digest."""
    if not re.fullmatch(_DIGEST, digest):
        sys.exit(f"{digest} is not a digest.")
    file, image = root / "Dockerfile", _base_image(root)
    pinned = f"{image.partition('@')[0]}@{digest}"
    file.write_text(file.read_text().replace(f"FROM {image} ", f"FROM {pinned} "))
    return f"The base image is {pinned}"


def _base_image(root: Path) -> str:
    match = re.search(r"^FROM (\S+)", (root / "Dockerfile").read_text(), re.MULTILINE)
    return match[1] if match else ""


def pin(image: str, root: Path = ROOT) -> str:
    """Set the image in action.yml. Exit unless the image is named by digest."""
    if not re.fullmatch(rf"[\w./:-]+@{_DIGEST}", image):
        sys.exit(f"{image} is not named by its digest.")
    action = root / "action.yml"
    text, count = re.subn(
        r"^  image: Dockerfile$", f"  image: docker://{image}", action.read_text(), flags=re.MULTILINE
    )
    if count != 1:
        sys.exit("action.yml has no line `image: Dockerfile`.")
    action.write_text(text)
    return f"action.yml runs {image}"


if __name__ == "__main__":
    command, argument = sys.argv[1:]
    sys.stdout.write({"check": check, "notes": notes, "base": base, "pin": pin}[command](argument) + "\n")
