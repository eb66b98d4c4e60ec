"""The tools that the benchmarks measure against, installed beside them on first use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
DRIZZLE_KIT = HERE / "node_modules/.bin/drizzle-kit"
SQLITE_UTILS = HERE / "peers"


def install() -> None:
    """Install what is not there yet: drizzle-kit from npm, sqlite-utils apart from our own locked packages."""
    if not DRIZZLE_KIT.exists():
        subprocess.run(["npm", "ci"], cwd=HERE, check=True)
    if not SQLITE_UTILS.exists():
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps"]
        requirements = HERE / "peers.txt"
        subprocess.run([*pip, "--target", SQLITE_UTILS, "--requirement", requirements], check=True)
