#!/usr/bin/env bash
# Locks what the Dockerfile installs, by version and SHA-256: the files docker/*.lock.
# Run it with uv on the PATH after a change to setup.cfg or constraints.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
# Bookworm has glibc 2.36.
lock() {
    uv pip compile --no-config --quiet --generate-hashes --no-annotate --python-version 3.11 \
        --python-platform x86_64-manylinux_2_36 --custom-compile-command docker/lock.sh "$@"
}
# What builds Annoy, which has no wheel, and glrtf; see pyproject.toml.
echo "setuptools>=77,<83" | lock - --output-file docker/build.lock
for accelerator in cpu gpu tpu; do
    lock setup.cfg --constraint constraints.txt --constraint docker/build.lock \
        --extra "$accelerator" --extra gcs --extra annoy --extra serve --extra tune --extra plot \
        --output-file "docker/$accelerator.lock"
done
