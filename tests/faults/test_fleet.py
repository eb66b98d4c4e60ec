"""A fleet under faults of network and server, kills and signals: each database is at its old or its new state, whole.

Every report is true, the next run without faults deploys the rest, and nothing is deployed twice.
"""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.faults.proxy import Fault, Proxy, running_proxy
from tests.support import counters
from tests.support.databases import QUICK
from tests.support.fleets import NamespaceFleet, host_of, running_fleet
from turso_deploy.cli.run import run

_IS_LONG = "FAULT_REPORT" in os.environ
RUNS = int(os.environ.get("FLEET_RUNS", "40" if _IS_LONG else "2"))
SIZE = 100 if _IS_LONG else 25
PARTS = 5 if _IS_LONG else 2
"""The runs are divided into parts, each with a server of its own, so that they may be done side by side."""

_FAULTS = [fault for fault in Fault if fault not in (Fault.NONE, Fault.DELAYED, Fault.DRIPPED)]
_ENDS = ("finish", "finish", "kill", "terminate")
_UNTOUCHED = ("failed", "blocked", "stopped", "not-reached")


class Setting:
    """A fleet behind a proxy, and how often each database was deployed to."""

    def __init__(self, fleet: NamespaceFleet, proxy: Proxy, folder: Path, choices: random.Random) -> None:
        self.fleet, self.proxy, self.folder, self.choices = fleet, proxy, folder, choices
        self.list_file = folder / "fleet.jsonl"
        lines = (json.dumps({"name": name, "url": proxy.url, "host": host_of(name)}) for name in fleet.names)
        self.list_file.write_text("".join(f"{line}\n" for line in lines))
        self.schema = folder / "schema"
        self.schema.mkdir()

    def write_version(self, number: int) -> None:
        columns = "".join(f", c{one} TEXT" for one in range(number % 7))
        (self.schema / "tables.sql").write_text(f"CREATE TABLE t (id INTEGER PRIMARY KEY{columns});\n")
        (self.schema / "manifest.yml").write_text(f"schema_version: 1.{number}.0\n")

    def counts(self) -> dict[str, tuple[int, str]]:
        """The number of deployments and the columns of each database."""
        with ThreadPoolExecutor(8) as pool:
            return dict(zip(self.fleet.names, pool.map(self._count, self.fleet.names), strict=True))

    def _count(self, name: str) -> tuple[int, str]:
        if not self.fleet.execute(name, "SELECT 1 FROM sqlite_schema WHERE name = 'schema_deployments'"):
            return 0, ""
        [(number, columns)] = self.fleet.execute(
            name,
            "SELECT (SELECT count(*) FROM schema_deployments), (SELECT group_concat(name) FROM pragma_table_info('t'))",
        )
        return number, columns

    def flags(self, **more: Any) -> dict[str, Any]:
        return {
            "command": "deploy",
            "fleet": str(self.list_file),
            "schema_path": str(self.schema),
            "failure_budget": "100%",
            "canary": "0",
            "parallel": "8",
            "allow_hazards": "drop-column,rewrite-table,drop-table",
            "json_output": True,
            **more,
        }

    def run_without_faults(self) -> tuple[int, Mapping[str, Any]]:
        output = io.StringIO()
        code = run(self.flags(), {"TURSO_AUTH_TOKEN": self.fleet.token}, output, io.StringIO(), QUICK)
        return code, json.loads(output.getvalue())

    def run_with_faults(self, end: str) -> list[dict[str, Any]]:
        """Run in a process that may be ended at a random moment, and return the results that it has written."""
        results = self.folder / "results.jsonl"
        results.unlink(missing_ok=True)
        command = [sys.executable, "-m", "turso_deploy", "deploy"]
        for name, value in self.flags(results=str(results), timeout="3").items():
            if name not in ("command", "json_output"):
                command += [f"--{name.replace('_', '-')}", str(value)]
        environment = {**os.environ, "TURSO_AUTH_TOKEN": self.fleet.token}
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
            if end != "finish":
                while not results.exists() and process.poll() is None:
                    time.sleep(0.01)
                time.sleep(self.choices.uniform(0, 3))
                process.send_signal(signal.SIGKILL if end == "kill" else signal.SIGTERM)
            process.wait(120)
        lines = results.read_text().splitlines()[1:] if results.exists() else []
        if end == "kill" and lines and not lines[-1].endswith("}"):
            lines.pop()
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize("part", range(PARTS))
def test_fleet_is_whole_after_any_fault_and_the_next_run_finishes_it(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, part: int
) -> None:
    choices = random.Random(part)
    names = [f"n{number:03}" for number in range(SIZE)]
    with (
        running_fleet(tmp_path_factory.mktemp("fleet"), names) as fleet,
        running_proxy(fleet.server.url) as proxy,
    ):
        proxy.late = 1
        setting = Setting(fleet, proxy, tmp_path, choices)
        expected = dict.fromkeys(names, 0)
        for number in range(1, max(1, RUNS // PARTS) + 1):
            setting.write_version(number)
            before = setting.counts()
            proxy.plan(choices.choices([Fault.NONE, *_FAULTS], [60, *[1.5] * len(_FAULTS)], k=4 * SIZE))
            blocked = choices.sample(names, 2)
            for name in blocked:
                fleet.configure(name, block_writes=True)
            end = choices.choice(_ENDS)
            results = setting.run_with_faults(end)
            proxy.released.set()
            proxy.calm()
            proxy.released.clear()
            for name in blocked:
                fleet.configure(name, block_writes=False)
            after = setting.counts()
            require_true(results, before, after, end)
            code, report = setting.run_without_faults()
            assert code == 0, report["fleet"]["causes"]
            expected = {name: times + 1 for name, times in expected.items()}
            final = setting.counts()
            assert {name: count for name, (count, _) in final.items()} == expected, "deployed twice, or not at all"
            assert len({columns for _, columns in final.values()}) == 1
            counters.count("fleet", end)
            for result in results:
                counters.count("fleet", f"database {result['state']}")


def require_true(
    results: list[dict[str, Any]],
    before: Mapping[str, tuple[int, str]],
    after: Mapping[str, tuple[int, str]],
    end: str,
) -> None:
    """Each database is at its old or its new state, and each result says at which."""
    assert len({result["name"] for result in results}) == len(results)
    if end == "finish" or (end == "terminate" and results):
        assert {result["name"] for result in results} == before.keys()
    new = Counter(columns for name, (count, columns) in after.items() if count == before[name][0] + 1)
    assert len(new) <= 1, "databases at different new states"
    for name, (count, columns) in after.items():
        assert count - before[name][0] in (0, 1)
        assert count > before[name][0] or columns == before[name][1]
    for result in results:
        committed = after[result["name"]][0] - before[result["name"]][0]
        if result["state"] in ("deployed", "unchanged"):
            assert committed == 1, result
        elif result["state"] in _UNTOUCHED:
            assert committed == 0, result
        else:
            assert (result["state"], result["committed"]) == ("unknown", None), result


def test_two_fleets_at_once_deploy_each_database_once(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    names = [f"n{number:03}" for number in range(30)]
    with running_fleet(tmp_path_factory.mktemp("fleet"), names) as fleet, running_proxy(fleet.server.url) as proxy:
        setting = Setting(fleet, proxy, tmp_path, random.Random(0))
        for number in range(1, 4):
            setting.write_version(number)
            with ThreadPoolExecutor(2) as pool:
                both = list(pool.map(lambda _: setting.run_without_faults(), range(2)))
            assert [code for code, _ in both] == [0, 0], [report["fleet"]["causes"] for _, report in both]
            assert sum(report["fleet"]["states"].get("deployed", 0) for _, report in both) == len(names)
            assert {count for count, _ in setting.counts().values()} == {number}
