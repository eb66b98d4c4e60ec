"""`make faults`: the long run of all that is done to the program on purpose, and one report of what was found."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.support.counters import collected

FOLDERS = (
    "tests/faults",
    "tests/hostile",
    "tests/platform/test_faulty_rotations.py",
    "tests/integration/test_change_cases.py",
    "tests/integration/test_secrets.py",
    "tests/unit/sql/test_nonsense.py",
)
PROPERTIES = (
    *(sys.executable, "-m", "pytest", "tests/property/test_change_properties.py", "--quiet"),
    *("-k", "in_a_file or predicts", "--numprocesses", "auto"),
)
"""The long run of the properties: the plan is the deployment, and any change keeps what both schemas know."""
SIDE_BY_SIDE = ("--numprocesses", "auto", "--dist", "worksteal")


def main() -> int:
    """Run, report, and return pytest's exit status."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        environment = {"FAULT_SCHEDULES": "1000", **os.environ, "FAULT_REPORT": folder}
        command = [
            sys.executable,
            "-m",
            "pytest",
            *FOLDERS,
            "--numprocesses",
            "auto",
            "--dist",
            "worksteal",
            "--quiet",
            *sys.argv[1:],
        ]
        status = subprocess.run(command, env=environment, check=False).returncode
        status = (
            subprocess.run(PROPERTIES, env={"PROPERTY_EXAMPLES": "5000", **os.environ}, check=False).returncode
            or status
        )
        found = collected(Path(folder))
    for line in report(found):
        print(line)
    tests = found.get("tests", Counter())
    print(f"\n{tests['passed']:,} tests passed and {tests['failed']:,} failed in {time.monotonic() - started:.0f} s")
    told = "nothing lost and nothing leaked; unknown only where the server never answered (committed: None)"
    print(told if status == 0 else "NOT as promised: see the failures above")
    return status


def report(found: dict[str, Counter[str]]) -> list[str]:
    """Each section with its total and its lines."""
    lines = []
    for section, counter in sorted(found.items()):
        if section != "tests":
            lines += ["", f"{section}: {counter.total():,}"]
            lines += [f"  {number:9,}  {what}" for what, number in sorted(counter.items())]
    return lines


if __name__ == "__main__":
    sys.exit(main())
