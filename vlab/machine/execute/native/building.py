"""From the table to machine code: built by LLVM once, then read from the user's cache."""

import ctypes
import mmap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

from vlab.language import VlabError, _
from vlab.machine.execute.native.keeping import keep, kept
from vlab.machine.execute.native.linking import placed, processor_of_host

PLACES = ("run", "resume", "handlers")  # what Python calls, and reads
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
    key = _key()
    found = kept(key)
    if found is None:
        found = _made()
        keep(key, found)
    listed, _end, code = found.partition(b"\0")
    names = listed.decode().split("\n")
    holding, places = placed(code, PLACES) or _placed_by_llvm(code)
    # It holds Python's lock: nobody writes meanwhile what it goes by, and no other thread runs the same machine.
    called = ctypes.PYFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)
    run, resume, handlers = (places[name] for name in PLACES)
    table = (ctypes.c_uint64 * len(names)).from_address(handlers)
    return Native(called(run), called(resume), dict(zip(names, table, strict=True)), holding)


def _key() -> str:
    return sha256(f"{_origin()}\n{_host()}".encode()).hexdigest()


def _host() -> str:
    """What the code is made for, and by whom: asked without LLVM, where the host tells what its processor is."""
    processor = processor_of_host()
    if processor is None:
        import llvmlite.binding as llvm

        machine = _target()
        features = llvm.get_host_cpu_features().flatten()
        return "\n".join([machine.triple, llvm.get_host_cpu_name(), features, str(llvm.llvm_version_info)])
    spec = find_spec("llvmlite")
    version = spec and spec.origin and Path(spec.origin).with_name("_version.py")
    return "\n".join(
        [processor, version.read_text(encoding="utf-8") if version and version.is_file() else ""]
    )


def _origin() -> str:
    """What the source hangs on, in short: every file of the floors that it is made of, or else the source itself."""
    floors = Path(__file__).parents[3]
    files = sorted(path for name in _FLOORS for path in (floors / name).rglob("*.py"))
    if not files:
        from vlab.machine.execute.native.generating import source

        return source()[0]
    return sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def _made() -> bytes:
    """The names of the handlers, and the object file."""
    from vlab.machine.execute.native.generating import source

    text, names = source()
    return "\n".join(names).encode() + b"\0" + _compiled(text, _target())


def _target() -> Any:
    """LLVM for this host's processor. What it makes may lie anywhere, all of it together."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    return target.create_target_machine(cpu=cpu, features=features, opt=2, reloc="pic", codemodel="small")


def _compiled(text: str, machine: Any) -> bytes:
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(text)
    module.triple = machine.triple
    module.verify()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    builder.getModulePassManager().run(module, builder)
    made: bytes = machine.emit_object(module)
    return made


def _placed_by_llvm(code: bytes) -> tuple[Any, dict[str, int]]:
    """The object file where it is to run: what holds it there, and the addresses of what is called and read."""
    import llvmlite.binding as llvm

    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    run, resume, handlers = PLACES
    places = {name: engine.get_function_address(name) for name in (run, resume)}
    return engine, places | {handlers: engine.get_global_value_address(handlers)}
