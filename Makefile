# Everything a contributor or user does, by one word each. `make demo` and `make test` set themselves up.
PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
UV := .uv/bin/uv

export UV_PYTHON_DOWNLOADS := never

.PHONY: generate lint types pins

generate: ## stubs and .pyi from proto/
	$(BIN)/python scripts/protos.py generate

format:
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python scripts/protos.py lint

types:
	$(BIN)/mypy plates mesh wire vision storage edge services gateway cli synth
