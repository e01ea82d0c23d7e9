# glrtf for a machine with NVIDIA GPUs (the default) or a TPU VM:
#   docker build --build-arg ACCELERATOR=gpu -t glrtf:gpu .
#   docker build --build-arg ACCELERATOR=tpu -t glrtf:tpu .
#   docker run --gpus all -v "$PWD:/work" glrtf:gpu python -m glrtf.train --help
#   docker run --privileged --net=host -v "$PWD:/work" glrtf:tpu python -m glrtf.train --help
# The tag says what the digest is: the image of Python 3.11.16, for all platforms. Both stages take the same.
FROM python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# Annoy has no wheel; the compiler that builds it stays in this stage.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
ARG ACCELERATOR=gpu
WORKDIR /src
COPY . .
RUN case "$ACCELERATOR" in gpu|tpu|cpu) ;; *) echo "ACCELERATOR: gpu, tpu or cpu" >&2; exit 1 ;; esac \
    && python -m venv /opt/glrtf \
    && /opt/glrtf/bin/pip install --no-cache-dir --require-hashes --no-build-isolation \
        -r docker/build.lock \
    && /opt/glrtf/bin/pip install --no-cache-dir --require-hashes --no-build-isolation \
        -r "docker/$ACCELERATOR.lock" \
    && /opt/glrtf/bin/pip install --no-cache-dir --no-deps --no-build-isolation --no-index .

FROM python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b
COPY --from=build /opt/glrtf /opt/glrtf
ENV PATH=/opt/glrtf/bin:$PATH PYTHONUNBUFFERED=1
RUN useradd --create-home --uid 1000 glrtf && install --directory --owner=glrtf /work
USER 1000
WORKDIR /work
CMD ["python", "-m", "glrtf.train", "--help"]
