# DeepVideo-R1 on a CPU: docker build -f docker/cpu.Dockerfile -t deepvideo-r1:cpu .
FROM python:3.11.13-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DO_NOT_TRACK=1 \
    HF_HUB_OFFLINE=1 \
    PREFECT_SERVER_ANALYTICS_ENABLED=false

# vLLM binds memory to NUMA nodes and uses OpenMP; both libraries are opened by name.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 libnuma1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 deepvideo \
    && mkdir /runs \
    && chown deepvideo:deepvideo /runs

WORKDIR /app
COPY requirements/cpu.txt requirements/cpu.txt
RUN pip install --no-cache-dir uv==0.13.9 \
    && uv pip install --system --no-cache --no-deps -r requirements/cpu.txt

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
