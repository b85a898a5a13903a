"""`vlab run`: a program on a computer, or in virtual machines inside each other."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from vlab.cli.computers import (
    DEEPEST,
    build,
    chosen_shadows,
    chosen_techniques,
    is_linux,
    is_u_boot,
    open_disk,
    read_device_tree,
    read_firmware,
    read_program,
)
from vlab.cli.keyboard import attached, say
from vlab.cli.results import (
    check_apart,
    signature_place,
    statistics,
    whole_file,
    write_json,
    write_signature,
)
from vlab.cli.running import DEFAULT_LIMIT, End, Run, ending, is_terminal, mend
from vlab.cli.values import characters, count, depth, port, setting, size
from vlab.language import VlabError, _, grouped

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from vlab.cli.parser import Parser
    from vlab.machine import Computer
    from vlab.machine.disks import Disk
    from vlab.riscv import Program

AT_LIMIT, ENDLESS, INTERRUPTED = 124, 125, 130


def add_parser(commands: "_SubParsersAction[Parser]") -> ArgumentParser:
    """Say what `vlab run` takes."""
    parser = commands.add_parser(
        "run",
        help=_("run a program on a computer, or in virtual machines inside each other"),
        description=_(
            "Run a program on a RISC-V computer, or in virtual machines inside each other. "
            "What it prints on its console appears here, and what you type goes to it, key by key: Ctrl-A x leaves, "
            "Ctrl-A h helps. What comes through a pipe, or from a file, is typed too."
        ),
        epilog=_(
            "Exit status: the guest's own when it switches its computer off, 255 at most; with --expect, 0 "
            "if the text came and 1 if it did not; 2 for a mistake that you can mend; 124 when "
            "--max-instructions is reached; 125 when nothing can happen any more; 130 when interrupted. 0 too when "
            "you leave with Ctrl-A x."
        ),
    )
    parser.add_argument(
        "image",
        metavar=_("IMAGE"),
        help=_(
            "an ELF file; an assembly file (*.s), which is assembled first; any other file, as a raw image "
            "for 0x80000000; or the name of one of vlab's guests, such as hello or kernel. It starts in "
            "M mode, a0 = hart, a1 = device tree. For an ELF file that says so, and for raw images, the "
            "processor has compressed instructions. `linux` is Linux, with --sbi if there is no --bios; it is built "
            "once, of the distribution's source. `u-boot` is U-Boot, with `--bios opensbi` if there is neither: "
            "Debian's packages u-boot-qemu and opensbi"
        ),
    )
    _add_start(parser)
    _add_computer(parser)
    _add_course(parser)
    _add_results(parser)
    return parser


def _add_start(parser: ArgumentParser) -> None:
    group = parser.add_argument_group(_("what starts"))
    first = group.add_mutually_exclusive_group()
    first.add_argument(
        "--bios",
        metavar=_("FW"),
        help=_(
            "firmware that starts first, in M mode: a file, or `opensbi`; IMAGE (a raw one at 0x80200000) is its "
            "next stage, and a2 points to what OpenSBI's fw_dynamic asks for"
        ),
    )
    first.add_argument(
        "--sbi",
        action="store_true",
        help=_(
            "enter IMAGE (a raw one at 0x80200000) in S mode, above firmware of vlab's own, which answers the "
            "calls of the SBI"
        ),
    )
    group.add_argument(
        "--set",
        metavar=_("NAME=NUMBER"),
        type=setting,
        action="append",
        default=[],
        help=_(
            "assemble IMAGE with this number: a constant of a guest, such as TICK=300, or a switch, such as "
            "PARAVIRTUAL=1; or a symbol that an assembly file leaves open"
        ),
    )
    group.add_argument("--dtb", metavar=_("FILE"), help=_("a device tree in place of the computer's own"))
    group.add_argument(
        "--append",
        metavar=_("ARGUMENTS"),
        default="",
        help=_("the kernel's arguments, put into the device tree"),
    )


def _add_computer(parser: ArgumentParser) -> None:
    group = parser.add_argument_group(_("on which computer"))
    group.add_argument(
        "--memory",
        metavar=_("SIZE"),
        type=size,
        default="64M",
        help=_("the guest's memory, the same at every depth; 64M by default"),
    )
    group.add_argument(
        "--disk",
        metavar=_("FILE"),
        help=_(
            "the raw image of a disk, for a virtio block device; what is written to it is lost at the end"
        ),
    )
    group.add_argument(
        "--depth",
        metavar="N",
        type=depth,
        help=_("how many virtual machines inside each other: 0, the bare machine, to {deepest}").format(
            deepest=DEEPEST
        ),
    )
    group.add_argument(
        "--technique",
        metavar="T[,T…]",
        help=_(
            "how to virtualize: trap-and-emulate, binary-translation, hardware-assisted, or paravirtual for guests "
            "that were built for it. One for all levels, or one a level, the outermost first. "
            "Without --depth, one means --depth 1"
        ),
    )
    group.add_argument(
        "--shadow",
        metavar="P[,P…]",
        help=_(
            "when entries of shadow page tables are made: lazy (at faults; the default), eager (the whole "
            "table when it is loaded) or traced (the guest's tables write-protected; the default of paravirtual). "
            "One for all levels, or one a level"
        ),
    )
    group.add_argument(
        "--quirk",
        metavar=_("NAME"),
        action="append",
        default=[],
        help=_("a fault that the processor has, such as `silent-sstatus`; see `vlab classify`"),
    )
    group.add_argument(
        "--engine",
        choices=("interpreter", "native"),
        help=_(
            "what executes instructions: `native`, the default where llvmlite is installed, or `interpreter`"
        ),
    )


def _add_course(parser: ArgumentParser) -> None:
    group = parser.add_argument_group(_("how it goes"))
    group.add_argument(
        "--max-instructions",
        metavar="N",
        type=count,
        help=_(
            "stop when the machine has attempted so many, its hypervisors' ones too; by default {limit}, counted "
            "from when nothing more can be typed"
        ).format(limit=grouped(DEFAULT_LIMIT)),
    )
    group.add_argument(
        "--input",
        metavar=_("TEXT"),
        type=characters,
        help=_(
            r"type this, and nothing else, as the guest reads it; \n, \r, \t, \e, \\ and \xHH stand for characters"
        ),
    )
    group.add_argument(
        "--gdb",
        metavar=_("PORT"),
        type=port,
        help=_(
            "before it runs, wait for GDB to connect to this port of this host, 0 for a free one: "
            "`gdb-multiarch`, then `target remote localhost:PORT`. Detached, it runs on by itself"
        ),
    )
    group.add_argument(
        "--gdb-level",
        metavar="N",
        type=depth,
        help=_("which computer GDB sees: 0 is the machine; without this, the guest's"),
    )
    group.add_argument(
        "--expect",
        metavar=_("TEXT"),
        type=characters,
        help=_("end the run with status 0 as soon as the console has printed this; written as for --input"),
    )


def _add_results(parser: ArgumentParser) -> None:
    group = parser.add_argument_group(_("what is written down"))
    group.add_argument(
        "--stats", metavar=_("FILE"), help=_("counts of each level as JSON: instructions, time, traps, exits")
    )
    group.add_argument(
        "--trace",
        metavar=_("FILE"),
        help=_("every event, in the format that ui.perfetto.dev opens; 1 µs there is one instruction"),
    )
    group.add_argument(
        "--signature",
        metavar=_("FILE"),
        help=_("the words between the symbols begin_signature and end_signature, in hexadecimal, one a line"),
    )


def main(args: Namespace) -> int:
    """Build the computers, run the program, write what was asked for, and be the guest."""
    if args.gdb is None and args.gdb_level is not None:
        raise VlabError(
            _("Without --gdb nobody looks at a level."),
            where="--gdb-level",
            mend=_("Name a port with --gdb, or leave --gdb-level out."),
        )
    techniques = chosen_techniques(args.technique, args.depth, args.shadow)
    shadows = chosen_shadows(args.shadow, techniques)
    results = [name for name in (args.stats, args.trace, args.signature) if name is not None]
    check_apart(results, [name for name in (args.image, args.bios, args.dtb, args.disk) if name is not None])
    if args.bios is None and is_linux(args.image):
        args.sbi = True  # it is no program for M mode
    if args.bios is None and not args.sbi and is_u_boot(args.image):
        args.bios = "opensbi"  # nor is this one
    images = _read(args)
    extensions = "".join(sorted({*images.image.extensions, *(images.firmware or images.image).extensions}))
    machine, computers = build(args.memory, techniques, shadows, args.quirk, extensions, args.engine)
    guest = computers[-1]
    program = _load(guest, images, args)
    keyboard = attached() if args.input is None else None
    run = Run(machine, guest, args.expect, args.max_instructions, keyboard=keyboard)
    with ExitStack() as files:
        finish = _results(args, computers, program, files)
        if args.input is not None:
            guest.type(args.input)
        end = run.go() if args.gdb is None else _debugged(run, _chosen(computers, args), args.gdb)
        for write in finish:
            write(end)
    return _status(end, run, program, expected=args.expect is not None)


def _chosen(computers: "list[Computer]", args: Namespace) -> "Computer":
    """The computer that GDB is to see."""
    level = len(computers) - 1 if args.gdb_level is None else args.gdb_level
    if level < len(computers):
        return computers[level]
    raise VlabError(
        _("There is no computer at level {level}.").format(level=level),
        where="--gdb-level",
        mend=_("The levels are 0 to {last}.").format(last=len(computers) - 1),
    )


def _debugged(run: Run, computer: "Computer", port: int) -> End:
    """Let GDB have the computer; when it has left, run on."""
    from vlab.operations.debugging import serve

    def ready(port: int) -> None:
        say(_("Waiting for GDB: `target remote localhost:{port}`").format(port=port))

    try:
        left = serve(computer, port, ready)
    except KeyboardInterrupt:
        return End.INTERRUPTED
    return End.INTERRUPTED if left == "killed" else run.go()


class Images(NamedTuple):
    """What the reader named: programs for the guest's memory, a device tree, and what is in the disk drive."""

    image: "Program"
    firmware: "Program | None"
    dtb: bytes | None
    disk: "Disk | None"


def _read(args: Namespace) -> Images:
    """Read all of them, before anything is built."""
    from vlab.machine.computer import NEXT_STAGE
    from vlab.machine.memory import RAM_BASE

    notes: list[str] = []
    memory = RAM_BASE, args.memory
    above = args.sbi or args.bios is not None
    image = read_program(args.image, memory, NEXT_STAGE if above else RAM_BASE, notes, dict(args.set))
    firmware = None if args.bios is None else read_firmware(args.bios, memory, RAM_BASE, notes)
    dtb = None if args.dtb is None else read_device_tree(args.dtb, args.append)
    disk = None if args.disk is None else open_disk(args.disk)
    for note in notes:
        say(note)
    return Images(image, firmware, dtb, disk)


def _load(guest: "Computer", images: Images, args: Namespace) -> "Program":
    """Power the guest's computer on with what the reader named."""
    from vlab.machine import Sbi

    if images.disk is not None:
        from vlab.machine.devices import VirtioBlock

        guest.attach(VirtioBlock(images.disk))
    tree = {"dtb": images.dtb, "bootargs": args.append}
    if args.sbi:
        return Sbi(guest).load(images.image, **tree)
    if images.firmware is None:
        return guest.load(images.image, **tree)
    return guest.load(images.firmware, next_stage=images.image, **tree)


def _results(
    args: Namespace, computers: "list[Computer]", program: "Program", files: ExitStack
) -> "list[Callable[[End], None]]":
    """Open the files that were asked for, before anything runs; what has to be done at the end."""
    guest, finish = computers[-1], []
    if args.signature is not None:
        place = signature_place(program, guest)
        signature = files.enter_context(whole_file(args.signature))
        finish.append(lambda end: write_signature(signature, guest, place))
    if args.trace is not None:
        from vlab.views.runs.perfetto import PerfettoTrace

        trace = PerfettoTrace(files.enter_context(whole_file(args.trace)).write)
        guest.events.listen(trace, patient=True)
        finish.append(lambda end: trace.close())
    if args.stats is not None:
        counts = files.enter_context(whole_file(args.stats))

        def write_counts(end: End) -> None:
            levels = statistics(computers)
            write_json(counts, {"image": args.image, "end": end, "status": guest.status, "levels": levels})

        finish.append(write_counts)
    return finish


def _status(end: End, run: Run, program: "Program", *, expected: bool) -> int:
    """The exit status, and on stderr a sentence where it doesn't speak for itself."""
    guest = run.guest
    if is_terminal(sys.stdout) and guest.uart.output and not guest.uart.output.endswith(b"\n"):
        print()
    if said := "\n".join(filter(None, (ending(run, end, program), mend(run, end, program)))):
        say(said)
    if end is End.INTERRUPTED:
        return INTERRUPTED
    if expected:
        if end is not End.EXPECTED:
            say(_("The run ended before the console printed what --expect says."))
        return 0 if end is End.EXPECTED else 1
    if end is End.LEFT:
        return 0
    if guest.status is not None:
        return min(guest.status, 255)
    return AT_LIMIT if end is End.LIMIT else ENDLESS
