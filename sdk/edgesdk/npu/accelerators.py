"""The Ethos-U configurations that graphs are compiled for.

Source: Vela 5.2.0 (architecture_features.py and driver_actions.py, Apache-2.0); the words equal
those in the payloads that it writes.
"""

from dataclasses import dataclass

from edgesdk.errors import NpuError

BANK_BYTES = 1024
LUT_BANKS = 2
_PRODUCTS = ("u55", "u65", "u85")  # by their number in CONFIG


@dataclass(frozen=True)
class Accelerator:
    """One configuration. Blocks are (height, width, depth); banks are of one core's SHRAM."""

    name: str
    product: str
    cores: int
    macs: int
    """Multiplications per cycle, of all cores."""
    ofm_block: tuple[int, int, int]
    ifm_block: tuple[int, int, int]
    shram_banks: int

    @property
    def config(self) -> int:
        """Word of the CONFIG register, and of a payload that was compiled for it."""
        shram = self.cores * self.shram_banks * BANK_BYTES // 1024
        return _PRODUCTS.index(self.product) << 28 | shram << 8 | (self.macs.bit_length() - 1)

    @property
    def shram_bytes(self) -> int:
        """SHRAM of one core."""
        return self.shram_banks * BANK_BYTES

    @property
    def lut_offset(self) -> int:
        """Where look-up tables lie in the SHRAM: its last two banks."""
        return (self.shram_banks - LUT_BANKS) * BANK_BYTES


ACCELERATORS = {
    accelerator.name: accelerator
    for accelerator in (
        Accelerator("ethos-u55-32", "u55", 1, 32, (1, 1, 4), (1, 1, 8), 16),
        Accelerator("ethos-u55-64", "u55", 1, 64, (1, 1, 8), (1, 1, 8), 16),
        Accelerator("ethos-u55-128", "u55", 1, 128, (1, 2, 8), (1, 2, 8), 24),
        Accelerator("ethos-u55-256", "u55", 1, 256, (2, 2, 8), (2, 2, 8), 48),
        Accelerator("ethos-u65-256", "u65", 1, 256, (2, 2, 8), (2, 2, 8), 48),
        Accelerator("ethos-u65-512", "u65", 2, 512, (2, 2, 8), (2, 2, 8), 48),
    )
}


def accelerator_of(config: int, source: str = "command stream") -> Accelerator:
    """The accelerator with that CONFIG word; `source` names what was compiled for it in errors.

    Raises:
        NpuError: none of those known has it.
    """
    for accelerator in ACCELERATORS.values():
        if accelerator.config == config:
            return accelerator
    product = config >> 28
    made_for = f", an Ethos-{_PRODUCTS[product].upper()}" if product < len(_PRODUCTS) else ""
    raise NpuError(
        f"{source}: compiled for CONFIG {config:#010x}{made_for}, which edgesdk has not; compile "
        f"the graph for one of {', '.join(ACCELERATORS)}"
    )
