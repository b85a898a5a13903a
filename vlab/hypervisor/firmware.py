"""What M mode has to let S mode do, before a hypervisor there is of use: each is its own firmware."""

from vlab.machine import GATE, Computer
from vlab.machine.csrfile import ADUE, STCE
from vlab.riscv import Mode
from vlab.riscv.csrs import CSRS, H_REGISTERS

_STI = CSRS["sie"]["STIE"].mask
FIRMWARE = {
    "medeleg": CSRS["medeleg"].writable,  # every exception goes to S mode
    "mideleg": CSRS["mideleg"].writable,  # so does every interrupt that may
    "mcounteren": CSRS["mcounteren"]["TM"].mask,  # S mode reads the time
    "menvcfg": STCE | ADUE,  # and has an alarm of its own; guests may have A and D set by hardware
    "pmpaddr0": CSRS["pmpaddr0"].writable,  # all of memory is open
    "pmpcfg0": 0x1F,
    "mstatus": Mode.S << CSRS["mstatus"]["MPP"].low,
    "mepc": GATE,
}
FIRMWARE_OF_H = {  # the same for HS mode
    "medeleg": H_REGISTERS.by_name["medeleg"].writable,
    "mcounteren": CSRS["mcounteren"].writable,  # so a guest's access is a virtual instruction, no illegal one
}


def firmware(computer: Computer) -> dict[str, int]:
    """What a computer's registers of M mode need to hold, before its S mode, or HS mode, is of use."""
    return FIRMWARE | (FIRMWARE_OF_H if "H" in computer.extensions else {})


def install(computer: Computer) -> None:
    """From power-on in M mode to S mode, with every trap coming to the resident there."""
    issue = computer.issue
    for csr, value in firmware(computer).items():
        issue(f"csrw {csr}, a0", value)
    issue("mret")
    issue("csrw stvec, a0", GATE)
    issue("csrw sie, a0", _STI)
