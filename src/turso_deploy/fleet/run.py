"""Run a command for a fleet: wave after wave, within a failure budget, with a second try for failures that may pass."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from turso_deploy.core.errors import ErrorCode
from turso_deploy.core.signals import deferring_signals, signals_received
from turso_deploy.fleet.order import CANARY, Wave
from turso_deploy.fleet.parallel import Parallel
from turso_deploy.fleet.stopping import Stop, WritePermit
from turso_deploy.fleet.workers import Workers
from turso_deploy.fleet_sources.target import Target
from turso_deploy.report.document import Report
from turso_deploy.report.fleet_lines import DatabaseResult, State

PASSING = frozenset(
    {
        ErrorCode.TIMEOUT,
        ErrorCode.UNREACHABLE,
        ErrorCode.DATABASE_BUSY,
        ErrorCode.DATABASE_NOT_FOUND,
        ErrorCode.RATE_LIMITED,
        ErrorCode.SERVER_ERROR,
        ErrorCode.UNEXPECTED_REPLY,
        ErrorCode.STALE_PLAN,
    }
)
"""Errors that may pass: the databases are listed, so a server that does not find one, or does not answer, may later."""

FAILURES = (State.FAILED, State.BLOCKED, State.UNKNOWN)
"""States that count against the failure budget."""

_POLL = 0.1
"""Seconds between two looks at the signals."""
_GRACE = 0.6
"""Seconds that tasks get to end by themselves after a signal."""


class Task(NamedTuple):
    """One try at one database."""

    target: Target
    permit: WritePermit
    wave: str
    attempt: int


class Done(NamedTuple):
    """What a task found out. `overloaded` is True if a server answered that there are too many requests."""

    result: DatabaseResult
    report: Report | None = None
    overloaded: bool = False


class Listener:
    """Receiver of what happens in a run; each method is called in the thread of `FleetRun.run`."""

    def add(self, done: Done) -> None:
        """Handle the final result of a database."""

    def wave_ended(self, wave: Wave, duration: float) -> None:
        """Handle the end of a wave, which took `duration` seconds."""

    def tick(self, running: int) -> None:
        """Handle that some time has passed; `running` databases are under way."""


class FleetRun:
    """The run of one command for the waves of a fleet.

    `work` does one task and raises nothing. More than `budget` failures end the run, and each failure in the canary;
    None for a run that changes nothing, which looks at every database. `shown` returns the name of a database as it is
    reported. `stopped_by` is the reason for which databases were not reached, and `retried` the number of second tries.
    """

    def __init__(
        self,
        waves: Sequence[Wave],
        work: Callable[[Task], Done],
        listener: Listener,
        *,
        parallel: Parallel,
        budget: int | None,
        stop: Stop,
        shown: Callable[[str], str] = str,
    ) -> None:
        self._waves = waves
        self._workers = Workers[Task, Done](work)
        self._listener = listener
        self._parallel = parallel
        self._budget = budget
        self._stop = stop
        self._shown = shown
        self._under_way: dict[str, Task] = {}
        self._failures = 0
        self.stopped_by: str | None = None
        self.retried = 0

    def run(self) -> None:
        """Run all waves. A signal ends the run once what is being written has an outcome; a second one ends it then."""
        with deferring_signals():
            for wave in self._waves:
                begun = time.monotonic()
                left = self._run_wave(wave) if not self.stopped_by else wave.targets
                for target in left:
                    name = self._shown(target.name)
                    self._listener.add(Done(DatabaseResult(name, State.NOT_REACHED, wave.name, attempts=0)))
                if len(left) < len(wave.targets):
                    self._listener.wave_ended(wave, time.monotonic() - begun)
        self._workers.close()

    def _run_wave(self, wave: Wave) -> Sequence[Target]:
        """Run one wave, and return the databases that were not reached."""
        waiting = deque((target, 1) for target in wave.targets)
        postponed: list[tuple[Target, Done]] = []
        passing = 0  # in a row: a server that is down would postpone the whole wave
        while waiting or postponed or self._under_way:
            self._look_at_signals()
            if (not waiting and not self._under_way) or (passing >= 2 * self._parallel.now and not self._under_way):
                waiting.extendleft((target, 2) for target, _ in reversed(postponed))
                self.retried += len(postponed)
                postponed, passing = [], 0
            may_begin = self.stopped_by is None and passing < 2 * self._parallel.now
            while may_begin and waiting and len(self._under_way) < self._parallel.now:
                target, attempt = waiting.popleft()
                task = Task(target, WritePermit(self._stop), wave.name, attempt)
                self._under_way[target.name] = task
                self._workers.begin(task)
            if self.stopped_by and not self._under_way:
                break
            if self.stopped_by == "signal":
                self._end_tasks()
                continue
            if (found := self._workers.next_done(_POLL)) is None:
                self._listener.tick(len(self._under_way))
                continue
            task, done = found
            del self._under_way[task.target.name]
            self._parallel.add_result(overloaded=done.overloaded)
            if task.attempt == 1 and may_pass(done.result):
                passing += 1
                postponed.append((task.target, done))
            else:
                passing = 0
                self._finish(done, wave)
            self._listener.tick(len(self._under_way))
        for _, done in postponed:  # there is no second try any more
            self._finish(done, wave)
        return [target for target, _ in waiting]

    def _finish(self, done: Done, wave: Wave) -> None:
        """Add a final result, and end the run if it is one failure too many."""
        self._listener.add(done)
        if done.result.state not in FAILURES or self._budget is None:
            return
        self._failures += 1
        if wave.name == CANARY:
            self.stopped_by = self.stopped_by or CANARY
        elif self._failures > self._budget:
            self.stopped_by = self.stopped_by or "failure budget"

    def _look_at_signals(self) -> None:
        if signals_received() and self.stopped_by != "signal":
            self.stopped_by = "signal"
            self._stop.set()

    def _end_tasks(self) -> None:
        """Wait for the tasks under way. Leave those that do not write behind, and after a second signal all."""
        deadline = time.monotonic() + _GRACE
        received = signals_received()
        while self._under_way:
            if (found := self._workers.next_done(_POLL / 2)) is not None:
                task, done = found
                if self._under_way.pop(task.target.name, None):
                    self._listener.add(done)
            is_hurried = signals_received() > max(received, 1)
            if time.monotonic() < deadline and not is_hurried:
                continue
            for task in list(self._under_way.values()):
                if not task.permit.is_used or is_hurried:
                    del self._under_way[task.target.name]
                    self._listener.add(Done(self._left_behind(task)))

    def _left_behind(self, task: Task) -> DatabaseResult:
        """Return the result of a task that is left behind: what it has sent may still be committed."""
        if not task.permit.is_used:
            return DatabaseResult(
                self._shown(task.target.name), State.STOPPED, task.wave, ErrorCode.STOPPED, attempts=task.attempt
            )
        return DatabaseResult(
            self._shown(task.target.name),
            State.UNKNOWN,
            task.wave,
            ErrorCode.OUTCOME_UNKNOWN,
            message="A second signal ended the wait for the server's reply.",
            hint="Run it again: nothing is done twice.",
            committed=None,
            attempts=task.attempt,
        )


def may_pass(result: DatabaseResult) -> bool:
    """Return True for a failure that may pass and that surely changed nothing."""
    return result.state is State.FAILED and result.committed is False and result.code in PASSING
