"""From the table to machine code: built by LLVM once, then read from the user's cache."""

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

from vlab.files import write_atomically
from vlab.machine.execute.native.common import common
from vlab.machine.execute.native.csrs import ACCESSES
from vlab.machine.execute.native.decoding import DECODING
from vlab.machine.execute.native.functions import function
from vlab.machine.execute.native.handlers import handlers
from vlab.machine.execute.native.privileged import PRIVILEGED
from vlab.machine.execute.native.routines import ROUTINES
from vlab.machine.execute.native.walks import WALKS

COMMON = ("leave", "undecoded", "page_end", "across", "beyond")  # handlers that no row makes
_DIGEST = 32  # bytes of a sha256, at the begin of a cached file
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
    routines = map(function, WALKS + ROUTINES + PRIVILEGED + ACCESSES + DECODING)
    return "\n\n".join([common(), *routines, *rows.values(), table]), names


def native() -> Native:
    """The native code of this host, made when it is first asked for. ImportError where there is no llvmlite."""
    with _making:
        return _native()


@cache
def _native() -> Native:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    text, names = source()
    target = llvm.Target.from_default_triple()
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    machine = target.create_target_machine(cpu=cpu, features=features, opt=2)
    key = sha256("\n".join([text, machine.triple, cpu, features, str(llvm.llvm_version_info)]).encode())
    code = _cached(key.hexdigest(), lambda: _compiled(text, machine))
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    # It holds Python's lock: nobody writes meanwhile what it goes by, and no other thread runs the same machine.
    called = ctypes.PYFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)
    run, resume = (called(engine.get_function_address(name)) for name in ("run", "resume"))
    table = (ctypes.c_uint64 * len(names)).from_address(engine.get_global_value_address("handlers"))
    return Native(run, resume, dict(zip(names, table, strict=True)), engine)


def _compiled(text: str, machine: Any) -> bytes:
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(text)
    module.triple = machine.triple
    module.verify()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    builder.getModulePassManager().run(module, builder)
    made: bytes = machine.emit_object(module)
    return made


def _cached(key: str, make: Callable[[], bytes]) -> bytes:
    """What is cached under a key, if it is whole; else what `make` makes, kept for the next time if that can be."""
    try:
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # a user without a home
        return make()
    path = Path(root) / "vlab" / f"{key}.o"
    whole = _own(path)
    if whole[:_DIGEST] == sha256(whole[_DIGEST:]).digest():
        return whole[_DIGEST:]
    made = make()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, sha256(made).digest() + made)
        path.chmod(0o600)
    except OSError:
        pass  # a host that keeps nothing builds it each time
    return made


def _own(path: Path) -> bytes:
    """What a file holds that nobody but this user could have written: it will be executed. Nothing of another one."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            trusted = not hasattr(os, "geteuid") or (
                status.st_uid == os.geteuid() and not status.st_mode & 0o022
            )
            return file.read() if trusted else b""
    except OSError:
        return b""
