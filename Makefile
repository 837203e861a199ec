# Two targets are all a newcomer needs: `make demo` and `make test`. Each sets up what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CACHE := .cache
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types contracts proto-lint generated-is-fresh unit test-compiled
.PHONY: compiled compiled-suite conformance generate profile simulate clean

help:
	@echo "make demo      an order workflow that survives kill -9, in real processes"
	@echo "make test      everything that CI checks"
	@echo "make generate  write generated/ anew from proto/"
	@echo "make profile   where the time of a step goes, part by part"
	@echo "make simulate  200,000 walks and 100,000 random worlds of the engine, and 20,000 of a whole Core"
	@echo "make test-compiled  codec, engine and Core in their compiled build (a part of make test)"
	@echo "make conformance  what Google's conformance suite says of the codec (a part of make test)"
	@echo "make fuzz      a million spoiled inputs for the codec; this and conformance take BUILD=compiled"

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

# A deployed client of the same contract. It imports as `cerebelum` too, so it lives in its own environment.
$(CACHE)/deployed-client/installed:
	$(PYTHON) -m venv $(CACHE)/deployed-client
	$(CACHE)/deployed-client/bin/pip install --quiet --disable-pip-version-check cerebelum-sdk==0.3.1
	touch $@

setup: $(VENV)/installed

demo: setup
	cerebelum demo

# Most of it is one process at a time, so that two things go on at once. The compiled build is made beside the unit tests.
test: setup
	@$(MAKE) --no-print-directory -j2 lint types contracts proto-lint generated-is-fresh
	@$(MAKE) --no-print-directory -j2 unit compiled
	@$(MAKE) --no-print-directory test-compiled

lint: setup
	ruff check .
	ruff format --check .

types: setup
	mypy

contracts: setup
	lint-imports

proto-lint: setup
	buf lint
	buf format --diff --exit-code

generated-is-fresh: setup
	rm -rf $(CACHE)/fresh
	buf generate -o $(CACHE)/fresh
	diff -r -x __pycache__ $(CACHE)/fresh/generated generated
	python -m cerebelum_codegen.plugin.known $(CACHE)/fresh
	diff -r -x __pycache__ $(CACHE)/fresh/cerebelum_codegen/known codegen/cerebelum_codegen/known

unit: setup $(CACHE)/deployed-client/installed
	pytest -n 2 --dist loadgroup

# The suites of the codec, the engine, the Core, the client and the SDK against a wheel built with the switch on, in an environment of its own
# that lends the tools of .venv, and in a folder of its own, where no source stands in the wheel's way.
COMPILED := $(CACHE)/compiled
$(COMPILED)/installed: $(shell find codegen generated cerebelum cerebelum_* tests/codegen/protos -name '*.py' -o -name '*.j2' -o -name '*.proto') hatch_build.py | setup
	rm -rf $(COMPILED)/env $(COMPILED)/wheel $(COMPILED)/trial
	CEREBELUM_COMPILED=1 CEREBELUM_OPT_LEVEL=0 pip wheel --quiet --disable-pip-version-check --no-deps -w $(COMPILED)/wheel .
	$(BIN)/python -m venv --without-pip $(COMPILED)/env
	pip --python $(COMPILED)/env/bin/python --disable-pip-version-check install --quiet --no-deps $(COMPILED)/wheel/*.whl
	$(BIN)/python -c "import site; print(site.getsitepackages()[0])" > `$(COMPILED)/env/bin/python -c "import site; print(site.getsitepackages()[0])"`/tools.pth
	$(COMPILED)/env/bin/python -m tests.codegen.compiled $(COMPILED)/trial
	touch $@

HAS_CC := $(shell command -v cc)

compiled: $(if $(HAS_CC),$(COMPILED)/installed)

test-compiled: $(if $(HAS_CC),compiled-suite)
	@$(if $(HAS_CC),,echo "no C compiler here: the compiled build is not tested")

compiled-suite: $(COMPILED)/installed
	rm -rf $(COMPILED)/run && mkdir $(COMPILED)/run && cp -r tests proto buf.yaml pyproject.toml $(COMPILED)/run
	cd $(COMPILED)/run && COMPILED_TRIAL=$(CURDIR)/$(COMPILED)/trial ../env/bin/python -m pytest -n 2 --dist loadgroup \
		tests/codegen/runtime tests/codegen/http2 tests/codegen/rpc tests/cli/test_doctor.py \
		tests/engine tests/core tests/client $(filter-out tests/sdk/test_typing.py,$(wildcard tests/sdk/test_*.py))

# Both take BUILD=compiled, to run against the compiled build: minutes of compiling, once.
CODEC := $(if $(filter compiled,$(BUILD)),COMPILED_TRIAL=$(CURDIR)/$(COMPILED)/trial $(COMPILED)/env/bin/python,python)

# Sets up the runner by itself, in the cache.
conformance: setup $(if $(filter compiled,$(BUILD)),$(COMPILED)/installed)
	$(CODEC) -m tests.conformance.suite

# A million spoiled inputs of the codec take half a minute.
.PHONY: fuzz
fuzz: setup $(if $(filter compiled,$(BUILD)),$(COMPILED)/installed)
	$(CODEC) -m tests.codegen.fuzz 1000000

generate: setup
	python -m cerebelum_codegen.plugin.known codegen
	buf generate

profile: setup
	python -m benchmarks profile --concurrency 100

# Takes BUILD=compiled too, and tells every seed that fails. The wheel is played where no source stands in its way.
simulate: setup $(if $(filter compiled,$(BUILD)),$(COMPILED)/installed)
ifeq ($(BUILD),compiled)
	rm -rf $(COMPILED)/worlds && mkdir $(COMPILED)/worlds && cp -r tests $(COMPILED)/worlds
	cd $(COMPILED)/worlds && ../env/bin/python -m tests.simulation walk 0 200000
	cd $(COMPILED)/worlds && ../env/bin/python -m tests.simulation engine 0 100000
	cd $(COMPILED)/worlds && ../env/bin/python -m tests.simulation core 0 20000
else
	python -m tests.simulation walk 0 200000
	python -m tests.simulation engine 0 100000
	python -m tests.simulation core 0 20000
endif

clean:
	rm -rf $(VENV) $(CACHE) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
