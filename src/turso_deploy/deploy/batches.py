"""Work into transactions: one; where the seeds do not fit one request, first the schema and then the seeds in chunks.

A chunk is a deployment of its own, with a guard and a row in the deployment history, in which stands how many rows are in. So one
that is cut off goes on where it stopped. The last part runs what comes after the seeds and makes the checks of rows.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum, auto

from msgspec import Struct
from msgspec.structs import replace

from turso_deploy import __version__
from turso_deploy.database.interface import Database
from turso_deploy.deploy.pending import PendingChanges
from turso_deploy.project.project import Project
from turso_deploy.seeds.chunks import Chunk, exceeds, split_into_chunks
from turso_deploy.seeds.steps import seed_steps
from turso_deploy.seeds.tables import SeedTable
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.schema import Schema
from turso_deploy.transaction import history
from turso_deploy.transaction.assemble import Assembly, assemble
from turso_deploy.transaction.checks import Check, catalog_check, count_check, json_checks, row_checks
from turso_deploy.transaction.database_state import DatabaseState
from turso_deploy.transaction.history import Provenance


class BatchKind(Enum):
    """What a transaction does of the work: all of it, all but the seeds, some of the seeds, or the last of it."""

    WHOLE = auto()
    SCHEMA = auto()
    CHUNK = auto()
    LAST = auto()


class BatchId(Struct, frozen=True):
    """How the deployment history will know a part, and what it does; `chunks` of seeds are left before it is carried out."""

    id: str
    kind: BatchKind
    chunks: int = 0

    @property
    def completes(self) -> bool:
        """Whether nothing is left to do after it."""
        return self.kind in (BatchKind.WHOLE, BatchKind.LAST)


class Batch(Struct, frozen=True):
    """One transaction of the work, the seeds that it brings in, and until when it starts by the server's clock.

    `size` is that of its request, in bytes.
    """

    name: BatchId
    assembly: Assembly
    seeds: Chunk
    deadline: int | None
    size: int


Deadline = Callable[[DatabaseState], int | None]


def _at_any_time(_: DatabaseState) -> None:
    """The deadline of a part that is not sent."""


class _Maker(Struct, frozen=True):
    """Makes parts of work. `deadline` says until when one may start; `commit` whether it ends with a COMMIT."""

    project: Project
    provenance: Provenance
    database: Database
    deadline: Deadline
    commit: bool

    def part(
        self, work: PendingChanges, name: BatchId, marks: Mapping[str, str], continues: str | None = None
    ) -> Batch:
        """The transaction for all that stands in `work`. `marks` is what the deployment history will say of the seeds."""
        deadline = self.deadline(work.live)
        assembly = assemble(
            work.live,
            work.plan,
            work.scripts,
            seed_steps(work.seeds, self.project.wanted, self.project.scratch.connection),
            _checks(work, self.project, name.kind),
            _entry(work, self.project, self.provenance, name, marks, continues),
            commit=self.commit,
            deadline=deadline,
        )
        return Batch(name, assembly, work.seeds, deadline, self.database.size(assembly.transaction))

    def single_batch(self, work: PendingChanges, last_part: str | None = None) -> Batch:
        """All the work as one transaction; what is left of it, when there was a part before."""
        kind = BatchKind.LAST if last_part else BatchKind.WHOLE
        chunks = int(bool(last_part and work.seed_rows))
        continues = None if work.changes_schema else _own(work, last_part)
        return self.part(work, _name(kind, chunks), _marks(self.project, ()), continues)


def single_batch(work: PendingChanges, project: Project, provenance: Provenance, database: Database) -> Batch:
    """All the work as one transaction, whatever its size."""
    return _Maker(project, provenance, database, _at_any_time, commit=True).single_batch(work)


def first_batch(work: PendingChanges, project: Project, provenance: Provenance, database: Database) -> Batch:
    """The part that would be sent first, with ROLLBACK as its last word."""
    return next(split_into_batches(work, project, provenance, database, _at_any_time, commit=False))


def split_into_batches(
    work: PendingChanges,
    project: Project,
    provenance: Provenance,
    database: Database,
    deadline: Deadline,
    last_part: str | None = None,
    *,
    commit: bool = True,
) -> Iterator[Batch]:
    """The work as transactions that keep to the database's `request_size` where they carry seeds.

    Each is made when the one before it is committed. After a SCHEMA part comes none: the database is another then, and
    is read again. `last_part` is the id of the part that this deployment has committed last.
    """
    maker = _Maker(project, provenance, database, deadline, commit)
    limit = database.request_size
    if limit is None or not exceeds(work.seeds, limit):
        part = maker.single_batch(work, last_part)
        if limit is None or not work.seed_rows or part.size <= limit:
            yield part
            return
    chunks = _chunks(work, maker, limit)
    if work.changes_schema:
        before = tuple(script for script in work.scripts if script.runs_before)
        schema = replace(work, seeds=(), scripts=before)
        yield maker.part(schema, _name(BatchKind.SCHEMA, len(chunks)), _marks(project, work.seeds))
    else:
        yield from _chunk_parts(work, chunks, maker, limit, _own(work, last_part))


def _chunks(work: PendingChanges, maker: _Maker, limit: int) -> Sequence[Chunk]:
    """The seeds in chunks that leave room for what each transaction holds besides."""
    nothing = replace(work.plan, renames=(), steps=(), proven=(), related=())
    rest = replace(work, plan=nothing, seeds=(), scripts=())
    empty = maker.part(rest, _name(BatchKind.CHUNK), _marks(maker.project, work.seeds))
    return split_into_chunks(work.seeds, maker.project.wanted, max(limit - empty.size, limit // 4))


def _chunk_parts(
    work: PendingChanges, chunks: Sequence[Chunk], maker: _Maker, limit: int, own: str | None
) -> Iterator[Batch]:
    """The parts for the chunks. One that turns out too large is cut again: the questions for parents take room too."""
    marks = _marks(maker.project, work.seeds)
    ahead: list[Chunk] = [*chunks] or [()]
    while ahead:
        chunk = ahead.pop(0)
        is_last = not ahead
        reached = _marks(maker.project, ()) if is_last else marks | _marks_after(chunk)
        name = _name(BatchKind.LAST if is_last else BatchKind.CHUNK, len([some for some in (chunk, *ahead) if some]))
        piece = replace(work, seeds=chunk, scripts=work.scripts if is_last else ())
        part = maker.part(piece, name, reached, own)
        if part.size > limit and (smaller := _smaller(chunk, is_last, maker.project.wanted, limit)):
            ahead[:0] = smaller
            continue
        yield part
        assert work.live.last is not None
        marks, own = reached, part.name.id
        work = replace(work, live=replace(work.live, last=replace(work.live.last, id=own)))


def _smaller(chunk: Chunk, is_last: bool, wanted: Schema, limit: int) -> Sequence[Chunk]:
    """The chunk in several, and what stands at the end by itself; none where it cannot be cut."""
    if is_last and chunk:
        return (chunk, ())
    cuts = (split_into_chunks(chunk, wanted, limit // share) for share in (2, 4, 8, 16, 32, 64))
    return next((several for several in cuts if len(several) > 1), ())


def _name(kind: BatchKind, chunks: int = 0) -> BatchId:
    return BatchId(str(uuid.uuid4()), kind, chunks)


def _own(work: PendingChanges, last_part: str | None) -> str | None:
    """The last row of the deployment history, if this deployment has written it."""
    last = work.live.last
    return last.id if last and last.id == last_part else None


def _marks(project: Project, pending: Sequence[SeedTable]) -> dict[str, str]:
    """What the deployment history says of the seeds when these are still to come, or those of them that follow others."""
    marks = {seed.table: seed.fingerprint for seed in project.seeds}
    for seed in pending:
        marks[seed.table] = history.seeds_mark(seed.fingerprint, seed.before)
    return marks


def _marks_after(chunk: Chunk) -> dict[str, str]:
    return {seed.table: history.seeds_mark(seed.fingerprint, seed.before + seed.row_count) for seed in chunk}


def _checks(work: PendingChanges, project: Project, kind: BatchKind) -> list[Check]:
    """The checks of a part: those of objects belong to the schema, those of rows stand at the end."""
    checks: list[Check] = []
    if kind is not BatchKind.CHUNK:
        checks += count_check(project.manifest, work.plan.predicted.uncounted)
        if work.plan.all_steps:
            checks += catalog_check(work.plan.predicted, _touched(work))
    if kind not in (BatchKind.CHUNK, BatchKind.SCHEMA):
        checks += [*row_checks(project.manifest, project.wanted), *json_checks(project.manifest, project.wanted)]
    return checks


def _touched(work: PendingChanges) -> set[tuple[str, str]]:
    """What has another text afterwards, and what a step makes, by kind and folded name."""
    before = {(row.key, row.sql) for row in work.live.catalog.rows}
    made = {(step.kind.noun, fold_case(step.object)) for step in work.plan.all_steps}
    return made | {row.key for row in work.plan.predicted.rows if (row.key, row.sql) not in before}


def _entry(
    work: PendingChanges,
    project: Project,
    provenance: Provenance,
    name: BatchId,
    marks: Mapping[str, str],
    continues: str | None,
) -> history.Entry:
    """What the deployment history will say. The version is reached when nothing is left to do."""
    last = work.live.last
    ran = dict(last.scripts) if last else {}
    return history.Entry(
        id=name.id,
        deployed_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        schema_version=project.manifest.schema_version if name.completes else last.schema_version if last else None,
        schema_fingerprint=history.schema_fingerprint(project.wanted),
        seeds=marks,
        managed=history.managed_names(project.wanted),
        scripts=ran | {script.name: script.checksum for script in (*work.scripts, *work.skipped)},
        tool_version=__version__,
        plan_summary=dict(Counter(step.kind for step in work.plan.all_steps)),
        provenance=provenance,
        continues=continues,
    )
