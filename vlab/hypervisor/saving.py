"""Virtual machines as their hypervisor saves them, and back: each is checked before it runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vlab.hypervisor.policies import chosen_policy
from vlab.hypervisor.techniques import chosen_technique
from vlab.language import VlabError, _
from vlab.machine.restoring import restore_core, restore_residents
from vlab.machine.snapshot import WORD, Checker, hart_state, residents_state

if TYPE_CHECKING:
    from vlab.hypervisor.inventory import Inventory, Parts
    from vlab.hypervisor.virtualmachine import VirtualMachine

_LONGEST_TIME = 1 << 63


def vm_state(vm: "VirtualMachine") -> dict[str, Any]:
    """What the hypervisor keeps of a virtual machine, as plain data. Its memory is in the host's."""
    return {
        "name": vm.name,
        "frames": list(vm.memory.frames),
        "hart": hart_state(vm.hart),
        "board": vm.board.state(),
        "devices": vm.bus.state(),
        "htif": vm.htif.state(),
        "on": vm.on,
        "time": vm.clock,
        "entered": vm.entered,
        "skipped": vm.skipped,
        "held": None if vm.held is None else list(vm.held),
        "account": vm.account.state(),
        "written": None if vm.memory.log is None else sorted(vm.memory.log),
        "exits": dict(sorted(vm.exits.items())),
        "technique": vm.technique.state(),
        "residents": residents_state(vm),
    }


def restore_vm(inventory: "Inventory", state: Checker, old: Sequence["VirtualMachine"]) -> None:
    """Give a hypervisor the virtual machine of a state: the same object as before, if it is among `old`.

    A bad part leaves it half done.
    """
    name, how, board = state.part("name").state, state.part("technique"), state.part("board")
    frames, pool = _frames(state.part("frames")), _frames(how.part("frames"))
    if not isinstance(name, str) or not frames:
        raise state.bad(_("This is not a virtual machine."))
    if not inventory.claim(frames, pool):
        raise state.bad(_("The frames of a virtual machine are not where they can be."))
    kind = (how.part("name").state, how.part("shadow").part("policy").state)
    for vm in old:
        same = list(vm.technique.frames) == pool and len(vm.memory.frames) == len(frames)
        if same and vm.technique.kind == kind and vm.board.state() == board.state:
            vm.name = name
            vm.memory.set_frames(frames)
            inventory.vms.append(vm)
            break
    else:
        vm = inventory.build_vm(name, frames, pool, _parts(how, *kind))
        vm.board.attach_saved(board)
    _restore(vm, state)


def _restore(vm: "VirtualMachine", state: Checker) -> None:
    restore_residents(vm, state.part("residents"))
    restore_core(vm, state)
    vm.clock, vm.entered = state.number("time", _LONGEST_TIME), state.number("entered")
    vm.on, vm.skipped = state.flag("on"), state.number("skipped", vm.clock + 1)
    held = None if state.part("held").state is None else state.numbers("held", 2)
    if held is not None and held[1] not in (4, 8):
        raise state.bad(_("There is nothing to reserve at {address:#x}.").format(address=held[0]))
    vm.held = None if held is None else (held[0], held[1])
    vm.account.restore(state.part("account"))
    log = state.part("written")
    vm.memory.log = None if log.state is None else set(_numbers(log, len(vm.memory.frames)))
    exits = state.part("exits")
    if not isinstance(exits.state, Mapping) or any(not isinstance(reason, str) for reason in exits.state):
        raise exits.bad(_("These are not counts of exits."))
    vm.exits = Counter({reason: exits.number(reason) for reason in exits.state})
    vm.technique.restore(state.part("technique"))


def _numbers(state: Checker, bound: int = WORD) -> list[int]:
    return state.all_numbers(state.length(), bound)


def _frames(state: Checker) -> list[int]:
    """Frames by number, none of them twice."""
    frames = _numbers(state)
    if len(set(frames)) != len(frames):
        raise state.bad(_("A frame is named twice."))
    return frames


def _parts(how: Checker, technique: object, policy: object) -> "Parts":
    """The technique and the policy of shadow page tables that a state names."""
    try:
        return chosen_technique(str(technique)[:40]), chosen_policy(str(policy)[:40])
    except VlabError as error:
        raise how.bad(error.what) from None
