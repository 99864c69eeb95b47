#!/usr/bin/env python3
"""Writes the image of several platforms as an OCI image layout, in one tar.

    oci.py OUTPUT --name REPOSITORY:TAG [--created TIME] [--label NAME=VALUE]... PLATFORM=ROOT...

ROOT is the directory that becomes the image's only layer. How the image is run stands in the last
stage of Dockerfile.scratch and is read from there. The same roots give the same bytes: entries belong
to root, their time is 0, and they are sorted.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import re
import shlex
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCKERFILE = Path(__file__).resolve().parents[1] / "Dockerfile.scratch"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
SECOND = 1_000_000_000  # nanoseconds


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Those of the last stage, without its FROM."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.M)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    words = [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]
    last = max(number for number, (name, *_) in enumerate(words) if name == "FROM")
    if words[last] != ("FROM", "scratch"):
        raise SystemExit(f"{DOCKERFILE.name}: its last stage is not FROM scratch")
    yield from words[last + 1 :]


def health_check(rest: str) -> dict[str, Any]:
    """Docker's addition to the OCI format. Docker reads it, and so does BuildKit write it."""
    options, command = rest.split("CMD", 1)
    given = dict(word.removeprefix("--").split("=", 1) for word in options.split())
    return {
        "Test": ["CMD", *json.loads(command)],
        "Interval": int(given.pop("interval").removesuffix("s")) * SECOND,
        "Timeout": int(given.pop("timeout").removesuffix("s")) * SECOND,
        "StartPeriod": int(given.pop("start-period").removesuffix("s")) * SECOND,
        "Retries": int(given.pop("retries")),
        **given,  # which nobody knows: a test compares this with what Docker makes of it
    }


def run_config(text: str) -> dict[str, Any]:
    config: dict[str, Any] = {"Env": [], "Labels": {}}
    for name, rest in instructions(text):
        if name == "LABEL":
            config["Labels"] |= dict(word.split("=", 1) for word in shlex.split(rest))
        elif name == "ENV":
            config["Env"] += shlex.split(rest)
        elif name == "USER":
            config["User"] = rest
        elif name == "STOPSIGNAL":
            config["StopSignal"] = rest
        elif name == "ENTRYPOINT":
            config["Entrypoint"] = json.loads(rest)
        elif name == "HEALTHCHECK":
            config["Healthcheck"] = health_check(rest)
        elif name != "COPY":
            raise SystemExit(f"{DOCKERFILE.name}: {name} in the last stage is not known to oci.py")
    return config


def layer_tar(root: Path) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(root.rglob("*")):
            entry = tarfile.TarInfo(str(path.relative_to(root)))
            entry.mode = path.stat().st_mode & 0o7777
            if path.is_dir():
                entry.type = tarfile.DIRTYPE
                archive.addfile(entry)
            else:
                content = path.read_bytes()
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


class Layout:
    """The files of the layout, by name."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"oci-layout": encode({"imageLayoutVersion": "1.0.0"})}

    def add(self, media_type: str, content: bytes) -> dict[str, Any]:
        """Returns what points to it."""
        digest = hashlib.sha256(content).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    def write(self, path: Path) -> None:
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
            for name, content in sorted(self.files.items()):
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), 0o644
                archive.addfile(entry, io.BytesIO(content))


def encode(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def add_image(layout: Layout, platform: str, root: Path, created: dict[str, str], config: Any) -> Any:
    """One platform's image. Returns its entry in the index."""
    layer = layer_tar(root)
    names = dict(zip(("os", "architecture", "variant"), platform.split("/")))
    described = {
        **names,
        **created,
        "config": config,
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"],
        },
        "history": [{**created, "created_by": "make image-dist"}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layout.add(CONFIG, encode(described)),
        "layers": [layout.add(LAYER, gzip.compress(layer, mtime=0))],
        "annotations": config["Labels"],
    }
    return {**layout.add(MANIFEST, encode(manifest)), "platform": names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--created", default="")
    parser.add_argument("--label", action="append", default=[])
    parser.add_argument("images", nargs="+", metavar="PLATFORM=ROOT")
    given = parser.parse_args()

    config = run_config(DOCKERFILE.read_text())
    config["Labels"] |= dict(label.split("=", 1) for label in given.label)
    created = {"created": given.created} if given.created else {}
    layout = Layout()
    images = [image.split("=", 1) for image in given.images]
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [
            add_image(layout, platform, Path(root), created, config) for platform, root in images
        ],
        "annotations": config["Labels"],
    }
    # One entry that is an index itself: what a registry is given. Podman reads the one name, Docker
    # the other.
    entry = layout.add(INDEX, encode(index))
    entry["annotations"] = {
        "org.opencontainers.image.ref.name": given.name,
        "io.containerd.image.name": given.name,
    }
    top = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    layout.files["index.json"] = encode(top)
    layout.write(given.output)


if __name__ == "__main__":
    main()
