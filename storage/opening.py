"""Opens the stores that the settings name: an engine where its endpoint is set, else the embedded adapter.

An engine's client library is imported only when it is used.
"""

from __future__ import annotations

from storage import embedded
from storage.alerts.port import AlertStore
from storage.events.port import EventStore
from storage.images.port import ImageStore
from storage.log.port import Log
from storage.search.port import SearchIndex
from storage.settings import StorageSettings


async def open_log(settings: StorageSettings) -> Log:
    """The log: Kafka, or `log.db`."""
    if settings.kafka:
        from storage.log.kafka import KafkaLog
        from storage.log.kafka_client import address_of

        return await KafkaLog.open(address_of(settings), settings.schema_registry, settings.event_format)
    return await embedded.open_log(settings.home)


async def open_events(settings: StorageSettings) -> EventStore:
    """The event store: TimescaleDB or PostgreSQL, or `events.db`."""
    if settings.database:
        from storage.events.postgres import PostgresEventStore

        return await PostgresEventStore.open(settings)
    return await embedded.open_events(settings.home)


async def open_images(settings: StorageSettings) -> ImageStore:
    """The image store: S3, or the directory `images`."""
    if settings.s3:
        from storage import s3
        from storage.images.minio import MinioImageStore

        links = s3.connect(settings, address=settings.s3_public) if settings.s3_public else None
        return MinioImageStore(
            s3.connect(settings), settings.s3_bucket, encrypted=settings.s3_encryption, links=links
        )
    return await embedded.open_images(settings.home)


async def open_search(settings: StorageSettings) -> SearchIndex:
    """The search index: OpenSearch, or `search.db`."""
    if settings.opensearch:
        from storage.search.opensearch.adapter import OpenSearchIndex
        from storage.search.opensearch.client import connect

        return OpenSearchIndex(connect(settings), settings.opensearch_index)
    return await embedded.open_search(settings.home)


async def open_alerts(settings: StorageSettings) -> AlertStore:
    """The alert store: in the database of the events, or `alerts.db`."""
    if settings.database:
        from storage.alerts.postgres import PostgresAlertStore

        return await PostgresAlertStore.open(settings)
    return await embedded.open_alerts(settings.home)
