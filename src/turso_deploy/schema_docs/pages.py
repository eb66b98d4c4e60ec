"""The pages of the reference as Markdown: an index, a page a category, and the common queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from turso_deploy.report.document import Diagram, Entity, Relation
from turso_deploy.report.er_diagram import diagram_of, mermaid
from turso_deploy.report.markdown import anchor, fenced, joined, page_code, page_text, table
from turso_deploy.schema_docs.descriptions import Category
from turso_deploy.schema_docs.queries import Answer
from turso_deploy.schema_docs.table_sections import Facts, json_columns, table_section
from turso_deploy.sql.lexer import fold_case, read_column_title
from turso_deploy.sql.schema import AnyTable, View, VirtualTable

INDEX = "README.md"
QUERIES = "queries.md"
PLAN = "plan"
"""The language of the fence around a query's plan: what is in it is up to the version of SQLite."""

_NOTE = "<!-- Made by `turso-deploy docs` from the schema folder: change that, and run it again. -->"
_LONGEST_CELL = 60


def render(
    facts: Facts, view_columns: Mapping[str, Sequence[tuple[str, str]]], queries: Sequence[tuple[str, list[Answer]]]
) -> dict[str, str]:
    """Every page, by its file name."""
    shown = [category for category in facts.meanings.categories if _has_page(category)]
    pages = {INDEX: _index(facts, shown, bool(queries))}
    pages |= {category.page: _category(facts, category, view_columns) for category in shown}
    if queries:
        pages[QUERIES] = _queries(facts, queries)
    return {name: f"{text}\n" for name, text in pages.items()}


def _has_page(category: Category) -> bool:
    """Indexes and triggers are told at their tables; a file of them only needs no page."""
    return any(kind in ("table", "view") for kind, _ in category.objects)


def _tables(facts: Facts, category: Category) -> list[AnyTable]:
    return [facts.schema.all_tables[name] for kind, name in category.objects if kind == "table"]


def _index(facts: Facts, categories: Sequence[Category], has_queries: bool) -> str:
    rows = [
        (
            facts.link(item.definition.name),
            page_code(facts.notes.of(item.definition.name).application_name or ""),
            f"[{page_text(category.title)}]({category.page})",
            _rows(facts, item),
            page_text(facts.meanings.of(item).partition(". ")[0].rstrip(".")),
        )
        for category in categories
        for item in _tables(facts, category)
    ]
    views = [
        (
            f"[{page_code(view.name)}]({facts.pages['view', name]}#{anchor(view.name)})",
            page_text(facts.meanings.of(view)),
        )
        for name, view in facts.schema.views.items()
    ]
    version = f" {page_text(facts.version)}" if facts.version else ""
    return joined(
        _NOTE,
        f"# {page_text(facts.title)}{version}: the schema",
        "The common queries, each with its result and its plan: [queries.md](queries.md)." if has_queries else "",
        "## Tables",
        table(("Table", "In the application", "Category", "Rows, about", "Holds"), rows),
        "## Views" if views else "",
        table(("View", "Shows"), views),
        "## Figures",
        _figures(facts, categories),
        "## Diagram",
        "Solid lines are foreign keys; dotted ones are kept by the application only.",
        _drawn(_with_logical(facts, diagram_of(facts.schema))),
        "## Relations without a foreign key" if facts.notes.relations else "",
        table(
            ("From", "To", "Meaning"),
            [
                (page_code(each.child), page_code(each.parent), page_text(each.meaning))
                for each in facts.notes.relations
            ],
        ),
    )


def _rows(facts: Facts, item: AnyTable) -> str:
    rows = facts.notes.of(item.definition.name).rows
    return "" if rows is None else f"{rows:,}"


def _figures(facts: Facts, categories: Sequence[Category]) -> str:
    header = ["Category", "Tables", "Columns", "JSON columns", "Indexes", "Primary keys", "NOT NULL", "UNIQUE"]
    header += ["CHECK", "Foreign keys"]
    found = [(category.title, _tables(facts, category)) for category in categories]
    figures = [(title, _counted(facts, tables)) for title, tables in found if tables]
    rows = [[page_text(title), *map(str, numbers)] for title, numbers in figures]
    total = [str(sum(column)) for column in zip(*(numbers for _, numbers in figures), strict=True)]
    return table(header, [*rows, ["**all**", *total]])


def _counted(facts: Facts, tables: Iterable[AnyTable]) -> tuple[int, ...]:
    totals = [0] * 9
    for item in tables:
        if isinstance(item, VirtualTable):
            totals[0] += 1
            continue
        definition = item.definition
        indexes = [index for index in facts.schema.indexes.values() if index.definition.table == definition.name]
        unique = sum(index.definition.unique for index in indexes)
        here = (
            1,
            len(definition.columns),
            len(json_columns(facts, item)),
            len(indexes),
            int(definition.primary_key is not None),
            sum(column.not_null for column in definition.columns),
            len(definition.uniques) + unique,
            len(definition.checks),
            len(definition.foreign_keys),
        )
        totals = [total + number for total, number in zip(totals, here, strict=True)]
    return tuple(totals)


def _category(facts: Facts, category: Category, view_columns: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    tables = _tables(facts, category)
    names = [item.definition.name for item in tables]
    views = [facts.schema.views[name] for kind, name in category.objects if kind == "view"]
    return joined(
        _NOTE,
        f"# {page_text(category.title)}",
        f"{page_text(category.meaning)}",
        f"From {page_code(category.file)}. All tables: [{INDEX}]({INDEX}).",
        _drawn(_with_logical(facts, diagram_of(facts.schema, _with_parents(facts, names)))) if tables else "",
        *(table_section(facts, item) for item in tables),
        *(_view(facts, view, view_columns[fold_case(view.name)]) for view in views),
    )


def _with_parents(facts: Facts, names: Sequence[str]) -> set[str]:
    """The tables of a category and those that they refer to."""
    tables = facts.schema.tables
    keys = [key for name in names if name in tables for key in tables[name].definition.foreign_keys]
    return {*names, *(key.parent for key in keys)}


def _with_logical(facts: Facts, diagram: Diagram) -> Diagram:
    shown = {fold_case(entity.name): entity for entity in diagram.entities}
    relations = [
        Relation(child.name, parent.name, read_column_title(relation.child)[1], logical=True)
        for relation in facts.notes.relations
        if (child := _end(shown, relation.child)) and (parent := _end(shown, relation.parent))
    ]
    return Diagram(diagram.entities, (*diagram.relations, *relations), diagram.left_out)


def _end(shown: dict[str, Entity], column: str) -> Entity | None:
    return shown.get(fold_case(read_column_title(column)[0]))


def _drawn(diagram: Diagram) -> str:
    drawn = mermaid(diagram)
    return fenced(drawn, "mermaid") if drawn else ""


def _view(facts: Facts, view: View, columns: Sequence[tuple[str, str]]) -> str:
    rows = [(page_code(name), page_code(kind)) for name, kind in columns]
    return joined(
        f"## {page_text(view.name)}",
        page_text(facts.meanings.of(view)),
        table(("Column", "Type"), rows),
        fenced(f"{view.sql};", "sql"),
    )


def _queries(facts: Facts, files: Sequence[tuple[str, list[Answer]]]) -> str:
    parts = []
    for stem, answers in files:
        parts.append(f"## {page_text(stem.replace('-', ' ').replace('_', ' ').capitalize())}")
        parts += [_answer(answer) for answer in answers]
    return joined(
        _NOTE,
        f"# Common queries of {page_text(facts.title)}",
        "Each was run in a database with this schema and its seeds when this page was made. "
        "The plan is what SQLite says of it there (`EXPLAIN QUERY PLAN`).",
        *parts,
    )


def _answer(answer: Answer) -> str:
    rows = [[_cell(value) for value in row] for row in answer.rows]
    return joined(
        f"### {page_text(answer.title)}",
        page_text(answer.meaning),
        fenced(f"{answer.sql};", "sql"),
        table([page_code(name) for name in answer.columns], rows) or "No rows.",
        fenced("\n".join(answer.plan), PLAN),
    )


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    shown = " ".join(str(value).split())
    return page_text(shown if len(shown) <= _LONGEST_CELL else f"{shown[: _LONGEST_CELL - 1]}…")
