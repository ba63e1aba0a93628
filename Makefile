# The commands of the project; README explains the first two.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test bounds coverage check bench bench-kernel study soak fuzz mutants kernel-mutants clients bpf object setup clean

setup: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "secgroup needs Python 3.11 or later, this is %d.%d: try make PYTHON=python3.11" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(STAMP)
	@PATH="$(CURDIR)/$(BIN):$$PATH" examples/three-tier/demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -n 2 -q tests/engine/test_differential.py tests/engine/test_engine.py

# The kernels once more, compiled so that no index leaves its array.
bounds: $(STAMP)
	NUMBA_BOUNDSCHECK=1 SECGROUP_PARTS=2 $(BIN)/python -m pytest -n 2 -q -o cache_dir=.pytest_cache/bounds \
	  tests/engine/test_differential.py tests/engine/test_fire.py tests/engine/test_flows.py tests/engine/test_engine.py \
	  tests/engine/test_cores.py tests/engine/test_snapshot.py

# Which branches of the kernels the tests reach, interpreted.
coverage: $(STAMP)
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m coverage run -m pytest -q tests/engine --ignore tests/engine/test_cache.py
	$(BIN)/python -m coverage report

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.check_sizes
	$(BIN)/python -m tools.check_kernels

bench: $(STAMP)
	$(BIN)/python -m benchmarks $(ARGS)

# As root: the kernel plane's, on this machine's kernel, in network namespaces of its own.
bench-kernel: $(STAMP)
	$(BIN)/python -m benchmarks --kernel $(ARGS)

study: $(STAMP)
	$(BIN)/python -m benchmarks.study --save

soak: $(STAMP)
	$(BIN)/python -m tests.soak $(ARGS)

fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz $(ARGS)

mutants: $(STAMP)
	$(BIN)/python -m tests.mutants $(ARGS)

# Wrong kernel programs, each built by clang; needs root.
kernel-mutants: $(STAMP)
	$(BIN)/python -m tests.conformance.mutants $(ARGS)

clients: $(STAMP)
	$(BIN)/python -m tools.clients $(ARGS)

BPF := src/secgroup/dataplane/bpf
# Needs clang 14, llvm-strip and libbpf-dev; a test compares what it makes with what is committed.
bpf: $(STAMP)
	$(BIN)/python -m tools.bpf_header
	$(MAKE) --no-print-directory object
	$(BIN)/python -m tools.bpf_record

object:
	clang -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -I/usr/include/$(shell uname -m)-linux-gnu \
	  -ffile-prefix-map=$(CURDIR)/$(BPF)/src/= -fdebug-compilation-dir=. \
	  -c $(BPF)/src/secgroup.bpf.c -o $(BPF)/secgroup.bpf.o
	llvm-strip -g $(BPF)/secgroup.bpf.o

clean:
	rm -rf $(VENV) .clients .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
