VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help install demo test test-fast docs lint types contracts pytest format clean

help:  ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed  ## Install the pinned packages of all commands and tests.

PINNED := setup.cfg pyproject.toml constraints.txt
PIP_INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt

# What the demo runs with; the rest is added to it.
$(VENV)/.demo-installed: $(PINNED)
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) --editable '.[cpu,tflite]'
	@touch $@

$(VENV)/.installed: $(VENV)/.demo-installed
	$(PIP_INSTALL) --editable '.[cpu,jax,gcs,beam,plot,rows,tune,serve,onnx,tflite,openvino,lite,wandb,docs,dev,test]'
	@$(PIP_INSTALL) annoy > $(VENV)/annoy.log 2>&1 \
	  || echo "note: Annoy did not compile (needs a C++ compiler and Python headers; see $(VENV)/annoy.log);" \
	          "everything but the annoy back end works without it"
	@touch $@

demo: $(VENV)/.demo-installed  ## Install what the demo needs, run it, and print its table.
	$(BIN)/python -m glrtf.demo

test: lint types contracts pytest  ## Everything that must pass.

FAST := tests/tfrecords_tools tests/glrtf/embeddings tests/glrtf/retrieval tests/glrtf/evaluation tests/glrtf/tuning \
  tests/glrtf/reporting tests/glrtf/photos tests/glrtf/charts tests/glrtf/config/test_presets.py tests/glrtf/service/test_batching.py
# Processes killed, storage emulated, Beam, TensorFlow, a browser, whole samples drawn.
SLOW := *bfloat16* *survival* *remote* *beam* *test_backends.py *_backend.py *in_browser* *test_draw.py *campaign* *test_parity.py

test-fast: install  ## Lint, and the tests that need neither TensorFlow nor a browser.
	$(BIN)/ruff check .
	$(BIN)/python -m pytest $(FAST) $(foreach name,$(SLOW),--ignore-glob='$(name)')

docs: install  ## Build the documentation into site/; warnings are errors.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

lint: install  ## Check style and format.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install  ## Check types.
	$(BIN)/mypy

contracts: install  ## Check that dependencies point down.
	$(BIN)/lint-imports

# Two processes: each may hold a gigabyte of TensorFlow. A file's tests share what it prepares.
# In the order of tests/conftest.py, the longest files first; xdist's own puts files of one test last.
# Two runs, since TensorFlow keeps gigabytes of what earlier tests compiled.
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder
APART := tests/tfrecords_tools tests/glrtf/training

pytest: install  ## Run the tests.
	$(PYTEST) $(APART)
	$(PYTEST) $(foreach place,$(APART),--ignore=$(place))

format: install  ## Format the code.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove the virtual environment and what the demo wrote.
	rm -rf $(VENV) runs site dist
