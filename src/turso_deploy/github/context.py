"""The context of a run: where it takes place, as GitHub's runner tells it in the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

# `v2.2.0`, or in a repository with several parts `database/v2.2.0` and `database-v2.2.0`.
_VERSION_TAG = re.compile(r"refs/tags/(?:.*[/-])?v(\d.*)")


class RunContext(Struct, frozen=True):
    """Where this run takes place, as GitHub's runner tells it; all None, and `on_runner` False, elsewhere.

    https://docs.github.com/en/actions/reference/workflows-and-actions/variables
    """

    on_runner: bool
    commit_sha: str | None
    ref: str | None
    run_url: str | None
    actor: str | None
    repository: str | None = None
    github_api_url: str | None = None

    @property
    def pull_request(self) -> int | None:
        """The number of the pull request that this run is for; None when it is for none."""
        match = re.fullmatch(r"refs/pull/(\d+)/(?:merge|head)", self.ref or "")
        return int(match[1]) if match else None

    @property
    def tag_version(self) -> str | None:
        """The version that the tag of this run names, without its `v`; None when the run is not for such a tag."""
        match = _VERSION_TAG.fullmatch(self.ref or "")
        return match[1] if match else None


def read_context(environment: Mapping[str, str]) -> RunContext:
    """The context of this run, from the environment."""
    server, repository, run = (environment.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    return RunContext(
        on_runner=environment.get("GITHUB_ACTIONS") == "true",
        commit_sha=environment.get("GITHUB_SHA") or None,
        ref=environment.get("GITHUB_REF") or None,
        run_url=f"{server}/{repository}/actions/runs/{run}" if server and repository and run else None,
        actor=environment.get("GITHUB_ACTOR") or None,
        repository=repository or None,
        github_api_url=environment.get("GITHUB_API_URL") or None,
    )
