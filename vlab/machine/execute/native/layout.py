"""Where everything stands that native code and Python share: numbers, and nothing else.

*State block*: the 32 registers and the sink for x0, then the fields below, 8 bytes each.

*Context*: one TLB. First what is only quick, then what is architecture, as the Python engine has it too:

    quick   1,024 × {read tag, write tag, addend, –}    by the page's lowest bits; a tag is an aligned address
    exec    1,024 × {tag, code page}                    the same for fetches
    pages   1,024 × virtual page number                 by `tlb_index`; NO_PAGE where nothing is remembered
    frames  1,024 × physical page number and rights
    then the context's key, field by field; how many entries it got since it was empty, and the pages of the first

An addend leads from a virtual address to the host's memory. One compare of a tag with an address without those
of its offset bits that an aligned access may have set checks page, presence and alignment at once.

*Code page*: one physical page's instructions, decoded: a *slot* every two bytes, and one behind the last. A code
page begins at a multiple of its size, so a slot's address tells its pc. A slot is {handler, operands}:

    handler  8 bytes: native code
    imm      4 bytes; where there is an rs2 too, that takes 1 of them, and imm the upper 2
    rd       1 byte
    rs1      1 byte
    left     2 bytes: instructions from here to the end of the straight line, this one included

Behind the slots stands where the page is in the host, and how many slots are filled.
"""

from vlab.machine.mmu import Key

REGISTERS = 33

# CSRs that native code reads or writes; and those that a hart with H has besides.
CSR_FIELDS = (
    "mstatus", "medeleg", "mideleg", "mie", "menvcfg", "satp", "mcounteren", "scounteren", "mcycle", "minstret",
    "mtvec", "mscratch", "mepc", "mcause", "mtval",
    "stvec", "sscratch", "sepc", "scause", "stval", "senvcfg",
)  # fmt: skip
H_FIELDS = (
    "hstatus", "hedeleg", "hideleg", "hcounteren", "htimedelta", "htval", "htinst", "hgatp", "mtval2", "mtinst",
    "vsstatus", "vstvec", "vsscratch", "vsepc", "vscause", "vstval", "vsatp",
)  # fmt: skip
FIELDS = (
    "pc",  # where to begin, and where it stopped
    "count",  # attempts that may be made; those that are left
    "reason",  # why it stopped
    "code_page",  # the virtual page of the instructions being executed
    "fetch", "data",  # contexts in use
    "refetch",  # whether the TLB has forgotten the page that is being executed
    "ram", "base", "size",  # memory: in the host, and for the guest
    "open",  # a byte a page of memory: what stores to it may do
    "watched", "loads_watched",  # how many words of memory are watched, and where each is
    "codes",  # 8 bytes a page of memory: its code page
    "unaligned",  # the bits of an address that are zero where an instruction may begin
    "undecoded", "leaving",  # handlers: of a slot that holds nothing yet; that leaves to Python
    "illegal", "across", "beyond",  # and those of these names
    "row",  # of the decoder's table: what was decoded last
    "lone",  # a code page of no page of memory, for instructions by themselves
    "decoder",  # what each instruction's slot holds: `slots.decoder_table`
    "stops",  # a byte for each offset in a page: whether an instruction that stands there is Python's
    "polled", "status",  # where a device's register is that can be read without Python, and what it holds
    "value",  # a routine's result; the page of memory that wants a code page; the address of an access
    "device", "stored", "width", "next",  # of a store that no memory takes: where it goes, what, and what comes next
    "keeps_marks",  # whether A and D are left to software: 0, or always, or (of a guest Python asks) by ADUE
    "extended",  # whether the hart has H
    "virtual",  # its mode V
    "fault",  # the cause of the trap that the last access deserves; 0 where Python must look at it
    "second", "instruction",  # what a guest-page fault tells of besides, as `htval` and `htinst` have it
    "halting",  # whether somebody waits for some pc, so that a fetch that misses the TLB, or faults, is Python's
    "pmp_below", "pmp_machine",  # what PMP lets S and U, and M, do in all of memory; 0 where it isn't one answer
    "devices", "devices_end",  # their windows: {base, size}
    "place",  # in memory, of the entry that the last walk ended at
    "pmp", "pmp_count",  # its regions, by priority: {first, end, configuration}
    "told",  # whether every event must be told at once, so that Python has to make it
    "asked",  # whether Python looks around whenever something has changed that it goes by
    "look",  # whether it has to now
    "note", "notes_end",  # where the next note of an event goes, and where there is no room for more
    "traps",  # how often each exception was taken, by cause
    "mode",
    "changed",  # whether native code wrote a CSR or the mode
    "unretired",  # attempts that were no instructions retired
    "waking",  # interrupts that are pending, and whose own enable bit is set
    "rising",  # those that may be pending
    "end",  # the time when no attempts are left
    "timer",  # how much further `mtime` is than the time
    "slept",  # what `wfi` skipped
    "csrs",  # what each CSR is like: `csrs.csr_rows`
    "reserved", "reserved_size",  # what `lr` reserved: physical address, bytes (0: nothing)
    *(f"context{number}" for number in range(96)),  # by `context_number`
    *CSR_FIELDS,
    *H_FIELDS,
)  # fmt: skip
OFFSETS = {name: 8 * (REGISTERS + number) for number, name in enumerate(FIELDS)}
STATE_SIZE = 8 * (REGISTERS + len(FIELDS))

KEEPS_MARKS, BY_ADUE = 1, 2  # Svade; Svadu

# A context
SETS = 1024
QUICK_SIZE, EXEC_SIZE = 32, 16
READ_TAG, WRITE_TAG, ADDEND = 0, 8, 16
EXEC = SETS * QUICK_SIZE
PAGES = EXEC + SETS * EXEC_SIZE
FRAMES = PAGES + SETS * 8
KEY = FRAMES + SETS * 8
KEY_FIELDS = Key._fields
FILLED = KEY + 8 * len(KEY_FIELDS)  # how many entries were made since it was empty
FIRST_FILLED = FILLED + 8  # the pages of the first of them: so emptying it costs no more than filling it did
MOST_FIRST = 32
CONTEXT_SIZE = FIRST_FILLED + 8 * MOST_FIRST
NO_PAGE = (1 << 64) - 1
RIGHTS_BITS = 3

# A code page
SLOT = 16
SLOT_SHIFT = 3  # from an offset in a page, which is even, to that of its slot
IMM, UPPER_IMM, RD, RS1, LEFT = 8, 10, 12, 13, 14
CODE_PAGE = 1 << 16
END_SLOT = 2048  # behind the last
CODE_MEMORY, CODE_HELD = SLOT * (END_SLOT + 1), SLOT * (END_SLOT + 1) + 8

# The decoder's table: `slots`
SHORT_BUCKETS = 1 << 8  # those of compressed instructions come behind the others
BUCKETS = SHORT_BUCKETS + (1 << 5)
DECODER_CSRS = 4 * BUCKETS
DECODER_PAIRS = DECODER_CSRS + 4 * 4096  # the handlers of two instructions: by rs1, by rs2, by neither
PAIR_BACK = 24  # and then those of which the second jumps back
PAIR_SIZE = 48
ROW_MASK, ROW_MATCH, ROW_NONZERO = 0, 8, 16  # which bits are fixed, and how; of which some must be 1
ROW_HANDLER, ROW_LAST = 24, 32  # its handler; that at the end of a line
ROW_NEAR, ROW_QUIET = 40, 56  # those of a near jump: on, and back; and where it writes no register
ROW_SIGN, ROW_FIELDS = 72, 80  # the sign bit of its immediate; the fields that are always the same
ROW_HAS_RS2, ROW_HAS_CSR = 88, 96
ROW_FIRST, ROW_SECOND = 104, 112  # its place in the table of pairs as their first, and second; 0: none
ROW_PIECES = 120

# Why it stopped: no attempts are left; an instruction is Python's; a page wants a code page; a resident's `sret` may
# trap; Python has to look around; a resident stands at GATE, in S mode with V = 0; a store is a device's.
LIMIT, LEAVE, CODE, REFUSED, LOOK, ARRIVED, DEVICE = range(7)

# A note of an event: its kind, the time, the stack pointer, and five more numbers
NOTE_SIZE = 64
NOTES = 1 << 12  # most of them
TRAP, RETURN, CSR_WRITE, TLB_FILL, TLB_FLUSH = range(5)


# The number of a context among the state's fields: its mode, and these bits. Behind them are those of V = 1.
PAGED_SHIFT, SUM_SHIFT, MXR_SHIFT = 2, 3, 4
GUEST = 32
GUEST_PAGED_SHIFT, GUEST_SUM_SHIFT, GUEST_MXR_SHIFT, NESTED_SHIFT, HOST_MXR_SHIFT = 1, 2, 3, 4, 5
ALL_CONTEXTS = 96
CONTEXTS = OFFSETS["context0"]
PMP_ROW = 24  # bytes of a region of PMP
WINDOW = 16  # bytes of a device's window


def context_number(key: Key) -> int:
    """The number of a context."""
    if not key.virtual:
        return key.mode | key.paged << PAGED_SHIFT | key.sum << SUM_SHIFT | key.mxr << MXR_SHIFT
    own = key.paged << GUEST_PAGED_SHIFT | key.sum << GUEST_SUM_SHIFT | key.mxr << GUEST_MXR_SHIFT
    return GUEST + (key.mode | own | key.nested << NESTED_SHIFT | key.host_mxr << HOST_MXR_SHIFT)
