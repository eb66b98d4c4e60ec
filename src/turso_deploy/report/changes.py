"""The changes of a plan: object by object, compared by meaning; and as the lines of a diff to print."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from turso_deploy.catalog.diff import Change, Difference, diff
from turso_deploy.core.text import printable, printable_lines
from turso_deploy.plan.plan import Plan
from turso_deploy.plan.steps import Step, StepKind
from turso_deploy.report.document import Effect, ObjectChange, PartChange
from turso_deploy.sql.definitions import ColumnDefinition, ForeignKey, KeyPart, PrimaryKey, TableDefinition, Unique
from turso_deploy.sql.lexer import Tokens, as_written, fold_case, readable_sql
from turso_deploy.sql.schema import Schema, Table, key_of, title

_SIGNS = {"added": "+", "changed": "~", "renamed": "~", "removed": "-"}


class DiffLine(NamedTuple):
    """One line of a diff: the sign `+`, `-` or `~`, the depth below its object, and printable text."""

    sign: str
    depth: int
    text: str


def diff_lines(changes: Sequence[ObjectChange]) -> Iterator[DiffLine]:
    """Yield the name of each object and, below it, its changed parts."""
    for change in changes:
        renamed = f" (renamed from {printable(change.old_name)})" if change.old_name else ""
        yield DiffLine(_SIGNS[change.effect], 0, f"{change.kind} {printable(change.name)}{renamed}")
        for part in change.parts:
            yield from _part_lines(part)


def _part_lines(part: PartChange) -> Iterator[DiffLine]:
    """Yield a short text as one line; definitions and texts of several lines as removed and added lines."""
    before, after = (printable_lines(text) if text is not None else [] for text in (part.before, part.after))
    name = printable(part.part)
    if len(before) == 1 and len(after) == 1 and part.part != "definition":
        yield DiffLine("~", 1, f"{name}: {before[0]} → {after[0]}")
    elif len(before) + len(after) == 1:
        yield DiffLine("+" if after else "-", 1, f"{name}: {(after or before)[0]}")
    else:
        yield from (DiffLine("-", 1, line) for line in before if line not in after)
        yield from (DiffLine("+", 1, line) for line in after if line not in before)


def object_changes(plan: Plan, live: Schema) -> tuple[ObjectChange, ...]:
    """Return the objects that a plan adds, changes, renames or removes, in this order."""
    before, after = _before(plan, live), plan.predicted.schema
    difference = diff(after, before)
    parts = {title(change.object): _parts(change) for change in difference.changed}
    old_names = {f"table {step.object}": step.old_name for step in plan.renames if step.kind is StepKind.RENAME_TABLE}
    renamed = _renamed_columns(plan.renames)
    changed = []
    for item in after.objects():
        name = title(item)
        found = (*renamed[key_of(item)], *parts.get(name, ()))
        if found or name in old_names:
            effect: Effect = "changed" if found else "renamed"
            changed.append(ObjectChange(effect, item.kind, item.name, old_names.get(name), found))
    return (
        *(ObjectChange("added", change.object.kind, change.object.name) for change in difference.missing),
        *changed,
        *(ObjectChange("removed", change.object.kind, change.object.name) for change in difference.extra),
    )


def changes_between(before: Schema, after: Schema) -> tuple[ObjectChange, ...]:
    """Return the objects that were added, changed or removed between two schemas, in this order."""
    return changes_of(diff(after, before))


def changes_of(difference: Difference) -> tuple[ObjectChange, ...]:
    """Return the objects that are added, changed or removed on the way from the live schema to the wanted one."""
    return (
        *(ObjectChange("added", change.object.kind, change.object.name) for change in difference.missing),
        *(
            ObjectChange("changed", change.object.kind, change.object.name, parts=_parts(change))
            for change in difference.changed
        ),
        *(ObjectChange("removed", change.object.kind, change.object.name) for change in difference.extra),
    )


def phrases(changes: Sequence[ObjectChange]) -> list[str]:
    """Return a phrase for each change: `index i added`, `table books changed (column pages, constraint)`."""
    return [_phrase(change) for change in changes]


def _phrase(change: ObjectChange) -> str:
    parts = list(dict.fromkeys(part.part for part in change.parts if part.part != "definition"))
    named = f" ({', '.join(parts)})" if parts else ""
    return f"{change.kind} {change.name} {change.effect}{named}"


def _renamed_columns(renames: Sequence[Step]) -> Mapping[tuple[str, str], Sequence[PartChange]]:
    """Return the renamed columns by the key of their table; a table without any has an empty list."""
    found: dict[tuple[str, str], list[PartChange]] = defaultdict(list)
    for step in renames:
        if step.column is not None:
            found["table", fold_case(step.object)].append(PartChange("column name", step.old_name, step.column))
    return found


def _before(plan: Plan, live: Schema) -> Schema:
    """Return the live schema under its new names, with the views and triggers dropped before the renames."""
    if plan.renamed is None:
        return live
    return replace(
        plan.renamed, views={**live.views, **plan.renamed.views}, triggers={**live.triggers, **plan.renamed.triggers}
    )


def _parts(change: Change) -> tuple[PartChange, ...]:
    after, before = change.wanted, change.live
    assert after is not None
    assert before is not None
    if isinstance(after, Table) and isinstance(before, Table):
        return (*_columns(before.definition, after.definition), *_rules(before.definition, after.definition))
    return (PartChange("definition", before.sql, after.sql),)


def _columns(before: TableDefinition, after: TableDefinition) -> Iterator[PartChange]:
    both = before.by_name.keys() & after.by_name.keys()
    for name, column in after.by_name.items():
        old = before.by_name.get(name)
        if old != column:
            yield PartChange(f"column {column.name}", _column(old) if old else None, _column(column))
    for name, column in before.by_name.items():
        if name not in after.by_name:
            yield PartChange(f"column {column.name}", _column(column), None)
    shared = [[name for name in table.by_name if name in both] for table in (before, after)]
    if shared[0] != shared[1]:
        orders = zip((before, after), shared, strict=True)
        shown = (", ".join(table.by_name[name].name for name in names) for table, names in orders)
        yield PartChange("order of columns", *shown)


def _rules(before: TableDefinition, after: TableDefinition) -> Iterator[PartChange]:
    """Yield constraints and options; a changed one is removed and added, because constraints have no stable name."""
    sides = [(_constraints(table), {option: option for option in table.options}) for table in (before, after)]
    for part, (old, new) in zip(("constraint", "option"), zip(*sides, strict=True), strict=True):
        yield from (PartChange(part, text, None) for meaning, text in old.items() if meaning not in new)
        yield from (PartChange(part, None, text) for meaning, text in new.items() if meaning not in old)


def _column(column: ColumnDefinition) -> str:
    """Return a column as CREATE TABLE writes it, without its name and the constraints of the table."""
    words = [column.type or "no type"]
    words += ["NOT NULL" + _on_conflict(column.not_null_conflict)] if column.not_null else []
    words += [f"DEFAULT {_default(column.default)}"] if column.default else []
    words += [f"COLLATE {as_written(column.collation)}"] if column.collation else []
    if column.generated:
        kind = "STORED" if column.generated.stored else "VIRTUAL"
        words.append(f"AS ({readable_sql(column.generated.expression)}) {kind}")
    return " ".join(words)


def _default(default: Tokens) -> str:
    return default[0] if len(default) == 1 else f"({readable_sql(default)})"


def _constraints(table: TableDefinition) -> Mapping[object, str]:
    """Return the text of each constraint by its meaning, which does not depend on the spelling of names."""
    found: dict[object, str] = {}
    for key in table.keys:
        found[key._replace(rowid_alias=False) if isinstance(key, PrimaryKey) else key] = _key(key)
    found |= {check: f"CHECK ({readable_sql(check.expression)})" for check in table.checks}
    return found | {key: _foreign_key(key) for key in table.foreign_keys}


def _key(key: PrimaryKey | Unique) -> str:
    counted = isinstance(key, PrimaryKey) and key.autoincrement
    kind = "PRIMARY KEY" if isinstance(key, PrimaryKey) else "UNIQUE"
    parts = ", ".join(map(_key_part, key.parts))
    return f"{kind} ({parts}){' AUTOINCREMENT' if counted else ''}{_on_conflict(key.on_conflict)}"


def _key_part(part: KeyPart) -> str:
    text = as_written(part.column) if part.column is not None else readable_sql(part.expression)
    text += f" COLLATE {as_written(part.collation)}" if part.collation else ""
    return f"{text} DESC" if part.descending else text


def _foreign_key(key: ForeignKey) -> str:
    text = f"FOREIGN KEY ({', '.join(map(as_written, key.columns))}) REFERENCES {as_written(key.parent)}"
    text += f" ({', '.join(map(as_written, key.parent_columns))})" if key.parent_columns else ""
    text += f" ON DELETE {key.on_delete}" if key.on_delete else ""
    text += f" ON UPDATE {key.on_update}" if key.on_update else ""
    text += f" MATCH {as_written(key.match)}" if key.match else ""
    return text + (" DEFERRABLE INITIALLY DEFERRED" if key.deferred else "")


def _on_conflict(resolution: str | None) -> str:
    return f" ON CONFLICT {resolution}" if resolution else ""
