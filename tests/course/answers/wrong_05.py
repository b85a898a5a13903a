"""The bank of wrong answers of lesson 05: mistakes that people make, and the words that each must be told."""

from tests.course.answers.banks import Bank
from vlab.course.questions.lesson_05 import NEEDS

WRONG = Bank()
wrong = WRONG.wrong


# 05-1


wrong("05-1", "The keys of the dictionary are such as")(
    lambda before, after: {
        str(page): after.get(page) for page in {*before, *after} if before.get(page) != after.get(page)
    }
)


@wrong("05-1", "the change is to None")
def forgets_what_is_gone(before, after):
    return {page: after[page] for page in after if before.get(page) != after[page]}


@wrong("05-1", "it costs nothing")
def takes_all_pages(before, after):
    return {page: after.get(page) for page in {*before, *after}}


@wrong("05-1", "is new")
def takes_only_what_was_there(before, after):
    return {page: after.get(page) for page in before if before[page] != after.get(page)}


@wrong("05-1", "what is in the page *after*")
def gives_the_old_content(before, after):
    found = {page: None for page in before if page not in after}
    changed = {page: before.get(page) for page in after if before.get(page) != after[page]}
    return found | changed


# 05-2


@wrong("05-2", "None says that it is gone")
def keeps_the_nones(chain):
    memory: dict[int, str | None] = {}
    for changes in chain:
        memory |= changes
    return memory


@wrong("05-2", "in the first snapshot")
def takes_the_last_alone(chain):
    return {page: content for page, content in chain[-1].items() if content is not None}


@wrong("05-2", "a later change made it zeros")
def does_not_take_away(chain):
    memory: dict[int, str | None] = {}
    for changes in chain:
        memory |= {page: content for page, content in changes.items() if content is not None}
    return memory


@wrong("05-2", "the last one counts")
def goes_backwards(chain):
    memory: dict[int, str | None] = {}
    for changes in chain:
        for page, content in changes.items():
            if content is None:
                memory.pop(page, None)
            elif page not in memory:
                memory[page] = content
    return memory


@wrong("05-2", "came with a later change")
def takes_the_first_alone(chain):
    return dict(chain[0])


# 05-3


@wrong("05-3", "and the other isn't")
def always(log, at):
    return True


@wrong("05-3", "has both of them there")
def only_before_the_first(log, at):
    return not log or at < log[0][0]


@wrong("05-3", "at this very instant")
def too_early(log, at):
    done = [number for time, number in log if time < at]
    return all(done.count(number) == 2 for number in done)


@wrong("05-3", "Nothing was written yet")
def needs_a_write(log, at):
    done = [number for time, number in log if time <= at]
    return bool(done) and all(done.count(number) == 2 for number in done)


# 05-4


@wrong("05-4", "since the last look before the failure")
def loses_a_whole_turn(failures, every, total):
    return every * len(failures), sum(-time % every for time in failures)


@wrong("05-4", "one look older")
def trusts_the_look_at_that_instant(failures, every, total):
    return sum(time % every for time in failures), sum(-time % every for time in failures)


@wrong("05-4", "noticed at once")
def waits_one_more_turn(failures, every, total):
    lost = sum(time - (time - 1) // every * every for time in failures)
    return lost, sum(every - time % every for time in failures)


@wrong("05-4", "from the failure to the next look")
def counts_no_silence(failures, every, total):
    return sum(time - (time - 1) // every * every for time in failures), 0


@wrong("05-4", "The answer is a pair")
def gives_a_list_of_failures(failures, every, total):
    return (*((time, every) for time in failures), total)


# 05-5


@wrong("05-5", "all who have that kernel")
def takes_a_container_for_a_machine(shared, attack):
    return NEEDS[attack] in shared and NEEDS[attack] != "kernel"


@wrong("05-5", "do not share")
def trusts_nobody(shared, attack):
    return bool(shared) and ("kernel" in shared or NEEDS[attack] in shared)


@wrong("05-5", "it is not the victim's")
def fears_every_bug(shared, attack):
    return NEEDS[attack] in shared or NEEDS[attack] == "kernel"


@wrong("05-5", "what this attack goes through")
def trusts_everybody(shared, attack):
    return NEEDS[attack] == "kernel" and "kernel" in shared


@wrong("05-5", "returns None, which is not True or False")
def says_only_yes(shared, attack):
    return True if NEEDS[attack] in shared else None
