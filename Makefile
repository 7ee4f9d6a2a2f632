# Two commands: `make demo` sets up all and runs the main job, `make test` sets up all and passes the tests.
.PHONY: setup demo test bench bench-quick clean
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
EXTRAS ?=
PYTHON ?= python3

setup: $(VENV)/.core
	@if [ -n "$(EXTRAS)" ]; then $(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e ".[$(EXTRAS)]"; fi

# pip brings torch, since it knows where this machine gets its build; uv brings the rest in a few seconds.
$(VENV)/.core: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-compile -c constraints.txt uv torch
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e ".[metrics,tables]"
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e ".[dev]"
	@touch $@

demo: setup
	$(BIN)/belamy train digits --out runs/demo --resume auto

# Three processes on two cores: some tests wait for others that they have started, or killed.
test: $(VENV)/.dev
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 3 --dist loadfile

bench-quick: $(VENV)/.dev
	@$(BIN)/python benchmarks/quick.py

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) runs
