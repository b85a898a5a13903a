"""Popek and Goldberg's theorem, asked of a machine: is every sensitive instruction privileged?

Theorem 1 (1974, section 5): then a virtual machine monitor can be built, one that runs all innocuous instructions
directly and hears of all others. The condition is sufficient; they show (section 6) that it isn't necessary. That
trap-and-emulate is right where it holds is what `tests/hypervisor/test_equality.py` shows of this machine: the
same guests, bare and in virtual machines, end in the same state.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby

from vlab.display import Drawn
from vlab.language import VlabError, _
from vlab.machine import Machine
from vlab.operations.classification.experiments import Bench, Outcome, State, instructions, states, variants
from vlab.operations.classification.kinds import Classified, Evidence, Kind, control_change, first_difference
from vlab.operations.classification.names import names
from vlab.riscv import Cause, Mode
from vlab.riscv.instructions import Row

# The instruction asked memory for what isn't there: the paper's "memory trap", which says nothing of the instruction.
_MEMORY_TRAPS = frozenset(cause for cause in Cause if "FAULT" in cause.name or "MISALIGNED" in cause.name)
Outcomes = Mapping[tuple[int, State], Outcome]


@dataclass(frozen=True, repr=False)
class Pair(Drawn):
    """Every instruction between two modes: where a guest runs in `low`, and its monitor in `high`."""

    low: Mode
    high: Mode
    rows: tuple[Classified, ...]
    experiments: int

    def __repr__(self) -> str:
        told = _(
            "In {low} below {high}: {count} instructions tried, {privileged} privileged, {sensitive} sensitive"
        ).format(
            low=self.low,
            high=self.high,
            count=len(self.rows),
            privileged=sum(row.privileged for row in self.rows),
            sensitive=sum(row.sensitive for row in self.rows),
        )
        if self.virtualizable and self.untrapped_clocks:
            return _(
                "{told}; every sensitive one is privileged, but the time is told without a trap."
            ).format(told=told)
        if self.virtualizable:
            return _("{told}; every sensitive one is privileged.").format(told=told)
        return _("{told}; of the sensitive ones not privileged: {names}.").format(
            told=told, names=", ".join(names(self.culprits))
        )

    def __iter__(self) -> Iterator[Classified]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, text: str) -> Classified:
        """An instruction by its text: `pair["sret"]`, `pair["csrrw satp"]`; VlabError where there is none."""
        wanted = " ".join(str(text).split())
        found = next((row for row in self.rows if row.text == wanted), None)
        if found is None:
            raise _unknown(wanted)
        return found

    @property
    def culprits(self) -> tuple[Classified, ...]:
        """Those that are sensitive and not privileged."""
        return tuple(row for row in self.rows if row.culprit)

    @property
    def virtualizable(self) -> bool:
        """Whether the condition of Theorem 1 holds, as far as experiments can tell."""
        return not self.culprits

    @property
    def untrapped_clocks(self) -> tuple[Classified, ...]:
        """Those that tell the time and are not privileged. The paper has no clock; a guest with its own time minds."""
        return tuple(row for row in self.rows if row.timed and not row.privileged)

    def groups(self) -> list[tuple[str, tuple[Classified, ...]]]:
        """Verdicts in words, each with its instructions: culprits first, then what is privileged, then the rest."""
        order = sorted(self.rows, key=_rank)
        return [(verdict, tuple(rows)) for verdict, rows in groupby(order, lambda row: row.verdict)]


def _rank(row: Classified) -> tuple[bool, bool, bool, list[bool]]:
    """The order of verdicts, which is the same in every language."""
    return not row.culprit, not row.privileged, row.traps, [kind not in row.kinds for kind in Kind]


@dataclass(frozen=True, repr=False)
class Classification(Drawn):
    """What became of one machine: a `Pair` for each pair of modes, since an instruction may be one thing in each."""

    pairs: tuple[Pair, ...]
    quirks: tuple[str, ...]

    def __repr__(self) -> str:
        return " ".join(repr(pair) for pair in self.pairs if pair.low == Mode.U)

    def __getitem__(self, modes: tuple[Mode | str, Mode | str]) -> Pair:
        """`classification["U", "S"]`; VlabError where these modes were not compared."""
        wanted = tuple(str(mode) for mode in modes)
        found = next((pair for pair in self.pairs if (str(pair.low), str(pair.high)) == wanted), None)
        if found is None:
            known = ", ".join(f"{pair.low}, {pair.high}" for pair in self.pairs)
            raise VlabError(
                _("These two modes were not compared."), mend=_("There are: {known}.").format(known=known)
            )
        return found

    @property
    def culprits(self) -> tuple[Classified, ...]:
        """What a guest in U can do, or find out, without its monitor hearing of it: those of all pairs below U."""
        return tuple(row for pair in self.pairs if pair.low == Mode.U for row in pair.culprits)

    @property
    def virtualizable(self) -> bool:
        """Whether all of a guest may run in U, as under trap-and-emulate: there is no culprit."""
        return not self.culprits


def classify(
    make: Callable[[], Machine] = Machine,
    *,
    counters: bool = False,
    only: Iterable[str] = (),
    watch: Callable[[Sequence[tuple[Row, str]]], Iterable[tuple[Row, str]]] = iter,
) -> Classification:
    """Find the class of every instruction of a machine, between U and S, U and M, S and M.

    `make` gives the machine, which is used up. With `counters`, M and S mode let U read the counters; a monitor
    doesn't. `only` are instructions, such as "sret" and "csrrw satp", if not all are wanted. `watch` is put around
    the instructions, to show how far it is.

    Raises:
        VlabError: if the machine has too little memory, or there is no such instruction.
    """
    machine = make()
    wanted = _chosen(only, instructions(machine.hart))
    bench = Bench(machine, counters=counters)
    tried = tuple(states(tuple(Mode)))
    compared = [pair for pair in combinations(tried, 2) if _comparable(*pair)]
    rows: dict[tuple[Mode, Mode], list[Classified]] = {pair: [] for pair in combinations(Mode, 2)}
    for row, csr in watch(wanted):
        words = tuple(variants(row, csr))
        outcomes = {(word, state): bench.run(word, state) for word in words for state in tried}
        found = [*_sensitivities(words, outcomes, compared)]
        for (low, high), classified in rows.items():
            classified.append(_classified(row.name, csr, low, high, outcomes, found))
    pairs = (Pair(*pair, tuple(found), bench.count) for pair, found in rows.items())
    return Classification(tuple(pairs), machine.quirks)


def _chosen(only: Iterable[str], known: Sequence[tuple[Row, str]]) -> list[tuple[Row, str]]:
    """Those of the known instructions that have these texts; all if there are no texts."""
    every = {f"{row.name} {csr}".rstrip(): (row, csr) for row, csr in known}
    texts = [" ".join(str(text).split()) for text in only]
    for text in texts:
        if text not in every:
            raise _unknown(text)
    return [every[text] for text in texts] or list(every.values())


def _unknown(text: str) -> VlabError:
    return VlabError(
        _("There is no instruction {text!r} here.").format(text=text),
        mend=_("Write its name, and the CSR if it accesses one: sret, csrrw satp."),
    )


def _comparable(one: State, other: State) -> bool:
    """Whether two states differ in one thing; without translation there is no place to differ in."""
    differing = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
    return len(differing) == 1 and None not in differing[0]


def _sensitivities(
    words: Iterable[int], outcomes: Outcomes, compared: Sequence[tuple[State, State]]
) -> Iterator[Evidence]:
    """What every experiment shows, and every two of states that differ in one thing."""
    for (word, state), outcome in outcomes.items():
        if changed := control_change(word, state, outcome):
            yield changed
    for word in words:
        for one, other in compared:
            if seen := first_difference(word, one, other, outcomes[word, one], outcomes[word, other]):
                yield seen


def _classified(
    name: str, csr: str, low: Mode, high: Mode, outcomes: Outcomes, found: Iterable[Evidence]
) -> Classified:
    """The definitions, applied to what happened in two modes."""
    both = [
        (outcome, outcomes[word, state._replace(mode=high)])
        for (word, state), outcome in outcomes.items()
        if state.mode == low and (word, state._replace(mode=high)) in outcomes
    ]
    told = [pair for pair in both if not any(one.cause in _MEMORY_TRAPS for one in pair)]
    trapped = bool(told) and all(below.cause is not None for below, _above in told)
    # A mode above the higher one may want that one's traps too, and some variants are illegal everywhere.
    able = any(above.cause is None for _below, above in told)
    examples: dict[Kind, Evidence] = {}
    for one in found:
        if {one.state.mode, (one.other or one.state).mode} <= {low, high}:
            examples.setdefault(one.kind, one)
    evidence = tuple(examples[kind] for kind in Kind if kind in examples)
    return Classified(name, csr, low, high, trapped and not able, trapped and able, evidence)
