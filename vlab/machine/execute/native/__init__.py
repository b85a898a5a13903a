"""The native engine: the same instructions, from the same table, as machine code made by LLVM.

`layout`: what native code and Python share. `text`, `expressions`, `functions`: meanings, and a restricted
Python, as LLVM IR. `handlers`, `pairs`: one an instruction, and for two that often follow each other. `flow`,
`common`, `routines`, `walks`: what runs between them. `privileged`, `csrs`: traps, returns, fences and CSRs.
`generating`, `building`, `keeping`, `linking`: machine code from all that, kept in a cache, and put in its place.
`codepages`, `slots`, `decoding`: instructions decoded into slots. `tlb`: the TLB in shared memory. `notes`: events.
`outside`: stores to devices. `engine`: the loop.
"""
