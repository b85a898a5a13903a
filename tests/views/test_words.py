from dataclasses import fields, replace

import pytest

from tests.views.recordings import Script, nested, one_of_each
from vlab import events as ev
from vlab.events import Recording
from vlab.riscv import Cause
from vlab.views.words import (
    Causes,
    changed_fields,
    event_html,
    event_label,
    event_rows,
    event_sentence,
    relations_html,
)


@pytest.mark.parametrize("event", one_of_each(), ids=lambda event: f"{event.kind}{event.level}")
def test_every_event_has_its_words(event):
    assert event_label(event) != event.kind
    assert event_sentence(event).endswith(".")
    assert "{" not in event_sentence(event)


def test_a_sentence_says_what_happened():
    run = Script(1).record(1)
    said = [event_sentence(event) for event in run]
    assert said[0] == "The real hart traps at 0x80001000: ecall from U, from U to S."
    assert said[1] == "An exit of the VM at 0x80001000, in virtual mode U: ecall (ecall from U)."
    assert said[2] == "The hypervisor delivers to the VM: ecall from U, from U to S."
    assert "The hypervisor emulates csrw satp, t0 for the VM, in virtual mode S." in said
    assert "satp of the VM is written: 0x0 becomes 0x8000000000080012." in said
    assert "The hypervisor fills a shadow entry: GVA 0x10000 → GPA 0x80010000 → HPA 0x80110000." in said
    assert "uart of the machine: 0x41 is stored at offset 0x0." in said


def test_a_label_names_an_interrupt_without_its_mode():
    injections = Script(1).record(1).only(ev.Injection)
    timer = next(event for event in injections if isinstance(event, ev.Injection) and event.cause >> 63)
    assert event_label(timer) == "inject: timer interrupt"
    assert "supervisor timer interrupt" in event_sentence(timer)


def test_changes_of_a_csr_are_told_field_by_field():
    assert changed_fields("mstatus", 1 << 1, 1 << 5) == "SIE 1 → 0, SPIE 0 → 1"
    assert changed_fields("satp", 0, 8 << 60 | 0x80012) == "PPN 0 → 0x80012, MODE 0 → 8"
    assert changed_fields("a0", 0, 1) == ""
    assert changed_fields("sscratch", 0, 1) == ""


@pytest.mark.parametrize("event", one_of_each(), ids=lambda event: f"{event.kind}{event.level}")
def test_the_table_has_every_field(event):
    names = [name for name, _value in event_rows(event)]
    assert {field.name for field in fields(event)} - {"id", "parent", "changes"} <= set(names)


def test_an_emulation_shows_registers_before_and_after():
    emulation = next(iter(Script(1).record(1).only(ev.Emulation)))
    rows = dict(event_rows(emulation))
    assert rows["satp"] == "0x0 → 0x8000000000080012 (PPN 0 → 0x80012, MODE 0 → 8)"
    assert rows["text"] == "csrw satp, t0"


def test_an_illegal_instruction_is_disassembled():
    trap = ev.Trap((1, 0), 0, None, Cause.ILLEGAL_INSTRUCTION, 0x1410_22F3, 0, "U", "S")
    assert dict(event_rows(trap))["value"] == "0x141022f3 (csrr t0, sepc)"
    assert dict(event_rows(replace(trap, cause=13)))["value"] == "0x141022f3"


def test_an_exit_whose_reason_is_its_cause_says_it_once():
    exited = ev.Exit((1, 0), 1, None, "illegal instruction", 2, 0, 0x8000_0000, "S")
    assert event_sentence(exited).endswith("in virtual mode S: illegal instruction.")


def test_the_table_is_text_whatever_the_guest_wrote():
    event = ev.DeviceAccess((1, 0), 0, None, "<script>", 0, 1, 2, True)
    assert "<script" not in event_html(event)
    assert "&lt;script&gt; of the machine" in event_html(event)


def test_causes_and_effects_are_found_both_ways():
    run = nested(2)
    causes = Causes(run)
    for number, event in enumerate(run):
        effects = list(causes.effects(number))
        assert effects == sorted(effects)
        assert causes.count(number) == len(effects)
        assert all(causes.cause(effect) in (number, *effects) for effect in effects)
        cause = causes.cause(number)
        assert cause is None or run[cause].id == event.parent
    assert causes.count(0) > 5


def test_a_cause_outside_the_recording_is_none():
    run = nested(1)
    assert [Causes(run[3:]).cause(number) for number in range(2)] == [None, None]
    loop = ev.TlbFlush((1, 0), 0, (1, 0), "a circle")
    assert list(Causes(Recording([loop])).effects(0)) == []


def test_relations_lead_to_the_cause_and_to_the_first_effects():
    causes = Causes(Recording(Script(1).record(5)))
    assert relations_html(causes, 0).count("<button") == 12
    assert relations_html(causes, 0).endswith(" …</p>")
    assert '<p>Follows from: <button type=button data-event="0">0 trap: ecall from U</button></p>' in (
        relations_html(causes, 1)
    )


def test_an_unknown_cause_has_a_number():
    event = ev.Trap((1, 0), 0, None, 24, 0, 0, "U", "S")
    assert dict(event_rows(event))["cause"] == "0x18 (cause 24)"
    assert Cause.ECALL_FROM_U.title in event_sentence(Script(0).record(1)[0])
