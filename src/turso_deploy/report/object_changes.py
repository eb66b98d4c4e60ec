"""What a plan makes different, object by object and part by part, for people to read; by meaning, as the diff is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from turso_deploy.catalog.diff import Change, diff
from turso_deploy.plan.plan import Plan, Step
from turso_deploy.sql.canonical import Tokens
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.parser import (
    Check,
    ColumnDefinition,
    ForeignKey,
    KeyPart,
    PrimaryKey,
    TableDefinition,
    Unique,
)
from turso_deploy.sql.schema import Schema, key_of, title


class PartChange(Struct, frozen=True):
    """A part of an object: `was` before and is `now`; None where it is not.

    `part` is what it is: `column email`, `column name`, `order of columns`, `constraint`, `option` or `definition`.
    """

    part: str
    was: str | None
    now: str | None


class ObjectChange(Struct, frozen=True):
    """One object. `effect` is `added`, `changed`, `renamed` or `removed`; `old_name` is what it was called."""

    effect: str
    kind: str
    name: str
    old_name: str | None = None
    parts: tuple[PartChange, ...] = ()


def object_changes(plan: Plan, live: Schema) -> tuple[ObjectChange, ...]:
    """Everything that differs when the plan has run: what is added, what changes, what is removed."""
    before, after = _before(plan, live), plan.predicted.schema
    difference = diff(after, before)
    parts = {title(change.object): _parts(change) for change in difference.changed}
    old_names = {f"table {step.object}": step.old_name for step in plan.renames if step.kind == "rename table"}
    renamed = _renamed_columns(plan.renames)
    changed = []
    for item in after.objects():
        name = title(item)
        found = (*renamed[key_of(item)], *parts.get(name, ()))
        if found or name in old_names:
            effect = "changed" if found else "renamed"
            changed.append(ObjectChange(effect, item.kind, item.name, old_names.get(name), found))
    return (
        *(ObjectChange("added", change.object.kind, change.object.name) for change in difference.missing),
        *changed,
        *(ObjectChange("removed", change.object.kind, change.object.name) for change in difference.extra),
    )


def _renamed_columns(renames: Sequence[Step]) -> Mapping[tuple[str, str], Sequence[PartChange]]:
    """The columns that get another name, by what identifies their table; none where none does."""
    found: dict[tuple[str, str], list[PartChange]] = defaultdict(list)
    for step in renames:
        if step.column is not None:
            found["table", fold_case(step.object)].append(PartChange("column name", step.old_name, step.column))
    return found


def _before(plan: Plan, live: Schema) -> Schema:
    """The live schema under its new names, with the views and triggers that had to go before columns were renamed."""
    if plan.renamed is None:
        return live
    return replace(
        plan.renamed,
        views={**live.views, **plan.renamed.views},
        triggers={**live.triggers, **plan.renamed.triggers},
    )


def _parts(change: Change) -> tuple[PartChange, ...]:
    now, was = change.wanted, change.live
    assert now is not None
    assert was is not None
    if isinstance(now.definition, TableDefinition) and isinstance(was.definition, TableDefinition):
        return (*_columns(was.definition, now.definition), *_rules(was.definition, now.definition))
    return (PartChange("definition", was.sql, now.sql),)


def _columns(was: TableDefinition, now: TableDefinition) -> Iterator[PartChange]:
    both = was.by_name.keys() & now.by_name.keys()
    for name, column in now.by_name.items():
        old = was.by_name.get(name)
        if old != column:
            yield PartChange(f"column {column.name}", _column(old) if old else None, _column(column))
    for name, column in was.by_name.items():
        if name not in now.by_name:
            yield PartChange(f"column {column.name}", _column(column), None)
    orders = [[column.name for column in table.columns if fold_case(column.name) in both] for table in (was, now)]
    if orders[0] != orders[1]:
        yield PartChange("order of columns", *(", ".join(names) for names in orders))


def _rules(was: TableDefinition, now: TableDefinition) -> Iterator[PartChange]:
    """Constraints have no names that count, so one that changes is one that goes and one that comes."""
    for part, find in (("constraint", _constraints), ("option", _options)):
        old, new = find(was), find(now)
        yield from (PartChange(part, text, None) for text in old if text not in new)
        yield from (PartChange(part, None, text) for text in new if text not in old)


def _column(column: ColumnDefinition) -> str:
    """A column without its name and without the constraints of its table, as CREATE TABLE would have it."""
    words = [column.type or "without type"]
    words += ["NOT NULL" + _on_conflict(column.not_null_conflict)] if column.not_null else []
    words += [f"DEFAULT {_default(column.default)}"] if column.default else []
    words += [f"COLLATE {column.collation}"] if column.collation else []
    if column.generated:
        words.append(f"AS ({_sql(column.generated.expression)}) {'STORED' if column.generated.stored else 'VIRTUAL'}")
    return " ".join(words)


def _default(default: Tokens) -> str:
    return default[0] if len(default) == 1 else f"({_sql(default)})"


def _constraints(table: TableDefinition) -> list[str]:
    return [*map(_key, table.keys), *map(_check, table.checks), *map(_foreign_key, table.foreign_keys)]


def _key(key: PrimaryKey | Unique) -> str:
    counted = isinstance(key, PrimaryKey) and key.autoincrement
    kind = "PRIMARY KEY" if isinstance(key, PrimaryKey) else "UNIQUE"
    parts = ", ".join(map(_key_part, key.parts))
    return f"{kind} ({parts}){' AUTOINCREMENT' if counted else ''}{_on_conflict(key.on_conflict)}"


def _key_part(part: KeyPart) -> str:
    text = part.column if part.column is not None else _sql(part.expression)
    text += f" COLLATE {part.collation}" if part.collation else ""
    return f"{text} DESC" if part.descending else text


def _check(check: Check) -> str:
    return f"CHECK ({_sql(check.expression)})"


def _foreign_key(key: ForeignKey) -> str:
    text = f"FOREIGN KEY ({', '.join(key.columns)}) REFERENCES {key.parent}"
    text += f" ({', '.join(key.parent_columns)})" if key.parent_columns else ""
    text += f" ON DELETE {key.on_delete}" if key.on_delete else ""
    text += f" ON UPDATE {key.on_update}" if key.on_update else ""
    text += f" MATCH {key.match}" if key.match else ""
    return text + (" DEFERRABLE INITIALLY DEFERRED" if key.deferred else "")


def _options(table: TableDefinition) -> list[str]:
    given = (("STRICT", table.strict), ("WITHOUT ROWID", table.without_rowid), ("RANDOM ROWID", table.random_rowid))
    return [name for name, is_given in given if is_given]


def _on_conflict(resolution: str | None) -> str:
    return f" ON CONFLICT {resolution}" if resolution else ""


def _sql(tokens: Tokens) -> str:
    """Canonical tokens as people write them: without spaces inside parentheses, and before those of a function."""
    text, before = "", "("
    for token in tokens:
        is_call = token == "(" and (before[0].islower() or before[0] in '_"')
        text += token if is_call or token in (")", ",", ".") or before in ("(", ".") else f" {token}"
        before = token
    return text
