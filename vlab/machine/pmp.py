"""Physical memory protection: 16 entries that say which mode may do what where (Privileged ISA, 3.7)."""

from dataclasses import dataclass

from vlab.riscv import Access, Mode

R, W, X, LOCKED = 1, 2, 4, 0x80
NEEDED = {Access.LOAD: R, Access.STORE: W, Access.FETCH: X}
OFF, TOR, NA4, NAPOT = range(4)
_MATCHING = 0x18


@dataclass(frozen=True, slots=True)
class Region:
    """One active entry: addresses from `first` up to, not including, `end`, and its configuration byte."""

    first: int
    end: int
    config: int


class Pmp:
    """The regions of one hart, in order of priority; made anew whenever a pmp register is written."""

    def __init__(self, configs: list[int], addresses: list[int]):
        self.regions = [region for i in range(len(configs)) if (region := _region(configs, addresses, i))]

    def allowed(self, address: int, size: int, mode: Mode) -> int:
        """What `mode` may do to all these bytes (R, W, X bits). The lowest entry that touches them decides."""
        for region in self.regions:
            if region.first < address + size and address < region.end:
                if address < region.first or region.end < address + size:
                    return 0  # an access that it matches in part fails, M mode's too
                bound = mode != Mode.M or region.config & LOCKED
                return region.config & (R | W | X) if bound else R | W | X
        return R | W | X if mode == Mode.M else 0

    def uniform(self, page: int, size: int) -> bool:
        """Whether no region begins or ends inside these `size` bytes, so that one answer fits them all."""
        for region in self.regions:
            if page < region.first < page + size or page < region.end < page + size:
                return False
        return True


def _region(configs: list[int], addresses: list[int], i: int) -> Region | None:
    config, address = configs[i], addresses[i]
    how = matching(config)
    if how == TOR:
        first = addresses[i - 1] << 2 if i else 0
        return Region(first, address << 2, config) if first < address << 2 else None
    if how == NA4:
        return Region(address << 2, (address << 2) + 4, config)
    if how == NAPOT:
        ones = (~address & address + 1).bit_length() - 1  # trailing ones give the size: 2^(ones+3) bytes
        first = (address & ~((1 << ones) - 1)) << 2
        return Region(first, first + (1 << ones + 3), config)
    return None


def matching(config: int) -> int:
    """How an entry names its addresses, its A field: OFF, TOR, NA4 or NAPOT."""
    return (config & _MATCHING) >> 3


def legal_config(old: int, new: int) -> int:
    """What one configuration byte holds after a write: a locked one stays, and W without R is reserved."""
    if old & LOCKED:
        return old
    new &= R | W | X | _MATCHING | LOCKED
    return new & ~W if new & W and not new & R else new
