"""Float graphs to full-integer TFLite: calibration, scales, operators."""
