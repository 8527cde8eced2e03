# One image for every task of the job. The task is configured by environment variables; what comes
# after the image's name is passed on: `docker run IMAGE shard status ...`.
ARG BASE_IMAGE=python:3.12-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /build
COPY requirements.txt .
RUN python3 -m venv --copies /opt/shard \
    && /opt/shard/bin/python -m pip install --no-cache-dir --no-compile --disable-pip-version-check \
       --require-hashes -r requirements.txt

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="shard" \
      org.opencontainers.image.description="Thumbnails of a whole bucket, by a parallel job" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/shard /opt/shard
WORKDIR /app
COPY process.py ./
COPY shard ./shard
ENV PATH=/opt/shard/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
ENTRYPOINT ["python", "process.py"]
