"""Guest systems: small programs in RISC-V assembly, in files that a student reads.

`hello` prints a line. `kernel` is a small operating system: a folder whose files are its chapters, in order.
`tiny` is the shortest way through all three modes. `disk` counts on its disk how often it was booted.
`containers` is a kernel with an attacker and a victim on it. `pages` and `forkwait` are workloads, to measure.
`careless` runs what is typed at its console, and `virus` is what one shouldn't type there. `visor` is a hypervisor
with one guest in it (`inside`), `arm` an emulator of another processor (`emulated`). `paravirtual` rings the bell of
another such guest, by hypercalls; `driverdomain` serves its disk to others, which ask for it as `frontend` does;
`kernel` with the switch PARAVIRTUAL is built for them too. The others go wrong on purpose.

`vlab.guests.linux` is a real one: it is built of its distribution's source where that is installed. And
`vlab.guests.firmware` finds OpenSBI and U-Boot where they are.
"""

import re
from collections.abc import Mapping, Sequence
from difflib import unified_diff
from pathlib import Path

from vlab.language import VlabError, _, unknown
from vlab.riscv import Program

_HERE = Path(__file__).parent
_CONSOLE = "disk/4_console.s"
_DISK = ("disk/3_driver.s", _CONSOLE)
_HYPERCALLS = ("paravirtual/1_hypercalls.s",)
# Chapters of others that follow a guest's own, that come before them, and that do if a switch is on.
_SHARED = {"bank": _DISK, "careless": _DISK, "ping": (_CONSOLE,)}
_FIRST = {"driverdomain": _HYPERCALLS, "frontend": _HYPERCALLS}
_LIBRARIES = {"PARAVIRTUAL": _HYPERCALLS}
_BUILT = {"linux"}  # not assembled here: built of what others wrote
_CONSTANT = re.compile(r"\.ifndef (\w+)\n\s*\.equ \1, (\w+)")
_CONDITION = re.compile(r"\s*\.(if\w*|elseif|else|endif)\b *(\w*)")


def names() -> tuple[str, ...]:
    """The guests there are."""
    found = {path.relative_to(_HERE).parts[0].removesuffix(".s") for path in _HERE.rglob("*.s")}
    return tuple(sorted(found - _BUILT))


def files(name: str, **switched: int) -> dict[str, str]:
    """The files of a guest, by name, in the order in which they are read and assembled.

    What is there for one of its `switches` only, stands in them if that is on: `files("kernel", PARAVIRTUAL=1)`.

    Raises:
        VlabError: there is no such guest, or it has no such switch.
    """
    known = switches(name)
    for switch in switched:
        _expect(
            switch, known, _("The guest {name} has no switch {switch!r}.").format(name=name, switch=switch)
        )
    on = {switch: bool(switched.get(switch)) for switch in known}
    libraries = [chapter for switch in known if on[switch] for chapter in _LIBRARIES[switch]]
    texts = {chapter: (_HERE / chapter).read_text(encoding="utf-8") for chapter in libraries}
    return texts | {file: _resolved(text, on) for file, text in _texts(name).items()}


def switches(name: str) -> tuple[str, ...]:
    """What a guest can be built for instead of a bare computer, from the same source. VlabError for no guest."""
    found = re.findall(r"\.ifn?def (\w+)", "\n".join(_texts(name).values()))
    return tuple(switch for switch in _LIBRARIES if switch in found)


def _texts(name: str) -> dict[str, str]:
    """The files of a guest as they are stored: with all that its switches choose from."""
    _expect(name, names(), _("There is no guest {name!r}.").format(name=name))
    paths = sorted((_HERE / name).glob("*.s")) or [_HERE / f"{name}.s"]
    paths = [_HERE / chapter for chapter in _FIRST.get(name, ())] + paths
    paths += [_HERE / chapter for chapter in _SHARED.get(name, ())]
    return {path.relative_to(_HERE).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def _resolved(text: str, on: Mapping[str, bool]) -> str:
    """A text without the conditions on these switches, and without what they leave out."""
    lines: list[str] = []
    open_: list[bool | None] = []  # whether this branch of it is read; None for a condition on something else
    for line in text.splitlines(keepends=True):
        found = _CONDITION.match(line)
        word, switch = found.groups() if found else ("", "")
        if word.startswith("if"):
            ours = word in ("ifdef", "ifndef") and switch in on
            open_.append(on[switch] == (word == "ifdef") if ours else None)
        else:
            ours = bool(word) and open_[-1] is not None
        if not ours and False not in open_:
            lines.append(line)
        if word == "else" and ours:
            open_[-1] = not open_[-1]
        elif word == "endif":
            open_.pop()
    return "".join(lines)


def source(name: str, **switched: int) -> str:
    """The whole source of a guest: its files as one text, some of its `switches` on."""
    return "\n".join(files(name, **switched).values())


def difference(name: str, **switched: int) -> str:
    """What these switches change in a guest's source, as `diff` shows it: `difference("kernel", PARAVIRTUAL=1)`.

    Files that come with a switch are not in it. Raises VlabError as `files` does.
    """
    there, here = files(name), files(name, **switched)
    texts = ((file, text.splitlines(), here[file].splitlines()) for file, text in there.items())
    rows = [row for file, old, new in texts for row in unified_diff(old, new, file, file, n=1, lineterm="")]
    return "".join(f"{row}\n" for row in rows)


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

    A switch is set the same way: `load("kernel", PARAVIRTUAL=1)`.

    Raises:
        VlabError: there is no such guest, or it has no such constant.
    """
    known = (*constants(name), *switches(name))
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
    from vlab.riscv import assemble_files

    switched = {switch: replaced.pop(switch) for switch in switches(name) if switch in replaced}
    return assemble_files(tuple(files(name, **switched).items()), symbols=replaced)


def as_typed(name: str, **replaced: int) -> str:
    """A guest as one line of hexadecimal words, as the guest `careless` takes it: `vm.type(as_typed("virus"))`.

    Raises:
        VlabError: as `load`.
    """
    data = b"".join(content for _address, content in load(name, **replaced).segments)
    words = (data[at : at + 4] for at in range(0, len(data), 4))
    return " ".join(f"{int.from_bytes(word, 'little'):08x}" for word in words) + "\n"


def _expect(word: str, known: Sequence[str], what: str) -> None:
    if word not in known:
        raise unknown(what, word, known)
