"""Odd and damaged .debs: dpkg is the judge of what is valid, and of what it unpacks."""

import bz2
import gzip
import io
import lzma
import tarfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from notos.debian import deb
from notos.debian.unpack import Unpack, unpack
from notos.errors import PackageError
from tests.conftest import FIXTURES, Tool
from tests.dpkg import CONTROL, Dpkg
from tests.trees import described, unpacked


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", **values: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for key, value in values.items():
        setattr(info, key, value)
    return info


def block(
    name: str, data: bytes = b"", *, kind: bytes = b"0", size: int | None = None, **raw: bytes
) -> bytes:
    """Return a header in the old (v7) format and its data; `raw` are fields as bytes."""
    fields = {
        "name": name.encode(),
        "mode": b"0000644\0",
        "uid": b"0000000\0",
        "gid": b"0000000\0",
        "size": b"%011o\0" % (len(data) if size is None else size),
        "mtime": b"%011o\0" % 1,
        "checksum": b" " * 8,
        "kind": kind,
        "link": b"",
        "magic": b"",
        **raw,
    }
    lengths = (100, 8, 8, 8, 12, 12, 8, 1, 100, 255)
    header = b"".join(
        value.ljust(length, b"\0") for value, length in zip(fields.values(), lengths, strict=True)
    )
    header = header.ljust(512, b"\0")
    if fields["checksum"] == b" " * 8:
        header = header[:148] + b"%06o\0 " % sum(header) + header[156:]
    return header + data + bytes(-len(data) % 512)


def archive(*entries: tarfile.TarInfo, form: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for info in entries:
            content = info.name.encode() if info.isreg() or info.type == tarfile.CONTTYPE else b""
            info.size = info.size or len(content)
            tar.addfile(info, io.BytesIO(content.ljust(info.size)) if content else None)
    return out.getvalue()


def member(name: str, data: bytes) -> bytes:
    return (
        f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        + data
        + b"\n" * (len(data) % 2)
    )


def packed(*members: tuple[str, bytes]) -> bytes:
    return b"!<arch>\n" + b"".join(member(*each) for each in members)


def control() -> bytes:
    info = entry("./control")
    text = (CONTROL.format(name="odd", version="1", more="") + "Description: for a test\n").encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    return out.getvalue()


def whole(data: bytes, suffix: str = "") -> bytes:
    return packed(("debian-binary", b"2.0\n"), ("control.tar", control()), (f"data.tar{suffix}", data))


END = bytes(1024)
USR = block("./usr/", kind=b"5")
PLAIN = archive(entry("./usr", tarfile.DIRTYPE), entry("./usr/a"))
BEFORE = ("debian-binary", b"2.0\n"), ("control.tar", control())
TARS = {
    "plain": PLAIN,
    "no zero block": PLAIN[: 4 * 512],
    "one zero block": PLAIN[: 4 * 512] + bytes(512),
    "negative time": archive(entry("./usr", tarfile.DIRTYPE), entry("./usr/a", mtime=-86400)),
    "time of the far future": archive(entry("./usr", tarfile.DIRTYPE), entry("./usr/a", mtime=1 << 40)),
    "large numbers": archive(entry("./usr", tarfile.DIRTYPE), entry("./usr/a", uid=1 << 22, gid=1 << 23)),
    "ustar": archive(entry("./usr", tarfile.DIRTYPE), entry("./usr/a"), form=tarfile.USTAR_FORMAT),
    "ustar with a prefix": archive(
        entry("./usr", tarfile.DIRTYPE),
        entry("./usr/" + "p" * 90, tarfile.DIRTYPE),
        entry("./usr/" + "p" * 90 + "/" + "n" * 60),
        form=tarfile.USTAR_FORMAT,
    ),
    "long names and links": archive(
        entry("./usr", tarfile.DIRTYPE),
        entry("./usr/" + "n" * 200),
        entry("./usr/link", tarfile.SYMTYPE, "t" * 150),
        entry("./usr/hard", tarfile.LNKTYPE, "./usr/" + "n" * 200),
    ),
    "pax": archive(entry("./usr", tarfile.DIRTYPE), entry("./usr/ä"), form=tarfile.PAX_FORMAT),
    "contiguous file": archive(entry("./usr", tarfile.DIRTYPE), entry("./usr/a", tarfile.CONTTYPE)),
    "v7": USR + block("./usr/a", b"1", kind=b"\0") + END,
    "v7 folder": block("./usr/", kind=b"\0") + block("./usr/d/", kind=b"0") + block("./usr/d/a", b"1") + END,
    "v7 link": USR + block("./usr/a", kind=b"2", link=b"b") + block("./usr/c", kind=b"2", link=b"d") + END,
    "folder with a size": block("./usr/", kind=b"5", size=4096) + block("./usr/a", b"1") + END,
    "link with a size": USR + block("./usr/l", kind=b"2", link=b"a", size=1) + block("./usr/a", b"1") + END,
    "hard link with a size": USR
    + block("./usr/a", b"1")
    + block("./usr/h", kind=b"1", link=b"./usr/a", size=1)
    + block("./usr/b", b"2")
    + END,
    "numbers with blanks": USR
    + block("./usr/a", b"1", size=1, mode=b"   644 \0", mtime=b"       17 \0")
    + END,
    "unclean names": USR
    + block(".//usr/./a", b"1")
    + block("usr/b", b"2")
    + block("./usr/c//d", kind=b"5")
    + END,
    "wrong checksum": USR + block("./usr/a", b"1", checksum=b"0000001\0") + END,
    "wrong size": USR + block("./usr/a", b"", size=0)[:124] + b"99999999999\0" + bytes(376) + END,
    "unknown type": USR + block("./usr/a", b"1", kind=b"Z") + END,
    "sparse": USR + block("./usr/a", b"1", kind=b"S") + END,
    "cut in a header": PLAIN[:700],
    "cut in the data": PLAIN[: 3 * 512 + 3],
    "hard link to nothing": USR + block("./usr/a", kind=b"1", link=b"./usr/none") + END,
    "empty": END,
}
MEMBERS = {
    "slashes": [("debian-binary/", b"2.0\n"), ("control.tar/", control()), ("data.tar/", PLAIN)],
    "a later minor format": [("debian-binary", b"2.7\nmore\n"), BEFORE[1], ("data.tar", PLAIN)],
    "a major format": [("debian-binary", b"3.0\n"), BEFORE[1], ("data.tar", PLAIN)],
    "no format": [BEFORE[1], ("data.tar", PLAIN)],
    "ignored members": [
        BEFORE[0],
        ("_a", b"1"),
        BEFORE[1],
        ("_b", b"12"),
        ("data.tar", PLAIN),
        ("more", b"1"),
    ],
    "an unknown member": [*BEFORE, ("signature", b"1"), ("data.tar", PLAIN)],
    "an unknown member before": [BEFORE[0], ("signature", b"1"), BEFORE[1], ("data.tar", PLAIN)],
    "the wrong order": [BEFORE[0], ("data.tar", PLAIN), BEFORE[1]],
    "two controls": [*BEFORE, BEFORE[1], ("data.tar", PLAIN)],
    "no data": [*BEFORE],
    "gz": [*BEFORE, ("data.tar.gz", gzip.compress(PLAIN))],
    "gz of two parts": [*BEFORE, ("data.tar.gz", gzip.compress(PLAIN[:700]) + gzip.compress(PLAIN[700:]))],
    "gz and zeros": [*BEFORE, ("data.tar.gz", gzip.compress(PLAIN) + bytes(100))],
    "xz": [*BEFORE, ("data.tar.xz", lzma.compress(PLAIN))],
    "bz2": [*BEFORE, ("data.tar.bz2", bz2.compress(PLAIN))],
    "lzma": [*BEFORE, ("data.tar.lzma", lzma.compress(PLAIN, lzma.FORMAT_ALONE))],
    "zst": [*BEFORE, ("data.tar.zst", zstandard.compress(PLAIN))],
    "damaged bz2": [*BEFORE, ("data.tar.bz2", bz2.compress(PLAIN)[:-9])],
    "damaged lzma": [*BEFORE, ("data.tar.lzma", lzma.compress(PLAIN, lzma.FORMAT_ALONE)[:-5])],
    "an unknown compression": [*BEFORE, ("data.tar.br", PLAIN)],
    "xz called gz": [*BEFORE, ("data.tar.gz", lzma.compress(PLAIN))],
    "compressed control": [BEFORE[0], ("control.tar.gz", gzip.compress(control())), ("data.tar", PLAIN)],
    "control in zst": [BEFORE[0], ("control.tar.zst", zstandard.compress(control())), ("data.tar", PLAIN)],
}
DEBS = {
    **{name: whole(data) for name, data in TARS.items()},
    **{name: packed(*m) for name, m in MEMBERS.items()},
}
# GNU tar reads these, and they are unambiguous; dpkg refuses them.
LENIENT = {"contiguous file", "v7 folder", "unclean names"}


@pytest.mark.parametrize("name", DEBS)
def test_dpkg_agrees(tool: Tool, tmp_path: Path, name: str) -> None:
    path = tmp_path / "odd.deb"
    path.write_bytes(DEBS[name])
    error = Dpkg(tool, tmp_path / "dpkg").unpack(tmp_path / "root", [path])
    try:
        found = {each: entry for each, entry in described(deb.read(path)).items() if entry[0] != "directory"}
    except PackageError as mine:
        assert error, mine
        assert mine.message.startswith("odd.deb: ")
        return
    assert bool(error) == (name in LENIENT), found
    if error:
        return
    theirs = {
        each: entry
        for each, entry in unpacked(tmp_path / "root").items()
        if entry[0] != "directory" and not each.startswith("var/") and "/" in each
    }
    assert found == theirs


@settings(max_examples=200, suppress_health_check=FIXTURES)
@given(st.sampled_from(sorted(DEBS)), st.data())
def test_damage_is_an_error_of_one_line(tmp_path: Path, name: str, data: st.DataObject) -> None:
    """In every format and compression, wherever a byte is changed, removed or added."""
    damaged = bytearray(DEBS[name])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        how = data.draw(st.sampled_from(["flip", "cut", "remove", "add"]))
        if how == "flip":
            damaged[at] ^= 1 << data.draw(st.integers(0, 7))
        elif how == "cut":
            del damaged[at + 1 :]
        elif how == "remove":
            del damaged[at : at + data.draw(st.integers(1, 600))]
            damaged += b"" if damaged else b"x"
        else:
            damaged[at:at] = data.draw(st.binary(max_size=600))
    path = tmp_path / "damaged.deb"
    path.write_bytes(damaged)
    for read in (deb.read, deb.control, lambda each: unpack([Unpack(each, package="damaged")])):
        try:
            read(path)
        except PackageError as error:
            assert "\n" not in str(error)
            assert "damaged" in str(error)
