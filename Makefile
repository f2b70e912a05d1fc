# Needs make and Python 3.11-3.13 with venv and pip. Everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
# The same for every machine: this project's tools, not those of an activated environment.
export PYTHONNOUSERSITE := 1

.DEFAULT_GOAL := help
.PHONY: help install demo ui test test-slow test-external test-kills test-fuzz lint audit format bench clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

install: $(INSTALLED)  ## Create .venv with everything (the other targets do it when needed)

# Byte code is compiled at once: without it every start would take ten seconds more.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed; choose one: make PYTHON=python3.12 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (a few minutes the first time) …"
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pip install --quiet --disable-pip-version-check --compile \
		--constraint constraints.txt --editable '.[embedded,dev]'
	@touch $@

demo: $(INSTALLED)  ## Run the whole loop on simulated tenants and show what was learned
	@$(BIN)/icp demo

ui: $(INSTALLED)  ## Open the Dagster UI on http://127.0.0.1:3000
	@$(BIN)/icp ui

# Each process has a Postgres of its own.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile

test: $(INSTALLED)  ## Run the tests
	@$(BIN)/python -m pytest $(PARALLEL)

test-slow: $(INSTALLED)  ## Run the slow proofs too
	@$(BIN)/python -m pytest -m 'slow or not slow'

SERVER ?= /usr/lib/postgresql/15/bin
test-external: $(INSTALLED)  ## Run the tests on the Postgres of SERVER (Debian's 15), over TCP with a password and few rights
	@ICP_TEST_SERVER=$(SERVER) $(BIN)/python -m pytest $(PARALLEL)

test-kills: $(INSTALLED)  ## Kill commands and their server at 200 random points; each must end as if undisturbed (an hour)
	@$(BIN)/python -m pytest -m slow -s tests/reliability/test_kills.py

FUZZ_CASES ?= 10000
test-fuzz: $(INSTALLED)  ## Try FUZZ_CASES bad inputs of every kind, and large ones; shows the table of docs/reliability.md
	@FUZZ_CASES=$(FUZZ_CASES) $(BIN)/python -m pytest -m 'slow or not slow' tests/fuzz

lint: $(INSTALLED)  ## Style, types, SQL style, import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/sqlfluff lint --disable-progress-bar dbt_project/models warehouse

audit: $(INSTALLED)  ## Licences of all dependencies, known vulnerabilities where their database can be reached
	@$(BIN)/python -m audit

format: $(INSTALLED)  ## Format Python
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(INSTALLED)  ## Measure against peers; writes benchmarks/results
	@$(BIN)/python -m benchmarks

clean:  ## Remove .venv and build products (not your data)
	@rm -rf $(VENV) dbt_project/target dbt_project/logs *.egg-info
