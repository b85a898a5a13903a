"""Blocks of addresses on their way down through the tables.

What an entry leads to depends on few of its bits. So the scalar rules judge one entry of each kind that turns up,
and a table remembers what they said: the arrays only look it up.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from vlab.paging.schemes import PAGE_SHIFT, Scheme
from vlab.paging.walk import Host, Request, judge
from vlab.paging.walks import NOWHERE
from vlab.riscv.privilege import Access, Mode

Array = np.ndarray[Any, Any]
Words = Callable[[Array], tuple[Array, Array | None]]  # entries at addresses, and which of them are refused
Read = Callable[[Array, Array | None, int], tuple[Array, Array | None, Array]]

# What may come of an entry, by its number: the rule, and the bits of A and D that are still to be set.
_POINTER, _ALLOWED, _NON_CANONICAL, _ACCESS_FAULT, _REFUSED = range(1, 6)
_OUTCOMES = [("", 0), ("pointer", 0), ("allowed", 0)]
_OUTCOMES += [("non-canonical", 0), ("access-fault", 0), ("update-refused", 0)]

# The key of an entry's kind: its low flags, the highest one, and whether it has a reserved bit, the lowest bit of its
# PPN, and another one that a page of its level must have clear.
_HIGH, _RESERVED, _LOWEST, _ODD, _KINDS = 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13


class Block(NamedTuple):
    """What is known of some addresses: the arrays of `Walks`, in their order. The last three are of two stages."""

    code: Array
    physical: Array
    level: Array
    references: Array
    leaf: Array
    gpa: Array
    fault_gpa: Array
    implicit: Array

    @staticmethod
    def of(count: int, *, nested: bool) -> "Block":
        """Before anything is known."""
        code, references, physical = (
            np.zeros(count, np.uint8),
            np.zeros(count, np.uint8),
            np.zeros(count, np.uint64),
        )
        level = np.zeros(count, np.int8)
        if not nested:
            nowhere, never = np.broadcast_to(np.uint64(NOWHERE), count), np.broadcast_to(np.False_, count)
            return Block(code, physical, level, references, level, nowhere, nowhere, never)
        gpa, fault_gpa, leaf = (
            np.zeros(count, np.uint64),
            np.zeros(count, np.uint64),
            np.zeros(count, np.int8),
        )
        return Block(code, physical, level, references, leaf, gpa, fault_gpa, np.zeros(count, bool))

    def part(self, chosen: slice) -> "Block":
        """A part of it: what is put down there is put down here."""
        return Block(*(column[chosen] for column in self))

    def shaped(self, shape: tuple[int, ...]) -> "Block":
        """All of it in this shape."""
        return Block(*(column.reshape(shape) for column in self))


class Notes(NamedTuple):
    """Entries in which A or D is to be set by the walks at `places`: where they were looked for, and where they are."""

    places: Array
    at: Array
    real: Array
    old: Array
    new: Array

    def of(self, chosen: Array) -> "Notes":
        """Some of them."""
        return Notes(*(column[chosen] for column in self))


class Ends(NamedTuple):
    """Where the walks of one stage ended, a level of -1 where they read nothing, and what succeeded ones write."""

    ids: Array
    physical: Array
    level: Array
    ok: Array
    notes: list[Notes]


class _Kinds:
    """What comes of the entries at one level, by the keys of their kinds."""

    def __init__(self, scheme: Scheme, level: int, request: Request, hardware_ad: bool):
        self._given = scheme, level, request, hardware_ad
        self._known = np.zeros(_KINDS, np.uint8)
        form = scheme.format
        self._low, self._high = form.mask & _HIGH - 1, form.mask >> 63
        self._lowest, self._reserved = 1 << form.ppn_shift, scheme.reserved_mask
        self._odd = (1 << scheme.index_bits * level) - 2 << form.ppn_shift if level else 0

    def of(self, bits: Array) -> Array:
        """What comes of entries, superpages taken for aligned ones."""
        return self._look_up(self._keys(bits))

    def of_ends(self, bits: Array) -> Array:
        """What comes of entries, however superpages are aligned."""
        keys = self._keys(bits)
        keys |= np.where(bits & self._lowest, np.uint64(_LOWEST), np.uint64(0))
        keys |= np.where(bits & self._odd, np.uint64(_ODD), np.uint64(0))
        return self._look_up(keys)

    def _keys(self, bits: Array) -> Array:
        keys = bits & self._low
        if self._high:
            keys |= bits >> 63 << _HIGH.bit_length() - 1
        if int(np.bitwise_or.reduce(bits)) & self._reserved:
            keys |= np.where(bits & self._reserved, np.uint64(_RESERVED), np.uint64(0))
        return keys

    def _look_up(self, keys: Array) -> Array:
        ids = self._known.take(keys.view(np.int64), mode="clip")
        if not ids.all():
            for key in np.unique(keys[ids == 0]).tolist():
                self._known[key] = self._judged(key)
            ids = self._known.take(keys.view(np.int64))
        return ids

    def _judged(self, key: int) -> int:
        """The outcome of an entry of this kind, as the scalar rules have it."""
        scheme, level, request, hardware_ad = self._given
        form, raw = scheme.format, key & self._low
        raw |= 1 << 63 if key & _HIGH else 0
        raw |= self._reserved & -self._reserved if key & _RESERVED else 0
        raw |= self._lowest if key & _LOWEST else 0
        raw |= self._odd & -self._odd if key & _ODD else 0
        rule, wanted = form.classify(raw, level, scheme), raw
        if rule == "leaf":
            rule, updates = judge(0, raw, raw, request, form, hardware_ad)
            wanted = updates[0].new if updates else raw
        elif rule == "pointer" and form.marks_pointers:
            wanted = raw | form.accessed
        outcome = rule, wanted & ~raw
        if outcome not in _OUTCOMES:
            _OUTCOMES.append(outcome)
        return _OUTCOMES.index(outcome)


_kinds = cache(_Kinds)


def rules() -> tuple[str, ...]:
    """The rules of all outcomes, by their numbers; some have several."""
    return tuple(rule for rule, _bits in _OUTCOMES)


def _with_rule(rule: str, ids: Array) -> Array:
    """Which outcomes are of this rule."""
    return np.array([known == rule for known in rules()])[ids]


def _apart(addresses: Array) -> int:
    """The bits in which some of the addresses differ, and all below them."""
    return int(addresses.min()) ^ int(addresses.max()) if len(addresses) else 0


class Stage:
    """The tables of one stage, and what is wanted of them."""

    def __init__(self, scheme: Scheme, root: int, request: Request, hardware_ad: bool):
        self.scheme, self.root, self.form = scheme, root, scheme.format
        self._kinds = [_kinds(scheme, level, request, hardware_ad) for level in range(scheme.levels)]
        self._frame = scheme.ppn_mask << self.form.ppn_shift
        self._up = PAGE_SHIFT - self.form.ppn_shift

    def descend(self, address: Array, read: Read, ends: Ends | None = None) -> Ends:
        """Walk to each address. `read` gives entries, which of them are refused, and where they really are."""
        if ends is None:
            count, none = len(address), np.zeros(0, bool)
            ends = Ends(
                np.zeros(count, np.uint8), np.zeros(count, np.uint64), np.zeros(count, np.int8), none, []
            )
        ends.ids[:], ends.physical[:], ends.level[:] = _NON_CANONICAL, NOWHERE, -1
        here = self._canonical(address)
        if here is not None:
            address = address[here]
        table: Array = np.array(self.root, np.uint64)
        granted: Array = np.array(self.form.limits, np.uint64)
        unit, apart = self.scheme.entry_size.bit_length() - 1, _apart(address)
        for level, shift, mask in self.scheme.descent if len(address) else ():
            # As long as all addresses go the same way, one goes for all.
            at = (address if apart >> shift else address[:1]) >> shift - unit
            at &= mask << unit
            at = np.add(at, table, out=at) if len(at) >= table.size else at + table
            raw, refused, real = read(at, here, level)
            bits = raw
            if self.form.limits:
                granted = granted & (raw ^ np.uint64(self.form.denies))
                bits = raw & ~np.uint64(self.form.limits) | granted ^ np.uint64(self.form.denies)
            found = self._kinds[level].of(bits)
            frame = raw & self._frame
            frame <<= self._up
            if level and refused is None and (found == _POINTER).all():
                table = frame
                continue
            if level:
                odd = found != _POINTER
                found[odd] = self._kinds[level].of_ends(bits[odd])
            if refused is not None:
                found[refused] = _ACCESS_FAULT
            columns = (found, at, real, raw, frame, granted)
            found, at, real, raw, frame, granted = (
                np.broadcast_to(column, len(address)) for column in columns
            )
            self._note(ends, here, found, Notes(at, at, real, raw, raw))
            going = self._end(ends, here, found, level, frame, address)
            if not len(going):
                break
            here = going if here is None else here[going]
            address, table, granted = address[going], frame[going], granted[going]
        ok = ends.ids == _ALLOWED if len(_OUTCOMES) == _REFUSED + 1 else _with_rule("allowed", ends.ids)
        return ends._replace(ok=ok, notes=[notes.of(ok[notes.places]) for notes in ends.notes])

    def _canonical(self, address: Array) -> Array | None:
        """The places of the addresses that may be translated, None where all may."""
        shift = self.scheme.va_bits - 1 if self.scheme.sign_extended else self.scheme.va_bits
        if len(address) and not int(address.max()) >> shift:
            return None
        high = address >> shift
        ones = (1 << self.scheme.xlen - shift) - 1 if self.scheme.sign_extended else 0
        return np.flatnonzero((high == 0) | (high == ones))

    def _note(self, ends: Ends, here: Array | None, found: Array, entries: Notes) -> None:
        """Note what is to be written in entries."""
        if len(_OUTCOMES) > _REFUSED + 1 and (found > _REFUSED).any():
            sets = np.array([bits for _rule, bits in _OUTCOMES], np.uint64)[found]
            chosen = np.flatnonzero(sets)
            places = chosen if here is None else here[chosen]
            ends.notes.append(entries.of(chosen)._replace(places=places, new=(entries.old | sets)[chosen]))

    def _end(
        self, ends: Ends, here: Array | None, found: Array, level: int, frame: Array, address: Array
    ) -> Array:
        """Put down the walks that end at this level; which of the others go on."""
        size = self.scheme.page_size(level)
        physical = address & size - 1
        physical |= frame & (1 << 64) - size if level else frame
        if here is None and (found == _ALLOWED).all():
            ends.ids[:], ends.physical[:], ends.level[:] = found, physical, level
            return np.zeros(0, np.int64)
        goes, good = _with_rule("pointer", found), _with_rule("allowed", found)
        ended, good = np.flatnonzero(~goes), np.flatnonzero(good)
        places = ended if here is None else here[ended]
        ends.ids[places], ends.level[places] = found[ended], level
        ends.physical[good if here is None else here[good]] = physical[good]
        return np.flatnonzero(goes)

    def references(self, ends: Ends) -> Array:
        """How many entries each walk read."""
        counts: Array = self.scheme.levels - ends.level
        counts[ends.level < 0] = 0
        return counts.view(np.uint8)


class Single:
    """Walks of one stage."""

    def __init__(self, stage: Stage, words: Words):
        self._stage, self._words = stage, words
        self._notes: list[Notes] = []

    def _read(self, at: Array, here: Array | None, level: int) -> tuple[Array, Array | None, Array]:
        return *self._words(at), at

    def block(self, address: Array, out: Block) -> None:
        """Put down what is known of these addresses."""
        ends = self._stage.descend(address, self._read, Ends(*out[:3], np.zeros(0, bool), []))
        self._notes += ends.notes
        out.references[:] = self._stage.references(ends)

    def updates(self) -> Array:
        """All entries in which A or D is to be set, each once, by their addresses."""
        kind = [("address", "u8"), ("old", "u8"), ("new", "u8")]
        if not self._notes:
            return np.zeros(0, kind)
        real, old, new = (np.concatenate([notes[column] for notes in self._notes]) for column in (2, 3, 4))
        order = np.argsort(real, kind="stable")
        addresses, first = np.unique(real[order], return_index=True)
        found = np.zeros(len(addresses), kind)
        found["address"], found["old"] = addresses, old[order][first]
        found["new"] = np.bitwise_or.reduceat(new[order], first) if len(first) else 0
        return found


class Nested(Single):
    """Walks of two stages: each entry of the guest's tables is itself looked for through the host's."""

    def __init__(
        self, stage: Stage, words: Words, host: Host, host_words: Words, host_ad: bool, access: Access
    ):
        super().__init__(stage, words)
        self._host_words = host_words

        def below(access: Access, mxr: bool) -> Stage:
            return Stage(host.scheme, host.root, (access, Mode.U, False, mxr), host_ad)

        # The walker's own reads, what it writes into the guest's entries where reads aren't writes, and the access.
        implicit = stage.form.implicit
        self._entries, self._last = below(implicit, False), below(access, host.mxr)
        self._writes = None if implicit is Access.STORE else below(Access.STORE, False)

    def block(self, address: Array, out: Block) -> None:
        """Put down what is known of these addresses."""
        out.level[:], out.leaf[:] = -1, -1
        out.physical[:], out.gpa[:], out.fault_gpa[:] = NOWHERE, NOWHERE, NOWHERE
        places = np.arange(len(address))
        stopped = np.zeros(len(address), np.uint8)  # by what, in the host's tables

        def read(at: Array, here: Array | None, level: int) -> tuple[Array, Array | None, Array]:
            asking = places if here is None else here
            at = np.broadcast_to(at, len(asking))
            ends = self._below(self._entries, out, asking, at)
            raw, refused = np.zeros(len(at), np.uint64), ~ends.ok
            raw[ends.ok], bad = self._words(ends.physical[ends.ok])
            stopped[asking[refused]] = ends.ids[refused]
            out.implicit[asking] = out.fault_gpa[asking] != NOWHERE
            out.references[asking[ends.ok]] += 1
            out.level[asking[ends.ok]] = level
            if bad is not None:
                refused[ends.ok] = bad
            return raw, refused if refused.any() else None, ends.physical

        guest = self._stage.descend(address, read)
        out.code[:] = np.where(stopped, stopped, guest.ids)
        for notes in guest.notes:
            self._write(out, notes)
        found = np.flatnonzero(_with_rule("allowed", out.code))
        out.leaf[found], out.gpa[found] = guest.level[found], guest.physical[found]
        ends = self._below(self._last, out, found, out.gpa[found])
        out.code[found], out.physical[found] = ends.ids, ends.physical

    def _below(self, stage: Stage, out: Block, places: Array, gpa: Array) -> Ends:
        """Translate guest-physical addresses: what that read, and what it refused, is put down."""
        ends = stage.descend(gpa, self._read_host)
        self._notes += ends.notes
        out.references[places] += stage.references(ends)
        out.level[places] = np.where(ends.level < 0, out.level[places], ends.level)
        refused = np.flatnonzero(~ends.ok & (ends.ids != _ACCESS_FAULT))
        out.fault_gpa[places[refused]] = gpa[refused]
        return ends

    def _read_host(self, at: Array, here: Array | None, level: int) -> tuple[Array, Array | None, Array]:
        return *self._host_words(at), at

    def _write(self, out: Block, notes: Notes) -> None:
        """Set A and D in entries of the guest's: stores, to which the host's tables must agree as to any."""
        if self._writes is not None:
            ends = self._writes.descend(notes.at, self._read_host)
            self._notes += ends.notes
            refused = notes.of(~ends.ok)
            out.code[refused.places], out.fault_gpa[refused.places] = _REFUSED, refused.at
            out.implicit[refused.places] = True
            notes = notes.of(ends.ok)
        self._notes.append(notes)
