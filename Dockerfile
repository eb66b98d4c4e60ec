# `make base-image` pins it by digest, which a release requires; Dependabot keeps the digest current.
FROM python:3.13-slim-trixie AS base


# This stage installs the locked packages, the last one contains them without any installer.
FROM base AS build

WORKDIR /build
RUN python -m venv --without-pip /opt/turso-deploy

# `--no-deps`: the lock is complete, and nothing else is installed.
COPY requirements/ requirements/
RUN python -m pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: \
        --requirement requirements/build.txt \
 && python -m pip --python /opt/turso-deploy/bin/python install --no-cache-dir --no-deps --require-hashes --only-binary :all: \
        --requirement requirements/runtime.txt \
 && find /opt/turso-deploy -type d -name tests -prune -exec rm -r {} +

COPY LICENSE pyproject.toml ./
COPY src/ src/
RUN python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir wheels . \
 && python -m pip --python /opt/turso-deploy/bin/python install --no-cache-dir --no-deps wheels/*.whl


FROM base

# Removed files stay in the lower layers, but the program cannot reach them. The standard library comes without byte
# code, and compiling it again in every container would double the time of a run.
RUN python -m pip uninstall --yes pip \
 && find /usr -type d -name ensurepip -prune -exec rm -r {} + \
 && python -m compileall -q -x '/(test|idlelib|tkinter|turtledemo)/' \
        "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"

COPY --from=build /opt/turso-deploy /opt/turso-deploy

ARG VERSION=development
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="turso-deploy" \
      org.opencontainers.image.description="Bring a Turso (libSQL) database to the schema of a repository, verified before it commits" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"

# No USER: the runner needs root to write its files. The folder is where the runner mounts the repository, so that
# `docker run --volume "$PWD:/github/workspace"` is enough to run it elsewhere.
# https://docs.github.com/en/actions/reference/workflows-and-actions/dockerfile-support
WORKDIR /github/workspace

# `-I`: no module comes from the repository or from PYTHONPATH, which a workflow may set for its own programs, and no
# variable changes Python. `-u` shows each line in the log of a job as soon as it is written.
ENTRYPOINT ["/opt/turso-deploy/bin/python", "-I", "-u", "-m", "turso_deploy"]
