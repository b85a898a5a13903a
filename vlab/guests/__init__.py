"""Guest systems: small programs in RISC-V assembly, in files that a student reads.

`hello` prints a line. `kernel` is a small operating system: a folder whose files are its chapters, in order.
`tiny` is the shortest way through all three modes. The others go wrong on purpose.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from vlab.language import VlabError, _
from vlab.riscv import Program, assemble_files

_HERE = Path(__file__).parent
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
    return assemble_files(tuple(files(name).items()), symbols=replaced)


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
