"""The JSON report of a run, held against its published JSON Schema."""

from __future__ import annotations

import functools
import json
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from turso_deploy.report.document import report_json_schema


@functools.cache
def validator() -> Draft202012Validator:
    """Return the validator of reports."""
    return Draft202012Validator(json.loads(report_json_schema()))


def parse_report(text: str) -> dict[str, Any]:
    """Parse a JSON report. Raises ValidationError if its form is not the one that the JSON Schema states."""
    report: dict[str, Any] = json.loads(text)
    validator().validate(report)
    return report
