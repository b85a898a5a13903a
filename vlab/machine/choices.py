"""What the specification leaves to the implementer, and what this machine chose: one table; tests hold it."""

from typing import NamedTuple

TLB_ENTRIES = 1024  # a context
GATE = 1 << 62  # where a trap vector points when the software behind it is a resident, written in Python
SINK = 32  # of a hart's registers: where its engines write x0


def tlb_index(page: int) -> int:
    """Where the TLB keeps a virtual page. Folded: by the lowest bits alone, RAM and devices would collide."""
    return (page ^ page >> 10) % TLB_ENTRIES


class Choice(NamedTuple):
    """One thing left open by the specification, and the answer here."""

    what: str
    choice: str


CHOICES: tuple[Choice, ...] = (
    Choice("ASIDLEN", "0: address-space identifiers read as zero"),
    Choice(
        "A and D bits",
        'set by hardware; with Svade (extensions="_svade") a page fault where one is missing; with Svadu ("_svadu") '
        "as ADUE says, which menvcfg has set at reset, but with Svade too",
    ),
    Choice("paging", 'Bare and Sv39; with extensions="_sv48" Sv48 too'),
    Choice("mtime", "one tick an attempted instruction (k = 1), and what wfi skips"),
    Choice("TLB", f"{TLB_ENTRIES} entries a context, direct-mapped; misses and faults are never remembered"),
    Choice("TLB index", "the virtual page number, its upper bits folded once over its lowest ten"),
    Choice("xtval", "the address for address faults, the word for illegal ones, pc for ebreak, else 0"),
    Choice("PMP", "16 entries, 4-byte grain"),
    Choice("misaligned loads and stores", "done in hardware in RAM; access fault on devices"),
    Choice("misaligned atomics", "address-misaligned exception, before any page fault"),
    Choice("atomics on devices", "access fault"),
    Choice(
        "reservation",
        "the exact address and size; kept over traps, lost by any sc; a virtual machine has one of its own, "
        "which waits for its next turn",
    ),
    Choice("a failing sc", "faults and sets D as one that stores"),
    Choice("wfi in U", "illegal instruction: its bounded wait is zero"),
    Choice("wfi elsewhere", "time jumps to the next deadline"),
    Choice("stores to code", "seen by the next fetch, with or without fence.i"),
    Choice("a satp write with an unsupported mode", "changes nothing"),
    Choice(
        "PLIC", "31 sources, priorities 0 to 7; a source is pending while its pin is up and it isn't claimed"
    ),
    Choice(
        "virtio", "modern virtio-mmio, split queues of up to 256; no indirect descriptors, no event index"
    ),
    Choice("virtio requests", "done within the store that notifies, 4 MiB a chain at most"),
    Choice(
        "what a virtio driver must not do",
        "DEVICE_NEEDS_RESET; for a register's wrong width, an access fault",
    ),
    Choice("virtio drivers without VERSION_1", "served all the same; by a network card refused"),
    Choice("DMA and lr", "a device's write to reserved bytes makes the sc fail"),
    Choice("mcountinhibit", "read-only zero: counters always count"),
    Choice("vectored traps", "supported: MODE 0 and 1; other modes leave MODE as it was"),
    Choice(
        "compressed instructions",
        'only with extensions="C"; their fetch asks for two bytes at a time, and what lies in two pages is '
        "fetched anew each time",
    ),
    Choice("misa", "says what the computer was built with; no write changes it"),
    Choice("H: VMIDLEN and GEILEN", "0: VMID and VGEIN read as zero, there are no guest external interrupts"),
    Choice("H: hgatp", "Bare or Sv39x4, whose root has PPN[1:0] read as zero"),
    Choice("H: wfi in VS under VTW", "a virtual instruction, always"),
    Choice("H: fences", "each forgets all translations, of every guest"),
    Choice("H: hlvx", "walks the tables each time, and never asks the TLB"),
    Choice(
        "H: htval, mtval2", "the guest-physical address of every guest-page fault, never zero in its place"
    ),
    Choice(
        "H: htinst, mtinst",
        "for a load, store or atomic to a guest's memory that faults, it, transformed, if it can still be read; "
        "the pseudoinstruction where the guest's own tables fault; else zero",
    ),
)
