"""The two walls, tried from inside."""

import subprocess
import sys
from pathlib import Path

import pytest

from vlab.course.grading import sandbox

FORBID = """
import os, sys, socket, subprocess, ctypes
from pathlib import Path
from vlab.course.grading import sandbox
secret, own = Path(sys.argv[1]), Path(sys.argv[2])
sandbox.forbid([secret], own, "vlab.course.answers")
def tried(what):
    try:
        what()
    except PermissionError:
        return "refused"
    except Exception as error:
        return type(error).__name__
    return "done"
"""
REFUSED = (
    "open(secret / 'key').read()",
    "os.open(secret / 'key', os.O_RDONLY)",
    "open(secret / '..' / secret.name / 'key')",
    "(own / 'link').symlink_to(secret / 'key') or open(own / 'link')",
    "open('/proc/self/environ')",
    "open(own.parent / 'new', 'w')",
    "os.remove(secret / 'key')",
    "os.rename(own, own.parent / 'x')",
    "os.mkdir(own.parent / 'x')",
    "__import__('vlab.course.answers.lesson_07')",
    "socket.create_connection(('127.0.0.1', 9))",
    "socket.socket().connect(('127.0.0.1', 9))",
    "socket.socket(socket.AF_UNIX).bind(str(own / 's'))",
    "socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('127.0.0.1', 9))",
    "socket.gethostbyname('localhost')",
    "subprocess.run(['true'])",
    "os.system('true')",
    "os.fork()",
    "os.execv('/bin/true', ['true'])",
    "os.posix_spawn('/bin/true', ['true'], {})",
    "os.kill(os.getpid(), 0)",
    "ctypes.CDLL(None)",
    "__import__('shutil').rmtree(secret)",
)
ALLOWED = (
    "(own / 'new').write_text('x')",
    "open(os.devnull, 'w')",
    "__import__('json.tool')",
    "open(os.__file__).read(1)",
)
WALLED = """
import os, socket, sys
from pathlib import Path
from vlab.course.grading import sandbox
secret, own = Path(sys.argv[1]), Path(sys.argv[2])
outside = os.getpid()
assert sandbox.separate()
sandbox.hide([secret, own.parent], own)
print("pid", os.getpid() < 10)
print("secret", sorted(os.listdir(secret)) if secret.exists() else [])
print("beside", sorted(os.listdir(own.parent)))
print("own", sorted(os.listdir(own)), os.getcwd() == str(own))
Path("mine").write_text("x")
for place in (sys.argv[3], "/tmp", str(Path.home())):
    try:
        (Path(place) / "vlab-was-here").write_text("x")
    except OSError as error:
        print("write", error.strerror)
try:
    open(f"/proc/{os.getppid()}/mem", "rb")
except OSError:
    print("parent", "closed")
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[4])), 5)
except OSError as error:
    print("network", error.strerror)
"""


def python(program, *words, **options):
    command = [sys.executable, "-c", program, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


@pytest.fixture
def places(tmp_path):
    """A folder with a secret, and one to write in."""
    secret, own = tmp_path / "secret", tmp_path / "own"
    secret.mkdir()
    own.mkdir()
    (secret / "key").write_text("42")
    return secret.resolve(), own.resolve()


def test_pythons_wall(places):
    tries = "\n".join(f"print(tried(lambda: {text}), {text!r})" for text in (*REFUSED, *ALLOWED))
    done = python(FORBID + tries, *places)
    told = dict(reversed(line.split(" ", 1)) for line in done.stdout.splitlines())
    assert told == dict.fromkeys(REFUSED, "refused") | dict.fromkeys(ALLOWED, "done"), done.stderr
    assert (places[0] / "key").read_text() == "42"


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")
def test_the_systems_wall(places, tmp_path):
    import socket

    assert sandbox.can_separate()
    outside = Path("/tmp/vlab-was-here")
    outside.unlink(missing_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        done = python(WALLED, *places, tmp_path, server.getsockname()[1])
        with pytest.raises(BlockingIOError):
            server.accept()
    assert done.stdout.splitlines() == [
        "pid True",
        "secret []",
        "beside ['own']",
        "own [] True",
        *["write Read-only file system"] * 3,
        "parent closed",
        "network Connection refused",
    ], done.stderr
    assert (places[1] / "mine").read_text() == "x"
    assert not outside.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")
def test_nothing_outlives_what_is_separate(tmp_path):
    program = (
        "import os, subprocess, sys, time\nfrom vlab.course.grading import sandbox\nassert sandbox.separate()\n"
        "subprocess.Popen([sys.executable, '-c', sys.argv[2], sys.argv[1]], start_new_session=True)\n"
        "while not os.path.exists(sys.argv[1]): time.sleep(0.01)\nraise SystemExit(7)"
    )
    child = "import sys, time\nopen(sys.argv[1], 'w').close()\ntime.sleep(1)\nopen(sys.argv[1] + '2', 'w').close()"
    assert python(program, tmp_path / "file", child).returncode == 7
    import time

    time.sleep(1.5)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_memory_is_limited():
    program = "from vlab.course.grading import sandbox\nsandbox.limit_memory(1 << 28)\n"
    assert "MemoryError" in python(program + "bytearray(1 << 29)").stderr
    assert python(program + "bytearray(1 << 20)").returncode == 0


def test_elsewhere_there_is_no_such_wall(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    sandbox.can_separate.cache_clear()
    try:
        assert not sandbox.can_separate()
    finally:
        sandbox.can_separate.cache_clear()
