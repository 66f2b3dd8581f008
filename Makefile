# Everything happens in .venv; the only needs are Python 3.11 or newer, make and git.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
DOCS := .venv/installed-docs
# uv takes a tenth of pip's time. Where it cannot install, pip does, or says why it cannot either.
install = $(BIN)/python -m uv pip install --quiet --python $(BIN)/python $(1) 2>/dev/null || \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(1)

# uv leaves compiling to Python, which compiles what is imported, once, unless this forbids it.
unexport PYTHONDONTWRITEBYTECODE

# Commits that `make history` measures, the newest ones.
COMMITS ?= 10

.PHONY: bench test lint core smoke history docs readme pictures clean

bench: $(INSTALLED)  ## in five minutes: set-up, data, proof, race, ladder, and the report of it
	@$(BIN)/python tools/mnist_packages.py
	@$(BIN)/python tools/bench.py

test: $(INSTALLED) lint  ## lint, types, all tests, every benchmark once
	@$(BIN)/python tools/mnist_packages.py
	$(BIN)/pytest -n logical --maxprocesses 4 --dist worksteal

lint: $(INSTALLED)  ## ruff, mypy, and that imports only point down
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

core: $(INSTALLED)  ## the package without its extras: how large it is, and that it works
	@$(BIN)/python tests/project/core_alone.py

smoke: $(INSTALLED)  ## `bench` in a minute: one case, short races
	@$(BIN)/python tools/mnist_packages.py
	@$(BIN)/mlpperf race --case batch-500 --budget 1
	@$(BIN)/mlpperf ladder --quick --rung step_0 --rung shared_by_threads --rung zeros_skipped
	@$(BIN)/mlpperf report

history: $(INSTALLED)  ## asv measures the last commits, and the report shows their history
	@$(BIN)/python tools/mnist_packages.py
	@test -e $(HOME)/.asv-machine.json || $(BIN)/asv machine --yes
	@$(BIN)/asv run --skip-existing-successful "HEAD --max-count=$(COMMITS)"
	@$(BIN)/mlpperf report

docs: $(DOCS)  ## the documentation and a report of a public project, in site/docs; a broken link fails
	@$(BIN)/mkdocs build --strict --quiet
	@$(BIN)/python tools/showcase.py build site/docs/example
	@$(BIN)/python tests/project/docs_alone.py site/docs
	@echo "Documentation: site/docs/index.html"

readme: $(INSTALLED)  ## the figures of README and docs from the committed records, and the commands
	@$(BIN)/python tools/readme.py

pictures: $(INSTALLED)  ## the pictures of the report in docs/images, taken with Chromium
	@$(BIN)/python tools/pictures.py

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("mlpperf needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@echo "Installing into .venv, TensorFlow included: about a minute …"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.5' || true
	@$(call install,--editable '.[dev]')
	@touch $@

$(DOCS): $(INSTALLED)
	@$(call install,--editable '.[docs]')
	@touch $@

clean:
	rm -rf .venv site .mypy_cache .ruff_cache .pytest_cache .hypothesis
