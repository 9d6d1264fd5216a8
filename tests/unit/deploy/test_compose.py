"""The compose file held to what it promises: who runs, who may do what, who waits for whom, what is open."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.processes import PARTS, PILOT
from mesh.settings import variable
from scripts.make_secrets import MADE

ROOT = Path(__file__).resolve().parents[3]
PROFILES = {
    "core": "zookeeper kafka schema-registry timescaledb minio opensearch kafka-init db-migrate minio-init "
    "ingest event-writer search-indexer query alert gateway",
    "edge": "detector ocr pilot",
    "observability": "prometheus grafana loki tempo promtail cadvisor node-exporter postgres-exporter "
    "kafka-exporter kafka-ui",
    "analytics": "opensearch-dashboards mlflow metabase",
}
PORTS = {
    "kafka": {9092, 29092},
    "zookeeper": {2181},
    "schema-registry": {8081},
    "kafka-ui": {8080},
    "timescaledb": {5432},
    "minio": {9000, 9001},
    "opensearch": {9200},
    "opensearch-dashboards": {5601},
    "gateway": {8000},
    "ingest": {50053},
    "alert": {8003},
    "prometheus": {9090},
    "grafana": {3000},
    "metabase": {3001},
    "loki": {3100},
    "tempo": {3200, 4317, 4318},
    "cadvisor": {8082},
    "node-exporter": {9100},
    "postgres-exporter": {9187},
    "kafka-exporter": {9308},
    "mlflow": {5000},
}
ONCE = {"kafka-init", "db-migrate", "minio-init"}
# What asks its callers for a key or a password; the rest listens to the loopback whatever OVR_BIND says.
ASKS = {"timescaledb", "minio", "gateway", "grafana", "metabase"}
# Exceptions, each with its reason in the file.
ROOT_USER = {"promtail", "cadvisor"}
WRITES_ITS_IMAGE = {"opensearch", "opensearch-dashboards"}
SECRET = re.compile(r"PASS|SECRET|TOKEN|ACCESS_KEY$|_KEY$")
# Names of keys, not keys; and NAME=FILE.
KEY_NAMES = {"OVR_S3_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "OVR_S3_ARTIFACTS_KEY"}

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ENV = dict(
    line.split("=", 1)
    for line in (ROOT / ".env.example").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
)
every_service = pytest.mark.parametrize("name", sorted(SERVICES))


def filled(text: str) -> str:
    """A value as compose fills it from .env.example; AssertionError for a variable that has no value."""

    def value(found: re.Match[str]) -> str:
        known = ENV.get(found["name"], found["default"])
        assert known is not None, text
        return str(known)

    return re.sub(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*)|:\?[^}]*)?\}", value, text)


def test_the_services_and_their_profiles() -> None:
    """The 31 services are there, each in its profile; a bare `up` takes all profiles, by .env."""
    found: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        for profile in service["profiles"]:
            found.setdefault(profile, set()).add(name)
    assert found == {profile: set(names.split()) for profile, names in PROFILES.items()}
    assert len(SERVICES) == 31
    assert set(ENV["COMPOSE_PROFILES"].split(",")) == PROFILES.keys()


def test_ports_are_published_where_operators_expect_them_and_on_the_loopback() -> None:
    """Each port is the known one, bound to an address that is the loopback unless .env says otherwise."""
    found: dict[str, set[int]] = {}
    for name, service in SERVICES.items():
        for port in service.get("ports", ()):
            address, host, _ = filled(port).rsplit(":", 2)
            assert address == "127.0.0.1"
            bind = "INGEST" if name == "ingest" else None if name in ASKS else "OPEN"
            assert port.startswith("${OVR_BIND_" + bind if bind else "${OVR_BIND:"), port
            found.setdefault(name, set()).add(int(host))
    assert found == PORTS


@every_service
def test_a_service_can_do_no_more_than_it_needs(name: str) -> None:
    """No root, no capability, no new right, no write to its image; bounded in memory, time and processes."""
    service = SERVICES[name]
    user, _, group = service["user"].partition(":")
    assert (user == "0") == (name in ROOT_USER)
    assert user.isdigit()
    assert group.isdigit()
    assert service["read_only"] == (name not in WRITES_ITS_IMAGE)
    assert service["cap_drop"] == ["ALL"]
    assert set(service.get("cap_add", ())) <= {"DAC_READ_SEARCH"}
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}


@every_service
def test_a_service_is_kept_up_and_its_log_kept_short(name: str) -> None:
    """Each is started again, turns its log, and tells how it is; those that run once end instead."""
    service = SERVICES[name]
    assert service["restart"] == ("on-failure:5" if name in ONCE else "unless-stopped")
    assert ("healthcheck" in service) == (name not in ONCE)
    assert service["logging"]["options"].keys() == {"max-size", "max-file", "labels"}


@every_service
def test_images_are_pinned(name: str) -> None:
    """Each image comes from .env.example, with a version that is not a moving one."""
    image = filled(SERVICES[name]["image"])
    tag = image.rpartition(":")[2]
    assert re.search(r"\d", tag), image
    assert "latest" not in tag


@every_service
def test_no_secret_stands_in_the_file(name: str) -> None:
    """What is secret comes from a file that `make secrets` makes; the variables only say where it lies."""
    service = SERVICES[name]
    environment = {str(key): str(value) for key, value in service.get("environment", {}).items()}
    for key, value in environment.items():
        if SECRET.search(key) and key not in KEY_NAMES:
            assert value in {f"/run/secrets/{secret}" for secret in service["secrets"]}, key
        assert "@" not in value or ":" not in value.partition("://")[2].partition("@")[0], key
    given = set(service.get("secrets", ()))
    assert given <= COMPOSE["secrets"].keys()
    assert set(re.findall(r"/run/secrets/(\w+)", str(service))) <= given


def test_every_secret_is_made() -> None:
    """Each file of the secrets is one that `make secrets` writes."""
    files = {secret["file"] for secret in COMPOSE["secrets"].values()}
    assert files <= {f"secrets/{name}" for name in (*MADE, "gateway_keys")}


@every_service
def test_what_is_mounted_is_there(name: str) -> None:
    """Each file or folder of the checkout that is mounted exists, and is mounted to be read only."""
    for volume in SERVICES[name].get("volumes", ()):
        source, _, rest = volume.partition(":")
        if source.startswith("./"):
            assert (ROOT / source).exists(), volume
            assert rest.endswith(":ro"), volume
        elif not source.startswith(("/", "$")):
            assert source in COMPOSE["volumes"], volume


@every_service
def test_the_order_of_starting(name: str) -> None:
    """Each waits for whom it needs to be well or done; whom another profile may leave out need not be."""
    service = SERVICES[name]
    for other, how in service.get("depends_on", {}).items():
        done = "service_completed_successfully" if other in ONCE else "service_healthy"
        assert how["condition"] == done
        assert how.get("required", True) == (SERVICES[other]["profiles"] == service["profiles"])


@pytest.mark.parametrize("part", [*PARTS, PILOT], ids=lambda part: part.name)
def test_our_processes_are_told_what_they_know(part: Any) -> None:
    """Each of our processes is there, by its module, with variables that its settings have."""
    service = SERVICES[part.name]
    assert service["command"] == [part.module]
    settings = part.settings_class()
    known = {variable(settings, field) for field in settings.model_fields}
    assert service["environment"].keys() <= known


def test_edge_services_share_their_frames() -> None:
    """Who sends frames and who looks at them map the same memory, as the same user."""
    three = [SERVICES[name] for name in ("pilot", "detector", "ocr")]
    assert all("frames:/dev/shm" in service["volumes"] for service in three)
    assert {service["user"] for service in three} == {"10001:10001"}
    assert "uid=10001" in COMPOSE["volumes"]["frames"]["driver_opts"]["o"]


def test_everybody_is_scraped_where_they_listen() -> None:
    """Prometheus looks for services that are there, and finds our pages at the ports that the image sets."""
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))
    targets: set[str] = set()
    for job in config["scrape_configs"]:
        targets |= {target for group in job.get("static_configs", ()) for target in group["targets"]}
        targets |= {f"{dns['names'][0]}:{dns['port']}" for dns in job.get("dns_sd_configs", ())}
    assert {target.partition(":")[0] for target in targets} - {"localhost"} <= SERVICES.keys()
    image = (ROOT / "Dockerfile").read_text("utf-8")
    ports = dict(re.findall(r"OVR_(\w+)_METRICS_PORT=(\d+)", image))
    ours = {name.lower().replace("_", "-").replace("edge", "pilot"): port for name, port in ports.items()}
    assert {f"{name}:{port}" for name, port in ours.items()} <= targets
    assert ours.keys() == {part.name for part in (*PARTS, PILOT)}


def test_what_runs_in_our_image_is_in_it() -> None:
    """Each module that a command or a health check names can be found."""
    for name, service in SERVICES.items():
        if service["image"].startswith("${OVR_IMAGE") and "entrypoint" not in service:
            assert importlib.util.find_spec(service["command"][0]), name
        check = service.get("healthcheck", {}).get("test", [])
        if "-m" in check:
            assert importlib.util.find_spec(check[check.index("-m") + 1]), name


def test_a_jetson_runs_the_edge_alone() -> None:
    """The file for Jetsons changes the edge's three services, built from a Dockerfile that is there."""
    jetson = yaml.safe_load((ROOT / "docker-compose.jetson.yml").read_text("utf-8"))
    assert jetson["services"].keys() == set(PROFILES["edge"].split())
    for service in jetson["services"].values():
        assert service["runtime"] == "nvidia"
        assert (ROOT / service["build"]["dockerfile"]).is_file()


def test_certificates_go_to_every_process_of_ours() -> None:
    """The file for certificates gives all nine processes the same three files, at the paths it mounts."""
    tls = yaml.safe_load((ROOT / "docker-compose.tls.yml").read_text("utf-8"))
    assert tls["services"].keys() == {part.name for part in (*PARTS, PILOT)}
    for service in tls["services"].values():
        assert set(service["secrets"]) == tls["secrets"].keys()
        assert set(service["environment"].values()) == {f"/run/secrets/{name}" for name in tls["secrets"]}
