"""The layout of the source code: short chains of imports, no cycles, and packages that fit on one screen."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tests.repository.layout import Layout, main, read_layout
from tests.support.schema_folders import write_folder

MAX_CHAIN = 15  # modules
MAX_PACKAGE_SIZE = 13  # modules, without __init__


@pytest.fixture(scope="module")
def layout() -> Layout:
    return read_layout()


def test_no_chain_of_imports_is_longer_than_the_limit(layout: Layout) -> None:
    assert len(layout.longest_chain) <= MAX_CHAIN, layout.longest_chain


def test_no_import_closes_a_cycle(layout: Layout) -> None:
    assert layout.cycles == []


def test_no_package_has_more_modules_than_the_limit(layout: Layout) -> None:
    assert {package: size for package, size in layout.package_sizes.items() if size > MAX_PACKAGE_SIZE} == {}


def test_the_top_level_holds_packages_and_main_only(layout: Layout) -> None:
    assert layout.top_level == ["turso_deploy.__main__"]


def written(folder: Path, **modules: str) -> Layout:
    """A package with these modules; in their names, two underscores stand for a slash."""
    files = {f"{name.replace('__', '/')}.py": text for name, text in modules.items()}
    packages = {str(Path(name).parent / "__init__.py"): "" for name in files}
    return read_layout(write_folder(folder / "app", packages | files))


def test_deferred_and_type_checking_imports_lengthen_a_chain(tmp_path: Path) -> None:
    layout = written(
        tmp_path,
        top="def call():\n    from app.a.one import name",
        a__one="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import app.b.two",
        b__two="from app import a\nfrom .three import name",
        b__three="import os\n",
    )
    assert layout.longest_chain == ["app.top", "app.a.one", "app.b.two", "app.b.three"]
    assert layout.cycles == []


def test_a_package_that_imports_something_counts_as_a_module(tmp_path: Path) -> None:
    write_folder(tmp_path / "app", {"__init__.py": "", "a/__init__.py": "from app.a.one import name", "a/one.py": ""})
    (tmp_path / "app" / "top.py").write_text("from app.a import name\nfrom app import a")
    assert read_layout(tmp_path / "app").longest_chain == ["app.top", "app.a", "app.a.one"]


def test_the_version_of_the_top_level_package_closes_no_cycle(tmp_path: Path) -> None:
    write_folder(
        tmp_path / "app",
        {"__init__.py": "from app.a import name\n__version__ = '1'", "a.py": "from app import __version__"},
    )
    assert read_layout(tmp_path / "app").cycles == []


def test_relative_imports_lead_to_the_same_modules(tmp_path: Path) -> None:
    layout = written(tmp_path, a__one="from ..b import two\nfrom . import three", b__two="", a__three="")
    assert layout.imports["app.a.one"] == {"app.b.two", "app.a.three"}


def test_each_cycle_is_reported(tmp_path: Path) -> None:
    layout = written(
        tmp_path, a="import app.b", b="import app.c", c="import app.a", d="from app import e", e="from app import d"
    )
    assert {frozenset(cycle) for cycle in layout.cycles} == {
        frozenset({"app.a", "app.b", "app.c"}),
        frozenset({"app.d", "app.e"}),
    }
    for cycle in layout.cycles:
        assert all(after in layout.imports[before] for before, after in pairwise(cycle))
    assert len(layout.longest_chain) == 3


def test_packages_and_the_top_level_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = written(tmp_path, top="import app.a.one", a__one="", a__two="", b__three="")
    assert layout.package_sizes == {"app.a": 2, "app.b": 1}
    assert layout.top_level == ["app.top"]
    main(tmp_path / "app")
    printed = capsys.readouterr().out
    assert "Longest chain of imports: 2 modules\n    1  app.top\n    2  app.a.one\n" in printed
    assert "    2  app.a\n    1  app.b\n" in printed
