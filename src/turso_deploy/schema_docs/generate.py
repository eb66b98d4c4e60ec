"""The story of `docs`: a schema folder becomes its own documentation, or is told that its documentation is stale."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path, PurePath

from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.core.transaction import Query
from turso_deploy.plan.step_kinds import StepKind
from turso_deploy.project.project import Project, load_project
from turso_deploy.report.document import Report, Status, StepLine
from turso_deploy.report.lines import count_lines
from turso_deploy.schema_docs.descriptions import read_meanings
from turso_deploy.schema_docs.notes import Notes, as_json, load_notes
from turso_deploy.schema_docs.pages import PLAN, render
from turso_deploy.schema_docs.queries import run_queries
from turso_deploy.schema_docs.table_sections import Facts
from turso_deploy.sql.lexer import fold_case, quote_identifier

_PLANS = re.compile(rf"^```{PLAN}\n.*?^```$", re.DOTALL | re.MULTILINE)


def document(folder: Path, output: Path, *, check: bool) -> Report:
    """Write the pages of a schema folder; with `check`, write nothing and say which of them are stale.

    Pages of other files in the output folder stay as they are. Raises ProjectError and InputError.
    """
    started = time.monotonic()
    project = load_project(folder)
    pages = reference_pages(project)
    found = {name: _current(output / name) for name in pages}
    view = _without_plans if check else str
    stale = {
        name: text for name, text in pages.items() if (before := found[name]) is None or view(before) != view(text)
    }
    if not check:
        _write(stale, output)
    shown = PurePath(output).as_posix()
    return Report(
        command="docs",
        status=Status.STALE if check and stale else Status.DOCUMENTED,
        committed=False,
        database="",
        schema_version=project.manifest.schema_version,
        steps=tuple(StepLine(StepKind.WRITE_PAGE, f"{shown}/{name}", "") for name in stale),
        counts=count_lines(project.manifest, project.wanted),
        duration_ms=round((time.monotonic() - started) * 1000),
    )


def reference_pages(project: Project) -> dict[str, str]:
    """The text of every page by its file name. The same folder always makes the same pages."""
    folder, shown, schema = Path(project.folder), project.folder, project.wanted
    notes = load_notes(folder, shown, schema)
    meanings = read_meanings(folder, shown, schema)
    facts = Facts(
        title=notes.title or "This database",
        version=project.manifest.schema_version,
        schema=schema,
        meanings=meanings,
        notes=notes,
        json_columns=project.manifest.json_columns,
        examples=_examples(project, notes),
        pages={key: category.page for category in meanings.categories for key in category.objects},
    )
    queries = run_queries(folder, shown, project.rehearsed)
    views = {name: _columns(view.name, project) for name, view in schema.views.items()}
    return render(facts, views, queries)


def _columns(view: str, project: Project) -> list[tuple[str, str]]:
    rows = project.rehearsed.query(Query("SELECT name, type FROM pragma_table_info(?)", (view,))).rows
    return [(str(name), str(kind)) for name, kind in rows]


def _examples(project: Project, notes: Notes) -> dict[tuple[str, str], str]:
    """A value of each JSON column: the shortest that a seed gives it and that is not empty, else the noted one."""
    found: dict[tuple[str, str], str] = {}
    for name, columns in project.manifest.json_columns.items():
        item = project.wanted.tables[fold_case(name)]
        noted = {fold_case(column): value for column, value in notes.of(fold_case(name)).examples.items()}
        for column in columns:
            quoted = quote_identifier(item.definition.by_name[fold_case(column)].name)
            told = f"json_valid({quoted}) AND {quoted} NOT IN ('[]', '{{}}', 'null')"
            shortest = f"ORDER BY length({quoted}), {quoted} LIMIT 1"
            query = Query(f"SELECT {quoted} FROM {quote_identifier(item.name)} WHERE {told} {shortest}")
            rows = project.rehearsed.query(query).rows
            if rows:
                found[fold_case(name), fold_case(column)] = as_json(json.loads(str(rows[0][0])))
            elif fold_case(column) in noted:
                found[fold_case(name), fold_case(column)] = as_json(noted[fold_case(column)])
    return found


def _without_plans(text: str) -> str:
    """A page without the plans: another version of SQLite may plan otherwise, and no page is stale by that."""
    return _PLANS.sub("", text)


def _current(path: Path) -> str | None:
    """What stands there now; None where nothing does, or no text."""
    try:
        return path.read_bytes().decode("utf-8").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError):
        return None


def _write(pages: dict[str, str], output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, text in pages.items():
            (output / name).write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"The pages cannot be written to `{PurePath(output).as_posix()}`: {error.strerror}.",
            hint="Name a folder that you may write to with --output.",
        ) from None
