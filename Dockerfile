# service (the default): no torch, no compiler, no tests. training: what fits and publishes.
# docs/deploy.md has the commands, sizes, and what was checked.
ARG PYTHON=python:3.11-slim

FROM ${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# A change of the code does not install its dependencies anew.
COPY requirements.lock requirements-build.lock ./
RUN python -m venv --without-pip /opt/deepshelf \
 && pip --python /opt/deepshelf/bin/python install --require-hashes --only-binary :all: -r requirements.lock \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes --only-binary :all: -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY deepshelf deepshelf
COPY models_store models_store
COPY service service
# Without `training`, which the wheel then lacks. The store is the folders of models_store.
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && pip --python /opt/deepshelf/bin/python install --no-deps --no-index /wheels/*.whl \
 && mkdir /store && cp -r models_store/*/ /store/ && rm -rf /store/__pycache__ \
 && find /opt/deepshelf -depth -type d -name tests -exec rm -rf {} +

FROM ${PYTHON} AS service
ENV PATH=/opt/deepshelf/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DEEPSHELF_HOST=0.0.0.0 \
    DEEPSHELF_PORT=8000 \
    DEEPSHELF_STORE=/store \
    DEEPSHELF_LOG_FORMAT=json
COPY --from=build /opt/deepshelf /opt/deepshelf
# The user's own, so that a volume that begins as a copy of it can be published into.
COPY --from=build --chown=10001:10001 /store /store
WORKDIR /tmp
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \
    CMD ["python", "-m", "service.server.healthcheck"]
STOPSIGNAL SIGTERM
CMD ["python", "-m", "service"]

FROM build AS gpu-build
COPY requirements-gpu.lock ./
# onnxruntime-gpu holds the same module as onnxruntime, and replaces it.
RUN pip --python /opt/deepshelf/bin/python uninstall --yes onnxruntime \
 && pip --python /opt/deepshelf/bin/python install --require-hashes --only-binary :all: -r requirements-gpu.lock

# docker build --target gpu; docker run --gpus all. docs/providers.md has the details.
FROM service AS gpu
ENV DEEPSHELF_PROVIDERS=cuda,cpu
USER 0:0
RUN rm -r /opt/deepshelf
COPY --from=gpu-build /opt/deepshelf /opt/deepshelf
USER 10001:10001

FROM build AS training-build
COPY requirements-training.lock ./
RUN python -m venv --without-pip /opt/training \
 && pip --python /opt/training/bin/python install --require-hashes --only-binary :all: -r requirements-training.lock
COPY training training
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels/whole . \
 && pip --python /opt/training/bin/python install --no-deps --no-index /wheels/whole/*.whl

FROM ${PYTHON} AS training
ENV PATH=/opt/training/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/runs \
    MPLCONFIGDIR=/tmp/matplotlib \
    DEEPSHELF_STORE=/store \
    DEEPSHELF_DATA=/runs/data
COPY --from=training-build /opt/training /opt/training
RUN mkdir /runs /store && chown 10001:10001 /runs /store
WORKDIR /runs
USER 10001:10001
ENTRYPOINT ["python", "-m"]
CMD ["training", "list"]

# Last, so that a build that names no target makes it.
FROM service
