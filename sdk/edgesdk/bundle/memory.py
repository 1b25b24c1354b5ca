"""The memory a bundle needs, by the same sums as the device (docs/image.md, last section)."""

from dataclasses import dataclass

from edgesdk.bundle.layout import align
from edgesdk.bundle.plan import Plan
from edgesdk.bundle.sections import Features, Search

HYPOTHESIS_BYTES = 64
CANDIDATE_BYTES = 40
TOKEN_BYTES = 24
OUTPUT_BYTES = 20
ARC_BYTES = 32

ROLES = ("encoder", "predictor", "joiner")


@dataclass(frozen=True)
class Buffer:
    """One part of the workspace; bytes are a multiple of 16."""

    name: str
    size_bytes: int


def recogniser_buffers(
    graphs: dict[str, Plan], arena_bytes: int, features: Features, search: Search, bias_bytes: int
) -> tuple[Buffer, ...]:
    """The workspace of edge_recogniser_workspace, part by part in its order."""
    parts = [("arena", arena_bytes)]
    parts += [(f"{r} state", graphs[r].state_bytes) for r in ROLES]
    parts += [("attention tables", graphs[r].state_bytes) for r in ("adapter",) if r in graphs]
    kept_state = 0 if search.beam == 1 else align(graphs["predictor"].state_bytes)
    parts += [
        ("samples", 2 * features.frame_length),
        ("spectrum", 4 * features.fft_size),
        ("mel", 4 * features.mel_bins),
        ("window", features.window_frames * features.mel_bins),
        ("encoder_out", search.frames_out * search.joiner_dim),
        ("kept predictor states", search.cache * kept_state),
        ("hypotheses", 2 * search.beam * HYPOTHESIS_BYTES),
        ("candidates", search.beam * CANDIDATE_BYTES),
        ("tokens", search.max_tokens * TOKEN_BYTES),
        ("predictor outputs", search.cache * OUTPUT_BYTES),
        ("predictor_out", search.cache * search.joiner_dim),
        ("logits", search.vocab),
        ("bias deltas", 4 * search.vocab),
        ("lattice", search.max_arcs * ARC_BYTES),
        ("bias tables", bias_bytes),
    ]
    return tuple(Buffer(name, align(size)) for name, size in parts)


def graph_buffers(plan: Plan) -> tuple[Buffer, ...]:
    """The workspace of a single graph."""
    return (Buffer("arena", align(plan.arena_bytes)), Buffer("state", align(plan.state_bytes)))
