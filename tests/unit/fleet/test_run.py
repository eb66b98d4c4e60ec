from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turso_deploy.core.errors import ErrorCode
from turso_deploy.core.signals import StoppedError
from turso_deploy.fleet.order import Wave
from turso_deploy.fleet.parallel import Parallel
from turso_deploy.fleet.run import Done, FleetRun, Listener, Task
from turso_deploy.fleet.stopping import Stop, WritePermit
from turso_deploy.fleet_sources.target import Target
from turso_deploy.report.fleet_lines import DatabaseResult, State


class Recorder(Listener):
    def __init__(self) -> None:
        self.results: list[DatabaseResult] = []
        self.waves: list[str] = []

    def add(self, done: Done) -> None:
        self.results.append(done.result)

    def wave_ended(self, wave: Wave, duration: float) -> None:
        self.waves.append(wave.name)

    def by_name(self) -> dict[str, State]:
        return {result.name: result.state for result in self.results}


def waves_of(**sizes: int) -> list[Wave]:
    return [
        Wave(name, tuple(Target(f"{name}-{number}", "https://x", lambda: None) for number in range(size)))
        for name, size in sizes.items()
    ]


def run(
    waves: list[Wave], work: Callable[[Task], DatabaseResult], budget: int | None = 0, parallel: int = 4
) -> tuple[Recorder, FleetRun]:
    recorder = Recorder()
    fleet = FleetRun(
        waves, lambda task: Done(work(task)), recorder, parallel=Parallel(parallel), budget=budget, stop=Stop()
    )
    fleet.run()
    return recorder, fleet


def deployed(task: Task) -> DatabaseResult:
    return DatabaseResult(task.target.name, State.DEPLOYED, task.wave, committed=True)


def failing(task: Task, code: ErrorCode = ErrorCode.CHECK_FAILED, state: State = State.FAILED) -> DatabaseResult:
    return DatabaseResult(task.target.name, state, task.wave, code, committed=False, attempts=task.attempt)


def test_canary_that_fails_ends_the_run_before_any_other_database() -> None:
    recorder, fleet = run(
        waves_of(canary=2, rest=5), lambda task: failing(task) if task.target.name == "canary-1" else deployed(task)
    )
    assert fleet.stopped_by == "canary"
    assert Counter(recorder.by_name().values()) == {State.DEPLOYED: 1, State.FAILED: 1, State.NOT_REACHED: 5}
    assert recorder.waves == ["canary"]


def test_canary_has_to_succeed_whatever_the_budget_is() -> None:
    _, fleet = run(waves_of(canary=1, rest=5), failing, budget=100)
    assert fleet.stopped_by == "canary"


@pytest.mark.parametrize("state", [State.FAILED, State.BLOCKED, State.UNKNOWN])
def test_failures_beyond_the_budget_end_the_run_after_what_is_under_way(state: State) -> None:
    recorder, fleet = run(waves_of(rest=50), lambda task: failing(task, state=state), budget=3, parallel=4)
    states = Counter(recorder.by_name().values())
    assert fleet.stopped_by == "failure budget"
    assert 4 <= states[state] <= 3 + 1 + 4
    assert states[state] + states[State.NOT_REACHED] == 50


def test_failures_within_the_budget_do_not_end_the_run() -> None:
    recorder, fleet = run(
        waves_of(rest=50), lambda task: failing(task) if task.target.name.endswith("-7") else deployed(task), budget=1
    )
    assert fleet.stopped_by is None
    assert Counter(recorder.by_name().values()) == {State.DEPLOYED: 49, State.FAILED: 1}


def test_run_that_changes_nothing_looks_at_every_database() -> None:
    recorder, fleet = run(waves_of(canary=3, all=10), failing, budget=None)
    assert fleet.stopped_by is None
    assert Counter(recorder.by_name().values()) == {State.FAILED: 13}


def test_failure_that_may_pass_gets_a_second_try_at_the_end_of_its_wave() -> None:
    order: list[str] = []

    def work(task: Task) -> DatabaseResult:
        order.append(task.target.name)
        is_first = task.target.name == "rest-0" and task.attempt == 1
        return failing(task, ErrorCode.DATABASE_NOT_FOUND) if is_first else deployed(task)

    recorder, fleet = run(waves_of(rest=20), work, parallel=1)
    assert (order[0], order[-1], len(order), fleet.retried) == ("rest-0", "rest-0", 21, 1)
    assert set(recorder.by_name().values()) == {State.DEPLOYED}


def test_second_failure_counts_against_the_budget() -> None:
    recorder, fleet = run(waves_of(canary=1, rest=5), lambda task: failing(task, ErrorCode.TIMEOUT))
    assert fleet.stopped_by == "canary"
    assert recorder.results[0].attempts == 2


def test_failure_whose_outcome_is_unknown_gets_no_second_try() -> None:
    def work(task: Task) -> DatabaseResult:
        assert task.attempt == 1
        return DatabaseResult(task.target.name, State.UNKNOWN, task.wave, ErrorCode.OUTCOME_UNKNOWN, committed=None)

    recorder, fleet = run(waves_of(rest=1), work)
    assert (recorder.by_name(), fleet.retried) == ({"rest-0": State.UNKNOWN}, 0)


def test_server_that_is_down_ends_the_run_after_a_few_databases() -> None:
    tried = Counter[str]()

    def work(task: Task) -> DatabaseResult:
        tried[task.target.name] += 1
        return failing(task, ErrorCode.UNREACHABLE)

    recorder, fleet = run(waves_of(rest=1000), work, parallel=4)
    assert fleet.stopped_by == "failure budget"
    assert len(tried) <= 20
    assert len(recorder.by_name()) == len(recorder.results) == 1000
    assert State.STOPPED not in recorder.by_name().values()


def test_postponed_database_is_a_failure_if_the_run_ends_before_its_second_try() -> None:
    def work(task: Task) -> DatabaseResult:
        return failing(task, ErrorCode.TIMEOUT if task.target.name == "rest-0" else ErrorCode.CHECK_FAILED)

    recorder, _ = run(waves_of(rest=20), work, parallel=1)
    assert recorder.by_name()["rest-0"] is State.FAILED


def test_no_more_databases_are_under_way_than_allowed() -> None:
    lock, now, most = threading.Lock(), 0, 0

    def work(task: Task) -> DatabaseResult:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1
        return deployed(task)

    run(waves_of(rest=40), work, parallel=5)
    assert most == 5


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.sampled_from(["deployed", "blocked", "failed", "passes", "timeout"]), max_size=40),
    st.integers(0, 5),
    st.integers(1, 6),
)
def test_every_database_has_one_result_and_the_budget_holds(kinds: list[str], budget: int, parallel: int) -> None:
    def work(task: Task) -> DatabaseResult:
        kind = kinds[int(task.target.name.rpartition("-")[2])]
        if kind == "deployed" or (kind == "passes" and task.attempt == 2):
            return deployed(task)
        if kind in ("passes", "timeout"):
            return failing(task, ErrorCode.TIMEOUT)
        return failing(task, state=State(kind))

    recorder, fleet = run(waves_of(rest=len(kinds)), work, budget=budget, parallel=parallel)
    states = Counter(recorder.by_name().values())
    assert len(recorder.results) == len(recorder.by_name()) == len(kinds)
    failures = states[State.FAILED] + states[State.BLOCKED]
    assert (fleet.stopped_by is not None) is (failures > budget)
    assert bool(states[State.NOT_REACHED]) <= (fleet.stopped_by is not None)


def test_parallel_is_halved_while_servers_are_overloaded_and_recovers() -> None:
    now = 0.0
    parallel = Parallel(16, lambda: now)
    parallel.add_result(overloaded=True)
    parallel.add_result(overloaded=True)
    assert parallel.now == 8
    now = 2.0
    parallel.add_result(overloaded=True)
    assert parallel.now == parallel.lowest == 4
    for _ in range(4):
        parallel.add_result(overloaded=False)
    assert parallel.now == 5
    for _ in range(1000):
        parallel.add_result(overloaded=False)
    assert parallel.now == 16


def test_parallel_never_falls_below_one() -> None:
    now = 0.0
    parallel = Parallel(2, lambda: now)
    for _ in range(5):
        now += 2
        parallel.add_result(overloaded=True)
    assert parallel.now == 1


def test_sleeping_retry_is_woken_when_the_run_ends() -> None:
    stop, woken = Stop(), threading.Event()

    def sleep() -> None:
        with pytest.raises(StoppedError):
            stop.sleep(60)
        woken.set()

    threading.Thread(target=sleep, daemon=True).start()
    stop.set()
    assert woken.wait(5)


def test_task_begins_no_write_after_the_end_of_the_run_and_ends_the_one_that_it_began() -> None:
    stop = Stop()
    writing, reading = WritePermit(stop), WritePermit(stop)
    writing.take()
    stop.set()
    writing.take()
    with pytest.raises(StoppedError):
        reading.take()
    assert (writing.is_used, reading.is_used) == (True, False)
