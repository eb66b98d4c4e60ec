"""The outputs of the Action."""

from __future__ import annotations

from dataclasses import replace

from turso_deploy.github.outputs import OUTPUTS, outputs
from turso_deploy.report.document import Report


def test_the_outputs_of_a_deployment(deployed: Report) -> None:
    assert outputs(deployed) == {
        "status": "deployed",
        "changed": "true",
        "deployment-id": "0199f3a2-7c1e",
        "schema-version": "2.2.0",
        "previous-version": "",
        "manifest-version": "2.2.0",
        "tables": "12",
        "indexes": "33",
        "views": "3",
        "triggers": "2",
        "rows-seeded": "57",
        "token-expires-at": "",
        "token-days-left": "",
        "token-age-days": "",
        "token-rotation-due": "false",
    }


def test_an_output_that_is_not_known_is_there_and_empty(failed: Report) -> None:
    early = outputs(replace(failed, counts={}, committed=None, schema_version=None))
    assert list(early) == list(OUTPUTS)
    assert (
        early | {"status": "failed", "changed": "false", "tables": "", "deployment-id": "", "rows-seeded": "0"} == early
    )
