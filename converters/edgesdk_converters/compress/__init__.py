"""Structured sparsity, low-bit palettes and their repair, on values only: graphs stay ordinary."""
