"""Every benchmark, as one table: `make bench`, or `python -m benchmarks plan` for one chapter."""

from __future__ import annotations

import compileall
import sys
from pathlib import Path

import turso_deploy
from benchmarks import fleet, latency, peers, planning, rebuild, replies, seeds, start
from benchmarks.table import HEADER, markdown

CHAPTERS = {
    "start": start.measure,
    "plan": planning.measure,
    "rebuild": rebuild.measure,
    "seeds": seeds.measure,
    "latency": latency.measure,
    "replies": replies.measure,
    "fleet": fleet.measure,
}


def main(names: list[str]) -> int:
    """Measure the named chapters, or all; 1 where a target is missed."""
    peers.install()
    # As it is when it was installed: not every environment lets Python write byte-code by itself.
    compileall.compile_dir(str(Path(turso_deploy.__file__).parent), quiet=1)
    print(markdown(HEADER))
    print(markdown(("---",) * len(HEADER)), flush=True)
    missed = 0
    for name in names or list(CHAPTERS):
        for row in CHAPTERS[name]():
            print(markdown(row.cells()), flush=True)
            missed += row.holds is False
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
