"""The image store on MinIO or another S3: one object a picture, named by its key.

`minio`'s client is synchronous, so that every call runs on threads of the store's own.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from functools import partial
from itertools import count, islice
from typing import TypeVar

from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import InvalidResponseError, MinioException, S3Error
from minio.sse import SseS3
from urllib3.exceptions import HTTPError

from mesh.errors import Kind, MeshError
from mesh.retry import RetryPolicy
from storage.images.port import PICTURES, StoredImage, check_picture, parse_image_key

T = TypeVar("T")

DEADLINE_SECONDS = 10.0
READY_KEY = "checks/ready"
"""Written by every check for readiness, so that it stays one object."""

_THREADS = 16
_ABSENT = frozenset({"NoSuchKey", "NoSuchObject"})
_REFUSALS = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NotImplemented"})
"""What no further try can change."""
_DELETE_BATCH = 1000


class MinioImageStore:
    """`storage.images.port.ImageStore` on a bucket that exists.

    Calls are tried again with jittered pauses until `deadline_seconds` are over. With `encrypted`, S3 is
    asked to encrypt each picture with keys of its own (SSE-S3). `links` is a client by the address that those
    outside can reach, None if there is no such address.
    """

    def __init__(
        self,
        client: Minio,
        bucket: str,
        *,
        encrypted: bool = False,
        links: Minio | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._encryption = SseS3() if encrypted else None
        self._links = links
        self._deadline_seconds = deadline_seconds
        self._retry = RetryPolicy(attempts=12, base=0.05, cap=2.0)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="images")

    async def put(self, key: str, data: bytes, media_type: str) -> None:
        """See the port."""
        await self._run(lambda: check_picture(key, data, media_type))
        await self._patiently(lambda: self._put(key, data, media_type))

    def _put(self, key: str, data: bytes, media_type: str) -> None:
        self._client.put_object(
            self._bucket, key, io.BytesIO(data), len(data), content_type=media_type, sse=self._encryption
        )

    async def get(self, key: str) -> StoredImage | None:
        """See the port."""
        sha256, media_type = parse_image_key(key)
        data = await self._patiently(lambda: self._get(key, sha256))
        return StoredImage(data, media_type) if data is not None else None

    def _get(self, key: str, sha256: str) -> bytes | None:
        try:
            answer = self._client.get_object(self._bucket, key)
        except S3Error as error:
            if error.code in _ABSENT:
                return None
            raise
        try:
            data = answer.data
        finally:
            answer.close()
            answer.release_conn()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise MeshError(Kind.DATA_LOSS, "IMAGE_DAMAGED", f"stored picture {sha256} is damaged")
        return data

    async def exists(self, key: str) -> bool:
        """See the port."""
        parse_image_key(key)
        return await self._patiently(lambda: self._exists(key))

    def _exists(self, key: str) -> bool:
        try:
            self._client.stat_object(self._bucket, key)
        except S3Error as error:
            if error.code in _ABSENT:
                return False
            raise
        return True

    async def link(self, key: str, seconds: int) -> str | None:
        """See the port: a presigned link, made without asking S3."""
        parse_image_key(key)
        if self._links is None:
            return None
        return self._links.presigned_get_object(self._bucket, key, expires=timedelta(seconds=seconds))

    async def delete_older_than(self, moment: datetime) -> int:
        """See the port. What the bucket's own lifecycle sees to is left to it: a sweep lists the whole
        bucket."""
        return await self._run(lambda: self._sweep(moment))

    def _sweep(self, moment: datetime) -> int:
        age = datetime.now(timezone.utc) - moment
        if self._lifecycle_sees_to(age):
            return 0
        deleted = 0
        old = self._older_than(moment)
        while batch := list(islice(old, _DELETE_BATCH)):
            failures = list(self._client.remove_objects(self._bucket, map(DeleteObject, batch)))
            if failures:
                raise _unavailable(f"{len(failures)} not deleted, {failures[0].code}")
            deleted += len(batch)
        return deleted

    def _older_than(self, moment: datetime) -> Iterator[str]:
        for item in self._client.list_objects(self._bucket, prefix=PICTURES, recursive=True):
            if item.object_name and item.last_modified is not None and item.last_modified < moment:
                yield item.object_name

    def _lifecycle_sees_to(self, age: timedelta) -> bool:
        # It expires whole days, at midnight: what asks for less than a day more has no need to sweep.
        lifecycle = self._client.get_bucket_lifecycle(self._bucket)
        days = [
            rule.expiration.days
            for rule in (lifecycle.rules if lifecycle is not None else ())
            if rule.status == "Enabled"
            and rule.expiration is not None
            and rule.expiration.days is not None
            and (rule.rule_filter is None or PICTURES.startswith(rule.rule_filter.prefix or ""))
        ]
        return any(timedelta(days=limit - 1) < age for limit in days)

    async def check(self) -> None:
        """See the port: writes a small object, always the same."""
        await self._run(lambda: self._put(READY_KEY, b"ready", "text/plain"))

    async def close(self) -> None:
        """See the port."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)

    async def _patiently(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.wait_for(self._attempts(work), self._deadline_seconds)
        except asyncio.TimeoutError as error:
            raise _unavailable(f"no answer within {self._deadline_seconds:g} s") from error

    async def _attempts(self, work: Callable[[], T]) -> T:
        until = asyncio.get_running_loop().time() + self._deadline_seconds
        for attempt in count(1):
            try:
                return await self._run(work)
            except MeshError as error:
                pause = self._retry.delay(attempt, error)
                if pause is None or asyncio.get_running_loop().time() + pause > until:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("the policy ends the attempts")

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(_translated, work))


def _translated(work: Callable[[], T]) -> T:
    """What `work` gives; MeshError for what S3 or the way to it answers."""
    try:
        return work()
    except S3Error as error:
        if error.code == "NoSuchBucket":
            raise MeshError(
                Kind.FAILED_PRECONDITION,
                "BUCKET_MISSING",
                f"images: there is no bucket {error.bucket_name}; `ovr storage init` makes it",
            ) from error
        why = f"{error.code}: {error.message}"
        if error.code in _REFUSALS:
            raise MeshError(Kind.FAILED_PRECONDITION, "IMAGES_REFUSED", f"images: {why}") from error
        raise _unavailable(why) from error
    except InvalidResponseError as error:
        raise _unavailable("the answer is none of S3") from error
    except MinioException as error:
        raise _unavailable(str(error)) from error
    except HTTPError as error:
        raise _unavailable(f"S3 does not answer, {type(error).__name__}") from error


def _unavailable(why: str) -> MeshError:
    return MeshError(Kind.UNAVAILABLE, "IMAGES_UNAVAILABLE", f"images: {why}")
