"""Which of vlab's objects have a picture, and how each draws itself on a cell's last line."""

from collections.abc import Callable
from functools import partial
from typing import Any

from vlab.display import Bundle, renders
from vlab.events import Event, Recording
from vlab.hypervisor import Hypervisor
from vlab.hypervisor.chain import Chain
from vlab.hypervisor.host import Host, Processes
from vlab.hypervisor.memorymap import MemoryMap
from vlab.hypervisor.tables import Tables
from vlab.language import VlabError, _
from vlab.machine import Computer
from vlab.machine.csrfile import CsrFile
from vlab.machine.disks import Disk
from vlab.machine.hart import Hart
from vlab.machine.look import Look, look
from vlab.machine.network import Capture, Switch
from vlab.machine.tlb import Tlb, TlbRun
from vlab.operations import (
    Cell,
    Classification,
    Classified,
    EquivalenceRow,
    EquivalenceTable,
    Farm,
    Inventory,
    IsolationMatrix,
    Migration,
    Pair,
    Snapshots,
    Together,
)
from vlab.operations.costs import Costs, ParameterSet, WalkCounts
from vlab.operations.linux import LinuxBoot
from vlab.paging import PageTable, Walk, Walks
from vlab.riscv import Csr, Program
from vlab.views.addresses.chain import chain_picture, walk_picture
from vlab.views.addresses.memorymap import memory_map_picture
from vlab.views.addresses.pagetable import table_picture
from vlab.views.addresses.tables import tables_picture
from vlab.views.addresses.tlb import tlb_picture, tlb_run_picture
from vlab.views.computers.boxes import boxes_picture
from vlab.views.computers.comparison import Comparison
from vlab.views.computers.disks import disk_picture
from vlab.views.computers.listings import csr_html, csrs_html, processes_html, program_html, walks_html
from vlab.views.computers.matrix import cell_picture, matrix_picture
from vlab.views.computers.network import network_picture, together_picture
from vlab.views.computers.sequence import capture_bundle, sequence_picture
from vlab.views.computers.sidebyside import compare_picture
from vlab.views.computers.snapshots import snapshots_picture
from vlab.views.computers.state import state_picture
from vlab.views.drawing.picture import Picture
from vlab.views.operations.classification import classification_html, classified_html, pair_picture
from vlab.views.operations.costs import costs_picture
from vlab.views.operations.equivalence import equivalence_html, row_html
from vlab.views.operations.exits import Exits, exits_picture
from vlab.views.operations.farm import farm_picture, inventory_picture
from vlab.views.operations.linux import linux_bundle
from vlab.views.operations.migration import migration_picture
from vlab.views.operations.published import parameters_picture, walk_counts_picture
from vlab.views.runs.ladder import ladder_picture
from vlab.views.silicon.shown import SHOWN, silicon_bundle
from vlab.views.words import event_html


def _hart_picture(hart: Hart) -> Picture:
    return state_picture(look(hart.computer))


_DRAWN: dict[type, Callable[[Any], Picture]] = {
    Walk: walk_picture,
    Chain: chain_picture,
    Recording: ladder_picture,
    PageTable: table_picture,
    Tables: tables_picture,
    MemoryMap: memory_map_picture,
    Tlb: tlb_picture,
    TlbRun: tlb_run_picture,
    Computer: boxes_picture,
    Hypervisor: boxes_picture,
    Host: boxes_picture,
    Look: state_picture,
    Hart: _hart_picture,
    Comparison: compare_picture,
    Snapshots: snapshots_picture,
    Disk: disk_picture,
    Switch: network_picture,
    Together: together_picture,
    Capture: sequence_picture,
    Farm: farm_picture,
    Inventory: inventory_picture,
    Migration: migration_picture,
    Pair: pair_picture,
    ParameterSet: parameters_picture,
    Costs: costs_picture,
    WalkCounts: walk_counts_picture,
    Exits: exits_picture,
    IsolationMatrix: matrix_picture,
    Cell: cell_picture,
    **SHOWN,
}


# They never change, so they can be drawn later than they were given.
_VALUES = (
    Walk,
    Chain,
    Tables,
    MemoryMap,
    Tlb,
    TlbRun,
    Look,
    IsolationMatrix,
    Cell,
    Inventory,
    Capture,
    Pair,
    Costs,
    ParameterSet,
    WalkCounts,
    Exits,
)


def picture_of(thing: Any) -> Picture:
    """The picture of a Walk, a Chain, a Recording, or a Picture itself. Raises VlabError for others."""
    return thing if isinstance(thing, Picture) else _drawer(thing)(thing)


def drawing_of(thing: Any) -> Callable[[], Picture]:
    """What draws a thing as it is now, and the sooner the more it may change. Raises VlabError as `picture_of`."""
    if isinstance(thing, _VALUES):
        return partial(_drawer(thing), thing)
    picture = picture_of(thing)
    return lambda: picture


def _drawer(thing: Any) -> Callable[[Any], Picture]:
    for kind in type(thing).__mro__:
        if kind in _DRAWN:
            return _DRAWN[kind]
    raise VlabError(_("{kind} has no picture.").format(kind=type(thing).__name__))


def _bundle(thing: Any) -> Bundle:
    return picture_of(thing)._repr_mimebundle_()


for _kind in _DRAWN:
    renders(_kind)(silicon_bundle if _kind in SHOWN else _bundle)
renders(Capture)(capture_bundle)
renders(LinuxBoot)(linux_bundle)


@renders(Program)
def _program_bundle(program: Program) -> Bundle:
    return {"text/html": program_html(program)}, {}


@renders(CsrFile)
def _csrs_bundle(csrs: CsrFile) -> Bundle:
    return {"text/html": csrs_html(csrs)}, {}


@renders(Processes)
def _processes_bundle(processes: Processes) -> Bundle:
    return {"text/html": processes_html(processes)}, {}


@renders(Classification)
def _classification_bundle(found: Classification) -> Bundle:
    return {"text/html": classification_html(found)}, {}


@renders(Classified)
def _classified_bundle(row: Classified) -> Bundle:
    return {"text/html": classified_html(row)}, {}


@renders(EquivalenceTable)
def _equivalence_bundle(table: EquivalenceTable) -> Bundle:
    return {"text/html": equivalence_html(table)}, {}


@renders(EquivalenceRow)
def _equivalence_row_bundle(row: EquivalenceRow) -> Bundle:
    return {"text/html": row_html(row)}, {}


@renders(Csr)
def _csr_bundle(csr: Csr) -> Bundle:
    return {"text/html": csr_html(csr)}, {}


@renders(Walks)
def _walks_bundle(walks: Walks) -> Bundle:
    return {"text/html": walks_html(walks)}, {}


@renders(Event)
def _event_bundle(event: Event) -> Bundle:
    return {"text/html": event_html(event)}, {}
