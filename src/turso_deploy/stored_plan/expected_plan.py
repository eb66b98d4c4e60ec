"""The plan that a deployment is expected to have: it is compared with the plan as made now, before the first write."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from turso_deploy.core.errors import BlockedError, ErrorCode, InputError
from turso_deploy.core.text import count_of
from turso_deploy.core.transaction import Answers, Query, Rows
from turso_deploy.history.deployed_plans import (
    LAST_PLAN_QUERY,
    DeployedPlan,
    deployed_plan_query,
    deployment_query,
    parse_deployed_plan,
    parse_number,
)
from turso_deploy.history.last_deployment import LastDeployment
from turso_deploy.plan.hazards import Approval, Hazard
from turso_deploy.stored_plan.content import SHORT, PlanContent
from turso_deploy.stored_plan.differences import changed_counts, differences, missing_approvals, parts_beyond, rows_of
from turso_deploy.stored_plan.document import PlannedDatabase, PlannedHazard, StoredPlan, canonical_address
from turso_deploy.stored_plan.file import read_plan

_MAX_DIFFERENCES = 30
_PLAN_AGAIN = "Make a new plan, have it approved, and deploy that. Nothing of this plan was deployed."


class MadePlan(NamedTuple):
    """A plan as it is made now: its content, the last deployment before it, its hazards, and the titles of its steps.

    `answers` are those to the queries of the expected plan.
    """

    content: PlanContent
    last: LastDeployment | None
    hazards: Sequence[Hazard]
    steps: Sequence[str]
    nothing_to_do: bool
    answers: Answers
    approvals: Sequence[Approval]


class ExpectedPlan(NamedTuple):
    """The plan that a deployment has to have. `stored` is None if only the fingerprint is given.

    For a copy of the database, such as a trial branch, the address is not compared. `content` is that of the plan, and
    None until it is known. With `alternatives`, the contents of plans by their fingerprints, each of them is expected:
    the databases of a fleet have different plans.
    """

    fingerprint: str
    stored: StoredPlan | None = None
    is_copy: bool = False
    content: PlanContent | None = None
    alternatives: Mapping[str, PlanContent] | None = None

    @property
    def queries(self) -> tuple[Query, ...]:
        """The questions about the deployment history: whether the plan was deployed, and what came before it."""
        if self.alternatives is not None:
            return (LAST_PLAN_QUERY,)
        planned = self.stored.database.deployment_id if self.stored else None
        return (deployed_plan_query(self.fingerprint), deployment_query(planned or ""))

    @property
    def hazards(self) -> Sequence[PlannedHazard]:
        """The hazards of the stored plan."""
        return self.stored.hazards if self.stored else ()

    @property
    def for_copy(self) -> ExpectedPlan:
        """The same plan for a copy of the database."""
        return self._replace(is_copy=True)

    def with_content(self, made: MadePlan) -> ExpectedPlan:
        """Return the expected plan with its content, after a plan matched it."""
        if self.content:
            return self
        return self._replace(content=made.content, fingerprint=self.fingerprint or made.content.fingerprint)

    def require_database(self, address: str) -> None:
        """Raise BlockedError (`plan-other-database`) if the plan is for the first deployment to another database."""
        planned = self.stored.database if self.stored else None
        if planned is None or planned.deployment_id is not None or self.is_copy:
            return
        if planned.address != canonical_address(address):
            raise BlockedError(
                ErrorCode.PLAN_OTHER_DATABASE,
                f"The plan {self.short} was made for the database {planned.address}, before its first deployment. "
                f"This is {canonical_address(address)}.",
                hint="Deploy the plan to the database that it was made for, or make a plan for this one.",
            )

    @property
    def short(self) -> str:
        """The beginning of the fingerprint."""
        return self.fingerprint[:SHORT]

    def match(self, made: MadePlan) -> tuple[str, ...]:
        """Compare the plan, as it is made now, with the expected one, and return notices.

        It may be the same plan, what is left of it, or nothing, if it was deployed. Raises BlockedError for another
        plan (`plan-outdated` if other deployments followed, `plan-other-database`, `plan-changed` with what became
        different), and ValueError for answers of another form.
        """
        if self.alternatives is not None:
            return tuple(_match_one_of(self.alternatives, made))
        last = made.last
        deployed, number = _parse(made.answers)
        is_next = self.stored is None or self.stored.database.deployment_id == (last.id if last else None)
        is_last = deployed is not None and last is not None and deployed.id == last.id
        if is_next and made.content.fingerprint == self.fingerprint and not (is_last and made.nothing_to_do):
            return tuple(self._notices(made))
        if deployed is not None and is_last:
            return (self._match_rest(made, number, deployed),)
        if not is_next:
            raise self._outdated(made, number, deployed)
        raise self._changed(made)

    def require_rest(self, made: MadePlan) -> None:
        """Raise BlockedError (`plan-changed`) unless a later transaction of the deployment is a part of the plan."""
        assert self.content is not None
        if lines := list(parts_beyond(self.content, made.content, made.steps)):
            raise BlockedError(
                ErrorCode.PLAN_CHANGED,
                f"What is left to deploy is not a part of the plan {self.short} any more:{_listed(lines)}",
                hint="Another client changed the database during the deployment. Make a new plan for the rest.",
            )

    def _notices(self, made: MadePlan) -> Iterator[str]:
        if counts := list(changed_counts(self.hazards, made.hazards)):
            yield f"Rows of hazards when the plan was stored, and now: {'; '.join(counts)}."
        yield from missing_approvals(self.hazards, made.hazards, made.approvals)

    def _match_rest(self, made: MadePlan, number: int | None, deployed: DeployedPlan) -> str:
        """Return the notice for a plan that was the last one to be deployed, and perhaps in part only."""
        planned = self.stored.database if self.stored else None
        if planned and planned.deployment_id is not None and number is None:
            raise self._of_other_database(planned)
        done = f"The plan {self.short} was deployed as number {deployed.number} at {deployed.deployed_at}"
        if made.nothing_to_do:
            return f"{done}. Nothing is left of it."
        if self.content is None:
            raise BlockedError(
                ErrorCode.PLAN_OUTDATED,
                f"{done}. There is something to deploy now, and a fingerprint does not say whether that was a part of "
                "the plan.",
                hint="Deploy the rest with the plan file (`deploy --plan`), or make a new plan for it.",
            )
        if lines := list(parts_beyond(self.content, made.content, made.steps)):
            raise BlockedError(
                ErrorCode.PLAN_OUTDATED,
                f"{done}. What is to be deployed now is no part of it:{_listed(lines)}",
                hint="Make a new plan for it, and have it approved.",
            )
        return f"{done}, in part. This run deploys the rest of it."

    def _outdated(self, made: MadePlan, number: int | None, deployed: DeployedPlan | None) -> BlockedError:
        """Return the error for a database whose last deployment is not the one that the plan was made after."""
        assert self.stored is not None
        planned, last = self.stored.database, made.last
        if last is None or (planned.deployment_id is not None and number is None):
            return self._of_other_database(planned)
        when = f"after deployment number {number}" if number is not None else "before the first deployment"
        done = f" It was deployed as number {deployed.number}." if deployed else ""
        return BlockedError(
            ErrorCode.PLAN_OUTDATED,
            f"The plan {self.short} is older than the last deployment: it was made {when}, and number {last.number} "
            f"followed at {last.deployed_at}.{done}{_listed(self._differences(made))}",
            hint=_PLAN_AGAIN,
        )

    def _of_other_database(self, planned: PlannedDatabase) -> BlockedError:
        return BlockedError(
            ErrorCode.PLAN_OTHER_DATABASE,
            f"The plan {self.short} was made for another database. Its last deployment was number "
            f"{planned.deployment_number}, {planned.deployment_id}, which the history of this one does not have.",
            hint="Deploy the plan to the database that it was made for, or make a plan for this one.",
        )

    def _changed(self, made: MadePlan) -> BlockedError:
        lines = self._differences(made)
        if self.stored is None:
            return BlockedError(
                ErrorCode.PLAN_CHANGED,
                f"The plan is not the expected one: its fingerprint is {made.content.fingerprint}, and "
                f"{self.fingerprint} was expected.",
                hint="Compare the report of this run with that of the plan; with a plan file (`plan --save`, "
                f"`deploy --plan`) the error says what became different. {_PLAN_AGAIN}",
            )
        counts = [f"{count} (no difference)" for count in changed_counts(self.hazards, made.hazards)]
        return BlockedError(
            ErrorCode.PLAN_CHANGED,
            f"The plan is not the stored one any more: {count_of(len(lines), 'difference')} since "
            f"{self.stored.created_at}.{_listed([*lines, *counts])}",
            hint=_PLAN_AGAIN,
        )

    def _differences(self, made: MadePlan) -> list[str]:
        return (
            list(differences(self.stored.content, made.content, rows_of(self.hazards, made.hazards)))
            if self.stored
            else []
        )


def _match_one_of(alternatives: Mapping[str, PlanContent], made: MadePlan) -> Iterator[str]:
    """Yield a notice if the plan is the rest of one of the alternatives.

    Raises BlockedError (`plan-changed`) for a plan that is none of them.
    """
    if made.nothing_to_do or made.content.fingerprint in alternatives:
        return
    (last,) = made.answers
    begun = alternatives.get(str(last.rows[0][0])) if isinstance(last, Rows) and last.rows else None
    if begun is not None and not list(parts_beyond(begun, made.content, made.steps)):
        yield f"The plan {begun.fingerprint[:SHORT]} was deployed in part. This run deploys the rest of it."
        return
    raise BlockedError(
        ErrorCode.PLAN_CHANGED,
        f"The plan of this database, {made.content.fingerprint[:SHORT]}, is none of the "
        f"{count_of(len(alternatives), 'stored plan')} of the fleet.",
        hint=_PLAN_AGAIN,
    )


def _parse(answers: Answers) -> tuple[DeployedPlan | None, int | None]:
    """Return the deployment of the plan, and the number of the deployment before it; None for what is not there."""
    deployed, planned = answers
    return (
        parse_deployed_plan(deployed) if isinstance(deployed, Rows) else None,
        parse_number(planned) if isinstance(planned, Rows) else None,
    )


def _listed(lines: Sequence[str]) -> str:
    """Return differences for the end of a message, a line each."""
    shown = "".join(f"\n  {line}" for line in islice(lines, _MAX_DIFFERENCES))
    more = len(lines) - _MAX_DIFFERENCES
    return shown + (f"\n  and {more:,} more" if more > 0 else "")


def expected_plan(file: str | os.PathLike[str] | None = None, fingerprint: str | None = None) -> ExpectedPlan | None:
    """Return the plan that a deployment has to have, from a plan file, a fingerprint or both; None without either.

    Raises InputError for a file that is no whole plan (`plan-file-invalid`), and if the two contradict each other
    (`input-invalid`).
    """
    if file is None:
        return ExpectedPlan(fingerprint) if fingerprint is not None else None
    stored = read_plan(Path(file))
    if fingerprint not in (None, stored.fingerprint):
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"The plan file has the plan {stored.fingerprint}, and {fingerprint} is expected.",
            hint="The file is not that of the plan that was approved. Fetch the right one, or have this one approved.",
        )
    return ExpectedPlan(stored.fingerprint, stored, content=stored.content)
