"""The bank of wrong answers of lesson 04: mistakes that people make, and the words that each must be told."""

from tests.course.answers.banks import Bank

WRONG = Bank()
wrong = WRONG.wrong


# 04-1


def privileged(text):
    return text.startswith("csr") or text == "sfence.vma"


def places(traps):
    def exits(code, rounds, silent):
        return [at for at, text in enumerate(code) if traps(text, silent)] * rounds

    return exits


wrong("04-1", "stays silent")(places(lambda text, silent: privileged(text)))
wrong("04-1", "Only `sstatus` is silent")(places(lambda text, silent: privileged(text) and not silent))
wrong("04-1", "traps in user mode")(places(lambda text, silent: text[:3] == "csr" and "sstatus" in text))
wrong("04-1", "runs directly")(places(lambda text, silent: not silent or "sstatus" not in text))


@wrong("04-1", "Each round")
def once(code, rounds, silent):
    return places(lambda text, silent: privileged(text) and not (silent and "sstatus" in text))(
        code, 1, silent
    )


@wrong("04-1", "round by round")
def by_instruction(code, rounds, silent):
    return sorted(
        places(lambda text, silent: privileged(text) and not (silent and "sstatus" in text))(
            code, rounds, silent
        )
    )


# 04-2


def ahead(near, step=1):
    def called_out(code):
        replaced = [text.startswith("csr") for text in code]
        found, at = [], 0
        while at < len(code):
            if not replaced[at]:
                at += 1
                continue
            found.append(at)
            at += step
            while any(replaced[at : at + near]):
                at += 1
        return found

    return called_out


wrong("04-2", "in the same exit")(ahead(0))
wrong("04-2", "done together with the one before")(ahead(4))
wrong("04-2", "looked ahead this far: it exits")(ahead(6))


@wrong("04-2", "None of the 5 instructions before it")
def only_the_first(code):
    return ahead(5)(code)[:1]


@wrong("04-2", "runs directly")
def all_that_is_done(code):
    found = ahead(5)(code)
    plain = [at for at, text in enumerate(code) if not text.startswith("csr")]
    return sorted({*found, *(at for at in plain if at - 1 in found)})


@wrong("04-2", "counted from 0")
def from_one(code):
    return [at + len(code) for at in ahead(5)(code)]


# 04-3


def calling(look=True, keep=False, off=False, tick=False):
    """The right rule, but for one of its parts."""

    def hypercalls(events):
        masked, pending, found = False, False, []
        for at, event in enumerate(events):
            if event == "tick":
                pending = pending or masked
                if tick and masked:
                    found.append(at)
                continue
            masked = event == "off"
            if (off and masked) or (not masked and (pending or not look)):
                found.append(at)
                pending = pending and keep
        return found

    return hypercalls


wrong("04-3", "Nothing had to wait")(calling(look=False))
wrong("04-3", "a store and a look, and no hypercall")(calling(keep=True))
wrong("04-3", "To mask is a store")(calling(off=True))
wrong("04-3", "the hypervisor's doing")(calling(tick=True))


@wrong("04-3", "A tick had to wait")
def never(events):
    return []


@wrong("04-3", "Places are counted from 0")
def far_behind(events):
    return [at + len(events) for at in calling()(events)]


# 04-4


@wrong("04-4", "G-stage fills")
def by_the_most_frequent(exits, returns):
    if any(reason.startswith("hypercall") for reason in exits):
        return "Xen"
    return "VMware" if "translation" in exits else "VM/370"


@wrong("04-4", "There is no host here")
def hardware_is_kvm(exits, returns):
    right = told_apart(exits, returns)
    return "KVM" if right == "Hyper-V" else right


@wrong("04-4", "there is a host")
def hardware_is_hyperv(exits, returns):
    right = told_apart(exits, returns)
    return "Hyper-V" if right == "KVM" else right


@wrong("04-4", "Hypercalls")
def privileged_first(exits, returns):
    if "system call" in exits and "translation" not in exits:
        return "VM/370"
    return told_apart(exits, returns)


@wrong("04-4", "rewritten as it ran")
def a_host_is_kvm(exits, returns):
    return told_apart(exits, returns) if returns is None else "KVM"


@wrong("04-4", "nobody helped")
def no_host_is_hyperv(exits, returns):
    right = told_apart(exits, returns)
    return "Hyper-V" if right == "VM/370" else right


def told_apart(exits, returns):
    if any(reason.startswith("hypercall") for reason in exits):
        return "Xen"
    if "translation" in exits:
        return "VMware"
    if "G-stage fill" in exits:
        return "Hyper-V" if returns is None else "KVM"
    return "VM/370"


# 04-5


def totals(counts, prices, missing=None, zero=True):
    for way, known in prices.items():
        happened = [what for what in counts if counts[what] or not zero]
        if missing is not None or all(what in known for what in happened):
            yield sum(counts[what] * known.get(what, missing) for what in happened), way


def names(rows):
    return [way for _total, way in sorted(rows)]


@wrong("04-5", "may cost anything")
def missing_is_free(counts, prices):
    return names(totals(counts, prices, missing=0))


@wrong("04-5", "needs no price")
def all_must_be_known(counts, prices):
    return names(totals(counts, prices, zero=False))


@wrong("04-5", "this way has a total")
def only_the_cheapest(counts, prices):
    return names(totals(counts, prices))[:1]


@wrong("04-5", "first in the alphabet")
def last_of_equals_first(counts, prices):
    found = sorted(totals(counts, prices), key=lambda row: row[1], reverse=True)
    return [way for _total, way in sorted(found, key=lambda row: row[0])]


@wrong("04-5", "the smallest is first")
def the_dearest_first(counts, prices):
    return [way for _total, way in sorted(totals(counts, prices), key=lambda row: (-row[0], row[1]))]


@wrong("04-5", "each count times its price")
def prices_alone(counts, prices):
    ways = names(totals(counts, prices))
    happened = [what for what in counts if counts[what]]
    return sorted(ways, key=lambda way: (sum(prices[way][what] for what in happened), way))


@wrong("04-5", "by their names")
def the_costs(counts, prices):
    return [str(total) for total, _way in sorted(totals(counts, prices))]


# 04-6


def choosing(silent_matters=True, hardware=True, changed_matters=True, stays_matters=True, xen=False):
    """The right rule, but for one of its parts."""

    def systems(silent, assisted, changed, stays):
        if changed and changed_matters:
            found = {"Xen"}
        else:
            found = {"VMware", "VirtualBox"} | ({"Xen"} if changed or xen else set())
            found |= set() if silent and silent_matters else {"VM/370"}
            found |= {"Hyper-V", "KVM"} if assisted or not hardware else set()
        return sorted(found - {"Hyper-V", "VM/370", "Xen"} if stays and stays_matters else found)

    return systems


wrong("04-6", "all that matters traps")(choosing(silent_matters=False))
wrong("04-6", "made for virtual machines")(choosing(hardware=False))
wrong("04-6", "the library of its own")(choosing(changed_matters=False))
wrong("04-6", "it wants the bare computer")(choosing(stays_matters=False))
wrong("04-6", "stops at the first")(choosing(xen=True))


@wrong("04-6", "would run this guest right")
def hardware_only(silent, assisted, changed, stays):
    return sorted({"Hyper-V", "KVM"} & set(choosing()(silent, assisted, changed, stays)))


@wrong("04-6", "names of the six systems")
def small_letters(silent, assisted, changed, stays):
    return [name.lower() for name in choosing()(silent, assisted, changed, stays)]


@wrong("04-6", "in the order of the alphabet")
def the_other_way_round(silent, assisted, changed, stays):
    return choosing()(silent, assisted, changed, stays)[::-1]
