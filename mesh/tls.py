"""TLS from files, read anew when they change, so that a renewed certificate needs no restart."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import grpc

from mesh.settings import ConfigError, MeshSettings

Stamp = tuple[tuple[int, int, int] | None, ...]
"""Of each file: when it was changed, its size and its inode; None if it is not there."""


@dataclass(frozen=True)
class TlsFiles:
    """Certificate chain, key and authorities as PEM files; each may be absent for a client."""

    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None

    def stamp(self) -> Stamp:
        """Changes whenever one of the files does."""
        return tuple(_stamp(path) for path in (self.cert, self.key, self.ca))

    def read(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """Certificate, key and authorities. Raises ConfigError naming the file that cannot be read."""
        return _read(self.cert), _read(self.key), _read(self.ca)


def files(settings: MeshSettings) -> TlsFiles | None:
    """What the settings name; None for plain text. Raises ConfigError for a certificate without its key."""
    found = TlsFiles(settings.tls_cert, settings.tls_key, settings.tls_ca)
    if (found.cert is None) != (found.key is None):
        raise ConfigError("OVR_TLS_CERT and OVR_TLS_KEY: set both or neither")
    return found if found.cert or found.ca else None


def server_credentials(tls: TlsFiles) -> grpc.ServerCredentials:
    """Credentials that look at the files at each handshake; a broken new file keeps the old one in use."""
    if tls.cert is None or tls.key is None:
        raise ConfigError("OVR_TLS_CERT and OVR_TLS_KEY: a server needs both")
    mutual = tls.ca is not None
    lock = threading.Lock()
    used = tls.stamp()
    first = _server_configuration(tls)

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal used
        with lock:
            now = tls.stamp()
            if now == used:
                return None
            try:
                fresh = _server_configuration(tls)
            except ConfigError:
                return None
            used = now
            return fresh

    # The stub forgets that None means no change.
    fetcher = cast("Callable[[], grpc.ServerCertificateConfiguration]", fetch)
    return grpc.dynamic_ssl_server_credentials(first, fetcher, require_client_authentication=mutual)


def _server_configuration(tls: TlsFiles) -> grpc.ServerCertificateConfiguration:
    cert, key, ca = tls.read()
    if cert is None or key is None or b"-----END" not in cert or b"-----END" not in key:
        raise ConfigError(f"{tls.cert} or {tls.key}: not a whole PEM file")
    return grpc.ssl_server_certificate_configuration([(key, cert)], root_certificates=ca)


def channel_credentials(tls: TlsFiles) -> grpc.ChannelCredentials:
    """Credentials from the files as they are now."""
    cert, key, ca = tls.read()
    return grpc.ssl_channel_credentials(root_certificates=ca, private_key=key, certificate_chain=cert)


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found else None


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
