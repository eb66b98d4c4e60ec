"""Random faults on the way to a real server: every outcome is known, and the database is the old or the new one.

`make faults` runs more of them and prints the figures. A schedule that fails is run again alone by its seed.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import pytest

from tests.faults.schedules import Bench, Tally
from tests.sqld import running_sqld

SCHEDULES = int(os.environ.get("FAULT_SCHEDULES", "60"))
FIRST_SEED = int(os.environ.get("FAULT_SEED", "20260101"))
AT_ONCE = 8
A_SERVER = 60


def test_no_schedule_of_faults_loses_or_hides_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    seeds = range(FIRST_SEED, FIRST_SEED + SCHEDULES)
    for start in range(0, SCHEDULES, A_SERVER):  # each fork stays open in its server
        folder = tmp_path / str(start)
        folder.mkdir()
        with running_sqld(folder, namespaces=True) as sqld, ThreadPoolExecutor(AT_ONCE) as pool:
            bench = Bench(sqld, folder)
            assert [story.can_succeed for story in bench.stories] == [True, True, True, False, True]
            list(pool.map(bench.run, seeds[start : start + A_SERVER], repeat(tally)))
    table = f"seeds {FIRST_SEED} to {FIRST_SEED + SCHEDULES - 1}\n{tally.table()}"
    with capsys.disabled():
        if "FAULT_SCHEDULES" in os.environ:
            print(f"\n{table}")
    assert tally.schedules.total() == SCHEDULES
    assert not tally.problems, table
