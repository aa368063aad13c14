# beatra's commands. Python 3.11, 3.12 or 3.13 and make are all that has to be there.
#
#   make run PORT=8001 VAR=var2     a second copy beside the first
#   make run PYTHON=/path/python    with a certain Python

VAR ?= var
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { command -v $$python; break; }; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
export VAR

.DEFAULT_GOAL := help
.PHONY: help run test test-all soak check lint types migrations document openapi fmt shell psql logs clean lock

help:
	@echo "make run         start beatra on http://127.0.0.1:8000 (PORT=...), its data in var (VAR=...)"
	@echo "make test        the tests; make test-all adds the slow ones"
	@echo "make check       all that has to pass: lint, types, migrations, the API document, every test"
	@echo "make soak        kill everything over and over (ROUNDS=50) and judge the books; bench/SOAK.md has the counts of a long run"
	@echo "make fmt         format the code"
	@echo "make openapi     write the API document, docs/openapi.*, from the code"
	@echo "make shell       Django's shell on the running copy; make psql: its database; make logs: its logs"
	@echo "make clean       remove the data folder and the caches (not .venv)"
	@echo "make lock        renew requirements*.txt from requirements*.in"

run: .venv/run.stamp
	@exec $(BIN)/python manage.py up --with-parent

test: .venv/dev.stamp
	@$(BIN)/python -m pytest -m "not slow"

test-all: test
	@$(BIN)/python -m pytest -m slow

soak: .venv/dev.stamp
	@ROUNDS=$${ROUNDS:-50} $(BIN)/python -m pytest tests/faults tests/wallets/test_money_machine.py

check: lint types migrations document
	@$(MAKE) --no-print-directory test-all

lint: .venv/dev.stamp
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "Some files are not formatted: make fmt"; exit 1; }
	@$(BIN)/lint-imports > .venv/lint-imports.log || { cat .venv/lint-imports.log; exit 1; }

types: .venv/dev.stamp
	@$(BIN)/mypy --no-error-summary .

migrations: .venv/dev.stamp
	@$(BIN)/python -m tests.servers manage.py makemigrations --check --dry-run --verbosity 1

document: .venv/dev.stamp
	@$(BIN)/python manage.py openapi --check

openapi: .venv/dev.stamp
	@$(BIN)/python manage.py openapi

fmt: .venv/dev.stamp
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

shell: .venv/run.stamp
	@$(BIN)/python manage.py shell

psql: .venv/run.stamp
	@PATH="$$($(BIN)/python -m beatra_site.embedded.postgres):$$PATH" $(BIN)/python manage.py dbshell

logs:
	@tail -n 20 -F $(VAR)/log/*.log

clean: .venv/python.stamp
	@$(BIN)/python -m beatra_site.embedded.clean

lock: .venv/dev.stamp
	@$(PIP) install --quiet uv
	@for name in requirements requirements-dev; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header $$name.in -o $$name.txt || exit 1; done

# The environment: made once, installed again when the lock changes. A stamp is written last, so a broken-off step is repeated.

# A .venv that works is kept, whoever made it.
.venv/python.stamp:
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
		test -n "$(PYTHON)" || { echo "beatra needs Python 3.11, 3.12 or 3.13; none was found. Name one: make run PYTHON=/path/to/python3"; exit 1; }; \
		$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
			echo "$(PYTHON) comes without its venv module. On Debian and Ubuntu: apt install python3-venv"; exit 1; }; \
		$(PYTHON) -m venv --clear .venv; }
	@touch $@

.venv/run.stamp: requirements.txt | .venv/python.stamp
	$(call install,requirements.txt)

.venv/dev.stamp: requirements-dev.txt .venv/run.stamp
	$(call install,requirements-dev.txt)

# A dot per package; everything pip says is kept, and shown if it fails.
define install
	@printf 'Installing $(1) into .venv '
	@{ $(PIP) install --require-hashes -r $(1) 2>&1; echo "status $$?"; } | tee .venv/install.log | \
		awk '/^Collecting|^Requirement already/ { printf "."; fflush() } /^status / { status = $$2 } END { exit status }' \
		|| { echo; tail -n 20 .venv/install.log; exit 1; }
	@echo ' done'
	@touch $@
endef
