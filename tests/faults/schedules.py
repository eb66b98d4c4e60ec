"""Deployments under random faults: which story, which faults, what was reported, and what the database then held."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.faults.proxy import Fault, Proxy, everything, running_proxy
from tests.faults.states import damage, state
from tests.projects import SMALL, project_of
from tests.sqld import Sqld
from tests.tally import count
from tests.targets import NOWHERE, Target
from turso_deploy import deploy as story
from turso_deploy.database.hrana import HranaDatabase
from turso_deploy.report.document import Report, Status
from turso_deploy.schema.hazards import HazardName, Permission
from turso_deploy.schema.project import Project

TIMEOUT = 1.0
DELAY = 1.3
MOST_FAULTS = 8
_PERMISSIONS = tuple(Permission(name, None) for name in HazardName)
_BOOKS = "".join(f'{{"id": "b{number}", "title": "Book {number}", "author": 1}}\n' for number in range(1, 501))


@dataclass(frozen=True)
class Story:
    """A deployment: the database that it starts from, what the database holds before and after, and the project.

    One that cannot succeed has the same before and after.
    """

    name: str
    project: Project
    namespace: str
    before: Any
    after: Any

    @property
    def can_succeed(self) -> bool:
        return bool(self.before != self.after)


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
        first = project_of(folder / "first", books=_BOOKS, manifest="schema_version: 1.0.0\n")
        deployed = self._create("deployed", first)
        tables = SMALL["tables.sql"].replace(
            "title TEXT NOT NULL,", "title TEXT NOT NULL CHECK (title <> ''),\n  year,"
        )
        projects = {
            "a new database": (self._create("empty"), project_of(folder / "new")),
            "a table made anew, and seeds": (
                deployed,
                project_of(folder / "anew", tables=tables, books=_BOOKS.replace("Book", "Volume"), manifest=""),
            ),
            "seeds only": (
                deployed,
                project_of(
                    folder / "seeds", books=_BOOKS.replace("Book", "Volume"), manifest="schema_version: 1.0.0\n"
                ),
            ),
            "a check that does not hold": (
                deployed,
                project_of(folder / "wrong", tables=tables, manifest='rows: {authors: ">=200"}\n'),
            ),
        }
        self.stories = [self._story(name, *start) for name, start in projects.items()]

    def run(self, seed: int, tally: Tally) -> None:
        """One schedule, which follows from its seed: the story, and the fault of each of the first requests."""
        choice = random.Random(seed)
        chosen = choice.choice(self.stories)
        kinds = everything()
        # A delay takes as long as the time-out, so it comes less often than the others.
        weights = [1 if fault is Fault.DELAYED else 4 for fault in kinds]
        count = choice.randint(1, MOST_FAULTS)
        calm = choice.random()
        faults = [Fault.NONE if choice.random() < calm else choice.choices(kinds, weights)[0] for _ in range(count)]
        with running_proxy(self._sqld.url, self._fork(chosen.namespace), DELAY) as proxy:
            proxy.plan(faults)
            proxy.late = choice.uniform(0, 1.5 * TIMEOUT)
            report = self._deploy(chosen.project, proxy.url, TIMEOUT)
            was_answered = proxy.answered_in is not None and proxy.answered_in < TIMEOUT
            proxy.calm()
            tally.faults.update(proxy.happened)
            found = self._state(proxy)
            problems = _contradictions(report, found, chosen)
            if report.committed is None and was_answered:
                problems.append(f"unknown, although the server answered in the end: {report.error}")
            problems += damage(Target(proxy.url, proxy.url, self._sqld.token()))
            again = self._deploy(chosen.project, proxy.url, 30)
            expected = {Status.DEPLOYED, Status.UNCHANGED} if chosen.can_succeed else {Status.FAILED}
            if again.status not in expected or self._state(proxy) != chosen.after:
                problems.append(f"run again it ended as {again.status}: {again.error}")
        tally.schedules[chosen.name] += 1
        is_after = "after" if chosen.can_succeed and found == chosen.after else "before"
        tally.found[f"{report.status}, committed: {report.committed}; the state is that {is_after}"] += 1
        planned = ", ".join(faults)
        tally.problems += [f"seed {seed} ({chosen.name}; {planned}): {problem}" for problem in problems]

    def _create(self, name: str, project: Project | None = None) -> str:
        url = f"{self._sqld.admin_url}/v1/namespaces/{name}/create"
        requests.post(url, json={}, timeout=30).raise_for_status()
        if project:
            with running_proxy(self._sqld.url, f"{name}.localhost") as proxy:
                report = self._deploy(project, proxy.url, 30)
                assert report.status is Status.DEPLOYED, report.error
        return name

    def _fork(self, namespace: str) -> str:
        name = f"fork{next(self._numbers)}"
        url = f"{self._sqld.admin_url}/v1/namespaces/{namespace}/fork/{name}"
        requests.post(url, json={}, timeout=30).raise_for_status()
        return f"{name}.localhost"

    def _story(self, name: str, namespace: str, project: Project) -> Story:
        with running_proxy(self._sqld.url, self._fork(namespace)) as proxy:
            before = self._state(proxy)
            self._deploy(project, proxy.url, 30)
            return Story(name, project, namespace, before, self._state(proxy))

    def _deploy(self, project: Project, url: str, timeout: float) -> Report:
        database = HranaDatabase(url, self._sqld.token(), timeout)
        try:
            return story.deploy(project, database, NOWHERE, _PERMISSIONS)
        finally:
            database.close()

    def _state(self, proxy: Proxy) -> Any:
        return state(Target(proxy.url, proxy.url, self._sqld.token()))


def _contradictions(report: Report, found: Any, chosen: Story) -> list[str]:
    """Where the report and the database disagree."""
    said = f"{report.status}, committed: {report.committed}, exit {report.exit_code}, {report.error}"
    if found not in (chosen.before, chosen.after):
        return [f"a state that is neither before nor after; {said}"]
    if not chosen.can_succeed:
        return [] if report.status is Status.FAILED and report.exit_code == 1 else [f"it cannot succeed; {said}"]
    is_after = found == chosen.after
    match report.status, report.committed:
        case Status.DEPLOYED, True:
            true = is_after and report.exit_code == 0
        case Status.FAILED, False:
            true = not is_after and report.exit_code == 1
        case Status.FAILED, None:
            true = report.exit_code == 1
        case _:
            true = False
    return [] if true else [f"{'after' if is_after else 'before'} is found; {said}"]
