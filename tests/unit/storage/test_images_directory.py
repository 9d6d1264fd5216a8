"""The directory of pictures beyond the port: damage, crashes, a disk that is away."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

import pytest

from mesh.errors import Kind, MeshError
from storage.images.directory import DirectoryImageStore
from tests.builders.events import picture


@pytest.fixture
async def store(tmp_path):
    opened = await DirectoryImageStore.open(tmp_path / "images")
    yield opened
    await opened.close()


async def test_a_damaged_picture_is_told_and_mended(store, tmp_path):
    """Bytes that changed on disk give DATA_LOSS instead of a wrong picture; putting it again mends it."""
    item, data = picture(b"good")
    await store.put(item.key, data, item.media_type)
    (tmp_path / "images" / item.key).write_bytes(b"evil")
    with pytest.raises(MeshError) as caught:
        await store.get(item.key)
    assert caught.value.kind is Kind.DATA_LOSS
    await store.put(item.key, data, item.media_type)
    assert (await store.get(item.key)).data == data


async def test_what_a_crash_left_is_swept_and_not_counted(store, tmp_path):
    """A half-written file is never visible, and goes with the old pictures."""
    item, data = picture(b"good")
    await store.put(item.key, data, item.media_type)
    partial = (tmp_path / "images" / item.key).with_name(".partial-x")
    partial.write_bytes(b"ha")
    later = datetime.now(timezone.utc) + timedelta(minutes=1)
    assert await store.delete_older_than(later) == 1
    assert not partial.exists()


async def test_putting_again_makes_a_picture_younger(store, tmp_path):
    """A picture that a newer event shows, too, is kept as long as that event."""
    item, data = picture(b"good")
    await store.put(item.key, data, item.media_type)
    os.utime(tmp_path / "images" / item.key, (0, 0))
    await store.put(item.key, data, item.media_type)
    assert await store.delete_older_than(datetime.now(timezone.utc) - timedelta(minutes=1)) == 0


async def test_a_directory_that_is_away_is_unavailable(store, tmp_path):
    """When the directory cannot be written put and check say UNAVAILABLE."""
    root = tmp_path / "images"
    root.rmdir()
    root.write_text("in the way")
    item, data = picture(b"good")
    for attempt in (store.put(item.key, data, item.media_type), store.check()):
        with pytest.raises(MeshError) as caught:
            await attempt
        assert caught.value.kind is Kind.UNAVAILABLE
