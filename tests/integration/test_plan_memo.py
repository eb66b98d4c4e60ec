"""A plan that is remembered leads to the same transaction and report as one that is made: for the cases of changes."""

from __future__ import annotations

import os
import re
import shutil
import threading
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
import yaml

from tests.integration.test_change_cases import CASES, NAMES, Case, Expected
from tests.support.databases import DatabaseUnderTest
from turso_deploy.core.errors import DeployError
from turso_deploy.core.transaction import Outcome, Transaction
from turso_deploy.database.file import FileDatabase
from turso_deploy.deploy.deploy import deploy
from turso_deploy.http.backoff import RetryBudget
from turso_deploy.pending.plan_memo import MAX_ENTRIES, PlanMemo, remembered, remembering
from turso_deploy.plan.hazards import parse_approvals
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report

_EACH = 1 if "FAULT_REPORT" in os.environ else 9  # all of them in the long run
# Ids, times and the numbers that guards compare differ between any two deployments.
_OF_ONE_RUN = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?"
)


class _Recorded(FileDatabase):
    """A file that keeps the transactions that are applied to it."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), RetryBudget(10))
        self.transactions: list[Transaction] = []

    def apply(self, transaction: Transaction) -> Outcome:
        self.transactions.append(transaction)
        return super().apply(transaction)


def _deployed(project: Project, file: Path, copy: Path, allow: str, memo: PlanMemo | None) -> tuple[str, str]:
    """Deploy to a copy of a file, and return the transactions and the report without what belongs to one run."""
    shutil.copy(file, copy)
    with closing(_Recorded(copy)) as database, remembering(memo) if memo else nullcontext():
        report = deploy(project, database, allow_hazards=allow)
    return _alike(repr(database.transactions)), _alike(repr(_without_times(report)).replace(copy.name, "copy"))


def _alike(text: str) -> str:
    return _OF_ONE_RUN.sub("…", text)


def _without_times(report: Report) -> dict[str, object]:
    return {name: value for name, value in vars(report).items() if name != "duration_ms"}


@pytest.mark.parametrize("name", NAMES[::_EACH])
def test_remembered_plan_leads_to_the_same_transaction_and_report(name: str, tmp_path: Path) -> None:
    expected = Expected.model_validate(yaml.safe_load((CASES / name / "expect.yml").read_text(encoding="utf-8")))
    if expected.only == "sqld":
        pytest.skip("not for files")
    file, workspace = tmp_path / "before.db", tmp_path / "workspace"
    workspace.mkdir()
    case = Case(CASES / name, expected, DatabaseUnderTest(f"file:{file}", f"file:{file}"), workspace)
    case.bring_to_before().close()
    memo = PlanMemo()
    try:
        project, _ = case.project("after"), parse_approvals(expected.allow)
    except DeployError:
        pytest.skip("there is no plan")
    with project:
        first, second, without = (
            _deployed(project, file, tmp_path / f"{number}.db", expected.allow, one)
            for number, one in enumerate((memo, memo, None))
        )
    assert first == second == without
    assert memo.hits


def test_value_is_made_by_one_thread_while_others_wait_for_it() -> None:
    memo, made, begun = PlanMemo(), list[int](), threading.Barrier(8)

    def make() -> int:
        made.append(1)
        return 7

    def ask() -> None:
        begun.wait()
        assert memo.get("plan", "key", (), make) == 7

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), memo.misses, memo.hits) == (1, 1, 7)


def test_failure_is_not_remembered() -> None:
    memo = PlanMemo()
    with pytest.raises(ZeroDivisionError):
        memo.get("plan", "key", (), lambda: 1 // 0)
    assert memo.get("plan", "key", (), lambda: 2) == 2


def test_memory_is_bounded_and_forgets_what_was_used_longest_ago() -> None:
    memo = PlanMemo()
    for number in range(3 * MAX_ENTRIES):
        memo.get("plan", number, (), lambda: 1)
        memo.get("plan", 0, (), lambda: 2)
    assert memo.get("plan", 0, (), lambda: 3) == 1
    assert memo.get("plan", 1, (), lambda: 4) == 4


def test_nothing_is_remembered_without_a_memory() -> None:
    assert [remembered("plan", lambda: 1, (), lambda number=number: number) for number in (1, 2)] == [1, 2]  # type: ignore[misc]
