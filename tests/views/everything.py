"""One thing of every kind that has a picture, from real runs; and the pictures that a stepper lights."""

from functools import cache
from typing import Any

from tests.guests.networks import machines
from tests.hypervisor.towers import tower
from tests.views.hosts import hosted
from vlab import Hypervisor, Machine, Snapshots, guests
from vlab.events import Recording
from vlab.hypervisor.chain import Chain
from vlab.hypervisor.host import Host
from vlab.hypervisor.memorymap import MemoryMap
from vlab.hypervisor.tables import Tables
from vlab.machine import Computer
from vlab.machine.devices import VirtioNet
from vlab.machine.disks import Disk
from vlab.machine.hart import Hart
from vlab.machine.look import Look
from vlab.machine.network import Capture, Switch
from vlab.machine.tlb import Tlb, TlbRun
from vlab.operations import (
    Cell,
    Farm,
    Inventory,
    IsolationMatrix,
    Migration,
    Pair,
    Together,
    classify,
    probe_isolation,
)
from vlab.operations.costs import Costs, ParameterSet, WalkCounts, compare_paging, count_walks, parameter_set
from vlab.paging import GuestRam, PageTable, Walk
from vlab.riscv import Mode
from vlab.silicon import (
    Attempt,
    Attempts,
    ExitTimes,
    KvmRun,
    Modules,
    SignalRun,
    run_in_kvm,
    run_signals,
    time_exits,
    try_all,
    try_modules,
)
from vlab.views import (
    Exits,
    Explorer,
    Interrupts,
    Picture,
    Routes,
    Shares,
    Stepper,
    Timeline,
    compare,
    picture_of,
)
from vlab.views.computers.comparison import Comparison
from vlab.views.runs.ladder import Ladder, ladder_picture

KERNEL = guests.load("kernel", TICK=300, LETTERS=2, PRIMES=100)
OTHER = guests.load("kernel", TICK=400, LETTERS=2, PRIMES=100)


@cache
def kinds() -> dict[type, Any]:
    """One thing of each kind, the kernel's in a VM where that makes a difference."""
    built = tower(KERNEL, 1)
    with built.machine.events.record() as run:
        built.machine.run(until=lambda: built.guest.mode == Mode.U and built.vms[0].exits["timer"] > 2)
        built.machine.run(100)
    vm, bare = built.vms[0], Machine(KERNEL, memory="1M")
    bare.run(3000)
    table = PageTable()
    table.map(0x4000_0000, 0x8000_0000, "RXU", 0x3000)
    tree = Snapshots(bare)
    tree.take("before")
    bare.run(50)
    tree.take("after")
    matrix = probe_isolation()
    farm = Farm(north=Hypervisor(Machine(memory="4M")), south=Hypervisor(Machine(memory="4M")))
    farm.start("mail", KERNEL, on="north", memory="1M")
    farm.run(2000)
    disk = Disk("64K")
    disk.write(24, b"x" * 4096)
    switch, together, _machines = machines()
    together.run()
    host = Host(Machine(memory="4M", devices=[VirtioNet("02:00:00:00:00:04")]))
    host.install_hypervisor()
    inner = Switch("inner")
    inner.plug(host.create_vm(memory="64K", devices=[VirtioNet("02:00:00:00:00:05")]))
    host.bridge(inner)
    return {
        Walk: table.walk(0x4000_1000, "store"),
        Chain: vm.chain(0x4000_1000),
        Recording: run,
        PageTable: table,
        Tables: vm.tables(),
        MemoryMap: vm.memory_map(),
        Tlb: bare.tlb(),
        TlbRun: bare.watch_tlb(400),
        Computer: built.machine,
        Hypervisor: vm.hypervisor,
        Host: host,
        Look: bare.look(),
        Hart: bare.hart,
        Comparison: compare(Machine(KERNEL, memory="1M"), Machine(OTHER, memory="1M")),
        Snapshots: tree,
        Disk: disk.extent(16, 64).overlay("mine"),
        Switch: switch,
        Capture: switch.capture,
        Together: together,
        Farm: farm,
        Inventory: farm.inventory(),
        Migration: farm.move("mail", "south"),
        Pair: classify(lambda: Machine(memory="128K", quirks="silent-sstatus"))["U", "S"],
        ParameterSet: parameter_set("paging"),
        Costs: compare_paging("many edits"),
        WalkCounts: count_walks(),
        Exits: Exits({"bare-metal": vm, "paravirtual": {"hypercall: return": 13, "system call": 10}}),
        IsolationMatrix: matrix,
        Cell: matrix["overwrite", "processes"],
        Attempt: try_all(live=False)["cli"],
        Attempts: try_all(live=False),
        SignalRun: run_signals(live=False),
        Modules: try_modules(live=False),
        KvmRun: run_in_kvm(live=False),
        ExitTimes: time_exits(live=False),
    }


@cache
def lit() -> list[Picture]:
    """Pictures with something lit, changed, or refused."""
    things = kinds()
    host = PageTable(scheme="Sv39x4")
    guest = PageTable(GuestRam(host))
    guest.map(0x4000_1000, 0x8000_3000, "RWU", 0x3000)
    two, refused = guest.walk(0x4000_1000, host=host), guest.walk(0x4000_1000, "fetch", host=host)
    x86 = PageTable(scheme="x86-64")
    x86.map(0x4000_0000, 0x8000_0000, "RW US")
    walks = (things[Walk], two, refused, x86.walk(0x4000_0000, "store"), x86.walk(0x5000_0000))
    run = things[Recording]
    pictures = [Stepper(walk, at).picture for walk in walks for at in (0, len(walk.steps) - 1)]
    pictures += [Stepper(run, at).picture for at in (0, len(run) // 2, len(run) - 1)]
    both = Stepper(things[Comparison])
    pictures += [(both.goto(at), both.picture)[1] for at in (0, len(both) // 2, len(both) - 1)]
    pictures += [Stepper(Machine(KERNEL, memory="1M"), at, steps=800).picture for at in (3, 675)]
    pictures += [picture_of(tlb) for tlb in list(things[TlbRun])[:6]]
    pictures += [Explorer(guest, 0x4000_1000, host=host).picture]
    pictures += [Timeline(run).picture, Timeline(run).at(5).picture, Interrupts(run).picture]
    busy = hosted()
    switch = min(Ladder(busy.run).lanes.switches)
    pictures += [ladder_picture(busy.run, switch), Timeline(busy.run).picture, Routes(busy.run).picture]
    pictures += [Shares(busy.run, busy.host).picture, Interrupts(busy.run).picture]
    pictures += [picture_of(busy.host.memory_map()), picture_of(busy.host.vms[0].chain(0x4000_1000, "fetch"))]
    own = things[Attempts]
    pictures += [own["popf"].details, own["pushf"].details, own.details, things[Attempt].details]
    pictures += [things[SignalRun].beside(run), things[Modules].details]
    pictures.append(things[KvmRun].beside(run))
    pictures += [picture_of(things[Host].bridges["net"].switch)]
    earlier = things[Tables]
    return [*pictures, picture_of(earlier.since(Tables.around(earlier, 0)))]
