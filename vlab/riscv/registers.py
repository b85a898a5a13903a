"""The 32 integer registers and their names in the calling convention."""

ABI_NAMES: tuple[str, ...] = (
    *("zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1"),
    *(f"a{i}" for i in range(8)),
    *(f"s{i}" for i in range(2, 12)),
    *(f"t{i}" for i in range(3, 7)),
)

NUMBERS: dict[str, int] = (
    {name: number for number, name in enumerate(ABI_NAMES)}
    | {f"x{number}": number for number in range(32)}
    | {"fp": 8}
)
