"""Deploy, measure and emulate streaming RNN-T recognisers on microcontrollers."""

__version__ = "0.1.0"
