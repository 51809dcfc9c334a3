# Thin: each target is one command of the project, with its Python environment made first.
STACK ?= local
PYTHON := .venv/bin/python
READY := .venv/.ready
# Each plugin and each command is a process of its own: the code is compiled once, whatever the machine is set to.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help up down destroy status env clean preview test test-unit lint bench-signing bench-preview bench-load settings lock

help:  ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

$(READY): requirements.txt local/bootstrap.sh tests/support/iam_simulator/package-lock.json
	@local/bootstrap.sh

up: $(READY)  ## Bring the whole platform up, train, sign and verify a model (STACK=local)
	@$(PYTHON) -m local.up --stack $(STACK)

down: $(READY)  ## Stop what `make up` started; the data stays
	@$(PYTHON) -m local.down

destroy: $(READY)  ## Delete all that a stack has made, with its data (STACK=local)
	@$(PYTHON) -m local.destroy --stack $(STACK)

status: $(READY)  ## Tell each part's state and the addresses
	@$(PYTHON) -m local.status --stack $(STACK)

env: $(READY)  ## Print the exports with which pulumi, kubectl, mlflow and vault act on the platform
	@$(PYTHON) -m local.env --stack $(STACK)

clean: $(READY)  ## Stop everything and forget the state; the cache of tools and images stays
	@$(PYTHON) -m local.clean

preview: $(READY)  ## Show what `pulumi up` would change; for dev, staging and prod without an AWS account (STACK=local)
	@$(PYTHON) -m local.preview --stack $(STACK)

test-unit: $(READY)  ## Run the tests that need no network and no root
	@$(PYTHON) -m pytest -q -n 2 tests/unit tests/program

test: $(READY)  ## Run everything: lint, types, and the tests on a platform of their own
	@$(PYTHON) -m tests.phases

lint: $(READY)  ## Check format, lint and types
	@$(PYTHON) -m ruff format --check . && $(PYTHON) -m ruff check . && $(PYTHON) -m pyright

bench-signing: $(READY)  ## Time packaging and signing beside openssl, tar and cosign
	@$(PYTHON) -m benchmarks.bench_signing

bench-preview: $(READY)  ## Time a preview of prod beside the engine's and the plugins' own time
	@$(PYTHON) -m benchmarks.bench_preview

bench-load: $(READY)  ## Log with 256 clients at the platform's server beside a plain `mlflow server`
	@$(PYTHON) -m benchmarks.bench_load

settings: $(READY)  ## Write docs/settings.md from the typed settings
	@$(PYTHON) -m infra.settings.reference

lock: $(READY)  ## Resolve requirements.in into requirements.txt
	@$(PYTHON) -m uv pip compile -q --python-version 3.11 requirements.in -o requirements.txt
