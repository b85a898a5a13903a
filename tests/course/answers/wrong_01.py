"""The bank of wrong answers of lesson 01: mistakes that people make, and the words that each must be told."""

from tests.course.answers.banks import Bank
from tests.course.solutions import defined

WRONG = Bank()
wrong = WRONG.wrong


def right(name, *case):
    """What the solution gives."""
    return defined("01_virtualization")[name](*case)


# 01-1


@wrong("01-1", "The letter g stands for five")
def g_is_a_letter(host, guest):
    missing = "".join(letter for letter in guest[1] if letter not in host[1])
    if host[0] != guest[0]:
        return "emulation", ""
    return ("both", missing) if missing else ("virtualization", "")


@wrong("01-1", "Another base is another instruction set")
def near_enough(host, guest):
    return right("what_is_it", (host[0][:2], host[1]), (guest[0][:2], guest[1]))


@wrong("01-1", "it may have more")
def must_be_equal(host, guest):
    found = right("what_is_it", host, guest)
    letters = [set(letters.replace("g", "imafd")) for _base, letters in (host, guest)]
    return ("both", "") if found[0] == "virtualization" and letters[0] != letters[1] else found


@wrong("01-1", "most run directly")
def all_or_nothing(host, guest):
    found = right("what_is_it", host, guest)
    return ("emulation", "") if found[0] == "both" else found


@wrong("01-1", "The letters that the guest has and the host has not")
def the_other_way_round(host, guest):
    found = right("what_is_it", host, guest)
    return (found[0], right("what_is_it", guest, host)[1]) if found[0] == "both" else found


@wrong("01-1", "no letters are listed then")
def all_letters(host, guest):
    found = right("what_is_it", host, guest)
    return ("emulation", guest[1]) if found[0] == "emulation" else found


@wrong("01-1", "Return a pair")
def the_word_alone(host, guest):
    return right("what_is_it", host, guest)[:1]


# 01-2


@wrong("01-2", "A block is copied whole")
def by_sectors(base, operations):
    own: dict[int, list[str]] = {}
    read = []
    for kind, sector, *content in operations:
        block, at = divmod(sector, 4)
        if kind == "write":
            own.setdefault(block, []).append(content[0])
        else:
            read.append(base[block][at])
    return read, own


@wrong("01-2", "reading copies nothing")
def copies_when_read(base, operations):
    own: dict[int, list[str]] = {}
    read = []
    for kind, sector, *content in operations:
        block, at = divmod(sector, 4)
        kept = own.setdefault(block, list(base[block]))
        if kind == "write":
            kept[at] = content[0]
        else:
            read.append(kept[at])
    return read, own


@wrong("01-2", "changes its arguments")
def writes_below(base, operations):
    read, own = [], {}
    for kind, sector, *content in operations:
        block, at = divmod(sector, 4)
        if kind == "write":
            own[block] = base[block]
            base[block][at] = content[0]
        else:
            read.append(base[block][at])
    return read, own


@wrong("01-2", "Copy the block at the first write only")
def copies_at_each_write(base, operations):
    read, own = [], {}
    for kind, sector, *content in operations:
        block, at = divmod(sector, 4)
        if kind == "write":
            own[block] = list(base[block])
            own[block][at] = content[0]
        else:
            read.append(own.get(block, base[block])[at])
    return read, own


@wrong("01-2", "is read from the overlay, every other from below")
def reads_below(base, operations):
    read = [base[sector // 4][sector % 4] for kind, sector, *_content in operations if kind == "read"]
    return read, right("through", base, operations)[1]


@wrong("01-2", "The first write to a block makes it the overlay's own")
def keeps_nothing(base, operations):
    return right("through", base, operations)[0], {}


@wrong("01-2", "The keys of the dictionary are such as")
def blocks_by_texts(base, operations):
    read, own = right("through", base, operations)
    return read, {str(block): sectors for block, sectors in own.items()}


@wrong("01-2", "The second part is a dictionary")
def a_list_of_blocks(base, operations):
    read, own = right("through", base, operations)
    return read, sorted(own)


# 01-3


def decks(change):
    """The right answer, changed."""
    return lambda sender, there, deck: change(right("spooled", sender, there, deck), sender, deck)


wrong("01-3", "the sender is told")(
    lambda sender, there, deck: (
        right("spooled", sender, there, deck) if deck[0].split(" ")[1] in there else []
    )
)
wrong("01-3", "whatever the order is")(
    lambda sender, there, deck: right("spooled", sender, [*there, deck[0].split(" ")[1]], deck)
)
wrong("01-3", "in capitals")(
    lambda sender, there, deck: right("spooled", sender, there, [deck[0].replace("id ", "ID "), *deck[1:]])
)
wrong("01-3", "it does not travel on")(
    decks(
        lambda done, sender, deck: (
            [(done[0][0], "reader", [f"FROM {sender}", *deck]), done[1]] if done[0][1] == "reader" else done
        )
    )
)
wrong("01-3", "from whom it comes")(
    decks(
        lambda done, sender, deck: (
            [(done[0][0], "reader", deck[1:]), done[1]] if done[0][1] == "reader" else done
        )
    )
)
wrong("01-3", "ID makes two things")(decks(lambda done, sender, deck: done[:1]))
wrong("01-3", "A message is one line")(
    decks(
        lambda done, sender, deck: (
            [(*done[0][:2], f"MSG FROM {sender}: {' '.join(deck[1:])}")] if "MSG" in done[0][2] else done
        )
    )
)
wrong("01-3", "A message may be empty")(
    decks(lambda done, sender, deck: [(*done[0][:2], done[0][2].strip())] if len(done) == 1 else done)
)
wrong("01-3", "It goes to the user whom the first card names")(
    decks(lambda done, sender, deck: [(sender, *rest) for _user, *rest in done])
)


@wrong("01-3", "First the deck, then the word")
def the_word_first(sender, there, deck):
    return right("spooled", sender, there, deck)[::-1]


# 01-4


@wrong("01-4", "A frame never goes back out")
def to_all_that_are_meant(switch, sender, to):
    return [port for port, address in switch.items() if address == to] or list(switch)


@wrong("01-4", "to that port alone")
def a_hub(switch, sender, to):
    return [port for port in switch if port != sender] if switch[sender] != to else []


@wrong("01-4", "so nobody else gets the frame")
def forgets_its_own_port(switch, sender, to):
    known = [port for port, address in switch.items() if address == to and port != sender]
    return known or [port for port in switch if port != sender]


@wrong("01-4", "so it may be anywhere")
def drops_strangers(switch, sender, to):
    known = [port for port, address in switch.items() if address == to and port != sender]
    return known if to != "ff:ff:ff:ff:ff:ff" else right("ports", switch, sender, to)


@wrong("01-4", "In the order of the switch's ports")
def backwards(switch, sender, to):
    return right("ports", switch, sender, to)[::-1]


# 01-5


def acted_out(change):
    """The right answer, changed by a function of it, of what was given, and of the word."""
    return lambda registers, flags, word: change(
        right("step", registers, flags, word), (registers, flags), word
    )


def flags_but(letter, operations, other):
    """A wrong flag after some operations that set flags: `other` says what it is."""

    def change(after, given, word):
        if not (word >> 20 & 1 and word >> 21 & 15 in operations) or after == given:
            return after
        kept = [flag for flag in "NZCV" if (flag in after[1] if flag != letter else other(after, given))]
        return after[0], "".join(kept)

    return acted_out(change)


wrong("01-5", "so it does nothing at all")(
    lambda registers, flags, word: right("step", registers, flags, word & 0x0FFFFFFF | 14 << 28)
)
wrong("01-5", "so it is carried out")(
    acted_out(lambda after, given, word: given if word >> 28 != 14 else after)
)
wrong("01-5", "its result goes to no register")(
    lambda registers, flags, word: (
        right("step", registers, flags, word & ~(8 << 21))
        if word >> 21 & 15 == 10
        else right("step", registers, flags, word)
    )
)
wrong("01-5", "rotated right by twice")(
    lambda registers, flags, word: right(
        "step", registers, flags, word & ~0xF00 | ((word >> 8 & 15) // 2) << 8
    )
)
wrong("01-5", "bits 15 to 12 name")(
    lambda registers, flags, word: right(
        "step", registers, flags, word & ~0xFF000 | (word >> 16 & 15) << 12 | (word >> 12 & 15) << 16
    )
)
wrong("01-5", "Without S the flags stay")(
    lambda registers, flags, word: right("step", registers, flags, word | 1 << 20)
)
wrong("01-5", "if nothing had to be borrowed")(
    flags_but("C", (2, 10), lambda after, given: "C" not in after[1])
)
wrong("01-5", "did not fit into 32 bits")(flags_but("C", (4,), lambda after, given: "C" in given[1]))
wrong("01-5", "Here C comes from the rotation")(flags_but("C", (0, 13), lambda after, given: False))
wrong("01-5", "leaves V as it was")(flags_but("V", (0, 13), lambda after, given: False))
wrong("01-5", "the wrong sign")(flags_but("V", (2, 4, 10), lambda after, given: "C" in after[1]))
wrong("01-5", "N is bit 31 of the result")(flags_but("Z", (0, 2, 4, 10, 13), lambda after, given: False))
wrong("01-5", "in the order N, Z, C, V")(
    acted_out(lambda after, given, word: (after[0], after[1][::-1]) if word >> 20 & 1 else after)
)


@wrong("01-5", "A register has 32 bits")
def adds_without_end(registers, flags, word):
    after, flags_after = right("step", registers, flags, word)
    if after != registers and word >> 21 & 15 == 4 and not word >> 8 & 15:
        after[word >> 12 & 15] = registers[word >> 16 & 15] + (word & 255)
    return after, flags_after


# 01-6


@wrong("01-6", "begins with the address itself")
def without_the_first(maps, address):
    return right("places", maps, address)[1:]


@wrong("01-6", "the place within the page stays")
def begins_of_pages(maps, address):
    found = right("places", maps, address)
    return found[:1] + [place and place // 4096 * 4096 for place in found[1:]]


@wrong("01-6", "numbers of pages")
def page_numbers(maps, address):
    found = right("places", maps, address)
    return found[:1] + [place and (place // 4096 << 4 | address & 15) for place in found[1:]]


@wrong("01-6", "The first map is the innermost")
def outermost_first(maps, address):
    return right("places", maps[::-1], address)


@wrong("01-6", "put None, and stop")
def passes_through(maps, address):
    found = [address]
    for frames in maps:
        address = frames.get(address // 4096, address // 4096) * 4096 + address % 4096
        found.append(address)
    return found


@wrong("01-6", "It ends too early")
def without_none(maps, address):
    return [place for place in right("places", maps, address) if place is not None]


@wrong("01-6", "below None nothing")
def a_none_for_each(maps, address):
    found = right("places", maps, address)
    return found + [None] * (len(maps) + 1 - len(found))
