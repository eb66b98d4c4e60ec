"""Limits of a process that is running already: the size of its files, its memory. No root is needed to set them.

A soft limit may be moved below the hard one and back: https://man7.org/linux/man-pages/man2/getrlimit.2.html.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def limited(process_id: int, kind: int, to: int) -> Iterator[None]:
    """Inside, the process may have no more of this kind (`resource.RLIMIT_FSIZE`: bytes of each file) than that."""
    soft, hard = resource.prlimit(process_id, kind)
    resource.prlimit(process_id, kind, (to, hard))
    try:
        yield
    finally:
        if Path(f"/proc/{process_id}").exists():
            resource.prlimit(process_id, kind, (soft, hard))


def bytes_of_data(process_id: int) -> int:
    """What RLIMIT_DATA counts of the process: its heap and all other memory that it may write."""
    status = Path(f"/proc/{process_id}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData:"))


def until_it_works_for(process_id: int, seconds: float) -> None:
    """Wait until the process has used this much more of the processor: then it is in the middle of its work."""
    begun = _processor_seconds(process_id)
    while _processor_seconds(process_id) < begun + seconds:
        time.sleep(0.01)


def _processor_seconds(process_id: int) -> float:
    """User and system time: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html."""
    fields = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
