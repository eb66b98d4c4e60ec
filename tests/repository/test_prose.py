"""The measure of the source code's English: it counts what it should, and fails where a limit is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.repository.prose import main, read_prose
from tests.support.schema_folders import write_folder

PLAIN = '"""Parse addresses."""\n\ndef parse():\n    """Return the address."""\n'


def test_docstrings_of_modules_classes_methods_and_private_functions_count(tmp_path: Path) -> None:
    text = '''\
"""What a module is."""

class Address:
    """Where a database is."""

    def _port(self):
        """
        How it is reached.
        """

    async def host(self):
        """Return the whole address, and how to reach it."""

def _private():
    "whether, without a capital letter"
    name = """What is no docstring."""

def silent():
    pass
'''
    prose = read_prose(write_folder(tmp_path / "src", {"app/address.py": text}))
    assert prose.docstrings == 5
    assert [str(hit) for hit in prose.openings] == [
        "app/address.py:1: What a module is.",
        "app/address.py:4: Where a database is.",
        "app/address.py:7: How it is reached.",
        "app/address.py:15: whether, without a capital letter",
    ]
    assert prose.share == 4 / 5


def test_only_whole_words_at_the_beginning_of_a_docstring_count(tmp_path: Path) -> None:
    functions = "".join(
        f'def f{number}():\n    """{opening} something."""\n'
        for number, opening in enumerate(["Allow", "Whole", "Show", "`all`:", "“Those” of", "Whenever"])
    )
    prose = read_prose(write_folder(tmp_path / "src", {"app.py": functions}))
    assert [hit.text for hit in prose.openings] == ["`all`: something.", "“Those” of something."]


def test_words_count_in_comments_and_strings_and_per_line(tmp_path: Path) -> None:
    text = '# Told, or TOLD again.\nmessage = "nobody is retold"\n\nlestways = mending = None\n'
    prose = read_prose(write_folder(tmp_path / "src", {"a.py": text, "b.py": "\n" * 6}))
    assert [str(hit) for hit in prose.words] == ["a.py:1: Told", "a.py:1: TOLD", "a.py:2: nobody"]
    assert prose.lines == 10
    assert prose.density == 3000


@pytest.mark.parametrize(
    ("docstrings_hit", "words_hit", "status"),
    [(0, 0, 0), (1, 1, 0), (2, 0, 1), (0, 2, 1), (2, 2, 1)],
    ids=["plain", "below both limits", "docstrings at the limit", "words at the limit", "both at their limits"],
)
def test_the_exit_status_is_1_from_a_limit_on(
    tmp_path: Path, docstrings_hit: int, words_hit: int, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    modules = {f"plain_{number}.py": PLAIN for number in range(19)}  # 38 docstrings
    hits = "".join(
        f'def f{number}():\n    """{"What it does" if number < docstrings_hit else "Return it"}."""\n'
        for number in range(2)
    )
    filler = "# told\n" * words_hit + "\n" * (2000 - 19 * 4 - 4 - words_hit)
    assert main(write_folder(tmp_path / "src", {**modules, "hits.py": hits + filler})) == status
    printed = capsys.readouterr().out
    assert f"Docstrings: {docstrings_hit} of 40, " in printed
    assert f"Words: {words_hit} in 2000 lines, " in printed
    assert printed.count("Most in: hits.py") == (docstrings_hit > 0) + (words_hit > 0)


def test_a_folder_without_modules_is_within_the_limits(tmp_path: Path) -> None:
    assert main(tmp_path) == 0
