# One image for every task of the job. The task is configured by environment variables; what comes
# after the image's name is passed on: `docker run IMAGE shard status ...`. See docs/containers.md.
ARG BASE_IMAGE=python:3.12-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /build
COPY requirements*.txt ./
# `all`: every command; empty: the job alone.
ARG EXTRAS=all
# pip leaves again, it installs nothing at run time. Bytecode is made here, because at run time the
# root may be read-only; unchecked, because nothing changes it either.
RUN python3 -m venv --copies /opt/shard \
    && /opt/shard/bin/python -m pip install --no-cache-dir --no-compile --disable-pip-version-check \
       --require-hashes -r "requirements${EXTRAS:+-$EXTRAS}.txt" \
    && /opt/shard/bin/python -m pip uninstall --quiet --yes pip setuptools \
    && /opt/shard/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/shard/lib
WORKDIR /app
COPY process.py ./
COPY shard ./shard
COPY deploy ./deploy
RUN /opt/shard/bin/python -m compileall -q --invalidation-mode unchecked-hash process.py shard

FROM ${BASE_IMAGE}
COPY --from=build /opt/shard /opt/shard
COPY --from=build /app /app
WORKDIR /app
# With an arena for each thread, two fifths of a task's memory is freed but not given back.
# HOST: `shard serve` is reached from outside of the container.
ENV PATH=/opt/shard/bin:$PATH \
    HOST=0.0.0.0 \
    MALLOC_ARENA_MAX=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="shard" \
      org.opencontainers.image.description="Thumbnails of a whole bucket, by a parallel job" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
# All that is ever written, also under a read-only root. Declared, because Fargate mounts its scratch
# space with these permissions, and else as root's alone.
VOLUME /tmp
# Of `shard serve`; a task listens to nothing.
EXPOSE 8080
USER 10001:10001
ENTRYPOINT ["python", "process.py"]
