"""Split pending changes into transactions: one, or the schema first and then chunks of seeds.

Seeds are split when they exceed the request size. A chunk is a deployment of its own: it has a guard and records in the
deployment history how many rows are deployed, so an interrupted deployment is resumed after them. The last batch runs
the scripts that follow the seeds, and the checks of rows.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from turso_deploy import __version__
from turso_deploy.core.text import count_of
from turso_deploy.core.transaction import json_bytes
from turso_deploy.deploy.batch import Batch, BatchId, BatchKind
from turso_deploy.deploy.deployment import Deployment
from turso_deploy.deploy.seed_results import left_row_steps
from turso_deploy.history.catalogs import deployed_catalog, store
from turso_deploy.history.entries import ApprovedHazard, HistoryEntry, RecordedBackfill, RecordedRename
from turso_deploy.history.last_deployment import LastDeployment
from turso_deploy.history.seed_records import partial_mark, partial_record_name
from turso_deploy.history.stored_catalog import StoredCatalog
from turso_deploy.history.table import with_current_form
from turso_deploy.pending.changes import PendingChanges
from turso_deploy.pending.rollback import (
    fingerprint_of,
    managed_by,
    records_forgotten,
    scripts_kept,
    seeds_kept,
)
from turso_deploy.pending.seed_decisions import approved_decisions, effects_after, stored_hash_to_record
from turso_deploy.plan.hazards import Approval, Hazard, approval_of
from turso_deploy.plan.plan import Plan
from turso_deploy.plan.steps import Verb
from turso_deploy.project.project import Project
from turso_deploy.project.scripts import NEEDED
from turso_deploy.report.document import ChunksLine
from turso_deploy.seeds.chunks import Chunk, exceeds, split_into_chunks
from turso_deploy.seeds.records import MAX_RECORDED_ROWS, record_of, record_under_new_names
from turso_deploy.seeds.steps import seed_steps
from turso_deploy.seeds.tables import SeedTable
from turso_deploy.seeds.trigger_effects import TriggerEffects
from turso_deploy.sql.lexer import fold_case
from turso_deploy.transaction.assemble import assemble
from turso_deploy.transaction.checks import Check, catalog_check, count_check, json_checks, row_checks
from turso_deploy.transaction.database_state import DatabaseState
from turso_deploy.transaction.deletion_checks import deletion_checks
from turso_deploy.transaction.predictions import rows_after

_NO_RECORDS: Mapping[str, str] = MappingProxyType({})
Deadline = Callable[[DatabaseState], int | None]


def describe_batch(batch: Batch, pending: PendingChanges, chunks: ChunksLine | None) -> str:
    """Return a phrase for the long-running work of a batch, such as `chunk 2 of 5, 1,200 seed rows`."""
    match batch.id.kind:
        case BatchKind.WHOLE:
            return pending.description
        case BatchKind.SCHEMA:
            return pending._replace(seeds=()).description
        case _:
            sent, total = (chunks.sent, chunks.total) if chunks else (0, 0)
            rows = count_of(sum(seed.row_count for seed in batch.seeds), "seed row")
            return f"chunk {min(sent + 1, total):,} of {total:,}, {rows}"


def single_batch(deployment: Deployment, pending: PendingChanges) -> Batch:
    """Return all changes as one transaction of any size."""
    return _BatchMaker(deployment, effects_after(pending.plan), commit=True).single(pending)


def first_batch(deployment: Deployment, pending: PendingChanges) -> Batch:
    """Return the batch that would be submitted first; it ends with ROLLBACK."""
    return next(_split(_BatchMaker(deployment, effects_after(pending.plan), commit=False), pending, None))


def split_into_batches(
    deployment: Deployment, pending: PendingChanges, deadline: Deadline, last_id: str | None
) -> Iterator[Batch]:
    """Yield the changes as transactions. Those with seeds keep to the database's `request_size` if possible.

    The caller asks for a batch after the one before it is committed. A SCHEMA batch is the only one, because the
    database has to be read again after it. `last_id` identifies the batch that this deployment committed last.
    """
    maker = _BatchMaker(deployment, effects_after(pending.plan), commit=True, deadline=deadline)
    yield from _split(maker, pending, last_id)


class _BatchMaker(NamedTuple):
    """Makes the batches of one deployment; each ends with COMMIT if `commit` is true, else with ROLLBACK.

    `effects` are those of all triggers after the changes of the schema. A batch that is not submitted needs no
    `deadline`.
    """

    deployment: Deployment
    effects: TriggerEffects
    commit: bool
    deadline: Deadline = lambda _: None

    @property
    def project(self) -> Project:
        """The project that is deployed."""
        return self.deployment.project

    def batch(
        self,
        pending: PendingChanges,
        batch_id: BatchId,
        marks: Mapping[str, str],
        continues: str | None = None,
        records: Mapping[str, str] = _NO_RECORDS,
    ) -> Batch:
        """Return one transaction for all pending changes.

        `marks` are the seeds that the history has after it, and `records` the records of seeded rows that it gets.
        """
        deadline = self.deadline(pending.state)
        files = {*(seed.file for seed in pending.seeds), *(script.file for script in pending.scripts)}
        deletions = [deletion for deletion in pending.deletions if deletion.writer.place.file in files]
        assembly = assemble(
            pending.state,
            pending.plan,
            pending.scripts,
            seed_steps(
                pending.seeds,
                self.project.wanted,
                self.project.scratch.connection,
                self.effects,
                approved_decisions(pending, self.deployment.approvals),
                after_scripts=any(script.runs_before for script in pending.scripts),
            ),
            _checks(pending, self.deployment, batch_id.kind),
            self._history_entry(pending, batch_id, marks, continues, records),
            deletions=deletions,
            left_rows=tuple(left_row_steps(pending.decisions)) if pending.scripts else (),
            deletion_checks=deletion_checks(deletions, pending.other_hazards, self.deployment.approvals),
            show_keys=self.deployment.show_keys,
            commit=self.commit,
            deadline=deadline,
        )
        size = self.deployment.database.size(assembly.transaction)
        return Batch(batch_id, assembly, pending.seeds, deadline, size, pending.decisions)

    def single(self, pending: PendingChanges, last_id: str | None = None) -> Batch:
        """Return all pending changes as one transaction: the LAST batch if this deployment committed one before."""
        kind = BatchKind.LAST if last_id else BatchKind.WHOLE
        chunks = int(bool(last_id and pending.seed_rows))
        continues = None if pending.changes_schema else _own_entry(pending, last_id)
        marks, records = _seed_marks(self.project, ()), self.seed_records(pending)
        last = pending.state.last_deployment
        if self.project.earlier and last:
            marks, records = seeds_kept(pending.plan, last), records_forgotten(pending.plan, last)
        return self.batch(pending, _new_id(kind, chunks), marks, continues, records)

    def _history_entry(
        self,
        pending: PendingChanges,
        batch_id: BatchId,
        marks: Mapping[str, str],
        continues: str | None,
        records: Mapping[str, str],
    ) -> HistoryEntry:
        """Return the row that the batch writes. It records the project's version if the batch completes."""
        last, manifest = pending.state.last_deployment, self.project.manifest
        rows_of = {seed.table: seed.row_count for seed in self.project.seeds}
        previous_version = last.schema_version if last else None
        known = last.scripts if last else {}
        if last and self.project.earlier:
            known = scripts_kept(self.project.earlier, last)
        done = {script.name for script in (*pending.scripts, *(item.script for item in pending.skipped))}
        done |= {name for name, checksum in known.items() if checksum != NEEDED}
        marks_of_scripts = {
            script.name: script.checksum if script.name in done else NEEDED for script in self.project.scripts
        }
        return HistoryEntry(
            id=batch_id.deployment_id,
            deployed_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            schema_version=manifest.schema_version if batch_id.completes else previous_version,
            schema_fingerprint=fingerprint_of(self.project),
            seeds=marks,
            managed=managed_by(self.project),
            scripts={**known, **marks_of_scripts},
            tool_version=__version__,
            plan_summary=dict(Counter(step.kind for step in pending.plan.all_steps)),
            provenance=self.deployment.provenance,
            continues=continues,
            seed_records=records,
            command=self.deployment.command,
            previous_version=previous_version,
            started_at=pending.state.started_at,
            approved_hazards=_approved(pending.hazards, self.deployment.approvals),
            renames=tuple(_recorded_renames(pending.plan)),
            backfills=tuple(_recorded_backfills(pending.plan)),
            plan_fingerprint=self.deployment.plan_fingerprint,
            checks_fingerprint=self._checks_fingerprint(batch_id, last),
            catalog=_catalog_to_store(pending, manifest.ignore) if continues is None else None,
            completed=frozenset(
                seed.table for seed in pending.seeds if seed.before + seed.row_count == rows_of[seed.table]
            ),
        )

    def _checks_fingerprint(self, batch_id: BatchId, last: LastDeployment | None) -> str | None:
        """Return the fingerprint of the checks of rows that hold; a rollback makes none, and leaves them unknown."""
        if self.project.earlier:
            return None
        if batch_id.completes:
            return self.project.manifest.checks_fingerprint
        return last.checks if last else None

    def seed_records(self, pending: PendingChanges) -> dict[str, str]:
        """Return the records of seeded rows that the deployment history lacks, by table.

        A record that takes half a request or more is not kept.
        """
        last = pending.state.last_deployment
        return {
            seed.table: self._record(seed, pending)
            for seed in self.project.seeds
            if last is None or last.seeds.get(seed.table) != seed.fingerprint
        }

    def partial_records(self, seeds: Iterable[SeedTable], pending: PendingChanges) -> dict[str, str]:
        """Return the records of the rows of a chunk, which stay until the table is recorded as a whole."""
        small = {seed.table for seed in self.project.seeds if seed.row_count <= MAX_RECORDED_ROWS}
        return {
            partial_record_name(seed.table, seed.before): self._record(seed, pending)
            for seed in seeds
            if seed.table in small
        }

    def _record(self, seed: SeedTable, pending: PendingChanges) -> str:
        assigned = self.effects.assigned_by_triggers(self.project.wanted.tables[fold_case(seed.table)].definition)
        record = record_of(seed, assigned, stored_hash_to_record(pending, seed.table))
        limit = self.deployment.database.request_size
        return record if limit is None or json_bytes(record) <= limit // 2 else "null"


def _approved(hazards: Iterable[Hazard], approvals: Sequence[Approval]) -> tuple[ApprovedHazard, ...]:
    """Return the hazards that affect rows and are carried out because of an approval."""
    return tuple(
        ApprovedHazard(hazard.name, hazard.object, hazard.rows, approval.source)
        for hazard in hazards
        if (approval := approval_of(hazard, approvals))
    )


def _recorded_renames(plan: Plan) -> Iterator[RecordedRename]:
    """Yield the renames of a plan in their order; table rebuilds, which move the values of a column, come last."""
    for step in plan.renames:
        if step.kind.verb is Verb.RENAME:
            new = step.object if step.column is None else step.column
            yield RecordedRename("table" if step.column is None else "column", step.object, step.old_name or "", new)
    for change in plan.changes.values():
        for new, old in plan.moved_columns(change.wanted.name).items():
            yield RecordedRename("column", change.wanted.name, old, new)


def _recorded_backfills(plan: Plan) -> Iterator[RecordedBackfill]:
    for change in plan.changes.values():
        for name, column in change.new.by_name.items():
            if (expression := change.backfill(name)) is not None:
                yield RecordedBackfill(change.wanted.name, column.name, expression)


def _catalog_to_store(pending: PendingChanges, ignore: Sequence[str]) -> StoredCatalog:
    """Return the catalog after the changes, without its content if the history can give it for the last deployment."""
    catalog = store(deployed_catalog(pending.plan.predicted, ignore))
    last = pending.state.last_deployment
    baseline = last.baseline if last else None
    is_stored = baseline == catalog
    return catalog._replace(content=None) if is_stored else catalog


def _split(maker: _BatchMaker, pending: PendingChanges, last_id: str | None) -> Iterator[Batch]:
    limit = maker.deployment.database.request_size
    if limit is None or not exceeds(pending.seeds, limit):
        batch = maker.single(pending, last_id)
        if limit is None or not pending.seed_rows or batch.size <= limit:
            yield batch
            return
    chunks = _chunks(pending, maker, limit)
    if pending.changes_schema:
        scripts = tuple(script for script in pending.scripts if script.runs_before)
        schema = pending._replace(seeds=(), scripts=scripts)
        marks = _seed_marks(maker.project, pending.seeds)
        yield maker.batch(schema, _new_id(BatchKind.SCHEMA, len(chunks)), marks, records=_renamed_records(pending))
    else:
        yield from _chunk_batches(pending, chunks, maker, limit, _own_entry(pending, last_id))


def _renamed_records(pending: PendingChanges) -> dict[str, str]:
    """Return the records of seeded rows under the names after a schema change whose seeds follow in chunks."""
    records: dict[str, str] = {}
    for table, recorded in pending.recorded.items():
        live = pending.decisions[table].live
        if recorded and live and (live.name != table or any(new != old for new, old in live.columns.items())):
            records |= {live.name: "null", table: record_under_new_names(recorded)}
    return records


def _chunks(pending: PendingChanges, maker: _BatchMaker, limit: int) -> Sequence[Chunk]:
    """Return the seeds in chunks that leave room for the other steps of their transactions."""
    no_steps = replace(
        pending.plan,
        renames=(),
        additions=(),
        steps=(),
        compilations=(),
        tables_with_verified_rows=(),
        tables_with_verified_keys=(),
    )
    rest = pending._replace(plan=no_steps, seeds=(), scripts=())
    if pending.changes_schema:
        rest = rest._replace(state=_state_after_schema(pending, maker.project.manifest.ignore))
    empty = maker.batch(rest, _new_id(BatchKind.CHUNK), _seed_marks(maker.project, pending.seeds))
    return split_into_chunks(pending.seeds, maker.project.wanted, max(limit - empty.size, limit // 4), _waits(pending))


def _state_after_schema(pending: PendingChanges, ignore: Sequence[str]) -> DatabaseState:
    """Return the state that the chunks find after the schema: its history exists, and holds the catalog."""
    state = pending.state
    last = state.last_deployment or LastDeployment("", None, "", {}, frozenset(), {})
    baseline = store(deployed_catalog(pending.plan.predicted, ignore))
    catalog = replace(with_current_form(state.catalog), has_history=True)
    return state._replace(catalog=catalog, last_deployment=last._replace(baseline=baseline))


def _chunk_batches(
    pending: PendingChanges, chunks: Sequence[Chunk], maker: _BatchMaker, limit: int, continues: str | None
) -> Iterator[Batch]:
    """Yield a batch for each chunk. One that exceeds the limit is cut again: the checks for parents take room, too."""
    marks = _seed_marks(maker.project, pending.seeds)
    in_chunks = {seed.table for seed in pending.seeds}
    records = {table: record for table, record in maker.seed_records(pending).items() if table not in in_chunks}
    queue: list[Chunk] = [*chunks] or [()]
    while queue:
        chunk = queue.pop(0)
        is_last = not queue
        after = {seed.table: partial_mark(seed.fingerprint, seed.before + seed.row_count) for seed in chunk}
        reached = _seed_marks(maker.project, ()) if is_last else marks | after
        kind = BatchKind.LAST if is_last else BatchKind.CHUNK
        batch_id = _new_id(kind, sum(1 for seeds in (chunk, *queue) if seeds))
        piece = pending._replace(seeds=chunk, scripts=pending.scripts if is_last else ())
        own_records = maker.partial_records(chunk, pending) | (records if is_last else {})
        batch = maker.batch(piece, batch_id, reached, continues, own_records)
        if batch.size > limit and (smaller := _smaller_chunks(chunk, is_last, pending, maker, limit)):
            queue[:0] = smaller
            continue
        yield batch
        marks, continues = reached, batch_id.deployment_id
        last = pending.state.last_deployment
        assert last is not None
        version = pending.state.schema_version
        if version is not None:
            version += batch.assembly.transaction.schema_changes
        state = pending.state._replace(
            catalog=with_current_form(pending.state.catalog),
            last_deployment=last._replace(id=continues),
            schema_version=version,
        )
        pending = pending._replace(state=state)


def _smaller_chunks(
    chunk: Chunk, is_last: bool, pending: PendingChanges, maker: _BatchMaker, limit: int
) -> Sequence[Chunk]:
    """Return the chunk as several, the last batch without seeds; () if it cannot be cut."""
    if is_last and chunk:
        return (chunk, ())
    wanted, waits = maker.project.wanted, _waits(pending)
    cuts = (split_into_chunks(chunk, wanted, limit // share, waits) for share in (2, 4, 8, 16, 32, 64))
    return next((chunks for chunks in cuts if len(chunks) > 1), ())


def _waits(pending: PendingChanges) -> dict[str, Mapping[int, int]]:
    """Return the seed rows, by table, whose UNIQUE values a later row gives away, which must be in the same chunk."""
    return {table: decision.waits for table, decision in pending.decisions.items()}


def _new_id(kind: BatchKind, chunks_left: int = 0) -> BatchId:
    return BatchId(str(uuid.uuid4()), kind, chunks_left)


def _own_entry(pending: PendingChanges, last_id: str | None) -> str | None:
    """Return the id of the last row of the history if this deployment wrote it."""
    last = pending.state.last_deployment
    return last.id if last and last.id == last_id else None


def _seed_marks(project: Project, pending: Sequence[SeedTable]) -> dict[str, str]:
    """Return what the history records of each seed while the rows of `pending` are not deployed yet."""
    marks = {seed.table: partial_mark(seed.fingerprint, seed.before) for seed in pending}
    return {seed.table: seed.fingerprint for seed in project.seeds} | marks


def _checks(pending: PendingChanges, deployment: Deployment, kind: BatchKind) -> list[Check]:
    """Return the checks of a batch: those of objects where the schema changes, those of rows in the last batch."""
    checks: list[Check] = []
    project, show_keys = deployment.project, deployment.show_keys
    if kind is not BatchKind.CHUNK:
        checks += count_check(project.manifest, pending.plan.predicted.uncounted)
        if pending.plan.all_steps:
            checks += catalog_check(pending.plan.predicted, _changed_objects(pending))
    if kind not in (BatchKind.CHUNK, BatchKind.SCHEMA):
        checks += row_checks(project.manifest, project.wanted, show_keys=show_keys)
        # After a failure the rows are as they were, so the SELECT that finds them is one for the database as it was.
        live_rows = partial(rows_after, pending.plan, pending.state.catalog.schema, show_keys=show_keys)
        checks += json_checks(project.manifest, project.wanted, show_keys=show_keys, live_rows=live_rows)
    return checks


def _changed_objects(pending: PendingChanges) -> set[tuple[str, str]]:
    """Return kind and case-folded name of each object that a step creates, or whose SQL changes."""
    before = {(row.key, row.sql) for row in pending.state.catalog.rows}
    created = {(step.kind.noun, fold_case(step.object)) for step in pending.plan.all_steps}
    return created | {row.key for row in pending.plan.predicted.rows if (row.key, row.sql) not in before}
