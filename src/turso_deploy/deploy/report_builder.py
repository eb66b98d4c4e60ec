"""The report while it is being made: what a run has found out so far, so that a failure can still tell it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from turso_deploy.catalog.diff import diff
from turso_deploy.core.errors import BlockedError, Cause, DeployError, Place
from turso_deploy.core.text import count_of
from turso_deploy.core.transaction import Failure, Rows
from turso_deploy.deploy.batches import BatchId, BatchKind
from turso_deploy.deploy.notices import chunks_notices, notices_of, unmanaged_notices
from turso_deploy.deploy.pending import PendingChanges
from turso_deploy.plan.hazards import Approval
from turso_deploy.plan.step_kinds import Verb
from turso_deploy.project.expectations import missing_names
from turso_deploy.project.project import Project
from turso_deploy.report.changes import object_changes
from turso_deploy.report.document import (
    CheckLine,
    ChunksLine,
    CountLine,
    Diagram,
    ErrorLine,
    ObjectChange,
    Report,
    SeedLine,
    Status,
    StepLine,
)
from turso_deploy.report.er_diagram import diagram_of_changes
from turso_deploy.report.lines import count_lines, error_line, hazard_line, script_line, status_of
from turso_deploy.seeds.steps import SeedResult
from turso_deploy.seeds.tables import SeedTable
from turso_deploy.sql.schema import Schema, title
from turso_deploy.transaction.checks import Check, CheckResult
from turso_deploy.transaction.database_state import DatabaseState

NO_DETAILS: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class Subject(Protocol):
    """What a run is about: how it is called in a log, how many requests it took so far, and which of them again."""

    @property
    def address(self) -> str:
        """Where it is, fit for a log."""
        ...

    @property
    def requests(self) -> int:
        """How many requests were used so far."""
        ...

    @property
    def retries(self) -> Sequence[str]:
        """What was tried again, and why."""
        ...


class FolderSubject(Struct, frozen=True):
    """Another schema folder in place of a database; it takes no request."""

    folder: str
    requests: int = 0
    retries: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """The folder, as it was named."""
        return f"folder {self.folder}"


class ReportBuilder:
    """Collects what becomes the Report. `note_…` methods add to it, `finished` and `failed` close it."""

    def __init__(self, command: str, project: Project, subject: Subject) -> None:
        self.command = command
        self.deployment_id: str | None = None
        self.changes: tuple[ObjectChange, ...] = ()
        self.steps: tuple[StepLine, ...] = ()
        self.diagram: Diagram | None = None
        self.counts: dict[str, CountLine] = {}
        self.checks: tuple[CheckLine, ...] = ()
        self.differing: tuple[Cause, ...] = ()
        self.seeds: tuple[SeedLine, ...] = ()
        self.notices: list[str] = []
        self.rows_to_write: int | None = None
        self.chunks: ChunksLine | None = None
        self.blocked_by: ErrorLine | None = None
        self._schema_is_committed = False
        self._schema_steps: tuple[StepLine, ...] = ()
        self._project = project
        self._subject = subject
        self._started = time.monotonic()

    @property
    def has_committed(self) -> bool:
        """Whether a part of the work is in the database for good."""
        return self.deployment_id is not None

    @property
    def all_hold(self) -> bool:
        """Whether every check and every count noted so far is as expected."""
        return all(check.ok for check in self.checks) and all(count.ok for count in self.counts.values())

    def note_work(self, work: PendingChanges, permissions: Sequence[Approval]) -> None:
        """The steps, the counts that they lead to, the seeds, and what somebody should know of all that."""
        plan = work.plan
        steps = [
            StepLine(
                step.kind,
                step.title,
                step.sql,
                tuple(hazard_line(hazard, permissions) for hazard in step.hazards if hazard.affects_rows),
                str(step.place) if step.place else None,
            )
            for step in plan.all_steps
        ]
        first = [script_line(script) for script in work.scripts if script.runs_before]
        last = [script_line(script) for script in work.scripts if not script.runs_before]
        self._schema_steps = (*self._schema_steps, *first, *steps) if self.has_committed else (*first, *steps)
        self.steps = (*self._schema_steps, *last)
        if plan.all_steps:
            self.changes = object_changes(plan, work.live.catalog.schema)
            before = plan.renamed or work.live.catalog.schema
            renamed = [(step.object, step.column) for step in plan.renames if step.kind.verb is Verb.RENAME]
            self.diagram = diagram_of_changes(before, plan.predicted.schema, renamed)
        self._note_counts(plan.predicted.schema)
        if self.has_committed:
            return  # the rest is as it was noted before the first part
        self._note_seeds(work.seeds)
        self.rows_to_write = work.rows_to_write
        self.notices = notices_of(work, self._project.wanted, permissions, self._subject.address)

    def note_refusal(self, error: BlockedError | None) -> None:
        """Why a deployment would refuse what is only planned, if it would."""
        self.blocked_by = error_line(error) if error else None

    def note_schema(self, live: DatabaseState) -> None:
        """How a database that is only looked at compares with the wanted schema."""
        difference = diff(self._project.wanted, live.catalog.schema)
        managed = live.last.managed if live.last else frozenset()
        named = {
            "missing": [change.object for change in difference.missing],
            "different": [change.object for change in difference.changed],
            "still": difference.removed(managed),  # ours, and no longer in the folder: the next deployment drops it
        }
        findings = [f"{word}: {', '.join(map(title, objects))}" for word, objects in named.items() if objects]
        lines = [CheckLine("schema", not findings, "as in the schema folder", "; ".join(findings) or "the same")]
        absent = missing_names(self._project.manifest, live.catalog)
        if absent:
            names = ", ".join(name for _, name in absent)
            lines.append(CheckLine("objects by name", False, "all there", f"missing: {names}"))
        self.checks += tuple(lines)
        self.differing = (
            *(
                Cause(f"{title(item)} is {word} in the database", item.place)
                for word, objects in named.items()
                for item in objects
            ),
            *(
                Cause(f"{name} is missing in the database", self._project.place_in_manifest(key))
                for key, name in absent
            ),
        )
        self._note_counts(live.catalog.schema)
        self.notices = unmanaged_notices(difference.unmanaged(managed))

    def note_answers(
        self,
        answers: Iterable[tuple[Check, Rows | Failure | None]],
        details: Mapping[str, tuple[str, ...]] = NO_DETAILS,
    ) -> None:
        """What the checks' figures came to. One that failed is a failed check; one that did not run is left out.

        `details` say what is wrong, by the labels of the checks.
        """
        lines: list[CheckLine] = []
        for check, answer in answers:
            results: Iterable[CheckResult] = ()
            if isinstance(answer, Rows):
                results = check.results(answer)
            elif isinstance(answer, Failure):
                results = check.unread()
            found = details.get(check.label, ())
            lines += [self._check_line(result, found, check.place) for result in results]
        again = {line.name for line in lines}
        self.checks = (*(line for line in self.checks if line.name not in again), *lines)

    def _check_line(self, result: CheckResult, details: tuple[str, ...], place: Place | None) -> CheckLine:
        """A check, with its place where that will be looked for: what is to blame, or where the manifest states it."""
        if not result.ok and place is None and result.key:
            place = self._project.place_in_manifest(result.key)
        return CheckLine(
            result.name,
            result.ok,
            result.expected,
            result.actual,
            details,
            section=str(result.key[0]) if result.key else "",
            place=str(place) if place and not result.ok else None,
        )

    def _note_seeds(self, pending: Sequence[SeedTable]) -> None:
        """The seeds of the project, and which of them the database has not seen."""
        known = {seed.table: seed.before for seed in pending}
        self.seeds = tuple(
            SeedLine(seed.table, seed.row_count, 0, 0, deployed_before=known.get(seed.table, seed.row_count))
            for seed in self._project.seeds
        )

    def note_chunks(self, left: int) -> None:
        """How many chunks of seeds are left to be committed; none where all is one transaction."""
        sent = self.chunks.sent if self.chunks else 0
        self.chunks = ChunksLine(sent, sent + left) if sent + left else None

    def note_large(self, size: int, *, holds_schema: bool) -> None:
        """A request is larger than it should be, in bytes, because what it carries cannot be divided."""
        reason = (
            "all changes of the schema are one transaction"
            if holds_schema
            else "a row is that large, or rows refer to each other"
        )
        notice = f"A request takes {size:,} bytes, more than `request-size`: {reason}."
        if notice not in self.notices:
            self.notices.append(notice)

    def note_committed(self, part: BatchId, written: Sequence[SeedResult] = ()) -> None:
        """A part of the work is in the database, and how many rows of each seed it had to write, where that is known.

        Each part comes by here, be there one or many.
        """
        self.deployment_id = part.id
        if part.kind is BatchKind.SCHEMA:
            self._schema_is_committed = True
        elif self.chunks and part.chunks:
            self.chunks = ChunksLine(self.chunks.sent + 1, self.chunks.total)
        results = {result.table: result for result in written}
        self.seeds = tuple(
            replace(line, written=line.written + result.written, unchanged=line.unchanged + result.unchanged)
            if (result := results.get(line.table))
            else line
            for line in self.seeds
        )

    def finished(self, status: Status, committed: bool) -> Report:
        """The report of a run that did what it should."""
        return self._report(status, committed, None)

    def failed(self, error: DeployError) -> Report:
        """The report of a run that did not. What it has committed before stays, and is told."""
        if self.has_committed and error.committed is False:
            return self._report(Status.FAILED, True, error)
        return self._report(status_of(error), error.committed, error)

    def _note_counts(self, schema: Schema) -> None:
        self.counts = count_lines(self._project.manifest, schema)

    def _report(self, status: Status, committed: bool | None, error: DeployError | None) -> Report:
        return Report(
            command=self.command,
            status=status,
            committed=committed,
            database=self._subject.address,
            deployment_id=self.deployment_id,
            schema_version=self._project.manifest.schema_version,
            changes=self.changes,
            steps=self.steps,
            diagram=self.diagram,
            counts=self.counts,
            checks=self.checks,
            seeds=self.seeds,
            chunks=self.chunks,
            notices=(*self.notices, *chunks_notices(self.chunks), *self._subject.retries),
            rows_to_write=self.rows_to_write,
            requests=self._subject.requests,
            duration_ms=round((time.monotonic() - self._started) * 1000),
            blocked_by=None if error else self.blocked_by,
            error=self._error_line(error) if error else None,
            exit_code=error.exit_code if error else 0,
        )

    def _error_line(self, error: DeployError) -> ErrorLine:
        """The error, and what is in the database all the same when a part of the work was committed before it."""
        line = error_line(error)
        if not self.has_committed or self.chunks is None:
            return line
        schema = "the schema and " if self._schema_is_committed else ""
        stands = f"{schema}{self.chunks.sent:,} of {count_of(self.chunks.total, 'chunk')} of the seeds"
        more = f"Committed before that, and still there: {stands}. Running it again goes on from there."
        return replace(line, message=f"{line.message} {more}")
