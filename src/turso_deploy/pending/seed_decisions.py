"""Decide what a deployment does with seed rows over live rows: ask the database, and name the hazards and conflicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from turso_deploy.catalog.scratch import ScratchError
from turso_deploy.core.errors import Cause, DatabaseError, ErrorCode
from turso_deploy.core.text import count_of
from turso_deploy.core.transaction import Answers, Query, Rows, Value
from turso_deploy.database.engine_errors import explain
from turso_deploy.history.seed_records import has_seed_records, recorded_groups_query, recorded_rows_query
from turso_deploy.pending.changes import NO_INQUIRY, Inquiry, PendingChanges
from turso_deploy.plan.hazards import Approval, Hazard, HazardName, is_approved
from turso_deploy.plan.plan import Plan
from turso_deploy.plan.renames import before_renames
from turso_deploy.project.project import Project
from turso_deploy.seeds.comparison import (
    Comparison,
    compared_columns,
    comparisons,
    decide,
    has_record,
    read_answers,
)
from turso_deploy.seeds.decisions import Conflict, Decision, LiveTable, Policy
from turso_deploy.seeds.records import (
    MAX_RECORDED_ROWS,
    RecordedRow,
    left_rows,
    record_of,
    records_by_key,
    records_in,
)
from turso_deploy.seeds.steps import OrphanCheck, error_for_orphans, missing_parents_query, orphan_checks
from turso_deploy.seeds.tables import Reference, SeedTable, usable_keys
from turso_deploy.seeds.trigger_effects import TriggerEffects, filled_record_sql, trigger_effects
from turso_deploy.seeds.unique_keys import UniqueKey, unique_keys
from turso_deploy.seeds.upsert import CHUNK_BYTES
from turso_deploy.sql.definitions import TableDefinition
from turso_deploy.sql.lexer import fold_case, projected_name, quote_identifier
from turso_deploy.sql.schema import Schema
from turso_deploy.sql.table_rows import MAX_NAMED_ROWS

_ROWID = ""  # no name of a column


class _Question(NamedTuple):
    """What has to be asked about the seeds of one table."""

    seed: SeedTable
    policy: Policy
    live: LiveTable
    uniques: tuple[UniqueKey, ...]
    asked: tuple[Comparison, ...]
    groups: Query | None
    recorded: tuple[Query, ...]

    @property
    def queries(self) -> tuple[Query, ...]:
        """All queries, in the order of the answers."""
        groups = (self.groups,) if self.groups else ()
        return (*(comparison.query for comparison in self.asked), *groups, *self.recorded)


def seed_inquiry(
    project: Project,
    pending: PendingChanges,
    request_size: int | None,
    empty: frozenset[str] = frozenset(),
    recorded: Mapping[str, Mapping[str, RecordedRow]] = MappingProxyType({}),
) -> Inquiry:
    """Return the inquiry that compares the pending seeds with the live rows of their tables.

    `empty` are the folded names of tables that are known to have no rows, `recorded` the records of tables that are
    known without the deployment history.
    """
    # The quotes of JSON are escaped in a request, and the text of a query takes room, too.
    chunk_bytes = CHUNK_BYTES if request_size is None else min(CHUNK_BYTES, request_size // 3)
    tables = list(live_tables(pending))
    if not tables:
        return NO_INQUIRY
    questions = [
        _question(project, pending, seed, live, chunk_bytes)
        for seed, live in tables
        if fold_case(seed.table) not in empty
    ]
    effects = effects_after(pending.plan)

    def add(pending: PendingChanges, answers: Answers) -> PendingChanges:
        rest, known = list(answers), dict(recorded)
        decisions = {
            seed.table: Decision(
                seed.table,
                _policy(project, seed),
                inserted=seed.row_count,
                empty_table=live.name,
                empty_before=seed.before,
            )
            for seed, live in tables
            if fold_case(seed.table) in empty
        }
        for question in questions:
            own, rest = rest[: len(question.queries)], rest[len(question.queries) :]
            table = question.seed.table
            known[table], decisions[table] = _decision(question, own, project, effects, known.get(table, {}))
        return with_decisions(pending, decisions)._replace(recorded=known)

    return Inquiry(tuple(query for question in questions for query in question.queries), add)


def compare_with_folder(project: Project, base: Project, pending: PendingChanges) -> PendingChanges:
    """Return the pending changes with the decisions over a database that holds the seeds of another project.

    The scratch database of `base` is compared, and its seeds are what was seeded last.
    """
    effects = trigger_effects(base.wanted)
    own = {fold_case(seed.table): seed for seed in base.seeds}
    recorded = {}
    for seed, live in live_tables(pending):
        if before := own.get(fold_case(live.name)):
            assigned = effects.assigned_by_triggers(base.wanted.tables[fold_case(live.name)].definition)
            record = record_of(before, assigned, lambda *_: True)
            if filled := filled_record_sql(live.name, record, "?1"):
                record = str(base.scratch.query(Query(filled, (record,))).rows[0][0])
            recorded[seed.table] = records_in(record, {old: new for new, old in live.columns.items()})
    inquiry = seed_inquiry(project, pending, None, recorded=recorded)
    answers = [base.scratch.query(query) for query in inquiry.queries]
    return inquiry.add(pending, answers)


def with_decisions(pending: PendingChanges, decisions: Mapping[str, Decision]) -> PendingChanges:
    """Return the pending changes with the decisions, and the hazards that follow from them."""
    by_table = {seed.table: seed for seed in pending.seeds}
    hazards = tuple(
        _hazard(by_table[table], decision) for table, decision in decisions.items() if decision.overwritten_count
    )
    return pending._replace(decisions=decisions, other_hazards=(*pending.other_hazards, *hazards))


def empty_tables_inquiry(pending: PendingChanges, found: set[str]) -> Inquiry:
    """Return the inquiry that adds the folded names of the seeded tables without rows to `found`."""
    tables = list(live_tables(pending))

    def add(pending: PendingChanges, answers: Answers) -> PendingChanges:
        for (seed, _), answer in zip(tables, answers, strict=True):
            if isinstance(answer, Rows) and not answer.number():
                found.add(fold_case(seed.table))
        return pending

    queries = (Query(f"SELECT EXISTS (SELECT 1 FROM {quote_identifier(live.name)})") for _, live in tables)
    return Inquiry(tuple(queries), add)


def live_tables(pending: PendingChanges) -> Iterator[tuple[SeedTable, LiveTable]]:
    """Yield the pending seeds of tables that exist, each with the table as it is before the deployment."""
    plan, live = pending.plan, pending.state.catalog.schema
    for seed in pending.seeds:
        name = fold_case(seed.table)
        before = live.tables.get(fold_case(plan.old_names.get(name, name)))
        after = plan.predicted.schema.tables.get(name)
        is_deployed = not seed.row_count and seed.before  # a file without rows may have had some
        if before is None or after is None or is_deployed or name in plan.created_tables | plan.dropped_tables:
            continue
        old_names = plan.old_columns(seed.table, live)
        columns, defaults = {}, {}
        for column in after.definition.columns:
            old = before.definition.by_name.get(fold_case(old_names.get(column.name, column.name)))
            if old is not None and not column.generated:
                columns[column.name] = old.name
            elif old is None:
                defaults[column.name] = " ".join(column.default or ("NULL",))
        rowid = next(iter(before.definition.rowid_names), None)
        table = LiveTable(before.name, columns, defaults, rowid)
        yield seed, _with_changed_values(table, plan, name, live)


def _with_changed_values(table: LiveTable, plan: Plan, name: str, live: Schema) -> LiveTable:
    """Return the live table with the values that the plan gives to its rows, if they change or are compared otherwise.

    `name` is the folded name after the renames, `live` the schema before them.
    """
    if name not in plan.changes:
        return table
    # A plan with scripts that run between prepares columns that the database does not have yet.
    change = replace(plan.changes[name], live=(plan.renamed or live).tables[name], prepared=frozenset())
    if not change.changes_values:
        return table
    now = dict(change.values_now)
    if table.rowid:
        now[_ROWID] = change.old.rowid_names[0]
    before = {column: f"turso_deploy_before_{position}" for position, column in enumerate(now)}
    rows = change.projection_with(*(f"{value} AS {before[column]}" for column, value in now.items()))
    after = {column.name: projected_name(column.name) for column in change.new.columns if column.generated is None}
    return table._replace(
        defaults={},
        rowid=before.pop(_ROWID, None),
        projection=f"({before_renames(plan.with_clause, f'SELECT * FROM {rows}')})" if plan.with_clause else rows,
        before=before,
        after=after,
    )


def parents_inquiry(project: Project, pending: PendingChanges) -> Inquiry:
    """Return the inquiry for the parents that seeds refer to and that only the database may have.

    Scripts may insert them, so nothing is asked if one is pending.
    """
    if pending.scripts:
        return NO_INQUIRY
    checks = list(orphan_checks(pending.seeds, project.wanted, project.scratch.connection))

    def add(pending: PendingChanges, answers: Answers) -> PendingChanges:
        errors = tuple(
            error_for_orphans(check, answer)
            for check, answer in zip(checks, answers, strict=True)
            if isinstance(answer, Rows) and answer.rows
        )
        return pending._replace(predicted_failures=(*pending.predicted_failures, *errors[:1]))

    return Inquiry(tuple(_parents_query(check, pending) for check in checks), add)


def _parents_query(check: OrphanCheck, pending: PendingChanges) -> Query:
    """Return the query for missing parents by the names before the deployment; a new table has none of them."""
    plan, live = pending.plan, pending.state.catalog.with_ignored
    name = fold_case(check.parent)
    before = live.tables.get(fold_case(plan.old_names.get(name, name)))
    all_missing = check.figures.query._replace(sql="SELECT given.key FROM json_each(?1) AS given LIMIT 20")
    if before is None or name in plan.created_tables | plan.dropped_tables:
        return all_missing
    old = {fold_case(new): fold_case(old) for new, old in plan.old_columns(check.parent, live).items()}
    columns = tuple(old.get(column, column) for column in check.reference.parent_columns)
    if not before.definition.by_name.keys() >= set(columns):
        return all_missing
    return missing_parents_query(Reference(check.columns, before.name, columns), check)


def effects_after(plan: Plan) -> TriggerEffects:
    """Return the effects of all triggers in the database after a plan, of those that the manifest ignores, too."""
    return trigger_effects(plan.predicted.with_ignored)


def stored_hash_to_record(pending: PendingChanges, table: str) -> Callable[[int, str, str], int | bool | None]:
    """Return the function that gives what to record of a value that triggers assign, for the record of a table.

    Its arguments are the position of a row in the file, the text of its key, and a column. True stands for what the
    table holds after the deployment; None if that is not what a deployment wrote, or if it cannot be known.
    """
    decision = pending.decisions.get(table)
    recorded = pending.recorded.get(table, {})
    first = next((seed.before for seed in pending.seeds if seed.table == table), None)

    def stored(position: int, key: str, column: str) -> int | bool | None:
        if first is None or (decision and decision.policy == "keep"):
            return None
        if position < first:  # it was written by an earlier transaction
            value = recorded[key].assigned if key in recorded else None
            return value[column].stored if value and column in value else None
        return decision.stored.get(position, {}).get(column, True) if decision else True

    return stored


def raise_if_seeds_conflict(pending: PendingChanges) -> None:
    """Raise DatabaseError (`seed-invalid`) if seed rows have UNIQUE values that other live rows have."""
    if error := conflict_error(pending):
        raise error


def conflict_error(pending: PendingChanges) -> DatabaseError | None:
    """Return the error for seed rows in conflict with live rows; None if there are none."""
    causes = [
        Cause(
            _explained(conflict, decision.table),
            conflict.place,
        )
        for decision in pending.decisions.values()
        for conflict in decision.conflicts
    ]
    if not causes:
        return None
    shown = "; ".join(f"{cause.place}: {cause.message}" for cause in causes[:MAX_NAMED_ROWS])
    more = f"; and {len(causes) - MAX_NAMED_ROWS:,} more" if len(causes) > MAX_NAMED_ROWS else ""
    return DatabaseError(
        ErrorCode.SEED_INVALID,
        f"{count_of(len(causes), 'seed row')} cannot be written, because of live rows: {shown}{more}.",
        hint="Give the seed row the key of the live row, correct its value, or change the live row.",
        place=causes[0].place,
        causes=causes,
    )


def _explained(conflict: Conflict, table: str) -> str:
    columns = ", ".join(f"`{name}`" for name in conflict.columns)
    if conflict.other_form:
        return (
            f"{columns} is a number here and a text in {conflict.live_row} of `{table}`, or the other way round, with "
            "the same characters"
        )
    return f"{columns} must be unique, and {conflict.live_row} of `{table}` has the same value under another key"


def approved_decisions(pending: PendingChanges, approvals: Sequence[Approval]) -> dict[str, Decision]:
    """Return the decisions for the transaction. Where overwriting is approved, no live row is guarded."""
    approved = {
        hazard.object
        for hazard in pending.other_hazards
        if hazard.name is HazardName.OVERWRITE_ROWS and is_approved(hazard, approvals)
    }
    return {
        table: decision._replace(is_guarded=False) if table in approved else decision
        for table, decision in pending.decisions.items()
    }


def _question(
    project: Project, pending: PendingChanges, seed: SeedTable, live: LiveTable, chunk_bytes: int
) -> _Question:
    policy = _policy(project, seed)
    definition = pending.plan.predicted.schema.tables[fold_case(seed.table)].definition
    uniques = unique_keys(definition, pending.plan.predicted.schema)
    groups: Query | None = None
    recorded: tuple[Query, ...] = ()
    if seed.before + seed.row_count <= MAX_RECORDED_ROWS and has_seed_records(pending.state.catalog):
        groups = recorded_groups_query(live.name)
        used = [group.key for group in seed.groups] or usable_keys(definition, pending.plan.predicted.schema)
        keys = {tuple(live.columns.get(name, "") for name in key) for key in used}
        recorded = tuple(recorded_rows_query(live.name, live.name, key) for key in sorted(keys) if all(key))
    asked = tuple(comparisons(seed, live, policy, definition, uniques, chunk_bytes))
    return _Question(seed, policy, live, uniques, asked, groups, recorded)


def _policy(project: Project, seed: SeedTable) -> Policy:
    policies = {fold_case(name): policy.existing for name, policy in project.manifest.seeds.items()}
    return policies.get(fold_case(seed.table), "compare")


def _decision(
    question: _Question,
    answers: Answers,
    project: Project,
    effects: TriggerEffects,
    recorded: Mapping[str, RecordedRow],
) -> tuple[Mapping[str, RecordedRow], Decision]:
    """Return the recorded rows of a table, and the decision about its seeds."""
    for answer in answers:
        if not isinstance(answer, Rows):
            raise explain(answer).error(
                DatabaseError, f"The seeds of {question.seed.table} could not be compared with the live rows: {{}}."
            )
    found = [answer for answer in answers if isinstance(answer, Rows)]
    compared, rest = found[: len(question.asked)], found[len(question.asked) :]
    seed, live = question.seed, question.live
    width = len(compared_columns(seed, live)) if has_record(seed, question.policy) else 0
    definition = project.wanted.tables[fold_case(seed.table)].definition
    new_names = {old: new for new, old in live.columns.items()}
    if question.groups:
        groups = {
            str(number): (str(key), str(columns), _text(assigned)) for number, key, columns, assigned in rest[0].rows
        }
        rows = (
            (str(number), str(key), str(digest), bool(present), _text(given), _text(stored))
            for answer in rest[1:]
            for number, key, digest, present, given, stored in answer.rows
        )
        recorded = records_by_key(groups, rows, new_names)
    answered = read_answers(question.asked, compared, width)
    free = _free_values(definition, project) if answered.different else {}
    assigned = effects.assigned_by_triggers(definition)
    decision = decide(seed, live, question.policy, definition, question.uniques, answered, recorded, free, assigned)
    return recorded, decision._replace(left=left_rows(seed, recorded))


def _text(value: Value) -> str | None:
    return None if value is None else str(value)


def _free_values(definition: TableDefinition, project: Project) -> dict[str, frozenset[Value]]:
    """Return the values of each column that count as unwritten: NULL, and its default if that is constant."""
    found = {}
    for column in definition.columns:
        values: set[Value] = {None}
        if column.default and "(" not in column.default:
            with suppress(ScratchError):  # a name in double quotes, for example
                [[value]] = project.scratch.query(Query(f"SELECT {' '.join(column.default)}")).rows
                values.add(value)
        found[column.name] = frozenset(values)
    return found


def _hazard(seed: SeedTable, decision: Decision) -> Hazard:
    lines = [seed.place_at(position) for position in decision.overwritten]
    lines = sorted(lines, key=lambda place: place.line or 0)[:MAX_NAMED_ROWS]
    more = decision.overwritten_count - len(lines)
    named = (
        ("lines " if len(lines) > 1 else "line ")
        + ", ".join(str(place.line) for place in lines)
        + (f" and {more:,} more" if more else "")
    )
    return Hazard(
        HazardName.OVERWRITE_ROWS,
        seed.table,
        None,
        lines[0] if lines else None,
        decision.overwritten_count,
        remedy=f"The rows are in {seed.file}, {named}. To leave such rows as they are, or to let the folder own them, "
        f"decide it in the manifest: seeds: {{{seed.table}: {{existing: keep}}}} or {{existing: update}}.",
    )
