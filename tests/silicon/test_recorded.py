"""The recorded data: readable, damaged, of nobody's computer, and made anew."""

import json
import platform
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.silicon.hosts import X86, kvm_only
from vlab.language import VlabError
from vlab.silicon import (
    Host,
    __main__,
    asking,
    hosts,
    instructions,
    kvm,
    modules,
    run_in_kvm,
    signals,
    trying,
)
from vlab.silicon.fields import Fields

FILE = asking.recorded_path("x86-64")
DATA = json.loads(FILE.read_text("utf-8"))


def read_all(text):
    """Everything that is ever read from recorded data."""
    data = asking.Recorded(Fields.parse(text, "x"))
    trying._recorded(data)
    rows = [(row.words("step"), row) for row in data.fields.rows("signals")]
    [signals.moment_from(step or ("",), row) for step, row in rows]
    modules.modules_from(data.fields.part("modules"), data.host)


def test_it_is_whole_and_names_no_place():
    read_all(FILE.read_bytes())
    known = [row.name for row in instructions.instructions_of("x86-64")]
    assert [row["name"] for row in DATA["attempts"]] == known
    assert {"/", "\\"} & {*json.dumps(DATA["host"])} == set()
    assert set(DATA["host"]) == {"machine", "cpu", "kernel", "virtual"}


def test_of_a_machine_that_was_never_recorded_that_is_said():
    with pytest.raises(VlabError, match="no recorded data of arm64"):
        asking.recorded("arm64")


@given(st.integers(0, len(FILE.read_bytes()) - 1), st.integers(0, 255))
def test_a_flipped_byte_is_an_error_or_other_data(place, value):
    text = bytearray(FILE.read_bytes())
    text[place] = value
    try:
        read_all(bytes(text))
    except VlabError:
        pass


@given(st.integers(0, len(FILE.read_bytes()) - 2))
def test_a_file_that_is_cut_off_is_an_error(length):
    with pytest.raises(VlabError):
        read_all(FILE.read_bytes()[:length].rstrip(b"}\n"))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([*DATA]), anything)
def test_a_part_that_is_something_else_is_an_error_or_other_data(part, value):
    try:
        read_all(json.dumps(DATA | {part: value}))
    except VlabError:
        pass


@pytest.mark.parametrize("text", ["[" * 100_000, '"x"', "", "null", '{"format": "other"}', "1" * 5000])
def test_what_is_no_recorded_data_is_said(text):
    with pytest.raises(VlabError, match="no recorded data"):
        read_all(text)


def test_long_lists_words_and_numbers_are_refused():
    damages: list[object] = [[{}] * 300, "y" * 200, 1 << 70, "a\nb"]
    for damage in damages:
        fields = Fields({"x": damage}, "x")
        for kind in ("rows", "word", "number", "words", "numbers", "yes_or_no", "part"):
            with pytest.raises(VlabError):
                list(getattr(fields, kind)("x"))


def test_a_list_of_numbers_is_numbers_alone():
    assert Fields({"x": [1, -2]}, "x").numbers("x") == (1, -2)
    for rows in ([1, None], [True], ["1"], 3):
        with pytest.raises(VlabError):
            Fields({"x": rows}, "x").numbers("x")


# --- Hosts


def test_a_host_is_named_without_its_build(monkeypatch, tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text(
        "processor : 0\nmodel name\t: A \x1b[31mCPU\nflags : fpu hypervisor\n\nmodel name : second\n"
    )
    monkeypatch.setattr(hosts, "_CPU_INFO", info)
    monkeypatch.setattr(platform, "release", lambda: "6.18.44-of-some-place")
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "AMD64")
    host = hosts.this_host()
    assert host == Host("x86-64", "A \N{REPLACEMENT CHARACTER}[31mCPU", "Linux 6.18", True)
    assert str(host).endswith("(x86-64), Linux 6.18, in a virtual machine")
    assert Host.from_json(Fields(host.to_json(), "x")) == host


def test_a_host_that_tells_nothing_is_named_all_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr(hosts, "_CPU_INFO", tmp_path / "none")
    for name in ("machine", "release", "system", "processor"):
        monkeypatch.setattr(platform, name, lambda: "")
    assert hosts.this_host() == Host("?", "?", "?", False)


# --- The command


@X86
def test_recording_writes_what_was_seen(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(__main__, "recorded_path", lambda machine: tmp_path / "new" / f"{machine}.json")
    assert __main__.main(["record"]) == 0
    text = (tmp_path / "new" / "x86-64.json").read_bytes()
    read_all(text)
    assert json.loads(text)["attempts"][0] == DATA["attempts"][0]
    first, second = capsys.readouterr().out.splitlines()
    assert first == "x86-64.json"
    assert second == "x86-64-kvm.json" or second.startswith("KVM can't be recorded here: ")


@X86
def test_a_computer_without_kvm_keeps_what_was_recorded_of_it(monkeypatch, tmp_path, capsys):
    def refuse(*_arguments):
        raise asking.Unavailable("no")

    monkeypatch.setattr(__main__, "recorded_path", lambda machine: tmp_path / f"{machine}.json")
    monkeypatch.setattr(kvm, "ask_child", refuse)
    assert __main__.main(["record"]) == 0
    assert capsys.readouterr().out == "x86-64.json\nKVM can't be recorded here: no.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["x86-64.json"]


@kvm_only
def test_kvm_is_recorded_with_its_own_host():
    data = json.loads(__main__.record_kvm())
    assert data["kvm"]["exits"] == run_in_kvm(live=False).to_json()["exits"]
    assert set(data) == {"format", "host", "kvm", "times"}


def test_a_computer_that_cannot_be_recorded_writes_nothing(monkeypatch, capsys):
    monkeypatch.setattr(sys, "platform", "win32")
    assert __main__.main(["record"]) == 1
    assert "can't be recorded: this works on Linux alone" in capsys.readouterr().out


def test_an_installed_package_is_not_written_to(monkeypatch, capsys):
    monkeypatch.setattr("vlab.files.installed", lambda: True)
    assert __main__.main(["record"]) == 1
    assert "in a checkout of the project" in capsys.readouterr().out


def test_the_command_says_how_it_is_used(capsys):
    assert __main__.main([]) == 2
    assert "record" in capsys.readouterr().out
