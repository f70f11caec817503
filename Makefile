# Yima 一码. `make` tells what there is.
SHELL := /bin/sh
PYTHON ?= python3
PY := .venv/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup setup-test demo up test check bench format lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.setup ## Install everything that running needs: venv, packages, libzbar, front end, map data
	@$(PY) frontend/build.py
	@$(PY) -m traceability.region_build
	@$(PY) -m web.basemap_build

.venv/.setup: requirements/setup.txt pyproject.toml scripts/system.sh
	@scripts/system.sh run
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@echo "Installing packages (hash-locked) …"
	@$(PY) -m pip install --quiet --require-hashes -r requirements/setup.txt
	@$(PY) -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

setup-test: setup .venv/.setup-test

.venv/.setup-test: requirements/test.txt scripts/system.sh .venv/.setup
	@scripts/system.sh test
	@echo "Installing test packages (hash-locked) …"
	@$(PY) -m pip install --quiet --require-hashes -r requirements/test.txt
	@touch $@

demo: setup ## Play the whole story, then serve it
	@YIMA_ENV=dev .venv/bin/yima demo

up: setup ## Serve: web, worker and beat, until Ctrl-C (development)
	@YIMA_ENV=dev .venv/bin/yima up

test: setup-test ## Run all tests; they start and stop every service they need
	@$(PY) -m pytest -q -n auto --dist loadfile --no-loadscope-reorder

check: setup-test ## Lint, types, layers
	@$(PY) -m ruff format --check --quiet . || { echo "Not formatted: make format"; exit 1; }
	@$(PY) -m ruff check --quiet .
	@$(PY) -m mypy
	@.venv/bin/lint-imports --no-logo 2>&1 | tail -n 12; .venv/bin/lint-imports --no-logo >/dev/null 2>&1
	@scripts/tidy.sh

bench: setup-test ## Measure beside the peers; with LONG=1 longer, and 200 runs of scans under faults
	@for area in codes labels readback scan heatmap; do echo "== $$area"; YIMA_ENV=dev .venv/bin/yima bench $$area $(if $(LONG),--long) || exit 1; done
	@$(if $(LONG),echo "== simulation"; $(PY) -m tests.simulation --runs 200,true)

format: setup-test ## Format and fix what can be fixed
	@$(PY) -m ruff check --quiet --fix . ; $(PY) -m ruff format --quiet .

lock: ## Write the lock files anew from pyproject.toml
	@requirements/lock.sh

clean: ## Remove what was built; leaves the data in .yima alone
	@rm -rf .venv web/static/dist web/static/basemap traceability/data frontend/node_modules .mypy_cache .ruff_cache .pytest_cache
