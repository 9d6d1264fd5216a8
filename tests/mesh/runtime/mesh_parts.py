"""Parts of the runtime's tests: frames, a detector made of functions, certificates."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from ovr.alpr.v1 import detector_pb2, frame_pb2

DETECTOR = "ovr.alpr.v1.DetectorService"


def frame(camera: str = "gate", data: bytes = b"\x01" * 12) -> frame_pb2.Frame:
    """A small valid frame."""
    return frame_pb2.Frame(
        camera_id=camera,
        format=frame_pb2.PIXEL_FORMAT_BGR24,
        clock=frame_pb2.CLOCK_SOURCE_WALL,
        height=2,
        width=2,
        inline_data=data,
    )


def detect(camera: str = "gate", **fields: object) -> detector_pb2.DetectRequest:
    """A valid request, unless the fields given break it."""
    return detector_pb2.DetectRequest(frame=frame(camera), **fields)  # type: ignore[arg-type]


def stream_request(camera: str = "gate") -> detector_pb2.DetectStreamRequest:
    """The same as a message of a stream."""
    return detector_pb2.DetectStreamRequest(request=detect(camera))


@dataclass(frozen=True)
class Authority:
    """A certificate authority of a test that issues certificates into a directory."""

    directory: Path
    name: str = "test authority"

    def __post_init__(self) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec

        object.__setattr__(self, "key", ec.generate_private_key(ec.SECP256R1()))
        object.__setattr__(self, "certificate", self._sign(self.name, self.key.public_key(), authority=True))
        self.ca.write_bytes(_pem(self.certificate))

    @property
    def ca(self) -> Path:
        """The authority's own certificate."""
        return self.directory / f"{self.name.replace(' ', '-')}.pem"

    def issue(self, name: str) -> tuple[Path, Path]:
        """Write (anew) a certificate for localhost and its key; their paths."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        cert_path, key_path = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        key_path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        cert_path.write_bytes(_pem(self._sign(name, key.public_key(), authority=False)))
        return cert_path, key_path

    def _sign(self, name: str, public_key: object, *, authority: bool) -> object:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.x509.oid import NameOID

        now = datetime.datetime.now(datetime.timezone.utc)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        key_id = x509.SubjectKeyIdentifier.from_public_key(public_key)
        issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(key_id, critical=False).add_extension(issuer_id, critical=False)
        if authority:
            usage = dict.fromkeys(
                ("key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"),
                False,
            )
            signs = x509.KeyUsage(
                digital_signature=True, content_commitment=False, key_cert_sign=True, crl_sign=True, **usage
            )
            builder = builder.add_extension(signs, critical=True)
        else:
            names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())  # type: ignore[attr-defined]


def _pem(certificate: object) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return certificate.public_bytes(serialization.Encoding.PEM)  # type: ignore[attr-defined]
