import pytest

from tests.hypervisor.towers import difference, end, finished, tower
from vlab import guests
from vlab.hypervisor import Eager, Hypervisor, Lazy, Traced, TrapAndEmulate
from vlab.language import VlabError
from vlab.machine import GATE, Machine, Stop
from vlab.machine.pages import Pages
from vlab.machine.snapshot import computer_state
from vlab.riscv import Mode, assemble

TINY, KERNEL = guests.load("tiny"), guests.load("kernel", TICK=200, LETTERS=1, PRIMES=100, WORK=50)


@pytest.fixture
def machine():
    return Machine(memory="8M")


@pytest.fixture
def hypervisor(machine):
    return Hypervisor(machine)


# Making virtual machines


def test_a_vm_in_five_lines(machine, hypervisor):
    vm = hypervisor.create_vm(TINY, memory="2M")
    assert machine.run() is Stop.ASLEEP
    assert (vm.console, vm.status, vm.name, vm.level) == ("?!\n", 0, "vm1", 1)
    assert repr(hypervisor) == "Hypervisor at level 0: vm1"
    assert repr(Hypervisor(Machine(memory="2M"))) == "Hypervisor at level 0: no virtual machines"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"memory": "8M"}, "vm1: 8448 KiB are needed, and the computer has 7168 KiB left."),
        ({"memory": 0}, "A memory of 0 bytes cannot be built."),
        ({"memory": 4097}, "A memory of 4097 bytes cannot be built."),
        ({"memory": "x"}, "'x' is not a size of memory."),
        ({"memory": None}, "None is not a size of memory."),
        ({"technique": "magic"}, "There is no technique 'magic'.\nThere are: trap-and-emulate"),
        ({"technique": dict}, "There is no technique <class 'dict'>."),
        ({"technique": None}, "There is no technique None."),
        (
            {"shadow": "magic"},
            "There is no policy 'magic' of shadow page tables.\nThere are: lazy, eager, traced.",
        ),
        ({"shadow": TrapAndEmulate}, "There is no policy <class"),
        ({"image": b""}, ""),
        ({"image": b"\x7fELF"}, ""),
        ({"image": "no such file"}, ""),
        ({"image": TINY, "memory": 4096}, ""),
    ],
)
def test_a_vm_that_cannot_be_is_refused_and_leaves_nothing_behind(machine, hypervisor, wrong, message):
    before = machine.snapshot()
    with pytest.raises(VlabError) as refused:
        hypervisor.create_vm(**({"memory": "1M"} | wrong))
    assert str(refused.value).startswith(message)
    assert hypervisor.vms == []
    assert hypervisor.state() == before.state["residents"]["S"]["state"]
    good = hypervisor.create_vm(TINY, memory="1M")
    machine.run()
    assert (good.name, good.console) == ("vm1", "?!\n")


def test_memory_is_enough_or_it_is_not():
    for guest in (1 << 20, 5 << 20):
        enough = Hypervisor.memory_for(guest)
        assert Hypervisor(Machine(memory=enough)).create_vm(memory=guest).memory.size == guest
        with pytest.raises(VlabError, match="KiB are needed"):
            Hypervisor(Machine(memory=enough - 4096)).create_vm(memory=guest)
    with pytest.raises(VlabError, match="the computer has 0 KiB left"):
        Hypervisor(Machine(memory="64K")).create_vm(memory=4096)


def test_vms_get_frames_of_their_own(hypervisor):
    first, second = hypervisor.create_vm(memory="1M"), hypervisor.create_vm(memory="1M", name="other")
    used = [*first.memory.frames, *first.technique.state()["frames"]]
    used += [*second.memory.frames, *second.technique.state()["frames"]]
    assert len(used) == len(set(used)) == 2 * (256 + 64)
    assert (first.name, second.name) == ("vm1", "other")


# Several at once


def test_guests_take_turns_and_each_ends_as_if_alone(machine, hypervisor):
    images = [KERNEL, TINY, guests.load("hello"), KERNEL]
    vms = [hypervisor.create_vm(image, memory="1M") for image in images]
    machine.run()
    for vm, image in zip(vms, images, strict=True):
        assert difference(end(vm), end(finished(image, 0).guest)) == []
        vm.exits.pop("time slice", 0)
        assert vm.exits == finished(image, 1).vms[0].exits


def test_a_vm_made_after_others_ended_runs_too(machine, hypervisor):
    hypervisor.create_vm(TINY, memory="1M")
    machine.run()
    later = hypervisor.create_vm(KERNEL, memory="1M")
    assert machine.run() is Stop.ASLEEP
    assert difference(end(later), end(finished(KERNEL, 0).guest)) == []


def test_a_vm_made_later_runs_two_deep_too():
    built = tower(TINY, 2).run()
    later = built.vms[1].hypervisor
    with pytest.raises(VlabError):
        later.create_vm(KERNEL, memory="1M")  # there is no room
    machine = Machine(memory="16M")
    inner = Hypervisor(Hypervisor(machine).create_vm(memory="8M"))
    vms = []
    for image in (TINY, KERNEL, TINY):
        vms.append(inner.create_vm(image, memory="1M"))
        assert machine.run() is Stop.ASLEEP
        assert difference(end(vms[-1]), end(finished(image, 0).guest)) == []


def test_a_sleeping_guest_lets_the_next_one_run(machine, hypervisor):
    asleep = hypervisor.create_vm(assemble("wfi\n1: j 1b"), memory="1M")
    other = hypervisor.create_vm(TINY, memory="1M")
    assert machine.run() is Stop.ASLEEP
    assert (asleep.hart.waiting, asleep.status, other.console) == (True, None, "?!\n")


def test_a_vm_with_nothing_in_it_is_off(machine, hypervisor):
    empty = hypervisor.create_vm(memory="1M")
    other = hypervisor.create_vm(TINY, memory="1M")
    assert machine.run() is Stop.ASLEEP
    assert (empty.on, empty.exits.total(), other.console) == (False, 0, "?!\n")
    empty.load(TINY)
    machine.run()
    assert (empty.on, empty.console) == (True, "?!\n")


def test_each_guest_has_a_reservation_of_its_own(machine, hypervisor):
    reserving = assemble("la t0, x\nlr.d t1, (t0)\nwfi\n.data\n.balign 8\nx: .dword 0")
    first = hypervisor.create_vm(reserving, memory="1M")
    machine.run()
    assert first.reservation == (0x80001000, 8) or first.reservation is not None
    second = hypervisor.create_vm(reserving, memory="1M")
    machine.run()
    assert first.reservation == second.reservation is not None
    assert machine.reservation[0] == second.memory.host_address(second.reservation[0])


# The computer under it


def test_it_powers_a_used_computer_on_anew(machine):
    machine.load(guests.load("device_noise", SEED=5))
    machine.run(20_000)
    hypervisor = Hypervisor(machine)
    vm = hypervisor.create_vm(KERNEL, memory="1M")
    machine.run()
    assert difference(end(vm), end(finished(KERNEL, 0).guest)) == []
    assert vm.exits == finished(KERNEL, 1).vms[0].exits


def test_another_hypervisor_takes_the_computer_over_and_the_vms_of_the_first_are_no_more(machine):
    old = Hypervisor(machine).create_vm(KERNEL, memory="1M")
    machine.run(3000)
    vm = Hypervisor(machine).create_vm(TINY, memory="1M")
    machine.run()
    assert vm.console == "?!\n"
    for act in (lambda: old.load(TINY), lambda: old.restore(old.snapshot())):
        with pytest.raises(VlabError, match="vm1: This virtual machine is no more"):
            act()
    assert repr(old).startswith("VM vm1")


def test_an_image_on_its_computer_ends_it(machine, hypervisor):
    old = hypervisor.create_vm(KERNEL, memory="1M")
    machine.run(3000)
    machine.load(TINY)
    assert machine.run() is Stop.OFF
    assert difference(end(machine), end(finished(TINY, 0, memory=8 << 20).guest)) == []
    with pytest.raises(VlabError, match="no more"):
        old.load(TINY)


def test_guest_code_on_a_machine_does_not_meet_a_hypervisor_that_was_there(machine, hypervisor):
    hypervisor.create_vm(memory="1M")
    machine.load(
        assemble(f"la t0, trap\ncsrw mtvec, t0\nli t0, {GATE}\njr t0\n.balign 4\ntrap: csrr s0, mcause\nwfi")
    )
    assert machine.run() is Stop.ASLEEP
    assert (machine.hart.x[8], machine.hart.pc < GATE) == (1, True)


def test_the_real_hart_runs_guests_in_u_mode_only():
    built = tower(KERNEL, 1)
    vm, seen = built.vms[0], set()

    def look():
        if vm.running and not vm.hypervisor.in_control:
            seen.add((built.machine.mode, vm.mode))

    built.machine.run(until=look)
    assert seen == {(Mode.U, mode) for mode in Mode}


def test_what_it_does_it_does_by_real_instructions():
    """From power on to the first guest instruction: 8 CSRs, mret, 2 more, then satp, fence, sepc, time, alarm, sret."""
    built = tower(TINY, 1)
    built.machine.step()
    assert (built.machine.steps, built.machine.mode, built.machine.hart.pc) == (17, Mode.U, 0x8000_0000)
    built.machine.step()
    assert (built.machine.steps, built.vms[0].time, built.machine.mode) == (18, 0, Mode.S)
    built.machine.step()  # the hidden fault costs the guest nothing; a new entry needs no fence
    assert (built.machine.steps, built.vms[0].time) == (26, 0)


def test_a_limit_counts_all_levels():
    for depth in (1, 2, 3):
        built = tower(guests.load("trap_forever"), depth)
        assert built.machine.run(3000) is Stop.LIMIT
        assert 3000 <= built.machine.steps < 3500


def test_a_state_is_plain_data():
    def plain(value):
        if isinstance(value, dict | Pages):
            return all(type(key) in (str, int) and plain(held) for key, held in value.items())
        if isinstance(value, list):
            return all(map(plain, value))
        return type(value) in (int, bool, str, bytes, type(None))

    built = tower(KERNEL, 2)
    built.machine.run(20_000)
    assert plain(computer_state(built.machine))
    assert plain(built.vms[0].snapshot().state)


def test_a_hypervisor_is_the_same_program_on_a_vm():
    built = tower(TINY, 2)
    assert [type(vm.hypervisor) for vm in built.vms] == [Hypervisor] * 2
    assert [vm.hypervisor.computer for vm in built.vms] == [built.machine, built.vms[0]]
    assert [vm.level for vm in built.vms] == [1, 2]
    built.machine.run()
    outer, inner = built.vms
    assert outer.hart.csr["stvec"] == GATE
    assert outer.exits.total() > 8 * inner.exits.total()


def test_a_policy_by_name_or_by_class(hypervisor):
    class Mine(Lazy):
        name = "mine"

    kinds = [
        hypervisor.create_vm(memory="1M", shadow=how).technique.shadow
        for how in ("lazy", "traced", Eager, Mine)
    ]
    assert [type(kind) for kind in kinds] == [Lazy, Traced, Eager, Mine]


def test_a_technique_by_name_or_by_class(hypervisor):
    class Mine(TrapAndEmulate):
        name = "mine"

    kinds = [hypervisor.create_vm(memory="1M", technique=how).technique for how in ("trap-and-emulate", Mine)]
    assert [type(kind) for kind in kinds] == [TrapAndEmulate, Mine]
