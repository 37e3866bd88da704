# make run: the whole study on the embedded corpus.  make test: the tests.  make check: style, types, import rules.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: run env test test-slow check bench clean

run: env
	$(BIN)/python -m kwsbench run recipes/all.yaml

env: $(VENV)/.run
# tests side by side, by four at most: each holds torch and what it compiled
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal
test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow
check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
bench: $(VENV)/.dev
	for file in benchmarks/*.py; do $(BIN)/python $$file --json || exit 1; done
clean:
	rm -rf $(VENV)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "kwsbench needs Python 3.11 to 3.13: make PYTHON=python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable .
	touch $@
$(VENV)/.dev: $(VENV)/.run
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
