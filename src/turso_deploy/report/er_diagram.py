"""Entity-relationship diagrams of a schema, or of its changes, rendered as Mermaid text.

Syntax: https://mermaid.js.org/syntax/entityRelationshipDiagram.html. Changes are marked by words, not by colours: words
are legible in every theme, by every reader, and in every version of Mermaid.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Set
from dataclasses import replace

from turso_deploy.report.document import Diagram, Effect, Entity, EntityColumn, Key, Mark, Relation
from turso_deploy.sql.definitions import ForeignKey, TableDefinition
from turso_deploy.sql.lexer import as_written, fold_case
from turso_deploy.sql.schema import AnyTable, Schema, Table, VirtualTable

MAX_TABLES_SHOWN = 10
"""Above this number, a diagram of changes shows only the changed tables and those related to them."""

MAX_TEXT_LENGTH = 50_000
"""Length in characters above which Mermaid shows an error instead of the diagram (its setting `maxTextSize`)."""

_MAX_RELATIONS = 500
"""Number of relations above which Mermaid draws nothing (its setting `maxEdges`)."""

_NOT_IN_A_NAME = re.compile(r"[^\w .$-]")
_NOT_IN_A_WORD = re.compile(r"[^A-Za-z0-9_]+")
_KEY_WORDS = frozenset({"pk", "fk", "uk"})


def diagram_of(schema: Schema, tables: Iterable[str] | None = None) -> Diagram:
    """Return the diagram of a schema with all columns, or of the tables whose case-folded names are given."""
    shown = schema.all_tables.keys() & (schema.all_tables if tables is None else tables)
    found = [table for name, table in schema.all_tables.items() if name in shown]
    entities = tuple(_entity_of(table, None, "") for table in found)
    relations = tuple(
        relation
        for name, table in schema.tables.items()
        if name in shown
        for _, relation in _relations(schema, table)
        if _is_within(relation, shown)
    )
    return Diagram(entities, relations, len(schema.all_tables) - len(found))


def diagram_of_changes(before: Schema, after: Schema, renamed: Iterable[tuple[str, str | None]] = ()) -> Diagram:
    """Return the diagram that marks the tables, columns and relations added, changed or removed between two schemas.

    A table that exists in both shows its keys and its changed columns. In a large schema, only the changed tables and
    those related to them are shown.

    `before` has the new names already; `renamed` lists the tables, and the columns with their tables, that got them.
    """
    new_names = {(fold_case(table), column and fold_case(column)) for table, column in renamed}
    old, new = ({name: table.definition for name, table in each.all_tables.items()} for each in (before, after))
    effects = {name: _effect(old.get(name), new.get(name)) or _rename_effect(name, new_names) for name in old | new}
    relations = tuple(_marked_relations(before, after))
    shown = set(effects)
    if len(shown) > MAX_TABLES_SHOWN:
        changed = {name for name, effect in effects.items() if effect}
        ends = [{fold_case(relation.child), fold_case(relation.parent)} for relation in relations]
        shown = changed.union(*(pair for pair in ends if pair & changed)) & effects.keys()  # without ignored parents
    entities = tuple(
        _entity_of(
            after.all_tables.get(name) or before.all_tables[name], before.all_tables.get(name), effect, new_names
        )
        for name, effect in effects.items()
        if name in shown
    )
    near = tuple(relation for relation in relations if _is_within(relation, shown))
    return Diagram(entities, near, len(effects) - len(shown))


def _effect(before: object | None, after: object | None) -> Mark:
    if before is None or after is None:
        return "added" if before is None else "removed"
    return "" if before == after else "changed"


def _rename_effect(table: str, new_names: Set[tuple[str, str | None]]) -> Mark:
    if (table, None) in new_names:
        return "renamed"
    return "changed" if any(name == table for name, _ in new_names) else ""


def _entity_of(
    table: AnyTable, before: AnyTable | None, effect: Mark, new_names: Set[tuple[str, str | None]] = frozenset()
) -> Entity:
    if isinstance(table, VirtualTable):
        return Entity(table.name, (), effect)
    definition = table.definition
    key = fold_case(table.name)
    columns = [
        EntityColumn(
            column.name,
            column.type,
            tuple(_keys(name, definition)),
            _column_effect(name, definition, before) or ("renamed" if (key, name) in new_names else ""),
        )
        for name, column in definition.by_name.items()
    ]
    if effect == "changed" and isinstance(before, Table):
        removed = [column for name, column in before.definition.by_name.items() if name not in definition.by_name]
        columns += [EntityColumn(column.name, column.type, (), "removed") for column in removed]
    if before is not None and effect != "removed":  # unchanged columns would only hide the changed ones
        columns = [column for column in columns if column.keys or column.effect]
    return Entity(table.name, tuple(columns), effect)


def _column_effect(name: str, definition: TableDefinition, before: AnyTable | None) -> Mark:
    if not isinstance(before, Table):
        return ""
    return _effect(before.definition.by_name.get(name), definition.by_name[name])


def _keys(column: str, definition: TableDefinition) -> Iterator[Key]:
    if definition.primary_key and column in [part.column for part in definition.primary_key.parts]:
        yield "PK"
    if any(column in key.columns for key in definition.foreign_keys):
        yield "FK"
    if any([part.column for part in unique.parts] == [column] for unique in definition.uniques):
        yield "UK"


def _relations(schema: Schema, table: Table) -> Iterator[tuple[ForeignKey, Relation]]:
    definition = table.definition
    for key in definition.foreign_keys:
        parent = schema.all_tables.get(key.parent)
        columns = [definition.by_name[name] for name in key.columns]
        optional = not all(column.not_null for column in columns)
        single = any({part.column for part in each.parts} == set(key.columns) for each in definition.keys)
        names = ", ".join(column.name for column in columns)
        yield key, Relation(table.name, parent.name if parent else as_written(key.parent), names, optional, single)


def _marked_relations(before: Schema, after: Schema) -> Iterator[Relation]:
    """Yield the relations of `after`, the new ones marked, and the removed ones of `before`.

    Both ends have the table's name as the diagram shows it: a rebuild may change the case of a name.
    """
    names = {name: table.name for schema in (before, after) for name, table in schema.all_tables.items()}
    old = {(fold_case(table.name), key) for table in before.tables.values() for key, _ in _relations(before, table)}
    new = {(fold_case(table.name), key) for table in after.tables.values() for key, _ in _relations(after, table)}
    sides: tuple[tuple[Schema, Set[tuple[str, ForeignKey]], Effect], ...]
    sides = ((after, old, "added"), (before, new, "removed"))
    for schema, known, effect in sides:
        for table in schema.tables.values():
            for key, relation in _relations(schema, table):
                if (fold_case(table.name), key) not in known:
                    child, parent = (names.get(fold_case(end), end) for end in (relation.child, relation.parent))
                    yield replace(relation, child=child, parent=parent, effect=effect)
                elif schema is after:
                    yield relation


def _is_within(relation: Relation, shown: Set[str]) -> bool:
    return {fold_case(relation.child), fold_case(relation.parent)} <= shown


def mermaid(diagram: Diagram, budget: int = MAX_TEXT_LENGTH, *, with_columns: bool = True) -> str:
    """Return the diagram as Mermaid text of at most `budget` bytes; empty if it has no table or does not fit.

    To fit, it loses first the columns that are neither keys nor changed, then all columns.
    """
    if not diagram.entities or len(diagram.relations) > _MAX_RELATIONS:
        return ""
    names = _names(diagram)
    for detail in (2, 1, 0) if with_columns else (0,):
        lines = [line for entity in diagram.entities for line in _entity(entity, names[entity.name], detail)]
        lines += [_relation(relation, names) for relation in diagram.relations]
        text = "\n".join(["erDiagram", *lines])
        if len(text.encode()) <= min(budget, MAX_TEXT_LENGTH):
            return text
    return ""


def _names(diagram: Diagram) -> dict[str, str]:
    """Return a distinct name for each table, free of characters that would end a quoted Mermaid name."""
    found: dict[str, str] = {}
    for entity in diagram.entities:
        plain = _NOT_IN_A_NAME.sub("_", entity.name).strip() or "_"
        shown = f"{plain} ({entity.effect})" if entity.effect else plain
        while shown in found.values():
            shown += "_"
        found[entity.name] = shown
    return found


def _entity(entity: Entity, name: str, detail: int) -> list[str]:
    columns = [column for column in entity.columns if detail == 2 or (detail == 1 and (column.keys or column.effect))]
    if not columns:
        return [f'    "{name}"']
    return [f'    "{name}" {{', *(f"        {_column(column)}" for column in columns), "    }"]


def _column(column: EntityColumn) -> str:
    words = [_word(column.type) if column.type else "any", _word(column.name)]
    if column.keys:
        words.append(", ".join(column.keys))
    if column.effect:
        words.append(f'"{column.effect}"')
    return " ".join(words)


def _word(text: str) -> str:
    """Return the text as a Mermaid identifier: it begins with a letter and is not one of the words for keys."""
    word = _NOT_IN_A_WORD.sub("_", text).strip("_") or "_"
    if not word[0].isalpha():
        word = f"c_{word}"
    return f"{word}_" if word.lower() in _KEY_WORDS else word


def _relation(relation: Relation, names: dict[str, str]) -> str:
    parent = "|o" if relation.optional else "||"
    child = "o|" if relation.single else "o{"
    line = ".." if relation.logical else "--"
    label = _NOT_IN_A_NAME.sub("_", relation.columns.replace(",", " and"))
    marked = f"{label} ({relation.effect})" if relation.effect else label
    return f'    "{names[relation.parent]}" {parent}{line}{child} "{names[relation.child]}" : "{marked}"'
