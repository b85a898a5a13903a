"""Why a run ended."""

from enum import Enum

from vlab.language import _


class Stop(Enum):
    """Why `run` came back."""

    OFF = "the computer was powered off"
    ASLEEP = "it waits for an interrupt that nothing will send"
    LIMIT = "the limit of instructions was reached"
    CONDITION = "what was waited for has happened"

    @property
    def title(self) -> str:
        """The reason in the reader's language."""
        return {
            Stop.OFF: _("the computer was powered off"),
            Stop.ASLEEP: _("it waits for an interrupt that nothing will send"),
            Stop.LIMIT: _("the limit of instructions was reached"),
            Stop.CONDITION: _("what was waited for has happened"),
        }[self]

    def __repr__(self) -> str:
        return f"<Stop.{self.name}: {self.title!r}>"
