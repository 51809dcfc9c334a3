# Each target is one command of the project; the Python environment is created first.
STACK ?= local
# For MLflow without a cluster: the settings in .env.dev or .env.prod, and further options of the command. An `ENV`
# in the environment variables is ignored: POSIX shells name their start-up file by it.
ENV := dev
ARGS ?=
PYTHON := .venv/bin/python
READY := .venv/.ready
# Plugins and commands are separate processes: cache compiled bytecode even if the machine is set not to.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help up down destroy status doctor env clean preview test test-unit lint settings lock
.PHONY: bench-signing bench-preview bench-load bench-gate bench-serving bench-gateway bench-model-image
.PHONY: setup-mlflow start-mlflow train-model compare-models promote-model serve-model doctor-client

help:  ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-17s %s\n", $$1, $$2 }' Makefile

$(READY): requirements.txt local/bootstrap.sh tests/support/iam_simulator/package-lock.json
	@local/bootstrap.sh

up: $(READY)  ## Bring the platform up, and train, sign and verify a model (STACK=local)
	@$(PYTHON) -m local.up --stack $(STACK)

down: $(READY)  ## Stop what `make up` started; the data stays
	@$(PYTHON) -m local.down

destroy: $(READY)  ## Delete all resources of a stack and their data (STACK=local)
	@$(PYTHON) -m local.destroy --stack $(STACK)

status: $(READY)  ## Print the state of each part, and the addresses (ARGS="--watch" for key figures)
	@$(PYTHON) -m local.status --stack $(STACK) $(ARGS)

doctor: $(READY)  ## Check the running platform: what is wrong, the evidence and the remedy (ARGS="--json")
	@$(PYTHON) -m local.doctor --stack $(STACK) $(ARGS)

env: $(READY)  ## Print the exports with which pulumi, kubectl, mlflow and vault act on the platform
	@$(PYTHON) -m local.env --stack $(STACK)

clean: $(READY)  ## Stop everything and delete the state; the cache of tools and images stays
	@$(PYTHON) -m local.clean

preview: $(READY)  ## Show what `pulumi up` would change; dev, staging and prod need no AWS account (STACK=local)
	@$(PYTHON) -m local.preview --stack $(STACK)

setup-mlflow: $(READY)  ## Prepare MLflow without a cluster: an SQLite database, a folder and a key (ENV=dev)
	@$(PYTHON) -m laptop.start --setup-only --env $(ENV) $(ARGS)

start-mlflow: $(READY)  ## Run MLflow's server on 127.0.0.1 until Ctrl-C (ENV=dev)
	@exec $(PYTHON) -m laptop.start --env $(ENV) $(ARGS)

train-model: $(READY)  ## Train a small model, log it and register it (ENV=dev ARGS="--lr 0.02")
	@$(PYTHON) -m laptop.train --env $(ENV) $(ARGS)

compare-models: $(READY)  ## Compare the runs of the experiment (ENV=dev ARGS="--html report.html")
	@$(PYTHON) -m laptop.compare --env $(ENV) $(ARGS)

promote-model: $(READY)  ## Sign the best run's model, and promote it by a policy (ENV=dev ARGS="--policy FILE")
	@$(PYTHON) -m laptop.promote --env $(ENV) $(ARGS)

serve-model: $(READY)  ## Serve the champion on 127.0.0.1, only if it verifies (ENV=dev)
	@exec $(PYTHON) -m laptop.serve --env $(ENV) $(ARGS)

doctor-client: $(READY)  ## Check the installation, the settings, the keys and MLflow (ENV=dev)
	@$(PYTHON) -m laptop.doctor --env $(ENV) $(ARGS)

test-unit: $(READY)  ## Run the tests that need no network and no root
	@$(PYTHON) -m pytest -q -n 2 tests/unit tests/program

test: $(READY)  ## Run lint, type checks, and all tests, with a separate platform
	@$(PYTHON) -m tests.phases

lint: $(READY)  ## Check format, lint and types
	@$(PYTHON) -m ruff format --check . && $(PYTHON) -m ruff check . && $(PYTHON) -m pyright && $(PYTHON) -m pyright --pythonversion 3.10 aegis

bench-signing: $(READY)  ## Compare packaging and signing with openssl, tar and cosign
	@$(PYTHON) -m benchmarks.bench_signing

bench-preview: $(READY)  ## Compare the time of a preview of prod with the engine's and the plugins' own time
	@$(PYTHON) -m benchmarks.bench_preview

bench-load: $(READY)  ## Compare 256 logging clients on the platform's server and on a plain `mlflow server`
	@$(PYTHON) -m benchmarks.bench_load

bench-gate: $(READY)  ## Compare alias moves on the tracking server with and without the gate
	@$(PYTHON) -m benchmarks.bench_gate

bench-serving: $(READY)  ## Compare the model server with `mlflow models serve`
	@$(PYTHON) -m benchmarks.bench_serving

bench-gateway: $(READY)  ## Compare MLflow through the gateway with MLflow called directly
	@$(PYTHON) -m benchmarks.bench_gateway

bench-model-image: $(READY)  ## Compare making the image of a model version with buildah
	@$(PYTHON) -m benchmarks.bench_model_image

settings: $(READY)  ## Write docs/settings.md from the typed settings
	@$(PYTHON) -m infra.settings.reference

lock: $(READY)  ## Resolve requirements.in into requirements.txt
	@$(PYTHON) -m uv pip compile -q --python-version 3.11 requirements.in -o requirements.txt
