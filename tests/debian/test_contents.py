"""The search in Contents files."""

import gzip
from io import BytesIO

import pytest

from notos.debian import contents
from notos.errors import FetchError

TEXT = """bin/smbd                                        net/samba
usr/lib/systemd/system/smbd.service                     net/samba
usr/lib/systemd/system/my smbd.service\tnet/other
usr/share/a folder/smbd.service    net/one,contrib/net/two,three
usr/share/smbd.service.d/x         net/four
usr/share/smbd.service/x y         net/five
"""


def found(name: str, data: bytes) -> set[str]:
    return set(contents.packages_with(name, BytesIO(data)))


def test_packages_with() -> None:
    data = gzip.compress(TEXT.encode() + b"\xff/smbd\xff.service x/y\n" + b"x" * 200_000 + b"/long a/long\n")
    assert found("smbd.service", data) == {"samba", "one", "two", "three"}
    assert found("smbd", data) == {"samba"}
    assert found("nothing", data) == set()


@pytest.mark.parametrize(
    "data", [b"no gzip", gzip.compress(TEXT.encode())[:40], gzip.compress(TEXT.encode())[:-8] + b"x" * 8]
)
def test_a_damaged_file(data: bytes) -> None:
    with pytest.raises(FetchError, match="is damaged"):
        found("smbd.service", data)
