"""What is particular about the exercises of lesson 07."""

import pytest

from tests.course.answers.wrong_07 import WRONG
from vlab.course.checking import examine, key
from vlab.course.exercises import find
from vlab.machine import Machine
from vlab.riscv import CSRS, Interrupt, Mode
from vlab.silicon import run_signals

SIE = CSRS["sstatus"]["SIE"].mask


def test_the_counter_example_is_the_smallest():
    answer = WRONG["07-1"][0][0]
    exercise = find("07-1")
    wrong = [c for c in exercise.cases(0) if answer(*c) != key("07-1").answer(c)]
    assert exercise.show(exercise.name, min(wrong, key=exercise.size)) in str(examine(exercise, answer))


@pytest.mark.parametrize("exercise", ["07-5", "07-6"])
def test_a_counter_example_that_has_a_picture_is_drawn(exercise):
    from vlab.views import picture_of

    verdict = examine(find(exercise), WRONG[exercise][0][0])
    assert "ladder" in picture_of(verdict.picture).sentence


@pytest.mark.parametrize(
    ("name", "answer"),
    [("a function", lambda cause, value: ""), ("a number", 3), ("no exit of its own", type("A", (), {}))],
)
def test_what_is_no_technique_is_told_so(name, answer):
    assert "is not a class like" in str(examine(find("07-6"), answer))


class Bytes:
    """A device with some bytes for its computer: it interrupts until all of them have been read."""

    size = 0x1000

    def __init__(self, number):
        self.name, self.left = f"device {number}", 0

    @property
    def interrupting(self):
        return self.left > 0

    def load(self, offset, size):
        return self.left

    def store(self, offset, size, value):
        self.left = max(0, self.left - 1)

    def state(self):
        return {"left": self.left}

    def restore(self, state):
        self.left = state["left"]


def kernel_with(devices):
    """A hart whose kernel listens to three devices; and what claims the interrupt of one of them."""
    machine = Machine(memory="64K")
    plic = machine.bus.devices["plic"][1]
    for number, device in devices.items():
        machine.attach(device, irq=number)
        plic.store(4 * number, 4, 1)
    plic.store(0x2080, 4, 0b1110)
    machine.hart.csr.values |= {"mideleg": 1 << Interrupt.SEI, "mie": 1 << Interrupt.SEI, "mstatus": SIE}
    machine.hart.mode = Mode.S
    return machine, plic


def test_a_kernel_is_told_of_devices_as_by_the_packages_interrupt_controller():
    for kind, events in find("07-7").cases(0):
        if kind == "signals":
            continue
        devices = {number: Bytes(number) for number in (1, 2, 3)}
        machine, plic = kernel_with(devices)
        hart, found = machine.hart, []
        for what, number in events:
            if what in ("hold", "release"):
                hart.csr.values["mstatus"] = SIE if what == "release" else 0
            elif what == "happens":
                devices[number].left += 1
            else:
                devices[number].store(0, 4, 0)
            if hart.interrupt() is not None:
                found.append(plic.load(0x201004, 4))
                plic.store(0x201004, 4, found[-1])
                hart.csr.values["mstatus"] = 0
        assert found == key("07-7").answer((kind, events))


def test_a_process_is_told_of_signals_as_by_a_real_kernel():
    verbs, numbers = {"block": "hold", "send": "happens", "unblock": "release"}, {"SIGUSR1": 1, "SIGUSR2": 2}
    events, found = [], []
    for moment in run_signals(live=False):
        verb, *names = moment.step.split()
        if verb not in verbs or "SIGALRM" in names:
            continue
        events.append((verbs[verb], numbers[names[0]] if verb == "send" else None))
        found += [numbers[name] for name in moment.delivered]
    assert found == key("07-7").answer(("signals", events)) == [1, 2, 1]
