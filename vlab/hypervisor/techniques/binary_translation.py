"""Binary translation: the guest's kernel code is rewritten as it is reached; user code runs as it is.

All of the guest runs in real U mode under shadow page tables, as in trap and emulate. But where its virtual mode
is M or S, what runs is not its own code: it is the translation, in frames that the guest doesn't have. So it does
not matter whether a sensitive instruction traps in U mode: none is executed there. A read of a CSR is *in-lined*
while its value is a small number: the number stands in the word that runs, and whenever the CSR has changed, the
word is made anew before the guest goes on. What takes more is a *call-out*, an instruction that exits. A load or
store that exits again and again, for a device or a page table, becomes a call-out too.

After an exit the guest is not entered as long as it would exit again at once, or soon: its next instructions are
interpreted. So a row of call-outs is one exit.

Real translators keep the virtual state in the guest's address space, where their in-lined code loads and stores it;
on x86 segment limits kept the guest off. RISC-V has nothing of the kind: a kernel would find its virtual CSRs by a
wild pointer. So here nothing is in the guest's addresses but what is its own.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from vlab.events import ShadowFill, Translation
from vlab.hypervisor.policies import Lazy
from vlab.hypervisor.shadow import Place, ShadowTables
from vlab.hypervisor.techniques.run_ahead import Expectation
from vlab.hypervisor.techniques.translated_page import ACROSS, Listing
from vlab.hypervisor.techniques.translated_words import NOT_REACHED, changes_little, harmless, reached
from vlab.hypervisor.techniques.translation_cache import CodePage, TranslationCache
from vlab.hypervisor.techniques.trap_and_emulate import _FILLS, AT_ENTRIES, PRIVILEGED, TrapAndEmulate
from vlab.language import VlabError, _
from vlab.machine import GATE
from vlab.machine.memory import PAGE
from vlab.machine.mmu import Found
from vlab.machine.pmp import R, W, X
from vlab.machine.snapshot import Checker
from vlab.paging import Flags
from vlab.riscv import Access, Cause, Mode, Trap

if TYPE_CHECKING:
    from vlab.hypervisor.virtualmachine import VirtualMachine

_CODE_FLAGS = str(Flags.V | Flags.X | Flags.U | Flags.A | Flags.D)
_TRAPS = (Cause.ILLEGAL_INSTRUCTION, Cause.BREAKPOINT)  # of a word that is not reached, and of a call-out
_DATA = ("code read", "code write")  # an access to a page that is shown as code
_TROUBLE = (*_DATA, "page-table write", "device access", "interpreted")
_OFTEN = 3  # a load or store that has exited so often becomes a call-out
_MOST_DATA = 16  # a page of code that is used so often as data is shown as data
_MANY = 512  # frames
_MOST_AHEAD = 64  # instructions that are interpreted before the guest is entered


class BinaryTranslation(TrapAndEmulate):
    """Runs the kernel of one guest from a translation cache; see `TrapAndEmulate` for the rest."""

    name: ClassVar[str] = "binary-translation"
    in_lining: ClassVar[bool] = True

    def __init__(self, vm: "VirtualMachine", frames: Iterable[int], policy: type[ShadowTables] = Lazy):
        super().__init__(vm, frames, policy)
        hidden = self._frames[-self.hidden_frames :]
        self.cache = TranslationCache(vm.host.memory, vm.memory, hidden, vm.virtual_hart.parcel)
        self.shadow.hidden = frozenset(hidden)
        self._another = Expectation(self.cache)
        # A reader's technique that does more at an entry, does it at each.
        self._spares = self._as_said_by(BinaryTranslation, AT_ENTRIES)
        self._exited = True  # of its own accord: only then is it run ahead, so others don't change its exits

    @property
    def hidden_frames(self) -> int:
        """See `TrapAndEmulate`: a quarter is for code, or of many frames, more than tables will take, half."""
        return len(self._frames) // (4 if len(self._frames) < _MANY else 2)

    @property
    def _translates(self) -> bool:
        """Whether the guest is in its kernel now, and runs from the cache."""
        hart = self.vm._hart  # its mode and settings change by exits only
        return hart.mode != Mode.U and not hart.virtual and hart.mmu.fetches is hart.mmu.data

    def _code_at(self, gva: int) -> CodePage | None:
        """The page of the cache that the shadow shows at an address."""
        shadow = self.shadow.shadows.get(self.view())
        frame = None if shadow is None else shadow.leads(gva)
        return None if frame is None else self.cache.at(frame)

    # Exits

    def reason(self, cause: int, value: int) -> str:
        """See `TrapAndEmulate.reason`."""
        pc = self.vm.hart.pc
        page = self._code_at(pc) if cause in _TRAPS and self._translates else None
        if page is None:
            return super().reason(cause, value)
        return self._kind(page, pc, self.cache.guest_word(page, pc))

    def _kind(self, page: CodePage, pc: int, word: int) -> str:
        """What it is that a word of the cache exits for, where the guest's own is `word`."""
        if self._to_translate(page, pc, word):
            return "translation"
        instruction = self.vm.virtual_hart.decode(word)
        if word == ACROSS or (instruction is not None and harmless(word)):
            return "call-out"
        if instruction is None:
            return "illegal instruction"
        return {"ecall": "ecall", "ebreak": "breakpoint"}.get(instruction.row.base, PRIVILEGED)

    def _missing(self, access: Access, gva: int) -> str:
        reason = super()._missing(access, gva)
        if reason not in _FILLS or access is Access.FETCH:
            return reason
        if access is Access.STORE:
            page = self.resolve(gva, access, touch=False).physical // PAGE
            return "code write" if page in self.vm.memory.code else reason
        return "code read" if self._translates and self._code_at(gva) is not None else reason

    def exit(self, cause: int, value: int) -> str:
        """See `TrapAndEmulate.exit`."""
        self._exited = True
        pc = self.vm.virtual_hart.pc
        page = self._code_at(pc) if self._translates else None
        if page is not None and cause in _TRAPS:
            word = self.cache.guest_word(page, pc)
            reason = self._kind(page, pc, word)
            self._trapped(reason, page, pc, word)
        else:
            reason = self.reason(cause, value)
            self._count_data(reason, value)
            self._deal_with(reason, cause, value)
            if page is not None and self.cache.at(page.frame) is page and reason in _TROUBLE:
                self._count_trouble(page, pc)
        return reason

    def _trapped(self, reason: str, page: CodePage, pc: int, word: int) -> None:
        """A word of the cache exited: translate from there on, or do what the guest's own word says."""
        if reason == "translation":
            self._translate(page, pc)
            self.vm.hidden_attempt()
            self.unmoved = self._rests()
        elif word == ACROSS:
            self._interpret()
        else:
            self._another.drop()
            if harmless(word):
                self._another.called_out(page, pc)
                self._count_ease(page, pc, word)
            contexts = self._contexts()
            self._emulate(word)
            # Interrupts may have been enabled or disabled: nobody cares while none is pending.
            if self.calm and changes_little(word) and self._contexts() == contexts:
                self.unmoved = self._rests()

    def _contexts(self) -> tuple[object, ...]:
        """By what a guest is entered, besides its tables: its mode among it."""
        hart = self.vm.virtual_hart
        return hart.mmu.fetches, hart.mmu.data, hart.mode, hart.virtual

    def _rests(self) -> bool:
        """Whether the guest, as little as changed by its exit, can go on at once: what comes next is translated."""
        if not self._spares or self._another.left or not self._translates or self.vm.memory.shared:
            return False
        pc = self.vm.virtual_hart.pc
        page = self._code_at(pc)
        if page is None or self.cache.word(page, pc) == NOT_REACHED:
            return False
        outlook = self.cache.outlook(page, pc)
        if outlook.near and not outlook.waits:
            return False
        self.cache.follow(self.vm.virtual_hart.csr)
        return True

    def _to_translate(self, page: CodePage, pc: int, word: int) -> bool:
        """Whether the word at pc isn't translated yet. Half a word of zeros is none, and may be part of another's."""
        if self.cache.word(page, pc) != NOT_REACHED:
            return False
        return self.vm.virtual_hart.parcel == 4 or word != NOT_REACHED

    def _count_trouble(self, page: CodePage, pc: int) -> None:
        """A load or store had to be emulated. Where that happens often, it is not even tried any more."""
        place = self.cache.place(pc)
        page.trouble[place] = min(page.trouble[place] + 1, _OFTEN)
        if page.trouble[place] == _OFTEN and harmless(self.cache.guest_word(page, pc)):
            self.cache.call_out(page, pc)

    def _count_ease(self, page: CodePage, pc: int, word: int) -> None:
        """A load or store is called out. Where it no longer has to be, again and again, it is tried again."""
        place, there = self.cache.place(pc), reached(word, self.vm.virtual_hart.x)
        if there is None or not page.trouble[place]:
            return
        eased = self._missing(*there) in _FILLS
        page.trouble[place] = page.trouble[place] - 1 if eased else _OFTEN
        if not page.trouble[place]:
            self.cache.try_again(page, pc)

    def _count_data(self, reason: str, gva: int) -> None:
        """A page of code was used as data. Where that happens often, it is that from here on."""
        if reason in _DATA:
            access = Access.STORE if reason == "code write" else Access.LOAD
            for page in self.cache.of(self.resolve(gva, access, touch=False).physical // PAGE):
                page.data += 1
                if page.data > _MOST_DATA:
                    self._drop(page)

    # Translation

    def fill(self, gva: int, access: Access, found: Found) -> None:
        """See `TrapAndEmulate.fill`: for a fetch of the guest's kernel, its page in the cache."""
        if not self._translates or access is not Access.FETCH:
            super().fill(gva, access, found)
            return
        self._show_code(gva, found)
        self.vm.hidden_attempt()

    def _show_code(self, gva: int, found: Found) -> None:
        page, place = self._page(found.physical), Place(self.view(), gva & -found.span, found.span)
        page.data = 0
        self._translate(page, gva)
        if self.shadow.show(place, gva, page.frame):
            self.vm.hypervisor.fence(gva)
        if self.vm.events.on:
            hpa = page.frame * PAGE + gva % PAGE
            self.vm.events.emit(
                ShadowFill, self.vm.level, gva, found.physical, hpa, _CODE_FLAGS, str(Access.FETCH)
            )

    def _page(self, gpa: int) -> CodePage:
        """The page of the cache for a page of the guest's in its mode now: made, if need be, and then traced."""
        memory, key = self.vm.memory, (gpa // PAGE, self.vm.mode)
        if key in self.cache.pages:
            return self.cache.pages[key]
        if self.cache.full:
            self._drop(next(iter(self.cache.pages.values())))
        self.shadow.drop_frame("code traced", memory.host_address(gpa) // PAGE)
        return self.cache.add(*key)

    def _drop(self, page: CodePage) -> None:
        self.shadow.drop_frame("translation dropped", page.frame)
        self.cache.drop(page)

    def _translate(self, page: CodePage, gva: int) -> None:
        """Translate from an address on, if that is not translated yet."""
        if self.cache.word(page, gva) == NOT_REACHED:
            read = self.vm._hart.csr.__getitem__ if self.in_lining else None
            block = self.cache.translate(page, gva, read)
            if self.vm.events.on:
                self.vm.events.emit(Translation, self.vm.level, gva, *block())

    def _granted(self, found: Found) -> Found:
        """See `TrapAndEmulate`: nobody stores to what is translated, and a kernel executes nothing of its own."""
        kept = W if found.physical // PAGE in self.vm.memory.code else 0
        kept |= X if self._translates else 0
        return super()._granted(found._replace(rights=found.rights & ~kept))

    def look(self, gva: int, access: Access) -> Found:
        """See `vlab.hypervisor.shadow.Guest`: what a kernel's page is shown as, only its use can tell."""
        found = super().look(gva, access)
        code = (found.physical // PAGE, self.vm.mode) in self.cache.pages
        if self._translates and (code or not found.rights & (R | W)):
            raise Trap(Cause.LOAD_PAGE_FAULT, gva)
        return found

    # Entries

    def load(self) -> None:
        """See `TrapAndEmulate.load`; what is in-lined is made true before."""
        if self._translates:
            self.cache.follow(self.vm._hart.csr)
        super().load()

    def save(self) -> None:
        """See `TrapAndEmulate.save`."""
        self._exited = False

    set_aside = save

    def prepare(self) -> bool:
        """See `TrapAndEmulate.prepare`: nor is a guest entered that would exit at once."""
        left = _MOST_AHEAD if self._exited else 0
        # The guest's time up to which no interrupt comes that it would be prepared for.
        calm_until: int | None = 0
        quiet = False
        while self.vm.status is None and (quiet or super().prepare()):
            word = self._next_word() if left else None
            if word is None:
                if self._exited:
                    self._foresee()
                self._exited = False
                self._another.drop()
                return True
            if not quiet:
                calm_until = self.deadline() if self.calm else 0
            left -= 1
            self.vm.clock += 1
            quiet = self._do(word) and (calm_until is None or self.vm.clock < calm_until)
        return False

    def _do(self, word: int) -> bool:
        """Interpret the next instruction; whether nothing changed that the guest is prepared by."""
        if word == ACROSS or self.vm.events.on or not harmless(word):
            self._interpret()
            return False
        hart = self.vm.virtual_hart
        try:
            return hart.execute(word)
        except Trap as trap:
            self.inject(trap.cause, trap.value, trap)
            return False

    def _next_word(self) -> int | None:
        """The guest's next word if it is known to be a call-out, or one is expected soon behind the last one.

        ACROSS for one that has yet to be fetched.
        """
        hart = self.vm.virtual_hart
        if not self._translates or hart.pc == GATE:
            return None
        shown = self._code_at(hart.pc)
        page = shown or self._code_behind(hart.pc)
        if page is None:
            return None
        outlook = self.cache.outlook(page, hart.pc)
        if outlook.waits:
            return None
        if outlook.called_out:
            self._another.called_out(page, hart.pc)
        if not outlook.near and not self._another.passes():
            return None
        return ACROSS if shown is None else self.cache.guest_word(page, hart.pc)

    def _code_behind(self, gva: int) -> CodePage | None:
        """The page of the cache for where the guest's own tables lead, which no shadow shows."""
        try:
            found = self.resolve(gva, Access.FETCH, touch=False)
        except Trap:
            return None
        return self.cache.pages.get((found.physical // PAGE, self.vm.virtual_hart.mode))

    def _foresee(self) -> None:
        """Show and translate the code that the guest goes on with, if that is all that it would exit for."""
        hart = self.vm.hart
        if not self._translates or hart.pc == GATE:
            return
        page = self._code_at(hart.pc)
        if page is not None and self.cache.word(page, hart.pc) != NOT_REACHED:
            return
        try:
            found = self.resolve(hart.pc, Access.FETCH, touch=False)
        except Trap:
            return
        key = hart.mmu.fetches.key
        accessed = not key.paged or hart.mmu.walk(hart.pc, Access.FETCH, key).update is None
        # Else it is the fetch's own affair.
        if accessed and found.whole and self.vm.memory.holds(found.physical):
            self._show_code(hart.pc, found)

    def translations_changed(self, reason: str, address: int | None) -> None:
        """See `TrapAndEmulate.translations_changed`."""
        if reason in ("power", "restore"):
            self.cache.clear()
            self._exited = True
            self._another.drop()
        super().translations_changed(reason, address)

    # For readers

    def code(self, address: int, count: int = 16, mode: Mode = Mode.S) -> Listing:
        """The translation of code side by side with it: `count` words from a guest-physical address, as `mode` runs it.

        As far as the page goes; VlabError if nothing of the page is translated.
        """
        page = self.cache.pages.get((address // PAGE, mode))
        if page is None:
            raise VlabError(
                _("Nothing is translated of the page at {address:#x}, for {mode} mode.").format(
                    address=address, mode=mode
                )
            )
        return self.cache.listing(page, address, count)

    # Saving

    def state(self) -> dict[str, Any]:
        """See `TrapAndEmulate.state`."""
        return super().state() | {
            "another": self._another.state(),
            "exited": self._exited and not self.vm.running,
            "cache": self.cache.state(),
        }

    def restore(self, state: Checker) -> None:
        """See `TrapAndEmulate.restore`."""
        super().restore(state)
        self._exited = state.flag("exited")
        self.cache.restore(state.part("cache"))
        self._another.restore(state.part("another"))


class CallOutsOnly(BinaryTranslation):
    """Binary translation that in-lines nothing: each sensitive instruction is a call-out."""

    name: ClassVar[str] = "call-outs-only"
    in_lining: ClassVar[bool] = False
