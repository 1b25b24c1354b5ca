"""Benches: desks with boards on them, who holds them, and what became of a run there."""
