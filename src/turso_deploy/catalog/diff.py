"""What differs between the wanted and the live schema. Equality is of meaning; spelling is never a difference."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from turso_deploy.catalog.column_order import stand_in_order, tables_in_order
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.schema import Schema, SchemaObject, Table, key_of, title

Managed = frozenset[str]
"""What the history says that we made or adopted, by kind and name: `table users`, `index idx_users_name`, …"""


class Change(Struct, frozen=True):
    """One object that differs: wanted and not there, there and not wanted, or there with another meaning."""

    wanted: SchemaObject | None
    live: SchemaObject | None

    @property
    def object(self) -> SchemaObject:
        """The object as it is wanted, or as it is where nobody wants it."""
        found = self.wanted or self.live
        assert found is not None
        return found


class Difference(Struct, frozen=True):
    """All changes between two schemas, each list in the order tables, indexes, views, triggers."""

    missing: tuple[Change, ...] = ()
    changed: tuple[Change, ...] = ()
    extra: tuple[Change, ...] = ()

    def removed(self, managed: Managed) -> list[SchemaObject]:
        """What we made and the schema folder no longer has."""
        ours = {fold_case(name) for name in managed}
        return [change.object for change in self.extra if fold_case(title(change.object)) in ours]

    def unmanaged(self, managed: Managed) -> list[SchemaObject]:
        """Whatever else is extra: it is not ours to drop."""
        ours = {fold_case(name) for name in managed}
        return [change.object for change in self.extra if fold_case(title(change.object)) not in ours]


def diff(wanted: Schema, live: Schema) -> Difference:
    """Compare two schemas in one pass."""
    missing, changed, extra = [], [], []
    ordered = tables_in_order(wanted)
    pairs = (
        (wanted.all_tables, live.all_tables),
        (wanted.indexes, live.indexes),
        (wanted.views, live.views),
        (wanted.triggers, live.triggers),
    )
    for wanted_objects, live_objects in pairs:
        for name, wanted_object in wanted_objects.items():
            live_object = live_objects.get(name)
            if live_object is None:
                missing.append(Change(wanted_object, None))
            elif not (
                mean_the_same(wanted_object, live_object)
                or mean_the_same(explicit(wanted_object, wanted), explicit(live_object, live))
            ) or (name in ordered and _moved(wanted_object, live_object)):
                changed.append(Change(wanted_object, live_object))
        extra += [Change(None, live_objects[name]) for name in live_objects if name not in wanted_objects]
    return Difference(tuple(missing), tuple(changed), tuple(extra))


def _moved(wanted: SchemaObject, live: SchemaObject) -> bool:
    return isinstance(wanted, Table) and isinstance(live, Table) and not stand_in_order(wanted, live)


def mean_the_same(one: SchemaObject, other: SchemaObject) -> bool:
    """Whether two objects of one kind behave alike."""
    return one.sql == other.sql or one.definition == other.definition


def explicit(item: SchemaObject, schema: Schema) -> SchemaObject:
    """The object with every foreign key naming the columns that it refers to: it may leave out its parent's key."""
    if not isinstance(item, Table) or all(key.parent_columns for key in item.definition.foreign_keys):
        return item
    keys = (replace(key, parent_columns=schema.parent_columns(key)) for key in item.definition.foreign_keys)
    return replace(item, definition=replace(item.definition, foreign_keys=tuple(keys)))


def _respelt_columns(wanted: SchemaObject, live: SchemaObject) -> Iterator[str]:
    if not (isinstance(wanted, Table) and isinstance(live, Table)):
        return
    names = [(column.name, live.definition.by_name.get(name)) for name, column in wanted.definition.by_name.items()]
    other = [f"{name} is called {there.name}" for name, there in names if there and there.name != name]
    if other:
        yield f"in table {wanted.name}, column {', '.join(other)} in the database"


def respelt(wanted: Schema, live: Schema) -> tuple[str, ...]:
    """Objects whose names differ in case only. SQLite cannot tell them apart, so that is reported and not acted on."""
    live_objects = {key_of(item): item for item in live.objects()}
    found = []
    for item in wanted.objects():
        there = live_objects.get(key_of(item))
        if there is None or there.sql == item.sql:
            continue
        if there.name != item.name:
            found.append(f"{title(item)} is called {there.name} in the database")
        found += _respelt_columns(item, there)
    return tuple(found)
