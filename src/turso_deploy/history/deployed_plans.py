"""Deployed plans in the deployment history: whether a plan was deployed, and what was the last deployment before it."""

from __future__ import annotations

from typing import NamedTuple

from turso_deploy.catalog.catalog import HISTORY_TABLE
from turso_deploy.core.transaction import Query, Rows, Value, whole_number


class DeployedPlan(NamedTuple):
    """A deployment that carried out a plan."""

    number: int
    id: str
    deployed_at: str


def deployed_plan_query(fingerprint: str) -> Query:
    """Return the query for the last deployment of a plan.

    It fails if there is no history, or one of an older form: then no plan is recorded.
    """
    return Query(
        f"SELECT number, id, deployed_at FROM {HISTORY_TABLE} WHERE plan_fingerprint = ?1 ORDER BY number DESC LIMIT 1",
        (fingerprint,),
    )


LAST_PLAN_QUERY = Query(f"SELECT plan_fingerprint FROM {HISTORY_TABLE} ORDER BY number DESC LIMIT 1")
"""The query for the plan of the last deployment. It fails if there is no history, or one of an older form."""


def deployment_query(deployment_id: str) -> Query:
    """Return the query for the number of a deployment. It fails if there is no history."""
    return Query(f"SELECT number FROM {HISTORY_TABLE} WHERE id = ?1", (deployment_id,))


def parse_deployed_plan(answer: Rows) -> DeployedPlan | None:
    """Parse the answer to `deployed_plan_query`. Raises ValueError for another form."""
    for row in answer.rows:
        number, deployment_id, deployed_at = row
        return DeployedPlan(whole_number(number), str(deployment_id), str(deployed_at))
    return None


def parse_number(answer: Rows) -> int | None:
    """Parse the answer to `deployment_query`; None if the history has no such deployment."""
    numbers: list[Value] = [number for (number,) in answer.rows]
    return whole_number(numbers[0]) if numbers else None
