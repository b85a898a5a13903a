"""Linux boots in a virtual machine: what it says, and what exits on the way.

It runs here where its image has been built (`vlab run linux` does that, once). It always does the same: so where it
can't run, what was recorded stands for it. `record()` does so anew.
"""

import json
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from vlab.display import Drawn
from vlab.events import Emulation, Event, Exit
from vlab.files import folder, write_atomically
from vlab.guests import linux
from vlab.hypervisor import Hypervisor, VirtualMachine
from vlab.language import VlabError, _, grouped, named
from vlab.machine import Machine, Sbi
from vlab.machine.execute import chosen_engine

TECHNIQUES = ("trap-and-emulate", "hardware-assisted")
MEMORY = 16 << 20
_MOST = 200_000_000  # steps; it takes a tenth of them
_KEPT = ("image", "console", "instructions", "exits_in", "emulated")
_CSR_FORMS = {f"csrr{form}": f"csr{form}" for form in ("w", "s", "c", "wi", "si", "ci")}


@dataclass(frozen=True, repr=False)
class LinuxBoot(Drawn):
    """One boot, from the first instruction of its firmware to its power off.

    `console` is what it printed. `instructions` are those that were attempted in each of its virtual modes ("M", "S",
    "U"), as far as exits tell them apart: who gets his own traps, may change between S and U unseen. `exits` counts
    by cause, `exits_in` by cause for each mode, and `emulated` the instructions that its hypervisor did for it, by
    name and CSR. `live`: it ran just now; if not, `why`.
    """

    technique: str
    image: str
    console: str
    instructions: dict[str, int]
    exits_in: dict[str, Counter[str]]
    emulated: Counter[str]
    live: bool = False
    why: str = ""

    @property
    def exits(self) -> Counter[str]:
        """All of them, by cause."""
        return sum(self.exits_in.values(), Counter())

    @property
    def source(self) -> str:
        """Where this comes from, in a sentence: live or recorded, and why."""
        if self.live:
            return _("Live: it has just run on this computer.")
        if not self.why:
            return _("Recorded.")
        return _("Recorded, because here {why}.").format(why=self.why)

    def __repr__(self) -> str:
        return _(
            "Linux booted in a virtual machine, run by {technique}: {instructions} instructions, {exits} exits. "
            "The last that it printed: {last}"
        ).format(
            technique=self.technique,
            instructions=grouped(sum(self.instructions.values())),
            exits=grouped(self.exits.total()),
            last=self.console.splitlines()[-1],
        )


def boot_linux(technique: str = "trap-and-emulate", *, live: bool = True) -> LinuxBoot:
    """Boot Linux in a virtual machine, until it switches itself off, and hand over what was seen.

    With live=False, or where its image isn't there, or isn't the one that was recorded, or where there is no native
    engine (it takes a minute without), what was recorded is given.

    Raises:
        VlabError: for a technique that runs no unchanged kernel.
    """
    recorded = named(technique, _recorded(), _("Linux was not booted by a technique {word!r}."))
    why = _why_not(recorded) if live else ""
    if not live or why:
        return replace(recorded, why=why)
    return boot(linux.image(), technique)


def boot(image: Path, technique: str) -> LinuxBoot:
    """Boot an image of Linux, whichever it is. VlabError if it doesn't come as far as to switch itself off."""
    content = image.read_bytes()
    machine = Machine(memory=Hypervisor.memory_for(MEMORY), extensions="CH")
    vm = Hypervisor(machine).create_vm(memory=MEMORY, technique=technique)
    Sbi(vm).load(content)
    seen = _Seen(vm)
    machine.events.listen(seen)
    try:
        machine.run(_MOST)
    finally:
        machine.events.unlisten(seen)
    if vm.status is None:
        raise VlabError(
            _("Linux did not switch its computer off."),
            where=str(image),
            mend=_("This is what it printed last: {words}").format(words=vm.console[-500:]),
        )
    digest = sha256(content).hexdigest()
    return LinuxBoot(technique, digest, vm.console, *seen.counts(), live=True)


class _Seen:
    """A listener that counts and keeps nothing: there are hundreds of thousands of events."""

    def __init__(self, vm: VirtualMachine):
        self._vm = vm
        self._since = 0
        self._instructions = Counter[str]()
        self._exits: dict[str, Counter[str]] = {}
        self._emulated = Counter[str]()

    def __call__(self, event: Event) -> None:
        """Count what happened."""
        match event:
            case Exit():  # what exits, has been attempted
                now = self._vm.time
                self._instructions[event.mode] += now - self._since
                self._since = now
                self._exits.setdefault(event.mode, Counter())[event.reason] += 1
            case Emulation():
                self._emulated[_what(event.text)] += 1

    def counts(self) -> tuple[dict[str, int], dict[str, Counter[str]], Counter[str]]:
        """Instructions by mode, exits by mode and cause, and what was emulated; the most frequent first."""
        modes = sorted(self._exits)
        exits = {mode: Counter(dict(self._exits[mode].most_common())) for mode in modes}
        return (
            {mode: self._instructions[mode] for mode in modes},
            exits,
            Counter(dict(self._emulated.most_common())),
        )


def _what(text: str) -> str:
    """An instruction without the registers that it happens to have: its name and its CSR."""
    name, _space, operands = text.partition(" ")
    if not name.startswith("csr"):
        return name
    csr = operands.split(", ")[name.startswith("csrr")]
    return f"{_CSR_FORMS.get(name, name)} {csr}"


def _why_not(recorded: LinuxBoot) -> str:
    """Why it can't run here to the same effect, in the reader's language; "" if it can."""
    image = linux.built()
    if image is None:
        return _("it has not been built (`vlab run linux` builds it)")
    if sha256(image.read_bytes()).hexdigest() != recorded.image:
        return _("another version of it, or of its compiler, is installed")
    if chosen_engine(None) != "native":
        return _("there is no native engine, without which it takes long")
    return ""


def _path() -> Path:
    return folder("data") / "linux.json"


@cache
def _recorded() -> dict[str, LinuxBoot]:
    """What was recorded, by technique."""
    rows: dict[str, dict[str, Any]] = json.loads(_path().read_text(encoding="utf-8"))
    return {
        technique: LinuxBoot(
            technique,
            row["image"],
            row["console"],
            row["instructions"],
            {mode: Counter(counts) for mode, counts in row["exits_in"].items()},
            Counter(row["emulated"]),
        )
        for technique, row in rows.items()
    }


def record() -> None:
    """Boot it by each technique, and keep what was seen as what is recorded."""
    boots = [boot(linux.image(), technique) for technique in TECHNIQUES]
    kept = {one.technique: {name: getattr(one, name) for name in _KEPT} for one in boots}
    write_atomically(_path(), (json.dumps(kept, indent=1) + "\n").encode())
