"""The reader's own CPU: what really happens when a process does what only a kernel may. It knows nothing of the model.

`try_instruction("interrupts off")` executes a privileged instruction in a child process; `run_signals()` plays
signals that are held back; `try_modules()` asks the host's kernel to install a module; `run_in_kvm()` runs a guest in
a virtual machine through /dev/kvm, and `time_exits()` measures its exits. Each works on the reader's own
computer where it can, and shows recorded data, labelled as such, where it can't.

**What a notebook stores.** What was seen differs from host to host: another CPU, another signal. So each of these
values says one sentence, and stores one picture, that is the same on every host (what is claimed: "the host's kernel
caught the trap"). The particulars (which signal, which CPU, live or recorded) are its attributes, its picture
`details`, and what a running notebook shows. What was asked for with `live=False` is recorded data, the same
everywhere, and stores its particulars.
"""

from vlab.silicon.hosts import Host as Host
from vlab.silicon.instructions import INSTRUCTIONS as INSTRUCTIONS
from vlab.silicon.instructions import Instruction as Instruction
from vlab.silicon.kvm import Backend as Backend
from vlab.silicon.kvm import ExitTimes as ExitTimes
from vlab.silicon.kvm import KvmExit as KvmExit
from vlab.silicon.kvm import KvmRun as KvmRun
from vlab.silicon.kvm import Registers as Registers
from vlab.silicon.kvm import run_in_kvm as run_in_kvm
from vlab.silicon.kvm import time_exits as time_exits
from vlab.silicon.listing import Line as Line
from vlab.silicon.listing import Listing as Listing
from vlab.silicon.modules import Modules as Modules
from vlab.silicon.modules import try_modules as try_modules
from vlab.silicon.signals import SignalRun as SignalRun
from vlab.silicon.signals import run_signals as run_signals
from vlab.silicon.trying import Attempt as Attempt
from vlab.silicon.trying import Attempts as Attempts
from vlab.silicon.trying import try_all as try_all
from vlab.silicon.trying import try_instruction as try_instruction
