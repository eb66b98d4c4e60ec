"""The rotation of a token, from the mint to the server that refuses the old one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.platform.github import READER, WRITER, Github
from tests.platform.server import Answer
from tests.platform.turso import Hosted, Turso, refused
from turso_deploy.core.errors import DeployError, ErrorCode, InputError
from turso_deploy.github.secrets import GithubSecrets, SecretPlace
from turso_deploy.turso.platform import Platform
from turso_deploy.turso.rotation import rotate_token
from turso_deploy.turso.token_checks import ask
from turso_deploy.turso.tokens import fingerprint, read_claims

SECRET = "/repos/acme/quiz/actions/secrets/TURSO_AUTH_TOKEN"
PLACE = SecretPlace("repository", "acme/quiz")
LIFETIME = timedelta(days=90)


@pytest.fixture
def secrets(github: Github) -> Iterator[GithubSecrets]:
    """Our client of GitHub, with a token that may write secrets."""
    client = GithubSecrets(PLACE, WRITER, timeout=30, url=github.url)
    yield client
    client.close()


class Rotator:
    """Rotates the token of `quiz`, and asks its server afterwards."""

    def __init__(self, turso: Turso, quiz: Hosted, platform: Platform, secrets: GithubSecrets) -> None:
        self.platform, self.secrets = platform, secrets
        self.database = platform.database(quiz.name)
        self.old = turso.token(quiz, rid="old")
        self.masked: list[str] = []

    def __call__(self, **options: Any) -> tuple[str, ...]:
        settings: dict[str, Any] = {
            "secret_name": "TURSO_AUTH_TOKEN",
            "secrets": self.secrets,
            "lifetime": LIFETIME,
            "now": datetime.now(UTC),
            "old_token": self.old,
            "timeout": 30,
            "interval": 0,
            **options,
        }
        return rotate_token(self.platform, self.database, mask=self.masked.append, **settings)

    def works(self, token: str) -> bool:
        return ask(self.database.address, token, timeout=30).works


@pytest.fixture
def rotate(turso: Turso, quiz: Hosted, platform: Platform, secrets: GithubSecrets) -> Rotator:
    """Nothing is rotated yet."""
    return Rotator(turso, quiz, platform, secrets)


def test_a_new_token_is_proven_and_stored_where_only_github_opens_it(rotate: Rotator, github: Github) -> None:
    done = rotate()
    stored = github.opened(SECRET)
    claims = read_claims(stored)
    assert rotate.works(stored)
    assert not claims.read_only
    assert claims.expires_at is not None
    assert abs(claims.expires_at - datetime.now(UTC) - LIFETIME) < timedelta(minutes=1)
    minted, kept, _ = done
    assert fingerprint(stored) in minted
    assert f"until {claims.expires_at:%Y-%m-%d %H:%M} UTC" in minted
    assert fingerprint(stored) in kept
    assert rotate.masked == [stored]


def test_the_old_token_works_on_and_its_end_is_told(rotate: Rotator, turso: Turso, quiz: Hosted) -> None:
    assert "never expires" in rotate()[-1]
    assert rotate.works(rotate.old)
    ending = turso.token(quiz, exp=datetime.now(UTC) + timedelta(days=5, hours=1))
    assert "5 days more" in rotate(old_token=ending)[-1]
    assert "expired at" in rotate(old_token=turso.token(quiz, exp=1))[-1]
    assert "not a database token" in rotate(old_token="something else")[-1]


def test_no_token_is_in_what_is_told(rotate: Rotator) -> None:
    told = " ".join(rotate(revoke_others=True))
    assert len(rotate.masked) == 2
    assert not any(part in told for token in [*rotate.masked, rotate.old] for part in token.split("."))


def test_the_application_gets_a_token_that_only_reads(rotate: Rotator, github: Github) -> None:
    rotate(read_only=True)
    assert read_claims(github.opened(SECRET)).read_only


def test_revoking_refuses_every_older_token_and_the_stored_one_works(rotate: Rotator, github: Github) -> None:
    done = rotate(revoke_others=True)
    stored = github.opened(SECRET)
    first, second = rotate.masked
    assert stored == second
    assert fingerprint(second) in done[-2]
    assert [rotate.works(token) for token in (rotate.old, first, second)] == [False, False, True]
    assert f"rejects the old token {fingerprint(rotate.old)}" in done[-1]


@pytest.mark.parametrize("old", [None, "no token at all"])
def test_revoking_without_an_old_token_that_works_is_proven_with_the_first_new_one(
    rotate: Rotator, old: str | None
) -> None:
    done = rotate(revoke_others=True, old_token=old)
    assert fingerprint(rotate.masked[0]) in done[-1]


def test_new_keys_that_take_a_moment_to_be_known_are_waited_for(rotate: Rotator, quiz: Hosted, turso: Turso) -> None:
    unauthorized = refused(401, "Unauthorized: `The JWT is invalid`")
    quiz.faults.add(".*", unauthorized, times=3)
    done = rotate()
    assert rotate.works(rotate.masked[0])
    assert len(done) == 3


def test_keys_are_rotated_only_when_asked_for(rotate: Rotator, turso: Turso) -> None:
    rotate()
    assert not any(call.endswith("/auth/rotate") for call in turso.calls())


@pytest.mark.parametrize(
    ("pattern", "fault", "code"),
    [
        ("POST .*/auth/tokens", refused(403, "the token lacks db:mint-token"), ErrorCode.API_FORBIDDEN),
        ("POST .*/auth/tokens", refused(429, "slow down", **{"Retry-After": "9"}), ErrorCode.RATE_LIMITED),
        ("POST .*/auth/tokens", Answer(drop=True), ErrorCode.UNREACHABLE),
        ("POST .*/auth/tokens", Answer(document={}), ErrorCode.UNEXPECTED_REPLY),
        ("POST .*/auth/tokens", Answer(document={"jwt": "no-token"}), ErrorCode.UNEXPECTED_REPLY),
    ],
)
def test_when_no_token_can_be_minted_the_old_one_stays(
    rotate: Rotator, turso: Turso, github: Github, pattern: str, fault: Answer, code: ErrorCode
) -> None:
    turso.faults.add(pattern, fault)
    with pytest.raises(DeployError, match="the old token still works") as caught:
        rotate()
    assert caught.value.code is code
    assert github.secrets == {}
    assert rotate.works(rotate.old)


def test_a_token_that_never_ends_or_may_do_too_much_is_not_stored(
    rotate: Rotator, turso: Turso, quiz: Hosted, github: Github
) -> None:
    for unasked in (turso.token(quiz), turso.token(quiz, "ro", exp=datetime.now(UTC) + LIFETIME)):
        turso.faults.add("POST .*/auth/tokens", Answer(document={"jwt": unasked}))
        with pytest.raises(DeployError, match="not the one that was asked for"):
            rotate()
        assert unasked in rotate.masked
    assert github.secrets == {}


def test_a_token_that_the_server_refuses_is_not_stored(rotate: Rotator, turso: Turso, github: Github) -> None:
    foreign = turso.token(turso.create("other"), exp=datetime.now(UTC) + LIFETIME)
    turso.faults.add("POST .*/auth/tokens", Answer(document={"jwt": foreign}))
    with pytest.raises(DeployError, match="the old token still works"):
        rotate()
    assert github.secrets == {}


@pytest.mark.parametrize(
    ("pattern", "fault", "code"),
    [
        ("PUT .*", Answer(403, {"message": "not accessible"}), ErrorCode.API_FORBIDDEN),
        ("PUT .*", Answer(404, {"message": "Not Found"}), ErrorCode.NOT_FOUND),
        ("PUT .*", Answer(422, {"message": "Validation Failed"}), ErrorCode.UNEXPECTED_REPLY),
        ("PUT .*", Answer(drop=True), ErrorCode.UNREACHABLE),
        ("GET .*/public-key", Answer(403, {"message": "not accessible"}), ErrorCode.API_FORBIDDEN),
    ],
)
def test_when_the_secret_cannot_be_stored_the_old_token_works_on(
    rotate: Rotator, github: Github, pattern: str, fault: Answer, code: ErrorCode
) -> None:
    github.faults.add(pattern, fault)
    with pytest.raises(DeployError, match=r"old token (is still the working one|still works)") as caught:
        rotate(revoke_others=True)
    assert caught.value.code is code
    assert rotate.works(rotate.old)


def test_a_token_that_may_not_write_secrets_is_told(rotate: Rotator, github: Github) -> None:
    reader = GithubSecrets(PLACE, READER, timeout=30, url=github.url)
    with pytest.raises(DeployError, match="old token still works") as caught:
        rotate(secrets=reader)
    reader.close()
    assert "GITHUB_TOKEN of a workflow cannot" in (caught.value.hint or "")


def test_a_place_that_is_not_there_is_told_before_anything_is_minted(
    rotate: Rotator, github: Github, turso: Turso
) -> None:
    nowhere = GithubSecrets(SecretPlace("environment", "acme/quiz", "pro/duction"), WRITER, timeout=30, url=github.url)
    with pytest.raises(DeployError) as caught:
        rotate(secrets=nowhere)
    nowhere.close()
    assert caught.value.code is ErrorCode.NOT_FOUND
    assert rotate.masked == []


def test_a_write_that_does_not_show_is_told(rotate: Rotator, github: Github) -> None:
    rotate()
    github.frozen = True
    with pytest.raises(DeployError, match="`updated_at` has not changed"):
        rotate()


def test_a_write_that_shows_late_is_waited_for(rotate: Rotator, github: Github) -> None:
    github.faults.add("PUT .*", Answer(204), times=2)
    with pytest.raises(DeployError, match="has not changed"):
        rotate()
    github.faults.add(f"GET {SECRET}", Answer(404), times=3)
    rotate()
    assert rotate.works(github.opened(SECRET))


def test_write_in_the_same_second_as_the_one_before_is_repeated(rotate: Rotator, github: Github) -> None:
    github.clock = lambda written: "2026-05-01T00:00:01Z" if written < 3 else "2026-05-01T00:00:02Z"
    done = rotate(revoke_others=True)
    assert rotate.works(github.opened(SECRET))
    assert fingerprint(rotate.masked[1]) in done[-2]
    assert [request.method for request in github.asked].count("PUT") == 3


@pytest.mark.parametrize("fault", [Answer(drop=True), Answer(500), Answer(502), Answer(504)])
def test_lost_reply_to_the_second_write_is_found_in_the_secret(rotate: Rotator, github: Github, fault: Answer) -> None:
    github.faults.add("PUT .*", fault, after=True, skip=1)
    rotate(revoke_others=True)
    assert rotate.works(github.opened(SECRET))


@pytest.mark.parametrize("is_done", [False, True])
def test_second_write_of_which_nothing_is_known_is_not_called_a_lock_out(
    rotate: Rotator, github: Github, *, is_done: bool
) -> None:
    github.clock = lambda written: "2026-05-01T00:00:01Z"
    github.faults.add("PUT .*", Answer(drop=True), after=is_done, skip=1)
    with pytest.raises(DeployError, match="The secret holds either the newest token, which works") as caught:
        rotate(revoke_others=True)
    assert "rejects all older tokens" not in caught.value.message
    assert rotate.works(github.opened(SECRET)) is is_done


def test_second_write_that_is_refused_is_a_lock_out(rotate: Rotator, github: Github) -> None:
    github.faults.add("PUT .*", Answer(403, {"message": "not accessible"}), skip=1)
    with pytest.raises(DeployError, match="rejects all older tokens, also the one in the secret"):
        rotate(revoke_others=True)
    assert not rotate.works(github.opened(SECRET))


def test_keys_that_do_not_change_although_the_platform_says_so_lock_nobody_out(
    rotate: Rotator, turso: Turso, github: Github
) -> None:
    turso.faults.add("POST .*/auth/rotate", Answer())
    github.faults.add("PUT .*", Answer(403, {"message": "not accessible"}), skip=1)
    with pytest.raises(DeployError, match="the server still accepts the token in the secret"):
        rotate(revoke_others=True)
    assert rotate.works(github.opened(SECRET))


@pytest.mark.parametrize("environment", ["production", "Prod: EU/1"])
def test_the_secret_of_an_environment_is_stored(rotate: Rotator, github: Github, environment: str) -> None:
    github.environments.add(environment)
    secrets = GithubSecrets(SecretPlace("environment", "acme/quiz", environment), WRITER, timeout=30, url=github.url)
    rotate(secrets=secrets)
    secrets.close()
    assert rotate.works(github.opened(secrets.place.path + "/TURSO_AUTH_TOKEN"))


@pytest.mark.parametrize(
    "sight", [{"visibility": "all"}, {"visibility": "selected", "selected_repository_ids": [7, 9]}]
)
def test_the_secret_of_an_organization_stays_visible_to_the_same_repositories(
    rotate: Rotator, github: Github, sight: dict[str, Any]
) -> None:
    path = "/orgs/acme/actions/secrets/TURSO_AUTH_TOKEN"
    github.secrets[path] = {"updated_at": "2020", **sight}
    secrets = GithubSecrets(SecretPlace("organization", "acme"), WRITER, timeout=30, url=github.url)
    rotate(secrets=secrets)
    secrets.close()
    assert github.secrets[path].items() >= sight.items()
    assert rotate.works(github.opened(path))


def test_a_new_secret_of_an_organization_is_left_to_its_owners(rotate: Rotator, github: Github) -> None:
    secrets = GithubSecrets(SecretPlace("organization", "acme"), WRITER, timeout=30, url=github.url)
    with pytest.raises(DeployError, match="TURSO_AUTH_TOKEN does not exist in the organization acme") as caught:
        rotate(secrets=secrets)
    secrets.close()
    assert caught.value.code is ErrorCode.NOT_FOUND
    assert github.secrets == {}


def test_keys_that_cannot_be_rotated_leave_both_tokens_working(rotate: Rotator, turso: Turso, github: Github) -> None:
    turso.faults.add("POST .*/auth/rotate", refused(403, "the token lacks db:rotate-creds"))
    with pytest.raises(DeployError, match="The old token still works too") as caught:
        rotate(revoke_others=True)
    assert "db:rotate-creds" in (caught.value.hint or "")
    assert rotate.works(rotate.old)
    assert rotate.works(github.opened(SECRET))


def test_a_lost_reply_to_the_rotation_of_keys_is_told_as_not_known(rotate: Rotator, turso: Turso) -> None:
    turso.faults.add("POST .*/auth/rotate", Answer(drop=True), after=True)
    with pytest.raises(DeployError, match="unknown whether the keys were rotated"):
        rotate(revoke_others=True)
    assert not rotate.works(rotate.old)


def test_a_failure_after_the_keys_were_rotated_says_how_to_get_back_in(rotate: Rotator, github: Github) -> None:
    github.faults.add("PUT .*", Answer(500), skip=1)
    with pytest.raises(DeployError, match="Run `rotate-token` once more, without `--revoke-others`"):
        rotate(revoke_others=True)
    assert not rotate.works(github.opened(SECRET))
    rotate()
    assert rotate.works(github.opened(SECRET))


def test_an_old_token_that_is_never_refused_is_told(rotate: Rotator, turso: Turso) -> None:
    turso.faults.add("POST .*/auth/rotate", Answer())
    with pytest.raises(DeployError, match="still accepts the old token") as caught:
        rotate(revoke_others=True)
    assert caught.value.code is ErrorCode.ROTATION_FAILED


@pytest.mark.parametrize("name", ["", "A B", "GITHUB_TOKEN", "1A"])
def test_a_secret_of_an_odd_name_is_refused_first(rotate: Rotator, turso: Turso, github: Github, name: str) -> None:
    with pytest.raises(InputError):
        rotate(secret_name=name)
    assert github.asked == []
