# `make` alone lists the commands. Needs make and a Python of 3.11 or newer; all else is installed below .venv and var.

PYTHON ?= python3
PORT ?=
BIN := .venv/bin
.DEFAULT_GOAL := help

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: .run ## start everything on http://localhost:8000 (another port: make run PORT=8010)
	@exec $(BIN)/python -m ops up $(if $(PORT),--port $(PORT))

.PHONY: simulate
simulate: .run ## bring the running product to life: patients arrive, staff call, people chat
	@$(BIN)/python -m ops simulate

.PHONY: test
test: .test lint types contracts web-test ## check everything: lint, types, import contracts, pages, tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: fuzz
fuzz: .test ## random input for API and sockets (FUZZ_EXAMPLES=200 for each operation and role, FUZZ_CONNECTIONS=24000)
	@FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-200} FUZZ_CONNECTIONS=$${FUZZ_CONNECTIONS:-24000} $(BIN)/python -m pytest tests/fuzz

.PHONY: lint
lint: .test ## check style with ruff
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

.PHONY: types
types: .test ## check types with mypy --strict
	@$(BIN)/mypy

.PHONY: contracts
contracts: .test ## check who imports whom
	@$(BIN)/lint-imports

.PHONY: web-test
web-test: .test ## build the web pages and test them
	@$(BIN)/python -m ops build-web --test

.PHONY: format
format: .test ## format the code and repair what ruff can repair
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: migrate
migrate: .run ## migrate the database of DATABASE_URL (make run does it by itself)
	@$(BIN)/python -m ops migrate

.PHONY: psql
psql: .run ## open psql on the running database
	@$(BIN)/python -m ops psql

.PHONY: status
status: .run ## show what runs in this checkout
	@$(BIN)/python -m ops status

.PHONY: picture
picture: .test ## make the picture of the board that the README shows
	@$(BIN)/python -m ops picture

.PHONY: bench
bench: .test ## measure the hub against its floor and its peers (docs/performance.md; needs gcc)
	@$(BIN)/python -m bench

.PHONY: lock
lock: ## choose current releases anew and write requirements/*.lock (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: https://docs.astral.sh/uv/"; exit 1; }
	@for target in app run test; do \
	  case $$target in app) with="";; run) with="--extra embedded";; test) with="--extra embedded --group dev";; esac; \
	  uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-annotate \
	    --python-version 3.11 pyproject.toml $$with --output-file requirements/$$target.lock || exit 1; \
	done

.PHONY: clean
clean: ## remove what can be made again (never the data in var)
	@rm -rf .venv .mypy_cache .ruff_cache .hypothesis .import_linter_cache web/node_modules web/dist
	@find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +

# Packages: installed once, and again when the lock has changed.
.PHONY: .run .test
.run .test:
	@command -v $(PYTHON) >/dev/null || { echo "Carebell needs Python 3.11 or newer, and $(PYTHON) was not found."; exit 1; }
	@$(PYTHON) ops/bootstrap.py $(subst .,,$@)
