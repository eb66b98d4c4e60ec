"""The container image in figures: what has to be pulled, how long a run takes, and what the engine adds to it.

    tests/container/with-engine .venv/bin/python -m benchmarks.container

builds the image and prints one table. Times are medians; the engine's share is a container of the same image that runs
`true`. The server is the real sqld, on this machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.support.sqld import Sqld, running_sqld

ROOT = Path(__file__).parents[1]
TAG = "turso-deploy:benchmark"
RUNS = 11
MEGABYTE = 1e6
SETTINGS = ["--env", "TURSO_DATABASE_URL", "--env", "TURSO_AUTH_TOKEN"]
PYTHON = "/opt/turso-deploy/bin/python"

IMPORT_TIME = "import time; start = time.perf_counter(); import turso_deploy.cli; print(time.perf_counter() - start)"


def main() -> None:
    """Build, measure, print."""
    docker("build", "--quiet", "--tag", TAG, str(ROOT))
    own, base, base_note = sizes()
    with tempfile.TemporaryDirectory() as folder, running_sqld(Path(folder)) as sqld:
        deploy = ["--volume", f"{ROOT / 'schema'}:/github/workspace/schema:ro", *SETTINGS, TAG, "deploy"]
        run(*deploy, sqld=sqld)
        engine = seconds(lambda: run("--entrypoint", "true", TAG))
        version = seconds(lambda: run(TAG, "--version"))
        unchanged = seconds(lambda: run(*deploy, sqld=sqld))
    imported = median(float(run("--entrypoint", PYTHON, TAG, "-c", IMPORT_TIME)) for _ in range(RUNS))
    table = [
        ("compressed size, all layers", f"{(own + base) / MEGABYTE:.1f} MB{base_note}", "60 MB"),
        ("compressed size, our own layers", f"{own / MEGABYTE:.1f} MB", "20 MB"),
        ("engine alone (`true` in the image)", f"{engine:.2f} s", ""),
        ("`--version`, with the engine", f"{version:.2f} s", "0.4 s"),
        ("`--version`, without the engine", f"{version - engine:.2f} s", ""),
        ("unchanged deployment, with the engine", f"{unchanged:.2f} s", "0.8 s"),
        ("unchanged deployment, without the engine", f"{unchanged - engine:.2f} s", ""),
        ("import of the command line", f"{imported * 1000:.0f} ms", ""),
    ]
    print(f"{os.cpu_count()} cores, medians of {RUNS} runs\n")
    print("| what | measured | target |\n|---|---:|---:|")
    for row in table:
        print(f"| {' | '.join(row)} |")


def sizes() -> tuple[int, int, str]:
    """Return the compressed bytes of our own layers and of those below, and a note if the base is a stand-in."""
    name = next(word for word in (ROOT / "Dockerfile").read_text().split() if word.startswith("python:"))
    below = len(json.loads(docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", name)))
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", name)) or {}
    with tempfile.TemporaryFile() as file:
        subprocess.run(["docker", "save", TAG], stdout=file, check=True)
        file.seek(0)
        with tarfile.open(fileobj=file) as image:
            manifest = image.extractfile("manifest.json")
            assert manifest
            layers = [compressed(image, layer) for layer in json.load(manifest)[0]["Layers"]]
    note = " (on a stand-in of the base image)" if "turso-deploy.stand-in" in labels else ""
    return sum(layers[below:]), sum(layers[:below]), note


def compressed(image: tarfile.TarFile, layer: str) -> int:
    """Return the bytes of a layer as a registry would serve it: with gzip at its usual level."""
    content = image.extractfile(layer)
    assert content
    compressor = zlib.compressobj(6)
    size = 0
    while chunk := content.read(1 << 20):
        size += len(compressor.compress(chunk))
    return size + len(compressor.flush())


def seconds(action: Callable[[], object]) -> float:
    """Return the median time of the action, after one run that does not count."""
    action()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return median(times)


def run(*arguments: str, sqld: Sqld | None = None) -> str:
    """Run a container as the runner does: with the network of its job, and gone afterwards."""
    environment = {"TURSO_DATABASE_URL": sqld.url, "TURSO_AUTH_TOKEN": sqld.token()} if sqld else {}
    return docker("run", "--rm", "--network", "host", *arguments, environment=environment)


def docker(*arguments: str, environment: dict[str, str] | None = None) -> str:
    """Return the output of the engine's command line."""
    command = ["docker", *arguments]
    done = subprocess.run(command, env=os.environ | (environment or {}), check=True, capture_output=True, text=True)
    return done.stdout


if __name__ == "__main__":
    main()
