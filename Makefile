# make demo   the whole way: convert the shipped recogniser, flash it, run it, report
# make test   lint, types, Python tests, C tests on the host and on emulated Cortex-M4 and M55
# make bench  what kernels, models and recogniser cost on the emulated boards; the emulated NPU
# make soak   an hour of audio over a line that loses, doubles and corrupts bytes
# make fix    format what `make test` checks
# make clean  remove what these made (not .venv)

BOARD ?= qemu-mps3-an547
MODEL := examples/commands
OUT := out/$(BOARD)
PYTHON := .venv/bin/python
EDGESDK := .venv/bin/edgesdk
C_FILES = $(shell git ls-files -co --exclude-standard -- '*.c' '*.h')

.PHONY: demo test bench soak fix clean
.NOTPARALLEL:

demo:
	tools/setup.sh $(BOARD) convert,emulate,npu,report
	$(EDGESDK) doctor --board $(BOARD)
	$(EDGESDK) convert $(MODEL)/onnx --calibration $(MODEL)/calibration \
	    --board $(BOARD) -o $(OUT)/bundle
	$(EDGESDK) flash $(OUT)/bundle/model.edge --board $(BOARD)
	$(EDGESDK) run $(MODEL)/clips --board $(BOARD) \
	    --expect $(MODEL)/clips/clips.tsv --report $(OUT)/report

test:
	tools/setup.sh all convert,emulate,flash,npu,report,rescore,train,dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/clang-format --dry-run -Werror $(C_FILES)
	$(PYTHON) -m pytest -n auto --maxprocesses 4 --dist loadfile --strict-skips --durations=10

bench:
	tools/setup.sh qemu-mps3-an547 convert,emulate,npu,report
	$(PYTHON) benchmarks/kernels.py
	$(PYTHON) benchmarks/models.py
	$(PYTHON) benchmarks/boards.py
	$(PYTHON) benchmarks/npu.py

soak:
	tools/setup.sh host convert,emulate
	$(PYTHON) benchmarks/soak.py --stream-s 60

fix:
	tools/setup.sh all convert,emulate,flash,npu,report,rescore,train,dev
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .
	.venv/bin/clang-format -i $(C_FILES)

clean:
	rm -rf out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
