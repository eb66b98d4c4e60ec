"""Find the tables that pending scripts, and the triggers on seeds, write to: a plan cannot predict their rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import closing

from turso_deploy.catalog.catalog import Catalog
from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.plan.plan import Plan
from turso_deploy.project.scripts import Script
from turso_deploy.seeds.tables import SeedTable
from turso_deploy.sql.identifiers import identifiers_in
from turso_deploy.sql.lexer import fold_case, quote_identifier

Writers = Mapping[str, str]
"""What writes to each table besides its own seeds, as a phrase, by folded name."""


def writers_of(
    plan: Plan,
    live: Catalog,
    scripts: Sequence[Script],
    seeds: Sequence[SeedTable],
    kept: Set[str] = frozenset(),
) -> Writers:
    """Return the writers of each table: scripts, and triggers and foreign-key actions of scripts and seeds.

    `kept` are the folded names of the tables whose existing rows no seed updates.
    SQLite reports them when it compiles a statement. A script that no scratch database can
    compile, because only the server knows its functions, may write to every table.
    """
    found: dict[str, str] = {}
    if not (scripts or seeds):
        return found
    with closing(Scratch()) as after, closing(Scratch()) as before:
        after.load(plan.predicted.rows, plan.predicted.shadows)
        if scripts:
            before.load(live.rows, live.shadows)
        for script in scripts:
            tables = _written_by_script(script, [before, after] if script.runs_before else [after, before])
            known = [fold_case(name) for name in (plan.old_names.values() if script.runs_before else ())]
            names = plan.predicted.schema.all_tables.keys() if tables is None else tables
            new_names = {fold_case(old): new for new, old in plan.old_names.items()}
            for name in names:
                table = new_names.get(name, name) if name in known else name
                found.setdefault(table, f"the script {script.name} writes to it")
        for seed in seeds:
            for name in _written_by_triggers(seed, after, is_kept=fold_case(seed.table) in kept):
                found.setdefault(name, f"a trigger or a foreign key of {seed.table} writes to it when it is seeded")
    return found


def rejecting_triggers(plan: Plan, seeds: Sequence[SeedTable]) -> Iterator[tuple[str, str]]:
    """Yield each trigger that may reject a row of the seeds, and the table, because it can raise an error."""
    seeded = {fold_case(seed.table): seed.table for seed in seeds}
    for trigger in plan.predicted.with_ignored.triggers.values():
        if fold_case(trigger.table) in seeded and "raise" in identifiers_in(trigger.sql):
            yield trigger.name, seeded[fold_case(trigger.table)]


def _written_by_script(script: Script, scratches: Iterable[Scratch]) -> set[str] | None:
    """Return the folded names of all tables that a script writes to, None if it cannot be compiled."""
    for scratch in scratches:
        try:
            written = [scratch.tables_written_by(statement.text) for statement in script.statements]
        except ScratchError:
            continue
        return {name for tables in written for name, _ in tables}
    return None


def _written_by_triggers(seed: SeedTable, scratch: Scratch, *, is_kept: bool) -> set[str]:
    """Return the folded names of the tables that triggers and foreign-key actions write to if a table is seeded."""
    table = quote_identifier(seed.table)
    columns = dict.fromkeys(name for group in seed.groups for name in group.columns)
    same = ", ".join(f"{quote_identifier(name)} = {quote_identifier(name)}" for name in columns)
    written: set[tuple[str, bool]] = set()
    statements = [f"INSERT INTO {table} DEFAULT VALUES", f"UPDATE {table} SET {same}"]
    for sql in statements[:1] if is_kept else statements:
        try:
            written |= scratch.tables_written_by(sql)
        except ScratchError:
            continue
    return {name for name, by_trigger in written if by_trigger or name != fold_case(seed.table)}
