"""Find the tables whose rows triggers, foreign keys and conflict clauses may delete because of seeds and scripts.

SQLite compiles each statement with all triggers and foreign-key actions that it can fire, transitively, so the compiled
program names every table that may lose rows: https://www.sqlite.org/lang_explain.html. The authorizer reports those of
each DELETE, virtual tables included; the operations of the program also show rows that a REPLACE deletes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

from turso_deploy.catalog.catalog import Catalog
from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.core.errors import Place
from turso_deploy.core.text import capitalized
from turso_deploy.core.transaction import Query
from turso_deploy.plan.hazards import Hazard, HazardName
from turso_deploy.plan.plan import Plan
from turso_deploy.project.scripts import Script
from turso_deploy.seeds.tables import SeedTable
from turso_deploy.seeds.upsert import insert_verb
from turso_deploy.sql.cursor import Cursor
from turso_deploy.sql.identifiers import identifiers_in
from turso_deploy.sql.lexer import fold_case, quote_identifier, tokenize
from turso_deploy.sql.schema import AnyTable, Schema, VirtualTable
from turso_deploy.sqlite.connection import DELETE
from turso_deploy.transaction.deletions import PossibleDeletion, Writer, first_of_each

_MAY_DELETE = re.compile("delete|replace|cascade", re.IGNORECASE)
_MAY_DELETE_FOR_SEEDS = re.compile("delete|replace", re.IGNORECASE)
_TRIGGER_NAME = "-- TRIGGER "
"""The beginning of the comment with which the program of a trigger begins. That of a foreign-key action has none."""

_IS_DELETE, _IS_UPDATE, _DELETES_NOTHING = 0x01, 0x04, 0x40
"""Flags of the operation Delete: a DELETE, which the authorizer reports; part of an UPDATE; for hooks only."""


class _Statement(NamedTuple):
    """A statement, its writer, and the folded name of the table that it says itself that it deletes from."""

    sql: str
    writer: Writer
    table_deleted_from: str | None = None


def deletions_by_seeds(seeds: Sequence[SeedTable], plan: Plan, wanted: Schema) -> Iterator[PossibleDeletion]:
    """Yield the deletions that seeds may cause in tables that exist already."""
    rows = plan.predicted.rows
    triggers = [row.sql or "" for row in rows if row.kind == "trigger"]
    replaces = triggers and any("replace" in (row.sql or "").lower() for row in rows)
    if seeds and (replaces or any(map(_MAY_DELETE_FOR_SEEDS.search, triggers))):
        statements = (one for seed in seeds for one in _seed_statements(seed, wanted.tables[fold_case(seed.table)].sql))
        yield from _deletions(statements, plan.predicted, wanted, lambda name: name not in plan.created_tables)


def deletions_by_scripts(
    scripts: Sequence[Script], catalog: Catalog, wanted: Schema, plan: Plan | None = None
) -> Iterator[PossibleDeletion]:
    """Yield the deletions that scripts may cause while the schema is that of `catalog`.

    `wanted` has the places of triggers. `plan` is given if it runs before the scripts: the tables that it creates have
    no rows to lose.
    """
    created = plan.created_tables if plan else frozenset()
    if scripts and any(_MAY_DELETE.search(row.sql or "") for row in catalog.rows):
        statements = (statement for script in scripts for statement in _script_statements(script))
        yield from _deletions(statements, catalog, wanted, lambda name: name not in created)


def deletion_hazards(deletions: Iterable[PossibleDeletion]) -> tuple[Hazard, ...]:
    """Return a hazard for each table that may lose rows. Its rows are not counted: only the transaction can do it."""
    by_table: dict[str, list[PossibleDeletion]] = {}
    for deletion in first_of_each(deletions):
        by_table.setdefault(deletion.table.name, []).append(deletion)
    return tuple(
        Hazard(
            HazardName.DELETE_ROWS,
            table,
            None,
            found[0].trigger_place or found[0].writer.place,
            remedy="\n".join(f"{capitalized(str(deletion))}." for deletion in found),
        )
        for table, found in by_table.items()
    )


def _seed_statements(seed: SeedTable, table_sql: str) -> Iterator[_Statement]:
    """Yield statements that fire what the upserts of a seed can fire.

    The conflict clause of a statement overrides those in the triggers that it fires, so OR ABORT replaces no row:
    https://www.sqlite.org/lang_createtrigger.html. The UPDATE of an upsert always has it.
    """
    writer = Writer(Place(seed.file))
    table = quote_identifier(seed.table)
    for columns in dict.fromkeys(group.columns for group in seed.groups):
        names = [quote_identifier(column) for column in columns]
        values = ", ".join("NULL" for _ in names)
        yield _Statement(f"{insert_verb(table_sql)} INTO {table} ({', '.join(names)}) VALUES ({values})", writer)
        yield _Statement(f"UPDATE OR ABORT {table} SET {', '.join(f'{name} = NULL' for name in names)}", writer)


def _script_statements(script: Script) -> Iterator[_Statement]:
    for position, statement in enumerate(script.statements):
        writer = Writer(Place(script.file, statement.line), position)
        yield _Statement(statement.text, writer, _table_deleted_from(statement.text))


def _table_deleted_from(sql: str) -> str | None:
    """Return the folded name of the table of a DELETE FROM, REPLACE INTO or UPDATE OR REPLACE; None for the others."""
    cursor = Cursor(tokenize(sql), len(sql))
    while cursor.word:
        if cursor.word == "(":
            cursor.group()
        elif any(cursor.take_all(*words) for words in (("DELETE", "FROM"), ("REPLACE", "INTO"), _UPDATE_OR_REPLACE)):
            return fold_case(cursor.qualified_name()[1])
        else:
            cursor.advance()
    return None


_UPDATE_OR_REPLACE = ("UPDATE", "OR", "REPLACE")


def _deletions(
    statements: Iterable[_Statement], catalog: Catalog, defined: Schema, may_have_rows: Callable[[str], bool]
) -> Iterator[PossibleDeletion]:
    """Yield the possible deletions of each statement. What cannot be compiled here may delete from any table."""
    schema = catalog.with_ignored
    places = {name: trigger.place for name, trigger in defined.triggers.items()}
    with closing(Scratch()) as scratch:
        left_out = scratch.load(catalog.rows, catalog.shadows)
        unknown = [row.sql or "" for row in left_out if row.kind == "trigger"]
        for statement in statements:
            try:
                found = _compiled_deletions(statement.sql, scratch)
                named = set[str]().union(*map(identifiers_in, unknown))
            except ScratchError:
                found = []
                texts = (item.sql for items in (schema.triggers, schema.all_tables) for item in items.values())
                named = set[str]().union(*(identifiers_in(sql) for sql in texts if _MAY_DELETE.search(sql)))
            found += [_Deletion(name, "a trigger or foreign key that cannot be compiled here", True) for name in named]
            for deletion in dict.fromkeys(found):
                name = deletion.table
                table = schema.all_tables.get(name)
                if table and name != statement.table_deleted_from and may_have_rows(name) and _has_rows(table):
                    place = places.get(fold_case(deletion.trigger or ""))
                    yield PossibleDeletion(table, statement.writer, deletion.by, deletion.replaces, place)


def _has_rows(table: AnyTable) -> bool:
    """Return False for a full-text index of rows that another table holds: its entries follow those."""
    return not isinstance(table, VirtualTable) or table.definition.content is None


class _Deletion(NamedTuple):
    table: str
    by: str
    replaces: bool
    trigger: str | None = None


def _compiled_deletions(sql: str, scratch: Scratch) -> list[_Deletion]:
    """Return the deletions in the compiled program of a statement. Raises ScratchError."""
    found: list[_Deletion] = []

    def note(action: int, table: str | None, _: str | None, __: str | None, trigger: str | None) -> bool:
        if action == DELETE:
            found.append(_Deletion(fold_case(table or ""), _deleter(trigger), False, trigger))
        return True

    with scratch.connection.authorized_by(note):
        program = scratch.query(Query(f"EXPLAIN {sql}")).rows
    trigger, in_trigger = None, False
    for _, operation, _, flags, _, text, *_ in program:
        comment, flag = str(text or ""), int(str(flags))
        if operation == "Init":
            in_trigger = comment.startswith(_TRIGGER_NAME)
            trigger = comment.removeprefix(_TRIGGER_NAME) if in_trigger else None
        elif operation == "Delete" and comment and not flag & (_IS_UPDATE | _DELETES_NOTHING | _IS_DELETE):
            by = _deleter(trigger) if in_trigger else f"the conflict clause of {comment}"
            found.append(_Deletion(fold_case(comment), by, True, trigger))
    return found


def _deleter(trigger: str | None) -> str:
    return f"the trigger {trigger}" if trigger else "the action of a foreign key"
