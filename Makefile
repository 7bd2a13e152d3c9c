# Sekisho. `make demo` shows everything; `make test` runs every check; `make help` lists the rest.

SHELL := /bin/sh
.DEFAULT_GOAL := help
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
READY := .venv/.ready
OTHERS := .venv-peers/.ready
MEMBERS := core proxy portal builder stages

.PHONY: help tools setup demo test check unit integration e2e bench-pip bench-policy bench-image bench-conda images-accepted images-conda docs lock clean soak frameworks

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

$(READY): requirements/bootstrap.txt requirements/run.txt requirements/dev.txt $(MEMBERS:%=%/pyproject.toml) deploy/setup.sh
	@sh deploy/setup.sh venv
	@touch $@

$(OTHERS): $(READY) requirements/clients.txt requirements/peers.txt
	@sh deploy/setup.sh others
	@touch $@

tools:
	@sh deploy/setup.sh tools

setup: tools $(READY) ## install everything that the demo and the tests need

demo: setup ## from a request to a job in a closed zone (KEEP=1 leaves the portal and the proxy up)
	@sh deploy/engine.sh run $(BIN)/python deploy/demo $(if $(KEEP),--keep)

test: setup check unit integration e2e ## every check and every test
	@echo "make test: all passed"

check: $(READY) ## style, types, architecture
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

unit: $(READY) ## unit and property tests, with the network cut
	sh tests/without-network.sh $(PYTEST) -n 2 tests/unit tests/property tests/stateful

integration: setup $(OTHERS) ## real clients, a real engine, loopback only
	sh deploy/engine.sh run $(PYTEST) -n 2 --dist worksteal tests/integration --ignore tests/integration/clients
	sh tests/without-network.sh $(PYTEST) tests/integration/clients

e2e: setup ## the demo itself, against PyPI
	sh deploy/engine.sh run $(PYTEST) tests/e2e

bench-pip: $(OTHERS) ## the pip door beside its peers, as a table and build/bench/pip.json (QUICK=1 only tries it out)
	@sh deploy/setup.sh bench
	$(BIN)/python -m bench $(if $(QUICK),--quick)

soak: $(READY) ## what is random, at ten times its size: doors, faults, kills, Schemathesis, odd names, channels (about 85 minutes)
	SEKISHO_SOAK=1 $(PYTEST) -v -n 2 tests/stateful tests/integration/faults tests/integration/crash tests/integration/api tests/integration/proxy/test_odd_names.py tests/unit/workflows/test_as_uv_does.py tests/property/test_wanted.py tests/integration/portal/test_everything_installs.py tests/integration/builder/test_same_bytes.py tests/unit/builder/test_killed_assembly.py
	SEKISHO_SOAK=1 sh deploy/engine.sh run $(PYTEST) -v tests/integration/line/test_extra_build.py
	SEKISHO_SOAK=1 HYPOTHESIS_PROFILE=wide $(PYTEST) -v -n 2 tests/property/test_channels.py tests/property/test_channels_install.py tests/property/test_conda_archives.py tests/property/test_conda_prefix.py tests/property/test_conda_versions.py tests/property/test_fewest.py tests/property/test_fewest_approvals.py tests/property/test_quick_records.py

frameworks: setup ## pyspark and horovod from source to images, for real (half an hour; SEKISHO_BENCH_TORCH names a wheel of torch for CPUs)
	SEKISHO_SOAK=1 sh deploy/engine.sh run $(PYTEST) -v -s tests/integration/line/test_frameworks.py

bench-policy: $(READY) ## judging: speed, false alarms, a workbench asked for, as a table and build/bench/policy.json
	@sh deploy/setup.sh bench
	$(BIN)/python -m bench.judging

bench-image: setup ## images: rebuilt and pushed, cold, gated, beside Docker and buildah; a table and build/bench/image.json
	@sh deploy/setup.sh bench-image
	@[ -x .venv-minor/bin/python ] || sh deploy/setup.sh minor
	sh deploy/engine.sh run $(BIN)/python -m bench.images $(if $(QUICK),--quick) $(if $(ALONE),--alone)

bench-conda: $(READY) ## channels at conda-forge's scale, locks and hostile ones; a table and build/bench/conda.json
	$(BIN)/python -m bench.conda $(if $(QUICK),--quick)

images-accepted: setup ## whoever reads images, and is found here, reads ours: a table and build/bench/accepted.json
	@sh deploy/setup.sh readers
	sh deploy/engine.sh run $(BIN)/python -m bench.images.accepted

images-conda: setup ## images/sklearn-conda, the whole line, over packages made of PyPI's wheels; figures in build/images-conda.json
	sh deploy/engine.sh run $(PYTEST) -v tests/curated

docs: $(READY) ## write docs/reference from the code
	$(BIN)/python docs/generate.py

lock: $(READY) ## lock the project's own requirements again (UPGRADE=--upgrade for newer ones)
	UPGRADE="$(UPGRADE)" sh requirements/lock.sh

clean: ## remove everything that any target made
	@sh deploy/clean.sh
