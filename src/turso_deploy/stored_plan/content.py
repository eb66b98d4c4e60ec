"""The content of a plan: what it depends on, as names and checksums, and its fingerprint."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar

FORM = 1
"""Number of the form of plan contents. It changes whenever equal plans would get another fingerprint."""
SHORT = 12
"""Number of characters of a fingerprint that are enough for a person to compare it."""

AFFECTED, NONE = "rows", "no rows"
"""Whether a hazard affects rows; one that was not counted may do so."""

_CHECKSUM_LENGTH = 32  # 128 bits: enough to find each change, also a deliberate one


@dataclass(frozen=True)
class PlanContent:
    """The content of a plan: names and checksums of all that it depends on, nothing to execute, and no value of a row.

    Objects are named by kind and folded name, and hold a checksum for each of their parts. `pending_seeds` has the
    number of rows that are deployed already. `hazards` are named by name and object, and say whether rows are affected.
    `rollback` has the deployment to go back to, and its terms.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    live: dict[str, dict[str, str]]
    managed: list[str]
    wanted: dict[str, dict[str, str]]
    directives: dict[str, str]
    version: str | None
    seeds: dict[str, str]
    policies: dict[str, str]
    pending_seeds: dict[str, int]
    scripts: dict[str, str]
    skipped: list[str]
    hazards: dict[str, list[str]]
    rollback: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the plan: a SHA-256."""
        return sha256(as_json_bytes({"form": FORM, **vars(self)})).hexdigest()


def as_json_bytes(value: object) -> bytes:
    """Return plain data as JSON in its only form, to be hashed."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode(errors="surrogatepass")


def checksum(value: object) -> str:
    """Return the checksum of a part of a plan, plain data."""
    return sha256(as_json_bytes(value)).hexdigest()[:_CHECKSUM_LENGTH]
