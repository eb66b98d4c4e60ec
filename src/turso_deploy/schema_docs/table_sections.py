"""Render the section of one table: columns, constraints, JSON, indexes, references in both directions, triggers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from turso_deploy.report.markdown import fenced, joined, page_code, page_text, table
from turso_deploy.schema_docs.page_data import PageData
from turso_deploy.sql.definitions import (
    ColumnDefinition,
    Definition,
    ForeignKey,
    IndexDefinition,
    KeyPart,
    TableDefinition,
)
from turso_deploy.sql.lexer import as_written, fold_case, read_column_title, readable_sql
from turso_deploy.sql.schema import AnyTable, Table, VirtualTable


def table_section(data: PageData, item: AnyTable) -> str:
    """Return the section of a table."""
    if isinstance(item, VirtualTable):
        return joined(f"## {page_text(item.name)}", page_text(data.descriptions.of(item)), fenced(item.sql, "sql"))
    definition = item.definition
    notes = data.notes.of(definition.name)
    about = [
        f"In the application: {page_code(notes.application_name)}" if notes.application_name else "",
        f"about {notes.rows:,} rows" if notes.rows is not None else "",
    ]
    columns = [
        (
            page_code(column.name),
            page_code(column.type or "any"),
            "; ".join(_rules(column, definition, data)),
            page_code(readable_sql(column.default)) if column.default else "",
            page_text(data.descriptions.of_column(item, name)),
        )
        for name, column in definition.by_name.items()
    ]
    return joined(
        f"## {page_text(item.name)}",
        page_text(data.descriptions.of(item)),
        " · ".join(part for part in about if part),
        table(("Column", "Type", "Rules", "Default", "Meaning"), columns),
        _bullets("Constraints of the table", _constraints(definition)),
        _json(data, item),
        _indexes(data, item),
        _bullets("Refers to", [*_parents(data, definition), *_logical_parents(data, definition.name)]),
        _bullets("Referred to by", [*_children(data, definition), *_logical_children(data, definition.name)]),
        _bullets("Triggers", _triggers(data, definition.name)),
    )


def json_columns(data: PageData, item: Table) -> list[str]:
    """Return the folded names of the columns that hold JSON."""
    return list(data.json_columns.get(item.definition.name, ()))


def _rules(column: ColumnDefinition, definition: TableDefinition, data: PageData) -> Iterator[str]:
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
        yield f"COLLATE {page_code(as_written(column.collation))}"
    if column.generated:
        kind = "stored" if column.generated.stored else "computed"
        yield f"{kind} {page_code(readable_sql(column.generated.expression))}"
    for reference in definition.foreign_keys:
        if reference.columns == (name,):
            yield f"→ {data.link(reference.parent)}"


def _constraints(definition: TableDefinition) -> Iterator[str]:
    if definition.primary_key and len(definition.primary_key.parts) > 1:
        yield f"primary key ({_parts(definition.primary_key.parts, definition)})"
    yield from (
        f"UNIQUE ({_parts(unique.parts, definition)})" for unique in definition.uniques if len(unique.parts) > 1
    )
    yield from (f"CHECK ({page_code(readable_sql(check.expression))})" for check in definition.checks)
    yield from definition.options


def _parts(parts: Sequence[KeyPart], definition: Definition | None) -> str:
    return ", ".join(
        page_code(readable_sql(part.expression) if part.column is None else _column_name(part.column, definition))
        + (" descending" if part.descending else "")
        for part in parts
    )


def _column_name(name: str, definition: Definition | None) -> str:
    """Return a column's name as its table declares it, else as it is written here."""
    column = definition.by_name.get(name) if isinstance(definition, TableDefinition) else None
    return column.name if column else as_written(name)


def _json(data: PageData, item: Table) -> str:
    names = json_columns(data, item)
    if not names:
        return ""
    parts = ["**JSON**"]
    for name in names:
        meaning = data.descriptions.of_column(item, name).removeprefix("JSON:").strip()
        example = data.examples.get((item.definition.name, name))
        parts.append(f"{page_code(item.definition.by_name[name].name)}: {page_text(meaning) or 'JSON'}")
        if example:
            parts.append(fenced(example, "json"))
    return "\n\n".join(parts)


def _indexes(data: PageData, item: Table) -> str:
    rows = [
        (
            page_code(index.name),
            _parts(index.definition.parts, item.definition),
            _kind(index.definition),
            page_text(data.descriptions.of(index)),
        )
        for index in data.schema.indexes.values()
        if index.definition.table == item.definition.name
    ]
    shown = table(("Index", "Columns", "Kind", "Serves"), rows)
    return f"**Indexes**\n\n{shown}" if shown else ""


def _kind(index: IndexDefinition) -> str:
    unique = "unique" if index.unique else ""
    where = f"where {page_code(readable_sql(index.where))}" if index.where else ""
    return ", ".join(part for part in (unique, where) if part)


def _parents(data: PageData, definition: TableDefinition) -> Iterator[str]:
    for key in definition.foreign_keys:
        parent = data.schema.all_tables.get(key.parent) or data.schema.ignored_parents.get(key.parent)
        columns = _columns(data.schema.parent_columns(key), parent.definition if parent else None)
        yield f"{_columns(key.columns, definition)} → {data.link(key.parent)} {columns}, {_actions(key)}"


def _children(data: PageData, definition: TableDefinition) -> Iterator[str]:
    for child in data.schema.tables.values():
        for key in child.definition.foreign_keys:
            if key.parent == definition.name:
                yield f"{data.link(child.definition.name)} {_columns(key.columns, child.definition)}, {_actions(key)}"


def _columns(names: Sequence[str], definition: Definition | None) -> str:
    return ", ".join(page_code(_column_name(name, definition)) for name in names)


def _actions(key: ForeignKey) -> str:
    deferred = ", checked at commit" if key.deferred else ""
    return f"on delete {key.on_delete or 'NO ACTION'}, on update {key.on_update or 'NO ACTION'}{deferred}"


def _logical_parents(data: PageData, name: str) -> Iterator[str]:
    for relation in data.notes.relations:
        table_name, column = read_column_title(relation.child)
        parent, parent_column = read_column_title(relation.parent)
        if fold_case(table_name) == name:
            target = f"{data.link(fold_case(parent))} {page_code(parent_column)}"
            yield f"{page_code(column)} → {target}, without a foreign key: {page_text(relation.meaning)}"


def _logical_children(data: PageData, name: str) -> Iterator[str]:
    for relation in data.notes.relations:
        child, column = read_column_title(relation.child)
        if fold_case(read_column_title(relation.parent)[0]) == name:
            source = f"{data.link(fold_case(child))} {page_code(column)}"
            yield f"{source}, without a foreign key: {page_text(relation.meaning)}"


def _triggers(data: PageData, name: str) -> Iterator[str]:
    for trigger in data.schema.triggers.values():
        definition = trigger.definition
        if definition.table == name:
            on = data.schema.tables.get(name)
            columns = [_column_name(column, on.definition if on else None) for column in sorted(definition.update_of)]
            of = f" OF {', '.join(columns)}" if columns else ""
            when = f" when {page_code(readable_sql(definition.when))}" if definition.when else ""
            meaning = page_text(data.descriptions.of(trigger))
            yield f"{page_code(trigger.name)}: {definition.timing} {definition.event}{of}{when}. {meaning}".rstrip()


def _bullets(title: str, lines: Iterator[str] | Sequence[str]) -> str:
    shown = "\n".join(f"- {line}" for line in lines)
    return f"**{title}**\n\n{shown}" if shown else ""
