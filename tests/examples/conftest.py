"""Makes the modules of the examples importable."""

import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path[:0] = [str(EXAMPLES / "commands"), str(EXAMPLES / "contacts")]
