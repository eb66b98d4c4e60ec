"""The pages in docs/ say what the code says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.history.table import create_step
from turso_deploy.plan.hazards import HazardName
from turso_deploy.project.loader import load_project
from turso_deploy.project.manifest_file import load_manifest
from turso_deploy.project.scripts import Moment

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "node_modules" not in path.parts)


def script(path: str) -> ModuleType:
    """A script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, DOCS / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_what_a_page_takes_from_the_code_is_current(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert script("generate.py").with_tables(text) == text, "run `make docs`"


def test_files_that_are_generated_as_a_whole_are_current() -> None:
    files = script("generate.py").FILES
    stale = [name for name, text in files.items() if (DOCS / name).read_text(encoding="utf-8") != text()]
    assert stale == [], "run `make docs`"


def test_the_pages_name_every_hazard_and_every_key_of_the_manifest() -> None:
    hazards = (DOCS / "concepts/hazards.md").read_text(encoding="utf-8")
    assert [name for name in HazardName if f"| `{name}` |" not in hazards] == []
    manifest = (DOCS / "reference/manifest.md").read_text(encoding="utf-8")
    assert "| `expect.foreign_keys` | a bound |" in manifest
    assert "| `rows` | a mapping of table names to a bound |" in manifest


def examples(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_manifest_of_the_example_can_be_read(tmp_path: Path) -> None:
    [example] = examples("reference/manifest.md", "yaml")
    (tmp_path / "manifest.yml").write_text(example, encoding="utf-8")
    assert load_manifest(SchemaFolder(tmp_path, "schema")).schema_version == "2.2.0"


def test_the_directives_and_the_script_of_the_examples_are_understood(tmp_path: Path) -> None:
    table, script = examples("guides/schema-changes.md", "sql")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "users.sql").write_text(table, encoding="utf-8")
    (tmp_path / "scripts/split.sql").write_text(script, encoding="utf-8")
    project = load_project(tmp_path)
    at_table = project.wanted.tables["users"].directives
    assert at_table.table.renamed_from == "members"
    assert at_table.of("full_name").renamed_from == "name"
    assert at_table.of("email").using == "coalesce(email, 'user' || id || '@example.org')"
    [split] = project.scripts
    assert (split.moment, [need.title for need in split.needs]) == (Moment.BETWEEN, ["users.address"])


def test_the_page_of_the_deployment_history_has_every_column_of_the_table() -> None:
    page = (DOCS / "concepts/deployment-history.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", page, re.MULTILINE)
    columns = re.findall(r"^  (\w+) [A-Z]", create_step().query.sql, re.MULTILINE)
    assert sorted(re.findall(r"\w+", " ".join(rows))) == sorted(columns)


def test_what_the_picture_changes_is_there_to_be_changed() -> None:
    for name, changes in script("picture/render.py").CHANGES.items():
        text = (DOCS.parent / "schema" / name).read_text(encoding="utf-8")
        assert [old for old, _ in changes if text.count(old) != 1] == []
