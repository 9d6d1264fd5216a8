"""The connection to S3 by settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.errors import Kind, MeshError
from storage import s3
from storage.settings import StorageSettings


@pytest.mark.parametrize("address", ["minio:9000", "ftp://minio", "http://", "http://minio:9000/bucket", ""])
def test_an_address_that_is_none_is_named(address: str) -> None:
    """An address without its scheme or with a path is refused, and shown."""
    with pytest.raises(MeshError) as caught:
        s3.connect(StorageSettings(s3=address, s3_access_key="k", s3_secret_key="s"))
    assert caught.value.kind is Kind.FAILED_PRECONDITION
    assert repr(address) in str(caught.value)


def test_the_key_is_read_from_its_file(tmp_path: Path) -> None:
    """The file wins over the value, without the line's end; one that cannot be read is named, its content
    never."""
    file = tmp_path / "key"
    file.write_text("from the file\n")
    settings = StorageSettings(s3_access_key="ovr", s3_secret_key="value", s3_secret_key_file=file)
    assert s3.Key.of(settings) == s3.Key("ovr", "from the file")
    file.unlink()
    with pytest.raises(MeshError, match=str(file)) as caught:
        s3.Key.of(settings)
    assert caught.value.kind is Kind.FAILED_PRECONDITION
