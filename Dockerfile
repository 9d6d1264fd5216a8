# Every process of the mesh on a CPU: one image, whose command is the module to run.
#   docker build -t ovr-alpr .
#   docker run ovr-alpr services.query
FROM python:3.12-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/ovr
COPY requirements/build.txt requirements/engines.txt requirements/
RUN /opt/ovr/bin/pip install --no-cache-dir --require-hashes -r requirements/engines.txt
COPY . .
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt \
    && /opt/build/bin/python -m hatchling build -t wheel -d /dist \
    && /opt/ovr/bin/pip install --no-cache-dir --no-deps /dist/*.whl

FROM python:3.12-slim-bookworm
RUN useradd --system --uid 10001 ovr && install -d -o ovr -g ovr /var/lib/ovr
COPY --from=build /opt/ovr /opt/ovr
USER ovr
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
    OVR_SEARCH_INDEXER_METRICS_PORT=8008
VOLUME /var/lib/ovr
EXPOSE 50051-50055 8002-8008
ENTRYPOINT ["python", "-m"]
