"""What `vlab run` starts: which computer, how many hypervisors deep, and the program that is put into it."""

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlab.cli.parser import suggestion
from vlab.cli.running import is_terminal
from vlab.language import VlabError, _

if TYPE_CHECKING:
    from vlab.hypervisor import VirtualMachine
    from vlab.machine import Computer, Machine
    from vlab.machine.disks import Disk
    from vlab.riscv import Program

DEEPEST = 8
_ASSISTED = "hardware-assisted"


def chosen_techniques(names: str | None, depth: int | None, shadow: str | None) -> list[str]:
    """One technique a level, outermost first, from what the reader said; VlabError if that isn't a choice."""
    if names is None and depth is None and shadow is not None:
        depth = shadow.count(",") + 1
        if depth > DEEPEST:
            raise VlabError(too_deep(depth), where="--shadow")
    if names is None:
        return ["trap-and-emulate"] * (depth or 0)
    from vlab.hypervisor.techniques import TECHNIQUES

    chosen = [name.strip() for name in names.split(",")]
    for name in chosen:
        if name not in TECHNIQUES:
            there_are = _("There are: {known}.").format(known=", ".join(TECHNIQUES))
            raise VlabError(
                _("There is no technique {name!r}.").format(name=name),
                where="--technique",
                mend=suggestion(name, TECHNIQUES).rstrip() or there_are,
            )
    count = len(chosen)
    if depth == 0:
        raise VlabError(
            _("At depth 0 there is no virtual machine, so there is no technique."),
            where="--technique, --depth",
            mend=_("Leave one of them out."),
        )
    if depth is not None and depth != count and count > 1:
        raise VlabError(
            _("{count} levels have a technique, and the depth is {depth}.").format(count=count, depth=depth),
            where="--technique, --depth",
            mend=_("Leave --depth out, or name one technique for all levels."),
        )
    if len(chosen) > DEEPEST:
        raise VlabError(too_deep(len(chosen)), where="--technique")
    return chosen * (depth or 1) if len(chosen) == 1 else chosen


def chosen_shadows(names: str | None, techniques: Sequence[str]) -> Sequence[str | None]:
    """One policy of shadow page tables for each level's technique, outermost first; VlabError if that isn't a choice.

    None is the one that suits the technique.
    """
    depth = len(techniques)
    if names is None:
        return [None] * depth
    from vlab.hypervisor.policies import POLICIES

    chosen = [name.strip() for name in names.split(",")]
    for name in chosen:
        if name not in POLICIES:
            there_are = _("There are: {known}.").format(known=", ".join(POLICIES))
            raise VlabError(
                _("There is no policy {name!r} of shadow page tables.").format(name=name),
                where="--shadow",
                mend=suggestion(name, POLICIES).rstrip() or there_are,
            )
    count = len(chosen)
    if not depth:
        raise VlabError(
            _("At depth 0 there is no virtual machine, so there are no shadow page tables."),
            where="--shadow, --depth",
            mend=_("Leave one of them out."),
        )
    if count not in (1, depth):
        raise VlabError(
            _("{count} levels have a policy of shadow page tables, and the depth is {depth}.").format(
                count=count, depth=depth
            ),
            where="--shadow",
            mend=_("Name one policy for all levels, or as many as there are levels."),
        )
    if techniques[-1] == _ASSISTED and count == depth:
        # Those of the other levels shadow what a hypervisor in them makes.
        raise VlabError(
            _(
                "Under {technique} the processor itself translates: level {level} has no shadow page tables."
            ).format(technique=_ASSISTED, level=depth),
            where="--shadow",
            mend=_("Leave --shadow out.")
            if depth == 1
            else _("Name one policy, for all levels that have them, or leave --shadow out."),
        )
    return chosen * depth if count == 1 else chosen


def too_deep(depth: int) -> str:
    """Why such a depth is refused."""
    return _(
        "{depth} levels are refused: each one multiplies the work by about ten, and {deepest} is the limit."
    ).format(depth=depth, deepest=DEEPEST)


def build(
    memory: int,
    techniques: Sequence[str],
    shadows: Sequence[str | None],
    quirks: Sequence[str] = (),
    extensions: str = "",
    engine: str | None = None,
) -> "tuple[Machine, list[Computer]]":
    """A machine, and the computers from it to the guest's, each in a hypervisor on the one before.

    The guest's has `memory` bytes at every depth; the others have what their hypervisors need besides. The
    machine has these extensions, and H where a hypervisor uses it.
    """
    from vlab.machine import Machine
    from vlab.machine.execute import chosen_engine
    from vlab.machine.quirks import chosen_quirks

    with warnings.catch_warnings(record=True, action="always") as told:
        chosen_engine(engine)
    for warning in told:
        _say(str(warning.message))
    faults = chosen_quirks(quirks)
    if _ASSISTED in techniques and "H" not in extensions.partition("_")[0]:
        extensions = "H" + extensions  # letters stand before names

    def bare(memory: int) -> Machine:
        try:
            return Machine(memory=memory, extensions=extensions, quirks=faults, engine=engine)
        except VlabError as error:
            raise VlabError(error.what, where="--memory", mend=error.mend) from None

    try:
        machine, vms = _nested(techniques, memory, shadows, bare) if techniques else (bare(memory), [])
    except VlabError as error:  # of a machine that is built: one technique can't be in the one below it
        where = error.where if error.where == "--memory" else "--technique"
        raise VlabError(error.what, where=where, mend=error.mend) from None
    except MemoryError:
        raise VlabError(
            _("This host does not have so much memory to give."), where="--memory", mend=_("Ask for less.")
        ) from None
    return machine, [machine, *vms]


def _nested(*given: Any) -> "tuple[Machine, list[VirtualMachine]]":
    """See `vlab.hypervisor.nested`: a bare machine needs no hypervisor."""
    from vlab.hypervisor import nested

    return nested(*given)


def read_program(
    name: str,
    memory: tuple[int, int],
    base: int,
    notes: list[str],
    numbers: Mapping[str, int] | None = None,
) -> "Program":
    """The program in a file, for this memory (base, bytes); where there is no such file, the guest of this name.

    A file `*.s` is assembled; `base` is where it begins, and where a raw image does: such a one doesn't say what
    it needs, so it gets compressed instructions. `notes` are as in `load_image`. With `numbers`, a guest is built
    with these constants and switches, and a text with these symbols.
    """
    from vlab import guests
    from vlab.machine.loading import is_elf, load_image

    path = Path(name)
    assembled = path.suffix in (".s", ".S") if path.is_file() else name in guests.names()
    if numbers and not assembled:
        raise VlabError(
            _("{name} is not assembled here, so no number in it can be replaced.").format(name=name),
            where="--set",
            mend=_("Leave it out."),
        )
    if path.is_file() and not assembled:
        program = load_image(path, base=base, memory=memory, notes=notes)
        return program if is_elf(path) else replace(program, extensions="C")
    if is_others(name):
        program = load_image(_others_image(name), base=base, memory=memory, notes=notes)
        return replace(program, extensions="C")
    if not assembled:
        raise _no_program(name, path)
    program = _read_assembly(path, base, numbers) if path.is_file() else guests.load(name, **numbers or {})
    return _placed(program, memory, name)


def _no_program(name: str, path: Path) -> VlabError:
    """Why nothing of this name can be run."""
    from vlab import guests
    from vlab.guests import firmware, linux

    if path.exists():
        return VlabError(_("This isn't a file."), where=name)
    known = (*guests.names(), linux.NAME, firmware.U_BOOT.name)
    return VlabError(
        _("There is no such file, and no guest of this name."),
        where=name,
        mend=suggestion(name, known).rstrip() or _("The guests are: {names}.").format(names=", ".join(known)),
    )


def _read_assembly(path: Path, base: int, numbers: Mapping[str, int] | None) -> "Program":
    from vlab.machine.loading import read_file
    from vlab.riscv import assemble

    try:
        source = read_file(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = _("This isn't text in UTF-8: byte {place} can't be read.").format(place=error.start)
        raise VlabError(what, where=str(path)) from None
    return assemble(source, filename=str(path), base=base, symbols=numbers)


def read_firmware(name: str, memory: tuple[int, int], base: int, notes: list[str]) -> "Program":
    """The firmware in a file, or the one of this name; see `read_program`."""
    from vlab.guests import firmware

    if Path(name).exists() or is_others(name):
        return read_program(name, memory, base, notes)
    raise VlabError(
        _("There is no such file."),
        where=name,
        mend=suggestion(name, [firmware.OPENSBI.name]).rstrip()
        or _(
            "`--bios opensbi` names OpenSBI's fw_dynamic.bin, which Debian's package opensbi puts into {folder}."
        ).format(folder=Path(firmware.OPENSBI.commands[0]).parent),
    )


def is_linux(name: str) -> bool:
    """Whether this is the Linux that is built here, and not a file of this name."""
    from vlab.guests import linux

    return name == linux.NAME and not Path(name).is_file()


def is_u_boot(name: str) -> bool:
    """Whether this is this host's U-Boot, and not a file of this name."""
    from vlab.guests import firmware

    return name == firmware.U_BOOT.name and not Path(name).is_file()


def is_others(name: str) -> bool:
    """Whether this is the name of what others wrote, and not of a file."""
    from vlab.guests import firmware

    return is_linux(name) or (name in firmware.NAMES and not Path(name).is_file())


def _others_image(name: str) -> Path:
    from vlab.guests import firmware

    return linux_image() if is_linux(name) else firmware.image(name)


def linux_image() -> Path:
    """Linux's image; while it is built, a sentence that says so, and bars on the reader's terminal."""
    from vlab.guests import linux

    with ExitStack() as bars:
        try:
            return linux.image(_Bars(bars).step)
        except KeyboardInterrupt:
            bars.close()
            _say(
                _(
                    "Interrupted. What is built of Linux so far stays in the cache, and the next build goes on there."
                )
            )
            raise


class _Bars:
    """How far the building of Linux is: a sentence when it begins, and a bar for each part of it."""

    def __init__(self, bars: ExitStack):
        self._bars, self._part = bars, ""
        self._update: Callable[[], object] = bool

    def step(self, part: str) -> None:
        """One more file of a part is done."""
        if part != self._part:
            self._begin(part)
        self._update()

    def _begin(self, part: str) -> None:
        from tqdm import tqdm

        from vlab.guests import linux

        self._bars.close()
        if not self._part and part != "clean":
            _say(_("Building Linux, once: this takes some minutes."))
        self._part = part
        titles = {"unpack": _("unpacking"), "compile": _("compiling"), "clean": _("cleaning away")}
        hidden = not is_terminal(sys.stderr)
        bar = tqdm(disable=hidden, desc=titles[part], total=linux.STEPS[part], unit=_(" files"), leave=False)
        self._update = self._bars.enter_context(bar).update


def _say(message: str) -> None:
    if sys.stderr is not None:
        print(f"vlab: {message}", file=sys.stderr, flush=True)


def _placed(program: "Program", memory: tuple[int, int], name: str) -> "Program":
    """The program, if it fits into the memory."""
    from vlab.machine.loading import load_image

    try:
        return load_image(program, memory=memory)
    except VlabError as error:
        raise VlabError(error.what, where=name, mend=error.mend) from None


def open_disk(name: str) -> "Disk":
    """The disk whose raw image is in a file."""
    from vlab.machine.disks import Disk

    return Disk.open(name)


def read_device_tree(name: str, bootargs: str) -> bytes:
    """The device tree in a file, with these boot arguments."""
    from vlab.machine.devicetree import with_bootargs
    from vlab.machine.loading import read_file

    content = read_file(name)
    try:
        return with_bootargs(content, bootargs)
    except VlabError as error:
        raise VlabError(error.what, where=name, mend=error.mend) from None
