"""What `vlab run` writes down: counts, the trace, the signature. A file is there whole, or not at all."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from vlab.files import resolved
from vlab.language import VlabError, _

if TYPE_CHECKING:
    from vlab.machine import Computer
    from vlab.riscv import Program


def check_apart(written: Iterable[str], read: Iterable[str]) -> None:
    """VlabError if two results, or a result and an input, would be one file."""
    places = {resolved(name) for name in read}
    for name in written:
        place = resolved(name)
        if place in places:
            raise VlabError(
                _("Another argument names this file already."), where=name, mend=_("Choose another name.")
            )
        places.add(place)


@contextmanager
def whole_file(name: str) -> Iterator[TextIO]:
    """A file to write. It appears under its name when all of it is written, in place of the one before."""
    place = resolved(name)
    half = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        if place.exists() and not (place.is_file() and os.access(place, os.W_OK)):
            reason = _("This can't be written.") if place.is_file() else _("This isn't a file.")
            raise VlabError(reason, where=name, mend=_("Choose another name."))
        file = half.open("w", encoding="utf-8", newline="\n")
    except OSError as error:
        what = _("This can't be written: {reason}.").format(reason=error.strerror or error)
        raise VlabError(what, where=name, mend=_("Choose another name, or make its folder.")) from None
    try:
        with file:
            yield file
        half.replace(place)
    finally:
        half.unlink(missing_ok=True)


def statistics(computers: "Sequence[Computer]") -> list[dict[str, Any]]:
    """What was counted at each level, the machine first and the guest's computer last.

    `attempted` counts instructions, the ones that trapped too; `retired` does without those; `time` is
    `attempted` and what `wfi` skipped. `exits` counts, by reason, how often a virtual machine stopped running
    directly.
    """
    from vlab.hypervisor import VirtualMachine
    from vlab.riscv.privilege import cause_key

    levels = []
    for computer in computers:
        causes = computer.events.traps.of(computer.level).items()
        row: dict[str, Any] = {
            "level": computer.level,
            "attempted": computer.time - computer.skipped,
            "retired": computer.hart.retired,
            "time": computer.time,
            "traps": dict(sorted((cause_key(cause), count) for cause, count in causes)),
        }
        if isinstance(computer, VirtualMachine):
            technique, shadow = computer.technique.kind
            row |= {"technique": technique, "shadow": shadow, "exits": dict(sorted(computer.exits.items()))}
        levels.append(row)
    return levels


def write_json(file: TextIO, content: Any) -> None:
    """Write plain data for readers and programs."""
    import json

    json.dump(content, file, indent=2)
    file.write("\n")


def signature_place(program: "Program", computer: "Computer") -> tuple[int, int]:
    """Where a test program's signature is: its address, and its size in bytes. VlabError if it has none."""
    symbols = program.symbols
    missing = [name for name in ("begin_signature", "end_signature") if name not in symbols]
    if missing:
        raise VlabError(
            _("The image has no symbol {name}.").format(name=missing[0]),
            where="--signature",
            mend=_("Only an image with begin_signature and end_signature has a signature."),
        )
    start, end = symbols["begin_signature"], symbols["end_signature"]
    if (end - start) % 4 or end < start or not computer.memory.holds(start, end - start):
        raise VlabError(
            _("No signature can be from {start:#x} to {end:#x}.").format(start=start, end=end),
            where="--signature",
            mend=_("It must be whole words of 4 bytes, in memory."),
        )
    return start, end - start


def write_signature(file: TextIO, computer: "Computer", place: tuple[int, int]) -> None:
    """Write the words of the signature, eight hexadecimal digits a line."""
    content = computer.memory.peek(*place)
    words = (int.from_bytes(content[at : at + 4], "little") for at in range(0, len(content), 4))
    file.writelines(f"{word:08x}\n" for word in words)
