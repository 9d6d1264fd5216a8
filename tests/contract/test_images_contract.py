"""What every adapter of the image store promises."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

import pytest

from mesh.errors import Kind, MeshError
from tests.builders.events import picture


async def test_put_then_get_gives_the_same_bytes(open_images):
    """A picture comes back with its bytes and MIME type, in another process, too."""
    store, other = await open_images(), await open_images()
    item, data = picture(b"a picture")
    assert not await store.exists(item.key)
    await store.put(item.key, data, item.media_type)
    found = await other.get(item.key)
    assert (found.data, found.media_type) == (data, "image/jpeg")
    assert await other.exists(item.key)


async def test_an_unknown_key_is_none(open_images):
    """A key that was never put gives None, not an error."""
    assert await (await open_images()).get(picture(b"x")[0].key) is None


async def test_putting_again_changes_nothing(open_images):
    """The same picture from many callers at once is stored once and whole."""
    store = await open_images()
    item, data = picture(b"y" * 100_000)
    await asyncio.gather(*(store.put(item.key, data, item.media_type) for _ in range(8)))
    assert (await store.get(item.key)).data == data


async def test_bytes_that_are_not_the_keys_are_refused(open_images):
    """A hash that does not match gives INVALID and stores nothing."""
    store = await open_images()
    item, _ = picture(b"one")
    with pytest.raises(MeshError) as caught:
        await store.put(item.key, b"other", item.media_type)
    assert caught.value.kind is Kind.INVALID
    assert not await store.exists(item.key)


async def test_a_media_type_that_is_not_the_endings_is_refused(open_images):
    """A .jpg key takes image/jpeg only."""
    item, data = picture(b"one")
    with pytest.raises(MeshError) as caught:
        await (await open_images()).put(item.key, data, "image/png")
    assert caught.value.kind is Kind.INVALID


@pytest.mark.parametrize(
    "key",
    [
        "",
        "../../etc/passwd",
        "sha256/../../x.jpg",
        "sha256/ab/" + "0" * 64 + ".jpg",
        "sha256/00/" + "0" * 64 + ".gif",
        "sha256/00/" + "0" * 64 + ".jpg\n",
        "/sha256/00/" + "0" * 64 + ".jpg",
    ],
)
async def test_what_is_no_key_is_refused(open_images, key):
    """A key of another form gives INVALID in every method, so that none can lead out of the store."""
    store = await open_images()
    for attempt in (store.put(key, b"x", "image/jpeg"), store.get(key), store.exists(key)):
        with pytest.raises(MeshError) as caught:
            await attempt
        assert caught.value.kind is Kind.INVALID


async def test_only_the_old_is_deleted(open_images):
    """delete_older_than takes what was put before the moment, and counts it."""
    store = await open_images()
    item, data = picture(b"old")
    await store.put(item.key, data, item.media_type)
    now = datetime.now(timezone.utc)
    assert await store.delete_older_than(now - timedelta(minutes=1)) == 0
    assert await store.exists(item.key)
    assert await store.delete_older_than(now + timedelta(minutes=1)) == 1
    assert not await store.exists(item.key)


async def test_check_answers(open_images):
    """A working store is ready."""
    await (await open_images()).check()


async def test_putting_again_makes_younger(open_images):
    """What is put again is not deleted for its first time's age."""
    store = await open_images()
    item, data = picture(b"again")
    await store.put(item.key, data, item.media_type)
    between = datetime.now(timezone.utc) + timedelta(seconds=1.1)  # S3 keeps whole seconds, cut off
    await asyncio.sleep(2.2)
    await store.put(item.key, data, item.media_type)
    assert await store.delete_older_than(between) == 0
    assert await store.exists(item.key)


async def test_a_link_is_for_keys_only(open_images):
    """A link is asked for by a key of a picture, or refused; a store may give none."""
    store = await open_images()
    assert await store.link(picture(b"x")[0].key, 60) is None
    with pytest.raises(MeshError) as caught:
        await store.link("../x", 60)
    assert caught.value.kind is Kind.INVALID
