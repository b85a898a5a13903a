"""The native engine: the same instructions, from the same table, as machine code made by LLVM.

It gives the interpreter's answers, about a hundred times as fast. Whoever wants to know what the machine *is*, reads
the interpreter; this is how the same is had quickly. In this order:

**How code becomes native.** The *meaning* of each row of the table of instructions becomes a *handler*, a small
function in LLVM's language (`text`, `expressions`, `handlers`). Pairs of instructions that often follow each other get
a handler of their own (`pairs`). What happens between instructions, such as a walk, a trap or decoding, is written in
a restricted Python (`functions` says what is allowed there) that is compiled and never run as such: `routines`,
`walks`, `privileged`, `csrs`, `words`, `decoding`. `generating` puts all of it together, once, for all machines: no
guest's code is ever compiled. LLVM makes an object file of that (`building`), which is kept in the user's cache under
a hash of all that it was made from (`keeping`), and later put in its place without LLVM (`linking`).

**What is shared.** `layout` says where everything stands. The *state block* has the registers, the CSRs, and pointers
to the rest; Python reads and writes the same bytes, so what leads to a device or a hypervisor copies nothing. A
*context* is one TLB (`tlb`). A *code page* is one physical page of instructions, decoded (`codepages`, `slots`): a
*slot* every two bytes, with the address of its handler and the operands. `regions` says where PMP and devices are.

**How it runs.** A handler does its instruction and jumps to the next slot's handler (`flow`): there is no loop, and the
state block, the slot and the attempts left stay in the host's registers. Attempts are taken off once for a whole
*straight line*, when it is entered. Whoever leaves it early gives the rest back; where too few are left for all of it,
its instructions are done one by one. So counts are exact at each stop. A slot that holds nothing yet has a handler
too, which decodes the line that begins there (`common`).

**Memory.** The TLB remembers what the interpreter's does, set by set. Beside each set stands what is only quick: a
tag, and what leads from a virtual address to the host's memory. One compare of the tag checks page, presence and
alignment. A page gets a tag for stores only while nobody wants to know of them: not while it is unchanged since the
last checkpoint, holds decoded instructions, or is watched. So the dirty log, code that changes, and "who wrote this?"
cost a quick store nothing.

**Exits.** What native code doesn't know, it leaves to Python *before anything has changed*, with the reason in the
state block (`layout` lists them), and Python does that one instruction as the interpreter does it (`engine`). A store
to a device is Python's, while the state stays where it is (`outside`). The same when a trap leads to a hypervisor in
Python: it works on the state block, where each series of CSR accesses is one Python function, written once
(`issuing`), and native code goes on with the `sret`.

**Events.** With a patient listener, native code notes traps, returns, CSR writes, and what the TLB does in a buffer,
and Python tells of them at the next exit (`notes`); when the buffer is full, the next of them is Python's. With a hasty
listener, whatever has an event is Python's from the start.

**Why it can be trusted.** A handler touches the host's memory only through a tag, which a walk and PMP have made, or
through a routine that has asked the same. No address, size or count that a guest chooses is used otherwise. Tests run
both engines in lock-step on random programs, states, page tables and stops, and compare everything, the TLB included.
`blocks` gives memory that stays where it is; `kinds` says which instructions have which handlers.
"""
