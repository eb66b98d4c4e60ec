"""Which tables have to be proven whole when one of them is made anew or dropped: its relatives by foreign key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from turso_deploy.schema.model import Schema
from turso_deploy.schema.plan import Step
from turso_deploy.sql.ddl import TableDefinition
from turso_deploy.sql.lexer import fold


def to_be_proven(steps: Iterable[Step], before: Schema, after: Schema) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tables whose rows, and those whose foreign keys, have to be as good after the steps as before.

    Rows: the tables that are made anew, what refers to them or to a dropped one at any distance, and their parents.
    Foreign keys: those among them that have any. Only tables that stand there before and after.
    """
    steps = list(steps)
    rebuilt = {fold(step.object) for step in steps if step.kind == "rebuild table"}
    dropped = {fold(step.object) for step in steps if step.kind in ("drop table", "replace table")}
    if not (rebuilt or dropped):
        return (), ()
    children = _children(before, after)
    family = _descendants(rebuilt | dropped, children)
    parents = {parent for parent, found in children.items() if found & rebuilt}
    standing = before.tables.keys() & after.tables.keys()
    rows = [after.tables[name].name for name in after.tables if name in standing and name in family | parents]
    keyed = [name for name in rows if _has_foreign_keys(after, name) or _has_foreign_keys(before, name)]
    return tuple(rows), tuple(keyed)


def _children(*schemas: Schema) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for schema in schemas:
        for name, table in schema.tables.items():
            if isinstance(table.definition, TableDefinition):
                for key in table.definition.foreign_keys:
                    found[key.parent].add(name)
    return found


def _descendants(names: set[str], children: Mapping[str, set[str]]) -> set[str]:
    found, waiting = set(names), list(names)
    while waiting:
        for child in children.get(waiting.pop(), set()) - found:
            found.add(child)
            waiting.append(child)
    return found


def _has_foreign_keys(schema: Schema, name: str) -> bool:
    definition = schema.tables[fold(name)].definition
    return isinstance(definition, TableDefinition) and bool(definition.foreign_keys)
