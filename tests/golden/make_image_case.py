"""Writes image_case.json: a .tflite file, its image, inputs and what TFLite answers.

A change of the image format, of lowering or of a kernel shows here, byte for byte. Run from the
repository as `PYTHONPATH=tests/converters python tests/golden/make_image_case.py`.
"""

import base64
import json
from pathlib import Path

import numpy as np
from edgesdk_converters.lower import lower_single
from single_op import interpreter, run_oracle
from test_lower_lstm import draw, frames, layer

STEPS = 6


def image_case() -> dict[str, object]:
    """One LSTM layer, `STEPS` runs of one time step."""
    rng = np.random.default_rng(2026)
    weights = draw(rng, 9, 13)
    data = layer(weights, 1)
    oracle = interpreter(data)
    inputs = frames(rng, STEPS, weights.inputs)
    outputs = [run_oracle(oracle, [inputs[:, t : t + 1]])[0] for t in range(STEPS)]
    return {
        "tflite": base64.b64encode(data).decode(),
        "image": base64.b64encode(lower_single(data).device_bytes()).decode(),
        "inputs": [inputs[0, t].tolist() for t in range(STEPS)],
        "outputs": [output.reshape(-1).tolist() for output in outputs],
    }


if __name__ == "__main__":
    path = Path(__file__).with_name("image_case.json")
    path.write_text(json.dumps(image_case(), indent=1) + "\n", encoding="utf-8")
