# DeepVideo-R1 on an NVIDIA GPU: docker build -f docker/gpu.Dockerfile -t deepvideo-r1:gpu .
# The wheels bring CUDA's libraries; the host brings the driver and the container toolkit.
FROM python:3.11.13-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DO_NOT_TRACK=1 \
    HF_HUB_OFFLINE=1 \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

# gcc: Triton compiles its launchers when a kernel is first used.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev libgomp1 libnuma1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 deepvideo \
    && mkdir /runs \
    && chown deepvideo:deepvideo /runs

WORKDIR /app
COPY requirements/gpu.txt requirements/gpu.txt
RUN pip install --no-cache-dir uv==0.13.9 \
    && uv pip install --system --no-cache --no-deps -r requirements/gpu.txt

COPY pyproject.toml README.md LICENSE ./
COPY flows flows
COPY stages stages
COPY storage storage
COPY trainer trainer
RUN uv pip install --system --no-cache --no-deps .

USER 1000:1000
WORKDIR /runs
VOLUME /runs
HEALTHCHECK --interval=60s --timeout=30s --start-period=60s CMD ["deepvideo", "--help"]
ENTRYPOINT ["deepvideo"]
CMD ["--help"]
