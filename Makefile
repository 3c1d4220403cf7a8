# Everything that the project needs, from Python and make alone. `make help` lists the targets.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
# The first of these that is a Python we support; override with `make PYTHON=/path/to/python …`.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && { echo $$p; break; }; done)

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast proofs chaos simulate check format up down clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

demo: $(BIN)/orderflow ## start what is missing, run the pipeline before your eyes, leave nothing running
	$(BIN)/orderflow demo

test: $(BIN)/orderflow ## every test but the long proofs, on a real Kafka, PostgreSQL and registry of its own
	$(BIN)/pytest -n 4 -m "not proof" # they wait more than they work

proofs: $(BIN)/orderflow ## what takes long: stock Faust's faults, outages, workers that all die, a hundred thousand timers
	$(BIN)/pytest -n 2 -m proof

test-fast: $(BIN)/orderflow ## the tests that need no server
	$(BIN)/pytest -n 2 -m "not connected and not slow and not proof"

chaos: $(BIN)/orderflow ## kill workers and brokers for half an hour, and prove that nothing is lost
	$(BIN)/python -m bench.chaos --messages 200000 --kills 20 --store rocksdb
	$(BIN)/python -m bench.chaos --messages 200000 --kills 20 --store memory
	$(BIN)/python -m bench.chaos --messages 200000 --kills 20 --store rocksdb --brokers 3

check: $(BIN)/orderflow ## lint, types, import contracts, generated files, compatibility of the contract
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/orderflow schemas generate --check
	$(BIN)/orderflow schemas check

simulate: $(BIN)/orderflow ## a hundred thousand sagas in memory with everything that may go wrong, and the audit of all of them
	$(BIN)/orderflow simulate --sagas 100000 --seed 1

format: $(BIN)/orderflow ## rewrite the code in the house style
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

up: $(BIN)/orderflow ## start the local Kafka, PostgreSQL and registry
	$(BIN)/orderflow up

down: $(BIN)/orderflow ## stop them; their data stays
	$(BIN)/orderflow down

clean: ## stop the local stack, remove its data and the virtual environment
	@if [ -x $(BIN)/orderflow ]; then $(BIN)/orderflow down --purge; fi
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# One rule makes the environment; it runs again when the lock or the project file changes.
$(BIN)/orderflow: pyproject.toml uv.lock
	@[ -n "$(PYTHON)" ] || { echo "orderflow needs Python 3.11, 3.12 or 3.13; none found. Install one, or: make PYTHON=/path/to/python" >&2; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) || { \
		rm -rf $(VENV); echo "Could not make a virtual environment; on Debian: apt install python3-venv" >&2; exit 1; }
	@[ -x $(BIN)/uv ] || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv sync --locked --all-extras --quiet
	@touch $(BIN)/orderflow
