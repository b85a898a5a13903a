"""Programs of deeds on both engines, and what a host does to a machine meanwhile: `python changing.py SEED COUNT`.

Exits with an error at the first seed where the engines differ: in any part of the state, in an event, in why they stop.
A process of its own, so that a crash of native code is a red test and not the end of all tests.
"""

import random
import struct
import sys
from functools import partial

from tests.machine.execute.native.deeds import (
    AVAILABLE,
    DESCRIPTORS,
    DISK,
    FIRMWARE,
    FLAGS,
    HEADER,
    HOST_LOW,
    HOST_MIDDLE,
    HOST_ROOT,
    KERNEL,
    KERNEL_SOURCE,
    LOW,
    MIDDLE,
    ONES,
    PAGES,
    ROOT,
    USED,
    Writer,
    firmware,
    some_entry,
    some_word,
)
from vlab.events import Event
from vlab.machine import Machine
from vlab.machine.devices import VirtioBlock
from vlab.machine.disks import Disk
from vlab.machine.memory import PAGE, RAM_BASE
from vlab.paging import make_satp
from vlab.riscv import CSRS, Mode, Program, assemble

EXTENSIONS = ("", "C", "C", "H", "CH", "CH", "C_svade", "CH_svade", "CH_sv48")
IDENTITY = RAM_BASE >> 2  # as the address of an entry


def code(source: str, base: int) -> bytes:
    """The bytes of a text."""
    return assemble(source, base=base).segments[0][1]


class Plan:
    """A machine in all its parts, from a seed."""

    def __init__(self, seed: int):
        luck = self.luck = random.Random(seed)
        self.extensions = luck.choice(EXTENSIONS)
        self.page = luck.choice([0, 1, 2, PAGES - 1, PAGES - 2])
        self.base = RAM_BASE + self.page * PAGE + luck.choice([0, 0, PAGE - 40, PAGE - 200, 2048])
        room = RAM_BASE + PAGES * PAGE - self.base
        writer = Writer(luck, self.page, self.extensions)
        self.words = code(writer.program(), RAM_BASE + self.page * PAGE)[:room]
        self.mode, self.paged = luck.choice(list(Mode)), luck.random() < 0.6
        self.slot = luck.randrange(12)
        self.pc = self.base
        if self.paged and self.mode != Mode.M and luck.random() < 0.8:
            self.pc = self.slot * PAGE + self.base % PAGE
        self.x = [
            luck.choice([writer.place(), writer.place(), luck.getrandbits(64)]) for _register in range(31)
        ]
        self.x[25], self.x[26] = 0, self.pc  # s10 counts traps; s11 is where to go on
        self.entries = self._tables() | self._host_tables()
        self.csrs = self._csrs()
        self.virtual = "H" in self.extensions and self.mode != Mode.M and luck.random() < 0.7
        self.disk = b"".join(some_word(luck).to_bytes(4, "little") for _word in range(1024))

    def _tables(self) -> dict[int, int]:
        luck, own = self.luck, 0xDF if self.mode == Mode.U else 0xCF
        entries = {ROOT + 8 * index: MIDDLE >> 2 | 1 for index in (0, 1, 64)}
        entries |= {MIDDLE + 8 * index: LOW >> 2 | 1 for index in (0, 2, 511)}
        entries |= {LOW + 8 * index: some_entry(luck) for index in (*range(20), *range(500, 512))}
        entries[ROOT + 16] = IDENTITY | luck.choice([0xCF] * 6 + [0xDF])
        for slot in (self.slot, self.slot + 1):
            page = min(self.page + slot - self.slot, PAGES - 1)
            entries[LOW + 8 * slot] = RAM_BASE + page * PAGE >> 2 | own
        return entries

    def _host_tables(self) -> dict[int, int]:
        if "H" not in self.extensions:
            return {}
        entries = {
            HOST_ROOT: HOST_MIDDLE >> 2 | 1,
            HOST_ROOT + 16: HOST_MIDDLE >> 2 | 1,
            HOST_MIDDLE: HOST_LOW >> 2 | 1,
        }
        flags = [0xDF] * 12 + FLAGS
        return entries | {
            HOST_LOW + 8 * page: RAM_BASE + page * PAGE >> 2 | self.luck.choice(flags)
            for page in range(PAGES)
        }

    def _csrs(self) -> dict[str, int]:
        luck, table = self.luck, make_satp(ROOT) if self.paged else 0
        values = {
            "mtvec": FIRMWARE, "stvec": KERNEL, "mepc": self.pc, "sepc": self.pc,
            "mstatus": luck.choice([0, 3 << 11, 1 << 18, 1 << 19, 3 << 18, 2, 8, 0x22, 0x888]),
            "medeleg": luck.choice([0, 0xB1FF, 0xA1FD, 0xF0_A1FD]), "mideleg": luck.choice([0, 0x222]),
            "mie": luck.choice([0, 0x222, 0xEEE, ONES]), "mcounteren": 7, "scounteren": 7,
            "menvcfg": luck.choice([0, 1 << 63]), "pmpaddr0": ONES, "pmpcfg0": 0x1F, "satp": table,
        }  # fmt: skip
        if "H" not in self.extensions:
            return values
        return values | {
            "hgatp": luck.choice([0, make_satp(HOST_ROOT), make_satp(HOST_ROOT)]), "vsatp": table,
            "vsstatus": luck.choice([0, 1 << 18, 1 << 19, 2, 0x22]), "vstvec": KERNEL,
            "hedeleg": luck.choice([0, 0xA1FD, 0xB1FF]), "hideleg": luck.choice([0, 0x444]), "hcounteren": 7,
            "henvcfg": luck.choice([0, 1 << 63]), "hstatus": luck.choice([0, 1 << 20, 1 << 21, 1 << 22, 0x180]),
            "htimedelta": luck.choice([0, ONES - 300, luck.getrandbits(64)]),
        }  # fmt: skip

    def built(self, engine: str) -> Machine:
        """The machine, on an engine."""
        machine = Machine(
            Program(((RAM_BASE, b"\0"),), RAM_BASE),
            memory=PAGES * PAGE,
            extensions=self.extensions,
            engine=engine,
            devices=[VirtioBlock(Disk(self.disk))],
        )
        memory, hart = machine.memory, machine.hart
        memory.poke(RAM_BASE + 8 * PAGE, self.disk[: 4 * PAGE])
        memory.poke(FIRMWARE, code(firmware("H" in self.extensions, self.base), FIRMWARE))
        memory.poke(KERNEL, code(KERNEL_SOURCE, KERNEL))
        memory.poke(self.base, self.words)
        for place, entry in self.entries.items():
            memory.poke(place, entry.to_bytes(8, "little"))
        set_up_disk(machine)
        for name, value in self.csrs.items():
            hart.csr.write(hart.csr.registers.by_name[name], value)
        hart.mode, hart.virtual, hart.pc, hart.x[1:32] = self.mode, self.virtual, self.pc, self.x
        hart.mmu.flush("test")
        hart.mmu.select()
        return machine


def set_up_disk(machine: Machine) -> None:
    """The queue that the firmware's service uses: a read of the first sector, to wherever."""
    chain = struct.pack("<QIHH", HEADER, 16, 1, 1) + struct.pack("<QIHH", RAM_BASE + 12 * PAGE, 512, 3, 2)
    machine.memory.poke(DESCRIPTORS, chain + struct.pack("<QIHH", HEADER + 32, 1, 2, 0))
    rings = (0x80, DESCRIPTORS), (0x90, AVAILABLE), (0xA0, USED)
    for offset, value in (
        (0x70, 3),
        (0x24, 1),
        (0x20, 1),
        (0x70, 11),
        (0x38, 8),
        *rings,
        (0x44, 1),
        (0x70, 15),
    ):
        machine.bus.store(DISK + offset, 4, value)


class Host:
    """Whoever has both machines, and does the same to each."""

    def __init__(self, plan: Plan):
        self.luck = random.Random(plan.luck.getrandbits(32))
        self.plan = plan
        self.machines = [plan.built(engine) for engine in ("native", "interpreter")]
        self.heard: list[list[Event]] = [[], []]
        self.acts = [self.go] * 3
        self.acts += [self.wait, self.poke, self.type_or_rewind, self.listen, self.exchange, self.breakpoint]
        self.by_hand = False  # what is changed by hand is in no history

    def differ(self) -> bool:
        """Whether some act has another outcome on one of them."""
        for _act in range(self.luck.choice([3, 6, 12])):
            found = self.luck.choice(self.acts)()
            if len(set(found)) > 1 or self.heard[0] != self.heard[1]:
                return True
            if self.machines[0].snapshot() != self.machines[1].snapshot():
                return True
        return False

    def go(self) -> list[object]:
        steps = self.luck.choice([1, 9, 40, 300, 1000, 3000])
        return [machine.run(steps) for machine in self.machines]

    def wait(self) -> list[object]:
        """Ask each time whether a register looks so, or seldom and for nothing."""
        steps, each = self.luck.randrange(1, 300), self.luck.random() < 0.3

        def asked(machine: Machine) -> bool:
            return each and machine.hart.x[13] & 7 == 3

        return [machine.run(steps, until=partial(asked, machine), each=each) for machine in self.machines]

    def poke(self) -> list[object]:
        luck, own = self.luck, RAM_BASE + self.plan.page * PAGE
        place, data = luck.choice(
            [
                (LOW + 8 * luck.randrange(20), some_entry(luck).to_bytes(8, "little")),
                (own + 2 * luck.randrange(2046), some_word(luck).to_bytes(4, "little")),
                (RAM_BASE + luck.randrange(PAGES * PAGE - 64), luck.randbytes(luck.choice([1, 2, 64]))),
            ]
        )
        name, value = luck.choice(
            [("satp", 0), ("satp", make_satp(ROOT)), ("mstatus", 3 << 18), ("mie", 0xEEE)]
        )
        for machine in self.machines:
            machine.memory.poke(place, data)
            if place & 2:
                machine.hart.csr.write(CSRS[name], value)
        self.by_hand = True
        return []

    def type_or_rewind(self) -> list[object]:
        if self.by_hand or self.machines[0].events.on or self.luck.random() < 0.5:
            for machine in self.machines:
                machine.type("hi")
            return []
        ran = [machine.run(1) for machine in self.machines]
        first = max(min(machine.history.checkpoints) for machine in self.machines)
        target = max(first, self.machines[0].steps - self.luck.randrange(300))
        went = [machine.goto(target) for machine in self.machines]
        return list(zip(ran, went, strict=True))

    def listen(self) -> list[object]:
        patient = self.luck.random() < 0.6
        for machine, heard in zip(self.machines, self.heard, strict=True):
            if machine.events.on:
                machine.events.unlisten(heard.append)
                heard.clear()
            else:
                machine.events.listen(heard.append, patient=patient)
        return []

    def exchange(self) -> list[object]:
        """Each goes on with the other's state."""
        states = [machine.snapshot() for machine in self.machines]
        for machine, state in zip(self.machines, reversed(states), strict=True):
            machine.restore(state)
        self.by_hand = False
        return []

    def breakpoint(self) -> list[object]:
        places = [(self.plan.pc & -PAGE) + 2 * self.luck.randrange(2048) for _place in range(3)]
        for machine in self.machines:
            machine.stop_at(places)
        found: list[object] = [machine.run(200) for machine in self.machines]
        for machine in self.machines:
            machine.stop_at()
        return found


def main(seed: int, count: int) -> None:
    """Exit with an error at the first seed of which the engines make different machines."""
    for number in range(seed, seed + count):
        host = Host(Plan(number))
        if host.differ():
            sys.exit(f"The engines disagree on {number}: {host.machines}")
    print(f"{count} machines alike")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
