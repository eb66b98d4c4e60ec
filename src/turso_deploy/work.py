"""What a database lacks of a project: found out in one read, and one more where rows are concerned."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from turso_deploy import __version__
from turso_deploy.database.base import Database, Failure, Rows
from turso_deploy.errors import DatabaseError, ErrorCode
from turso_deploy.explain import explain_unread
from turso_deploy.inputs import Pipeline
from turso_deploy.progress import doing
from turso_deploy.report.wording import counted
from turso_deploy.schema import ledger
from turso_deploy.schema.catalog import LEDGER_TABLE, read_catalog
from turso_deploy.schema.checks import Check, catalog_check, count_check, json_checks, row_checks
from turso_deploy.schema.hazards import HazardName, before_parents_are_seeded, before_rows_are_mended, with_counts
from turso_deploy.schema.live import LIVE_QUERIES, Live, live_from
from turso_deploy.schema.plan import Plan
from turso_deploy.schema.planner import make_plan
from turso_deploy.schema.project import Project
from turso_deploy.schema.proof import FOREIGN_KEY_CHECK_PROBE, refuse_without_proof
from turso_deploy.schema.scripts import Script, pending_scripts
from turso_deploy.schema.seed_steps import seed_steps
from turso_deploy.schema.seeds import SeedTable
from turso_deploy.schema.transaction import Assembly, assemble
from turso_deploy.sql.lexer import fold


@dataclass(frozen=True, slots=True)
class Work:
    """The plan for the schema, the seeds and scripts that the database has not seen, and whether the ledger is behind.

    `skipped` are scripts for a database that was there before; a new one has nothing for them to do.
    """

    live: Live
    plan: Plan
    seeds: tuple[SeedTable, ...]
    scripts: tuple[Script, ...]
    skipped: tuple[Script, ...]
    ledger_is_behind: bool

    @property
    def changes_nothing(self) -> bool:
        """Whether no object and no row would change."""
        return not (self.plan.all_steps or self.seeds or self.scripts)

    @property
    def in_words(self) -> str:
        """What there is to do and may take a while: `rewriting orders (1,000,000 rows), 12 seed rows, 3 steps`."""
        rewritten = [hazard for hazard in self.plan.hazards if hazard.name is HazardName.REWRITE_TABLE]
        rows = sum(seed.row_count for seed in self.seeds)
        found = [
            *(f"rewriting {one.object}" + (f" ({counted(one.rows, 'row')})" if one.rows else "") for one in rewritten),
            counted(rows, "seed row") if rows else "",
            counted(steps, "step") if (steps := len(self.plan.all_steps) + len(self.scripts)) else "",
        ]
        return ", ".join(part for part in found if part) or "the ledger"

    @property
    def rows_to_write(self) -> int | None:
        """About how many rows will be written: those of tables that are made anew, and the seeds. None: not known.

        DROP COLUMN writes every row of its table, of which those with a value in the column are known
        (https://www.sqlite.org/lang_altertable.html#altertabdropcol).
        """
        rewritten = [
            hazard.rows
            for step in self.plan.all_steps
            for hazard in step.hazards
            if hazard.name is HazardName.REWRITE_TABLE or step.kind == "drop column"
        ]
        known = [rows for rows in rewritten if rows is not None]
        if len(known) < len(rewritten):
            return None
        return sum(known) + sum(seed.row_count for seed in self.seeds)

    @property
    def nothing_to_do(self) -> bool:
        """Whether the database is as the project wants it, and the ledger says so."""
        return self.changes_nothing and not self.ledger_is_behind


def find_work(project: Project, database: Database) -> Work:
    """Read the database in one request, compare and plan; ask once more how many rows the hazards concern, if any."""
    doing("reading the database")
    answers = database.query(LIVE_QUERIES)
    doing("planning")
    work = work_for(project, understand(answers, project))
    hazards = work.plan.hazards
    if not hazards:
        return work
    doing("counting the rows that the plan concerns")
    *counts, probe = database.query([*(hazard.count for hazard in hazards), FOREIGN_KEY_CHECK_PROBE])
    refuse_without_proof(work.plan, probe)
    seeded = {fold(seed.table) for seed in work.seeds}
    counted = before_parents_are_seeded(with_counts(hazards, counts), seeded)
    if any(script.runs_before for script in work.scripts):
        counted = before_rows_are_mended(counted)
    return replace(work, plan=work.plan.with_hazards(counted))


def work_for(project: Project, live: Live) -> Work:
    """Compare and plan. How many rows the hazards concern is not known yet."""
    last = live.last
    plan = make_plan(
        project.wanted,
        live.catalog,
        directives=project.directives,
        managed=last.managed if last else frozenset(),
        ignore=project.manifest.ignore,
    )
    created = {step.object for step in plan.steps if step.kind == "create table"}
    deployed = last.seeds if last else {}
    is_new = not (last or live.catalog.schema.tables.keys() & project.wanted.tables.keys())
    pending = pending_scripts(project.scripts, last.scripts if last else {})
    skipped = tuple(script for script in pending if is_new and script.runs_before)
    return Work(
        live,
        plan,
        tuple(seed for seed in project.seeds if seed.table in created or deployed.get(seed.table) != seed.fingerprint),
        tuple(script for script in pending if script not in skipped),
        skipped,
        _ledger_is_behind(project, live),
    )


def as_if_deployed(project: Project, ignore: Sequence[str]) -> Live:
    """What a database would be to which this project, and nothing else, was deployed. `ignore` is what to overlook."""
    catalog = read_catalog(project.rehearsed.rows(), project.rehearsed.shadows(), ignore)
    last = ledger.Deployment(
        id="",
        schema_version=project.manifest.schema_version,
        schema_fingerprint=ledger.schema_fingerprint(project.wanted),
        seeds={seed.table: seed.fingerprint for seed in project.seeds},
        managed=ledger.managed_names(project.wanted),
        scripts={script.name: script.checksum for script in project.scripts},
    )
    return Live(catalog, None, last)


def understand(answers: Sequence[Rows | Failure], project: Project) -> Live:
    """The answers to `LIVE_QUERIES` as a Live. Raises DatabaseError where they are none."""
    try:
        live = live_from(answers, project.manifest.ignore)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise DatabaseError(
            ErrorCode.UNEXPECTED_REPLY,
            "The schema or the ledger of the database cannot be read: they hold something else than they should.",
            hint=f"Look at sqlite_master and at {LEDGER_TABLE}: was a row changed or damaged?",
        ) from error
    if isinstance(live, Failure):
        raise explain_unread(live)
    return live


def _ledger_is_behind(project: Project, live: Live) -> bool:
    last = live.last
    return (
        last is None
        or last.schema_version != project.manifest.schema_version
        or last.managed != ledger.managed_names(project.wanted)
    )


def put_together(
    work: Work, project: Project, pipeline: Pipeline, *, commit: bool = True, deadline: int | None = None
) -> tuple[Assembly, str]:
    """The transaction that does the work, and the id that the ledger will know it by.

    By the server's clock it starts until the `deadline`, or never.
    """
    entry = _entry(work, project, pipeline)
    seeds = seed_steps(work.seeds, project.wanted, project.rehearsed.connection)
    checks = _checks(work, project)
    assembly = assemble(work.live, work.plan, work.scripts, seeds, checks, entry, commit=commit, deadline=deadline)
    return assembly, entry.id


def _checks(work: Work, project: Project) -> list[Check]:
    predicted = work.plan.predicted
    before = {(row.key, row.sql) for row in work.live.catalog.rows}
    changed = [
        row
        for row in predicted.rows
        if row.sql is not None and (row.key, row.sql) not in before and (row.kind, row.name) not in predicted.uncounted
    ]
    return [
        *count_check(project.manifest, predicted.uncounted),
        *catalog_check(changed),
        *row_checks(project.manifest, project.wanted),
        *json_checks(project.manifest, project.wanted),
    ]


def _entry(work: Work, project: Project, pipeline: Pipeline) -> ledger.Entry:
    ran = dict(work.live.last.scripts) if work.live.last else {}
    return ledger.Entry(
        id=str(uuid.uuid4()),
        deployed_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        schema_version=project.manifest.schema_version,
        schema_fingerprint=ledger.schema_fingerprint(project.wanted),
        seeds={seed.table: seed.fingerprint for seed in project.seeds},
        managed=ledger.managed_names(project.wanted),
        scripts=ran | {script.name: script.checksum for script in (*work.scripts, *work.skipped)},
        tool_version=__version__,
        plan_summary=dict(Counter(step.kind for step in work.plan.all_steps)),
        commit_sha=pipeline.commit_sha,
        ref=pipeline.ref,
        run_url=pipeline.run_url,
        actor=pipeline.actor,
        backup=pipeline.backup,
    )
