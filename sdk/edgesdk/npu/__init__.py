"""Arm Ethos-U: its command streams, in the words of the hardware's own registers."""
