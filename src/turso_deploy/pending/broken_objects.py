"""Find the objects of others that the engine of a database cannot compile: they were broken before the deployment."""

from __future__ import annotations

from dataclasses import replace

from turso_deploy.catalog.compilation import Compilation
from turso_deploy.catalog.error_location import locate
from turso_deploy.core.transaction import Answers, Failure
from turso_deploy.database.engine_messages import showable
from turso_deploy.pending.changes import NO_INQUIRY, Inquiry, PendingChanges
from turso_deploy.sql.schema import title


def compiled_before(pending: PendingChanges) -> Inquiry:
    """Return the inquiry for what objects of others make impossible already.

    The transaction does not compile such a statement, which fails with and without the changes. Only the engine
    knows, because an object may call a function that SQLite in memory has, or that it takes for one of the engine.
    """
    asked = [item for item in pending.plan.compilations if item.query_before]
    if not asked:
        return NO_INQUIRY

    def add(pending: PendingChanges, answers: Answers) -> PendingChanges:
        broken: dict[str, str] = {}
        failing = set()
        for item, answer in zip(asked, answers, strict=True):
            if isinstance(answer, Failure) and (found := _broken(item, answer)):
                broken |= found
                failing.add((item.action, item.target))
        plan = pending.plan
        compilations = tuple(item for item in plan.compilations if (item.action, item.target) not in failing)
        return pending._replace(plan=replace(plan, compilations=compilations, broken={**plan.broken, **broken}))

    return Inquiry(tuple(query for item in asked if (query := item.query_before)), add)


def _broken(item: Compilation, failure: Failure) -> dict[str, str]:
    """Return the object of others in which the name stands that the engine misses, with the reason.

    Nothing is returned for a fault of the schema folder itself, which is no reason to compile less.
    """
    reason = showable(failure.message)
    return next(({title(other): reason} for other in item.others if locate(other.sql, reason) is not None), {})
