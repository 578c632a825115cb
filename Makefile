# `make demo` and `make test` set everything up on a fresh machine; README.md gives the plain
# commands for systems without make.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: demo test test-all lab lint notebooks clean

demo: $(VENV)/installed
	$(RUN) -m novelkit demo

# A file of tests stays in one process: its fixtures are made once.
test: $(VENV)/installed
	$(RUN) -m pytest -n auto --maxprocesses 4 --dist loadfile

# Also what takes minutes: long training, every notebook.
test-all: $(VENV)/installed
	$(RUN) -m pytest -m ""

lab: $(VENV)/installed
	$(RUN) -m jupyterlab notebooks

lint: $(VENV)/installed
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

# Run every notebook and keep its outputs.
notebooks: $(VENV)/installed
	$(RUN) tests/notebooks/execute.py --save

$(VENV)/installed: constraints.txt requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "需要 Python 3.11 或更高，例如：make PYTHON=python3.12 demo"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet -c constraints.txt torch
	$(RUN) -m pip install --quiet -c constraints.txt -e ".[local]"
	touch $@

clean:
	rm -rf $(VENV) demo
