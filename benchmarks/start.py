"""How long a run takes that changes nothing, next to a bare Python that loads requests and pydantic."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.table import Row, seconds
from tests.support.schema_folders import SHIPPED
from tests.support.sqld import running_sqld

ROUNDS = 9
TIMES_THE_YARDSTICK = 2

YARDSTICK = "requests and one pydantic model"
_LOAD_BOTH = """\
import requests
from pydantic import BaseModel

class Model(BaseModel):
    a: int
    b: str
"""

_DEPLOY = ("-m", "turso_deploy", "deploy", "--schema-path", str(SHIPPED))


class Run(NamedTuple):
    """A program to start: the arguments of Python, and the variables to set."""

    arguments: tuple[str, ...]
    variables: Mapping[str, str] = {}


class Cost(NamedTuple):
    """The time that one run took, and the processor time in it, in milliseconds."""

    wall: float
    processor: float


def measure() -> Iterator[Row]:
    """Both help texts, and the shipped schema where it is deployed already: in a file, and on a real sqld."""
    with tempfile.TemporaryDirectory() as name, running_sqld(Path(name)) as server:
        runs = {
            YARDSTICK: Run(("-c", _LOAD_BOTH)),
            "--version": Run(("-m", "turso_deploy", "--version")),
            "--help": Run(("-m", "turso_deploy", "--help")),
            "deploy --help": Run(("-m", "turso_deploy", "deploy", "--help")),
            "unchanged, file": Run(_DEPLOY, {"TURSO_DATABASE_URL": f"file:{name}/database.db"}),
            "unchanged, sqld": Run(_DEPLOY, {"TURSO_DATABASE_URL": server.url, "TURSO_AUTH_TOKEN": server.token()}),
        }
        costs = _medians(runs)
    bare = costs.pop(YARDSTICK)
    for case, cost in costs.items():
        limit = TIMES_THE_YARDSTICK if case.startswith("unchanged") else None
        yield Row(f"start: {case}", "whole process", cost.wall, "ms", YARDSTICK, bare.wall, limit)
        yield Row(f"start: {case}", "processor time", cost.processor, "ms", YARDSTICK, bare.processor)


def _medians(runs: Mapping[str, Run]) -> dict[str, Cost]:
    """Return the median of each run. They take turns, so that a busy moment of the machine disturbs all of them."""
    for run in runs.values():  # deploys what is then unchanged, and reads every file for the first time
        _cost(run)
    rounds = [{name: _cost(run) for name, run in runs.items()} for _ in range(ROUNDS)]
    return {name: Cost(*map(statistics.median, zip(*(found[name] for found in rounds), strict=True))) for name in runs}


def _cost(run: Run) -> Cost:
    environment = {**os.environ, **run.variables}
    command = [sys.executable, *run.arguments]
    before = _processor_time()
    wall = seconds(lambda: subprocess.run(command, env=environment, check=True, capture_output=True))
    return Cost(wall * 1000, (_processor_time() - before) * 1000)


def _processor_time() -> float:
    """Return the processor time of all processes that have ended, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
