"""Fuzzing that follows the code it reaches, by atheris: `make fuzz`, besides that by hypothesis in every test run.

Each reader of what others write gets bytes for some time, in a process of its own, and has to give a value or an error
of ours. atheris has no wheels for every platform, so it is installed apart, when this is run.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / ".venv/atheris"  # where no test is looked for: the package brings its own
ATHERIS = "atheris==3.0.0"
SECONDS = int(os.environ.get("FUZZ_SECONDS", "20"))
LIMITS = ("-timeout=10", "-rss_limit_mb=1024", "-max_len=2000", "-print_final_stats=1")

FIRST = {
    "splitter": b"CREATE TABLE t (a); -- b\nCREATE TRIGGER u AFTER INSERT ON t BEGIN SELECT 1; END;",
    "DDL reader": b"id INTEGER PRIMARY KEY, a TEXT DEFAULT 'x' CHECK (a <> ''), UNIQUE (a)) STRICT",
    "manifest": b"expect: {tables: 2, views: '>=1'}\nrows:\n  books: 3..5\n",
    "seed readers": b'[{"id": 1, "title": "a, b"}]',
    "server replies": b'{"type": "ok", "response": {"result": {"step_results": [null], "step_errors": [null]}}}',
    "token parser": b"eyJhbGciOiJFZERTQSJ9.eyJleHAiOjF9.c2ln",
}
"""What each reader is given first."""


def main() -> int:
    """Feed every reader; 1 where one broke, or where atheris cannot be had."""
    if not INSTALLED.exists() and not _install():
        print(f"there is no atheris for Python {platform.python_version()} on {platform.machine()}")
        return 1
    broken = [name for name in FIRST if not _holds(name)]
    print(f"broken: {', '.join(broken)}" if broken else "every reader gave a value or an error of ours")
    return int(bool(broken))


def _install() -> bool:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps"]
    command += ["--only-binary", ":all:", "--target", str(INSTALLED), ATHERIS]
    return subprocess.run(command, check=False).returncode == 0


def _holds(name: str) -> bool:
    """Feed one reader in a process of its own, and tell how often."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "first").write_bytes(FIRST[name])
        command = [sys.executable, "-m", "tests.hostile.fuzz", name, folder, f"-max_total_time={SECONDS}", *LIMITS]
        path = os.pathsep.join([str(INSTALLED), str(ROOT)])
        environment = {**os.environ, "PYTHONPATH": path}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    executed = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
    print(f"{name}: {int(executed[1]) if executed else 0:,} inputs", flush=True)
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-2000:], sep="\n")
    return done.returncode == 0 and executed is not None


def feed(name: str, arguments: list[str]) -> None:
    """Feed one reader until the time is over; the process ends with it."""
    import atheris  # type: ignore[import-untyped]

    with atheris.instrument_imports(include=["turso_deploy"]), tempfile.TemporaryDirectory() as folder:
        atheris.Setup([sys.argv[0], *arguments], _readers(Path(folder))[name])
        atheris.Fuzz()


def _readers(folder: Path) -> dict[str, Callable[[bytes], None]]:
    """What takes bytes from outside, each without the errors that it is meant to raise."""
    from turso_deploy.core.errors import DeployError
    from turso_deploy.core.schema_folder import SchemaFolder
    from turso_deploy.database.hrana_wire import read_batch
    from turso_deploy.project.manifest_file import load_manifest
    from turso_deploy.seeds.files import read_seed_file
    from turso_deploy.sql.lexer import SqlTextError
    from turso_deploy.sql.parser import parse
    from turso_deploy.sql.splitter import split
    from turso_deploy.turso.tokens import read_claims

    def splitter(data: bytes) -> None:
        with suppress(SqlTextError):
            split(data.decode("utf-8", "replace"))

    def ddl_reader(data: bytes) -> None:
        with suppress(SqlTextError):
            parse(f"CREATE TABLE t ({data.decode('utf-8', 'replace')}")

    def manifest(data: bytes) -> None:
        (folder / "manifest.yml").write_bytes(data)
        with suppress(DeployError):
            load_manifest(SchemaFolder(folder, "schema"))

    def seeds(data: bytes) -> None:
        for suffix in ("csv", "json", "jsonl", "yaml"):
            path = folder / f"books.{suffix}"
            path.write_bytes(data)
            with suppress(DeployError):
                list(read_seed_file(SchemaFolder(path.parent, "seeds"), path.name))

    def replies(data: bytes) -> None:
        # HranaDatabase takes these for a reply that cannot be read.
        with suppress(ValueError, KeyError, TypeError, OverflowError):
            read_batch(json.loads(data), [{"stmt": {"sql": "SELECT 1"}}])

    def tokens(data: bytes) -> None:
        with suppress(DeployError):
            read_claims(data.decode("utf-8", "replace"))

    return dict(zip(FIRST, (splitter, ddl_reader, manifest, seeds, replies, tokens), strict=True))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        feed(sys.argv[1], sys.argv[2:])
    sys.exit(main())
