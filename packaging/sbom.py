#!/usr/bin/env python3
"""Writes what the binaries are made of: an SBOM in SPDX 3.0.1, as JSON.

    sbom.py OUTPUT --version VERSION --time SECONDS --musl VERSION --pins DIRECTORY
            --binary PLATFORM=FILE[,COMPILER]...

The pins say which BearSSL and jsmn. Which binaries have code of the compiler's own library
(libgcc), their symbols say. The same binaries give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

SPEC = "3.0.1"
CREATION = "_:creation"
NAMES = {"bearssl": "BearSSL", "jsmn": "jsmn"}


class Document:
    """The elements, each with an identifier below one that no other document has."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.elements: list[dict[str, Any]] = []
        self.licences: dict[str, str] = {}

    def add(self, kind: str, identifier: str, **fields: Any) -> str:
        name = f"{self.base}#{identifier}"
        self.elements.append(
            {"type": kind, "spdxId": name, "creationInfo": CREATION, **fields}
        )
        return name

    def relate(self, origin: str, kind: str, *targets: str) -> None:
        number = sum(element["type"] == "Relationship" for element in self.elements)
        self.add(
            "Relationship",
            f"relationship-{number + 1}",
            **{"from": origin, "to": list(targets), "relationshipType": kind},
        )

    def license(self, origin: str, expression: str) -> None:
        if expression not in self.licences:
            self.licences[expression] = self.add(
                "simplelicensing_LicenseExpression",
                "license-" + re.sub(r"[^\w.]+", "-", expression),
                simplelicensing_licenseExpression=expression,
            )
        self.relate(origin, "hasDeclaredLicense", self.licences[expression])
        self.relate(origin, "hasConcludedLicense", self.licences[expression])


def sha256(value: str) -> list[dict[str, str]]:
    return [{"type": "Hash", "algorithm": "sha256", "hashValue": value}]


def read_pin(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", path.read_text(), re.M))


def debian(package: str, version: str) -> dict[str, str]:
    """A Debian source package, as scanners look it up."""
    return {
        "software_packageUrl": f"pkg:deb/debian/{package}@{quote(version, safe='.-')}?arch=source",
        "software_packageVersion": version,
    }


def output_of(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def has_libgcc(compiler: str, binary: Path) -> bool:
    """Whether a function of libgcc is in there. The file beside it has the symbols still."""

    def symbols(kinds: str, path: str) -> set[str]:
        lines = (line.split() for line in output_of("nm", "--defined-only", path).splitlines())
        return {line[2] for line in lines if len(line) == 3 and line[1] in kinds}

    library = output_of(compiler, "-print-libgcc-file-name").strip()
    own = {name for name in symbols("T", library) if not name.startswith("__x86.")}
    return bool(own & symbols("Tt", str(binary.parent / "musl" / "qsticky")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--version", required=True)
    parser.add_argument("--time", type=int, required=True)
    parser.add_argument("--musl", required=True)
    parser.add_argument("--pins", type=Path, required=True)
    parser.add_argument("--binary", action="append", required=True)
    given = parser.parse_args()

    binaries = {}
    for word in given.binary:
        platform, _, rest = word.partition("=")
        file, _, compiler = rest.partition(",")
        binaries[platform] = (Path(file), compiler)
    hashes = {
        platform: hashlib.sha256(path.read_bytes()).hexdigest()
        for platform, (path, _) in binaries.items()
    }
    unique = uuid.uuid5(uuid.NAMESPACE_URL, " ".join([given.version, *sorted(hashes.values())]))
    document = Document(f"https://spdx.org/spdxdocs/qsticky-{given.version}-{unique}")

    authors = document.add("Organization", "authors", name="qsticky contributors")
    qsticky = document.add(
        "software_Package",
        "qsticky",
        name="qsticky",
        software_packageVersion=given.version,
        software_packageUrl=f"pkg:generic/qsticky@{given.version}",
        software_primaryPurpose="application",
        software_copyrightText="Copyright (c) 2026 qsticky contributors",
        suppliedBy=authors,
    )
    document.license(qsticky, "MIT")

    linked = {}
    for name, title in NAMES.items():
        pin = read_pin(given.pins / f"{name}.pin")
        linked[name] = document.add(
            "software_Package",
            name,
            name=title,
            software_primaryPurpose="library",
            software_sourceInfo=f"{pin['tarball']} of Debian's source package, without any patch",
            verifiedUsing=sha256(pin["sha256"]),
            **debian(pin["package"], pin["version"]),
        )
    linked["musl"] = document.add(
        "software_Package",
        "musl",
        name="musl",
        software_primaryPurpose="library",
        software_sourceInfo="Debian's package musl-dev",
        **debian("musl", given.musl),
    )
    for package in linked.values():
        document.license(package, "MIT")

    files = []
    with_libgcc: dict[str, list[str]] = {}
    for platform, (path, compiler) in binaries.items():
        name = platform.replace("/", "-")
        file = document.add(
            "software_File",
            f"binary-{name}",
            name=f"qsticky-{given.version}-{name}/qsticky",
            software_primaryPurpose="executable",
            verifiedUsing=sha256(hashes[platform]),
        )
        files.append(file)
        document.relate(file, "hasStaticLink", *linked.values())
        if has_libgcc(compiler, path):
            with_libgcc.setdefault(output_of(compiler, "-dumpfullversion").strip(), []).append(file)
    for version, users in with_libgcc.items():
        libgcc = document.add(
            "software_Package",
            f"libgcc-{version}",
            name="libgcc",
            software_packageVersion=version,
            software_primaryPurpose="library",
            software_sourceInfo="Debian's cross compiler: arithmetic that these processors lack",
        )
        document.license(libgcc, "GPL-3.0-or-later WITH GCC-exception-3.1")
        for user in users:
            document.relate(user, "hasStaticLink", libgcc)
    document.relate(qsticky, "contains", *files)

    sbom = document.add(
        "software_Sbom",
        "sbom",
        rootElement=[qsticky],
        element=[qsticky, *linked.values(), *files],
        software_sbomType=["build"],
    )
    document.add(
        "SpdxDocument",
        "document",
        name=f"qsticky {given.version}",
        rootElement=[sbom],
        profileConformance=["core", "simpleLicensing", "software"],
    )
    creation = {
        "type": "CreationInfo",
        "@id": CREATION,
        "specVersion": SPEC,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(given.time)),
        "createdBy": [authors],
    }
    graph = {
        "@context": f"https://spdx.org/rdf/{SPEC}/spdx-context.jsonld",
        "@graph": [creation, *document.elements],
    }
    given.output.write_text(json.dumps(graph, indent=1) + "\n")


if __name__ == "__main__":
    main()
