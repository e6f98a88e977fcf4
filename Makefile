# Everything starts here: `make` alone lists what there is. Needs make, Python 3.11 or newer and a package index.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV ?= .venv
BIN := $(VENV)/bin
# The session of `make run`, the same every time; `make run ARGS="..."` replaces it.
ARGS ?= --config configs/demo.yaml --state data/demo/demo.db --fresh --cycles 240 --speed 1200
SMOKE_ARGS ?= --cycles 5 --speed max
SMOKE_DIR ?= data/smoke
SEEDS ?= 200
TEST_ARGS ?= -n 2 -q -m "not slow"
PIP := $(BIN)/python -m pip --disable-pip-version-check
LOCK := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --newline lf

.PHONY: help venv install install-dev run test smoke logs smoke-logs lint format types contracts bench replay-all \
	chaos crash lock clean place-missing-stops-live

help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(BIN)/python ## the virtual environment in .venv

$(BIN)/python:
	@set -e; chosen=""; found=""; \
	for name in $(PYTHON) python3.11 python3.12 python3.13 python3.14 python3 python; do \
		version=$$("$$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
		found="$$found $$name=$$version"; \
		if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then chosen="$$name"; break; fi; \
	done; \
	if [ -z "$$chosen" ]; then \
		echo "tradectl needs Python 3.11 or newer; found:$${found:- none}." >&2; \
		echo "Install python3.11 (with its venv module), or name one: make PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	"$$chosen" -m venv $(VENV) || { rm -rf $(VENV); \
		echo "$$chosen could not make a virtual environment; Debian and Ubuntu need: apt install python3-venv" >&2; \
		exit 1; }

# Stamps: the second `make run` starts at once, and a changed lock file installs again.
$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --require-hashes -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

install: $(VENV)/.runtime ## install tradectl and what it runs on, by hash

install-dev: $(VENV)/.dev ## the same, with the tools of test, lint and types

run: install ## a bounded paper session to watch; ARGS="..." for your own
	$(BIN)/tradectl run --mode paper $(ARGS)

test: install-dev ## the tests
	$(BIN)/python -m pytest $(TEST_ARGS)

place-missing-stops-live: install ## the stop that a position lacks, placed and verified: STATE=FILE
	$(BIN)/tradectl stops place-missing --apply $(if $(STATE),--state $(STATE))

smoke: install ## a few cycles in a folder of their own
	@mkdir -p $(SMOKE_DIR)
	cd $(SMOKE_DIR) && $(abspath $(BIN))/tradectl run --mode paper $(SMOKE_ARGS)

logs: ## follow the bot's log
	tail -n 100 -F logs/trading.log

smoke-logs: ## the log of the last smoke run
	@cat $(SMOKE_DIR)/logs/trading.log 2>/dev/null || { echo "no smoke run yet: make smoke" >&2; exit 1; }

lint: install-dev ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: install-dev ## put imports and layout in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: install-dev ## mypy, strict
	$(BIN)/mypy

contracts: install-dev ## who may import whom
	$(BIN)/lint-imports --no-cache

bench: install-dev ## the table of the README, measured here
	$(BIN)/python benchmarks/bench.py

replay-all: install-dev ## every candle file to its end, ledger against the exchange's books
	$(BIN)/python benchmarks/replay_all.py

chaos: install ## worlds of random faults, crashes and operators: SEEDS=N, or SEED=S for one of them
	$(BIN)/python -m tradectl.scenarios.chaos $(if $(SEED),--seed $(SEED),--seeds $(SEEDS)) $(CHAOS_ARGS)

crash: install-dev ## kill -9 at random moments, then compare the books
	$(BIN)/python -m pytest -q -m slow tests/crash

lock: install-dev ## resolve the lock files anew
	$(LOCK) --extra parquet --extra prove --all-build-deps --output-file requirements.lock pyproject.toml
	$(LOCK) --extra parquet --extra prove --extra dev --all-build-deps --constraint requirements.lock \
		--output-file requirements-dev.lock pyproject.toml

clean: ## remove the environment and the caches; data and logs stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
