# Each target is one command of the project; the Python environment is created first.
STACK ?= local
PYTHON := .venv/bin/python
READY := .venv/.ready
# Plugins and commands are separate processes: cache compiled bytecode even if the machine is set not to.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help up down destroy status env clean preview test test-unit lint bench-signing bench-preview bench-load settings lock

help:  ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

$(READY): requirements.txt local/bootstrap.sh tests/support/iam_simulator/package-lock.json
	@local/bootstrap.sh

up: $(READY)  ## Bring the platform up, and train, sign and verify a model (STACK=local)
	@$(PYTHON) -m local.up --stack $(STACK)

down: $(READY)  ## Stop what `make up` started; the data stays
	@$(PYTHON) -m local.down

destroy: $(READY)  ## Delete all resources of a stack and their data (STACK=local)
	@$(PYTHON) -m local.destroy --stack $(STACK)

status: $(READY)  ## Print the state of each part, and the addresses
	@$(PYTHON) -m local.status --stack $(STACK)

env: $(READY)  ## Print the exports with which pulumi, kubectl, mlflow and vault act on the platform
	@$(PYTHON) -m local.env --stack $(STACK)

clean: $(READY)  ## Stop everything and delete the state; the cache of tools and images stays
	@$(PYTHON) -m local.clean

preview: $(READY)  ## Show what `pulumi up` would change; dev, staging and prod need no AWS account (STACK=local)
	@$(PYTHON) -m local.preview --stack $(STACK)

test-unit: $(READY)  ## Run the tests that need no network and no root
	@$(PYTHON) -m pytest -q -n 2 tests/unit tests/program

test: $(READY)  ## Run lint, type checks, and all tests, with a separate platform
	@$(PYTHON) -m tests.phases

lint: $(READY)  ## Check format, lint and types
	@$(PYTHON) -m ruff format --check . && $(PYTHON) -m ruff check . && $(PYTHON) -m pyright

bench-signing: $(READY)  ## Compare packaging and signing with openssl, tar and cosign
	@$(PYTHON) -m benchmarks.bench_signing

bench-preview: $(READY)  ## Compare the time of a preview of prod with the engine's and the plugins' own time
	@$(PYTHON) -m benchmarks.bench_preview

bench-load: $(READY)  ## Compare 256 logging clients on the platform's server and on a plain `mlflow server`
	@$(PYTHON) -m benchmarks.bench_load

settings: $(READY)  ## Write docs/settings.md from the typed settings
	@$(PYTHON) -m infra.settings.reference

lock: $(READY)  ## Resolve requirements.in into requirements.txt
	@$(PYTHON) -m uv pip compile -q --python-version 3.11 requirements.in -o requirements.txt
