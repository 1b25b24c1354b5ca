"""Boards: facts about hardware, one strict TOML file each, and the checks on them."""

from edgesdk.board.checks import CHECKS, validate
from edgesdk.board.facts import CORES, TIERS, Board
from edgesdk.board.load import faults_of, load_board, load_boards
from edgesdk.board.memory import Memory

__all__ = [
    "CHECKS",
    "CORES",
    "TIERS",
    "Board",
    "Memory",
    "faults_of",
    "load_board",
    "load_boards",
    "validate",
]
