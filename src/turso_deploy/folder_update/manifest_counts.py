"""Correct the numbers of objects in a manifest where they stand, so that its comments and its order stay."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.project.manifest import MANIFEST_NAME, Manifest, expected_counts
from turso_deploy.project.manifest_file import place_in_manifest

_VALUE = r"""("[^"\n]*"|'[^'\n]*'|[^\s,}#'"]+)"""


def with_counts(folder: SchemaFolder, manifest: Manifest, actual: Mapping[str, int]) -> str | None:
    """Return the text of the manifest with bounds under `expect:` that these numbers meet; None if all meet theirs."""
    wrong = {
        kind: bound.widened_to(actual[kind]).text
        for kind, bound in expected_counts(manifest).items()
        if bound is not None and not bound.holds(actual[kind])
    }
    if not wrong:
        return None
    lines = folder.read_text(MANIFEST_NAME).splitlines(keepends=True)
    for kind, text in wrong.items():
        number = (place_in_manifest(folder, ("expect", kind)).line or 1) - 1
        value = text if text.isdigit() else json.dumps(text)
        key = rf"""(?:(?<![\w"']){kind}|["']{kind}["'])\s*:\s*"""
        if found := re.search(key + _VALUE, lines[number]):
            lines[number] = lines[number][: found.start(1)] + value + lines[number][found.end(1) :]
    return "".join(lines)
