# Each target sets itself up: a fresh machine needs Python 3.11+, make and pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV := $(VENV)/.dev
# UV=PATH installs with uv, which takes a fourth of pip's processor time; pip alone follows the settings of pip.
ifdef UV
make_venv = $(UV) venv --quiet --system-certs --seed --allow-existing --python $(PYTHON)
install_in = $(UV) pip install --quiet --system-certs --python $(1)/bin/python
else
make_venv = $(PYTHON) -m venv
install_in = $(1)/bin/python -m pip install --quiet
endif

.PHONY: run test test-all fuzz simulate pictures bench profile binary check format clean

run: $(READY)  ## start the server; ARGS="--port 9000" passes flags
	$(BIN)/trackd serve $(ARGS)

# `auto`: see tests/conftest.py. worksteal evens out what long tests leave uneven.
# Tests are compiled once, and not in each worker again.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist worksteal

test: $(DEV)  ## run the tests but for the long proofs; ARGS="-k track" passes flags
	$(PYTEST) -m "not slow" $(ARGS)

test-all: $(DEV) $(VENV)/.generators  ## run all tests, with more examples; ARGS="-k track" passes flags
	$(PYTEST) --hypothesis-profile=thorough --durations=30 --durations-min=10 $(ARGS)

fuzz: $(DEV)  ## run the property tests with other examples each time; ARGS="--minutes 10" passes flags
	$(BIN)/python -m tests.fuzz $(ARGS)

simulate: $(DEV)  ## play random histories against a model; ARGS="--seconds 600 --seed 1" passes flags
	$(BIN)/python -m tests.simulation $(ARGS)

pictures: $(DEV)  ## take the pictures of the live page for the documents anew; ARGS="--minutes 10" passes flags
	$(BIN)/python -m tests.browser.pictures $(ARGS)

bench: $(VENV)/.bench $(VENV)/.node-peer  ## compare the speed with other servers; ARGS="--only throughput --against REV" passes flags
	$(BIN)/python -m tests.bench $(ARGS)

profile: $(VENV)/.bench  ## where the time goes under load: flame graphs and tables
	$(BIN)/python -m tests.bench profile $(ARGS)

binary: $(DEV)  ## build dist/trackd-VERSION-linux-ARCH: one file that runs without Python; and its folder form
	$(BIN)/python packaging/binary/build.py

check: $(DEV) build/typing/trackd  ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	MYPYPATH=build/typing $(BIN)/mypy build/typing/trackd tests $(wildcard packaging/*.py packaging/binary/build.py)

format: $(DEV)  ## let ruff format the code and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist *.egg-info

$(READY): requirements.txt pyproject.toml core/version.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "trackd needs Python 3.11 or later: name one, as in  make PYTHON=python3.12 run"; exit 1; }
	@echo "Installing trackd in $(VENV): this takes about a minute, only the first time."
	$(make_venv) $(VENV)
	$(call install_in,$(VENV)) --requirement requirements.txt
	$(call install_in,$(VENV)) --no-deps --no-build-isolation --editable .
	@touch $@

# The tools for tests, checks and builds, in the same environment.
$(DEV): requirements-dev.txt $(READY)
	$(call install_in,$(VENV)) --requirement requirements-dev.txt
	@touch $@

# The packages for measuring. Where they cannot be installed, the measurements that need them are left out.
$(VENV)/.bench: $(DEV)
	@$(BIN)/python -m pip install --quiet --no-build-isolation --editable '.[bench]' && touch $@ || \
	  echo "PostgreSQL's driver and py-spy cannot be installed: the measurements that need them are left out."

# The packages of a peer on Node. One of them is compiled where no build of it is to be had, with the headers beside Node.
NODE_PEER := tests/bench/node
$(VENV)/.node-peer: $(NODE_PEER)/package.json $(NODE_PEER)/package-lock.json $(READY)
	@node=$$(command -v node) && prefix=$$(dirname $$(dirname $$node)) && \
	  mkdir -p $(VENV)/node-peer && cp $(NODE_PEER)/package*.json $(VENV)/node-peer && \
	  if [ -d $$prefix/include/node ]; then export npm_config_nodedir=$$prefix; fi && \
	  npm ci --silent --no-fund --no-audit --prefix $(VENV)/node-peer && touch $@ || \
	  echo "The peer on Node needs node, npm and a C++ compiler, and cannot be installed: it is left out."

# Generators of API clients, for the test of the API description. They have versions of their own of what trackd uses.
GENERATORS := tests/generators
$(VENV)/.generators: $(GENERATORS)/requirements.txt $(GENERATORS)/package-lock.json $(READY)
	@$(make_venv) $(VENV)/generators && \
	  $(call install_in,$(VENV)/generators) --requirement $(GENERATORS)/requirements.txt && \
	  cp $(GENERATORS)/package.json $(GENERATORS)/package-lock.json $(VENV)/generators && \
	  npm ci --silent --no-fund --no-audit --prefix $(VENV)/generators && touch $@ || \
	  echo "The generators of API clients need npm and cannot be installed: their tests are left out."

# mypy does not follow the map from folders to packages of an editable install: it follows these links.
build/typing/trackd: pyproject.toml
	@rm -rf $@ && mkdir -p $@
	@for package in actors cli config core http load storage telemetry ui; do ln -s ../../../$$package $@/$$package; done
	@touch $@
