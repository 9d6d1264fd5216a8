# Every process of the mesh on a CPU: one image, whose command is the module to run.
#   docker build -t ovr-alpr .
#   docker run ovr-alpr services.query
ARG PYTHON_IMAGE=python:3.12-slim-bookworm
FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
RUN python -m venv /opt/ovr
COPY requirements/build.txt requirements/engines.txt requirements/
RUN /opt/ovr/bin/pip install --no-cache-dir --require-hashes -r requirements/engines.txt
COPY . .
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt \
    && /opt/build/bin/python -m hatchling build -t wheel -d /dist \
    && /opt/ovr/bin/pip install --no-cache-dir --no-deps /dist/*.whl

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10001 ovr && useradd --uid 10001 --gid ovr --no-create-home ovr \
    && install -d -o ovr -g ovr -m 0700 /var/lib/ovr
COPY --from=build /opt/ovr /opt/ovr
USER 10001:10001
WORKDIR /var/lib/ovr
# Each process looks at the variables of its own prefix only.
ENV PATH=/opt/ovr/bin:$PATH \
    OVR_HOME=/var/lib/ovr \
    OVR_LOG_FORMAT=json \
    OVR_METRICS_HOST=0.0.0.0 \
    OVR_DETECTOR_LISTEN=0.0.0.0:50051 \
    OVR_DETECTOR_METRICS_PORT=8004 \
    OVR_OCR_LISTEN=0.0.0.0:50052 \
    OVR_OCR_METRICS_PORT=8005 \
    OVR_INGEST_LISTEN=0.0.0.0:50053 \
    OVR_INGEST_METRICS_PORT=8002 \
    OVR_QUERY_LISTEN=0.0.0.0:50054 \
    OVR_QUERY_METRICS_PORT=8006 \
    OVR_ALERT_LISTEN=0.0.0.0:50055 \
    OVR_ALERT_METRICS_PORT=8003 \
    OVR_EVENT_WRITER_METRICS_PORT=8007 \
    OVR_SEARCH_INDEXER_METRICS_PORT=8008 \
    OVR_GATEWAY_METRICS_PORT=8009 \
    OVR_EDGE_METRICS_PORT=8001
VOLUME /var/lib/ovr
EXPOSE 50051-50055 8000-8009
ENTRYPOINT ["python", "-m"]
