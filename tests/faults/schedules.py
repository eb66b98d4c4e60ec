"""Deployments under random faults: which story, which faults, what was reported, and what the database then held."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.between import is_reached, rows_between
from tests.faults.proxy import Fault, Proxy, everything, running_proxy
from tests.faults.starts import Start, starts
from tests.faults.states import damage, state
from tests.support.counters import count
from tests.support.databases import DatabaseUnderTest, quick_retries
from tests.support.sqld import Sqld, send
from turso_deploy.database.hrana import HranaDatabase
from turso_deploy.database.interface import REQUEST_SIZE
from turso_deploy.deploy.deploy import deploy
from turso_deploy.report.document import Report, Status

TIMEOUT = 1.0
DELAY = 1.3
MOST_FAULTS = 8
EXIT_CODES = {Status.FAILED: 1, Status.BLOCKED: 5}


@dataclass(frozen=True)
class Story:
    """A deployment: its start, the namespace of that, and what the database holds before and after.

    One that cannot succeed has the same before and after.
    """

    name: str
    start: Start
    namespace: str
    before: Any
    after: Any

    @property
    def request_size(self) -> int:
        return self.start.request_size

    @property
    def can_succeed(self) -> bool:
        return bool(self.before != self.after)

    @property
    def end(self) -> str:
        """The state that it leads to when nothing disturbs it."""
        return "after" if self.can_succeed else "before"

    @property
    def is_in_chunks(self) -> bool:
        return self.start.request_size != REQUEST_SIZE

    def found(self, state: Any) -> str | None:
        """Which of the states that may be the database is in; None for any other."""
        if state == self.before:
            return "before"
        if state == self.after or (self.is_in_chunks and is_reached(state, self.after)):
            return "after"
        return "between" if self.is_in_chunks and rows_between(state, self.after) is not None else None


@dataclass
class Tally:
    """What a run of schedules found, and what contradicts the promise."""

    schedules: Counter[str] = field(default_factory=Counter)
    faults: Counter[Fault] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def save(self) -> None:
        """Add the figures to those of the whole run of tests."""
        for section, counter in (
            ("schedules of faults", self.schedules),
            ("requests by what befell them", self.faults),
            ("reported, and the state that was found", self.found),
        ):
            for what, number in counter.items():
                count(section, str(what), number)

    def table(self) -> str:
        """The figures, for people."""
        parts = (("schedules", self.schedules), ("faults", self.faults), ("reported, and found", self.found))
        lines = [
            line
            for title, counter in parts
            for line in (f"{title}: {counter.total()}", *(f"  {count:6}  {name}" for name, count in counter.items()))
        ]
        return "\n".join([*lines, f"contradictions: {len(self.problems)}", *self.problems])


class Bench:
    """A server with a namespace for each story, forked anew for each schedule."""

    def __init__(self, sqld: Sqld, folder: Path) -> None:
        self._sqld = sqld
        self._numbers = itertools.count()
        self.stories = []
        namespaces: dict[str, str] = {}
        for number, (name, start) in enumerate(starts(folder).items()):
            key = str((start.first and id(start.first), start.live))
            if key not in namespaces:
                namespaces[key] = self._create(f"start{number}", start)
            self.stories.append(self._story(name, start, namespaces[key]))

    def run(self, seed: int, tally: Tally) -> None:
        """One schedule, which follows from its seed: the story, and the fault of each of the first requests."""
        choice = random.Random(seed)
        chosen = choice.choice(self.stories)
        kinds = everything()
        # Some take as long as the time-out, and come less often than the others.
        weights = [1 if fault in (Fault.DELAYED, Fault.DRIPPED) else 4 for fault in kinds]
        count = choice.randint(1, MOST_FAULTS * (3 if chosen.is_in_chunks else 1))
        undisturbed = [Fault.NONE] * (choice.randint(0, MOST_FAULTS) if chosen.is_in_chunks else 0)
        calm = choice.random()
        faults = [Fault.NONE if choice.random() < calm else choice.choices(kinds, weights)[0] for _ in range(count)]
        with running_proxy(self._sqld.url, self._fork(chosen.namespace), DELAY) as proxy:
            proxy.plan([*undisturbed, *faults])
            proxy.late = choice.uniform(0, 1.5 * TIMEOUT)
            report = self._deploy(chosen.start, proxy.url, TIMEOUT)
            was_answered = proxy.answered_in is not None and proxy.answered_in < TIMEOUT
            proxy.calm()
            tally.faults.update(proxy.happened)
            state_found = self._state(proxy, chosen.start)
            problems = _contradictions(report, state_found, chosen)
            if report.committed is None and was_answered:
                problems.append(f"unknown, although the server answered in the end: {report.error}")
            problems += damage(self._target(proxy))
            again = self._deploy(chosen.start, proxy.url, 30)
            expected = {Status.DEPLOYED, Status.UNCHANGED} if chosen.can_succeed else {chosen.start.stopped}
            if again.status not in expected or chosen.found(self._state(proxy, chosen.start)) != chosen.end:
                problems.append(f"run again it ended as {again.status}: {again.error}")
        tally.schedules[chosen.name] += 1
        found = chosen.found(state_found)
        tally.found[f"{report.status}, committed: {report.committed}; the state is that {found}"] += 1
        planned = ", ".join(faults)
        tally.problems += [f"seed {seed} ({chosen.name}; {planned}): {problem}" for problem in problems]

    def _create(self, name: str, start: Start) -> str:
        url = f"{self._sqld.admin_url}/v1/namespaces/{name}/create"
        send("POST", url, {})
        with running_proxy(self._sqld.url, f"{name}.localhost") as proxy:
            if start.first:
                report = self._deploy(Start(start.first), proxy.url, 30)
                assert report.status is Status.DEPLOYED, report.error
            if start.live:
                self._target(proxy).run(*start.live)
        return name

    def _fork(self, namespace: str) -> str:
        name = f"fork{next(self._numbers)}"
        url = f"{self._sqld.admin_url}/v1/namespaces/{namespace}/fork/{name}"
        send("POST", url, {})
        return f"{name}.localhost"

    def _story(self, name: str, start: Start, namespace: str) -> Story:
        with running_proxy(self._sqld.url, self._fork(namespace)) as proxy:
            before = self._state(proxy, start)
            report = self._deploy(start, proxy.url, 30)
            assert report.status is (start.stopped or Status.DEPLOYED), (name, report.error)
            return Story(name, start, namespace, before, self._state(proxy, start))

    def _deploy(self, start: Start, url: str, timeout: float) -> Report:
        database = HranaDatabase(
            url, self._sqld.token(), timeout, request_size=start.request_size, retry_budget=quick_retries(timeout)
        )
        try:
            return deploy(start.project, database, allow_hazards=start.approvals)
        finally:
            database.close()

    def _target(self, proxy: Proxy) -> DatabaseUnderTest:
        return DatabaseUnderTest(proxy.url, proxy.url, self._sqld.token())

    def _state(self, proxy: Proxy, start: Start) -> Any:
        """What the database holds; how often its catalog changed is part of it unless that depends on the chunks."""
        found = state(self._target(proxy))
        return found if start.request_size == REQUEST_SIZE else found | {"schema_version": None}


def _contradictions(report: Report, state_found: Any, chosen: Story) -> list[str]:
    """Where the report and the database disagree."""
    said = f"{report.status}, committed: {report.committed}, exit {report.exit_code}, {report.chunks}, {report.error}"
    found = chosen.found(state_found)
    if found is None:
        return [f"a state that none may see; {said}"]
    if not chosen.can_succeed:
        stopped = (chosen.start.stopped, EXIT_CODES[chosen.start.stopped]) if chosen.start.stopped else None
        is_stopped = (report.status, report.exit_code) in (stopped, (Status.FAILED, 1))
        return [] if is_stopped and not report.committed else [f"it cannot succeed; {said}"]
    match report.status, report.committed:
        case Status.DEPLOYED, True:
            true = found == "after" and report.exit_code == 0
        case Status.FAILED, True:
            rows = rows_between(state_found, chosen.after)
            true = (
                found == "between"
                and report.exit_code == 1
                and bool(report.chunks and report.chunks.sent) == bool(rows)
            )
        case Status.FAILED, False:
            true = found == "before" and report.exit_code == 1
        case Status.FAILED, None:
            true = report.exit_code == 1
        case _:
            true = False
    return [] if true else [f"the state is that {found}; {said}"]
