from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from turso_deploy.core.errors import InputError
from turso_deploy.fleet.joined import join_results
from turso_deploy.fleet.results import ResultsFile
from turso_deploy.report.fleet_lines import DatabaseResult, State


def write(folder: Path, shard: str, states: Mapping[str, State], databases: int | None = None) -> None:
    file = ResultsFile(str(folder / f"{shard.replace('/', '-')}.jsonl"))
    file.write({"fleet": "x", "shard": shard, "databases": len(states) if databases is None else databases})
    for name, state in states.items():
        file.write(DatabaseResult(name, state, "rest", committed=state is State.DEPLOYED, code=None))
    file.close()


def test_results_of_all_shards_are_one_report_in_which_the_canary_counts_once(tmp_path: Path) -> None:
    write(tmp_path, "canary/2", {"a": State.DEPLOYED})
    write(tmp_path, "1/2", {"a": State.UNCHANGED, "b": State.DEPLOYED})
    write(tmp_path, "2/2", {"c": State.UNCHANGED})
    report, _ = join_results(str(tmp_path))
    assert report.fleet is not None
    assert (report.status, report.exit_code, report.error) == ("deployed", 0, None)
    assert report.fleet.states == {"deployed": 2, "unchanged": 1}
    assert join_results(str(tmp_path / "*.jsonl"))[0].fleet == replace_source(report.fleet, str(tmp_path / "*.jsonl"))


def replace_source(fleet: object, source: str) -> object:
    from dataclasses import replace

    return replace(fleet, results=source)  # type: ignore[type-var]


def test_shard_without_results_is_a_failure(tmp_path: Path) -> None:
    write(tmp_path, "1/2", {"a": State.DEPLOYED})
    report, _ = join_results(str(tmp_path))
    assert (report.status, report.exit_code) == ("failed", 1)
    assert report.error is not None
    assert report.error.message == "Shard 2/2 has no results."


def test_shard_whose_job_was_killed_is_a_failure(tmp_path: Path) -> None:
    write(tmp_path, "1/1", {"a": State.DEPLOYED}, databases=3)
    report, _ = join_results(str(tmp_path))
    assert report.exit_code == 1
    assert report.error is not None
    assert "results of 1 of its 3 databases" in report.error.message


def test_failures_of_shards_are_those_of_the_joined_report(tmp_path: Path) -> None:
    write(tmp_path, "1/2", {"a": State.BLOCKED, "b": State.NOT_REACHED})
    write(tmp_path, "2/2", {"c": State.DEPLOYED})
    report, _ = join_results(str(tmp_path))
    assert (report.status, report.exit_code, report.committed) == ("blocked", 5, True)


@pytest.mark.parametrize("source", ["missing", "missing/*.jsonl"])
def test_nothing_to_join_is_an_error(tmp_path: Path, source: str) -> None:
    with pytest.raises(InputError, match="There is no file of results"):
        join_results(str(tmp_path / source))


def test_other_json_lines_are_no_results(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(json.dumps({"name": "a"}))
    with pytest.raises(InputError, match="is no file of results"):
        join_results(str(tmp_path))
