"""Seeds over the rows of an application that writes at any moment: random editions, and what must hold after each.

The texts and numbers that the application writes are its own, so whoever wrote a value last can be read from the row.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.proxy import Fault, Proxy, everything
from tests.faults.states import damage
from tests.support.counters import count
from tests.support.databases import DatabaseUnderTest, InterceptedDatabase
from tests.support.schema_folders import write_folder
from turso_deploy.deploy.deploy import deploy
from turso_deploy.plan.hazards import Approval, HazardName
from turso_deploy.project.loader import load_project
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report, SeedLine, Status

CHUNK = 16_000
TIMEOUT = 1.0
OVERWRITE = (Approval(HazardName.OVERWRITE_ROWS),)
POLICIES = ("compare", "approved", "update", "keep")
_SLOTS_OF_THE_APPLICATION = 1_000_000
_TABLE = """\
CREATE TABLE courses (
  id {key}, name TEXT NOT NULL{check}, slot INTEGER{null} UNIQUE, touched TEXT
);
"""
_KEYS = ("INTEGER PRIMARY KEY", "TEXT PRIMARY KEY NOT NULL")

Row = tuple[str, int]
"""What the file gives of a row beside its key: name and slot."""


@dataclass
class Application:
    """What the application wrote: the last name and the last `touched` of each row, and the rows that it deleted."""

    names: dict[str, str] = field(default_factory=dict)
    touched: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    number: int = 0

    def write(self, target: DatabaseUnderTest, keys: list[str], choice: random.Random) -> None:
        """Edit, insert, touch or delete one row."""
        self.number += 1
        key, value = choice.choice(keys), f"application {self.number}"
        is_there = bool(target.value(f"SELECT count(*) FROM courses WHERE id = '{key}'"))
        kind = choice.choice(["name", "name", "slot", "touch", "delete"] if is_there else ["insert"])
        slot = _SLOTS_OF_THE_APPLICATION + self.number
        target.run(
            {
                "name": f"UPDATE courses SET name = '{value}' WHERE id = '{key}'",
                "slot": f"UPDATE courses SET name = '{value}', slot = {slot} WHERE id = '{key}'",
                "touch": f"UPDATE courses SET touched = '{value}' WHERE id = '{key}'",
                "delete": f"DELETE FROM courses WHERE id = '{key}'",
                "insert": f"INSERT INTO courses (id, name, slot) VALUES ('{key}', '{value}', {slot})",
            }[kind]
        )
        count("writes of the application", kind)
        if kind == "touch":
            self.touched[key] = value
        elif kind == "delete":
            self.deleted.add(key)
            self.names.pop(key, None)
            self.touched.pop(key, None)
        else:
            self.names[key] = value


class Editions:
    """The editions of a folder: each edits every row, adds some, takes some out, and exchanges unique values."""

    def __init__(self, folder: Path, choice: random.Random, rows: int, policy: str) -> None:
        self._folder, self._choice, self._policy = folder, choice, policy
        self._numbers = itertools.count(1)
        self._slots = itertools.count(1)
        self._key, self._not_null = choice.choice(_KEYS), choice.random() < 0.5
        self._new_keys = (str(number) for number in itertools.count(101))
        self.rows: dict[str, Row] = {}
        self._size = rows
        self.by_key: dict[str, set[Row]] = {}

    def next(self) -> Project:
        """Write the next edition, and load it."""
        number, choice = next(self._numbers), self._choice
        kept = [key for key in self.rows if choice.random() < 0.95]
        slots = [self.rows[key][1] for key in kept]
        if choice.random() < 0.7:
            exchanged = choice.sample(range(len(kept)), min(len(kept), choice.randint(2, 5)))
            values = [slots[at] for at in exchanged]
            for at, value in zip(exchanged, values[1:] + values[:1], strict=True):
                slots[at] = value
        self.rows = {key: (f"edition {number} of {key}", slot) for key, slot in zip(kept, slots, strict=True)}
        for _ in range(max(3, self._size - len(kept))):
            key = next(self._new_keys)
            self.rows[key] = (f"edition {number} of {key}", next(self._slots))
        for key, row in self.rows.items():
            self.by_key.setdefault(key, set()).add(row)
        check = f" CHECK (name <> '{number}')" if choice.random() < 0.4 else ""
        existing = {"keep": "keep", "update": "update"}.get(self._policy)
        files = {
            "schema.sql": _TABLE.format(key=self._key, null=" NOT NULL" * self._not_null, check=check),
            "seeds/courses.csv": "id,name,slot\n"
            + "".join(f"{key},{name},{slot}\n" for key, (name, slot) in self.rows.items()),
            "manifest.yml": f"schema_version: {number}.0.0\n"
            + (f"seeds: {{courses: {{existing: {existing}}}}}\n" if existing else ""),
        }
        return load_project(write_folder(self._folder / f"edition{number}", files))


def disturbances(choice: random.Random) -> Callable[[Proxy | None], None]:
    """Return what plans the faults of one deployment at its proxy."""
    kinds = [fault for fault in everything() if fault not in (Fault.DELAYED, Fault.DRIPPED, Fault.HELD_BACK)]
    calm = choice.random()
    faults = [Fault.NONE if choice.random() < calm else choice.choice(kinds) for _ in range(12)]

    def plan(proxy: Proxy | None) -> None:
        if proxy:
            proxy.plan(faults)

    return plan


def run(target: DatabaseUnderTest, proxy: Proxy | None, folder: Path, seed: int) -> Iterator[str]:
    """Deploy editions one after the other, and yield what contradicts a promise."""
    choice = random.Random(seed)
    policy = choice.choice(POLICIES)
    in_chunks = choice.random() < 0.5
    approvals = OVERWRITE if policy == "approved" else ()
    editions = Editions(folder, choice, choice.randint(180, 260) if in_chunks else choice.randint(3, 12), policy)
    application = Application()
    first = target.deploy(editions.next())
    if first.status is not Status.DEPLOYED:
        yield f"the first edition: {first.error}"
    is_recorded = choice.random() >= 0.1
    if not is_recorded:
        target.run("ALTER TABLE schema_deployments DROP COLUMN seed_rows")
    target.request_size = CHUNK if in_chunks else target.request_size
    for _ in range(choice.randint(1, 4)):
        for _ in range(choice.randint(0, 3)):
            application.write(target, list(editions.rows), choice)
        yield from _deploy_one(target, proxy, editions, application, choice, approvals, policy)
    yield from _deploy_last(target, editions, policy, is_recorded=is_recorded)


def _deploy_one(
    target: DatabaseUnderTest,
    proxy: Proxy | None,
    editions: Editions,
    application: Application,
    choice: random.Random,
    approvals: tuple[Approval, ...],
    policy: str,
) -> Iterator[str]:
    """Deploy the next edition while the application writes and faults happen."""
    project = editions.next()
    before, written_before = _rows(target), application.number
    history = target.rows("SELECT id FROM schema_deployments")
    activity = choice.choice([0, 0, 0.2, 0.6])
    keys = list(editions.rows)
    if proxy and choice.random() < 0.7:
        disturbances(choice)(proxy)

    def write(_: int) -> None:
        while choice.random() < activity:
            application.write(target, keys, choice)

    opened = target.open(TIMEOUT if proxy else 30)
    with closing(opened):
        report = deploy(
            project, InterceptedDatabase(opened, after_query=write, before_apply=write), allow_hazards=approvals
        )
    if proxy:
        proxy.calm()
    count("editions over live rows", f"{policy}: {report.status}, committed: {report.committed}")
    said = f"{report.status}, committed: {report.committed}, {report.error}"
    after = _rows(target)
    for problem in (
        *damage(target),
        *_contradictions(report, editions, application, before, after, policy),
        *_untouched(report, target, history, before, after, written_before == application.number),
    ):
        yield f"{problem}; {said}"


def _contradictions(
    report: Report,
    editions: Editions,
    application: Application,
    before: Mapping[str, tuple[str, int, str]],
    after: Mapping[str, tuple[str, int, str]],
    policy: str,
) -> Iterator[str]:
    """Yield the rows that are lost, overwritten without approval, or hold what nobody wrote."""
    allowed = policy == "update" or any(
        hazard.name == "overwrite-rows" and hazard.approved for hazard in report.hazards
    )
    for key, (name, slot, touched) in after.items():
        written, row = application.names.get(key), (name, slot)
        if touched != application.touched.get(key):
            yield f"row {key}: touched is {touched}"
        if name == written:
            if slot < _SLOTS_OF_THE_APPLICATION and slot not in {known for _, known in editions.by_key.get(key, ())}:
                yield f"row {key}: a slot that nobody wrote, {slot}"
        elif row not in editions.by_key[key]:
            yield f"row {key} holds what nobody wrote: {row}"
        elif written and not allowed:
            yield f"row {key} was overwritten without approval: {row}"
        elif written:
            del application.names[key]
    lost = before.keys() - after.keys() - application.deleted
    if lost:
        yield f"rows are lost: {sorted(lost)}"
    if report.status in (Status.DEPLOYED, Status.UNCHANGED):
        for key, row in editions.rows.items():
            if key not in after:
                if key not in application.deleted:
                    yield f"seed row {key} is missing"
            elif policy != "keep" and key not in application.names and after[key][:2] != row:
                yield f"seed row {key} is not as the file says: {after[key]}"
    application.deleted -= after.keys()


def _untouched(
    report: Report,
    target: DatabaseUnderTest,
    history: object,
    before: Mapping[str, object],
    after: Mapping[str, object],
    is_alone: bool,
) -> Iterator[str]:
    """Yield what is there although nothing was committed, and what a transaction leaves behind."""
    if report.committed is False and target.rows("SELECT id FROM schema_deployments") != history:
        yield "the history has changed"
    if report.committed is False and is_alone and before != after:
        yield "rows have changed"
    if report.status is Status.DEPLOYED and (report.exit_code, report.committed) != (0, True):
        yield "a status that the exit code does not tell"
    names = target.rows("SELECT name FROM sqlite_master WHERE name LIKE 'turso_deploy%'")
    if names:
        yield f"left behind: {names}"


def _deploy_last(target: DatabaseUnderTest, editions: Editions, policy: str, *, is_recorded: bool) -> Iterator[str]:
    """Deploy one more edition, undisturbed: only rows of the application need an approval, and the plan counts them.

    Where the records were lost once and a deployment stopped half way, its other rows need an approval, too.
    """
    project = editions.next()
    rows = _rows(target)
    of_application = [
        key for key, (name, slot, _) in rows.items() if name.startswith("application") and key in editions.rows
    ]
    plan = target.plan(project)
    found = [(hazard.name, hazard.rows) for hazard in plan.hazards]
    expected = [("overwrite-rows", len(of_application))] if of_application and policy in ("compare", "approved") else []
    if is_recorded and found != expected:
        yield f"the last edition: hazards {found} instead of {expected}; {plan.error}"
    if plan.status is Status.FAILED:
        return
    report = target.deploy(project, approvals=OVERWRITE)
    if report.status is not Status.DEPLOYED:
        yield f"the last edition: {report.status}, {report.error}"
        return
    planned, line = _line(plan), _line(report)
    if planned != line:
        yield f"the plan says {planned}, the deployment {line}"
    wrong = {key for key, row in editions.rows.items() if _rows(target)[key][:2] != row}
    if policy != "keep" and wrong:
        yield f"the last edition: rows {sorted(wrong)} are not as the file says"


def _line(report: Report) -> SeedLine:
    [line] = report.seeds
    return line


def _rows(target: DatabaseUnderTest) -> dict[str, tuple[str, int, str]]:
    return {str(key): (name, slot, touched) for key, name, slot, touched in target.rows("SELECT * FROM courses")}  # type: ignore[misc]
