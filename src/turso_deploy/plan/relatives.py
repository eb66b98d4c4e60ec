"""What a change of tables concerns besides them: what is rehearsed with them, and what has to be proven whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set

from turso_deploy.catalog.catalog import Catalog
from turso_deploy.catalog.diff import Managed, diff
from turso_deploy.catalog.rows import CatalogRow
from turso_deploy.plan.plan import DROPS_ROWS, Step, objects_of
from turso_deploy.plan.step_kinds import StepKind
from turso_deploy.sql.identifiers import identifiers_in, names_and_strings_in
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.schema import AnyTable, Schema, SchemaObject, Trigger, View, VirtualTable


def to_be_rehearsed(wanted: Schema, live: Catalog, managed: Managed) -> list[CatalogRow]:
    """The live objects that a plan without renames can touch, or that could notice what it does.

    Those are all views, triggers and virtual tables with what they name, and the tables that differ or have an index
    that does, with the children that refer to them; of the children only what can be part of a key.
    Without the others, the time that a rehearsal takes follows the size of the change and not that of the database.
    """
    difference = diff(wanted, live.schema)
    changes = (*difference.missing, *difference.changed)
    items = [
        *difference.removed(managed),
        *(item for change in changes for item in (change.wanted, change.live) if item),
    ]
    touched = {name for item in items for name in (fold_case(item.name), fold_case(_table_of(item)))}
    concerned = touched.union(*_named_elsewhere(wanted, live))
    found = children_of(live.with_ignored)
    children = {child for name in concerned for child in found.get(name, ())}
    return [
        row
        for row in live.rows
        if _reads_other_tables(row)
        or fold_case(row.name) in concerned
        or fold_case(row.table) in concerned
        or (fold_case(row.table) in children and _can_hold_a_key(row))
    ]


def _table_of(item: SchemaObject) -> str:
    return item.name if isinstance(item, AnyTable | View) else item.table


def _can_hold_a_key(row: CatalogRow) -> bool:
    """Whether it is a table or a unique index: https://www.sqlite.org/foreignkeys.html#fk_indexes."""
    return row.kind == "table" or (row.sql or "").startswith("CREATE UNIQUE INDEX")


def _reads_other_tables(row: CatalogRow) -> bool:
    return row.kind in ("view", "trigger") or (row.sql or "").startswith("CREATE VIRTUAL TABLE")


def _named_elsewhere(wanted: Schema, live: Catalog) -> Iterator[frozenset[str]]:
    """What the views, triggers and virtual tables name, as they are and as they are wanted."""
    readers: tuple[View | Trigger, ...] = (*wanted.views.values(), *wanted.triggers.values())
    for item in readers:
        yield identifiers_in(item.sql)
    virtual = (table.sql for table in wanted.virtual_tables.values())
    for sql in (*(row.sql or "" for row in live.rows if _reads_other_tables(row)), *virtual):
        yield names_and_strings_in(sql)  # a virtual table may name another so: content = 'other'


def with_readers(objects: Set[tuple[str, str]], named: Mapping[tuple[str, str], Set[str]]) -> Set[tuple[str, str]]:
    """Objects, and the views and triggers that are broken without the views among them, at any distance.

    `named` is what each view and trigger names.
    """
    found = set(objects)
    while True:
        views = {name for kind, name in found if kind == "view"}
        readers = {key for key, names in named.items() if not names.isdisjoint(views)}
        if readers <= found:
            return found
        found |= readers


def to_be_proven(
    steps: Iterable[Step], before: Schema, after: Schema, broken: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tables whose rows, and those whose foreign keys, have to be as good after the steps as before.

    Rows: the tables that are made anew, what refers to them or to a dropped one at any distance, and the parents of
    all that is made anew or dropped.
    Foreign keys: those among them that have any. Only tables that stand there before and after, and that hold their
    rows themselves. `broken` says what was wrong before: a key that leads to no key is none that SQLite can check.
    """
    steps = list(steps)
    rebuilt = objects_of(steps, StepKind.REBUILD_TABLE)
    dropped = objects_of(steps, *DROPS_ROWS)
    if not (rebuilt or dropped):
        return (), ()
    children = children_of(before, after)
    family = reached_from(rebuilt | dropped, children)
    parents = {parent for parent, found in children.items() if found & (rebuilt | dropped)}
    standing = {
        name
        for name in (before.all_tables.keys() & after.all_tables.keys()) - dropped
        if not any(_shows_rows_of_another(schema.all_tables[name]) for schema in (before, after))
    }
    rows = [table.name for name, table in after.all_tables.items() if name in standing and name in family | parents]
    keyed = [name for name in rows if _has_foreign_keys(after, name) or _has_foreign_keys(before, name)]
    return tuple(rows), tuple(name for name in keyed if "mismatch" not in broken.get(f"table {name}", ""))


def with_foreign_keys(schema: Schema, broken: Mapping[str, str]) -> tuple[str, ...]:
    """All tables that have foreign keys which SQLite can check. `broken` as for `to_be_proven`."""
    return tuple(
        table.name
        for name, table in schema.tables.items()
        if _has_foreign_keys(schema, name) and "mismatch" not in broken.get(f"table {name}", "")
    )


def _shows_rows_of_another(table: AnyTable) -> bool:
    return isinstance(table, VirtualTable) and table.definition.has_external_content


def children_of(*schemas: Schema) -> Mapping[str, set[str]]:
    """The tables that refer to each table, by folded names."""
    found: dict[str, set[str]] = defaultdict(set)
    for schema in schemas:
        for name, table in schema.tables.items():
            for key in table.definition.foreign_keys:
                found[key.parent].add(name)
    return found


def reached_from(names: Iterable[str], ways: Mapping[str, Set[str]]) -> Set[str]:
    """The names, and where the ways from them lead to, at any distance."""
    found = set(names)
    waiting = list(found)
    while waiting:
        new = ways.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def _has_foreign_keys(schema: Schema, name: str) -> bool:
    table = schema.tables.get(fold_case(name))
    return table is not None and bool(table.definition.foreign_keys)
