"""From the table to machine code: built by LLVM once, then read from the user's cache."""

import ctypes
import mmap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

from vlab.language import VlabError, _
from vlab.machine.execute.native.common import common
from vlab.machine.execute.native.csrs import ACCESSES
from vlab.machine.execute.native.decoding import DECODING
from vlab.machine.execute.native.functions import function
from vlab.machine.execute.native.handlers import handlers
from vlab.machine.execute.native.keeping import keep, kept
from vlab.machine.execute.native.privileged import PRIVILEGED
from vlab.machine.execute.native.routines import ROUTINES
from vlab.machine.execute.native.walks import WALKS
from vlab.machine.execute.native.words import WORDS

COMMON = ("leave", "undecoded", "page_end", "across", "beyond")  # handlers that no row makes
_FLOORS = ("machine", "paging", "riscv")  # that native code is made of
_MOST_REASON = 200  # characters of a reason
_making = Lock()  # so that there is one of it, which is kept


@dataclass(frozen=True, eq=False)
class Native:
    """Native code, ready: `run(state)`, `resume(state)`, and the address of each handler. `keep` holds it in memory."""

    run: Callable[[int], int]
    resume: Callable[[int], int]
    handlers: dict[str, int]
    keep: Any


def source() -> tuple[str, list[str]]:
    """The whole module as LLVM IR, and the names of the handlers in the order of its table."""
    rows = dict(handlers())
    names = [*COMMON, *rows]
    table = ", ".join(f'ptr @"{name}"' for name in names)
    table = f"@handlers = constant [{len(names)} x ptr] [{table}]"
    routines = map(function, WALKS + ROUTINES + WORDS + PRIVILEGED + ACCESSES + DECODING)
    return "\n\n".join([common(), *routines, *rows.values(), table]), names


def native() -> Native:
    """The native code of this host, made when it is first asked for.

    Raises:
        VlabError: where it can't be made, for whatever reason: LLVM is somebody else's, and so is the host.
    """
    with _making:
        made = _attempt()
    if isinstance(made, Native):
        return made
    raise VlabError(
        _("The native engine can't be built here: {reason}.").format(reason=made),
        mend=_(
            'Install llvmlite anew (`pip install --force-reinstall "vlab[native]"`), or use `engine="interpreter"`: '
            "it gives the same answers, more slowly."
        ),
    )


@cache
def _attempt() -> Native | str:
    """The native code, or why there is none: that doesn't change, so nobody tries again."""
    try:
        _expect_executable_memory()
        return _built()
    except Exception as problem:
        reason = str(problem).strip().partition("\n")[0].rstrip(".")
        return f"{type(problem).__name__}: {reason[:_MOST_REASON]}" if reason else type(problem).__name__


def _expect_executable_memory() -> None:
    """LLVM ends the whole process where it gets none; so it is tried before."""
    if hasattr(mmap, "PROT_EXEC"):
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        mmap.mmap(-1, mmap.PAGESIZE, flags=flags, prot=mmap.PROT_READ | mmap.PROT_EXEC).close()


def _built() -> Native:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    machine = target.create_target_machine(cpu=cpu, features=features, opt=2)
    key = sha256("\n".join([_origin(), machine.triple, cpu, features, str(llvm.llvm_version_info)]).encode())
    found = kept(key.hexdigest())
    if found is None:
        text, names = source()
        found = "\n".join(names).encode() + b"\0" + _compiled(text, machine)
        keep(key.hexdigest(), found)
    listed, _end, code = found.partition(b"\0")
    names = listed.decode().split("\n")
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    # It holds Python's lock: nobody writes meanwhile what it goes by, and no other thread runs the same machine.
    called = ctypes.PYFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)
    run, resume = (called(engine.get_function_address(name)) for name in ("run", "resume"))
    table = (ctypes.c_uint64 * len(names)).from_address(engine.get_global_value_address("handlers"))
    return Native(run, resume, dict(zip(names, table, strict=True)), engine)


def _origin() -> str:
    """What the source hangs on, in short: every file of the floors that it is made of, or else the source itself."""
    floors = Path(__file__).parents[3]
    files = sorted(path for name in _FLOORS for path in (floors / name).rglob("*.py"))
    if not files:
        return source()[0]
    return sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def _compiled(text: str, machine: Any) -> bytes:
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(text)
    module.triple = machine.triple
    module.verify()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    builder.getModulePassManager().run(module, builder)
    made: bytes = machine.emit_object(module)
    return made
