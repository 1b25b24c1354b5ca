"""What the firmware that goes with a bundle takes of the board."""

from edgesdk.board import Board
from edgesdk.build import build
from edgesdk.bundle import Bundle
from edgesdk.elf import Sizes
from edgesdk.errors import BuildError
from edgesdk.needed import needed_options


def firmware_sizes(board: Board, bundle: Bundle) -> tuple[Sizes | None, str]:
    """Sizes of the firmware that flash would build, or why they are not known (else "").

    Raises:
        FitError: code or variables exceed a memory of the board.
    """
    if not (board.has_role("code") or board.has_role("data")):
        return None, ""  # the operating system finds room for it
    try:
        image = build(board, bundle, needed_options(bundle))
    except BuildError as error:
        reason = str(error).partition(";")[0]
        return None, f"firmware not counted ({reason}); flash adds its code and variables"
    return image.sizes, ""
