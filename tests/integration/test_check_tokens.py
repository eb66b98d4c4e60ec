"""What `check-tokens` reports of tokens that a real server knows: requests, expiry, and one verdict with its table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest, run_program
from tests.support.sqld import Sqld
from turso_deploy.cli.run import run


def test_requests_of_the_checks_are_counted(on_sqld: DatabaseUnderTest, tmp_path: Path, sqld: Sqld) -> None:
    before = on_sqld.proxy.requests
    checked = run_program(
        "check-tokens",
        tmp_path,
        on_sqld.url,
        on_sqld.token,
        read_only_auth_token=on_sqld.read_only_token,
        previous_auth_token=sqld.expired_token(),
    )
    assert checked.document["requests"] == on_sqld.proxy.requests - before == 3
    assert checked.document["duration_ms"] > 0


@pytest.mark.parametrize("days", [1, 3, 400])
def test_expired_token_has_no_days_left_and_fails_in_verdict_and_table(
    on_sqld: DatabaseUnderTest, tmp_path: Path, sqld: Sqld, days: int
) -> None:
    expired = sqld.token(exp=datetime.now(UTC) - timedelta(days=days))
    checked = run_program("check-tokens", tmp_path, on_sqld.url, expired)
    [token] = checked.document["tokens"]
    assert (checked.status, token["state"], token["days_left"], token["expired"]) == (2, "expired", 0, True)
    output, outputs = StringIO(), tmp_path / "outputs"
    flags = {"command": "check-tokens", "database_url": on_sqld.url, "auth_token": expired}
    assert run(flags, {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(outputs)}, output) == 2
    text = output.getvalue()
    assert "✗ Failed: checked 1 token: 1 error" in text
    assert " expired " in text
    assert "-" not in outputs.read_text().partition("token-days-left<<ghadelimiter_")[2].splitlines()[1]


def test_warning_about_a_token_has_no_tick_in_verdict_and_table(on_sqld: DatabaseUnderTest, sqld: Sqld) -> None:
    soon = sqld.token(exp=datetime.now(UTC) + timedelta(days=3))
    output = StringIO()
    assert run({"command": "check-tokens", "database_url": on_sqld.url, "auth_token": soon}, {}, output) == 0
    lines = output.getvalue().splitlines()
    assert lines[0] == "! Checked 1 token: 1 warning"
    assert not any("✔" in line for line in lines)


def test_token_that_only_the_server_takes_for_expired_is_expired(on_sqld: DatabaseUnderTest, sqld: Sqld) -> None:
    just_expired = sqld.token(exp=datetime.now(UTC) - timedelta(seconds=59))
    output = StringIO()
    status = run({"command": "check-tokens", "database_url": on_sqld.url, "auth_token": just_expired}, {}, output)
    text = output.getvalue()
    assert ("expired" in text) is (status == 2)
    assert not (status == 2 and "expires in" in text)
