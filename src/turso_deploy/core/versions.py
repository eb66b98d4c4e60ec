"""Semantic versions and their order (https://semver.org): `2.3.0`, `v2.3.0`, `2.4.0-rc.1`."""

from __future__ import annotations

import re
from typing import NamedTuple

_NUMBER = r"(0|[1-9][0-9]*)"
_PART = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
PATTERN = rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_PART}(?:\.{_PART})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
"""The regular expression of a semantic version, for a JSON Schema, too."""
_VERSION = re.compile(PATTERN)
_MAX_LENGTH = 256  # Python converts no number of more than 4,300 digits.
_FINAL = (2, 0, "")


class SemanticVersion(NamedTuple):
    """A semantic version, which compares by precedence. A leading `v` and build metadata are left out.

    `prerelease` is the list of its identifiers in a form that compares, or `(_FINAL,)`, which follows all of them.
    """

    major: int
    minor: int
    patch: int
    prerelease: tuple[tuple[int, int, str], ...]


def parse_version(text: str | None) -> SemanticVersion | None:
    """Parse a semantic version; None if the text is not one."""
    found = _VERSION.fullmatch(text or "")
    if not found or len(found[0]) > _MAX_LENGTH:
        return None
    return SemanticVersion(int(found[1]), int(found[2]), int(found[3]), _precedence(found[4]))


def _precedence(prerelease: str | None) -> tuple[tuple[int, int, str], ...]:
    """Return the identifiers so that numbers precede words, and a longer list follows its beginning.

    https://semver.org/#spec-item-11
    """
    if prerelease is None:
        return (_FINAL,)
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in prerelease.split("."))
