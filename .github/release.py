"""Prepare a release of this repository: see docs/contributing/releasing.md.

release.py check TAG     prints the version that the tag releases, if tag, package and changelog agree
release.py notes VERSION prints its section of the changelog
release.py pin IMAGE     makes action.yml use this image instead of building one
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def check(tag: str, root: Path = ROOT) -> str:
    """Return the version. Exit if the tag, the package and the changelog do not name the same version."""
    package = (root / "src/turso_deploy/__init__.py").read_text()
    match = re.search(r'^__version__ = "(.+)"$', package, re.MULTILINE)
    version = match[1] if match else ""
    if tag != f"v{version}-source":
        sys.exit(f"The tag is {tag}, and the package says {version}: its tag is v{version}-source.")
    notes(version, root)
    return version


def notes(version: str, root: Path = ROOT) -> str:
    """Return the changelog's section for this version. Exit if it is missing or empty."""
    changelog = (root / "CHANGELOG.md").read_text()
    match = re.search(rf"^## {re.escape(version)} .*$\n((?:(?!^## ).*\n?)*)", changelog, re.MULTILINE)
    section = match[1].strip() if match else ""
    if not section:
        sys.exit(f"CHANGELOG.md says nothing about {version}.")
    return section


def pin(image: str, root: Path = ROOT) -> str:
    """Set the image in action.yml. Exit unless the image is named by digest."""
    if not re.fullmatch(r"[\w./:-]+@sha256:[0-9a-f]{64}", image):
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
    sys.stdout.write({"check": check, "notes": notes, "pin": pin}[command](argument) + "\n")
