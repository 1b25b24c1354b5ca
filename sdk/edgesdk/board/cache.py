"""The caches of a board's processor: [cpu] caches, and the checks on them."""

from collections.abc import Iterator, Sequence

from edgesdk.board.memory import Memory

CACHES = ("instruction", "data")
CACHED_CORES = ("cortex-m7", "cortex-m55", "cortex-m85")  # which a chip may give caches
LINE_BYTES = 32  # of all of them (Arm DDI 0489, 101273, 101924)
SHARED = frozenset({"model", "workspace"})  # what an NPU works on too


def check_caches(core: str, caches: Sequence[str], memories: Sequence[Memory]) -> Iterator[str]:
    """All that is wrong with caches, one sentence each."""
    for cache in caches:
        if cache not in CACHES:
            yield f"[cpu] caches has {cache!r}, which is none of {', '.join(CACHES)}; remove it"
    if caches and core not in CACHED_CORES:
        yield f"[cpu] caches: a {core} has none that the port turns on; remove them"
    if "data" not in caches:
        return
    for memory in memories:
        if SHARED & set(memory.holds) and ((memory.base or 0) | memory.size_bytes) % LINE_BYTES:
            yield (
                f"memory {memory.name!r} shares a cache line of {LINE_BYTES} bytes with something "
                "else; make base and size_bytes multiples of that"
            )


def cache_macros(caches: Sequence[str]) -> dict[str, str]:
    """Which caches the port turns on, for cortex_m/cache.h; none where the board has none."""
    macros = {f"EDGE_CACHE_{cache.upper()}": "1" for cache in CACHES if cache in caches}
    return macros | ({"EDGE_CACHE_LINE": f"{LINE_BYTES}u"} if macros else {})
