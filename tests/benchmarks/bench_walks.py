"""Many walks at once against as many one by one, through tables of a process's kind and through two stages."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.benchmarks.measuring import Spread, in_turns, seconds, spread, table, this_python
from vlab.paging import GuestRam, Memory, PageTable
from vlab.riscv.privilege import Access, Mode

if TYPE_CHECKING:
    import numpy

AIM = 200  # times the scalar walk
SCHEMES = ("Sv32", "Sv39", "Sv39, spread", "Sv48", "x86-64", "Sv39 over Sv39x4")
_PAGES, _FLAGS = 512, {"RISC-V": "RWUAD", "x86-64": "RW US A D"}


def _system(name: str) -> tuple[PageTable, PageTable | None, list[int]]:
    """A table, the host's under it, and its pages: in two stretches, or all over. Their A and D are set already."""
    host = PageTable(Memory(16 << 20), "Sv39x4") if "over" in name else None
    guest = PageTable(
        Memory(16 << 20) if host is None else GuestRam(host, 4 << 20), name.split(",")[0].split()[0]
    )
    apart = 0x1_0000_0000 if "spread" in name else 0x1000
    pages = [0x1_0000 + page // 8 * 8 * apart + page % 8 * 0x1000 for page in range(_PAGES)]
    if "spread" in name:
        pages = [page % (1 << 38) for page in pages]
    for page in pages:
        guest.map(page, 0x8000_0000, _FLAGS[guest.scheme.format.name])
        guest.touch(page, "store", host=host)
    return guest, host, pages


def measure(name: str, *, many: int, few: int, repetitions: int) -> Spread:
    """What a scalar walk takes, over what one of many takes; both to random addresses, all of them mapped."""
    import numpy as np

    guest, host, pages = _system(name)
    random = np.random.default_rng(0)
    asked = np.array(pages, np.uint64)[random.integers(0, len(pages), many)]
    asked += random.integers(0, 4096, many, np.uint64)
    one_by_one: list[int] = asked[:few].tolist()
    walks = [guest.walk(address, "load", "U", host=host) for address in one_by_one]
    found = guest.walk_many(asked, "load", "U", host=host)
    if found.physical[:few].tolist() != [walk.physical for walk in walks] or not found.ok.all():
        raise ValueError(f"{name}: they do not agree")
    acts: list[Callable[[], float]] = [
        partial(seconds, partial(_all, guest, host, one_by_one)),
        partial(seconds, partial(_at_once, guest, host, asked)),
    ]
    return spread((one / few) / (every / many) for one, every in in_turns(acts, repetitions))


def _all(guest: PageTable, host: PageTable | None, addresses: list[int]) -> None:
    for address in addresses:
        guest.walk(address, Access.LOAD, Mode.U, host=host)


def _at_once(guest: PageTable, host: PageTable | None, addresses: "numpy.ndarray[Any, Any]") -> None:
    guest.walk_many(addresses, Access.LOAD, Mode.U, host=host)


def report(*, quick: bool = False) -> str:
    """The table: how many times as fast, for each scheme."""
    many, few, repetitions = (20_000, 50, 2) if quick else (1_000_000, 5_000, 5)
    rows = [(name, measure(name, many=many, few=few, repetitions=repetitions)) for name in SCHEMES]
    return table(
        f"Many walks at once: {many:,} random addresses, over as many scalar walks ({this_python()})",
        ["scheme", "times as fast"],
        rows,
        [f"The aim: {AIM} × the scalar walk."],
    )
