from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.sqld import sign
from turso_deploy.core.errors import DatabaseError, ErrorCode, InputError
from turso_deploy.turso.token_checks import check_claims_of_all
from turso_deploy.turso.token_claims import Claims
from turso_deploy.turso.token_policy import (
    Level,
    Policy,
    Role,
    TokenCheck,
    aging,
    belongs,
    check_claims,
    is_due,
    token_error,
)

NOW = datetime(2026, 5, 1, tzinfo=UTC)
KEY = Ed25519PrivateKey.generate()
POLICY = Policy()


def token(access: str = "rw", **claims: Any) -> str:
    return sign(KEY, {"a": access, "iat": NOW - timedelta(days=10), "exp": NOW + timedelta(days=80), **claims})


def checked(text: str, role: Role = Role.DEPLOY, policy: Policy = POLICY, *, needs_write: bool = True) -> TokenCheck:
    return check_claims(role, text, policy, NOW, needs_write=needs_write)


def texts(check: TokenCheck) -> list[str]:
    return [finding.text for finding in check.findings]


def test_a_token_in_its_best_years_is_all_right() -> None:
    check = checked(token())
    assert (check.state, check.access, check.level, is_due(check)) == ("valid", "full", None, False)
    assert token_error({Role.DEPLOY: check}, POLICY) is None


def test_a_fingerprint_tells_tokens_apart_and_is_no_part_of_them() -> None:
    first, second = token(kid="a"), token(kid="b")
    assert checked(first).fingerprint != checked(second).fingerprint
    assert len(checked(first).fingerprint) == 8
    assert checked(first).fingerprint not in first


@pytest.mark.parametrize(
    ("claims", "level", "says"),
    [
        ({"iat": NOW - timedelta(days=91)}, Level.ERROR, "91 days old"),
        ({"iat": NOW - timedelta(days=90)}, None, ""),
        ({"exp": NOW + timedelta(days=14)}, Level.WARNING, "expires in 14 days"),
        ({"exp": NOW + timedelta(hours=3)}, Level.WARNING, "less than a day"),
        ({"exp": NOW + timedelta(days=15)}, None, ""),
    ],
)
def test_the_policy_warns_before_a_limit_and_complains_past_it(
    claims: dict[str, Any], level: Level | None, says: str
) -> None:
    check = checked(token(**claims))
    assert check.level is level
    assert says in "".join(texts(check))
    assert is_due(check) is (level is not None)


def test_a_token_without_an_end_is_a_matter_of_policy() -> None:
    endless = sign(KEY, {"a": "rw", "iat": NOW})
    assert checked(endless).level is None
    strict = POLICY._replace(require_expiry=True)
    check = checked(endless, policy=strict)
    assert "never expires" in texts(check)[0]
    assert token_error({Role.DEPLOY: check}, strict) is None
    error = token_error({Role.DEPLOY: check}, strict._replace(mode="enforce"))
    assert error is not None
    assert error.code is ErrorCode.TOKEN_POLICY


def test_a_warning_does_not_fail_an_enforced_policy() -> None:
    enforced = POLICY._replace(mode="enforce")
    check = checked(token(exp=NOW + timedelta(days=3)), policy=enforced)
    assert check.level is Level.WARNING
    assert token_error({Role.DEPLOY: check}, enforced) is None


def test_a_policy_that_is_off_judges_no_age_and_still_refuses_a_dead_token() -> None:
    off = Policy(mode="off", require_expiry=True)
    assert checked(sign(KEY, {"a": "rw", "iat": 1}), policy=off).level is None
    dead = checked(token(exp=NOW - timedelta(days=1)), policy=off)
    assert isinstance(token_error({Role.DEPLOY: dead}, off), InputError)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (token("ro"), ErrorCode.TOKEN_READ_ONLY),
        (token(perm=[{"t": [], "a": ["data_read"]}]), ErrorCode.TOKEN_READ_ONLY),
        (token(exp=NOW - timedelta(hours=1)), ErrorCode.TOKEN_EXPIRED),
        (token(nbf=NOW + timedelta(hours=1)), ErrorCode.TOKEN_REJECTED),
        (token() + "=", ErrorCode.TOKEN_MALFORMED),
        (jwt.encode({"scopes": ["read"]}, "k" * 32, algorithm="HS256"), ErrorCode.TOKEN_MALFORMED),
    ],
)
def test_a_token_that_cannot_deploy_stops_the_run_whatever_the_policy_is(text: str, code: ErrorCode) -> None:
    check = checked(text)
    error = token_error({Role.DEPLOY: check}, Policy(mode="off"))
    assert error is not None
    assert error.code is code
    assert error.hint
    assert "`auth-token`" in error.message


def test_a_read_only_token_is_enough_to_read() -> None:
    assert checked(token("ro"), needs_write=False).level is None


def test_fine_grained_rules_that_are_too_narrow_are_told_and_do_not_stop() -> None:
    check = checked(token(perm=[{"t": [], "a": ["data_read", "data_add"]}, {"t": ["users"], "a": ["schema_add"]}]))
    assert check.access == "restricted"
    assert "data_update, schema_add" in texts(check)[0]
    assert token_error({Role.DEPLOY: check}, POLICY) is None


@pytest.mark.parametrize("minutes", [0, 3])
def test_a_clock_that_is_off_by_minutes_makes_no_trouble(minutes: int) -> None:
    off = timedelta(minutes=minutes)
    for text in (token(iat=NOW + off), token(nbf=NOW + off), token(exp=NOW - off)):
        check = checked(text, policy=Policy(mode="off"))
        assert (check.state, check.level) == ("valid", None)


def test_a_token_from_the_future_is_a_warning() -> None:
    check = checked(token(iat=NOW + timedelta(hours=2)))
    assert check.level is Level.WARNING
    assert "in the future" in texts(check)[0]


def test_a_serving_token_must_not_write() -> None:
    assert checked(token("ro"), Role.APPLICATION).level is None
    check = checked(token("rw"), Role.APPLICATION)
    assert check.level is Level.ERROR
    assert token_error({Role.APPLICATION: check}, POLICY) is None
    assert token_error({Role.APPLICATION: check}, Policy(mode="enforce")) is not None


def test_the_deploy_token_in_the_place_of_the_serving_one_is_told() -> None:
    one = token()
    checks = check_claims_of_all({Role.DEPLOY: one, Role.APPLICATION: one}, POLICY, NOW)
    assert checks[Role.APPLICATION].state == "wrong token"
    assert any("same as the deploy token" in text for text in texts(checks[Role.APPLICATION]))


def test_swapped_tokens_are_told() -> None:
    checks = check_claims_of_all({Role.DEPLOY: token("ro"), Role.APPLICATION: token("rw")}, POLICY, NOW)
    assert any("swapped" in text for text in texts(checks[Role.APPLICATION]))
    error = token_error(checks, POLICY)
    assert error is not None
    assert error.code is ErrorCode.TOKEN_READ_ONLY


def test_the_deploy_token_as_the_previous_one_shows_that_nothing_was_rotated() -> None:
    one = token()
    checks = check_claims_of_all({Role.DEPLOY: one, Role.PREVIOUS: one}, POLICY, NOW)
    assert "there was no rotation" in texts(checks[Role.PREVIOUS])[0]


def test_nothing_that_is_wrong_with_the_previous_token_matters() -> None:
    assert checked(token("ro", iat=1, exp=2), Role.PREVIOUS).findings == ()


def test_a_token_of_another_database_stops_a_deployment_and_not_its_companion() -> None:
    stray = token(id="0a1b")
    deploy = belongs(checked(stray), "quiz", "ffff")
    assert (deploy.state, deploy.findings[0].code) == ("wrong database", ErrorCode.TOKEN_MISMATCH)
    assert token_error({Role.DEPLOY: deploy}, POLICY) is not None
    serving = belongs(checked(token("ro", id="0a1b"), Role.APPLICATION), "quiz", "ffff")
    assert serving.level is Level.ERROR
    assert token_error({Role.APPLICATION: serving}, POLICY) is None
    assert belongs(checked(stray), "quiz", "0a1b").level is None
    assert belongs(checked(token(gid="of a group")), "quiz", "0a1b").level is None


def test_a_database_token_as_the_api_token_is_told_apart() -> None:
    check = checked(token(), Role.PLATFORM)
    assert "not a token of the Turso Platform API" in texts(check)[0]
    assert isinstance(token_error({Role.PLATFORM: check}, POLICY), InputError)


@pytest.mark.parametrize("text", ["opaque-secret-of-some-other-form", "a.b.c", jwt.encode({}, "k" * 32)])
def test_an_api_token_may_have_any_form(text: str) -> None:
    assert checked(text, Role.PLATFORM).findings == ()


def test_the_age_of_an_api_token_is_judged_when_it_says_it() -> None:
    old = jwt.encode({"iat": NOW - timedelta(days=200)}, "k" * 32, algorithm="HS256")
    assert "200 days old" in texts(checked(old, Role.PLATFORM))[0]


def test_what_the_server_says_is_no_wrong_input() -> None:
    check = checked(token(nbf=NOW + timedelta(hours=1)))
    assert isinstance(token_error({Role.DEPLOY: check}, POLICY), DatabaseError)


@pytest.mark.parametrize(
    ("role", "text", "remedy"),
    [
        (Role.DEPLOY, token(exp=NOW - timedelta(days=3)), "`turso db tokens create <database>`"),
        (Role.APPLICATION, token("ro", exp=NOW - timedelta(days=3)), "`turso db tokens create --read-only <database>`"),
        (Role.APPLICATION, "abc", "`turso db tokens create --read-only <database>`"),
        (Role.DEPLOY, token(exp=NOW + timedelta(days=3)), "Rotate it: `turso-deploy rotate-token`, or mint"),
        (
            Role.APPLICATION,
            token("ro", exp=NOW + timedelta(days=3)),
            "`turso-deploy rotate-token --token-access read-only --secret-name NAME`",
        ),
    ],
)
def test_advice_about_a_token_gives_one_that_its_role_needs(role: Role, text: str, remedy: str) -> None:
    [finding] = checked(text, role).findings
    assert remedy in finding.remedy


def test_advice_about_an_old_api_token_is_no_rotation() -> None:
    [finding] = aging(Role.PLATFORM, Claims(expires_at=NOW + timedelta(days=3)), POLICY, NOW)
    assert finding.remedy.startswith("Create an API token with `turso auth api-tokens mint")


def test_two_tokens_that_are_swapped_have_one_advice() -> None:
    tokens = {Role.DEPLOY: token("ro"), Role.APPLICATION: token("rw", kid="b")}
    checks = check_claims_of_all(tokens, POLICY, NOW)
    assert [finding.remedy for check in checks.values() for finding in check.findings] == ["Swap the two secrets."] * 2
    error = token_error(checks, POLICY)
    assert error is not None
    assert error.hint == "Swap the two secrets."
