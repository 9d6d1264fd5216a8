"""`ovr kafka`: what the mesh needs on Kafka and in the Schema Registry."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.console import fail

app = typer.Typer(
    no_args_is_help=True,
    help="Kafka of OVR_KAFKA and the Schema Registry of OVR_SCHEMA_REGISTRY.\n\nExample: ovr kafka init",
)


@app.callback()
def group() -> None:
    """Keeps `init` a command of its own."""


@app.command()
def init(
    partitions: Annotated[
        int,
        typer.Option(envvar="OVR_KAFKA_PARTITIONS", min=1, help="Of plate-events: members of a group."),
    ] = 12,
    replication: Annotated[
        int, typer.Option(envvar="OVR_KAFKA_REPLICATION", min=1, help="Brokers that hold each record.")
    ] = 1,
    days: Annotated[
        float, typer.Option(envvar="OVR_KAFKA_RETENTION_DAYS", min=0.01, help="How long records are kept.")
    ] = 7.0,
) -> None:
    """Make the topics, give them their settings, and register the schemas of their values, held to BACKWARD
    compatibility. Safe to repeat; the partitions and replicas of a topic that is there stay as they are.

    Example: OVR_KAFKA=kafka:9092 OVR_SCHEMA_REGISTRY=http://registry:8081 ovr kafka init --replication 3
    """
    from mesh.errors import MeshError
    from mesh.settings import load
    from storage.settings import StorageSettings

    settings = load(StorageSettings)
    if not settings.kafka:
        fail("OVR_KAFKA is not set: the log is SQLite, and needs no preparation")
    from storage.log.kafka_admin import TopicPlan, make_topics, register_schemas
    from storage.log.kafka_client import address_of
    from storage.log.registry import open_registry

    try:
        address = address_of(settings)
        for topic, made in make_topics(address, TopicPlan(partitions, replication, days)).items():
            print(f"topic {topic}: {'made' if made else 'is there'}")
        with open_registry(settings.schema_registry, address.properties) as registry:
            for subject, id in register_schemas(registry, address.prefix).items():
                print(f"subject {subject}: schema {id}")
    except MeshError as error:
        fail(str(error))
