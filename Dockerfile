# The service alone: no torch, no compiler, no tests. `docker compose up` builds and runs it.
ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/deepshelf
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY models_store/*.py models_store/manifest.schema.json models_store/
COPY training training
COPY service service
RUN /opt/deepshelf/bin/pip install .

FROM python:${PYTHON_VERSION}-slim
COPY --from=build /opt/deepshelf /opt/deepshelf
COPY models_store /shelf
ENV PATH=/opt/deepshelf/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DEEPSHELF_HOST=0.0.0.0 \
    DEEPSHELF_PORT=8000 \
    DEEPSHELF_STORE=/shelf \
    DEEPSHELF_LOG_FORMAT=json
WORKDIR /
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["python", "-m", "service.probe"]
CMD ["python", "-m", "service"]
