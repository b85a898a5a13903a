"""GDB's remote protocol: answers to a tiny client, to whoever sends rubbish, and to GDB itself."""

import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.machine.execute.states import random_machine
from tests.operations.debugging.client import Client, packet
from tests.operations.debugging.test_debugger import KINDS, PROGRAM, system
from vlab import guests
from vlab.course.doctor import TOOLS
from vlab.hypervisor import Hypervisor
from vlab.language import VlabError
from vlab.machine import Machine
from vlab.machine.memory import RAM_BASE
from vlab.machine.sbi import Sbi
from vlab.operations.debugging import Debugger, debugger, registers, serve
from vlab.operations.debugging.packets import LONGEST, Packets, unescaped
from vlab.operations.debugging.packets import packet as made
from vlab.operations.debugging.registers import FIRST_CSR, PC, PRIV
from vlab.operations.debugging.stub import _ACTS, Stub
from vlab.paging import PageTable
from vlab.riscv import CSRS, assemble

# --- Packets


@given(st.binary(max_size=300), st.integers(1, 9))
def test_packets_there_and_back(payload, piece):
    data, packets = b"+" + made(payload) + b"+\x03" + made(b"g"), Packets()
    found: list[bytes | None] = []
    for at in range(0, len(data), piece):
        found += packets.take(data[at : at + piece])
    assert found == [payload, b"\x03", b"g"]


@pytest.mark.parametrize(
    ("data", "taken"),
    [
        (b"$g#00", [None]),
        (b"$g#zz", [None]),
        (b"$g#6", []),
        (b"++-+", [b"-"]),
        (b"g#67", []),
        (b"$" + b"g" * (LONGEST + 10), [None]),
        (packet(b"g" * (LONGEST + 1)), [None]),
        (packet(b"}\x03}]}"), [b"#}"]),
        (b"#$##23", [None]),
    ],
)
def test_what_is_no_packet_is_dropped(data, taken):
    packets = Packets()
    assert list(packets.take(data))[: len(taken)] == taken
    list(packets.take(b"#00"))
    assert list(packets.take(packet(b"?")))[-1:] == [b"?"]


def test_however_much_comes_little_is_kept():
    packets = Packets()
    for _piece in range(100):
        list(packets.take(b"$" + b"x" * 5000))
    assert len(packets._bytes) <= 2 * LONGEST
    assert unescaped(b"}") == b""


# --- Answers


# Others load and store beside the word that is watched, in its double word too.
LOADS = """
_start: la s1, data
        addi s2, s1, 4
        la s0, elsewhere
loop:   lw t0, 0(s1)
        sw t0, 8(s1)
        ld t1, 8(s1)
        sd t1, 0(s0)
load:   lbu t1, 5(s1)
        addi t2, t2, 3
amo:    amoadd.w t1, t2, (s2)
        sw t2, 0(s1)
store:  sw t2, 4(s1)
        j loop
        .align 3
        .zero 4096
data:   .dword 0, 0, 0
        .zero 4096
elsewhere: .dword 0
"""


@pytest.fixture
def client():
    debugger = system("machine", 100)
    with Client(debugger.computer) as connected:
        yield connected
        if not connected.left:
            connected.ask("D")


def test_who_it_is(client):
    told = client.ask("qSupported:multiprocess+;swbreak+")
    assert {"ReverseStep+", "ReverseContinue+", "QStartNoAckMode+", "qXfer:features:read+"} <= {
        *told.split(";")
    }
    text, at = "", 0
    while True:
        part = client.ask(f"qXfer:features:read:target.xml:{at:x},200")
        text += part[1:]
        at += len(part) - 1
        if part[0] == "l":
            break
    tree = ElementTree.fromstring(text)
    assert [part.get("name") for part in tree.iter("feature")] == [
        f"org.gnu.gdb.riscv.{name}" for name in ("cpu", "csr", "virtual")
    ]
    numbers = {one.get("name"): int(one.get("regnum", "")) for one in tree.iter("reg")}
    assert (numbers["zero"], numbers["t6"], numbers["pc"], numbers["priv"]) == (0, 31, PC, PRIV)
    assert numbers["satp"] == FIRST_CSR + 0x180
    assert client.ask("qXfer:features:read:other.xml:0,10") == "E16"
    assert (client.ask("?"), client.ask("qAttached"), client.ask("vMustReplyEmpty")) == (
        "T05thread:1;",
        "1",
        "",
    )


def test_the_pc_stands_where_an_instruction_may_begin():
    for extensions, right in (("", False), ("C", True)):
        machine = Machine(assemble("j ."), extensions=extensions)
        assert registers.write(machine, PC, 0x80000002) == right
        assert not registers.write(machine, PC, 0x80000001)
        assert machine.hart.pc == (0x80000002 if right else 0x80000000)


def test_registers_and_memory(client):
    computer = client.computer
    client.ask("s")
    whole = bytes.fromhex(client.ask("g"))
    assert [int.from_bytes(whole[8 * n : 8 * n + 8], "little") for n in range(33)] == [
        *computer.hart.x[:32],
        computer.hart.pc,
    ]
    assert client.number(PRIV) == 3
    assert client.number(FIRST_CSR + 0x301) == computer.hart.csr["misa"]
    assert [client.ask(f"p{n:x}") for n in (33, FIRST_CSR + 0x7FF, 1 << 60)] == ["E16"] * 3
    assert client.ask("P5=" + (77).to_bytes(8, "little").hex()) == "OK"
    assert computer.hart.x[5] == 77
    assert client.ask("P20=" + (0x80000004).to_bytes(8, "little").hex()) == "OK"
    assert computer.hart.pc == 0x80000004
    assert client.ask("P20=" + (0x80000003).to_bytes(8, "little").hex()) == "E01"
    assert client.ask("P0=" + "11" * 8) == "E01"
    client.ask("G" + bytes(range(64)).hex() + whole[64:].hex())
    assert computer.hart.x[1] == int.from_bytes(bytes(range(8, 16)), "little")
    assert client.ask("m80000000,8") == computer.memory.peek(0x80000000, 8).hex()
    assert client.ask("m7ffffff8,8") == "E0e"
    assert client.ask("M80000100,4:01020304") == client.ask(b"X80000104,3:\x05}\x03z") == "OK"
    assert computer.memory.peek(0x80000100, 7) == b"\1\2\3\4\5#z"
    assert client.ask("M10,1:00") == "E0e"
    assert client.ask("M80000100,4:01") == client.ask("M80000100,1:zz") == client.ask("mxyz") == "E16"


_PAGED = """
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0
    li   t0, 8<<60 | 0x80004
    csrw satp, t0
    li   t0, 1<<11
    csrw mstatus, t0
    la   t0, 1f
    csrw mepc, t0
    csrwi mscratch, 5
    csrwi sscratch, 6
    mret
1:  li   t1, 0x40008000
    li   s0, 30
2:  lw   a0, 0(t1)
    csrr a1, sscratch
    addi s0, s0, -1
    bnez s0, 2b
    j    .
"""


@pytest.mark.parametrize("kind", KINDS)
def test_csrs_are_written_as_software_would(kind):
    debugger = system(kind, source=_PAGED)
    computer = debugger.computer
    for number, root in enumerate((0x80004000, 0x80005000)):
        table = PageTable(computer.memory, root=root)
        table.set(0x80000000, 0x80000000 >> 2 | 0xCF, level=2)
        table.set(0x40000000, 0x80006000 >> 2 | 1 if number else 0x80000000 >> 2 | 0xCF, level=2)
    computer.memory.poke(0x80006000, (0x80007000 >> 2 | 1).to_bytes(8, "little"))
    computer.memory.poke(0x80007000 + 8 * 8, (0x80009000 >> 2 | 0xCF).to_bytes(8, "little"))
    computer.memory.poke(0x80008000, bytes([1]))
    computer.memory.poke(0x80009000, bytes([2]))
    stub = Stub(debugger)

    def put(name, value):
        number = FIRST_CSR + CSRS[name].number
        return stub.answer(b"P%x=" % number + value.to_bytes(8, "little").hex().encode())

    def ran():
        for _step in range(8):
            stub.answer(b"s")
        return computer.hart.x[10:12]

    while computer.hart.x[11] != 6:
        stub.answer(b"s")
    assert ran() == [1, 6]
    assert put("sscratch", 77) == put("satp", 8 << 60 | 0x80005) == b"OK"
    assert ran() == [2, 77]
    assert (
        put("satp", 5 << 60 | 0x80004) == put("mstatus", 0x1000) == b"OK"
    )  # neither is anything it may hold
    assert ran() == [2, 77]
    assert (computer.hart.csr["satp"], computer.hart.csr["mstatus"] >> 11 & 3) == (8 << 60 | 0x80005, 0)
    assert put("mhartid", 1) == put("time", 1) == b"E01"
    assert stub.answer(b"P%x=" % PRIV + b"00" * 8) == b"E01"


@pytest.mark.parametrize(("extensions", "answer"), [("", b"E01"), ("C", b"OK")])
def test_pc_is_where_an_instruction_may_begin(extensions, answer):
    stub = Stub(Debugger(Machine(assemble("nop\n j ."), memory="64K", extensions=extensions)))
    for address, wanted in ((0x80000004, b"OK"), (0x80000002, answer), (0x80000003, b"E01")):
        assert stub.answer(b"P20=" + address.to_bytes(8, "little").hex().encode()) == wanted


def test_memory_is_what_the_current_mode_sees():
    machine = Machine(assemble("csrw satp, a2\n mret\n" + "nop\n" * 8), memory="64K")
    table = PageTable(machine.memory, root=0x80004000)
    table.set(0x40000000, 0x80000000 >> 2 | 0xCF, level=2)
    machine.memory.store(0x80008000, 8, 0x1122334455667788)
    hart = machine.hart
    hart.csr.values.update(
        mepc=0x40000008, mstatus=0x800, satp=8 << 60 | 0x80004, pmpaddr0=(1 << 54) - 1, pmpcfg0=31
    )
    hart.csr.rebuild_pmp()
    hart.x[12] = hart.csr.values["satp"]
    stub = Stub(Debugger(machine))
    assert stub.answer(b"m80008000,8") == b"8877665544332211"
    stub.answer(b"s")
    stub.answer(b"s")
    assert stub.answer(b"p%x" % PRIV) == b"01" + b"00" * 7
    assert stub.answer(b"m40008000,8") == b"8877665544332211"
    assert stub.answer(b"m80008000,8") == b"E0e"
    assert stub.answer(b"m4000fff8,10") == b"00" * 8  # as far as there is memory
    assert stub.answer(b"Z2,40008000,8") == b"OK"
    assert stub.answer(b"Z2,80008000,8") == b"E0e"


def firmware():
    """A machine on which a kernel is to be started by firmware in Python: it stands there still."""
    machine = Machine(memory="4M")
    Sbi(machine).load(assemble("nop\n li s0, 5\n j .", base=0x80200000))
    return machine


def test_where_a_resident_stands_there_is_something_to_decode():
    stub = Stub(Debugger(firmware()))
    assert stub.answer(b"m4000000000000000,4") == b"73000000"
    assert stub.answer(b"m4000000000000000,40") == b"73000000"
    assert stub.answer(b"m4000000000000002,1") == b"00"
    assert stub.answer(b"m4000000000000004,4") == stub.answer(b"m3ffffffffffffffe,4") == b"E0e"
    assert stub.answer(b"M4000000000000000,1:00") == b"E0e"
    assert Stub(Debugger(Machine(memory="64K"))).answer(b"m4000000000000000,4") == b"E0e"


def test_breakpoints_steps_and_the_way_back(client):
    loop, store, data = (assemble(PROGRAM).symbols[name] for name in ("loop", "store", "data"))
    assert client.ask(f"Z0,{loop:x},4") == client.ask(f"Z1,{store:x},4") == "OK"
    stops = []
    for _stop in range(6):
        assert client.ask("vCont;c") == "T05thread:1;"
        stops.append(client.number(PC))
    assert stops == [loop, loop, loop, loop, store, loop]
    assert client.ask("vCont;s:1;c") == "T05thread:1;"
    assert client.number(PC) == loop + 4
    assert client.ask("bs") == client.ask("bc") == "T05thread:1;"
    assert client.number(PC) == store
    assert client.ask(f"z1,{store:x},4") == client.ask(f"z0,{loop:x},4") == "OK"
    assert client.ask(f"Z2,{data + 8:x},8") == "OK"
    # In either direction it stops right before the write is made, or undone: a step of GDB's own does that.
    assert client.ask("c") == f"T05watch:{data + 8:x};thread:1;"
    assert client.number(PC) == store
    assert client.ask(f"m{data + 8:x},8") == "0000000000000000"
    client.ask("s")
    assert client.ask(f"m{data + 8:x},8") == "0400000000000000"
    client.ask("s")
    assert client.ask("bc") == f"T05watch:{data + 8:x};thread:1;"
    assert client.number(PC) == store + 4
    assert client.ask(f"z2,{data + 8:x},8") == "OK"
    assert client.ask("bc") == client.ask("bs") == "T05replaylog:begin;thread:1;"
    assert client.ask("Z5,80000000,8") == client.ask("z5,80000000,8") == ""
    assert client.ask("Z0,80000000") == client.ask("Zx,1,1") == "E16"


def test_watched_loads(client):
    """A word that is loaded and stored in turn: each kind of watch stops at its own accesses, and both ways."""
    client.computer.load(assemble(LOADS))
    program = client.computer.program
    data, load, amo, store = (program.symbols[name] for name in ("data", "load", "amo", "store"))
    for number, kind, stops in (
        (3, "rwatch", [load, amo]),
        (4, "awatch", [load, amo, store]),
        (2, "watch", [amo, store]),
    ):
        assert client.ask(f"Z{number},{data + 4:x},4") == "OK"
        for stop in stops + stops:
            assert client.ask("c") == f"T05{kind}:{data + 4:x};thread:1;"
            assert client.number(PC) == stop
            assert client.ask("s") == "T05thread:1;"
        for stop in reversed([*stops, *stops]):
            assert client.ask("bc") == f"T05{kind}:{data + 4:x};thread:1;"
            assert client.number(PC) == stop + 4
            assert client.ask("bs") == "T05thread:1;"
        assert client.ask(f"z{number},{data + 4:x},4") == "OK"
    assert client.ask("bc") == "T05replaylog:begin;thread:1;"


def test_an_interruption_while_it_runs(client):
    client.send(packet(b"c"))
    time.sleep(0.2)
    client.send(b"\x03")
    assert client.receive() == b"T02thread:1;"
    assert client.computer.steps > 0
    client.send(b"\x03")  # it stands still: nothing to interrupt
    assert client.ask("s") == "T05thread:1;"


ENDLESS = b"qRcmd," + b"goto 999999999999999".hex().encode()


def test_a_monitor_command_can_be_interrupted(client):
    client.send(packet(ENDLESS))
    time.sleep(0.2)
    client.send(b"\x03")
    assert bytes.fromhex(client.receive().decode()).startswith(b"Interrupted at step ")
    assert client.computer.steps > 0


def test_who_asks_something_else_waits_for_a_monitor_command_no_more(client):
    client.send(packet(ENDLESS))
    time.sleep(0.2)
    assert client.ask("qC") == "QC1"
    assert client.ask("qAttached") == "1"


def test_a_monitor_command_ends_when_who_asked_has_gone():
    with Client(Machine(assemble("1: j 1b"), memory="64K")) as client:
        client.send(packet(ENDLESS))
        time.sleep(0.2)
    assert client.left == ["gone"]


def test_a_packet_again_and_none_acknowledged(client):
    client.send(b"-")
    assert client.ask("qC") == "QC1"
    client.send(b"-")
    assert client.receive() == b"QC1"
    client.send(b"$g#00")
    assert client.ask("QStartNoAckMode") == "OK"
    client.send(b"-")
    assert client.ask("qAttached") == "1"


def test_the_guest_switches_off():
    machine = Machine(guests.load("hello"), memory="64K")
    with Client(machine) as client:
        end = "T05replaylog:end;thread:1;"
        assert client.ask("c") == client.ask("?") == client.ask("c") == client.ask("s") == end
        assert client.told == "The computer is off; its status is 0.\n" * 3
        last = machine.steps
        assert client.ask("bs") == "T05thread:1;"
        assert machine.steps == last - 1
        assert client.ask("c") == end
        client.ask("k")
    assert client.left == ["killed"]
    assert machine.console == "Hello from a computer.\n"


def test_monitor_commands():
    machine = Machine(memory="4M")
    vm = Hypervisor(machine).create_vm(guests.load("kernel"), memory="1M", name="vm")
    with Client(vm) as client:
        client.ask("Z0,80000008,4")
        client.ask("c")
        exits = client.monitor("exits")
        assert exits.startswith("VM vm: level 1, 1 MiB, virtual M mode")
        assert client.monitor("step") == f"{vm!r}: 2 instructions attempted; the machine: {machine.steps}\n"
        assert client.monitor("goto 0").startswith("At step 0.")
        assert client.monitor("who 80000000") == "Nobody wrote it since the history began.\n"
        for command, said in (
            ("frob", "There is no command frob.\n`exits`: why"),
            ("", "`exits`: why"),
            ("help", "`exits`: why"),
            ("goto foo", "`goto` takes a step, a decimal number: `goto 1000`.\n"),
            ("goto", "`goto` takes a step"),
            ("who foo", "`who` takes an address, a hexadecimal number: `who 0x80000000`.\n"),
            ("who 0 1", "`who` takes an address"),
            ("who 10", "There is no memory at 0x10.\n"),
            ("goto 0", "At step 0. `maintenance flush register-cache` lets GDB look again.\n"),
        ):
            assert client.monitor(command).startswith(said)
        for nonsense in ("", "what", "goto x", "who z", "who", "goto 99999999999999999999"[:12], "\x00"):
            assert client.monitor(nonsense)
    assert client.left == ["gone"]
    with Client(machine) as client:
        assert "no exits" in client.monitor("exits")
        assert client.monitor("step") == f"{machine!r}\n"
        assert client.ask("D") == "OK"
    assert client.left == ["detached"]


# --- Whoever sends rubbish

COMMANDS = [
    b"g",
    b"m80000000,",
    b"M80000000,4:",
    b"X80000000,4:",
    b"Z2,",
    b"Z0,",
    b"z2,",
    b"p",
    b"P20=",
    b"G",
    b"qRcmd,",
]
COMMANDS += [
    b"qXfer:features:read:target.xml:",
    b"vCont;",
    b"bs",
    b"bc",
    b"s",
    b"H",
    b"q",
    b"Q",
    b"v",
    b"T",
    b"!",
    b"R",
]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(COMMANDS), st.binary(max_size=12)), max_size=8), st.booleans())
def test_no_packet_raises(packets, paged):
    debugger = Debugger(Machine(guests.load("tiny"), memory="64K"), lambda: True)
    stub = Stub(debugger)
    for command, rest in packets:
        answer = stub.answer(command + (rest.hex().encode() if paged else rest))
        assert isinstance(answer, bytes)
        assert len(answer) <= LONGEST + 64


def any_packet(luck):
    """Any command with numbers that may mean something, or anything."""
    numbers = [
        0,
        1,
        4,
        8,
        200,
        RAM_BASE,
        RAM_BASE + luck.randrange(1 << 18),
        luck.getrandbits(64),
        (1 << 64) - 1,
    ]
    first, second = luck.choice(numbers), luck.choice(numbers)
    monitor = luck.choice(["exits", "step", f"goto {luck.randrange(900)}", f"who {first:x}", "who"])
    forms = [
        luck.randbytes(luck.randrange(12)),
        b"%x,%x" % (first, second),
        b"%x=%016x" % (luck.randrange(6000), luck.getrandbits(64)),
        b"%x,4:%s" % (first, luck.randbytes(4).hex().encode()),
        b"%d,%x,%x" % (luck.randrange(6), first, second),
        monitor.encode().hex().encode(),
    ]
    return luck.choice(list(_ACTS)) + luck.choice(forms)


def test_no_packet_raises_whatever_the_machine_is(monkeypatch):
    monkeypatch.setattr(debugger, "CHUNK", 1000)  # steps after which whoever says "go on" stops it
    for seed in range(30):
        luck = Random(seed)
        build = random_machine(seed, luck.choice(["", "C", "CH"]))
        answering = Stub(Debugger(build(luck.choice(["native", "interpreter"])), lambda: True))
        for _packet in range(15):
            assert len(answering.answer(any_packet(luck))) <= LONGEST + 64


@settings(max_examples=10)
@given(st.lists(st.binary(max_size=60), max_size=10))
def test_no_bytes_raise(pieces):
    with Client(Machine(guests.load("hello"), memory="64K")) as client:
        for piece in pieces:
            client.send(piece.replace(b"\x03", b""))
        client.send(b"#00")
        client.socket.shutdown(1)
        client.socket.settimeout(20)
        while client.socket.recv(4096):
            pass
    assert client.left[0] in ("gone", "killed", "detached")


def test_whoever_leaves_while_it_runs_is_gone():
    with Client(Machine(assemble("1: j 1b"), memory="64K")) as client:
        client.send(packet(b"c"))
        time.sleep(0.1)
    assert client.left == ["gone"]


def test_whoever_floods_it_while_it_runs_is_left():
    with Client(Machine(assemble("1: j 1b"), memory="64K")) as client:
        client.send(packet(b"c"))
        for _flood in range(1000):
            try:
                client.send(packet(b"m80000000,8") * 1000)
            except OSError:
                break  # nobody listens any more
        else:
            pytest.fail("it kept all of it")
    assert client.left == ["gone"]


def test_a_port_that_cannot_be_had():
    machine = Machine(memory="64K")
    taken = socket.create_server(("127.0.0.1", 0))
    with taken, pytest.raises(VlabError, match="No debugger can connect to port"):
        serve(machine, taken.getsockname()[1])
    with pytest.raises(VlabError, match="No debugger can connect"):
        serve(machine, 1 << 20)


def test_only_this_host_may_connect():
    with Client(Machine(memory="64K")) as client:
        assert client.socket.getpeername()[0] == "127.0.0.1"


# --- GDB itself


def gdb(computer, *commands):
    """What GDB prints when it has these commands in turn."""
    path = TOOLS["gdb"].path()
    assert path is not None
    words = [path, "-q", "-nx", "-batch", "-ex", "set confirm off", "-ex", "set pagination off"]
    printed = []

    def ready(port):
        connect = ["-ex", f"target remote localhost:{port}"]
        told = [word for command in commands for word in ("-ex", command)]
        printed.append(
            subprocess.Popen(
                [*words, *connect, *told], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )

    left = serve(computer, ready=ready)
    out, _none = printed[0].communicate(timeout=60)
    return left, out


@pytest.mark.requires("gdb")
@pytest.mark.parametrize("kind", ["machine", "trap-and-emulate", "hardware-assisted"])
def test_gdb_debugs_both_ways(kind):
    debugger = system(kind, 1000)
    symbols = debugger.computer.program.symbols
    left, out = gdb(
        debugger.computer,
        f"break *{symbols['store']:#x}",
        "continue",
        "p/x $pc",
        "p/d $s0",
        "stepi",
        "p/x $pc",
        "p $priv",
        "p/x $misa",
        "reverse-stepi",
        "p/x $pc",
        "continue",
        "p/d $s0",
        "reverse-continue",
        "p/d $s0",
        "delete",
        f"watch *(long long *){symbols['data'] + 8:#x}",
        "continue",
        "continue",
        "reverse-continue",
        "info registers mcause",
        "x/2i $pc",
        "monitor step",
        "delete",
        "reverse-continue",
        "detach",
    )
    store = f"{symbols['store']:#x}"
    values = [line.partition(" = ")[2] for line in out.splitlines() if line.startswith("$")]
    misa = f"{debugger.computer.hart.csr['misa']:#x}"
    assert values == [store, "4", f"{symbols['skip']:#x}", "3", misa, store, "8", "4"], out
    assert "Hardware watchpoint 2" in out
    changes = [line for line in out.splitlines() if line.startswith(("Old value", "New value"))]
    assert changes == [
        f"{age} value = {value}"
        for pair in ((0, 4), (4, 8), (8, 4))
        for age, value in zip(("Old", "New"), pair, strict=True)
    ], out
    assert f"=> {store}" in out
    assert "instructions attempted" in out
    assert "No more reverse-execution history" in out
    assert left == "detached"


@pytest.mark.requires("gdb")
@pytest.mark.parametrize("kind", ["machine", "trap-and-emulate", "hardware-assisted"])
def test_gdb_stops_where_something_is_read(kind):
    debugger = system(kind, 1000, LOADS)
    symbols = debugger.computer.program.symbols
    place = f"*(int *){symbols['data'] + 4:#x}"
    commands = [f"rwatch {place}", "continue", "p/x $pc", "delete", f"awatch {place}"]
    commands += [*["continue", "p/x $pc"] * 3, *["reverse-continue", "p/x $pc"] * 3, "detach"]
    left, out = gdb(debugger.computer, *commands)
    load, amo, store = (symbols[name] for name in ("load", "amo", "store"))
    values = [line.partition(" = ")[2] for line in out.splitlines() if line.startswith("$")]
    # GDB stops behind the access, and backwards before it.
    assert values == [f"{pc:#x}" for pc in (load + 4, amo + 4, store + 4, load + 4, load, store, amo)], out
    assert "Hardware read watchpoint 1" in out
    assert "Hardware access (read/write) watchpoint 2" in out
    assert left == "detached"


@pytest.mark.requires("gdb")
def test_gdb_steps_off_from_where_a_resident_stands():
    left, out = gdb(firmware(), "x/i $pc", "stepi", "x/i $pc", "reverse-stepi", "x/i $pc", "detach")
    assert [line.split()[1:] for line in out.splitlines() if line.startswith("=> ")] == [
        ["0x4000000000000000:", "ecall"],
        ["0x80200000:", "nop"],
        ["0x4000000000000000:", "ecall"],
    ], out
    assert "Cannot access memory" not in out
    assert left == "detached"


@pytest.mark.requires("gdb")
def test_gdb_sees_the_end_and_may_kill():
    machine = Machine(guests.load("hello"), memory="64K")
    left, out = gdb(machine, "continue", "break *0x80000004", "reverse-continue", "p/x $pc", "detach")
    assert "The computer is off; its status is 0." in out
    assert "$1 = 0x80000004" in out
    assert left == "detached"
    left, out = gdb(Machine(guests.load("hello"), memory="64K"), "stepi", "kill")
    assert left == "killed"


@pytest.mark.requires("gdb")
def test_gdb_on_the_command_line(tmp_path):
    path = TOOLS["gdb"].path()
    assert path is not None
    run = [
        sys.executable,
        "-m",
        "vlab",
        "run",
        "hello",
        "--memory",
        "1M",
        "--depth",
        "2",
        "--gdb",
        "0",
        "--gdb-level",
        "1",
    ]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as vlab:
        assert vlab.stderr is not None
        said = vlab.stderr.readline()
        assert said.startswith("vlab: Waiting for GDB: `target remote localhost:")
        target = said.split("`")[1]
        words = [
            path,
            "-q",
            "-nx",
            "-batch",
            "-ex",
            target,
            "-ex",
            "stepi 3",
            "-ex",
            "monitor exits",
            "-ex",
            "detach",
        ]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
        out, _err = vlab.communicate(timeout=60)
    assert "level 1" in done.stdout + done.stderr
    assert (out, vlab.returncode) == ("Hello from a computer.\n", 0)
