# make demo    a sample class is made and graded; says what to look at next
# make test    all tests (installs torch and TensorFlow, about 8 GB; EXTRAS=dev does without)
# make check   lint, formatting and drift of generated files, without running tests
# make verify  proves every exercise: solutions earn everything, stubs nothing, every named mistake is caught; writes docs/kill-table.md
# make wrong-solutions  hands in the wrong solutions that were written without a look at the checks; none may earn everything
# make bench   what grading costs, beside one pytest process a submission

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
SEEDS  ?= 5
MODULES ?=
EXTRAS ?= dev,torch,tensorflow,nbgrader,otter,cluster
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check verify wrong-solutions bench clean

demo: $(VENV)/.core
	rm -rf build/class build/results
	$(BIN)/autograder sample build/class
	$(BIN)/autograder grade build/class --out build/results

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --dist loadfile

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/autograder build --check
	$(BIN)/python docs/diagrams.py --check

verify: $(VENV)/.dev
	$(BIN)/autograder verify $(MODULES) --table --seeds $(SEEDS)

wrong-solutions: $(VENV)/.dev
	AUTOGRADER_WRONG_SOLUTIONS=1 $(BIN)/python -m pytest -n auto tests/test_wrong_solutions.py

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/cost.py
	$(BIN)/python benchmarks/practice.py

$(VENV)/.core: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) --editable '.[$(EXTRAS)]'
	touch $@

clean:
	rm -rf $(VENV) build
