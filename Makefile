# Every command of the project. `make` alone prints them; nothing but Python 3.11+, make and a package registry is needed.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TOOLS := .tools
GATEWAY := github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway@v2.33.0
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Two processes; tests of one group, such as those of the running networks, stay together.
PYTEST_FLAGS ?= -n 2

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- environment ------------------------------------------------------------------------------------------------------

.PHONY: install
install: $(READY) ## Build the environment in .venv from the pinned requirements

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Airlock needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Name another with PYTHON=/path/to/python3")'
	@echo "Building the environment in $(VENV) (about a minute the first time) …"
	@$(PYTHON) -m venv $(VENV)
	@# The lists are complete. Left to resolve them again, an older pip takes the newest version of whatever is asked for with
	@# an extra, and then refuses it for want of a hash.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --use-pep517 -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: lock
lock: $(READY) ## Pin the newest allowed versions of all requirements, with hashes
	cd requirements && uv pip compile $(LOCK) --upgrade dev.in -o dev.txt
	cd requirements && for list in runtime sandbox; do uv pip compile $(LOCK) --constraint dev.txt $$list.in -o $$list.txt; done
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate

# --- see it work ------------------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(READY) ## Both networks, 200 questions across the gap and back, everything checked and stopped again
	@exec airlock-sandbox demo

.PHONY: up
up: $(READY) ## Start both networks and keep them running; prints addresses and sign-in
	@exec airlock-sandbox up

.PHONY: down
down: $(READY) ## Stop what `make up` started
	@exec airlock-sandbox down

.PHONY: status
status: $(READY) ## Show what `make up` started
	@exec airlock-sandbox status

.PHONY: elasticsearch
elasticsearch: $(READY) ## Fetch and run an official Elasticsearch (VERSION=8.19.21; needs Maven and a JDK)
	@exec python -m sandbox.elasticsearch run --version $(or $(VERSION),8.19.21)

# --- code made from other code ----------------------------------------------------------------------------------------

.PHONY: gen
gen: $(READY) ## Make gen/ from the protos, starting from nothing
	python protos/generate.py

.PHONY: vectors
vectors: $(READY) ## Make test vectors that are not there yet; existing ones are never changed
	python -m tests.vectors.generate
	python -m tests.vectors.known_answers.generate

.PHONY: released
released: $(READY) ## Freeze the protos as those of a release; later changes are checked against them
	buf build -o protos/released.binpb

# --- checks -----------------------------------------------------------------------------------------------------------

.PHONY: lint
lint: lint-requirements lint-python lint-types lint-imports lint-protos lint-gen ## All checks of the code; each can be called alone

.PHONY: lint-requirements
lint-requirements: $(READY)
	@python -m pip --disable-pip-version-check check >/dev/null || { python -m pip check; echo "requirements/dev.txt is not complete: run 'make lock'"; exit 1; }

.PHONY: lint-python
lint-python: $(READY)
	ruff check --quiet --no-cache .
	ruff format --quiet --no-cache --check .

.PHONY: lint-types
lint-types: $(READY)
	mypy

.PHONY: lint-imports
lint-imports: $(READY)
	lint-imports --no-logo

.PHONY: lint-protos
lint-protos: $(READY)
	buf lint
	buf format --diff --exit-code --path protos/airlock
	@image=$$(mktemp --suffix=.binpb); trap 'rm -f "$$image"' EXIT; buf build -o "$$image"; \
	buf breaking "$$image" --against protos/released.binpb --config '{"version":"v2","breaking":{"use":["WIRE_JSON"]}}'

.PHONY: lint-gen
lint-gen: $(READY)
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; python protos/generate.py "$$fresh"; \
	diff -r --exclude=__pycache__ --exclude=openapi "$$fresh" gen || { echo "gen/ differs from the protos: run 'make gen'"; exit 1; }

.PHONY: check-gateway
check-gateway: $(READY) ## grpc-gateway's generator accepts the routes (needs Go)
	@mkdir -p $(TOOLS)
	@test -x $(TOOLS)/protoc-gen-grpc-gateway || GOBIN=$(CURDIR)/$(TOOLS) go install $(GATEWAY)
	buf generate --template protos/gateway-check.gen.yaml

.PHONY: fix
fix: $(READY) ## Repair what a machine can: format, simple findings, generated code
	ruff check --quiet --fix . || true
	ruff format --quiet .
	buf format --write --path protos/airlock
	$(MAKE) gen

# --- tests and measurements -------------------------------------------------------------------------------------------

.PHONY: test
test: $(READY) ## Unit, integration and end-to-end tests with real parts, and coverage
	@rm -f .coverage .coverage.*
	coverage run -m pytest $(PYTEST_FLAGS)
	@# What a killed process left half-written is passed over.
	@coverage combine --quiet 2>/dev/null || true; rm -f .coverage.*
	@coverage report --fail-under=80 | sed -n 's/^TOTAL .* /Lines covered, processes of the services included: /p'

.PHONY: test-elasticsearch
test-elasticsearch: $(READY) ## The engine's contract against a real Elasticsearch (VERSION=8.19.21); a skip is a failure
	python -m sandbox.elasticsearch test --version $(or $(VERSION),8.19.21)

.PHONY: rehearse
rehearse: $(READY) ## 200 histories of lost, late and damaged media, dying processes and restored databases (SEEDS=1-200 DAYS=12)
	@exec airlock-sandbox rehearse --seeds $(or $(SEEDS),1-200) --days $(or $(DAYS),12)

.PHONY: bench
bench: $(READY) ## Speed and memory as ratios taken in the same run
	python -m bench

.PHONY: fuzz
fuzz: $(READY) ## The bundle reader against 20,000 random cases for each of its fuzz tests (again with SEED=…)
	@seed=$${SEED:-$$RANDOM}; echo "Seed $$seed; the same cases again: make fuzz SEED=$$seed"; \
	pytest $(PYTEST_FLAGS) tests/fuzz --hypothesis-profile=fuzz --hypothesis-seed=$$seed --timeout=0

.PHONY: clean
clean: ## Remove the environment and everything that was made beside the code
	rm -rf $(VENV) .airlock .tools .elasticsearch .mypy_cache .ruff_cache .pytest_cache .coverage .coverage.* *.egg-info
