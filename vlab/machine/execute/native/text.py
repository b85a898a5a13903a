"""LLVM IR as text, line by line."""

from collections.abc import Iterable


class Text:
    """A function's body as it grows."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._names = 0

    def line(self, text: str) -> None:
        """One instruction without a value."""
        self.lines.append(f"  {text}")

    def value(self, text: str) -> str:
        """One instruction; the name of its value."""
        self._names += 1
        self.line(f"%v{self._names} = {text}")
        return f"%v{self._names}"

    def label(self) -> str:
        """A new label, still to be placed."""
        self._names += 1
        return f"l{self._names}"

    def place(self, label: str) -> None:
        """What follows is at this label."""
        self.lines.append(f"{label}:")

    def branch(self, condition: str, then: str, other: str, *, likely: bool = False) -> None:
        """Go to one of two labels."""
        weights = ", !prof !0" if likely else ""
        self.line(f"br i1 {condition}, label %{then}, label %{other}{weights}")

    def jump(self, label: str) -> None:
        """Go to a label."""
        self.line(f"br label %{label}")

    # Memory

    def pointer(self, base: str, offset: int | str) -> str:
        """So many bytes from a pointer."""
        if offset == 0:
            return base
        return self.value(f"getelementptr i8, ptr {base}, i64 {offset}")

    def load(self, pointer: str, bits: int, *, signed: bool = False) -> str:
        """An i64 from so many bits."""
        if bits == 64:
            return self.value(f"load i64, ptr {pointer}, align 1")
        found = self.value(f"load i{bits}, ptr {pointer}, align 1")
        return self.value(f"{'sext' if signed else 'zext'} i{bits} {found} to i64")

    def store(self, pointer: str, bits: int, value: str) -> None:
        """The low bits of an i64."""
        if bits < 64:
            value = self.value(f"trunc i64 {value} to i{bits}")
        self.line(f"store i{bits} {value}, ptr {pointer}, align 1")

    def as_pointer(self, address: str) -> str:
        """A pointer from an i64."""
        return self.value(f"inttoptr i64 {address} to ptr")

    def function(self, head: str) -> str:
        """The whole function."""
        return "\n".join([f"{head} {{", *self.lines, "}"])


def routine(name: str, arguments: Iterable[str]) -> str:
    """A call, or the head, of a routine: its parameters and its result are i64s."""
    return f'fastcc i64 @"routine {name}"({", ".join(f"i64 {one}" for one in arguments)})'
