"""What listeners hear of an interrupt before it is delivered: that it is pending, what holds it, that it is gone."""

from typing import TYPE_CHECKING

from vlab.events import InterruptChange
from vlab.riscv import Mode
from vlab.riscv.csrs import CSRS
from vlab.riscv.privilege import INTERRUPT_BIT, GuestInterrupt

if TYPE_CHECKING:
    from vlab.machine.hart import Hart

_ENABLED = {
    Mode.M: ("mstatus.MIE", CSRS["mstatus"]["MIE"].mask),
    Mode.S: ("sstatus.SIE", CSRS["mstatus"]["SIE"].mask),
}
_DELIVERED = "delivered"


def tell_interrupts(hart: "Hart") -> None:
    """Tell what has changed about each interrupt since the last look; to be called where one may be taken.

    One that was delivered stays pending until its handler clears the source; meanwhile nothing is told of it.
    """
    computer = hart.computer
    told = computer.events.told(computer.level, hart)
    pending, taken = hart.csr.pending(), hart.interrupt()
    for code in hart.interrupts:
        cause, before = INTERRUPT_BIT | code, told.get(code)
        if not pending >> code & 1:
            if before is not None:
                del told[code]
                hart.emit(InterruptChange, cause, False, "", computer.name)
        elif before != _DELIVERED:
            held = held_by(hart, code)
            if held != before:
                hart.emit(InterruptChange, cause, True, held, computer.name)
            told[code] = _DELIVERED if cause == taken else held


def held_by(hart: "Hart", code: int) -> str:
    """What keeps a pending interrupt from being delivered; nothing: "" (Privileged ISA, 3.1.6.1, 3.1.9).

    "mie" or "sie" ("hie", "vsie"): its own enable bit is off; "mstatus.MIE" or "sstatus.SIE" ("vsstatus.SIE"): all
    are off in this mode; "mode": the hart is in a higher mode than the interrupt's handler.
    """
    values = hart.csr.values
    delegated, of_guest = values["mideleg"] >> code & 1, code in list(GuestInterrupt)
    lent = of_guest and values["hideleg"] >> code & 1
    if not values["mie"] >> code & 1:
        return ("vsie" if lent else "hie") if of_guest else "sie" if delegated else "mie"
    if lent:
        off = hart.mode == Mode.S and not values["vsstatus"] & _ENABLED[Mode.S][1]
        return "mode" if not hart.virtual else "vsstatus.SIE" if off else ""
    target = Mode.S if delegated else Mode.M
    mode = Mode.U if hart.virtual else hart.mode  # VS mode is below HS mode too
    if mode > target:
        return "mode"
    name, enabled = _ENABLED[target]
    return name if mode == target and not values["mstatus"] & enabled else ""
