from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from oldest import oldest_systems

from hatch_venvstacks.composition.native_files import Native, is_guaranteed, read_native
from hatch_venvstacks.model.platforms import PLATFORMS, host_platform

if TYPE_CHECKING:
    from pathlib import Path

MAC, WINDOWS, LINUX = (PLATFORMS[name] for name in ("macosx_arm64", "win_amd64", "linux_x86_64"))
ARM64, X86_64 = 0x0100000C, 0x01000007
ID, LOAD, WEAK, RPATH = 0xD, 0xC, 0x80000018, 0x8000001C


def compiler() -> str:
    found = shutil.which("cc")
    if not found or sys.platform != "linux":
        pytest.skip("needs a C compiler on Linux")
    return found


def compiled(folder: Path, name: str, *options: str) -> Path:
    source, library = folder / "source.c", folder / name
    source.write_text("int answer(void) { return 42; }\n", "utf-8")
    subprocess.run(
        [compiler(), "-shared", "-fPIC", *options, "-o", str(library), str(source)], check=True
    )
    return library


def mach_o(cpu: int, *commands: tuple[int, str]) -> bytes:
    """A Mach-O library of 64 bits with load commands, and nothing to run."""
    body = b""
    for kind, text in commands:
        head = 12 if kind == RPATH else 24
        raw = text.encode() + b"\0"
        size = (head + len(raw) + 7) // 8 * 8
        rest = struct.pack("<I", 12) if kind == RPATH else struct.pack("<IIII", 24, 2, 0, 0)
        body += (struct.pack("<II", kind, size) + rest + raw).ljust(len(body) * 0 + size, b"\0")
    return struct.pack("<8I", 0xFEEDFACF, cpu, 0, 6, len(commands), len(body), 0, 0) + body


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (("-Wl,--enable-new-dtags",), ((), ("$ORIGIN/../a.libs", "$ORIGIN"))),
        (("-Wl,--disable-new-dtags",), (("$ORIGIN/../a.libs", "$ORIGIN"), ())),
    ],
)
def test_elf(tmp_path: Path, tags: tuple[str, ...], expected: tuple[tuple[str, ...], ...]) -> None:
    library = compiled(
        tmp_path,
        "liba.so.1",
        "-Wl,-soname,liba.so.1.2",
        "-Wl,-rpath,$ORIGIN/../a.libs:$ORIGIN",
        "-Wl,--no-as-needed",
        "-lm",
        *tags,
    )
    found = read_native(library, host_platform())
    assert found is not None
    assert found.soname == "liba.so.1.2"
    assert "libm.so.6" in found.needed
    assert (found.rpath, found.runpath) == expected
    # For which C library a file is stands in what it needs, and the machine in the file.
    alike = [one.name for one in PLATFORMS.values() if one.marker == host_platform().marker]
    assert [one.name for one in PLATFORMS.values() if read_native(library, one)] == alike


def test_elf_for_musl(tmp_path: Path) -> None:
    """What the compilers of Alpine Linux make."""
    machine = host_platform().machine
    libc = f"libc.musl-{machine}.so.1"
    compiled(tmp_path, libc, "-nostdlib", f"-Wl,-soname,{libc}")
    library = compiled(
        tmp_path, "liba.so", "-nostdlib", "-Wl,--no-as-needed", f"-L{tmp_path}", f"-l:{libc}"
    )
    found = read_native(library, PLATFORMS[f"musllinux_{machine}"])
    assert found == Native("liba.so", (libc,))
    assert is_guaranteed(libc, PLATFORMS[f"musllinux_{machine}"])
    assert not is_guaranteed(libc, PLATFORMS[f"linux_{machine}"])


def test_elf_without_names_of_its_own(tmp_path: Path) -> None:
    found = read_native(compiled(tmp_path, "plain.so", "-nostdlib"), host_platform())
    assert found == Native("plain.so")


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\x7fELF" + b"\xff" * 200, b"#!/bin/sh\n"])
def test_what_is_no_elf_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.so").write_bytes(content)
    assert read_native(tmp_path / "x.so", LINUX) is None


def test_text_is_not_opened(tmp_path: Path) -> None:
    assert read_native(tmp_path / "not there.py", LINUX) is None


def test_mach_o(tmp_path: Path) -> None:
    arm = mach_o(
        ARM64,
        (ID, "@rpath/libb.1.dylib"),
        (LOAD, "@loader_path/../c.dylib"),
        (WEAK, "/usr/lib/libSystem.B.dylib"),
        (RPATH, "@loader_path/."),
        (RPATH, "@loader_path/../lib"),
    )
    library = tmp_path / "libb.dylib"
    library.write_bytes(arm)
    assert read_native(library, MAC) == Native(
        "libb.1.dylib",
        ("@loader_path/../c.dylib", "/usr/lib/libSystem.B.dylib"),
        ("@loader_path/.", "@loader_path/../lib"),
    )
    assert read_native(library, PLATFORMS["macosx_x86_64"]) is None
    assert read_native(library, LINUX) is None


def test_universal_mach_o(tmp_path: Path) -> None:
    """Each platform reads the part that is for it."""
    parts = [mach_o(X86_64, (LOAD, "intel")), mach_o(ARM64, (LOAD, "arm"))]
    starts = (4096, 8192)
    head = struct.pack(">II", 0xCAFEBABE, 2)
    for cpu, start, part in zip((X86_64, ARM64), starts, parts, strict=True):
        head += struct.pack(">5I", cpu, 0, start, len(part), 12)
    content = bytearray(16384)
    content[: len(head)] = head
    for start, part in zip(starts, parts, strict=True):
        content[start : start + len(part)] = part
    library = tmp_path / "both.so"
    library.write_bytes(content)
    assert read_native(library, MAC) == Native("both.so", ("arm",))
    assert read_native(library, PLATFORMS["macosx_x86_64"]) == Native("both.so", ("intel",))
    (tmp_path / "Some.class").write_bytes(b"\xca\xfe\xba\xbe\0\0\0\x34" + b"\0" * 40)
    assert read_native(tmp_path / "Some.class", MAC) is None


def test_windows_knows_names_only(tmp_path: Path) -> None:
    for name in ("a.dll", "B.DLL", "c.pyd", "d.exe"):
        (tmp_path / name).write_bytes(b"MZ")
    found = {path.name: read_native(path, WINDOWS) for path in tmp_path.iterdir()}
    assert found == {
        "a.dll": Native("a.dll"),
        "B.DLL": Native("B.DLL"),
        "c.pyd": None,
        "d.exe": None,
    }


@pytest.mark.parametrize(
    ("library", "glibc", "guaranteed"),
    [
        ("libz.so.1", (2, 17), True),
        ("libcrypt.so.1", (2, 28), False),
        ("libmvec.so.1", (2, 17), False),
        ("libmvec.so.1", (2, 28), True),
    ],
)
def test_what_the_policy_of_manylinux_has(
    library: str, glibc: tuple[int, int], guaranteed: bool
) -> None:
    assert is_guaranteed(library, LINUX.since(oldest_systems(glibc=glibc))) == guaranteed
