"""The origin of a deployment in the jobs of GitLab, CircleCI and Buildkite."""

from __future__ import annotations

import pytest

from turso_deploy.history.entries import Provenance
from turso_deploy.history.provenance import provenance_of

SHA = "0123456789abcdef0123456789abcdef01234567"
GITLAB = {
    "GITLAB_CI": "true",
    "CI_COMMIT_SHA": SHA,
    "CI_COMMIT_REF_NAME": "main",
    "CI_JOB_URL": "https://gitlab.com/o/r/-/jobs/7",
    "GITLAB_USER_LOGIN": "ada",
}
CIRCLE = {
    "CIRCLECI": "true",
    "CIRCLE_SHA1": SHA,
    "CIRCLE_BRANCH": "main",
    "CIRCLE_BUILD_URL": "https://circleci.com/gh/o/r/7",
    "CIRCLE_USERNAME": "ada",
}
BUILDKITE = {
    "BUILDKITE": "true",
    "BUILDKITE_COMMIT": SHA,
    "BUILDKITE_BRANCH": "main",
    "BUILDKITE_BUILD_URL": "https://buildkite.com/o/r/builds/7",
    "BUILDKITE_BUILD_CREATOR": "ada",
}


@pytest.mark.parametrize("environment", [GITLAB, CIRCLE, BUILDKITE])
def test_job_names_commit_ref_run_and_actor(environment: dict[str, str]) -> None:
    url = next(value for value in environment.values() if value.startswith("https://"))
    assert provenance_of(environment) == Provenance(SHA, "refs/heads/main", url, "ada")


@pytest.mark.parametrize(
    ("environment", "tag"), [(GITLAB, "CI_COMMIT_TAG"), (CIRCLE, "CIRCLE_TAG"), (BUILDKITE, "BUILDKITE_TAG")]
)
def test_tag_is_the_ref_of_a_job_for_a_tag(environment: dict[str, str], tag: str) -> None:
    assert provenance_of({**environment, tag: "v2.0.0"}).ref == "refs/tags/v2.0.0"


def test_commit_that_is_no_hash_is_unknown() -> None:
    assert provenance_of({**BUILDKITE, "BUILDKITE_COMMIT": "HEAD"}).commit_sha is None


def test_variables_without_the_one_of_the_system_are_not_used() -> None:
    assert provenance_of({"CI_COMMIT_SHA": SHA, "CIRCLE_SHA1": SHA, "BUILDKITE_COMMIT": SHA}) == Provenance()
