"""A guest that edits its page tables, and what its computer says of its shadows."""

from tests.hypervisor.stories import PAGED, ROOT, TO_S, guest
from tests.hypervisor.towers import Tower, difference, end, finished, tower
from vlab.events import Recording
from vlab.riscv import Program

# leaf[1] leads to a table of small pages, `other`; other[0] is `page`, at SMALL.
SMALL_PAGES = """
    la   t2, leaf
    la   t3, other
    srli t4, t3, 2
    ori  t4, t4, 1
    sd   t4, 8(t2)
    la   t1, page
    srli t1, t1, 2
    ori  t1, t1, 0xc7
    sd   t1, (t3)
    sfence.vma
    li   t0, 0x40200000
"""


def paged(body: str, data: str = "") -> Program:
    """A guest in S mode with small pages: t0 is a page's address, t3 that of its entry, t1 the entry."""
    program: Program = guest(PAGED + TO_S + SMALL_PAGES + body, ROOT + data)
    return program


def ran(body: str, shadow: object, depth: int = 1) -> tuple[Tower, Recording]:
    """The guest run to its end, which is the bare machine's, and the recording of its level."""
    image = paged(body)
    built = tower(image, depth, shadow=shadow)
    with built.machine.events.record() as run:
        built.run()
    assert difference(end(finished(image, 0).guest), end(built.guest)) == []
    return built, run.only(level=depth)
