"""Measure the layout of the source code: chains and cycles of imports, and the number of modules in each package.

Run it with `python -m tests.repository.layout [FOLDER]`; FOLDER is that of the top-level package.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

VERSION = "__version__"
SOURCE = Path(__file__).parents[2] / "src" / "turso_deploy"


@dataclass(frozen=True)
class Layout:
    """The modules of a top-level package, and those of them that each one imports.

    Imports inside functions and under `TYPE_CHECKING` count; those of the version do not, because it is a constant of
    the top-level package. The `__init__` of a package counts in chains and cycles only if it imports something.
    """

    root: str
    modules: frozenset[str]
    packages: frozenset[str]
    imports: Mapping[str, frozenset[str]]

    @property
    def longest_chain(self) -> list[str]:
        """The longest path of imports, from the importing module down. One import of each cycle is left out."""
        return self._chain_and_cycles[0]

    @property
    def cycles(self) -> list[list[str]]:
        """Cycles of imports. Each module imports the next one; the last module is the first one again."""
        return self._chain_and_cycles[1]

    @property
    def package_sizes(self) -> dict[str, int]:
        """The number of modules directly in each package, without `__init__`; the largest package first."""
        counts = Counter(name.rpartition(".")[0] for name in self.modules)
        return {name: counts[name] for name in sorted(self.packages - {self.root}, key=lambda name: -counts[name])}

    @property
    def top_level(self) -> list[str]:
        """The modules directly in the root, without `__init__`."""
        return sorted(name for name in self.modules if name.rpartition(".")[0] == self.root)

    @cached_property
    def _chain_and_cycles(self) -> tuple[list[str], list[list[str]]]:
        graph = {name: sorted(imported) for name, imported in self.imports.items()}
        cycles: list[list[str]] = []
        while (cycle := _cycle(graph)) is not None:
            cycles.append(cycle)
            graph[cycle[0]].remove(cycle[1])
        chains: dict[str, list[str]] = {}
        for name in TopologicalSorter(graph).static_order():
            below = (chains[imported] for imported in graph.get(name, ()))
            chains[name] = [name, *max(below, key=len, default=[])]
        return max(chains.values(), key=len, default=[]), cycles


def read_layout(folder: Path = SOURCE) -> Layout:
    """Read every module in the folder of a top-level package."""
    files = {_module_name(path, folder): path for path in sorted(folder.rglob("*.py"))}
    packages = frozenset(name for name, path in files.items() if path.name == "__init__.py")
    imports = {}
    for name, path in files.items():
        package = name if name in packages else name.rpartition(".")[0]
        tree = ast.parse(path.read_bytes())
        imports[name] = frozenset(_imported_modules(tree, package, files)) - {name}
    idle = {name for name in packages if not imports[name]}
    return Layout(
        root=folder.name,
        modules=frozenset(files) - packages,
        packages=packages,
        imports={name: imported - idle for name, imported in imports.items() if name not in idle},
    )


def _module_name(path: Path, folder: Path) -> str:
    return ".".join(path.relative_to(folder.parent).with_suffix("").parts).removesuffix(".__init__")


def _imported_modules(tree: ast.Module, package: str, known: Collection[str]) -> Iterator[str]:
    """Yield the known modules that the statements of a module of this package import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                if alias.name == VERSION:
                    continue
                submodule = f"{source}.{alias.name}"
                if submodule in known:
                    yield submodule
                elif source in known:
                    yield source


def _cycle(graph: Mapping[str, list[str]]) -> list[str] | None:
    """Return one cycle of the graph, or None."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        backwards: list[str] = error.args[1]  # each node is imported by the one after it
        return backwards[::-1]
    return None


def main(folder: Path = SOURCE) -> None:
    """Print the layout of the source code in a folder."""
    layout = read_layout(folder)
    chain = layout.longest_chain
    print(f"Longest chain of imports: {len(chain)} modules")
    for number, name in enumerate(chain, 1):
        print(f"  {number:>3}  {name}")
    print(f"Import cycles: {len(layout.cycles)}")
    for cycle in layout.cycles:
        print(f"       {' -> '.join(cycle)}")
    print(f"Packages: {len(layout.package_sizes)}; modules in each:")
    for package, size in layout.package_sizes.items():
        print(f"  {size:>3}  {package}")
    print(f"Modules at the top level: {len(layout.top_level)}")
    for name in layout.top_level:
        print(f"       {name}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
