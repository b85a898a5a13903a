"""The frames of a stepper over a computer's states: one view, one step."""

from collections.abc import Iterator

from vlab.events import Event
from vlab.language import _
from vlab.machine.look import Look
from vlab.riscv.registers import ABI_NAMES
from vlab.views.computers.state import shown_csrs, state_picture, state_sentence
from vlab.views.computers.states import States
from vlab.views.drawing.picture import Picture
from vlab.views.drawing.svg import escape
from vlab.views.live.frames import Frame
from vlab.views.words import changed_fields, event_sentence

_LISTED = 12  # events of one step


class StateFrames:
    """A computer's run, state by state; each `subject` is a Look."""

    def __init__(self, states: States):
        self.states = states
        self.stops = states.stops

    def __len__(self) -> int:
        return len(self.states)

    def _before(self, at: int) -> Look | None:
        return self.states.looks[at - 1] if at else None

    def frame(self, at: int) -> Frame:
        """One state, what changed on the way to it, and what happened meanwhile."""
        look, before = self.states.looks[at], self._before(at)
        detail = changes_table(look, before) + events_list(self.states.events[at])
        wrote = self.states.wrote(at, who_names(look))
        return Frame(look, at, {}, state_sentence(look, before), detail, wrote)

    def sheet(self, number: int) -> Picture:
        """The picture of one state."""
        return state_picture(self.states.looks[number], self._before(number))

    picture = sheet  # each state has a sheet of its own, lit as it is

    def strip(self, at: int) -> list[tuple[Picture, str]]:
        """The state itself: film enough for paper."""
        return [(self.picture(at), "")]


def who_names(look: Look) -> Iterator[str]:
    """What the picture shows that somebody wrote: registers, CSRs, double words."""
    yield from ABI_NAMES[1:]
    yield from shown_csrs(look)
    for window in look.memory:
        yield from (f"{physical:#x}" for _at, physical, _value in window.words(8) if physical is not None)


def changes_table(look: Look, before: Look | None) -> str:
    """Every register and CSR that changed, with the fields, as an HTML table."""
    if before is None:
        return ""
    rows = []
    for name, now, then in look.differences(before):
        if isinstance(now, int) and isinstance(then, int) and name not in ("pc", "mode", "time", "status"):
            fields = changed_fields(name, then, now)
            value = f"{then:#x} → {now:#x}" + (f" ({fields})" if fields else "")
            rows.append(f"<tr><th scope=row>{escape(name)}</th><td>{escape(value)}</td></tr>")
    return f"<table>{''.join(rows)}</table>" if rows else ""


def events_list(events: tuple[Event, ...]) -> str:
    """What happened on the way, a sentence each."""
    said = [f"<li>{escape(event_sentence(event))}</li>" for event in events[:_LISTED]]
    if len(events) > _LISTED:
        said.append(f"<li>{escape(_('and {count} more').format(count=len(events) - _LISTED))}</li>")
    return f"<ol>{''.join(said)}</ol>" if said else ""
