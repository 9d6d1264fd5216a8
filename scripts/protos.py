"""Generate the stubs under gen/, and check the contracts, from proto/.

    python scripts/protos.py generate        stubs, .pyi, gRPC stubs and the contracts' comments under gen/
    python scripts/protos.py diff            fails if gen/ is not what `generate` makes
    python scripts/protos.py lint            buf lint, STANDARD
    python scripts/protos.py breaking REV    buf breaking, FILE, against the contracts at a git revision

`buf/validate/validate.proto` is not copied into the repository: its descriptor is taken from the installed
protovalidate package, so the rules in the contract are always those that the validator understands.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb

ROOT = Path(__file__).resolve().parent.parent
RULES = "buf/validate/validate.proto"
BUF_CONFIG = ROOT / "buf.yaml"


def rules_descriptor() -> bytes:
    """The FileDescriptorSet of validate.proto and what it imports, from the installed protovalidate."""
    files = descriptor_pb2.FileDescriptorSet()
    for module in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        module.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().ParseFromString(validate_pb.desc().proto.to_binary())
    return files.SerializeToString()


def run_protoc(proto: Path, work: Path, *arguments: str) -> None:
    """Run protoc on every contract below `proto`; SystemExit with its messages when it refuses them."""
    rules = work / "rules.binpb"
    rules.write_bytes(rules_descriptor())
    google = Path(protoc.__file__).parent / "_proto"
    contracts = sorted(str(path.relative_to(proto)) for path in proto.rglob("*.proto"))
    command = [
        "protoc",
        f"--descriptor_set_in={rules}",
        f"--proto_path={proto}",
        f"--proto_path={google}",
        *arguments,
    ]
    if protoc.main([*command, *contracts]) != 0:
        raise SystemExit(1)


MEMBERS = {
    descriptor_pb2.FileDescriptorProto: {4: "message_type", 5: "enum_type", 6: "service"},
    descriptor_pb2.DescriptorProto: {2: "field", 3: "nested_type", 4: "enum_type", 8: "oneof_decl"},
    descriptor_pb2.EnumDescriptorProto: {2: "value"},
    descriptor_pb2.ServiceDescriptorProto: {2: "method"},
}


def comments(descriptors: bytes) -> dict[str, str]:
    """The leading comment of every message, field, enum, value, service and rpc of ours, by full name.

    Compiled descriptors carry no comments; the gateway's OpenAPI takes its descriptions from here.
    """
    found: dict[str, str] = {}
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors).file:
        if not file.package.startswith("ovr."):
            continue
        for location in file.source_code_info.location:
            text = " ".join(line.strip() for line in location.leading_comments.splitlines()).strip()
            node, names, path = file, [file.package], list(location.path)
            while path and (member := MEMBERS.get(type(node), {}).get(path[0])):
                node = getattr(node, member)[path[1]]
                names.append(node.name)
                path = path[2:]
            if text and len(names) > 1 and not path:
                found[".".join(names)] = text
    return found


def write_comments(out: Path, work: Path) -> None:
    """Write the contracts' comments to `out`, one JSON object."""
    image(ROOT / "proto", work / "commented.binpb")
    found = comments((work / "commented.binpb").read_bytes())
    text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False)
    (out / "ovr" / "alpr" / "v1" / "comments.json").write_text(text + "\n", encoding="utf-8")


def generate(out: Path) -> None:
    """Write the stubs of every contract, and of the validation rules, to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        binaries = Path(sys.executable).parent
        run_protoc(
            ROOT / "proto",
            work,
            f"--plugin=protoc-gen-mypy={binaries / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={binaries / 'protoc-gen-mypy_grpc'}",
            f"--python_out={out}",
            f"--mypy_out={out}",
            f"--grpc_python_out={out}",
            f"--mypy_grpc_out={out}",
        )
        command = ["protoc", f"--descriptor_set_in={work / 'rules.binpb'}", f"--python_out={out}", RULES]
        if protoc.main(command) != 0:
            raise SystemExit(1)
        write_comments(out, work)
    for folder in {path.parent for path in out.rglob("*_pb2.py")}:
        while folder != out:
            (folder / "__init__.py").touch()
            folder = folder.parent


def diff() -> None:
    """SystemExit naming every stub that differs from a fresh generation."""
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        if subprocess.run(
            ["diff", "-r", "-q", "-x", "__pycache__", scratch, str(ROOT / "gen")], check=False
        ).returncode:
            raise SystemExit("gen/ is not what proto/ says: run `make generate` and commit")


def image(proto: Path, out: Path) -> None:
    """Write the buf image of the contracts below `proto` to `out`."""
    run_protoc(proto, out.parent, "--include_source_info", "--include_imports", f"--descriptor_set_out={out}")


def buf(*arguments: str) -> None:
    """Run buf; SystemExit with its code when it objects."""
    code = subprocess.run([str(Path(sys.executable).parent / "buf"), *arguments], check=False).returncode
    if code:
        raise SystemExit(code)


def lint() -> None:
    """Hold the contracts to buf's STANDARD rules."""
    with tempfile.TemporaryDirectory() as scratch:
        now = Path(scratch) / "now.binpb"
        image(ROOT / "proto", now)
        buf("lint", str(now), "--config", str(BUF_CONFIG))


def breaking(revision: str) -> None:
    """Hold the contracts to buf's FILE rules against those at `revision`; passes if that has none."""
    archive = subprocess.run(
        ["git", "archive", revision, "proto"], cwd=ROOT, capture_output=True, check=False
    )
    if archive.returncode:
        print(f"{revision} has no contracts: nothing to break")
        return
    with tempfile.TemporaryDirectory() as scratch:
        old = Path(scratch)
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(old / "tree")
        image(ROOT / "proto", old / "now.binpb")
        image(old / "tree" / "proto", old / "then.binpb")
        buf(
            "breaking",
            str(old / "now.binpb"),
            "--against",
            str(old / "then.binpb"),
            "--config",
            str(BUF_CONFIG),
        )


def main() -> None:
    """Run the command named on the command line."""
    match sys.argv[1:]:
        case ["generate"]:
            generate(ROOT / "gen")
        case ["diff"]:
            diff()
        case ["lint"]:
            lint()
        case ["breaking", revision]:
            breaking(revision)
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
