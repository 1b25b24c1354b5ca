"""What a bundle needs of a core: a word where its weights are packed for another one."""

from dataclasses import replace

import pytest
from edgesdk.board import load_board
from edgesdk.bundle import Bundle
from edgesdk.bundle.plan import Plan
from edgesdk.needed import layout_note
from small_bundle import recogniser_bundle

M4, M55 = "qemu-mps2-an386", "qemu-mps3-an547"


class _Packed(Bundle):
    """A bundle whose products have the given layouts."""

    layouts: tuple[int, ...] = ()

    @property
    def plans(self) -> tuple[Plan, ...]:
        plan = super().plans[0]
        records = [replace(plan.records[0], variant=layout) for layout in self.layouts]
        return (replace(plan, records=tuple(records)),)


def _bundle(*layouts: int) -> Bundle:
    bundle = _Packed(recogniser_bundle().sections, "small.edge")
    object.__setattr__(bundle, "layouts", layouts)
    return bundle


@pytest.mark.parametrize(
    ("layouts", "board", "foreign"),
    [
        ((0, 1, 1), M55, "dsp"),
        ((0, 2), M4, "mve"),
        ((1, 2), M55, "dsp"),
        ((0, 2), M55, None),
        ((1,), M4, None),
        ((0,), M55, None),
        ((1, 2), "host", None),
    ],
)
def test_weights_packed_for_another_core_are_told(
    layouts: tuple[int, ...], board: str, foreign: str | None
) -> None:
    note = layout_note(_bundle(*layouts), load_board(board))
    if foreign is None:
        assert note is None
    else:
        assert note is not None
        assert f"small.edge: weights are packed for cores with {foreign}, which {board}" in note
        assert note.endswith(f"convert with --board {board}")
