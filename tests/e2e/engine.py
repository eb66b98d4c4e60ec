"""The container engine, by its command line."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
MINUTES = 60

Completed = subprocess.CompletedProcess[str]


def docker(*arguments: str, environment: dict[str, str] | None = None) -> Completed:
    """Run a command of the engine. Values of `environment` stay off the command line."""
    command = ["docker", *arguments]
    values = os.environ | (environment or {})
    return subprocess.run(command, env=values, capture_output=True, text=True, timeout=10 * MINUTES)


def build(*arguments: str) -> Completed:
    """Build the image of this tree, on the base image that is there."""
    command = [str(ROOT / "tests/container/build"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=10 * MINUTES)
