"""Run the `docs` command: generate the documentation of a schema folder, or check that it is current."""

from __future__ import annotations

import errno
import json
import re
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePath

from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.core.files import SpecialFileError, make_folder, read_file, write_file
from turso_deploy.core.transaction import Query, Value
from turso_deploy.plan.steps import StepKind
from turso_deploy.project.loader import load_project_with
from turso_deploy.project.project import Project
from turso_deploy.project.scripts import require_faultless
from turso_deploy.report.document import Report, Status, StepLine
from turso_deploy.report.lines import count_lines
from turso_deploy.schema_docs.descriptions import read_descriptions
from turso_deploy.schema_docs.notes import Notes, as_json, load_notes
from turso_deploy.schema_docs.page_data import PageData
from turso_deploy.schema_docs.pages import PLAN, render
from turso_deploy.schema_docs.queries import QUERIES, run_queries, statements_of
from turso_deploy.sql.lexer import fold_case, quote_identifier

_MAX_PAGE_BYTES = 64_000_000
_QUERY_PLANS = re.compile(rf"^```{PLAN}\n.*?^```$", re.DOTALL | re.MULTILINE)


def generate_docs(folder: Path, output: Path, *, check: bool) -> Report:
    """Write the stale pages of a schema folder; with `check`, write nothing and report which are stale.

    Other files in the output folder are not changed. Raises ProjectError and InputError.
    """
    started = time.monotonic()
    _require_no_links(output)
    with load_project_with([QUERIES], folder, may_dangle=True) as project:
        require_faultless(project.scripts)  # as for a new database, which would run all of them
        pages = render_pages(project)
    # Query plans may differ with another version of SQLite.
    compared = partial(_QUERY_PLANS.sub, "") if check else str
    stale = {}
    for name, text in pages.items():
        current = _current(output / name)
        if current is None or compared(current) != compared(text):
            stale[name] = text
    if not check:
        _write(stale, output)
    shown = PurePath(output).as_posix()
    return Report(
        command="docs",
        status=Status.STALE if check and stale else Status.DOCUMENTED,
        committed=False,
        database="",
        manifest_version=project.manifest.schema_version,
        steps=tuple(StepLine(StepKind.WRITE_PAGE, f"{shown}/{name}", "") for name in stale),
        counts=count_lines(project.manifest, project.wanted),
        notices=(*project.notices, *project.unknown_functions(statements_of(project.folder))),
        duration_ms=round((time.monotonic() - started) * 1000),
    )


def render_pages(project: Project) -> dict[str, str]:
    """Return the text of every page by its file name. The same folder always results in the same pages."""
    schema = project.wanted
    notes = load_notes(project.folder, schema)
    descriptions = read_descriptions(project.folder, schema)
    json_columns = _json_columns(project, notes)
    data = PageData(
        title=notes.title or "This database",
        version=project.manifest.schema_version,
        schema=schema,
        descriptions=descriptions,
        notes=notes,
        json_columns=json_columns,
        examples=_examples(project, notes, json_columns),
        pages={key: category.page for category in descriptions.categories for key in category.objects},
    )
    queries = run_queries(project.folder, project.scratch)
    columns = {name: _columns_of_view(project.scratch, view.name) for name, view in schema.views.items()}
    views = {view: [(str(name), str(kind)) for name, kind in rows] for view, rows in columns.items()}
    return render(data, views, queries)


def _json_columns(project: Project, notes: Notes) -> dict[str, list[str]]:
    """Return the columns that hold JSON, by folded names: those of the manifest, and those with a noted example."""
    found: dict[str, dict[str, None]] = {}
    for name, columns in project.manifest.json_columns.items():
        found.setdefault(fold_case(name), {}).update(dict.fromkeys(map(fold_case, columns)))
    for name, noted in notes.tables.items():
        if noted.examples:
            found.setdefault(fold_case(name), {}).update(dict.fromkeys(map(fold_case, noted.examples)))
    return {name: list(columns) for name, columns in found.items()}


def _columns_of_view(scratch: Scratch, name: str) -> tuple[tuple[Value, ...], ...]:
    """Return name and type of the columns of a view; none if what it reads does not exist."""
    try:
        return scratch.query(Query("SELECT name, type FROM pragma_table_info(?)", (name,))).rows
    except ScratchError:
        return ()


def _examples(project: Project, notes: Notes, json_columns: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], str]:
    """Return an example of each JSON column: the shortest value in the seeds that is not empty, else the noted one."""
    found: dict[tuple[str, str], str] = {}
    for name, columns in json_columns.items():
        item = project.wanted.tables[fold_case(name)]
        noted = {fold_case(column): value for column, value in notes.of(fold_case(name)).examples.items()}
        for column in columns:
            quoted = quote_identifier(item.definition.by_name[fold_case(column)].name)
            usable = f"json_valid({quoted}) AND {quoted} NOT IN ('[]', '{{}}', 'null')"
            shortest = f"ORDER BY length({quoted}), {quoted} LIMIT 1"
            query = Query(f"SELECT {quoted} FROM {quote_identifier(item.name)} WHERE {usable} {shortest}")
            rows = project.scratch.query(query).rows
            if rows:
                found[fold_case(name), fold_case(column)] = as_json(json.loads(str(rows[0][0])))
            elif fold_case(column) in noted:
                found[fold_case(name), fold_case(column)] = as_json(noted[fold_case(column)])
    return found


def _current(path: Path) -> str | None:
    """Return the text of a page; None if there is none, or no text in it. Raises InputError for a link."""
    try:
        return read_file(path, _MAX_PAGE_BYTES).decode("utf-8").replace("\r\n", "\n")
    except SpecialFileError as error:
        raise _not_a_page(path, error) from None
    except (OSError, UnicodeDecodeError):
        return None


def _write(pages: dict[str, str], output: Path) -> None:
    try:
        make_folder(output)
        for name, text in pages.items():
            write_file(output / name, text.encode())
    except SpecialFileError as error:
        raise _not_a_page(output / name, error) from None
    except OSError as error:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"The pages cannot be written to `{PurePath(output).as_posix()}`: {error.strerror}.",
            hint="Name a folder that you may write to with --output.",
        ) from None


def _require_no_links(output: Path) -> None:
    """Raise InputError if the folder is a link, or if a folder of the working folder that leads to it is one.

    Git stores links, so that a change of the repository could send the pages to any place of the machine.
    """
    inside = output.absolute().relative_to(Path.cwd()) if output.absolute().is_relative_to(Path.cwd()) else Path()
    for path in (output, *(Path.cwd() / part for part in (inside, *inside.parents) if part.parts)):
        if path.is_symlink():
            raise _not_a_page(path, SpecialFileError(errno.ELOOP, "it is a link"))


def _not_a_page(path: Path, error: SpecialFileError) -> InputError:
    return InputError(
        ErrorCode.INPUT_INVALID,
        f"`{path.as_posix()}` is neither read nor written: {error.strerror}.",
        hint="Remove it, or name another folder with --output.",
    )
