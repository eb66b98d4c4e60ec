"""The tokens and the way back in every rendering of a report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from turso_deploy.github.outputs import outputs
from turso_deploy.report.console import render
from turso_deploy.report.document import FindingLine, Report, Status, TokenLine
from turso_deploy.report.job_summary import summary
from turso_deploy.report.wording import token_cells, verdict

OLD = FindingLine("error", "it is 120 days old", "Rotate it.")
SOON = FindingLine("warning", "it expires in 3 days", "Rotate it.")
DEPLOY = TokenLine(
    "auth-token", "0a1b2c3d", "works", "full", "2026-05-04T00:00:00Z", 3, 120, None, True, False, (OLD, SOON)
)
SERVING = TokenLine("read-only-auth-token", "ffffffff", "works", "read-only", None, None, 1)


@pytest.fixture
def checked() -> Report:
    return Report("check-tokens", Status.CHECKED, False, "https://quiz-acme.turso.io", tokens=(DEPLOY, SERVING))


def test_the_verdict_counts_what_was_found(checked: Report) -> None:
    assert verdict(checked) == "Checked 2 tokens: 1 error and 1 warning"
    assert verdict(replace(checked, tokens=(SERVING,))) == "Checked 1 token: no problems found"


def test_the_terminal_has_a_table_and_what_to_do(checked: Report) -> None:
    lines = render(checked, colour=False).splitlines()
    (deploy,) = [line for line in lines if "0a1b2c3d" in line]
    (serving,) = [line for line in lines if "ffffffff" in line]
    assert deploy.split() == "✗ auth-token 0a1b2c3d works full 120 days in 3 days".split()
    assert serving.split() == "✔ read-only-auth-token ffffffff works read-only 1 day never".split()
    assert "  ✗ auth-token: it is 120 days old. Rotate it." in lines
    assert "  ! auth-token: it expires in 3 days. Rotate it." in lines


def test_the_summary_is_open_when_something_is_wrong(checked: Report) -> None:
    assert "<details open><summary>2 tokens</summary>" in summary(checked)
    assert "<details><summary>1 token</summary>" in summary(replace(checked, tokens=(SERVING,)))


def test_a_finding_that_looks_like_markup_is_shown_as_it_is(checked: Report) -> None:
    evil = replace(SERVING, findings=(FindingLine("error", "<b>|`x`", "@all\n::error::x"),))
    text = summary(replace(checked, tokens=(evil,)))
    assert "<b>" not in text
    assert "\n::error" not in text
    assert "\n::error" not in render(replace(checked, tokens=(evil,)), colour=False)


@pytest.mark.parametrize(
    ("token", "left"),
    [
        (SERVING, "never"),
        (replace(SERVING, state="malformed", access="-"), "-"),
        (replace(DEPLOY, days_left=0), "in less than a day"),
        (replace(DEPLOY, days_left=0, expired=True), "expired"),
        (replace(DEPLOY, days_left=0, minted=True), "minted for this run"),
    ],
)
def test_what_is_left_of_a_token_is_told_in_words(token: TokenLine, left: str) -> None:
    assert token_cells(token)[-1] == left


def test_the_outputs_are_about_the_token_that_was_given(checked: Report) -> None:
    minted = replace(DEPLOY, fingerprint="minted", minted=True, due=False, days_left=0)
    told = outputs(
        replace(checked, tokens=(minted, replace(SERVING, expires_at="2027-01-01T00:00:00Z", days_left=240)))
    )
    assert told["token-expires-at"] == "2027-01-01T00:00:00Z"
    assert (told["token-days-left"], told["token-age-days"], told["token-rotation-due"]) == ("240", "1", "false")
    assert outputs(checked)["token-rotation-due"] == "true"


def test_the_way_back_is_a_block_to_copy(deployed: Report) -> None:
    report = replace(
        deployed, restore_point=("turso db create quiz-restored --from-db quiz", "turso db tokens create x")
    )
    assert "```sh\nturso db create quiz-restored --from-db quiz\nturso db tokens create x\n```" in summary(report)
    assert "      turso db create quiz-restored --from-db quiz\n" in render(report, colour=False)
    assert "way back" not in summary(deployed)


def test_a_rotation_is_told_by_its_steps() -> None:
    report = Report(
        "rotate-token", Status.ROTATED, False, "https://q.turso.io", notices=("Minted the token 0a1b2c3d.",)
    )
    assert verdict(report) == "Rotated: the secret holds a new, working token"
    assert "Minted the token 0a1b2c3d." in render(report, colour=False)
