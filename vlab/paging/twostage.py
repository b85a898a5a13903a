"""Two stages of translation: guest-virtual → guest-physical → host-physical (Privileged ISA, section 8.5).

The guest's table stands in guest-physical memory. So each reference to it is itself translated by the second
table first, and so is the address that it leads to: Sv39 over Sv39x4 makes (3 + 1) × 3 + 3 = 15 references,
x86-64 over x86-64 (nested paging after AMD: the same format at both stages) (4 + 1) × 4 + 4 = 24.
"""

from vlab.language import VlabError, _
from vlab.paging.entries import access_of, mode_of
from vlab.paging.schemes import SV39, Scheme
from vlab.paging.walk import G_STAGE, VS_STAGE, Host, Load, Step, Update, Walk, fault_of, judge, walk
from vlab.riscv.privilege import Access, Mode, Trap


def walk_two_stages(
    load: Load,
    root: int,
    address: int,
    access: Access | str,
    *,
    host: Host,
    mode: Mode | str,
    sum: bool = False,
    mxr: bool = False,
    scheme: Scheme = SV39,
    hardware_ad: bool = True,
    host_ad: bool = True,
) -> Walk:
    """Translate a guest-virtual address. Reads, and never writes.

    `load` reads host-physical memory as in `walk`; `root` is the guest-physical address of the guest's root
    table (what `vsatp` names), `host` the second stage (what `hgatp` names). `sum` and `mxr` are `vsstatus`'s
    fields; `host.mxr` is `sstatus`'s, which counts in both stages. `hardware_ad` and `host_ad` are what
    `hardware_ad` is to `walk`, for the guest's entries and for the host's.
    Raises VlabError as `walk` does, and where the two stages have entries of different formats.
    """
    access, mode = access_of(access), mode_of(mode)
    expect_one_format(scheme, host.scheme)
    below = _Below(load, host, host_ad, scheme.format.implicit)
    status = {"sum": sum, "mxr": mxr or host.mxr, "scheme": scheme, "hardware_ad": hardware_ad}
    guest = walk(below.load_entry, root, address, access, mode=mode, stage=VS_STAGE, **status)  # type: ignore[arg-type]
    fault_gpa = below.follow(guest)
    implicit, rule, gpa, physical = fault_gpa is not None, below.refused, None, None
    if rule is None:
        rule, gpa = guest.rule, guest.physical
    if gpa is not None:
        final = below.translate(gpa, access, host.mxr)
        below.keep(final)
        rule, physical, fault_gpa = final.rule, final.physical, final.fault_gpa
    fault = None
    if physical is None:
        fault = fault_of(rule, VS_STAGE if fault_gpa is None else G_STAGE, access)
    done = (tuple(below.steps), physical, fault, rule, tuple(below.updates.values()))
    return Walk(*guest[:7], *done, host, gpa, fault_gpa, implicit)


def expect_one_format(guest: Scheme, host: Scheme) -> None:
    """Raises VlabError where the two stages have entries of different formats."""
    if guest.format is not host.format:
        what = _("{guest} over {host}: their entries have different formats.")
        raise VlabError(what.format(guest=guest.name, host=host.name))


class _Below:
    """The G-stage under one walk of a guest's table: it finds each entry, and keeps what was read for it.

    The guest's entries are read as by loads, whatever the access is, and MXR doesn't matter to the walker's
    own reads; every access of the G-stage counts as one of user mode.
    """

    def __init__(self, load: Load, host: Host, hardware_ad: bool, implicit: Access):
        self._load, self._host, self._hardware_ad, self._implicit = load, host, hardware_ad, implicit
        self._found: list[Walk] = []
        self.steps: list[Step] = []
        self.updates: dict[int, Update] = {}
        self.refused: str | None = None

    def translate(self, gpa: int, access: Access, mxr: bool) -> Walk:
        """The second stage's walk to a guest-physical address."""
        scheme, root, _mxr = self._host
        request = {"mode": Mode.U, "mxr": mxr, "scheme": scheme, "hardware_ad": self._hardware_ad}
        return walk(self._load, root, gpa, access, stage=G_STAGE, **request)  # type: ignore[arg-type]

    def load_entry(self, gpa: int, size: int) -> int:
        """An entry of the guest's table, from where the second stage says that it is."""
        found = self.translate(gpa, self._implicit, False)
        self._found.append(found)
        if found.physical is None:
            assert found.fault is not None
            raise Trap(found.fault, gpa)
        return self._load(found.physical, size)

    def follow(self, guest: Walk) -> int | None:
        """Put the references in their order, with the updates; the GPA of a guest-page fault, if there is one.

        `refused` is then the rule that decided in the G-stage, which also may be an access fault.
        """
        wanted = {update.address: update for update in guest.updates}
        for found, step in zip(self._found, guest.steps, strict=True):
            self.keep(found)
            if found.physical is None:
                self.refused = found.rule
                return found.fault_gpa
            step = step._replace(hpa=found.physical)
            if (update := wanted.get(step.address)) and not self._write(found, update):
                self.refused = "update-refused"
                self.steps.append(step._replace(verdict="fault", rule=self.refused))
                return step.address
            self.steps.append(step)
        return None

    def _write(self, found: Walk, update: Update) -> bool:
        """Note that A or D is set in a guest's entry: a store, to which the G-stage must agree as to any."""
        form, leaf = self._host.scheme.format, found.steps[-1]
        assert leaf.raw is not None and found.physical is not None
        if self._implicit is not Access.STORE:
            wanted = (Access.STORE, Mode.U, False, False)
            rule, own = judge(leaf.address, leaf.raw, leaf.raw, wanted, form, self._hardware_ad)
            if rule != "allowed":
                return False
            self._note(own)
        self._note((update._replace(address=found.physical),))
        return True

    def keep(self, found: Walk) -> None:
        """Add a G-stage walk's updates and its steps, which tell what address they translate."""
        self._note(found.updates)
        self.steps += [step._replace(gpa=found.address) for step in found.steps]

    def _note(self, updates: tuple[Update, ...]) -> None:
        """Keep updates, one for each entry: a later one of the same entry joins the first."""
        for update in updates:
            if before := self.updates.get(update.address):
                update = before._replace(new=before.new | update.new)
            self.updates[update.address] = update
