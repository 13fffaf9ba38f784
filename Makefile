# Two commands do everything on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo demo-smoke test test-all coverage docs docs-images docs-update bench bench-check bench-large dist lint \
	types clean

$(VENV)/.run: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt --editable '.[torch]'
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(PIP) install --quiet --constraint constraints.txt --editable '.[torch,dev]'
	touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(PIP) install --quiet --constraint constraints.txt --editable '.[torch,dev,bench]'
	touch $@

$(VENV)/.docs: $(VENV)/.dev
	$(PIP) install --quiet --constraint constraints.txt --editable '.[torch,dev,docs]'
	touch $@

demo: $(VENV)/.run  ## five tickets from one initialization, compared: see demo/
	PATH="$(abspath $(BIN)):$$PATH" sh docs/demo.sh demo

demo-smoke: $(VENV)/.run
	PATH="$(abspath $(BIN)):$$PATH" sh docs/demo.sh demo/smoke --epochs 2 --iterations 3

test: lint types $(VENV)/.dev  ## lint, types and the tests, slow ones left out
	$(BIN)/python -m pytest -n 2

test-all: lint types $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 -m ''

coverage: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term

docs-images: demo  ## the pictures of README and docs
	cp demo/distance.png docs/images/

bench: $(VENV)/.bench  ## beside what one would use instead, against the bars: some 15 minutes
	$(BIN)/python benchmarks/all.py

bench-check: $(VENV)/.bench  ## whether a ratio fell far below what it was: some 2 minutes
	$(BIN)/python benchmarks/all.py --quick --check

bench-large: $(VENV)/.dev  ## masks and checkpoints of 1e9 weights: 5 GB of disk, some minutes
	$(BIN)/python benchmarks/large_archive.py
	$(BIN)/python benchmarks/checkpoints.py
	$(BIN)/python benchmarks/scale.py

docs: $(VENV)/.docs  ## the documentation, into docs/_build/html
	$(BIN)/python -m sphinx -E -W --keep-going -b html docs docs/_build/html

docs-update: $(VENV)/.dev  ## the outputs that pages show, and the gallery
	$(BIN)/python docs/run_pages.py
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python docs/make_gallery.py

dist: $(VENV)/.dev  ## wheel and sdist, checked
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

clean:
	rm -rf $(VENV) demo build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.*
	rm -rf docs/_build docs/reference/api docs/reference/commands docs/reference/schemas.md
