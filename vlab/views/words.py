"""Events in words: a short label, a sentence, and a table of every field, decoded. And words as HTML."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from heapq import heappop, heappush
from html import escape as escape_html
from itertools import islice
from typing import Protocol

from vlab import events as ev
from vlab.display import one_line, says
from vlab.events import Event, EventId, Recording, kind_title
from vlab.language import _
from vlab.riscv import Cause, disassemble
from vlab.riscv.csrs import CSRS
from vlab.riscv.privilege import access_title, cause_key, cause_title
from vlab.views.drawing.svg import escape
from vlab.views.terms import term

_CODE = re.compile(r"`([^`]+)`")
_LISTED = 12  # of an event's effects; the rest are counted


def marked(sentence: str) -> str:
    """A sentence as HTML: `code` between backticks."""
    return _CODE.sub(r"<code>\1</code>", escape_html(sentence, quote=False))


def vm_name(level: int) -> str:
    """Whose event it is: the machine's, or a VM's, by its depth."""
    if level == 0:
        return _("the machine")
    return _("the VM") if level == 1 else _("the VM at depth {level}").format(level=level)


def event_label(event: Event) -> str:
    """A few words for a mark in a picture."""
    match event:
        case ev.Injection():
            return _("inject: {cause}").format(cause=_short_cause(event.cause))
        case ev.Trap():
            return _("trap: {cause}").format(cause=_short_cause(event.cause))
        case ev.Return() if event.level:
            return _("virtual {instruction} to {mode}").format(
                instruction=event.instruction, mode=event.target
            )
        case ev.Return():
            return _("{instruction} to {mode}").format(instruction=event.instruction, mode=event.target)
        case ev.Exit():
            return _("exit: {reason}").format(reason=term(event.reason))
        case ev.Entry():
            return _("enter in {mode}").format(mode=event.mode)
        case ev.Emulation():
            return _("emulate {text}").format(text=event.text)
        case ev.CsrWrite():
            return _("{name} written").format(name=event.name)
        case ev.TlbFill():
            return _("TLB fill")
        case ev.TlbFlush():
            return _("TLB flush")
        case ev.ShadowFill():
            return _("shadow fill {page:#x}").format(page=event.gva & ~0xFFF)
        case ev.ShadowFlush():
            return _("shadow flush ({entries})").format(entries=event.entries)
        case ev.Translation():
            return _("translate {words} words").format(words=event.words)
        case ev.DeviceAccess():
            access = _("store") if event.store else _("load")
            return _("{device} {access}").format(device=event.device, access=access)
        case ev.InterruptChange() if not event.pending:
            return _("cleared: {cause}").format(cause=_short_cause(event.cause))
        case ev.InterruptChange() if event.held_by:
            return _("held: {cause}").format(cause=_short_cause(event.cause))
        case ev.InterruptChange():
            return _("pending: {cause}").format(cause=_short_cause(event.cause))
        case ev.Routing():
            return _("{source} → {to}").format(source=one_line(event.source), to=term(event.to))
    return kind_title(event.kind)


def _short_cause(cause: int) -> str:
    """The cause in words; an interrupt's without the mode that it is meant for."""
    short = {
        "software interrupt": _("software interrupt"),
        "timer interrupt": _("timer interrupt"),
        "external interrupt": _("external interrupt"),
    }
    return short.get(cause_key(cause).split(" ", 1)[-1]) or cause_title(cause)


@says(Event)
def event_sentence(event: Event) -> str:
    """What happened, in one sentence."""
    facts = {f.name: getattr(event, f.name) for f in fields(event)}
    facts["vm"] = vm_name(event.level)
    if isinstance(event, ev.Entry | ev.InterruptChange) and event.vm:
        facts["vm"] = event.vm
    if isinstance(event, ev.Routing):
        facts |= {"vm": event.vm, "to": term(event.to)}
    if isinstance(event, ev.Trap | ev.Exit | ev.InterruptChange | ev.Routing):
        facts["cause"] = cause_title(event.cause)
    if "reason" in facts:
        facts["reason"] = term(facts["reason"])
    return _sentence(event).format(**facts)


def _sentence(event: Event) -> str:
    match event:
        case ev.Injection():
            return _("The hypervisor delivers to {vm}: {cause}, from {origin} to {target}.")
        case ev.Trap():
            return _("The real hart traps at {pc:#x}: {cause}, from {origin} to {target}.")
        case ev.Return() if event.level:
            return _("The hypervisor emulates {instruction} for {vm}: its virtual mode is {target} now.")
        case ev.Return():
            return _("The real hart executes {instruction}: from {origin} to {target}.")
        case ev.Exit() if event.reason == cause_key(event.cause):
            return _("An exit of {vm} at {pc:#x}, in virtual mode {mode}: {reason}.")
        case ev.Exit():
            return _("An exit of {vm} at {pc:#x}, in virtual mode {mode}: {reason} ({cause}).")
        case ev.Entry():
            return _("The hypervisor lets {vm} run on at {pc:#x}, in virtual mode {mode}.")
        case ev.Emulation():
            return _("The hypervisor emulates {text} for {vm}, in virtual mode {mode}.")
        case ev.CsrWrite():
            return _("{name} of {vm} is written: {before:#x} becomes {after:#x}.")
        case ev.TlbFill():
            return _("The MMU remembers that {address:#x} is at {physical:#x}.")
        case ev.TlbFlush():
            return _("The MMU forgets all translations: {reason}.")
        case ev.ShadowFill():
            return _("The hypervisor fills a shadow entry: GVA {gva:#x} → GPA {gpa:#x} → HPA {hpa:#x}.")
        case ev.ShadowFlush():
            return _("The hypervisor drops {entries} shadow entries: {reason}.")
        case ev.Translation():
            return _(
                "The hypervisor translates {words} words of code of {vm} from {pc:#x} on: in-lined {in_lined}, "
                "called out {called_out}."
            )
        case ev.DeviceAccess() if event.store:
            return _("{device} of {vm}: {value:#x} is stored at offset {offset:#x}.")
        case ev.DeviceAccess():
            return _("{device} of {vm}: {value:#x} is loaded from offset {offset:#x}.")
        case ev.InterruptChange() if not event.pending:
            return _("{cause} of {vm} is pending no more.")
        case ev.InterruptChange() if event.held_by == "mode":
            return _("{cause} of {vm} is pending, and held back: the hart is in a higher mode.")
        case ev.InterruptChange() if event.held_by:
            return _("{cause} of {vm} is pending, and held back: {held_by} is off.")
        case ev.InterruptChange():
            return _("{cause} of {vm} is pending and enabled.")
        case ev.Routing() if event.vm and event.vm != event.source:
            return _("The host hands {cause} from {source} to the {to}, on behalf of {vm}.")
        case ev.Routing() if event.to == "hypervisor":
            return _("The host hands {cause} from {source} to the {to}.")
        case ev.Routing():
            return _("The host keeps {cause} from {source} for itself.")
    return "{id}"


def changed_fields(name: str, before: int, after: int) -> str:
    """Which fields of a CSR changed, and how: "SIE 1 → 0, SPP 0 → 1". Empty for other registers."""
    row = CSRS.get(name)
    if row is None or len(row.fields) < 2:
        return ""
    return ", ".join(
        f"{part.name} {_digits(part.get(before))} → {_digits(part.get(after))}"
        for part in row.fields
        if part.get(before) != part.get(after)
    )


def _digits(value: int) -> str:
    return str(value) if value < 10 else f"{value:#x}"


def event_rows(event: Event) -> Iterator[tuple[str, str]]:
    """Every field of an event by its name, decoded; registers that changed have rows of their own."""
    yield "time", str(event.time)
    yield "level", f"{event.level} ({vm_name(event.level)})"
    for part in fields(event):
        value = getattr(event, part.name)
        if part.name in ("id", "level", "parent", "changes"):
            continue
        if part.name == "cause":
            yield "cause", f"{value:#x} ({cause_title(value)})"
        elif part.name == "reason":
            yield "reason", term(value)
        elif part.name == "access":
            yield "access", access_title(value)
        elif part.name == "value" and getattr(event, "cause", None) == Cause.ILLEGAL_INSTRUCTION:
            yield "value", f"{value:#x} ({disassemble(value)})"
        elif isinstance(value, bool):
            yield part.name, _("yes") if value else _("no")
        elif isinstance(value, int):
            yield part.name, str(value) if part.name in ("size", "entries") else f"{value:#x}"
        else:
            yield part.name, str(value)
    if isinstance(event, ev.CsrWrite) and (changed := changed_fields(event.name, event.before, event.after)):
        yield "fields", changed
    if isinstance(event, ev.Emulation):
        yield from _register_rows(event.changes)


def _register_rows(changes: Iterable[tuple[str, int, int]]) -> Iterator[tuple[str, str]]:
    for name, before, after in changes:
        decoded = changed_fields(name, before, after)
        yield name, f"{before:#x} → {after:#x}" + (f" ({decoded})" if decoded else "")


class Causes:
    """A recording's causes and effects by position, found once.

    An event without its cause in the recording has none; an event never follows from a later one.
    """

    def __init__(self, recording: Recording):
        self.events = recording.events
        places: dict[EventId, int] = {}
        self._effects: dict[int, list[int]] = {}
        self._cause: list[int | None] = []
        for number, event in enumerate(self.events):
            cause = None if event.parent is None else places.get(event.parent)
            self._cause.append(cause)
            if cause is not None:
                self._effects.setdefault(cause, []).append(number)
            places[event.id] = number
        self._count = [0] * len(self.events)
        for number in range(len(self.events) - 1, 0, -1):
            if (cause := self._cause[number]) is not None:
                self._count[cause] += self._count[number] + 1

    def cause(self, number: int) -> int | None:
        """The position of the event that this one follows from."""
        return self._cause[number]

    def count(self, number: int) -> int:
        """How many events followed from this one, directly or not."""
        return self._count[number]

    def effects(self, number: int) -> Iterator[int]:
        """Their positions, in order of time. No more of them are looked up than are asked for."""
        waiting: list[tuple[int, Iterator[int]]] = []

        def add(effects: Iterator[int]) -> None:
            if (first := next(effects, None)) is not None:
                heappush(waiting, (first, effects))

        add(iter(self._effects.get(number, ())))
        while waiting:
            first, others = heappop(waiting)
            yield first
            add(others)
            add(iter(self._effects.get(first, ())))


def event_html(event: Event) -> str:
    """An event's sentence, and a table of its fields."""
    return f"<p><b>{escape(event_sentence(event))}</b></p>{event_table(event)}"


def event_table(event: Event) -> str:
    """All fields of an event, decoded, as an HTML table."""
    rows = "".join(
        f"<tr><th scope=row>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in event_rows(event)
    )
    return f"<table>{rows}</table>"


class Relations(Protocol):
    """What is known of the causes and effects of events, by position."""

    @property
    def events(self) -> Sequence[Event]:
        """The events."""

    def cause(self, number: int) -> int | None:
        """The position of the event that this one follows from."""

    def count(self, number: int) -> int:
        """How many events followed from this one, directly or not."""

    def effects(self, number: int) -> Iterator[int]:
        """Their positions, in order of time."""


def relations_html(causes: Relations, number: int) -> str:
    """What an event follows from and what it caused, as buttons that a stepper listens to."""
    cause, count, html = causes.cause(number), causes.count(number), ""
    if cause is not None:
        html += f"<p>{escape(_('Follows from:'))} {_button(causes.events[cause], cause)}</p>"
    if count:
        words = _("Caused {count} events:").format(count=count)
        listed = [
            _button(causes.events[effect], effect) for effect in islice(causes.effects(number), _LISTED)
        ]
        html += f"<p>{escape(words)} {' '.join(listed)}{' …' if count > _LISTED else ''}</p>"
    return html


def _button(event: Event, number: int) -> str:
    return f'<button type=button data-event="{number}">{number} {escape(event_label(event))}</button>'
