"""Guest systems: small programs in RISC-V assembly, in files that a student reads.

`hello` prints a line. `kernel` is a small operating system: a folder whose files are its chapters, in order.
`tiny` is the shortest way through all three modes. `disk` counts on its disk how often it was booted.
`containers` is a kernel with an attacker and a victim on it. `pages` and `forkwait` are workloads, to measure.
`careless` runs what is typed at its console, and `virus` is what one shouldn't type there. `visor` is a hypervisor
with one guest in it (`inside`), `arm` an emulator of another processor (`emulated`). The others go wrong on
purpose.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from vlab.language import VlabError, _
from vlab.riscv import Program, assemble_files

_HERE = Path(__file__).parent
_DISK = ("disk/3_driver.s", "disk/4_console.s")
_SHARED = {"bank": _DISK, "careless": _DISK}  # chapters of others that follow a guest's own
_CONSTANT = re.compile(r"\.ifndef (\w+)\n\s*\.equ \1, (\w+)")


def names() -> tuple[str, ...]:
    """The guests there are."""
    return tuple(sorted({path.relative_to(_HERE).parts[0].removesuffix(".s") for path in _HERE.rglob("*.s")}))


def files(name: str) -> dict[str, str]:
    """The files of a guest, by name, in the order in which they are read and assembled.

    Raises:
        VlabError: there is no such guest.
    """
    _expect(name, names(), _("There is no guest {name!r}.").format(name=name))
    paths = sorted((_HERE / name).glob("*.s")) or [_HERE / f"{name}.s"]
    paths += [_HERE / chapter for chapter in _SHARED.get(name, ())]
    return {path.relative_to(_HERE).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def source(name: str) -> str:
    """The whole source of a guest: its files as one text."""
    return "\n".join(files(name).values())


def part(name: str, label: str) -> str:
    """A named part of a guest's source: from its label to the next empty line.

    Raises:
        VlabError: there is no such guest, or it has no such label.
    """
    text = source(name)
    labels = re.findall(r"^([A-Za-z_]\w*):", text, re.MULTILINE)
    what = _("The guest {name} has no part {label!r}.").format(name=name, label=label)
    _expect(label, labels, what)
    found = re.search(rf"^{label}:.*?(?=\n\n|\n*\Z)", text, re.MULTILINE | re.DOTALL)
    assert found
    return found[0] + "\n"


def constants(name: str) -> dict[str, int]:
    """The numbers in a guest that `load` can replace, with the value that each has otherwise."""
    return {constant: int(value, 0) for constant, value in _CONSTANT.findall(source(name))}


def load(name: str, **replaced: int) -> Program:
    """Assemble a guest, some of its `constants` replaced: `load("kernel", TICK=300)`.

    Raises:
        VlabError: there is no such guest, or it has no such constant.
    """
    known = tuple(constants(name))
    for constant in replaced:
        what = _("The guest {name} has no constant {constant!r}.").format(name=name, constant=constant)
        _expect(constant, known, what)
        if not isinstance(replaced[constant], int):
            raise VlabError(
                _("The constant {constant} can't be {value}.").format(
                    constant=constant, value=repr(replaced[constant])[:40]
                ),
                mend=_("Give a whole number: {constant}=300.").format(constant=constant),
            )
    return assemble_files(tuple(files(name).items()), symbols=replaced)


def as_typed(name: str, **replaced: int) -> str:
    """A guest as one line of hexadecimal words, as the guest `careless` takes it: `vm.type(as_typed("virus"))`.

    Raises:
        VlabError: as `load`.
    """
    data = b"".join(content for _address, content in load(name, **replaced).segments)
    words = (data[at : at + 4] for at in range(0, len(data), 4))
    return " ".join(f"{int.from_bytes(word, 'little'):08x}" for word in words) + "\n"


def _expect(word: str, known: Sequence[str], what: str) -> None:
    if word in known:
        return
    near = get_close_matches(str(word), known, n=1)
    raise VlabError(
        what,
        mend=_("Did you mean {near!r}?").format(near=near[0])
        if near
        else _("There are: {known}.").format(known=", ".join(known) or _("none")),
    )
