"""What is right in the exercises of lesson 05, and which rule each mistake breaks."""

from typing import Any

from vlab.course.exercises import Case, shown
from vlab.course.judging import Key, Why
from vlab.course.questions.lesson_05 import NEEDS
from vlab.language import _

# 05-1


def _pages(right: Any, given: Any) -> tuple[str, str]:
    """Two whole memories: what is the same says something too."""
    return shown(right), shown(given)


def _changes(case: Case) -> dict[int, str | None]:
    before, after = case
    pages = sorted({*before, *after})
    return {page: after.get(page) for page in pages if before.get(page) != after.get(page)}


def _why_changes(case: Case, right: Any, given: Any) -> Why:
    before, after = case
    gone = [page for page in right if right[page] is None and page not in given]
    if gone:
        return Why(
            _("What was in page {page} is gone: the change is to None, all zeros.").format(page=gone[0])
        )
    kept = [page for page in given if page not in right]
    if kept and kept[0] in before and kept[0] in after:
        return Why(_("Page {page} is as it was: it costs nothing.").format(page=kept[0]))
    if kept:
        return Why(_("Page {page} is in neither of the two.").format(page=kept[0]))
    missing = [page for page in right if page not in given]
    if missing and missing[0] not in before:
        return Why(_("Page {page} is new.").format(page=missing[0]))
    return Why(_("A change says what is in the page *after*."))


# 05-2


def _restored(case: Case) -> dict[int, str]:
    memory: dict[int, str] = {}
    for changes in case[0]:
        memory |= changes
    return {page: memory[page] for page in sorted(memory) if memory[page] is not None}


def _why_restored(case: Case, right: Any, given: Any) -> Why:
    chain = case[0]
    if None in given.values():
        return Why(_("A page of zeros is not in a memory: None says that it is gone."))
    zeroed = [page for page in given if page not in right]
    if zeroed:
        return Why(_("Page {page} was there once, and a later change made it zeros.").format(page=zeroed[0]))
    missing = [page for page in right if page not in given]
    if missing and missing[0] in chain[0]:
        return Why(
            _("Page {page} is in the first snapshot, and nobody changed it since.").format(page=missing[0])
        )
    if missing:
        return Why(_("Page {page} came with a later change.").format(page=missing[0]))
    return Why(_("The changes come in the order in which they were taken: the last one counts."))


# 05-3


def _consistent(case: Case) -> bool:
    log, at = case
    done = [number for time, number in log if time <= at]
    return all(done.count(number) == 2 for number in done)


def _why_consistent(case: Case, right: Any, given: Any) -> Why:
    log, at = case
    done = [number for time, number in log if time <= at]
    if right:
        if not done:
            return Why(_("Nothing was written yet: the books are as they were."))
        return Why(_("Each transfer of which a write is on the disk has both of them there."))
    half = next(number for number in done if done.count(number) == 1)
    if any(time == at for time, _number in log):
        return Why(
            _(
                "A write at this very instant is on the disk: and of transfer {number} it is one of two."
            ).format(number=half)
        )
    return Why(_("Of transfer {number} one write is on the disk, and the other isn't.").format(number=half))


# 05-4


def _service(case: Case) -> tuple[int, int]:
    failures, every, _total = case
    lost = sum(time - (time - 1) // every * every for time in failures)
    down = sum(-time % every for time in failures)
    return lost, down


def _why_service(case: Case, right: Any, given: Any) -> Why:
    failures, every, _total = case
    if not isinstance(given, list | tuple) or len(given) != 2:
        return Why(_("The answer is a pair: what is lost, and how long nobody served."))
    if given[0] != right[0]:
        if any(time % every == 0 for time in failures):
            return Why(
                _(
                    "A look at the very instant of a failure finds it failed: the last snapshot is one look older."
                )
            )
        return Why(_("Lost is what was done since the last look before the failure, for each of them."))
    if any(time % every == 0 for time in failures):
        return Why(_("A failure at the instant of a look is noticed at once."))
    return Why(_("Nobody serves from the failure to the next look, for each of them."))


# 05-5


def _succeeds(case: Case) -> bool:
    shared, attack = case
    return NEEDS[attack] in shared


def _why_succeeds(case: Case, right: Any, given: Any) -> Why:
    _shared, attack = case
    if NEEDS[attack] == "kernel":
        rule = (
            _("A bug of the kernel is a bug for all who have that kernel: here the two share it.")
            if right
            else _("The attacker's kernel has the bug, and it is not the victim's.")
        )
        return Why(rule)
    if right:
        return Why(_("The two share just what this attack goes through."))
    return Why(_("This attack goes through something that the two do not share."))


KEYS = {
    "05-1": Key(_changes, _why_changes, lambda: _("a dictionary from pages to what is in them"), show=_pages),
    "05-2": Key(
        _restored, _why_restored, lambda: _("a dictionary from pages to what is in them"), show=_pages
    ),
    "05-3": Key(_consistent, _why_consistent, lambda: _("True or False")),
    "05-4": Key(_service, _why_service, lambda: _("a pair of numbers such as (12, 5)")),
    "05-5": Key(_succeeds, _why_succeeds, lambda: _("True or False")),
}
