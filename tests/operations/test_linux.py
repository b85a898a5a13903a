"""Linux's boot as a value: live where it is the one that was recorded, else recorded; and both are the same."""

from collections import Counter
from dataclasses import replace

import pytest

from vlab import VlabError
from vlab.guests import linux as guest
from vlab.language import grouped
from vlab.machine import execute
from vlab.machine.computer import NEXT_STAGE
from vlab.operations import boot_linux
from vlab.operations import linux as boots
from vlab.riscv import assemble
from vlab.views.operations.linux import _page

# In the place of Linux: a time, a byte for the console, a call of the SBI in the midst of it, power off.
SMALL = """
    rdtime s0
    csrci sstatus, 2
    csrrci s1, sstatus, 2
    csrr s2, sstatus
    li   a7, 0x10
    li   a6, 0
    ecall
    li   t1, 0x10000000
    li   t0, '!'
    sb   t0, 0(t1)
    li   t0, 0x100000
    li   t1, 0x5555
    sw   t1, 0(t0)
1:  j    1b
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "image"
    path.write_bytes(assemble(SMALL, base=NEXT_STAGE).segments[0][1])
    return path


def test_what_was_recorded_is_a_whole_boot():
    for technique in boots.TECHNIQUES:
        boot = boot_linux(technique, live=False)
        assert (boot.live, boot.why, boot.source) == (False, "", "Recorded.")
        lines = boot.console.splitlines()
        assert lines[0].startswith("Linux version 6.")
        assert lines[-1] == "reboot: Power down"
        assert set(boot.exits_in) == set(boot.instructions) <= {"M", "S", "U"}
        assert boot.exits.total() == sum(counts.total() for counts in boot.exits_in.values())
        assert f"{grouped(boot.exits.total())} exits" in repr(boot)


def test_both_techniques_printed_the_same_in_the_same_time():
    one, other = (boot_linux(technique, live=False) for technique in boots.TECHNIQUES)
    assert one.console == other.console
    assert (
        abs(sum(one.instructions.values()) - sum(other.instructions.values())) < 100
    )  # H is one more extension
    assert other.exits.total() < one.exits.total() / 5


@pytest.mark.parametrize("technique", boots.TECHNIQUES)
def test_what_is_counted_is_what_happens(small, technique):
    boot = boots.boot(small, technique)
    assert (boot.console, boot.live) == ("!", True)
    if technique == "trap-and-emulate":
        assert boot.emulated["csrci sstatus"] == 2, "with and without a register for what was there"
        assert boot.emulated["csrr sstatus"] == boot.emulated["rdtime"] == 1
        assert boot.exits_in["S"]["privileged instruction"] == 4
    assert boot.emulated["sb"] == 1
    assert boot.exits_in["S"]["ecall"] == 1
    assert boot.exits_in["S"]["device access"] == 2
    assert sum(boot.instructions.values()) == 28
    # Its firmware is a resident: what it issues exits, and it has no instructions that run directly.
    assert boot.instructions["M"] == boot.exits_in["M"].total()


def test_a_kernel_that_does_not_end_is_told_with_what_it_printed(tmp_path, monkeypatch):
    path = tmp_path / "image"
    path.write_bytes(
        assemble("li t0, 0x10000000\n li t1, '?'\n sb t1, 0(t0)\n j .", base=NEXT_STAGE).segments[0][1]
    )
    monkeypatch.setattr(boots, "_MOST", 1000)
    with pytest.raises(VlabError, match="did not switch") as caught:
        boots.boot(path, "trap-and-emulate")
    assert caught.value.mend == "This is what it printed last: ?"


def test_it_runs_only_to_the_same_effect(small, monkeypatch):
    monkeypatch.setattr(guest, "built", lambda: None)
    assert "it has not been built" in boot_linux().why
    monkeypatch.setattr(guest, "built", lambda: small)
    assert boot_linux().source == (
        "Recorded, because here another version of it, or of its compiler, is installed."
    )
    mine = boots.boot(small, "trap-and-emulate")
    monkeypatch.setattr(boots, "_recorded", lambda: {"trap-and-emulate": replace(mine, live=False)})
    monkeypatch.setattr(guest, "image", lambda: small)
    monkeypatch.setattr(boots, "chosen_engine", lambda wanted: "interpreter")
    assert "no native engine" in boot_linux().why
    monkeypatch.setattr(boots, "chosen_engine", lambda wanted: "native")
    assert boot_linux() == mine
    assert boot_linux().source == "Live: it has just run on this computer."


def test_a_technique_that_can_not_is_refused_with_those_that_can():
    with pytest.raises(VlabError, match="not booted by a technique 'paravirtual'"):
        boot_linux("paravirtual")


def test_what_a_notebook_stores_is_the_same_live_and_recorded():
    recorded = boot_linux(live=False)
    kept = replace(recorded, why="it is cold")._repr_mimebundle_()[0]
    live = replace(recorded, live=True)._repr_mimebundle_()[0]
    assert kept["text/html"] == live["text/html"]
    assert "Recorded" not in kept["text/html"] and "cold" not in kept["text/html"]
    assert kept["text/plain"] == live["text/plain"]
    asked = recorded._repr_mimebundle_()[0]["text/html"]
    assert asked.endswith("<p>Recorded.</p>")
    assert "<pre tabindex" in asked and "reboot: Power down</pre>" in asked
    why = _page(replace(recorded, why="it was not built (`vlab run linux` builds it)")).value
    assert why.endswith("(<code>vlab run linux</code> builds it).</p>")
    assert "\r" in recorded.console and "\ufffd" not in asked


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.requires(*(tool.name for tool in guest.NEEDS))
@pytest.mark.parametrize("technique", boots.TECHNIQUES)
def test_what_was_recorded_is_what_happens_here(technique):
    image = guest.image()
    live, recorded = boots.boot(image, technique), boot_linux(technique, live=False)
    if live.image != recorded.image:
        pytest.skip("another version of Linux, or of its compiler, is installed")
    assert replace(live, live=False) == recorded
    if execute.chosen_engine(None) == "native":
        assert boot_linux(technique) == live


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.requires(*(tool.name for tool in guest.NEEDS))
def test_what_was_recorded_can_be_recorded(monkeypatch, tmp_path):
    monkeypatch.setattr(boots, "_path", lambda: tmp_path / "linux.json")
    boots.record()
    monkeypatch.setattr(boots, "_recorded", boots._recorded.__wrapped__)
    assert boot_linux(live=False).emulated.most_common(1)[0][0] == "csrci sstatus"
    assert isinstance(boot_linux(live=False).exits, Counter)
