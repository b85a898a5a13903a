"""What is right in the exercises of lesson 01, and which rule each mistake breaks."""

from typing import Any

from vlab.course.exercises import Case
from vlab.course.judging import Key, Why
from vlab.course.questions.lesson_01 import CONDITIONS, FLAGS, OPERATIONS, PAGE, PER_BLOCK
from vlab.language import _

_SIGN, _MASK = 1 << 31, (1 << 32) - 1

# 01-1


def _what_is_it(case: Case) -> tuple[str, str]:
    (host, there), (guest, wanted) = case
    return _kind((host, there.replace("g", "imafd")), (guest, wanted.replace("g", "imafd")))


def _kind(host: tuple[str, str], guest: tuple[str, str]) -> tuple[str, str]:
    """Each letter taken as it is."""
    missing = "".join(letter for letter in guest[1] if letter not in host[1])
    if host[0] != guest[0]:
        return "emulation", ""
    return ("both", missing) if missing else ("virtualization", "")


def _why_kind(case: Case, right: Any, given: Any) -> Why:
    (host, _there), (guest, _wanted) = case
    if len(given) != 2:
        return Why(_("Return a pair: the word, and the letters that have to be acted out."))
    if host != guest:
        if given[0] == "emulation":
            return Why(_("With another base everything is acted out: no letters are listed then."))
        return Why(
            _("Another base is another instruction set: no instruction of the guest can run directly.")
        )
    if tuple(given) == _kind(*case):
        return Why(_("The letter g stands for five: i, m, a, f, d."))
    if given[0] == right[0]:
        return Why(_("The letters that the guest has and the host has not, in the guest's order."))
    if right[0] == "virtualization":
        return Why(_("The host has all that the guest needs; it may have more."))
    return Why(_("The host lacks some of the guest's extensions, and has its base: most run directly."))


# 01-2


def _through(case: Case) -> tuple[list[str], dict[int, list[str]]]:
    base, operations = case
    own: dict[int, list[str]] = {}
    answers = []
    for kind, sector, *content in operations:
        block, at = divmod(sector, PER_BLOCK)
        if kind == "write":
            own.setdefault(block, list(base[block]))[at] = content[0]
        else:
            answers.append(own.get(block, base[block])[at])
    return answers, own


def _why_overlay(case: Case, right: Any, given: Any) -> Why:
    _base, operations = case
    (answers, own), (told, kept) = right, given
    if not isinstance(kept, dict):
        return Why(_("The second part is a dictionary: block number to the block's sectors."))
    if set(kept) > set(own):
        return Why(_("A block that was only read is not the overlay's own: reading copies nothing."))
    if set(kept) < set(own):
        return Why(_("The first write to a block makes it the overlay's own."))
    if any(len(block) != PER_BLOCK for block in kept.values() if isinstance(block, list)):
        return Why(_("A block is copied whole: four sectors, three of them as they were below."))
    if kept != own:
        return Why(_("Copy the block at the first write only; after that, the overlay's own is changed."))
    reads = [sector for kind, sector, *_content in operations if kind == "read"]
    pairs = zip(reads, answers, told, strict=False)
    wrong = next((sector for sector, one, other in pairs if one != other), None)
    step = "" if wrong is None else _("reading sector {sector}").format(sector=wrong)
    return Why(_("A block of its own is read from the overlay, every other from below."), step)


# 01-3


def _spooled(case: Case) -> list[tuple[str, str, Any]]:
    sender, there, (first, *rest) = case
    order, name = first.split(" ")
    if name not in there:
        return [(sender, "terminal", f"{name} is not logged on")]
    if order == "ID":
        return [
            (name, "reader", [f"FROM {sender}", *rest]),
            (name, "terminal", f"RDR FILE FROM {sender}"),
        ]
    if order == "MSG":
        return [(name, "terminal", f"MSG FROM {sender}: {rest[0] if rest else ''}")]
    return [(sender, "terminal", "nobody can read the first card of this deck")]


def _why_spool(case: Case, right: Any, given: Any) -> Why:
    sender, there, (first, *rest) = case
    order, name = first.split(" ")
    if name not in there:
        if given == []:
            return Why(_("Nothing gets lost in silence: the sender is told."))
        return Why(_("Who is not logged on gets nothing, whatever the order is: the sender is told."))
    if order not in ("ID", "MSG"):
        return Why(_("Only ID and MSG, in capitals, are orders. Any other deck is refused, to its sender."))
    if len(given) != len(right):
        return Why(
            _("ID makes two things: the deck in the reader, and a line at the terminal. MSG makes one.")
        )
    if sorted(map(repr, given)) == sorted(map(repr, right)):
        return Why(_("First the deck, then the word: the order counts."))
    if order == "ID" and given[0][2] != right[0][2]:
        if first in given[0][2]:
            return Why(_("The first card was for the control program: it does not travel on."))
        return Why(_("The deck in the reader begins with a card that says from whom it comes."))
    if order == "MSG" and not rest:
        return Why(_("A message may be empty: then there is nothing behind the colon and the space."))
    if order == "MSG" and given[0][2] != right[0][2]:
        return Why(_("A message is one line: the first card after the order."))
    return Why(_("It goes to the user whom the first card names; {sender} sent it.").format(sender=sender))


# 01-4


def _ports(case: Case) -> list[str]:
    switch, sender, to = case
    known = [port for port, mac in switch.items() if mac == to]
    return [port for port in known or switch if port != sender]


def _why_ports(case: Case, right: Any, given: Any) -> Why:
    switch, sender, to = case
    if sender in given:
        return Why(_("A frame never goes back out at the port where it came in."))
    if switch[sender] == to:
        return Why(_("The address is the sender's own port's: it is known, so nobody else gets the frame."))
    if to in switch.values():
        return Why(_("The address is known: the frame goes to that port alone."))
    if sorted(given) == sorted(right):
        return Why(_("In the order of the switch's ports."))
    return Why(_("No port has this address, so it may be anywhere: all other ports get the frame."))


# 01-5


def _holds(condition: int, flags: str) -> bool:
    n, z, c, v = (flag in flags for flag in FLAGS)
    return {0: z, 1: not z, 2: c, 3: not c, 4: n, 5: not n, 10: n == v, 11: n != v, 14: True}[condition]


def _operand(word: int) -> tuple[int, int | None]:
    """The immediate, and the carry that rotating it leaves: None if it isn't rotated."""
    byte, rotation = word & 0xFF, 2 * (word >> 8 & 15)
    if not rotation:
        return byte, None
    value = (byte | byte << 32) >> rotation & _MASK
    return value, value >> 31


def _step(case: Case) -> tuple[list[int], str]:
    """ARM DDI 0100, A3.2 (conditions), A4.1 (the instructions), A5.1.3 (immediates)."""
    registers, flags, word = list(case[0]), case[1], case[2]
    if not _holds(word >> 28, flags):
        return registers, flags
    code, rd, rn = word >> 21 & 15, word >> 12 & 15, word >> 16 & 15
    first, (second, rotated) = registers[rn], _operand(word)
    carry, overflow = "C" in flags if rotated is None else bool(rotated), "V" in flags
    if code == OPERATIONS["mov"]:
        result = second
    elif code == OPERATIONS["and"]:
        result = first & second
    else:
        adds = code == OPERATIONS["add"]
        total = first + second if adds else first + (second ^ _MASK) + 1
        result, carry = total & _MASK, total > _MASK
        other = second if adds else second ^ _MASK
        overflow = bool((first ^ result) & (other ^ result) & _SIGN)
    if code != OPERATIONS["cmp"]:
        registers[rd] = result
    if word >> 20 & 1:
        after = zip(FLAGS, (result & _SIGN, not result, carry, overflow), strict=True)
        flags = "".join(flag for flag, is_set in after if is_set)
    return registers, flags


def _why_step(case: Case, right: Any, given: Any) -> Why:
    registers, flags, word = case
    if len(given) != 2 or not isinstance(given[0], list):
        return Why(_("Return a pair: the registers as a list, and the flags as a text."))
    condition = next(name for name, code in CONDITIONS.items() if code == word >> 28)
    operation = next(name for name, code in OPERATIONS.items() if code == word >> 21 & 15)
    step = _("the instruction is {operation}, its condition {condition}, its operand {operand:#x}").format(
        operation=operation, condition=condition, operand=_operand(word)[0]
    )
    if not _holds(word >> 28, flags):
        return Why(_("Its condition is not true with these flags, so it does nothing at all."), step)
    if given == [registers, flags] and condition != "al":
        return Why(_("Its condition is true with these flags, so it is carried out."), step)
    if operation == "cmp" and given[0] != right[0]:
        return Why(_("A comparison sets flags; its result goes to no register."), step)
    if given[0] != right[0]:
        return _why_result(word, right, given, step)
    if not word >> 20 & 1:
        return Why(_("Without S the flags stay as they are."), step)
    return _why_flags(operation, right[1], given[1], step)


def _why_result(word: int, right: Any, given: Any, step: str) -> Why:
    if any(not isinstance(value, int) or not 0 <= value <= _MASK for value in given[0]):
        return Why(_("A register has 32 bits: keep the low ones."), step)
    if word >> 8 & 15:
        return Why(_("The number is eight bits, rotated right by twice what bits 11 to 8 say."), step)
    return Why(
        _("The result goes to the register that bits 15 to 12 name; bits 19 to 16 name the first operand."),
        step,
    )


def _why_flags(operation: str, right: str, given: str, step: str) -> Why:
    if sorted(given) == sorted(right):
        return Why(_("The flags are written in the order N, Z, C, V."), step)
    if ("C" in given) != ("C" in right):
        if operation in ("sub", "cmp"):
            return Why(_("After a subtraction C is set if nothing had to be borrowed."), step)
        if operation == "add":
            return Why(_("After an addition C is what did not fit into 32 bits."), step)
        return Why(_("Here C comes from the rotation: bit 31 of the number; without one it stays."), step)
    if ("V" in given) != ("V" in right):
        if operation in ("and", "mov"):
            return Why(_("This operation leaves V as it was."), step)
        return Why(_("V says that the result has the wrong sign, taken as a number with a sign."), step)
    return Why(_("N is bit 31 of the result, and Z says that the result is zero."), step)


# 01-6


def _places(case: Case) -> list[int | None]:
    maps, address = case
    found: list[int | None] = [address]
    for frames in maps:
        page, offset = divmod(address, PAGE)
        if page not in frames:
            return [*found, None]
        address = frames[page] * PAGE + offset
        found.append(address)
    return found


def _why_places(case: Case, right: Any, given: Any) -> Why:
    maps, address = case
    if not isinstance(given, list) or given[:1] != [address]:
        return Why(_("The list begins with the address itself, as the innermost guest sees it."))
    at = next((n for n, pair in enumerate(zip(right, given, strict=False)) if pair[0] != pair[1]), None)
    if at is None:
        if len(given) < len(right):
            return Why(
                _("It ends too early: there is one place for each level, and None where there is none.")
            )
        return Why(
            _("It goes on behind its end: below the last map there is the machine, and below None nothing.")
        )
    step = _("level {level}").format(level=len(maps) - at)
    wanted, got = right[at], given[at]
    if wanted is None:
        return Why(_("This page is none of the memory that the level below gave: put None, and stop."), step)
    if got is None:
        return Why(_("The map has this page."), step)
    if isinstance(got, int) and got < PAGE * PAGE:
        return Why(_("The maps hold numbers of pages: an address is a number of a page times 4096."), step)
    if isinstance(got, int) and got % PAGE != wanted % PAGE:
        return Why(_("Pages are mapped, and the place within the page stays: the lower twelve bits."), step)
    return Why(_("The first map is the innermost: what comes out of one goes into the next."), step)


KEYS = {
    "01-1": Key(_what_is_it, _why_kind, lambda: _("a pair such as ('both', 'fd')")),
    "01-2": Key(_through, _why_overlay, lambda: _("a pair: what was read, and the blocks of its own")),
    "01-3": Key(_spooled, _why_spool, lambda: _("a list of what CP does: (user, place, content)")),
    "01-4": Key(_ports, _why_ports, lambda: _("a list of names of ports")),
    "01-5": Key(_step, _why_step, lambda: _("a pair: the registers, and the flags")),
    "01-6": Key(_places, _why_places, lambda: _("a list of addresses")),
}
