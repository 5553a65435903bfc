# The commands a person types. Everything is kept inside .venv/ and .local/.

LOCAL  := .local
PY     := .venv/bin/python
RUN    := $(PY) -m retailsync.platform run --
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help demo up manage test test-live lint format bench down clean-data

help:  ## print these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' Makefile

demo: .venv/.run  ## the product with simulated shops, ERPs and warehouses
	@$(RUN) $(PY) manage.py demo $(ARGS)

up: .venv/.run  ## the product alone: web, workers, beat (Ctrl-C stops everything)
	@$(RUN) $(PY) manage.py up $(ARGS)

manage: .venv/.run  ## any management command: make manage ARGS="shell"
	@$(RUN) $(PY) manage.py $(ARGS)

test: .venv/.dev  ## the tests, on two cores; with ARGS, which go to pytest, on one
	@$(RUN) $(PY) -m pytest $(or $(ARGS),--numprocesses 2 --dist loadfile)

test-live: .venv/.dev  ## tests against real systems (ODOO_URL, ODOO_KEY, … in the environment)
	@$(RUN) $(PY) -m pytest -m live tests/live $(ARGS)

lint: .venv/.dev  ## ruff, formatting, types
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

format: .venv/.dev  ## let ruff rewrite what it can
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

bench: .venv/.dev  ## the benchmarks; ARGS go to them
	@$(RUN) $(PY) -m benchmarks $(ARGS)

down: .venv/.run  ## stop embedded servers that something left running
	@$(PY) -m retailsync.platform down

clean-data: .venv/.run  ## stop the embedded servers and delete their data
	@$(PY) -m retailsync.platform clean-data

# Python 3.11 or 3.12; a newer one only where Redis need not come from a wheel.
FITS := import ensurepip, os, shutil, sys, venv; v = sys.version_info[:2]; \
	redis = os.environ.get("REDIS_URL") or shutil.which("redis-server") or shutil.which("valkey-server"); \
	sys.exit(v < (3, 11) or (v > (3, 12) and not redis))

.venv/.made:
	@for python in $(or $(PYTHON),python3.12 python3.11 python3); do \
	  if $$python -c '$(FITS)' >/dev/null 2>&1; then $$python -m venv .venv && touch $@; exit; fi; \
	done; \
	echo "retailsync needs Python 3.11 or 3.12 with venv (or a newer one plus redis-server); name it with PYTHON=/path/to/python." >&2; \
	exit 2

.venv/.run: requirements.txt | .venv/.made
	@echo "Installing requirements (a minute the first time) …"
	@$(PY) -m pip install -qq --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt .venv/.run
	@echo "Installing development requirements …"
	@$(PY) -m pip install -qq --disable-pip-version-check -r requirements-dev.txt
	@touch $@
