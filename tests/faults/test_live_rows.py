"""Seeds over the rows of an application that writes all the time: none of its rows is lost or overwritten in silence.

`make faults` runs more of them. A seed that fails is run again alone: `FAULT_SEED=… FAULT_SCHEDULES=4`.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.live_rows import run
from tests.faults.proxy import running_proxy
from tests.support.databases import DatabaseUnderTest
from tests.support.sqld import running_sqld, send

SCHEDULES = int(os.environ.get("FAULT_SCHEDULES", "60")) // 4  # each deploys several times
FIRST_SEED = int(os.environ.get("FAULT_SEED", "20260201"))
A_SERVER = 40  # each namespace stays open in its server
PARTS = range(FIRST_SEED, FIRST_SEED + SCHEDULES, A_SERVER)


@pytest.mark.parametrize("first", PARTS)
def test_rows_of_an_application_survive_seeds_in_a_file(tmp_path: Path, first: int) -> None:
    problems = []
    for seed in range(first, min(first + A_SERVER, FIRST_SEED + SCHEDULES)):
        url = f"file:{tmp_path}/{seed}.db"
        found = run(DatabaseUnderTest(url, url), None, tmp_path / str(seed), seed)
        problems += [f"seed {seed}: {problem}" for problem in found]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("first", PARTS)
def test_rows_of_an_application_survive_seeds_on_a_server_with_faults(tmp_path: Path, first: int) -> None:
    def one(seed: int) -> list[str]:
        send("POST", f"{sqld.admin_url}/v1/namespaces/live{seed}/create", {})
        with (
            running_proxy(sqld.url, f"live{seed}.localhost") as proxy,
            running_proxy(sqld.url, f"live{seed}.localhost") as direct,
        ):
            target = DatabaseUnderTest(proxy.url, direct.url, sqld.token())
            return [f"seed {seed}: {problem}" for problem in run(target, proxy, tmp_path / str(seed), seed)]

    with running_sqld(tmp_path, namespaces=True) as sqld, ThreadPoolExecutor(4) as pool:
        seeds = range(first, min(first + A_SERVER, FIRST_SEED + SCHEDULES))
        problems = [problem for found in pool.map(one, seeds) for problem in found]
    assert not problems, "\n".join(problems)
