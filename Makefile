# Two commands are for readers: `make lab` and `make test`. `make help` lists the rest.
PYTHON ?= python3
ENV    := .venv
BIN    := $(ENV)/bin
READY  := $(ENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help env lab check test test-slow test-all notebooks claims claims-next versions pages book bench address lock clean browser

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

env: $(READY)  ## the environment of the course, in .venv, exactly as locked

# Where Python may not keep what it has compiled (PYTHONDONTWRITEBYTECODE, as in many containers), every server that
# starts would compile all libraries anew, and take twice as long.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; found " + sys.version.split()[0] + ". Try: make $(MAKECMDGOALS) PYTHON=python3.12")'
	$(PYTHON) -m venv $(ENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -o '^uv==[0-9.]*' requirements.lock)"
	$(BIN)/uv pip sync --quiet --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	-[ -z "$$PYTHONDONTWRITEBYTECODE" ] || $(BIN)/python -m compileall -qq -j 0 $(ENV)/lib sessionlab
	@touch $(READY)

# Jupyter refuses to run as root unless told so; in a container root is all there is.
lab: $(READY)  ## JupyterLab, open on the first chapter
	$(BIN)/jupyter lab --ip=127.0.0.1 $$([ "$$(id -u)" = 0 ] && echo --allow-root) --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb $(LAB)

browser: $(READY)
	@$(BIN)/python -m sessionlab.client.get_browser || { [ -z "$$CI" ] && echo "What needs a browser will be skipped, and listed at the end."; }

# More tests at a time than there are cores: much of what they do is waiting.
PARALLEL := -n $(or $(WORKERS),3) --dist loadgroup --no-loadscope-reorder

check: $(READY)  ## style, types, and the tests that start no server: a minute
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 -q -m "not server and not slow" tests

test: $(READY) browser  ## the tests, and every notebook run and compared; PYTEST="tests/test_serve.py" for a part
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow" $(PYTEST)

test-slow: $(READY) browser  ## what `make test` leaves out
	$(BIN)/python -m pytest $(PARALLEL) -m slow $(PYTEST)

test-all: $(READY) browser  ## everything that there is
	$(BIN)/python -m pytest $(PARALLEL) $(PYTEST)

notebooks: $(READY) browser  ## run every notebook and store what it prints
	SESSIONLAB_RECORD=1 SESSIONLAB_PROGRESS=$$(mktemp -u) $(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False \
	  --ExecutePreprocessor.timeout=300 $(or $(ONLY),notebooks/*.ipynb)

claims: $(READY)  ## what is said about sessions, with verdicts and proofs; WORDS="..." looks for some
	@$(BIN)/python -m sessionlab.course.claims $(WORDS)

claims-next: $(READY) browser  ## run the proofs with the newest Panel and Bokeh, and list what has changed
	$(BIN)/python -m sessionlab.course.claims_next

versions: $(READY) browser  ## the tests of the lab with every supported Python, Panel and Bokeh: an hour
	$(BIN)/python -m sessionlab.course.supported

pages: $(READY)  ## the cheat sheet, the glossary and "what do I do about" as HTML and PDF, in build/pages
	$(BIN)/python -m sessionlab.course.pages

book: $(READY)  ## the course as a static site, in build/book
	$(BIN)/sphinx-build -W --keep-going -q -c book . build/book
	@echo build/book/index.html

bench: $(READY)  ## what the instruments cost, how fast visits are, and the hunter beside other tools
	$(BIN)/python benchmarks/probe_overhead.py
	$(BIN)/python benchmarks/visits.py
	$(BIN)/python benchmarks/hunting.py
	$(BIN)/python benchmarks/living.py

soak: $(READY)  ## 200 visitors with bad luck behind nginx, for MINUTES=30
	$(BIN)/python benchmarks/soak.py --minutes $(or $(MINUTES),30)

address: $(READY)  ## let every link lead to where the course lives: URL=https://github.com/OWNER/NAME
	@$(BIN)/python -m sessionlab.course.set_address $(URL)

lock: $(READY)  ## a new requirements.lock from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra test --generate-hashes \
	  --no-emit-index-url --no-header --upgrade pyproject.toml --output-file requirements.lock

clean:  ## everything that the commands above made
	rm -rf $(ENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find notebooks -name .ipynb_checkpoints -type d -prune -exec rm -rf {} +
