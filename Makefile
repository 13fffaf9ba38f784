# Two commands do everything on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo demo-smoke test test-all coverage docs-images bench bench-large lint types clean

$(VENV)/.run: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt --editable '.[torch]'
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(PIP) install --quiet --constraint constraints.txt --editable '.[torch,dev]'
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

bench: $(VENV)/.dev  ## start-up, statistics and training beside what one would use instead
	$(BIN)/python benchmarks/startup.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/chance.py
	$(BIN)/python benchmarks/training.py

bench-large: $(VENV)/.dev  ## masks and checkpoints of 1e9 weights: 5 GB of disk, some minutes
	$(BIN)/python benchmarks/large_archive.py
	$(BIN)/python benchmarks/checkpoints.py

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

clean:
	rm -rf $(VENV) demo build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
