# Everything a person needs: `make run` starts Postroad on this machine, `make test` proves it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# More than cores: many tests wait, for timers and for other programs.
JOBS ?= 4
# Where it is set, as in many containers, every process of a node compiles all modules anew: seconds at each start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test check peers docs lock fuzz crash bench clean

help:  ## Show this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

run: $(VENV)/.run  ## Start Postroad with a demo domain and a capture inbox
	@exec $(BIN)/postroad dev

test: $(VENV)/.dev peers  ## Run every test (ARGS='-k word' narrows it)
	@# Nothing that a test writes has to survive a power cut, and the disk is what many of them would wait for.
	$$(command -v eatmydata) $(BIN)/pytest -n $(JOBS) --dist worksteal $(ARGS)

check: $(VENV)/.dev  ## Lint, types, import contracts, documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m docs.generate --check

docs: $(VENV)/.dev  ## Write the generated documents anew
	$(BIN)/python -m docs.generate

peers: $(VENV)/.dev  ## Install the system programs that tests talk to (root on Debian), or name the missing ones
	@sh tests/peers/install.sh $(BIN)/python

fuzz: $(VENV)/.dev  ## Fuzz every parser for a while (SECONDS_EACH=60)
	$(BIN)/python -m tests.fuzz

crash: $(VENV)/.dev peers  ## Kill workers and nodes under load for minutes (POSTROAD_CRASH_SECONDS=300)
	POSTROAD_CRASH_SECONDS=$${POSTROAD_CRASH_SECONDS:-300} $(BIN)/pytest tests/scenarios -k killed

bench: $(VENV)/.dev peers  ## Measure this product beside Postfix with OpenDKIM, its log-ins under attack, its tracker, its webhooks, its HTTP door, and its hot functions
	$(BIN)/python -m bench.micro
	$(BIN)/python -m bench.load
	$(BIN)/python -m bench.login
	$(BIN)/python -m bench.tracker
	$(BIN)/python -m bench.webhooks
	$(BIN)/python -m bench.http

lock: $(VENV)/.dev  ## Resolve the dependencies anew into requirements/
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile -q pyproject.toml --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header -o requirements/run.txt
	$(BIN)/uv pip compile -q pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header -c requirements/run.txt -o requirements/dev.txt

clean:  ## Remove the environment and caches; data stays
	rm -rf $(VENV) .node .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Postroad needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing. Install it: apt-get install python3-venv"; exit 1; }
	@echo "Creating the environment in $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(VENV)/bin/pip requirements/run.txt pyproject.toml
	@echo "Installing …"
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@
