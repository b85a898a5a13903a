# Two commands for everybody: `make lab` opens the lessons, `make test` tests all of it.
# They make the virtual environment .venv themselves: with uv where it is present, with venv and pip where not.
# More words for a command go into ARGS: make lab ARGS="--lang es --no-browser", make test ARGS="tests/paging -x".

VENV ?= .venv
BIN := $(VENV)/bin
# A Python of your choice: make lab PYTHON=python3.13
PYTHON ?=
ARGS ?=

UV := $(if $(shell uv --version 2>/dev/null),uv)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help lab test slow lint bench clean

help:
	@echo 'make lab    open the lessons in JupyterLab'
	@echo 'make test   run the tests, the lessons included'
	@echo 'make slow   run the tests that take minutes'
	@echo 'make lint   check style, types and the arrows between the floors'
	@echo 'make bench  measure, and print the report'
	@echo 'make clean  remove the virtual environment'

lab: $(VENV)/.lab
	$(BIN)/vlab lab $(ARGS)

# One notebook stays with one worker: its cells share a kernel.
test: $(VENV)/.test
	$(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder $(ARGS)

# pytest's status 5: it found no test to run.
slow: $(VENV)/.bench
	$(BIN)/python -m pytest -m slow $(ARGS) || [ $$? -eq 5 ]

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.bench
	$(BIN)/python -m tests.benchmarks $(ARGS)

clean:
	rm -rf $(VENV)

# What each command needs. The empty file records that it is installed, until pyproject.toml changes.

$(VENV)/.lab: EXTRAS = native,png
$(VENV)/.test: EXTRAS = test
$(VENV)/.bench: EXTRAS = bench

$(VENV)/.lab $(VENV)/.test $(VENV)/.bench: pyproject.toml | $(VENV)/pyvenv.cfg
	$(INSTALL) --editable '.[$(EXTRAS)]'
	@touch $@

ifneq ($(UV),)

INSTALL = VIRTUAL_ENV='$(VENV)' $(UV) pip install --quiet

$(VENV)/pyvenv.cfg:
	$(UV) venv --quiet --seed --allow-existing --python '$(or $(PYTHON),>=3.11)' '$(VENV)'

else

INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check

# The first Python on the path that is new enough.
$(VENV)/pyvenv.cfg:
	@for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python); do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "$$python -m venv $(VENV)"; \
	        exec $$python -m venv '$(VENV)'; \
	    fi; \
	done; \
	echo 'vlab needs Python 3.11 or newer, and found none. Install one, or name it: make lab PYTHON=/path/to/python3' >&2; \
	exit 1

endif
