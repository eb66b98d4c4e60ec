"""Predict the checks of a deployment from the rows that the database has before it.

A plan only reads, so each check of rows is evaluated over the live rows in the form that the plan gives them, together
with the seeds as the scratch database stored them. What pending scripts and triggers write cannot be known before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from turso_deploy.core.transaction import Answers, Failure, Query, Rows, Value
from turso_deploy.plan.hazards import HazardName
from turso_deploy.plan.plan import Plan
from turso_deploy.plan.table_hazards import has_no_parent, title_of_columns
from turso_deploy.project.bound import Bound
from turso_deploy.project.project import Project
from turso_deploy.project.scripts import Script
from turso_deploy.seeds.tables import SeedGroup, SeedTable
from turso_deploy.seeds.upsert import as_json, text_form
from turso_deploy.sql.definitions import ForeignKey
from turso_deploy.sql.identifiers import with_projected_names
from turso_deploy.sql.lexer import fold_case, quote_identifier, read_column_title, readable_identifier
from turso_deploy.sql.schema import Schema, VirtualTable
from turso_deploy.sql.table_rows import MAX_NAMED_ROWS, TableRows, current_rows, key_of_rows
from turso_deploy.transaction.checks import Check, invalid_json, json_check, row_check
from turso_deploy.transaction.database_state import DatabaseState
from turso_deploy.transaction.row_verification import foreign_key_checks, with_written_rows
from turso_deploy.transaction.written_tables import Writers, rejecting_triggers, writers_of

MAX_COMPARED_ROWS = 10_000
"""The number of rows that a plan looks up among the seeds."""


class NewRows(NamedTuple):
    """What the seeds do with the rows of a table, by folded name.

    `added` returns the number of rows that they add, None if it is not known; `kept` the texts of the keys of the seed
    rows that leave a live row as it is.
    """

    added: Callable[[str], int | None]
    kept: Callable[[str], Set[str]]


class Pending(NamedTuple):
    """The changes whose checks are predicted. `seeds` are by folded table name.

    `writers_before_seeds` leaves out scripts that run after the seeds. `is_new` is True if the database has no table
    of the schema folder and no script runs: then the scratch database shows the result. With `show_keys` rows are
    named by text keys, too.
    """

    project: Project
    plan: Plan
    live: Schema
    scripts: Sequence[Script]
    seeds: Mapping[str, SeedTable]
    writers: Writers
    writers_before_seeds: Writers
    is_new: bool
    show_keys: bool

    @classmethod
    def of(
        cls,
        project: Project,
        state: DatabaseState,
        plan: Plan,
        scripts: Sequence[Script],
        seeds: Sequence[SeedTable],
        *,
        show_keys: bool = False,
    ) -> Pending:
        """Return the pending changes of a project, with what scripts and triggers write."""
        live = state.catalog.with_ignored
        is_new = not (scripts or live.all_tables.keys() & project.wanted.all_tables.keys())
        kept = {fold_case(name) for name, policy in project.manifest.seeds.items() if policy.existing == "keep"}
        writers = {} if is_new else writers_of(plan, state.catalog, scripts, seeds, kept)
        first = [script for script in scripts if script.runs_before]
        before = writers if len(first) == len(scripts) else writers_of(plan, state.catalog, first, seeds, kept)
        by_name = {fold_case(seed.table): seed for seed in seeds}
        return cls(project, plan, live, scripts, by_name, writers, before, is_new, show_keys)

    def rows_after(self, name: str) -> TableRows | None:
        """Return the live rows of a table as the plan leaves them, before the seeds."""
        return rows_after(self.plan, self.live, fold_case(name), show_keys=self.show_keys)


def rows_after(plan: Plan, live: Schema, name: str, *, show_keys: bool = False) -> TableRows | None:
    """Return the rows that a table of the wanted schema will have after a plan, read from the database before it.

    `live` is the schema before the plan, with ignored tables, and `name` is folded. None if the table has no rows then,
    because the plan creates it.
    """
    if name in plan.created_tables or name in plan.dropped_tables:
        return None
    change = plan.changes.get(name)
    if change is None:
        table = (plan.renamed or live).all_tables.get(name) or live.all_tables[name]
        hides = bool(plan.with_clause)
        key = key_of_rows(table, show_keys=show_keys, is_projection=hides)
        return TableRows(readable_identifier(table.name), key, plan.with_clause, is_projection=hides)
    key = key_of_rows(change.wanted, show_keys=show_keys, is_projection=True)
    rowids = change.old.rowid_names
    source = change.projection
    if key is not None and key.sql in change.new.rowid_names:
        source = change.projection_with(f"{rowids[0]} AS {key.sql}") if rowids else source
        key = key if rowids else None
    source = with_projected_names(source) if plan.with_clause else source
    return TableRows(source, key, plan.with_clause, is_projection=True)


class CheckQuestion(NamedTuple):
    """A check, the queries about live rows that it depends on, and the function that predicts its answer from theirs.

    The function returns the reason as text if only the deployment can decide. `hazard` is the name and object of the
    hazard that stands for the check if its rows are counted.
    """

    check: Check
    queries: tuple[Query, ...]
    predict: Callable[[Answers, NewRows], Rows | Failure | str]
    hazard: str = ""


def check_questions(pending: Pending) -> Iterator[CheckQuestion]:
    """Yield a question for each check of rows in the manifest."""
    manifest = pending.project.manifest
    for name, bound in manifest.rows.items():
        if bound.low > 0 or bound.high is not None:
            yield _rows_question(pending, name, bound)
    for name, columns in manifest.json_columns.items():
        if columns:
            yield _json_question(pending, name, columns)
    yield from _key_questions(pending)


def undecided_parts(pending: Pending) -> Iterator[str]:
    """Yield a sentence for each script and trigger that may stop the deployment, depending on rows of the database."""
    for script in pending.scripts:
        yield f"the script {script.name}: it depends on the rows of the database"
    for name, seed in pending.seeds.items():
        if reason := pending.writers_before_seeds.get(name):
            yield f"the numbers of seed rows of {seed.table}: {reason}"
    if not pending.is_new:
        for trigger, table in rejecting_triggers(pending.plan, list(pending.seeds.values())):
            yield f"the seeds of {table}: the trigger {trigger} may reject a row"
        for parent, child in _children_of_changed_keys(pending):
            yield f"foreign keys of {child}: the seeds of {parent} may change the values that it refers to"


def _children_of_changed_keys(pending: Pending) -> Iterator[tuple[str, str]]:
    """Yield the seeded tables of which a column that is not the key of the seeds is referred to, and who does."""
    schema = pending.plan.predicted.with_ignored
    for child, table in schema.tables.items():
        for key in table.definition.foreign_keys:
            seed = pending.seeds.get(key.parent)
            if seed is None or child in pending.plan.created_tables or pending.rows_after(key.parent) is None:
                continue
            changed = {fold_case(name) for group in seed.groups for name in group.columns if name not in group.key}
            if changed.intersection(schema.parent_columns(key)):
                yield seed.table, table.name


def _rows_question(pending: Pending, name: str, bound: Bound) -> CheckQuestion:
    table = pending.project.wanted.all_tables[fold_case(name)]
    content = table.definition.content if isinstance(table, VirtualTable) else None
    counted = fold_case(content or name)  # a full-text index with external content has the rows of its content
    check = row_check(name, bound, current_rows(table, show_keys=pending.show_keys))
    if settled := _settled(pending, check, counted):
        return settled
    rows = pending.rows_after(counted)
    live = row_check(name, bound, rows) if rows else None

    def predict(answers: Answers, new_rows: NewRows) -> Rows | Failure | str:
        [answer] = answers or [Rows(rows=((0,),))]
        if isinstance(answer, Failure):
            return answer
        [(found, *keys)] = answer.rows
        number, added = int(str(found)), new_rows.added(counted)
        most = pending.seeds[counted].row_count if added is None else 0
        if added is None and (bound.holds(number) != bound.holds(number + most) or number < bound.low):
            return "it is not known how many of the seed rows are new"
        return Rows(rows=((number + (added or 0), *keys),))

    expectations = live.expectations if live else check.expectations
    return CheckQuestion(check._replace(expectations=expectations), (live.figures,) if live else (), predict)


def _json_question(pending: Pending, name: str, columns: Sequence[str]) -> CheckQuestion:
    rows = pending.rows_after(name)
    table = current_rows(pending.project.wanted.tables[fold_case(name)], show_keys=pending.show_keys)
    check = json_check(name, columns, rows or table, rows)
    if settled := _settled(pending, check, fold_case(name)):
        return settled
    if rows is None:  # the rows are seeds, whose values are checked when they are loaded
        none = Rows(rows=((0,) * len(columns),))
        return CheckQuestion(check, (), lambda answers, new_rows: none)
    overwritten = [
        _Overwritten(position, group, rows, column)
        for position, column in enumerate(columns)
        for group in _groups_that_overwrite(pending, name, column)
    ]

    def predict(answers: Answers, new_rows: NewRows) -> Rows | Failure | str:
        figures, *found = answers
        if isinstance(figures, Failure):
            return figures
        return _without_overwritten(
            pending,
            name,
            figures,
            list(zip(overwritten, found, strict=True)),
            len(columns),
            new_rows.kept(fold_case(name)),
        )

    return CheckQuestion(check, (check.figures, *(item.query for item in overwritten)), predict)


def _key_questions(pending: Pending) -> Iterator[CheckQuestion]:
    """Yield a question for each new foreign key whose rows no hazard counts: its parent is created, or seeded."""
    plan = with_written_rows(pending.plan) if pending.scripts or pending.seeds else pending.plan
    checks = {check.label: check for check in foreign_key_checks(plan)}
    for hazard in plan.hazards:
        if hazard.name is not HazardName.ADD_FOREIGN_KEY or hazard.parent is None:
            continue
        table = fold_case(read_column_title(hazard.object)[0])
        change, rows, parent = plan.changes.get(table), pending.rows_after(table), hazard.parent
        if change is None or rows is None or parent in plan.changes or {table, parent} & pending.writers.keys():
            continue
        check = checks.get(f"foreign keys of {change.wanted.name} kept")
        key = next(
            (key for key in change.new.foreign_keys if title_of_columns(change, key.columns) == hazard.object), None
        )
        if key is None or check is None:
            continue
        yield _key_question(pending, check, rows, key)._replace(hazard=f"{hazard.name} {hazard.object}")


def _key_question(pending: Pending, check: Check, rows: TableRows, key: ForeignKey) -> CheckQuestion:
    columns = [f"child.{rows.name_of(name)}" for name in key.columns]
    lonely = " AND ".join(f"{column} IS NOT NULL" for column in columns)
    if pending.rows_after(key.parent) is not None:
        lonely = has_no_parent(key, pending.plan.predicted.with_ignored, rows.name_of)
        lonely = with_projected_names(lonely) if rows.with_clause else lonely
    sql = (
        f"{rows.with_clause}SELECT {', '.join(columns)} FROM {rows.source} AS child "
        f"WHERE {lonely} LIMIT {MAX_COMPARED_ROWS + 1}"
    )
    parents = pending.project.wanted.parent_columns(key)

    def predict(answers: Answers, new_rows: NewRows) -> Rows | Failure | str:
        [found] = answers
        if isinstance(found, Failure):
            return "the rows could not be read before"
        if len(found.rows) > MAX_COMPARED_ROWS and key.parent in pending.seeds:
            return "too many rows refer to the seeds to look all of them up"
        seeded = _positions(pending, key.parent, parents, found.rows) if key.parent in pending.seeds else set()
        return Rows(rows=((len(found.rows) - len(seeded),),))

    return CheckQuestion(check, (Query(sql),), predict)


def _settled(pending: Pending, check: Check, name: str) -> CheckQuestion | None:
    """Return the question for a check that needs no live row: of a new database, or of a table with other writers."""
    if pending.is_new:
        answer = pending.project.scratch.query(check.figures)
        return CheckQuestion(check, (), lambda answers, new_rows: answer)
    if reason := pending.writers.get(name):
        return CheckQuestion(check, (), lambda answers, new_rows: reason)
    return None


class _Overwritten(NamedTuple):
    """The rows with invalid JSON in a column that a group of seeds overwrites, if it has the keys of these rows."""

    position: int
    group: SeedGroup
    rows: TableRows
    column: str

    @property
    def query(self) -> Query:
        """The query for the name and the seed key of each row with invalid JSON."""
        name = self.rows.key.sql if self.rows.key else "NULL"
        columns = ", ".join([name, *map(self.rows.name_of, self.group.key)])
        condition = f"{invalid_json(self.rows.name_of(self.column))} LIMIT {MAX_COMPARED_ROWS + 1}"
        return Query(f"{self.rows.with_clause}SELECT {columns} FROM {self.rows.source} WHERE {condition}")


def _groups_that_overwrite(pending: Pending, name: str, column: str) -> Iterator[SeedGroup]:
    seed = pending.seeds.get(fold_case(name))
    policies = {fold_case(table): policy for table, policy in pending.project.manifest.seeds.items()}
    policy = policies.get(fold_case(name))
    if seed is None or (policy is not None and policy.existing == "keep"):
        return
    for group in seed.groups:
        if fold_case(column) in map(fold_case, group.columns):
            yield group


def _without_overwritten(
    pending: Pending,
    name: str,
    figures: Rows,
    found: Sequence[tuple[_Overwritten, Rows | Failure]],
    count: int,
    kept: Set[str],
) -> Rows | str:
    """Return the figures and keys of a JSON check without the rows that the seeds overwrite."""
    [row] = figures.rows
    numbers, keys = [int(str(figure)) for figure in row[:count]], list(row[count:])
    for position in range(count):
        answers = [(item.group, answer) for item, answer in found if item.position == position]
        if not answers or not numbers[position]:
            continue
        replaced: set[int] = set()
        names: list[Value] = []
        for group, answer in answers:
            if not isinstance(answer, Rows) or len(answer.rows) > MAX_COMPARED_ROWS:
                return "too many rows have a value that is not JSON to look all of them up among the seeds"
            replaced |= {
                at
                for at in _positions_among_seeds(pending, name, group, answer.rows)
                if as_json([group.key, [text_form(value) for value in answer.rows[at][1:]]]) not in kept
            }
            names = [row[0] for row in answer.rows]
        left = [key for place, key in enumerate(names) if place not in replaced]
        numbers[position] = len(left)
        if keys:
            keys[position] = as_json([left[:MAX_NAMED_ROWS]])[1:-1]
    return Rows(rows=((*numbers, *keys),))


def _positions_among_seeds(
    pending: Pending, name: str, group: SeedGroup, rows: Sequence[tuple[Value, ...]]
) -> set[int]:
    """Return the positions of the rows whose seed key a seed row has. The first value of a row is its name."""
    return _positions(pending, name, group.key, [key for _, *key in rows])


def _positions(pending: Pending, name: str, columns: Sequence[str], keys: Sequence[Sequence[Value]]) -> set[int]:
    """Return the positions of the keys that a seed row has, as the scratch database compares them."""
    table = quote_identifier(pending.project.wanted.tables[fold_case(name)].name)
    same = " AND ".join(
        f"seeded.{quote_identifier(column)} = given.value->>{place}" for place, column in enumerate(columns)
    )
    sql = f"SELECT given.key FROM json_each(?1) AS given WHERE EXISTS (SELECT 1 FROM {table} AS seeded WHERE {same})"
    given = [[None if isinstance(value, bytes) else value for value in key] for key in keys]
    answer = pending.project.scratch.query(Query(sql, (as_json(given),)))
    return {int(str(position)) for (position,) in answer.rows}
