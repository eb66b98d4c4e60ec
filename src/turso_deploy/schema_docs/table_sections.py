"""The section of one table: columns, JSON shapes, indexes, references both ways, triggers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from turso_deploy.report.markdown import anchor, fenced, joined, page_code, page_text, table
from turso_deploy.schema_docs.descriptions import Meanings
from turso_deploy.schema_docs.notes import Notes
from turso_deploy.sql.lexer import fold_case, read_column_title
from turso_deploy.sql.parser import ColumnDefinition, ForeignKey, IndexDefinition, KeyPart, TableDefinition
from turso_deploy.sql.schema import AnyTable, Schema, Table, VirtualTable


class Facts(Struct, frozen=True):
    """All that pages are made from. `pages` says which page has an object, `examples` has JSON by table and column."""

    title: str
    version: str | None
    schema: Schema
    meanings: Meanings
    notes: Notes
    json_columns: Mapping[str, Sequence[str]]
    examples: Mapping[tuple[str, str], str]
    pages: Mapping[tuple[str, str], str]

    def link(self, item: str) -> str:
        """A link to a table by its folded name; only its name where no page has it."""
        known = self.schema.all_tables.get(item)
        name = known.name if known else item
        return f"[{page_code(name)}]({self.pages['table', item]}#{anchor(name)})" if known else page_code(name)


def table_section(facts: Facts, item: AnyTable) -> str:
    """Everything there is to know of a table."""
    if isinstance(item, VirtualTable):
        return joined(f"## {page_text(item.name)}", page_text(facts.meanings.of(item)), fenced(item.sql, "sql"))
    definition = item.definition
    notes = facts.notes.of(definition.name)
    about = [
        f"In the application: {page_code(notes.application_name)}" if notes.application_name else "",
        f"about {notes.rows:,} rows" if notes.rows is not None else "",
    ]
    columns = [
        (
            page_code(column.name),
            page_code(column.type or "any"),
            "; ".join(_rules(column, definition, facts)),
            page_code(" ".join(column.default)) if column.default else "",
            page_text(facts.meanings.of_column(item, name)),
        )
        for name, column in definition.by_name.items()
    ]
    return joined(
        f"## {page_text(item.name)}",
        page_text(facts.meanings.of(item)),
        " · ".join(part for part in about if part),
        table(("Column", "Type", "Rules", "Default", "Meaning"), columns),
        _bullets("Constraints of the table", _constraints(definition)),
        _json(facts, item),
        _indexes(facts, item),
        _bullets("Refers to", [*_parents(facts, item, definition), *_logical_parents(facts, definition.name)]),
        _bullets("Referred to by", [*_children(facts, definition), *_logical_children(facts, definition.name)]),
        _bullets("Triggers", _triggers(facts, definition.name)),
    )


def json_columns(facts: Facts, item: Table) -> list[str]:
    """The folded names of the columns that hold JSON, as the manifest states them."""
    found = next((names for name, names in facts.json_columns.items() if fold_case(name) == item.definition.name), ())
    return [fold_case(name) for name in found]


def _rules(column: ColumnDefinition, definition: TableDefinition, facts: Facts) -> Iterator[str]:
    name = fold_case(column.name)
    key = definition.primary_key
    if key and name in [part.column for part in key.parts]:
        alone = len(key.parts) == 1
        yield f"primary key{', AUTOINCREMENT' if key.autoincrement else ''}" if alone else "in the primary key"
    if column.not_null:
        yield "NOT NULL"
    if any([part.column for part in unique.parts] == [name] for unique in definition.uniques):
        yield "UNIQUE"
    if column.collation:
        yield f"COLLATE {page_code(column.collation)}"
    if column.generated:
        kind = "stored" if column.generated.stored else "computed"
        yield f"{kind} {page_code(' '.join(column.generated.expression))}"
    for reference in definition.foreign_keys:
        if reference.columns == (name,):
            yield f"→ {facts.link(reference.parent)}"


def _constraints(definition: TableDefinition) -> Iterator[str]:
    if definition.primary_key and len(definition.primary_key.parts) > 1:
        yield f"primary key ({_parts(definition.primary_key.parts)})"
    yield from (f"UNIQUE ({_parts(unique.parts)})" for unique in definition.uniques if len(unique.parts) > 1)
    yield from (f"CHECK ({page_code(' '.join(check.expression))})" for check in definition.checks)
    options = {
        "STRICT": definition.strict,
        "WITHOUT ROWID": definition.without_rowid,
        "RANDOM ROWID": definition.random_rowid,
    }
    yield from (name for name, is_set in options.items() if is_set)


def _parts(parts: Sequence[KeyPart]) -> str:
    return ", ".join(
        page_code(part.column or " ".join(part.expression)) + (" descending" if part.descending else "")
        for part in parts
    )


def _json(facts: Facts, item: Table) -> str:
    names = json_columns(facts, item)
    if not names:
        return ""
    parts = ["**JSON**"]
    for name in names:
        meaning = facts.meanings.of_column(item, name).removeprefix("JSON:").strip()
        example = facts.examples.get((item.definition.name, name))
        parts.append(f"{page_code(item.definition.by_name[name].name)}: {page_text(meaning) or 'JSON'}")
        if example:
            parts.append(fenced(example, "json"))
    return "\n\n".join(parts)


def _indexes(facts: Facts, item: Table) -> str:
    rows = []
    for index in facts.schema.indexes.values():
        definition = index.definition
        if definition.table == item.definition.name:
            rows.append(
                (
                    page_code(index.name),
                    _parts(definition.parts),
                    _kind(definition),
                    page_text(facts.meanings.of(index)),
                )
            )
    shown = table(("Index", "Columns", "Kind", "Serves"), rows)
    return f"**Indexes**\n\n{shown}" if shown else ""


def _kind(index: IndexDefinition) -> str:
    unique = "unique" if index.unique else ""
    where = f"where {page_code(' '.join(index.where))}" if index.where else ""
    return ", ".join(part for part in (unique, where) if part)


def _parents(facts: Facts, item: Table, definition: TableDefinition) -> Iterator[str]:
    for key in definition.foreign_keys:
        yield f"{_columns(key.columns)} → {facts.link(key.parent)} {_referred(facts, key)}, {_actions(key)}"


def _children(facts: Facts, definition: TableDefinition) -> Iterator[str]:
    for child in facts.schema.tables.values():
        for key in child.definition.foreign_keys:
            if key.parent == definition.name:
                yield f"{facts.link(child.definition.name)} {_columns(key.columns)}, {_actions(key)}"


def _columns(names: Sequence[str]) -> str:
    return ", ".join(map(page_code, names))


def _referred(facts: Facts, key: ForeignKey) -> str:
    return _columns(facts.schema.parent_columns(key))


def _actions(key: ForeignKey) -> str:
    deferred = ", checked at commit" if key.deferred else ""
    return f"on delete {key.on_delete or 'NO ACTION'}, on update {key.on_update or 'NO ACTION'}{deferred}"


def _logical_parents(facts: Facts, name: str) -> Iterator[str]:
    for relation in facts.notes.relations:
        table_name, column = read_column_title(relation.child)
        parent, parent_column = read_column_title(relation.parent)
        if fold_case(table_name) == name:
            target = f"{facts.link(fold_case(parent))} {page_code(parent_column)}"
            yield f"{page_code(column)} → {target}, without a foreign key: {page_text(relation.meaning)}"


def _logical_children(facts: Facts, name: str) -> Iterator[str]:
    for relation in facts.notes.relations:
        child, column = read_column_title(relation.child)
        if fold_case(read_column_title(relation.parent)[0]) == name:
            source = f"{facts.link(fold_case(child))} {page_code(column)}"
            yield f"{source}, without a foreign key: {page_text(relation.meaning)}"


def _triggers(facts: Facts, name: str) -> Iterator[str]:
    for trigger in facts.schema.triggers.values():
        definition = trigger.definition
        if definition.table == name:
            of = f" OF {', '.join(sorted(definition.update_of))}" if definition.update_of else ""
            when = f" when {page_code(' '.join(definition.when))}" if definition.when else ""
            meaning = page_text(facts.meanings.of(trigger))
            yield f"{page_code(trigger.name)}: {definition.timing} {definition.event}{of}{when}. {meaning}".rstrip()


def _bullets(title: str, lines: Iterator[str] | Sequence[str]) -> str:
    shown = "\n".join(f"- {line}" for line in lines)
    return f"**{title}**\n\n{shown}" if shown else ""
