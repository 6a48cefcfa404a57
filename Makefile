# Everything a developer runs. A new machine needs a Python of at least 3.11 and nothing else.
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TESTS ?= tests
# More than there are cores: those that run what was built wait for it most of the time.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 4)

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Make .venv with everything in it

$(STAMP): requirements-dev.txt pyproject.toml tools/find-python
	@echo "Making $(VENV), once; this takes a minute." >&2
	@python="$$(tools/find-python)" && "$$python" -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP) ## Provision the sample stack in the sandbox, twice
	@$(BIN)/python examples/demo.py

test: $(STAMP) ## Run the tests: everything, and a slice of what is tried very often
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(TESTS)

quick: $(STAMP) ## Run the tests that need no sockets, no processes and no builds, without the sweeps
	@# What needs sockets throughout is not even imported.
	@$(BIN)/python -m pytest -n auto -m "not real_time and not sweep" --ignore tests/deploy --ignore tests/strangers $(TESTS)

coverage: $(STAMP) ## Branch coverage of the tests without sweeps and builds, against the floor in pyproject.toml
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not sweep" --ignore tests/deploy --ignore tests/strangers \
		--cov --cov-report=term $(TESTS)

# A seed that fails is lived again by LIVES=1. SWEEPS=no leaves it at simulated lives.
SECONDS ?= 600
SEED ?= 1
LIVES ?= 0
SWEEPS ?= $(if $(filter 0,$(LIVES)),yes,no)
# Lives of real processes that are killed.
REAL ?= $(if $(filter 0,$(LIVES)),5,0)

soak: $(STAMP) ## Simulated lives with every fault, for SECONDS from SEED on; then every sweep in full
	@$(BIN)/python tests/soak/soak.py --seconds "$(SECONDS)" --seed "$(SEED)" --lives "$(LIVES)" \
		--real "$(REAL)" $(if $(filter yes,$(SWEEPS)),--sweeps)

RUNS ?= 50

flakes: $(STAMP) ## The quick tests RUNS times over, shuffled
	@$(BIN)/python tests/flakes.py --runs "$(RUNS)" --seed "$(SEED)"

audit: $(STAMP) ## Ask the package index for known vulnerabilities of what is deployed
	@$(BIN)/python -m venv build/audit
	@build/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	@build/audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements.txt

# ONLY may name one mutant, or several, or an area.
mutants: $(STAMP) ## Mutation tests: a fault each in copies of the code, and the tests that kill it
	@$(BIN)/python tests/mutants/mutants.py $(ONLY)

record: $(STAMP) ## Write down which AWS operations the suite performs, from which policies are checked
	@RECORD=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup tests

check: $(STAMP) ## Lint, types, imports, the template and its state machines
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(BIN)/sam validate --lint
	@AWS_DEFAULT_REGION=us-east-1 $(BIN)/cfn-lint --config-file .cfnlintrc -t template.yaml
	@$(BIN)/python tools/check_state_machines.py

# The functions share one artifact; SAM asks for it once for each. ARCH, GRANTS and TARGET_PYTHON may be set.
ARCH ?= arm64
export ARCH

build: $(STAMP) ## Build what is deployed, into .aws-sam/build
	@PATH="$(abspath $(BIN)):$$PATH" SAM_CLI_TELEMETRY=0 $(BIN)/sam build --parameter-overrides Architecture=$(ARCH)

# SAM calls these, also from within the tests: renewing $(VENV) here would take it away from what runs in it.
build-RequestsFunction build-EventsFunction build-ConvergeFunction:
	@$(BIN)/python tools/build_artifact.py "$(ARTIFACTS_DIR)"

bench: $(STAMP) ## Time to READY against the floor and a sequential script; cold start; growth with the number of resources
	@$(BIN)/python tests/bench/bench.py
	@$(BIN)/python tests/bench/cold_start.py
	@$(BIN)/python tests/bench/growth.py
	@$(BIN)/python tests/bench/outcome_line.py

# BOTOCORE names a version; the newest without.
models: $(STAMP) ## Renew the copy of AWS's service models in infra/models
	@$(BIN)/python tools/renew_models.py $(BOTOCORE)

newer-models: $(STAMP) ## Say whether AWS has published newer service models; changes nothing
	@$(BIN)/python tools/renew_models.py --check

BUDGET ?= 3000

live: $(STAMP) ## Try an account: the contract and a small stack, what differs from the sandbox, and remove it all
	@$(BIN)/python tests/live/live.py --budget "$(BUDGET)"

docs: $(STAMP) ## Write the tables in docs/ from the code
	@$(BIN)/python tools/make_docs.py

lock: $(STAMP) ## Renew the locked requirements
	@$(BIN)/python -m pip install --quiet uv
	@UV_NO_PROGRESS=1 $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--custom-compile-command "make lock" --extra dev --extra terminal pyproject.toml -o requirements-dev.txt
	@# What is deployed is what was tested: the same versions.
	@UV_NO_PROGRESS=1 $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--custom-compile-command "make lock" --constraint requirements-dev.txt pyproject.toml -o requirements.txt

.PHONY: help install demo test quick coverage soak flakes mutants audit record check build build-RequestsFunction build-EventsFunction build-ConvergeFunction bench docs models newer-models live \
	lock
