"""Measure the English of the source code: how docstrings begin, and words that a practitioner would stumble over.

Run it with `python -m tests.repository.prose [FOLDER]`. It exits with 1 if a limit is broken.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"

MAX_SHARE = 0.05
"""Of the docstrings, how many begin with one of `OPENINGS`: fewer than this share."""

MAX_DENSITY = 10.0
"""Occurrences of `WORDS` in 10,000 lines: fewer than this number."""

OPENINGS = re.compile(r"\W*(what|whether|how|where|those|all|who|which|why|when)\b", re.IGNORECASE)
WORDS = re.compile(r"\b(told|nobody|somebody|whatever|whoever|lest|mend|anew)\b", re.IGNORECASE)

_WORST_SHOWN = 10


@dataclass(frozen=True)
class Hit:
    """One place that counts towards a limit; `file` is relative to the measured folder."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Prose:
    """Figures of all modules in a folder."""

    docstrings: int
    lines: int
    openings: tuple[Hit, ...]
    words: tuple[Hit, ...]

    @property
    def share(self) -> float:
        """The share of docstrings that begin with one of `OPENINGS`, from 0 to 1."""
        return len(self.openings) / self.docstrings if self.docstrings else 0.0

    @property
    def density(self) -> float:
        """Occurrences of `WORDS` in 10,000 lines."""
        return 10_000 * len(self.words) / self.lines if self.lines else 0.0

    @property
    def within_limits(self) -> bool:
        """True if both figures are below their limits."""
        return self.share < MAX_SHARE and self.density < MAX_DENSITY


def read_prose(folder: Path = SOURCE) -> Prose:
    """Read every module in a folder and the folders below it."""
    docstrings = lines = 0
    openings: list[Hit] = []
    words: list[Hit] = []
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).as_posix()
        text = path.read_text("utf-8")
        for number, line in enumerate(text.splitlines(), 1):
            lines += 1
            words += (Hit(name, number, match[0]) for match in WORDS.finditer(line))
        for number, docstring in sorted(_docstrings(ast.parse(text))):
            docstrings += 1
            if OPENINGS.match(docstring):
                openings.append(Hit(name, number, docstring.strip().partition("\n")[0]))
    return Prose(docstrings, lines, tuple(openings), tuple(words))


def _docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each docstring of a module, a class or a function."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            docstring = ast.get_docstring(node, clean=False)
            if docstring is not None:
                yield node.body[0].lineno, docstring


def _print_hits(title: str, hits: Iterable[Hit]) -> None:
    print(title)
    for hit in hits:
        print(f"  {hit}")
    worst = Counter(hit.file for hit in hits).most_common(_WORST_SHOWN)
    if worst:
        print("  Most in: " + ", ".join(f"{file} ({count})" for file, count in worst))


def main(folder: Path = SOURCE) -> int:
    """Print the figures of a folder with each place that counts; return 0, or 1 if a limit is broken."""
    prose = read_prose(folder)
    _print_hits(
        "Docstrings that begin with what, whether, how, where, those, all, who, which, why or when:", prose.openings
    )
    _print_hits("Uses of told, nobody, somebody, whatever, whoever, lest, mend or anew:", prose.words)
    print(
        f"Docstrings: {len(prose.openings)} of {prose.docstrings}, {prose.share:.1%} (limit {MAX_SHARE:.0%})\n"
        f"Words: {len(prose.words)} in {prose.lines} lines, {prose.density:.1f} in 10,000 (limit {MAX_DENSITY:.0f})"
    )
    return 0 if prose.within_limits else 1


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
