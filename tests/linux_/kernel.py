"""A tiny Linux for the slow tests: built once from the distribution's own kernel source, and kept in a cache.

`config` is what it has beyond `make tinyconfig`, `init.s` its only program.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from vlab.course.doctor import TOOLS

HERE = Path(__file__).parent
CROSS = "riscv64-linux-gnu-"
NEEDS = ("linux", "linux-gcc", "make", "bc", "bison", "flex")
_INITRAMFS = "dir /dev 755 0 0\nnod /dev/console 600 0 0 c 5 1\nfile /init {init} 755 0 0\n"
_SAME = {  # so that what is built says nothing of who built it, nor when
    "KBUILD_BUILD_TIMESTAMP": "Thu Jan 1 00:00:00 UTC 1970",
    "KBUILD_BUILD_USER": "vlab",
    "KBUILD_BUILD_HOST": "vlab",
}
_HOUR = 3600


def kernel() -> Path:
    """The raw image of the kernel, built if it isn't in the cache."""
    source = Path(TOOLS["linux"].path() or "")
    parts = [(HERE / name).read_bytes() for name in ("config", "init.s")]
    digest = sha256(
        b"\0".join([*parts, source.name.encode(), str(source.stat().st_size).encode()])
    ).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vlab"
    image = cache / f"linux-{digest[:16]}"
    if not image.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=cache) as folder:
            _build(source, Path(folder)).replace(image)
    return image


def _build(source: Path, folder: Path) -> Path:
    _run(["tar", "xf", source, "-C", folder], folder)
    (tree,) = folder.iterdir()
    init, made = folder / "init", folder / "made"
    options = "-march=rv64imac", "-mabi=lp64", "-mno-relax"
    _run([f"{CROSS}as", *options, "-o", folder / "init.o", HERE / "init.s"], folder)
    _run([f"{CROSS}ld", "--no-relax", "-s", "-o", init, folder / "init.o"], folder)
    (folder / "initramfs").write_text(_INITRAMFS.format(init=init))
    make: list[str | Path] = ["make", "-s", "-C", tree, f"O={made}", "ARCH=riscv", f"CROSS_COMPILE={CROSS}"]
    _run([*make, "tinyconfig"], folder)
    with (made / ".config").open("a") as config:
        config.write("".join(_options(folder)))
    _run([*make, "olddefconfig"], folder)
    _run([*make, f"-j{os.cpu_count() or 1}", "Image"], folder)
    return made / "arch" / "riscv" / "boot" / "Image"


def _options(folder: Path) -> Iterator[str]:
    yield (HERE / "config").read_text()
    yield f'CONFIG_INITRAMFS_SOURCE="{folder / "initramfs"}"\n'


def _run(command: Sequence[str | Path], folder: Path) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=folder, env=os.environ | _SAME, capture_output=True, text=True, timeout=_HOUR, check=False
    )
    assert not done.returncode, f"{' '.join(words)}:\n{done.stderr[-2000:]}"
