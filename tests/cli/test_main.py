"""The command line as a whole: its complaints, its exit statuses, and a reader who goes away."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import vlab
from vlab import cli
from vlab.language import VlabError


@pytest.fixture
def command(monkeypatch):
    """Lets `vlab doctor` do something else: what it is given."""

    def replace(main):
        monkeypatch.setattr("vlab.cli.doctor.main", main)

    return replace


def vlab_process(*arguments: str, **settings) -> subprocess.CompletedProcess[str]:
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "check": False} | settings
    return subprocess.run([sys.executable, "-m", "vlab", *arguments], **settings)


@pytest.mark.parametrize(
    ("arguments", "place", "hint"),
    [
        (["labb"], "COMMAND: there is no 'labb'", "Did you mean lab?"),
        (["zzz"], "COMMAND: there is no 'zzz'", "There are: lab"),
        (["--verzion"], "--verzion: `vlab` takes no such argument", "Did you mean --version?"),
        (["lab", "--langg", "es"], "--langg: `vlab lab` takes no such argument", "Did you mean --lang?"),
        (["lab", "--langg=es"], "--langg: `vlab lab` takes no such argument", "Did you mean --lang?"),
        (["lab", "--lan", "es"], "--lan: `vlab lab` takes no such argument", "Did you mean --lang?"),
        (["lab", "--lang", "fr"], "--lang: there is no 'fr'", "There are: en, es."),
        (["lab", "--lang"], "--lang: expected one argument", "See `vlab lab --help`."),
        (["lab", "--port", "0"], "--port: '0' is not a port", "See `vlab lab --help`."),
        (["lab", "--port", "65536"], "--port: '65536' is not a port", "See `vlab lab --help`."),
        (["lab", "--port", "²"], "--port: '²' is not a port", "See `vlab lab --help`."),
        (["lab", "one"], "one: `vlab lab` takes no such argument", "See `vlab lab --help`."),
        (["doctor", "--json"], "--json: `vlab doctor` takes no such argument", "See `vlab doctor --help`."),
        ([], "Which command?", "doctor"),
    ],
)
def test_a_wrong_argument_is_named_with_what_was_meant(capsys, arguments, place, hint):
    assert cli.main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"vlab: {place}")
    assert hint in shown.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "Falta algo: IMAGEN."),
        (["run", "hello", "--depth"], "--depth: le falta un valor."),
        (["run", "hello", "--sbi", "--bios", "x"], "--bios: no se puede usar junto con --sbi."),
        (["notebooks"], "Falta algo: VERBO, NOMBRE."),
        (["lab", "--no-browser=3"], "--no-browser: no lleva un valor, así que tampoco este: '3'."),
    ],
)
def test_complaints_are_in_the_readers_language(capsys, monkeypatch, arguments, said):
    monkeypatch.setattr(cli, "preferred_language", lambda: "es")
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err.startswith(f"vlab: {said}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lang", "es", "run"], "Falta algo: IMAGEN."),
        (["--lang=es", "run", "hello", "--memory", "3x"], "--memory: '3x' no es un tamaño de memoria."),
        (
            ["lab", "--no-browser=3", "--lang", "es"],
            "--no-browser: no lleva un valor, así que tampoco este: '3'.",
        ),
        (["--lang", "fr", "run"], "--lang: there is no 'fr'."),
        (["--lang"], "--lang: expected one argument."),
    ],
)
def test_complaints_are_in_the_language_that_is_asked_for(capsys, monkeypatch, arguments, said):
    monkeypatch.setattr(cli, "preferred_language", lambda: "en")
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err.startswith(f"vlab: {said}\n")


def test_help_is_in_the_language_that_is_asked_for(capsys, monkeypatch):
    monkeypatch.setattr(cli, "preferred_language", lambda: "en")
    assert cli.main(["run", "--help", "--lang", "es"]) == 0 == cli.main(["--lang", "es", "--help"])
    assert capsys.readouterr().out.count("uso: vlab") == 2


@pytest.mark.parametrize("command", [[], *([name] for name in cli.COMMANDS)])
def test_help_has_no_english_left_in_spanish(capsys, monkeypatch, command):
    monkeypatch.setattr(cli, "preferred_language", lambda: "es")
    assert cli.main([*command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("uso: vlab")
    assert not re.findall(r"\b(?:usage|options|arguments|show|exit|NAME|FILE|VERB|what)\b", shown)


def test_help_names_every_command(capsys):
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(re.search(rf"^    {name}\s", shown, re.MULTILINE) for name in cli.COMMANDS)


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"vlab {vlab.__version__}\n"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (VlabError("It is wrong.", where="here", mend="Do this."), "here: It is wrong.\nDo this.\n"),
        (FileNotFoundError(2, "No such file", "a.elf"), "a.elf: No such file\n"),
        (OSError("something else"), "something else\n"),
    ],
)
def test_a_mistake_is_a_message_and_status_2(capsys, command, error, shown):
    def fail(args):
        raise error

    command(fail)
    assert cli.main(["doctor"]) == 2
    assert capsys.readouterr().err == f"vlab: {shown}"


def test_an_interrupted_command_is_status_130(capsys, command):
    def interrupt(args):
        raise KeyboardInterrupt

    command(interrupt)
    assert cli.main(["doctor"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_commands_status_is_the_programs(command):
    command(lambda args: 7)
    assert cli.main(["doctor"]) == 7


def test_a_bug_is_not_hidden(command):
    command(lambda args: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["doctor"])


def test_a_reader_who_leaves_is_no_error():
    with subprocess.Popen(["true"], stdin=subprocess.PIPE) as gone:
        gone.wait()
        done = vlab_process("doctor", stdout=gone.stdin)
    assert (done.returncode, done.stderr) == (cli.READER_LEFT, "")


def test_a_closed_output_is_no_error():
    command = ["sh", "-c", f"exec '{sys.executable}' -m vlab doctor >&-"]
    assert subprocess.run(command, capture_output=True, check=False).stderr == b""


def test_a_poor_terminal_shows_what_it_can():
    poor = {"PYTHONIOENCODING": "ascii:strict", "PYTHONPATH": str(Path(vlab.__file__).parent.parent)}
    done = vlab_process("lab", "--port", "²", env=poor)
    assert "'?' is not a port" in done.stderr


def test_python_m_vlab_is_vlab():
    assert vlab_process("--version").stdout == f"vlab {vlab.__version__}\n"
