"""Counters of a test run for the report of `make faults`; each process writes its counters to a file."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

FOLDER = os.environ.get("FAULT_REPORT")
"""The folder of the counters; None if they are not wanted."""

LONG = FOLDER is not None
"""True in the long run of `make faults`."""

_counted: Counter[str] = Counter()


def count(section: str, what: str, number: int = 1) -> None:
    """Count something: `count("faults", "cut after it is sent")`."""
    _counted[f"{section}\t{what}"] += number


def save() -> None:
    """Write the counters of this process, if they are wanted."""
    if FOLDER and _counted:
        (Path(FOLDER) / f"{os.getpid()}.json").write_text(json.dumps(_counted), encoding="utf-8")


def collected(folder: Path) -> dict[str, Counter[str]]:
    """Return the counters of all processes, by section."""
    found: dict[str, Counter[str]] = {}
    for path in sorted(folder.glob("*.json")):
        for key, number in json.loads(path.read_text(encoding="utf-8")).items():
            section, _, what = key.partition("\t")
            found.setdefault(section, Counter())[what] += number
    return found
