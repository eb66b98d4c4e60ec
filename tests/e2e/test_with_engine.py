"""What `with-engine` leaves of an engine that it started: nothing on the network, no process, no mount and no file."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.engine import MINUTES, ROOT

pytestmark = [
    pytest.mark.container,
    pytest.mark.skipif(os.geteuid() != 0, reason="a network and an engine of its own take root"),
]

SCRIPT = """\
state() { ip -o link | cut -d: -f2; iptables-save | grep -v ^#; grep "$TMPDIR" /proc/mounts; ls "$TMPDIR"; }
ip link set lo up
state > before || true
"$0" sh -c 'docker version >/dev/null && echo the engine answers; exit 7' > during || echo "exit $?" >> during
state > after || true
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: that of a socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


def run_with_engine(folder: Path, temporary: Path) -> tuple[str, str, str]:
    """Return what there is before, during and after a run in a network of its own, with temporary files elsewhere."""
    temporary.mkdir()
    # No engine is at this address, so that one is started even if another one answers elsewhere.
    own = {"DOCKER_HOST": f"unix://{folder}/none.sock", "TMPDIR": str(temporary)}
    command = ["unshare", "--net", "sh", "-euc", SCRIPT, str(ROOT / "tests/container/with-engine")]
    subprocess.run(command, cwd=folder, env=os.environ | own, check=True, timeout=5 * MINUTES)
    running = subprocess.run(["pgrep", "--full", str(temporary)], capture_output=True, text=True)
    assert running.stdout == ""
    before, during, after = ((folder / name).read_text() for name in ("before", "during", "after"))
    assert "lo" in before.split()
    return before, during, after


def test_engine_leaves_no_link_no_rule_no_process_and_no_file(folder: Path) -> None:
    before, during, after = run_with_engine(folder, folder / "t")
    assert during == "the engine answers\nexit 7\n"
    assert after == before


def test_engine_that_does_not_start_leaves_nothing_either(folder: Path) -> None:
    before, during, after = run_with_engine(folder, folder / ("long" * 12))
    assert during == "exit 1\n"
    assert after == before
