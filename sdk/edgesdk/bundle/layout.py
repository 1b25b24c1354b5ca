"""The fixed numbers of the .edge image, as in include/edge/image.h and docs/image.md."""

MAGIC = b"EDGE"
VERSION = 1
HEADER_BYTES = 32
ENTRY_BYTES = 16
MAX_SECTIONS = 32
ROUNDING_TWICE = 2
ALIGN = 16

FEATURES = "FEAT"
TOKENS = "TOKS"
SEARCH = "SRCH"
BIAS = "BIAS"
ENDPOINT = "ENDP"
ENDPOINT_GRAPH = "GEND"
ENDPOINT_TFLITE = "tend"
META = "meta"
DEBUG = "dbug"
SAMPLES = "smpl"
# Role of a graph -> its device section and the section of its .tflite file.
GRAPHS = {
    "encoder": "GENC",
    "predictor": "GPRE",
    "joiner": "GJNT",
    "adapter": "GADA",
    "net": "GNET",
}
TFLITES = {
    "encoder": "tenc",
    "predictor": "tpre",
    "joiner": "tjnt",
    "adapter": "tada",
    "net": "tnet",
    "catalog": "tcat",
}
CATALOG = "gcat"  # the graph that turns phrases into rows, for the host


def align(size: int) -> int:
    """`size` rounded up to a multiple of 16 bytes."""
    return -(-size // ALIGN) * ALIGN


def for_host(tag: str) -> bool:
    """Whether a section stays on the host."""
    return tag[:1].islower()
