# Two commands for everybody, four more for those who change the code.
#   make demo         train, evaluate and serve on real grocery data
#   make test         the tests a user's machine can run
#   make check        style, types, import directions, documentation
#   make test-slow    quality floors on real data and the whole demo
#   make audit        known vulnerabilities of what is pinned, secrets in what is tracked
#   make lock         write constraints.txt anew from what is installed
PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin

.PHONY: demo test check test-slow audit lock clean

demo: $(VENV)/.demo
	$(BIN)/recsys demo $(ARGS)

# A process of the tests that dies ends them: with files as parts, pytest-xdist 3.8 would wait
# for ever (pytest-dev/pytest-xdist#1323).
PARALLEL := -n auto --dist loadfile --max-worker-restart 0

# Files in their order: the long ones have few tests, and would come last.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not slow" $(PARALLEL) --no-loadscope-reorder \
	  --ignore tests/docs $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/docs -n auto $(ARGS)

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow -rs $(PARALLEL) -o faulthandler_timeout=2400 $(ARGS)

audit: $(VENV)/.dev
	$(BIN)/python .ci/audit.py

lock: $(VENV)/.dev
	$(BIN)/python -m pip freeze --exclude-editable | sort -f > constraints.txt

clean:
	rm -rf $(VENV) store

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "recsys needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "no venv module in $(PYTHON); on Debian: apt-get install python3-venv" >&2; exit 2; }

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[demo]"
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[demo,dev]"
	@touch $@
