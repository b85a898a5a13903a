"""The bank of wrong answers of lesson 08: mistakes that people make, and the words that each must be told."""

from typing import Any

from tests.course.answers.banks import Bank
from vlab.hypervisor import StaleSatp, TrapAndEmulate

WRONG = Bank()
wrong = WRONG.wrong


# 08-1


def composing(*without):
    """The right rule, but for some of its parts."""

    def shadow_rights(flags, mode, sum, mxr):
        user = "U" in flags
        if "A" not in flags and "accessed" not in without:
            return ""
        if mode == "U" and not user and "kernel" not in without:
            return ""
        if mode == "S" and user and not sum and "sum" not in without:
            return ""
        found = ""
        if "R" in flags or (mxr and "X" in flags and "mxr" not in without):
            found += "R"
        if "W" in flags and ("D" in flags or "dirty" in without):
            found += "W"
        if "X" in flags and not (mode == "S" and user and "execute" not in without):
            found += "X"
        return found

    return shadow_rights


for part, told in {
    "accessed": "so that A can be set",
    "kernel": "may not touch the kernel's pages",
    "sum": "only while SUM is 1",
    "execute": "never executes a page of its processes",
    "dirty": "so that D can be set",
    "mxr": "With MXR",
}.items():
    wrong("08-1", told)(composing(part))


# 08-2


def missing(*without):
    """The right rule, but for some of its parts."""

    def miss(table, frames, page, access):
        if page not in table:
            return ("fill", (0, "R")) if "unmapped" in without else ("guest fault", None)
        place, flags = table[page]
        if "U" not in flags and "user" not in without:
            return "guest fault", None
        if {"load": "R", "store": "W", "fetch": "X"}[access] not in flags and "right" not in without:
            return "guest fault", None
        if place not in frames:
            return ("guest fault" if "device" in without else "device"), None
        dirty = "D" in flags or (access == "store" and "stored" not in without) or "clean" in without
        found = "".join(letter for letter in "RWX" if letter in flags and (letter != "W" or dirty))
        return "fill", (place if "host" in without else frames[place], found)

    return miss


for part, told in {
    "unmapped": "does not map the page",
    "user": "a page without U is not for it",
    "right": "faults there too",
    "device": "no frame for this guest-physical page",
    "host": "names the host-physical page",
    "clean": "the guest's page is still clean",
    "stored": "sets A and D",
}.items():
    wrong("08-2", told)(missing(part))


# 08-3


def translating(*without):
    """The right rule, but for some of its parts."""

    def translate(table, frames):
        shadow = {}
        for page, (place, size, flags) in table.items():
            if ("U" not in flags and "user" not in without) or (
                "A" not in flags and "accessed" not in without
            ):
                continue
            for n in range(1 if "parts" in without else size):
                if place + n in frames or "device" in without:
                    found = frames.get(place + n, 0)
                    if "neighbours" in without:
                        found = frames.get(place, 0) + n
                    found = place + n if "host" in without else found
                    dirty = "D" in flags or "dirty" in without
                    rights = "".join(x for x in "RWX" if x in flags and (x != "W" or dirty))
                    shadow[page + n] = found, rights
        return shadow

    return translate


for part, told in {
    "user": "the kernel's pages, without U, are not in it",
    "accessed": "never used stays out",
    "device": "There is no frame behind it",
    "parts": "each one with a frame gets an entry",
    "neighbours": "are not neighbours in the host's",
    "host": "names the host-physical page",
    "dirty": "W only if the page is dirty",
}.items():
    wrong("08-3", told)(translating(part))


# 08-4


def dropping(**other):
    """The right rule, but for some of its parts."""

    def dropped(policy, shadow, event):
        kind, what = event
        every = lambda entry: True  # noqa: E731
        none = lambda entry: False  # noqa: E731
        rules: dict[Any, Any] = {
            ("eager", "satp"): every,
            ("eager", "fence"): every,
            ("eager", "store"): none,
            ("lazy", "satp"): none,
            ("lazy", "fence"): lambda entry: what is None or entry[1] == what,
            ("lazy", "store"): none,
            ("traced", "satp"): none,
            ("traced", "fence"): none,
            ("traced", "store"): lambda entry: any(what - 8 < at < what + 8 for at in entry[2]),
        }
        for name, rule in other.items():
            rules[tuple(name.split("_"))] = lambda entry, rule=rule: rule(entry, what)
        return [entry[:2] for entry in shadow if rules[policy, kind](entry)]

    return dropped


def everything(entry, what):
    return True


def touched(entry, what):
    return any(what - 8 < at < what + 8 for at in entry[2])


for rules, told in (
    ({"eager_store": touched}, "stale until the fence"),
    ({"eager_satp": lambda entry, what: entry[0] == what}, "knows whole tables only"),
    ({"lazy_store": touched}, "it waits for the fence"),
    ({"lazy_satp": everything}, "a write to satp alone drops nothing"),
    ({"lazy_fence": lambda entry, what: what is not None and entry[1] == what}, "drops every root's"),
    ({"lazy_fence": everything}, "The fence names a page"),
    ({"traced_fence": everything}, "always true"),
    ({"traced_store": lambda entry, what: any(what >> 12 == at >> 12 for at in entry[2])}, "is not enough"),
    ({"traced_store": lambda entry, what: what in entry[2]}, "begins inside an entry"),
    ({"traced_store": lambda entry, what: what - 8 < entry[2][2] < what + 8}, "an upper table"),
):
    wrong("08-4", told)(dropping(**rules))


# 08-5


@wrong("08-5", "the page of the first table")
class NothingMended(StaleSatp):
    name = "mended"


@wrong("08-5", "what counts is the table that is loaded now")
class KeepsTheOneBeforePagingWasOff(StaleSatp):
    name = "mended"
    last = kept = 0

    def table(self):
        loaded = TrapAndEmulate.table(self)
        if not loaded:
            self.kept = self.last
            return 0
        self.last = loaded
        return self.kept or loaded


@wrong("08-5", "the guest exits otherwise")
class NeverShadowed(StaleSatp):
    name = "mended"

    def table(self):
        return TrapAndEmulate.table(self)

    def exit(self, cause, value):
        if cause in (12, 13, 15):
            self._interpret()
            return "interpreted"
        return super().exit(cause, value)


@wrong("08-5", "there are more fills")
class DropsAllEachTime(StaleSatp):
    name = "mended"

    def table(self):
        return TrapAndEmulate.table(self)

    def exit(self, cause, value):
        if cause == 2:
            self.shadow.drop_all("to be sure")
        return super().exit(cause, value)


@wrong("08-5", "does not come to its end")
class IgnoresFaults(StaleSatp):
    name = "mended"

    def exit(self, cause, value):
        return "ignored" if cause in (12, 13, 15) else super().exit(cause, value)
