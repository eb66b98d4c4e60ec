"""A batch: one transaction of a deployment, and its id in the deployment history."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import NamedTuple

from turso_deploy.core.transaction import Outcome
from turso_deploy.deploy.seed_results import SeedResult, seed_results
from turso_deploy.seeds.chunks import Chunk
from turso_deploy.seeds.decisions import Decision
from turso_deploy.transaction.assemble import Assembly


class BatchKind(Enum):
    """The part of the pending changes that a batch deploys."""

    WHOLE = auto()
    """The whole of them."""
    SCHEMA = auto()
    """The schema, and the scripts that precede it."""
    CHUNK = auto()
    """Some of the seeds."""
    LAST = auto()
    """The last of the seeds, the scripts that follow them, and the checks of rows."""


class BatchId(NamedTuple):
    """The id of a batch in the deployment history, and its kind.

    `chunks_left` counts the chunks of seeds that are not deployed before the batch is.
    """

    deployment_id: str
    kind: BatchKind
    chunks_left: int = 0

    @property
    def completes(self) -> bool:
        """True if nothing is left to deploy after the batch."""
        return self.kind in (BatchKind.WHOLE, BatchKind.LAST)

    @property
    def holds_schema(self) -> bool:
        """True if the batch changes the schema."""
        return self.kind in (BatchKind.WHOLE, BatchKind.SCHEMA)


class Batch(NamedTuple):
    """One transaction of a deployment, and the seeds in it.

    `deadline` is its latest start in server time, None for a file. `size` is that of its request in bytes. `decisions`
    say what happens to the rows of the seeded tables.
    """

    id: BatchId
    assembly: Assembly
    seeds: Chunk
    deadline: int | None
    size: int
    decisions: Mapping[str, Decision] = MappingProxyType({})

    def results(self, outcome: Outcome) -> tuple[SeedResult, ...]:
        """Return the row counts of each seeded table after the batch was executed."""
        return seed_results(self.seeds, self.assembly.steps, outcome.results, self.decisions)
