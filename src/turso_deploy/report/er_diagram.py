"""The Mermaid picture: tables and their relations, with what a run added, changed or removed marked in words.

Syntax: https://mermaid.js.org/syntax/entityRelationshipDiagram.html. Marks are words and not colours: they can be read
in every theme, by everybody, and by every version of Mermaid that a page may have.
"""

from __future__ import annotations

import re

from turso_deploy.report.document import Entity, EntityColumn, Picture, Relation

LONGEST = 50_000
"""The characters that Mermaid draws; it shows an error in place of a longer text (its setting `maxTextSize`)."""

_MOST_RELATIONS = 500
"""Mermaid's setting `maxEdges`."""

_NOT_IN_A_NAME = re.compile(r"[^\w .$-]")
_NOT_IN_A_WORD = re.compile(r"[^A-Za-z0-9_]+")
_KEY_WORDS = frozenset({"pk", "fk", "uk"})


def diagram(picture: Picture, budget: int = LONGEST) -> str:
    """The picture as one Mermaid text of at most `budget` bytes; empty when there is nothing to draw or no room.

    What does not fit goes in steps: first the columns that are no keys and did not change, then all columns.
    """
    if not picture.entities or len(picture.relations) > _MOST_RELATIONS:
        return ""
    names = _names(picture)
    for detail in (2, 1, 0):
        lines = [line for entity in picture.entities for line in _entity(entity, names[entity.name], detail)]
        lines += [_relation(relation, names) for relation in picture.relations]
        text = "\n".join(["erDiagram", *lines])
        if len(text.encode()) <= min(budget, LONGEST):
            return text
    return ""


def _names(picture: Picture) -> dict[str, str]:
    """The name of each table as the picture has it: in quotes, free of what ends a quoted name, told apart."""
    found: dict[str, str] = {}
    for entity in picture.entities:
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
    """A word that Mermaid takes for a type or a column: it begins with a letter and is no kind of key."""
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
