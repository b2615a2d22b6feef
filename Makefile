# Everything runs from .venv, which `make setup` fills with hash-pinned versions. Plain `make` prints this help.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python
STAMP := $(VENV)/.installed
SERVICES := auth tenancy ratelimit redaction guardrail context-token audit gateway edge
LOCK := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header
PYTEST_ARGS ?=
EXAMPLES_ARGS ?=
# Two workers, a file each at a time; tests/conftest.py says which come last.
IN_PARALLEL := -n 2 --dist loadgroup --no-loadscope-reorder --cache-clear

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-unit check lint format types imports proto proto-check docs docs-check bench prove examples jaeger lock env clean

##@ First
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make the virtual environment (.venv); again only when its inputs changed

$(STAMP): requirements/dev.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; say where: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11; say where a newer one is: make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## Set everything up and watch requests pass through the armour, or not
	$(BIN)/hauberk demo

examples: setup ## Generate, build and run the example backends (Python, Go, TypeScript) against a stack
	$(RUN) -m tools.examples $(EXAMPLES_ARGS)

jaeger: setup ## Get a real Jaeger (built by Go, ten minutes once) and find the trace of one chat request in it
	$(RUN) -m tools.jaeger
	$(RUN) -m tools.jaeger_trace

##@ Work
test: setup ## Run every test at small sizes (PYTEST_ARGS="-k name" narrows)
	@$(RUN) -m pytest $(IN_PARALLEL) $(PYTEST_ARGS) || { test $$? -eq 1 && $(RUN) -m tools.again $(PYTEST_ARGS); }

test-unit: setup ## Run the tests that need no database
	$(RUN) -m pytest tests/unit $(PYTEST_ARGS)

check: lint types imports proto-check docs-check ## Run every gate but the tests

lint: setup ## Style and common mistakes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup ## Put the style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup ## Static types; a forgotten await is an allow, so this is a security gate
	$(BIN)/mypy

imports: setup ## Who may import whom
	$(BIN)/lint-imports

proto: setup ## Generate gen/ and the OpenAPI document of the HTTP edge from protos/
	$(RUN) -m tools.protogen
	$(RUN) -m tools.openapi

proto-check: setup ## gen/ and the OpenAPI document are up to date, the contract is clean, nothing released is broken
	$(RUN) -m tools.protogen --check
	$(RUN) -m tools.contract_check
	$(RUN) -m tools.openapi --check

docs: setup ## Write the failure tables of docs/failure-modes.md from code and policy
	$(RUN) -m tools.failure_table

docs-check: setup ## The failure tables say what code and policy say
	$(RUN) -m tools.failure_table --check
	$(RUN) -m tools.alerts --check

##@ Measure
bench: setup ## Measure at small sizes and print a table
	$(RUN) -m bench all

prove: setup ## Measure every claim at full size and write docs/figures.md
	$(RUN) -m tools.envoy_wire
	$(RUN) -m tools.figures

##@ Keep
lock: setup ## Resolve versions anew within pyproject.toml and pin their hashes
	$(LOCK) --extra dev --output-file requirements/dev.lock
	$(LOCK) --constraint requirements/dev.lock --output-file requirements/prepare.lock
	@for service in $(SERVICES); do \
		$(LOCK) --extra $$service --constraint requirements/dev.lock --output-file requirements/$$service.lock || exit 1; \
	done

env: ## Make .env with fresh store passwords for docker compose; an existing one is kept
	@test -e .env || (umask 077 && printf 'POSTGRES_PASSWORD=%s\nREDIS_PASSWORD=%s\n' \
		"$$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" "$$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" > .env)
	@echo ".env holds the passwords of the stores"

clean: ## Remove the virtual environment and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
