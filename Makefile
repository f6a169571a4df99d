# Needs make, a Python of at least 3.11 (with venv and pip) and a package index.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv venv-dev demo test lint simulate format clean distclean

VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# The first of these that really starts, is new enough and can make an environment.
PYTHONS := python3.13 python3.12 python3.11 python3
USABLE := import sys, venv, ensurepip; raise SystemExit(sys.version_info < (3, 11))
ifndef PYTHON
PYTHON := $(shell for python in $(PYTHONS); do \
	if "$$python" -c "$(USABLE)" >/dev/null 2>&1; then echo "$$python"; break; fi; done)
endif

help: ## Show what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1	\2/p' Makefile | expand -t 14

venv: $(VENV)/.installed ## Make the environment and install the project

venv-dev: $(VENV)/.installed-dev ## The same, with everything that tests and checks need

demo: $(VENV)/.installed ## Run the demonstration
	$(BIN)/python -m stripe_billing_router.demo

test: lint ## Run every check and every test (PYTEST_ARGS="-k refund" for some)
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadfile $(PYTEST_ARGS)

# Without a cache: one that was filled before a module was added still takes it for missing.
lint: $(VENV)/.installed-dev ## Check style, format, types and the floors of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports --no-logo --no-cache

SCHEDULES ?= 100000

simulate: $(VENV)/.installed-dev ## Simulate crashes (SCHEDULES=100000; ARGS="--seed 42 --verbose" for one)
	$(BIN)/python tests/simulation/simulate.py --schedules $(SCHEDULES) $(ARGS)

format: $(VENV)/.installed-dev ## Mend style and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove what builds and checks leave behind
	rm -rf build dist site .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean ## Remove the environment too
	rm -rf $(VENV)

# Installed in place, so that only new requirements cost time. The larger set includes the smaller.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(PIP) install --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[dev]'
	@touch $(VENV)/.installed $@

$(BIN)/python:
	@"$(PYTHON)" -c "$(USABLE)" 2>/dev/null || { \
		echo "No usable Python of at least 3.11, with venv and ensurepip, was found" \
			"(PYTHON='$(PYTHON)'). Install one, or name it: make PYTHON=/path/to/python3 …" >&2; \
		exit 1; }
	"$(PYTHON)" -m venv --clear $(VENV)
