# Two commands do everything on a machine with Python 3.11 or newer:
#   make demo   replays a bundled recording into receipts and charges
#   make test   runs the quick tests
# Each is short for the plain commands that it prints.
VENV ?= .venv
# make test EXTRAS=dev,simulator,ultralytics also installs PyTorch
EXTRAS ?= dev,simulator
PYTEST_ARGS ?=
# Tests run in this many processes, each file in one of them.
WORKERS ?= 2
BIN := $(VENV)/bin
# The first of these that is Python 3.11 to 3.13, which the tests run with; any newer python3 where there is none.
ifndef PYTHON
PYTHON := $(shell for each in python3 python3.13 python3.12 python3.11; do \
	$$each -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$each && break; \
	done)
PYTHON := $(or $(PYTHON),python3)
endif
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e

.PHONY: help demo test slow lint types layers check clean

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

# Says what is missing before anything is downloaded.
define check_python
@$(PYTHON) -c 'import sys' 2>/dev/null || { \
	echo "error: there is no $(PYTHON); install Python 3.11 or newer, or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "error: $$($(PYTHON) --version 2>&1) is too old; install Python 3.11 or newer and name it: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	echo "error: $(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
endef

$(VENV)/installed-demo: pyproject.toml constraints.txt
	$(check_python)
	@echo "Setting up $(VENV): pip downloads about 250 MB (OpenVINO, OpenCV, SciPy and what they need)."
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) .
	@touch "$@"

$(VENV)/installed-$(EXTRAS): pyproject.toml constraints.txt
	$(check_python)
	@echo "Setting up $(VENV) with $(EXTRAS): pip downloads about 320 MB$(if $(findstring ultralytics,$(EXTRAS)), plus 3 GB of PyTorch)."
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) ".[$(EXTRAS)]"
	@touch "$@"

demo: $(VENV)/installed-demo ## replay a bundled recording into receipts and charges
	$(BIN)/tillfree demo

test: $(VENV)/installed-$(EXTRAS) ## run the quick tests
	$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

slow: $(VENV)/installed-$(EXTRAS) ## run the tests that replay and render everything
	$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

lint: ## check format and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: ## check types
	$(BIN)/mypy

layers: ## check that packages import only what they may
	$(BIN)/lint-imports

check: test lint types layers ## everything that CI checks

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
