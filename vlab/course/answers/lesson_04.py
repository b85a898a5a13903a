"""What is right in the exercises of lesson 04, and which rule each mistake breaks.

Where the package can be run, it is the key: what exits is what has exited, and what runs in a system has run in it.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from vlab import guests
from vlab.course.exercises import Case
from vlab.course.judging import Key, Why
from vlab.course.questions.lesson_04 import STATUS
from vlab.events import Exit
from vlab.hypervisor import Hypervisor
from vlab.hypervisor.architectures import KVM, VM370, HyperV, VirtualBox, VMware, Xen
from vlab.hypervisor.host import Host
from vlab.language import VlabError, _
from vlab.machine import Machine
from vlab.riscv import Program, assemble

_STEPS = 3000
# From M mode to S mode, with all memory open to it.
_START = """
_start: li   t0, -1
        csrw pmpaddr0, t0
        li   t0, 0x1f
        csrw pmpcfg0, t0
        li   t0, 3<<11
        csrc mstatus, t0
        li   t0, 1<<11
        csrs mstatus, t0
        la   t0, system
        csrw mepc, t0
        mret
system: li   a0, 0
"""
_OFF = """
off:    li   t0, 0x100000
        li   t1, 0x5555
        sw   t1, 0(t0)
        j    off
"""


@lru_cache(maxsize=256)
def _places(code: tuple[str, ...], rounds: int, technique: str, silent: bool) -> tuple[int, ...]:
    """Run it in a VM: the instructions of the code, from 0, that exited because they are privileged."""
    room = "        nop\n" * 8  # so that nothing behind the code is near
    program = assemble(
        f"{_START}        li a1, {rounds}\n{room}again:\n" + "\n".join(code) + f"\ndone:\n{room}{_OFF}"
    )
    machine = Machine(memory="2M", quirks="silent-sstatus" if silent else ())
    Hypervisor(machine).create_vm(program, memory="64K", technique=technique)
    with machine.events.record() as run:
        machine.run(_STEPS)
    first, last = program.symbols["again"], program.symbols["done"]
    privileged = [event.pc for event in run.only(Exit) if event.reason == "privileged instruction"]
    return tuple((pc - first) // 4 for pc in privileged if first <= pc < last)


def _first_wrong(right: Sequence[int], given: Sequence[Any]) -> int | None:
    """Where two lists begin to differ; None if one is the beginning of the other."""
    pairs = zip(right, given, strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), None)


def _no_place(given: Sequence[Any], code: Sequence[str]) -> bool:
    return not all(type(at) is int and 0 <= at < len(code) for at in given)


# 04-1


def _exits(case: Case) -> list[int]:
    code, rounds, silent = case
    return list(_places(tuple(code), rounds, "trap-and-emulate", silent))


def _why_exits(case: Case, right: Any, given: Any) -> Why:
    code, rounds, silent = case
    if _no_place(given, code):
        return Why(_("A place is that of an instruction in the list, counted from 0."))
    missed = next((at for at in sorted(set(right)) if at not in given), None)
    if missed is not None:
        if silent and code[missed] not in STATUS:
            rule = _("Only `sstatus` is silent on this processor: all else that is privileged traps.")
        else:
            rule = _("Here the guest can't go on by itself: it is privileged, and traps in user mode.")
        return Why(rule, code[missed])
    extra = next((at for at in sorted(set(given)) if at not in right), None)
    if extra is not None:
        if silent and code[extra] in STATUS:
            return Why(_("This processor stays silent: no trap, so no exit."), code[extra])
        return Why(_("This instruction is not privileged: it runs directly."), code[extra])
    if len(given) < len(right):
        return Why(_("Each round has its exits anew."), _("{rounds} rounds").format(rounds=rounds))
    return Why(_("The exits come in the order in which the instructions are executed, round by round."))


# 04-2

_NEAR = 5


def _called_out(case: Case) -> list[int]:
    (code,) = case
    return list(_places(tuple(code), 1, "call-outs-only", False))


def _why_called_out(case: Case, right: Any, given: Any) -> Why:
    (code,) = case
    if _no_place(given, code):
        return Why(_("A place is that of an instruction in the list, counted from 0."))
    plain = next((at for at in given if code[at].split()[0] not in ("csrr", "csrw", "csrci", "csrsi")), None)
    if plain is not None:
        return Why(_("Only what was replaced exits: this instruction runs directly."), code[plain])
    at = _first_wrong(right, given)
    extra = given[len(right)] if at is None and len(given) > len(right) else None
    if extra is not None or (at is not None and given[at] < right[at]):
        place = extra if extra is not None else given[at if at is not None else 0]
        return Why(
            _("It was near, so it was done together with the one before, in the same exit."),
            _("place {at}").format(at=place),
        )
    missed = right[len(given)] if at is None else right[at]
    return Why(
        _("None of the {near} instructions before it looked ahead this far: it exits.").format(near=_NEAR),
        _("place {at}").format(at=missed),
    )


# 04-3


def _hypercalls(case: Case) -> list[int]:
    (events,) = case
    found, masked, pending = [], False, False
    for at, event in enumerate(events):
        if event == "tick":
            pending = pending or masked
            continue
        masked = event == "off"
        if pending and not masked:
            found.append(at)
            pending = False
    return found


def _why_hypercalls(case: Case, right: Any, given: Any) -> Why:
    (events,) = case
    if _no_place(given, events):
        return Why(_("Places are counted from 0, and there are as many as events."))
    wrong = sorted(set(right) ^ set(given))
    if not wrong:
        return Why(_("Give each place once, in order."))
    at = wrong[0]
    step = _("event {at}: {deed}").format(at=at, deed=events[at])
    if at in right:
        return Why(_("A tick had to wait: after unmasking, the kernel asks for it by a hypercall."), step)
    if events[at] == "off":
        return Why(_("To mask is a store to the shared page: no hypercall."), step)
    if events[at] == "tick":
        return Why(_("A tick is the hypervisor's doing, no call of the kernel's."), step)
    return Why(_("Nothing had to wait, so unmasking is a store and a look, and no hypercall."), step)


# 04-4


def _system(case: Case) -> str:
    exits, returns = case
    if any(reason.startswith("hypercall") for reason in exits):
        return "Xen"
    if "translation" in exits:
        return "VMware"
    if "G-stage fill" in exits:
        return "Hyper-V" if returns is None else "KVM"
    return "VM/370"


def _why_system(case: Case, right: Any, given: Any) -> Why:
    _exits, returns = case
    told = {
        "Xen": _("Hypercalls: this guest was changed for its hypervisor."),
        "VMware": _("Exits for translation: its kernel was rewritten as it ran."),
        "VM/370": _("No G-stage fill, no translation, no hypercall: nobody helped, it was trap and emulate."),
    }
    if right in told:
        return Why(told[right])
    if given in ("KVM", "Hyper-V"):
        if returns is None:
            return Why(_("There is no host here, to whose programs anything could return."))
        return Why(_("A program in a host's user mode ran for its devices: there is a host."), str(returns))
    return Why(_("G-stage fills: there is a second page table, so the hardware ran this guest."))


# 04-5


def _ranking(case: Case) -> list[str]:
    counts, prices = case
    totals = {way: _total(counts, known) for way, known in prices.items()}
    return [way for _sum, way in sorted((total, way) for way, total in totals.items() if total is not None)]


def _total(counts: Mapping[str, int], known: Mapping[str, int]) -> int | None:
    """The cycles of all that was counted; None if something of it has no price."""
    happened = {what: count for what, count in counts.items() if count}
    if not happened.keys() <= known.keys():
        return None
    return sum(count * known[what] for what, count in happened.items())


def _why_ranking(case: Case, right: Any, given: Any) -> Why:
    counts, prices = case
    if not all(isinstance(way, str) and way in prices for way in given):
        return Why(_("Give ways of `prices`, by their names."))
    totals = {way: _total(counts, known) for way, known in prices.items()}
    unknown = next((way for way in sorted(prices) if way in given and way not in right), None)
    if unknown is not None:
        missing = [what for what, count in counts.items() if count and what not in prices[unknown]]
        return Why(
            _("What has no price may cost anything: of this way no total is known."),
            f"{unknown}: {', '.join(missing)}",
        )
    left = next((way for way in right if way not in given), None)
    if left is not None:
        return Why(_("What did not happen needs no price: this way has a total."), f"{left}: {totals[left]}")
    if len(given) > len(right):
        return Why(_("Give each way once."))
    at = next(at for at, (one, other) in enumerate(zip(right, given, strict=True)) if one != other)
    step = ", ".join(f"{way}: {totals[way]}" for way in (right[at], given[at]))
    if totals[right[at]] == totals[given[at]]:
        return Why(_("Of two that cost the same, the one that comes first in the alphabet is first."), step)
    return Why(_("A total is each count times its price, added up, and the smallest is first."), step)


# 04-6

_SYSTEMS: dict[str, Any] = {
    "VM/370": VM370,
    "Xen": Xen,
    "Hyper-V": HyperV,
    "KVM": KVM,
    "VMware": VMware,
    "VirtualBox": VirtualBox,
}
_ON = 2  # sstatus.SIE


@lru_cache
def _asking(changed: bool) -> Program:
    """A guest that switches its interrupts on, and keeps in s0 what it is told of them then."""
    if not changed:
        ask = "csrsi sstatus, 2\ncsrr s0, sstatus\nandi s0, s0, 2\n"
        return assemble(_START + ask + _OFF)
    library = guests.files("kernel", PARAVIRTUAL=1)["paravirtual/1_hypercalls.s"]
    ask = (
        "mask_events\nunmask_events\nla t1, shared_info\nld s0, INFO_MASK(t1)\nseqz s0, s0\nslli s0, s0, 1\n"
    )
    off = "off: li a0, 0x5555\nswitch_off\n"
    return assemble(f"{library}.text\n_start: la t0, off\nset_traps t0\n{ask}{off}")


@lru_cache
def _runs(name: str, silent: bool, assisted: bool, changed: bool) -> tuple[bool, bool]:
    """Whether the guest runs right in the system on such a computer; and whether the system stands on a host."""
    machine = Machine(memory="6M", extensions="H" if assisted else "", quirks=["silent-sstatus"] * silent)
    try:
        system = _SYSTEMS[name](machine)
    except VlabError:  # it needs another computer
        return False, False
    vm = system.create_vm(_asking(changed), memory="64K")
    machine.run(_STEPS)
    return vm.hart.x[8] == _ON, isinstance(system, Host)


def _systems(case: Case) -> list[str]:
    silent, assisted, changed, stays = case
    found = {name: _runs(name, silent, assisted, changed) for name in _SYSTEMS}
    return sorted(name for name, (right, hosted) in found.items() if right and (hosted or not stays))


def _why_systems(case: Case, right: Any, given: Any) -> Why:
    _silent, _assisted, changed, stays = case
    if not all(isinstance(name, str) and name in _SYSTEMS for name in given):
        return Why(_("Give names of the six systems, as the task writes them."))
    wrong = next((name for name in sorted(_SYSTEMS) if (name in given) != (name in right)), None)
    if wrong is None:
        return Why(_("Give each name once, in the order of the alphabet."))
    if wrong in right:
        return Why(_("It would run this guest right, and its conditions hold."), wrong)
    if stays and wrong in ("VM/370", "Xen", "Hyper-V"):
        return Why(
            _("It is of type 1: it wants the bare computer, and a system is on it that must stay."), wrong
        )
    if changed:
        return Why(
            _("A changed kernel calls the library of its own hypervisor, and of nobody else's."), wrong
        )
    return Why(
        {
            "VM/370": _("It needs a processor on which all that matters traps."),
            "Xen": _("Its guests lack the privileged instructions: an unchanged kernel stops at the first."),
        }.get(wrong, _("It needs a processor that is made for virtual machines.")),
        wrong,
    )


KEYS = {
    "04-1": Key(_exits, _why_exits, lambda: _("a list of places")),
    "04-2": Key(_called_out, _why_called_out, lambda: _("a list of places")),
    "04-3": Key(_hypercalls, _why_hypercalls, lambda: _("a list of places")),
    "04-4": Key(_system, _why_system, lambda: _("the name of a system")),
    "04-5": Key(_ranking, _why_ranking, lambda: _("a list of names")),
    "04-6": Key(_systems, _why_systems, lambda: _("a sorted list of names")),
}
