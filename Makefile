# Every recipe works on a machine with Python 3.11, pip, make and git: what else is needed is installed into .venv.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
PORT ?= 8000
TEST_PROCESSES ?= 2
BIN := .venv/bin
RUN := $(BIN)/python
UV_VERSION := $(shell sed -n 's/^uv==\([0-9.]*\).*/\1/p' requirements.lock)
BROWSERS := chromium chromium-browser google-chrome google-chrome-stable

# The machine's own certificates, as pip and curl use them: a company's proxy is known there.
export UV_SYSTEM_CERTS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install gpu up demo test check bench models simulate trials docs format coverage browser lock vendor hooks clean reset

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 12

install: .venv/installed ## Everything that is needed, into .venv

.venv/uv: requirements.lock
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name it with PYTHON=/path/to/python3.11."; exit 1; }
	test -x $(RUN) || "$(PYTHON)" -m venv --without-pip .venv
	test "$$($(BIN)/uv --version 2>/dev/null | cut -d' ' -f2)" = "$(UV_VERSION)" \
		|| "$(PYTHON)" -m pip --python $(RUN) install --quiet --no-deps "uv==$(UV_VERSION)"
	touch $@

.venv/installed: .venv/uv requirements.lock
	$(BIN)/uv pip install --quiet --python $(RUN) --require-hashes --requirement requirements.lock
	touch $@

gpu: .venv/uv requirements-gpu.lock ## The same with ONNX Runtime for CUDA 13 in the place of the one for CPUs
	$(BIN)/uv pip sync --quiet --python $(RUN) --require-hashes requirements-gpu.lock
	touch .venv/installed

up: install ## Everything in this terminal, until Ctrl-C: http://127.0.0.1:8000 (PORT=…)
	exec $(RUN) manage.py up --port $(PORT)

demo: install ## The same, filled with two streams, people and cases
	exec $(RUN) manage.py up --port $(PORT) --demo

test: install browser ## Every test (ARGS='-k claim' narrows)
	$(RUN) -m pytest --numprocesses $(TEST_PROCESSES) --dist loadgroup --no-loadscope-reorder $(ARGS)

check: install ## Static gates: formatting, lint, types, imports, templates, migrations, generated pages
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/lint-imports --no-cache
	find templates -name '*.html' -print0 | xargs -0 $(BIN)/djade --check --target-version 5.2
	$(RUN) manage.py check --fail-level WARNING
	@# The comparison needs no database; without one Django only warns that it did not look at the history.
	$(RUN) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run --verbosity 1
	$(RUN) manage.py reference_pages --check
	$(BIN)/mypy

bench: install ## Measures and compares: JSON per sample, a table of ratios (ARGS=…)
	$(RUN) -m bench $(ARGS)

models: install ## Trains on four public data sets and writes docs/reference/models.md (ARGS='--data DIR')
	$(RUN) -m bench.models $(ARGS)

simulate: install ## The gate's statistics where the truth is known; writes docs/reference/simulations.md (ARGS=…)
	$(RUN) -m bench.simulate $(ARGS)

trials: install ## Whole deployments on public data sets; writes docs/reference/trials.md (ARGS='--data DIR')
	$(RUN) -m bench.trials $(ARGS)

coverage: install browser ## Every test, with the lines that none of them runs
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage report

docs: install ## Writes the generated pages of docs/reference
	$(RUN) manage.py reference_pages

format: install ## Formats code and templates
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format --quiet .
	find templates -name '*.html' -print0 | xargs -0 $(BIN)/djade --target-version 5.2

browser: install
	@for name in $(BROWSERS); do command -v $$name >/dev/null && exit 0; done; \
	$(BIN)/playwright install chromium && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium && exit 0; \
	fi; \
	echo "The browser tests need Chromium, and none could be installed; install the package chromium."; exit 1

lock: install ## Newest versions that pyproject.toml allows, with hashes, into requirements.lock and -gpu.lock
	$(BIN)/uv pip compile pyproject.toml --group cpu --group serve --group dev --universal --python-version 3.11 --upgrade \
		--generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--quiet --output-file requirements.lock
	$(BIN)/uv pip compile pyproject.toml --group gpu --group serve --group dev --universal --python-version 3.11 --upgrade \
		--constraint requirements.lock --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate \
		--custom-compile-command "make lock" --quiet --output-file requirements-gpu.lock

hooks: install ## The fast part of `make check` before every commit
	$(BIN)/pre-commit install

clean: ## Removes what make made; data stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage htmlcov staticfiles
	find . -name __pycache__ -type d -not -path './.data/*' -prune -exec rm -rf {} +

reset: ## Removes the data of `make up` and `make demo`, for good
	@if [ -e .data/up.lock ] && ! flock --nonblock .data/up.lock true; then \
		echo "It is running on this data; stop it first."; exit 1; fi
	rm -rf .data
