"""The registers of a computer as GDB numbers them, and the description by which it knows them."""

from vlab.hypervisor import VirtualMachine
from vlab.machine import Computer
from vlab.riscv.csrs import Csr
from vlab.riscv.registers import ABI_NAMES

PC, FIRST_CSR = 32, 65
PRIV = FIRST_CSR + 4096
SIZE = 8
_WORD = 1 << 64
_TYPES = {1: "code_ptr", 2: "data_ptr", 3: "data_ptr", 4: "data_ptr"}


def description(computer: Computer) -> str:
    """target.xml: the general registers, pc, every CSR that there is, and the privilege mode."""
    general = [
        _register(name, number, _TYPES.get(number, "int")) for number, name in enumerate(ABI_NAMES[:32])
    ]
    general.append(_register("pc", PC, "code_ptr"))
    csrs = [_register(csr.name, FIRST_CSR + csr.number, "int") for csr in _csrs(computer).values()]
    features = ("cpu", general), ("csr", csrs), ("virtual", [_register("priv", PRIV, "int")])
    body = "".join(
        f'<feature name="org.gnu.gdb.riscv.{name}">{"".join(rows)}</feature>' for name, rows in features
    )
    head = '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd">'
    # Without an operating system's habits, GDB has each step made here: else it guesses where the next instruction is,
    # and a trap, or a resident, goes elsewhere.
    kind = "<architecture>riscv:rv64</architecture><osabi>none</osabi>"
    return f'{head}<target version="1.0">{kind}{body}</target>'


def _register(name: str, number: int, kind: str) -> str:
    return f'<reg name="{name}" bitsize="64" regnum="{number}" type="{kind}"/>'


def _csrs(computer: Computer) -> dict[int, Csr]:
    """The computer's CSRs, by their numbers."""
    known = computer.hart.csr.registers.by_name
    return dict(sorted((csr.number, csr) for csr in known.values()))


def read(computer: Computer, number: int) -> int | None:
    """A register's value; None where there is no such register."""
    hart = computer.hart
    if 0 <= number < PC:
        return hart.x[number]
    if number == PC:
        return hart.pc
    if number == PRIV:
        return int(hart.mode) | hart.virtual << 2
    csr = _csrs(computer).get(number - FIRST_CSR)
    return None if csr is None else hart.csr.read(csr)


def write(computer: Computer, number: int, value: int) -> bool:
    """Set a register by hand; False where there is none that takes this. VlabError where nothing can be done by hand.

    pc takes an address at which an instruction may begin; a CSR what its fields may hold, as if software wrote it.
    The history begins anew: what the computer is now doesn't follow from its past.
    """
    value %= _WORD
    hart = computer.virtual_hart if isinstance(computer, VirtualMachine) else computer.hart
    csr = _csrs(computer).get(number - FIRST_CSR)
    general = 0 < number < PC or (number == PC and not value % hart.parcel)
    if not general and (csr is None or csr.read_only):
        return False
    if isinstance(computer, VirtualMachine):
        computer.stop_by_hand(computer.hypervisor)
    if csr is not None:
        hart.csr.write(csr, value)
        hart.mmu.flush("restore")
        computer.translations_changed("restore", None)
    elif number == PC:
        hart.pc = value
    else:
        hart.x[number] = value
    if isinstance(computer, VirtualMachine):
        computer.hypervisor.wake()
    computer.history.begin()
    return True
