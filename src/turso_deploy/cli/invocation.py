"""Context of one command: settings, run context, runner and credentials, and the database and project they lead to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from turso_deploy.cli.credentials import Credentials, open_credentials
from turso_deploy.core.errors import ErrorCode, InputError, ProjectError
from turso_deploy.database.open import open_address
from turso_deploy.github.context import RunContext
from turso_deploy.github.runner import Runner
from turso_deploy.http.backoff import MAX_PAUSE, RetryBudget
from turso_deploy.report.progress_display import SLOW_STEP, UPDATE_INTERVAL
from turso_deploy.settings.settings import Settings
from turso_deploy.settings.sources import Sources

if TYPE_CHECKING:
    from turso_deploy.database.interface import Database
    from turso_deploy.history.entries import Provenance
    from turso_deploy.project.project import Project


class Timing(NamedTuple):
    """Times of a run in seconds that are no settings; tests shorten them."""

    update_interval: float = UPDATE_INTERVAL
    slow_step: float = SLOW_STEP
    max_pause: float = MAX_PAUSE


class Invocation(NamedTuple):
    """One command as it was called. `output` is for a script; reports are published by `run`.

    `settings` are those of the run and of its database; `all_databases` reads those of each database from `sources`.
    """

    settings: Settings
    sources: Sources
    context: RunContext
    runner: Runner
    output: TextIO
    credentials: Credentials
    timing: Timing

    @property
    def provenance(self) -> Provenance:
        """Commit, ref, run and actor, as the deployment history records them."""
        from turso_deploy.history.entries import Provenance
        from turso_deploy.history.provenance import of_checkout, provenance_of

        folder, context = Path(self.settings.schema_path), self.context
        if not context.commit_sha:
            return provenance_of(self.sources.environment, folder)
        return of_checkout(Provenance(context.commit_sha, context.ref, context.run_url, context.actor), folder)

    def open_credentials(self) -> AbstractContextManager[Credentials]:
        """Open the credentials of this run, and close the client of the Turso Platform at the end."""
        return open_credentials(self.credentials, self.settings, self.runner.mask)

    @contextmanager
    def open_database(self) -> Iterator[Database]:
        """Open the credentials and the database, and close both at the end. Sends requests."""
        settings = self.settings
        with (
            self.open_credentials() as credentials,
            open_address(
                credentials.address,
                credentials.token,
                settings.timeout,
                request_size=settings.request_size,
                retry_budget=RetryBudget(settings.timeout, max_pause=self.timing.max_pause),
            ) as database,
        ):
            yield database

    def load_project(self) -> Project:
        """Load the schema folder and compare its version with the tag if that is set. Sends nothing."""
        from turso_deploy.project.loader import load_project

        project = load_project(self.settings.schema_path, may_dangle=True)
        if self.settings.version_from_tag:
            _require_version_of_tag(project, self.context)
        return project


def _require_version_of_tag(project: Project, context: RunContext) -> None:
    """Raise an error unless the tag of this run and the manifest name the same version."""
    tag, manifest = context.tag_version, project.manifest.schema_version
    if tag is None:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"`version-from-tag` is set, but {context.ref or 'this run'} is not a version tag.",
            hint="Run the workflow only on tags like v2.2.0 (`tags: ['v*']`), or leave `version-from-tag` out.",
        )
    if tag != manifest:
        manifest_version = f"schema_version: {manifest}" if manifest else "no schema_version"
        raise ProjectError(
            ErrorCode.MANIFEST_MISMATCH,
            f"The tag names the version {tag}, and the manifest has {manifest_version}.",
            hint="Set `schema_version` in the manifest to the version of the release, and tag that commit.",
            place=project.manifest_place,
        )
