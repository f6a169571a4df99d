# Needs make, a Python of at least 3.11 (with venv and pip) and a package index.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv venv-dev demo docs test lint simulate kill budgets deliveries forgeries surface \
	test-wheel test-oldest test-newest lock bench format clean distclean

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

# Not --quiet: warnings that are not shown do not count. The variable keeps the theme from telling
# about its own future at each build.
docs: $(VENV)/.installed-dev ## Build the documentation into site/, with warnings as errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "Read it: site/index.html"

test: lint ## Run every check and every test (PYTEST_ARGS="-k refund" for some)
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadfile $(PYTEST_ARGS)

# Of the wheel: what reads its files and starts its commands. With the oldest libraries: what talks
# to them. Both leave out the documents, and what is about orders, numbers and sizes; `make test` has
# those.
WHEEL_TESTS ?= tests/acceptance tests/distribution tests/unit tests/integration/watchdog_run
OLDEST_TESTS ?= tests/acceptance tests/distribution \
	$(addprefix tests/unit/,alerts cli config engine keys sandbox sqlite store verbs webhooks) \
	$(addprefix tests/integration/,charge consequences outbox recovery store verbs watchdog watchdog_run webhooks)
LEFT_OUT := $(patsubst %,--ignore-glob='*/test_%.py',config_size config_fuzz usage_lint_repository \
	*_kills *_property documentation_site documents webhooks_orders* webhooks_crowd webhooks_work)

test-wheel: $(VENV)/.installed-dev ## Test the built wheel elsewhere, with the locked libraries
	VENV=$(VENV) .ci/test-wheel locked $(WHEEL_TESTS) $(LEFT_OUT) $(PYTEST_ARGS)

test-oldest: $(VENV)/.installed-dev ## The same, with the oldest libraries allowed
	VENV=$(VENV) .ci/test-wheel oldest $(OLDEST_TESTS) $(LEFT_OUT) $(PYTEST_ARGS)

# In an environment of its own, so that what was released today says nothing about `make test`.
NEWEST := $(VENV)-newest/bin/python
test-newest: $(BIN)/python ## Run every check and test with the newest of everything, and report drift from the lock file
	$(BIN)/python -m venv --clear $(VENV)-newest
	$(NEWEST) -m pip --disable-pip-version-check --quiet install --editable '.[dev]'
	@touch $(VENV)-newest/.installed-dev
	failed=0; \
	$(MAKE) --no-print-directory VENV=$(VENV)-newest lint || failed=1; \
	$(NEWEST) -m pytest --numprocesses=auto --dist=loadfile $(PYTEST_ARGS) || failed=1; \
	$(NEWEST) -m tests.distribution.requirements drift; exit $$failed

# uv resolves for all systems and versions of Python at once. What is locked stays as long as it fits.
UV := $(VENV)-lock/bin/uv --quiet pip compile pyproject.toml --universal --python-version 3.11 \
	--generate-hashes --no-annotate --custom-compile-command "make lock"
lock: $(BIN)/python ## Write the lock files in .ci (ARGS=--upgrade for the newest of everything)
	$(BIN)/python -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip --disable-pip-version-check --quiet install uv packaging
	$(UV) --extra dev --output-file .ci/requirements.lock $(ARGS)
	$(VENV)-lock/bin/python -m tests.distribution.requirements bounds >$(VENV)-lock/bounds
	$(UV) --extra test --constraint $(VENV)-lock/bounds --output-file .ci/oldest.lock $(ARGS)

# Without a cache: one that was filled before a module was added still takes it for missing.
lint: $(VENV)/.installed-dev ## Check style, format, types and the floors of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports --no-logo --no-cache

SCHEDULES ?= 100000
KILLS ?= 500
BUDGET_RUNS ?= 200
ORDERS ?= 100000
FORGERIES ?= 100000

bench: $(VENV)/.installed-dev ## Measure, and compare with what is promised (BENCH_JSON=results.json)
	$(BIN)/python -m benchmarks $(if $(BENCH_JSON),--json $(BENCH_JSON)) $(ARGS)

simulate: $(VENV)/.installed-dev ## Simulate crashes (SCHEDULES=100000; ARGS="--seed 42 --verbose" for one)
	$(BIN)/python tests/simulation/simulate.py --schedules $(SCHEDULES) $(ARGS)

kill: $(VENV)/.installed-dev ## Kill real bots (KILLS=500)
	KILLS=$(KILLS) $(BIN)/python -m pytest -q -s -p no:cacheprovider tests/integration/kills/test_kills.py

budgets: $(VENV)/.installed-dev ## Spend one budget with many bots and kill some (BUDGET_RUNS=200)
	BUDGET_RUNS=$(BUDGET_RUNS) $(BIN)/python -m pytest -q -s -p no:cacheprovider tests/integration/guards/test_guards_under_load.py

deliveries: $(VENV)/.installed-dev ## Deliver webhooks in random orders (ORDERS=100000)
	$(BIN)/python -m tests.integration.webhooks.orders --orders $(ORDERS) $(ARGS)

forgeries: $(VENV)/.installed-dev ## Forge webhooks (FORGERIES=100000)
	FORGERIES=$(FORGERIES) $(BIN)/python -m pytest -q -s -p no:cacheprovider tests/unit/webhooks/test_webhooks_forgeries.py

surface: $(VENV)/.installed-dev ## Write down the public names, once the changelog tells what has changed
	$(BIN)/python -m tests.acceptance.surface_record

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

$(VENV)/.installed-dev: pyproject.toml .ci/requirements.lock | $(BIN)/python
	$(PIP) install --require-hashes --requirement .ci/requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $(VENV)/.installed $@

$(BIN)/python:
	@"$(PYTHON)" -c "$(USABLE)" 2>/dev/null || { \
		echo "No usable Python of at least 3.11, with venv and ensurepip, was found" \
			"(PYTHON='$(PYTHON)'). Install one, or name it: make PYTHON=/path/to/python3 …" >&2; \
		exit 1; }
	"$(PYTHON)" -m venv --clear $(VENV)
