# Two commands do everything on a machine with Python 3.11 or newer:
#   make demo   replays a bundled recording into receipts and charges
#   make test   runs the quick tests
# Each is short for the plain commands that it prints.
PYTHON ?= python3
VENV ?= .venv
# make test EXTRAS=dev,simulator,ultralytics also installs PyTorch, several GB
EXTRAS ?= dev,simulator
PYTEST_ARGS ?=
BIN := $(VENV)/bin

.PHONY: help demo test slow lint types layers check clean

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(VENV)/installed-demo: pyproject.toml constraints.txt
	@echo "Setting up $(VENV); pip downloads about 400 MB (OpenVINO, OpenCV, SciPy and what they need)."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/installed-$(EXTRAS): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) with $(EXTRAS); pip downloads about 500 MB, and 3 GB more where ultralytics is among them."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS)]"
	@touch "$@"

demo: $(VENV)/installed-demo ## replay a bundled recording into receipts and charges
	$(BIN)/tillfree demo

test: $(VENV)/installed-$(EXTRAS) ## run the quick tests
	$(BIN)/python -m pytest -m "not slow" $(PYTEST_ARGS)

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
