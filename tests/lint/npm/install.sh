#!/bin/sh
# Puts what the checks take from npm into a directory: the packages of package-lock.json, whose hashes
# npm compares, and the schema of SPDX 3.0.1.
#
#   tests/lint/npm/install.sh DIRECTORY
#
# The schema is a file of a package that has hundreds of others as its dependencies, so that only the
# tarball is fetched.
set -eu

package=@cyclonedx/cdxgen@12.8.4
sha256=fe4787e12e4b261af5272ad0a1075cd6e24bfa2792a26c1916a0c806290bea13
schema=package/data/spdx-export.schema.json

here=$(cd "${0%/*}" && pwd)
mkdir -p "$1"
cp "$here/package.json" "$here/package-lock.json" "$1"
cd "$1"
npm ci --ignore-scripts --no-audit --no-fund --silent
tarball=$(npm pack --silent "$package")
echo "$sha256  $tarball" | sha256sum --check --status || {
	echo "$package from npm is not what $0 says: its SHA-256 is $(sha256sum "$tarball")" >&2
	exit 1
}
tar -xOf "$tarball" "$schema" >spdx.schema.json
rm "$tarball"
