"""The native engine: the same instructions, from the same table, as machine code made by LLVM.

`layout`: what native code and Python share. `text`, `expressions`, `functions`: meanings, and a restricted
Python, as LLVM IR. `handlers`: one an instruction. `flow`, `common`, `routines`, `walks`: what runs between them.
`privileged`, `csrs`: traps, returns, fences and CSRs. `building`: machine code from all that. `codepages`, `slots`,
`decoding`: instructions decoded into slots. `tlb`: the TLB in shared memory. `notes`: events. `engine`: the loop.
"""
