"""Compare the wanted and the live schema by meaning; spelling is never a difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from turso_deploy.catalog.column_order import have_same_column_order, tables_with_significant_order
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.quoted_texts import differ_in_quotes_only
from turso_deploy.sql.schema import Schema, SchemaObject, Table, key_of, title

Managed = frozenset[str]
"""The managed objects of the deployment history, by kind and name: `table users`, `index idx_users_name`, …"""


class PresentNames(NamedTuple):
    """The names that the tables and columns of an earlier schema have in the database now, where they differ.

    All names are folded. `tables` maps the earlier name of a table to the present one, `columns` the earlier name of a
    table to those of its columns.
    """

    tables: Mapping[str, str] = MappingProxyType({})
    columns: Mapping[str, Mapping[str, str]] = MappingProxyType({})


NO_PRESENT_NAMES = PresentNames()


class Change(NamedTuple):
    """One object that differs: missing, extra, or with another meaning."""

    wanted: SchemaObject | None
    live: SchemaObject | None

    @property
    def object(self) -> SchemaObject:
        """The wanted object, or the live one if it is not wanted."""
        found = self.wanted or self.live
        assert found is not None
        return found


class Difference(NamedTuple):
    """The changes between two schemas, each list in the order tables, indexes, views, triggers."""

    missing: tuple[Change, ...] = ()
    changed: tuple[Change, ...] = ()
    extra: tuple[Change, ...] = ()

    def removed(self, managed: Managed) -> list[SchemaObject]:
        """Return the managed objects that the schema folder no longer defines."""
        ours = {fold_case(name) for name in managed}
        return [change.object for change in self.extra if fold_case(title(change.object)) in ours]

    def unmanaged(self, managed: Managed) -> list[SchemaObject]:
        """Return the extra objects that are not managed, which no deployment drops."""
        ours = {fold_case(name) for name in managed}
        return [change.object for change in self.extra if fold_case(title(change.object)) not in ours]


def diff(wanted: Schema, live: Schema) -> Difference:
    """Compare two schemas in one pass."""
    missing, changed, extra = [], [], []
    ordered = tables_with_significant_order(wanted)
    for wanted_objects, live_objects in zip(wanted.by_kind.values(), live.by_kind.values(), strict=True):
        for name, wanted_object in wanted_objects.items():
            live_object = live_objects.get(name)
            if live_object is None:
                missing.append(Change(wanted_object, None))
            elif not (
                have_same_meaning(wanted_object, live_object)
                or have_same_meaning(
                    with_explicit_references(wanted_object, wanted), with_explicit_references(live_object, live)
                )
                or differ_in_quotes_only(wanted_object, live_object, live)
            ) or (name in ordered and _differ_in_column_order(wanted_object, live_object)):
                changed.append(Change(wanted_object, live_object))
        extra += [Change(None, live_objects[name]) for name in live_objects if name not in wanted_objects]
    return Difference(tuple(missing), tuple(changed), tuple(extra))


def _differ_in_column_order(wanted: SchemaObject, live: SchemaObject) -> bool:
    return isinstance(wanted, Table) and isinstance(live, Table) and not have_same_column_order(wanted, live)


def have_same_meaning(one: SchemaObject, other: SchemaObject) -> bool:
    """Return True if two objects of one kind have the same meaning."""
    return one.sql == other.sql or one.definition == other.definition


def with_explicit_references(item: SchemaObject, schema: Schema) -> SchemaObject:
    """Return the object with the columns of the parent written out in every foreign key."""
    if not isinstance(item, Table) or all(key.parent_columns for key in item.definition.foreign_keys):
        return item
    keys = (replace(key, parent_columns=schema.parent_columns(key) or None) for key in item.definition.foreign_keys)
    return item._replace(definition=replace(item.definition, foreign_keys=tuple(keys)))


def _column_case_differences(wanted: SchemaObject, live: SchemaObject) -> Iterator[str]:
    if not (isinstance(wanted, Table) and isinstance(live, Table)):
        return
    names = [(column.name, live.definition.by_name.get(name)) for name, column in wanted.definition.by_name.items()]
    other = [f"{name} is called {there.name}" for name, there in names if there and there.name != name]
    if other:
        yield f"in table {wanted.name}, column {', '.join(other)} in the database"


def case_differences(wanted: Schema, live: Schema) -> tuple[str, ...]:
    """Describe objects and columns whose names differ in case only: they are equal to SQLite and stay."""
    live_objects = {key_of(item): item for item in live.objects()}
    found = []
    for item in wanted.objects():
        there = live_objects.get(key_of(item))
        if there is None or there.sql == item.sql:
            continue
        if there.name != item.name:
            found.append(f"{title(item)} is called {there.name} in the database")
        found += _column_case_differences(item, there)
    return tuple(found)
