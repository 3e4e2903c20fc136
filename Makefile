# The two commands to know: `make serve` and `make test`. Everything lands in .venv/.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help serve test check walk format schema lock audit course screenshots release reliability clean
.PHONY: floors fuzz schemathesis store-faults training-kills hostile

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: $(VENV)/.service  ## install the service alone (no torch) and start it on 127.0.0.1:8000
	$(BIN)/deepshelf serve

test: $(VENV)/.dev  ## install everything and run the whole test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

check: $(VENV)/.dev  ## check formatting, lint, types and import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

walk: $(VENV)/.dev  ## run the README in a fresh clone (minutes; needs port 8000)
	$(BIN)/python -m tests.readme_walk $(ARGS)

format: $(VENV)/.dev  ## apply the formatter and lint fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schema: $(VENV)/.service  ## regenerate the manifest's JSON Schema
	$(BIN)/deepshelf models schema > models_store/manifest.schema.json

COMPILE := $(BIN)/uv pip compile --python-version 3.11 --generate-hashes --upgrade --quiet \
	--custom-compile-command 'make lock'
LOCK := $(COMPILE) --universal
BUILD_REQUIRES := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")

lock: $(VENV)/.audit  ## pin the packages of the container images, with hashes (requirements*.lock)
	$(LOCK) pyproject.toml --extra sign --extra heif --output-file requirements.lock
	$(BIN)/python -c '$(BUILD_REQUIRES)' | $(LOCK) - --no-annotate --output-file requirements-build.lock
	$(COMPILE) --python-platform linux --no-annotate pyproject.toml --extra training --extra heif --output-file requirements-training.lock
	echo 'onnxruntime-gpu[cuda,cudnn]' | $(COMPILE) --python-platform linux --no-annotate --constraint requirements.lock - --output-file requirements-gpu.lock

LOCKS := requirements.lock requirements-build.lock requirements-training.lock requirements-gpu.lock

audit: $(VENV)/.audit  ## check the pinned versions against the advisory database
	$(BIN)/pip-audit --strict --require-hashes --disable-pip $(LOCKS:%=-r %)

floors: $(VENV)/.audit  ## run the service's tests with the lowest versions that pyproject.toml allows
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/floors
	$(BIN)/uv pip install --quiet --python build/floors/bin/python --resolution lowest-direct '.[client,heif,import,otel,sign]' 'scikit-learn>=1.9' --group dev
	OMP_NUM_THREADS=1 build/floors/bin/python -m pytest -W default tests/service tests/models_store tests/e2e/test_server.py

COURSE := optimizers initializers schedules batchnorm dropout residual

course: $(VENV)/.dev  ## redraw the course's images (docs/course/, minutes)
	for topic in $(COURSE); do $(BIN)/deepshelf train plot $$topic --to docs/course/$$topic.png || exit 1; done
	$(BIN)/deepshelf train plot range-test resnet-digits --to docs/course/range-test.png
	$(BIN)/deepshelf train plot filters mobilenet-hymenoptera features.0.0 --to docs/course/filters.png
	rm -rf build/course
	$(BIN)/deepshelf train fit pen-digits-synthetic --run-dir build/course/strokes
	$(BIN)/deepshelf train plot strokes build/course/strokes --to docs/course/strokes.png
	$(BIN)/deepshelf train fit catch --run-dir build/course/catch
	$(BIN)/deepshelf train plot play build/course/catch --to docs/course/catch.gif
	$(BIN)/python -m training.plots.optimize_png docs/course/*.png

screenshots: $(VENV)/.dev  ## redraw the screenshots of docs/ (needs Chromium)
	$(BIN)/python -m tests.browser.screenshots

VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

release: $(VENV)/.dev  ## build the files of a release in dist/ and print how to publish it
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/deepshelf models export dist/models-$(VERSION).tar.gz
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml requirements.lock --output-file dist/deepshelf-$(VERSION).cdx.json
	cd dist && sha256sum * > SHA256SUMS && cat SHA256SUMS
	@grep -q '^## \[$(VERSION)\]' CHANGELOG.md || echo 'CHANGELOG.md has no section [$(VERSION)] yet'
	@echo 'This was a dry run. To release: git tag -a v$(VERSION) -m "deepshelf $(VERSION)" && git push origin v$(VERSION), then upload dist/'
SCENARIO := overload

reliability: $(VENV)/.dev  ## inject faults into a running service: SCENARIO=overload|slow|cancel|shutdown|reload|stall|soak|body-cost
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.chaos $(SCENARIO) $(ARGS)

TARGET := all
SECONDS := 60

fuzz: $(VENV)/.fuzz  ## fuzz the parsers: TARGET=image|code|v2-json|v2-binary|form|text|predict|game|all SECONDS=60
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz $(TARGET) --seconds $(SECONDS)

schemathesis: $(VENV)/.fuzz  ## test a running service (URL=…) against its OpenAPI document
	$(BIN)/schemathesis --config-file tests/fuzz/schemathesis.toml run $(or $(URL),http://127.0.0.1:8000)/openapi.json \
		--phases examples,fuzzing --max-examples 10 --seed 1 --generation-deterministic $(ARGS)

store-faults: $(VENV)/.dev  ## flip bits in a store, kill publishers, fill disks (the last needs root)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.chaos.store_faults $(ARGS)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/models_store tests/service/runtime/test_absurd_graphs.py

training-kills: $(VENV)/.dev  ## kill and resume a training repeatedly and compare the weights; fill its disk
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.chaos.training_kills $(ARGS)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/training/engine/test_killed.py tests/training/engine/test_trainer.py tests/training/datasets

hostile: $(VENV)/.dev  ## send decompression bombs and damaged bodies to every route that reads a body, and forbidden requests
	$(BIN)/python -m pytest tests/service/codecs tests/models_store/images tests/service/test_body_cost.py \
		tests/service/routes/test_hostile.py tests/service/routes/test_bad_input.py \
		tests/service/routes/test_multipart.py tests/service/routes/test_client_compatibility.py \
		tests/service/server/test_http_protocol.py

clean:  ## remove the files that the targets above create
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"deepshelf needs Python 3.11 or newer; $(PYTHON) is {v[0]}.{v[1]} (choose another: make PYTHON=python3.12 …)")'
	$(PYTHON) -m venv $(VENV)

# The stamps make a second call start at once; a changed pyproject.toml installs again.
$(VENV)/.service: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

# The extras that tests import. pip knows --group since 25.1.
EXTRAS := client,heif,import,otel,sign,training
PIP_INSTALL := $(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' && $(BIN)/python -m pip install --quiet

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --editable '.[$(EXTRAS)]' --group dev
	@touch $@ $(VENV)/.service

$(VENV)/.fuzz: pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --editable '.[$(EXTRAS)]' --group fuzz
	@touch $@ $(VENV)/.service $(VENV)/.dev

$(VENV)/.audit: pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --editable . --group audit
	@touch $@ $(VENV)/.service
