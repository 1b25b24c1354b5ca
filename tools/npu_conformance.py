"""Runs the NPU conformance suite of tests/npu: `python tools/npu_conformance.py --help`."""

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "npu"))
runpy.run_module("conformance", run_name="__main__", alter_sys=True)
