from __future__ import annotations

from itertools import pairwise

import pytest

from turso_deploy.core.versions import parse_version

# In the order of https://semver.org/#spec-item-11.
IN_ORDER = (
    "0.0.1",
    "0.9.12",
    "1.0.0-0",
    "1.0.0-2",
    "1.0.0-11",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1-rc.1",
    "1.0.1",
    "1.2.0",
    "1.10.0",
    "2.0.0",
)


@pytest.mark.parametrize(("older", "newer"), list(pairwise(IN_ORDER)))
def test_versions_compare_by_their_precedence(older: str, newer: str) -> None:
    first, second = parse_version(older), parse_version(newer)
    assert first is not None
    assert second is not None
    assert first < second


@pytest.mark.parametrize("text", ["v1.2.3", "1.2.3+build.7", "v1.2.3+0001"])
def test_a_leading_v_and_build_metadata_do_not_count(text: str) -> None:
    assert parse_version(text) == parse_version("1.2.3")


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "1",
        "1.2",
        "1.2.3.4",
        "01.2.3",
        "1.2.3-",
        "1.2.3-01",
        "1.2.3-a..b",
        "1.2.3+",
        " 1.2.3",
        "1.2.3\n",
        "V1.2.3",
        "vv1.2.3",
        "2026-11-30",
        "１.2.3",  # noqa: RUF001
        f"{'9' * 5000}.0.0",
    ],
)
def test_other_texts_are_no_version(text: str | None) -> None:
    assert parse_version(text) is None
