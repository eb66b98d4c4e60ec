"""The origin of a deployment: from the environment of a job outside of GitHub, and from the git checkout.

Forgejo and Gitea set the variables of GitHub. Sources: https://docs.gitlab.com/ci/variables/predefined_variables/,
https://circleci.com/docs/variables/, https://buildkite.com/docs/pipelines/configure/environment-variables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from turso_deploy.history.entries import Provenance
from turso_deploy.history.git_checkout import read_checkout


class _Names(NamedTuple):
    """The variables of one system; `flag` is `true` in each of its jobs."""

    flag: str
    commit: str
    tag: str
    branch: str
    run_url: str
    actor: str


_SYSTEMS = (
    _Names("GITLAB_CI", "CI_COMMIT_SHA", "CI_COMMIT_TAG", "CI_COMMIT_REF_NAME", "CI_JOB_URL", "GITLAB_USER_LOGIN"),
    _Names("CIRCLECI", "CIRCLE_SHA1", "CIRCLE_TAG", "CIRCLE_BRANCH", "CIRCLE_BUILD_URL", "CIRCLE_USERNAME"),
    _Names(
        *("BUILDKITE", "BUILDKITE_COMMIT", "BUILDKITE_TAG", "BUILDKITE_BRANCH", "BUILDKITE_BUILD_URL"),
        "BUILDKITE_BUILD_CREATOR",
    ),
)


def provenance_of(environment: Mapping[str, str], folder: Path) -> Provenance:
    """Return the origin as the system that runs this job describes it, and otherwise that of the checkout in `folder`.

    A job that does not name its commit has that of its checkout. What is not known is None.
    """
    names = next((names for names in _SYSTEMS if environment.get(names.flag) == "true"), None)
    checkout = read_checkout(folder, environment)
    if names is None:
        return Provenance(checkout.commit_sha, checkout.ref, None, checkout.user if checkout.commit_sha else None)
    commit, tag, branch = (environment.get(name) for name in (names.commit, names.tag, names.branch))
    ref = f"refs/tags/{tag}" if tag else f"refs/heads/{branch}" if branch else None
    is_commit = re.fullmatch(r"[0-9a-f]{7,64}", commit or "") is not None  # Buildkite may say HEAD
    return Provenance(
        commit if is_commit else checkout.commit_sha,
        ref,
        environment.get(names.run_url) or None,
        environment.get(names.actor) or None,
    )


def of_checkout(event: Provenance, folder: Path) -> Provenance:
    """Return the origin of a job of GitHub, with the commit and the ref that are checked out in `folder`.

    A workflow may check out another commit than that of its event: what is checked out is what is deployed.
    """
    checkout = read_checkout(folder, {})
    if checkout.commit_sha in (None, event.commit_sha):
        return event
    return event._replace(commit_sha=checkout.commit_sha, ref=checkout.ref)
