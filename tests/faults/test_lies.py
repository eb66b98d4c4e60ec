"""Servers whose replies are not true: no report is better than its proof, and none crashes.

`make faults` tells all single lies and 10,000 replies changed at random, and prints the figures; `FAULT_SEED` and
`FAULT_LIES` run others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.liar import Bench, Liar, Tally, running_liar
from tests.support.counters import LONG
from tests.support.sqld import running_sqld
from turso_deploy.report.document import Report, Status

MUTATIONS = int(os.environ.get("FAULT_LIES", "10000" if LONG else "40"))
FIRST_SEED = int(os.environ.get("FAULT_SEED", "20260101"))
PARTS = 40 if LONG else 1
ONE_IN = 1 if LONG else 150
STORIES = ["a new database", "a change of everything", "a check that fails", "a row without a parent"]


@pytest.fixture
def liar(tmp_path: Path) -> Iterator[tuple[Bench, Liar]]:
    """A bench whose server lies, if it is asked to."""
    (tmp_path / "sqld").mkdir()
    with running_sqld(tmp_path / "sqld") as sqld, running_liar(sqld) as running:
        bench = Bench(sqld, running, tmp_path)
        yield bench, running
        bench.close()


@pytest.mark.parametrize("name", STORIES)
def test_no_single_lie_makes_a_report_better_than_the_truth(liar: tuple[Bench, Liar], name: str) -> None:
    bench, tally = liar[0], Tally()
    [story] = [story for story in bench.stories if story.name == name]
    bench.tell_single_lies(story, tally, ONE_IN)
    tally.save("single lies of a server, as reported")
    assert not tally.problems, "\n".join(tally.problems)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_reply_changed_at_random_makes_a_report_better_than_the_truth(liar: tuple[Bench, Liar], part: int) -> None:
    bench, tally, each = liar[0], Tally(), MUTATIONS // PARTS
    for seed in range(FIRST_SEED + part * each, FIRST_SEED + (part + 1) * each):
        bench.mutate(seed, tally)
    tally.save("replies changed at random, as reported")
    assert not tally.problems, "\n".join(tally.problems)


def deployed_to_a_liar(liar: tuple[Bench, Liar], name: str, edit: Any = None) -> Report:
    """The report of a deployment; `edit` changes the reply of the transaction."""
    bench, _ = liar
    [story] = [story for story in bench.stories if story.name == name]

    def change(number: int, content: bytes) -> bytes:
        if edit is None or number != len(bench.honest[name]) - 1:
            return content
        document = json.loads(content)
        edit(document["results"][0]["response"]["result"])
        return json.dumps(document).encode()

    report = bench.judge(story, name, change, tally := Tally())
    assert not tally.problems, tally.problems
    assert report is not None
    return report


def test_failed_check_beside_a_commit_is_a_failure_that_committed(liar: tuple[Bench, Liar]) -> None:
    liar[1].unconditional = True
    report = deployed_to_a_liar(liar, "a check that fails")
    assert report.error is not None
    assert (report.status, report.committed, report.exit_code) == (Status.FAILED, True, 1)
    assert report.error.code == "check-failed"
    assert "rows of authors: expected >=200, found 4" in report.error.message
    assert "According to the deployment history, the transaction was committed all the same." in report.error.message
    assert "rolled back" not in report.error.message
    assert "`turso-deploy verify`" in (report.error.hint or "")
    assert any(not check.ok for check in report.checks)


def test_figure_out_of_its_bound_beside_a_commit_is_a_failure_that_committed(liar: tuple[Bench, Liar]) -> None:
    def edit(result: Any) -> None:
        for step in result["step_results"]:
            if step and step["rows"] == [[{"type": "integer", "value": "2"}]]:  # the rows of authors, and of books
                step["rows"][0][0]["value"] = "1"

    report = deployed_to_a_liar(liar, "a new database", edit)
    assert report.error is not None
    assert (report.status, report.committed, report.error.code) == (Status.FAILED, True, "check-failed")


@pytest.mark.parametrize("rows", [[], [[]], [[{"type": "null"}]], [[{"type": "text", "value": "2"}]] * 2])
def test_figures_of_another_form_are_an_unexpected_reply_and_the_history_is_read(
    liar: tuple[Bench, Liar], rows: list[Any]
) -> None:
    def edit(result: Any) -> None:
        for step in result["step_results"]:
            if step and step["rows"]:
                step["rows"] = rows

    report = deployed_to_a_liar(liar, "a new database", edit)
    assert report.error is not None
    assert (report.status, report.committed, report.error.code) == (Status.FAILED, True, "unexpected-reply")
    assert report.requests == 3


def test_skipped_step_beside_a_commit_is_a_failure_that_committed(liar: tuple[Bench, Liar]) -> None:
    def edit(result: Any) -> None:
        result["step_results"][5] = None

    report = deployed_to_a_liar(liar, "a change of everything", edit)
    assert report.error is not None
    assert (report.status, report.committed, report.error.code) == (Status.FAILED, True, "unexpected-reply")
    assert "a step did not run, although no step failed before it" in report.error.message


@pytest.mark.parametrize("name", ["a new database", "a change of everything"])
@pytest.mark.parametrize("command", ["deploy", "dry run"])
def test_reply_to_an_earlier_transaction_is_no_success(liar: tuple[Bench, Liar], name: str, command: str) -> None:
    bench, running = liar
    [story] = [story for story in bench.stories if story.name == name]
    reply, last = bench.reply_to(story, command), len(bench.honest[name]) - 1
    running.withheld = {last}  # the server never gets the transaction
    report = bench.judge(
        story, "replayed", lambda number, content: reply if number == last else content, tally := Tally(), command
    )
    assert report is not None
    assert report.error is not None
    assert (report.status, report.committed, report.error.code) == (Status.FAILED, False, "unexpected-reply")
    assert "reply to another transaction" in report.error.message
    assert not tally.problems


def test_rejection_of_a_transaction_that_ran_is_a_failure_that_committed(liar: tuple[Bench, Liar]) -> None:
    bench, _ = liar
    [story] = [story for story in bench.stories if story.name == "a new database"]
    error = {"message": "SQL string could not be parsed", "code": "SQL_PARSE_ERROR"}
    rejected = {"results": [{"type": "error", "error": error}, {"type": "ok", "response": {"type": "close"}}]}
    report = bench.judge(
        story, "rejected", lambda number, content: json.dumps(rejected).encode() if number == 1 else content, Tally()
    )
    assert report is not None
    assert report.error is not None
    assert (report.status, report.committed) == (Status.FAILED, True)
