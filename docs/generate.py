"""What in these pages follows from the code: `make docs` writes them, and a test holds them to it."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from turso_deploy.cli.main import COMMANDS
from turso_deploy.cli.settings import SETTINGS, flag_of, input_of, variable_of
from turso_deploy.github.runner import OUTPUTS
from turso_deploy.plan.hazards import HAZARDS
from turso_deploy.project.manifest import manifest_json_schema

PAGES = Path(__file__).parent
ROOT = PAGES.parent
_BLOCK = re.compile(r"(<!-- made by docs/generate\.py: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def hazards() -> str:
    """Every hazard: its name, what it does to a deployment, what it costs."""
    rows = [(f"`{name}`", severity.value, cost) for name, (severity, cost) in HAZARDS.items()]
    return _table(("hazard", "a deployment with it", "what it means"), rows)


def manifest() -> str:
    """Every key of the manifest: what it takes, and what it means."""
    schema = json.loads(manifest_json_schema())
    rows = [(f"`{name}`", kind, text) for name, kind, text in _keys(schema, schema["$defs"])]
    return _table(("key", "takes", "meaning"), rows)


def _keys(model: dict[str, Any], models: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    for name, field in model["properties"].items():
        yield prefix + name, _kind(field), field["description"]
        if "$ref" in field:
            yield from _keys(models[field["$ref"].rpartition("/")[2]], models, f"{prefix}{name}.")


def _kind(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return "a mapping"
    if members := field.get("additionalProperties"):
        return f"a mapping of table names to {_kind(members)}"
    if field.get("type") == "array":
        return "a list"
    kinds = [kind for kind in field["anyOf"] if kind.get("type") != "null"]
    return "text" if kinds == [kind for kind in kinds if kind.get("type") == "string"] else "a bound"


def commands() -> str:
    """Every command, and what it does."""
    return _table(("command", "what it does"), [(f"`{name}`", text) for name, text in COMMANDS.items()])


def inputs() -> str:
    """Every setting by its three names, its default, and what it means."""
    rows = [
        (
            f"`{input_of(name)}`",
            "" if name == "command" else f"`{flag_of(name)}`",
            f"`{variable_of(name)}`",
            _default(setting.default),
            setting.description.replace("|", "\\|"),
        )
        for name, setting in SETTINGS.items()
    ]
    return _table(("input", "flag", "variable", "default", "meaning"), rows)


def _default(value: object) -> str:
    if value in (None, ""):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else f'{value:g}' if isinstance(value, float) else value}`"


def outputs() -> str:
    """Every output of the Action."""
    return _table(("output", "meaning"), [(f"`{name}`", text) for name, text in OUTPUTS.items()])


def floors() -> str:
    """The floors of the house, from the contract that the imports are held to: each imports only what is below."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return "```\n" + "".join(f"{layer}\n" for layer in layers) + "```\n"


def rooms() -> str:
    """Every module with the line in which it says what lives there."""
    source = ROOT / "src/turso_deploy"
    modules = [path for path in source.rglob("*.py") if not path.name.startswith("__")]
    by_room = sorted(modules, key=lambda path: (path.parent != source, path))
    lines = []
    for room, files in groupby(by_room, key=lambda path: path.parent):
        lines += ["", f"**`{room.relative_to(source.parent).as_posix()}/`**", ""]
        lines += [f"- `{file.name}`: {_first_line(file)}" for file in files]
    return "\n".join([*lines, "", ""])


def _first_line(file: Path) -> str:
    return (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


_TABLES: dict[str, Callable[[], str]] = {
    "hazards": hazards,
    "manifest": manifest,
    "commands": commands,
    "inputs": inputs,
    "outputs": outputs,
    "floors": floors,
    "rooms": rooms,
}


def with_tables(page: str) -> str:
    """A page with each of its tables as the code has it now."""
    return _BLOCK.sub(lambda block: block[1] + _TABLES[block[2]]() + block[3], page)


if __name__ == "__main__":
    for path in sorted(PAGES.glob("*.md")):
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
