"""The image, built from this tree once for all that run it."""

import pytest

from tests.e2e.act import IMAGES_OF_ACT
from tests.e2e.engine import build, docker

TAG = "turso-deploy:test"


@pytest.fixture(scope="session", autouse=True)
def image() -> str:
    """The image's name. act finds it too, so that it need not build one for each step."""
    built = build("--tag", TAG)
    assert built.returncode == 0, built.stdout[-4000:] + built.stderr[-4000:]
    for name in IMAGES_OF_ACT:
        docker("tag", TAG, name).check_returncode()
    size = docker("image", "inspect", "--format", "{{.Size}}", TAG).stdout
    base = docker("image", "inspect", "--format", '{{index .Config.Labels "turso-deploy.stand-in"}}', TAG).stdout
    note = " (on a stand-in of its base image)" if base.strip() == "true" else ""
    print(f"size of the image: {int(size) / 1e6:.0f} MB{note}")
    return TAG
