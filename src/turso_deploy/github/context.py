"""Context of a run, as GitHub's runner gives it in the environment: commit, ref, repository, files, API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

API_URL = "https://api.github.com"

# `v2.2.0`, or in a repository with several components `database/v2.2.0` and `database-v2.2.0`.
_VERSION_TAG = re.compile(r"refs/tags/(?:.*[/-])?v(\d.*)")


class RunContext(NamedTuple):
    """Variables of a workflow run. `on_runner` is False and the files are None outside of a runner.

    `is_action` is True if the runner itself started this process, with the inputs of the Action as variables.
    `event_file` describes the event that started the run. `output_file` and `summary_file` receive the outputs and the
    job summary of the step; files below `workspace` are left to later steps. `debug` is true if the log shows debug
    messages.
    Source: https://docs.github.com/en/actions/reference/workflows-and-actions/variables
    """

    on_runner: bool = False
    is_action: bool = False
    event_name: str | None = None
    event_file: Path | None = None
    commit_sha: str | None = None
    ref: str | None = None
    run_url: str | None = None
    actor: str | None = None
    repository: str | None = None
    server_url: str | None = None
    api_url: str = API_URL
    output_file: Path | None = None
    summary_file: Path | None = None
    workspace: Path | None = None
    debug: bool = False

    @property
    def tag_version(self) -> str | None:
        """Version in the name of the run's tag, without its `v`; None if the ref is not a version tag."""
        match = _VERSION_TAG.fullmatch(self.ref or "")
        return match[1] if match else None


def read_context(environment: Mapping[str, str]) -> RunContext:
    """Read the context of this run from environment variables."""
    on_runner = environment.get("GITHUB_ACTIONS") == "true"
    server, repository, run = (environment.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    return RunContext(
        on_runner=on_runner,
        is_action=on_runner and any(name.startswith("INPUT_") for name in environment),
        event_name=environment.get("GITHUB_EVENT_NAME") or None,
        event_file=_file(environment, "GITHUB_EVENT_PATH") if on_runner else None,
        commit_sha=environment.get("GITHUB_SHA") or None,
        ref=environment.get("GITHUB_REF") or None,
        run_url=f"{server}/{repository}/actions/runs/{run}" if server and repository and run else None,
        actor=environment.get("GITHUB_ACTOR") or None,
        repository=repository or None,
        server_url=server or None,
        api_url=environment.get("GITHUB_API_URL") or API_URL,
        output_file=_file(environment, "GITHUB_OUTPUT") if on_runner else None,
        summary_file=_file(environment, "GITHUB_STEP_SUMMARY") if on_runner else None,
        workspace=_file(environment, "GITHUB_WORKSPACE") if on_runner else None,
        debug=on_runner and environment.get("RUNNER_DEBUG") == "1",
    )


def _file(environment: Mapping[str, str], variable: str) -> Path | None:
    name = environment.get(variable)
    return Path(name) if name else None
