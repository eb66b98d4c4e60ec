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
from tests.support.sqld import running_sqld

SCHEDULES = int(os.environ.get("FAULT_SCHEDULES", "60"))
FIRST_SEED = int(os.environ.get("FAULT_SEED", "20260101"))
AT_ONCE = 8
A_SERVER = 60  # each fork stays open in its server


@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + SCHEDULES, A_SERVER))
def test_no_schedule_of_faults_loses_or_hides_anything(tmp_path: Path, first: int) -> None:
    tally = Tally()
    seeds = range(first, min(first + A_SERVER, FIRST_SEED + SCHEDULES))
    with running_sqld(tmp_path, namespaces=True) as sqld, ThreadPoolExecutor(AT_ONCE) as pool:
        bench = Bench(sqld, tmp_path)
        assert [story.can_succeed for story in bench.stories] == [not story.start.stopped for story in bench.stories]
        list(pool.map(bench.run, seeds, repeat(tally)))
    tally.save()
    assert tally.schedules.total() == len(seeds)
    assert not tally.problems, f"seeds {seeds}\n{tally.table()}"
