# Everything lands in this checkout: packages in .venv, Kafka's jars in .local.
.DEFAULT_GOAL := help
.PHONY: help demo dev dev-reset test supabase s3 kafkajs engines test-engines faults night check bench kafka migrate clean

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHONS := python3.11 python3 python3.12 python3.13 python3.14
ARGS ?=
# Many tests wait for something most of the time: two for each of two cores. With three some wait for a processor.
WORKERS ?= 4
PARALLEL := -n $(WORKERS) --dist worksteal
# What an environment may forbid: without it every process of every test compiles the service anew.
unexport PYTHONDONTWRITEBYTECODE

help: ## say what there is
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | \
		while IFS="$$(printf '\t')" read -r target words; do printf '  make %-12s %s\n' "$$target" "$$words"; done

demo: $(READY) ## heal failures of every kind in a small world, with an outage and a crash in the middle (BROKER=kafka: on Apache Kafka)
	@$(BIN)/shw demo

dev: $(READY) ## the same world, kept running, with its data from one start to the next (CATALOG=my.yaml: beside yours)
	@$(BIN)/shw dev

dev-reset: $(READY) ## delete what `make dev` has kept
	@$(BIN)/shw dev --reset

stack: $(READY) ## two replicas, Prometheus and failures that keep coming; its last line is the address of the live dashboards
	@$(BIN)/python -m dashboards.stack

test: $(READY) ## every test, on both brokers where Java and Maven are there (ARGS: for pytest)
	@$(BIN)/python -m consumer.local.kafka --resolve-only || [ -z "$$SHW_CI" ]
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

supabase: $(READY) ## the integration tests on a server whose default privileges grant all to everybody (ARGS: for pytest)
	@SHW_TEST_DEFAULTS=supabase $(BIN)/python -m pytest tests/integration $(PARALLEL) -k "not kafka" $(ARGS)

s3: ## install a real S3 server (versitygw, by Go) for the tests of media stores, which run on moto without it, 84 MB
	@GOBIN="$(CURDIR)/.local/versitygw" go install github.com/versity/versitygw/cmd/versitygw@v1.8.0

kafkajs: ## install kafkajs (npm) for the test of README's Node publisher, 1 MB
	@npm install --silent --no-audit --no-fund --prefix .local/kafkajs kafkajs@2.2.4

engines: $(READY) ## install Airflow (pip), Conductor (Maven; runs on Java 21) and Temporal (built by Go) for test-engines, 1 GB
	@$(BIN)/python -m tests.support.worlds.engine_parts

test-engines: $(READY) ## the runners on a real Airflow, Conductor and Temporal, which `make engines` installs (ARGS: for pytest)
	@$(BIN)/python -m pytest tests/engines -m engines $(ARGS)

faults: $(READY) ## the whole fault matrix, storms and store stress on real Kafka, for about an hour (ARGS: for pytest)
	@SHW_FAULT_MATRIX=full $(BIN)/python -m pytest tests/crash -n 2 --dist worksteal $(ARGS)

night: $(READY) ## drills of many minutes: alerts on real faults, ten rolls, migrations of 3 million rows, the built image (ARGS: for pytest)
	@$(BIN)/python -m pytest tests/night -m night $(ARGS)

check: $(READY) ## format, lint, types, layers, generated schemas, the house
	@echo "==> ruff format"
	@$(BIN)/ruff format --check .
	@echo "==> ruff check"
	@$(BIN)/ruff check .
	@echo "==> mypy"
	@$(BIN)/mypy
	@echo "==> lint-imports"
	@$(BIN)/lint-imports
	@echo "==> shw schemas --check"
	@$(BIN)/shw schemas --check
	@echo "==> the house"
	@$(BIN)/python -m pytest -q tests/unit/test_house.py

bench: $(READY) ## the benchmark beside its peers
	@$(BIN)/python -m benchmarks $(ARGS)

kafka: $(READY) ## fetch Apache Kafka with Maven and see that it runs
	@$(BIN)/python -m consumer.local.kafka

migrate: $(READY) ## bring the configured database up to date
	@$(BIN)/shw migrate

clean: ## remove what the other targets made
	rm -rf $(VENV) .local build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A virtual environment that an interrupted run left is made anew: only the last line makes it ready.
$(READY): requirements-dev.lock pyproject.toml
	@set -e; found=; \
	for python in $(PYTHONS); do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "make: no Python 3.11 or newer on the PATH (looked for: $(PYTHONS)): install one" >&2; exit 1; \
	fi; \
	if ! $(BIN)/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		echo "==> $(VENV): a virtual environment of $$($$found --version)"; \
		$$found -m venv --clear $(VENV); \
	fi
	@echo "==> $(VENV): the packages of requirements-dev.lock (a minute or two the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@echo "==> $(VENV): this checkout"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e report
	@touch $(READY)
