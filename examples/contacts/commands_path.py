"""Makes the modules of examples/commands importable: model, losses, features, voices."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "commands"))
