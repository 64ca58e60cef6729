# Needs Python 3.11 or newer, make and git; everything else goes into .venv.
#
#   make test PYTHON=python3.12          another interpreter
#   make test PYTEST_ARGS="-k domain"    some of the tests
#
# On Linux, pip's default torch comes with several GB of CUDA libraries. Without a GPU, put the small one into
# .venv first; the targets below then leave it alone:
#
#   python3 -m venv .venv
#   .venv/bin/python -m pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu

PYTHON ?= python3
PYTEST_ARGS ?=

# Threads that spin while they wait cost a busy machine more than waking them costs an idle one.
export OMP_WAIT_POLICY ?= passive

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := $(wildcard inr/native/src/*/*.h inr/native/src/*/*.cpp inr/native/src/*/*/*.h inr/native/src/*/*/*.cpp)

.DEFAULT_GOAL := help
.PHONY: help demo demo-service test check lint protos format clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 10

demo: $(STAMP)  ## compress a photo, decode it, show the result
	$(BIN)/python examples/demo.py

demo-service: $(STAMP)  ## start a server, submit a photo, kill a worker, fetch the file, decode it at 3x
	$(BIN)/python examples/demo_service.py

# Two files of tests at a time, with one thread each: many of them wait for other processes. In the order in which they
# are collected, see tests/conftest.py: a file with few tests is not one that is soon done. A process that crashes ends
# the run: pytest-xdist waits for ever for the one that takes its place.
test: $(STAMP)  ## run the whole test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --max-worker-restart 0 --dist loadfile --no-loadscope-reorder \
		$(PYTEST_ARGS)

check: lint  ## what a change has to pass: lint, then test
	$(MAKE) test

lint: $(STAMP)  ## formatting, style, types, import arrows; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/clang-format --dry-run --Werror $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

protos: $(STAMP)  ## generate inr/rpc/v1 from protos/
	$(BIN)/python protos/generate.py

format: $(STAMP)  ## format the code and apply the safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/clang-format -i $(SOURCES)

clean:  ## remove caches and outputs; keeps .venv
	rm -rf build dist demo *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .grimp_cache
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# The compiled part is built when it is installed.
$(STAMP): pyproject.toml constraints.txt inr/native/CMakeLists.txt $(SOURCES)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "inr needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Choose another: make PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -c constraints.txt -e '.[dev]'
	touch $@
