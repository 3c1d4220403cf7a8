# syntax=docker/dockerfile:1
FROM python:3.13-slim AS build
# The image's own Python, never one that uv downloads: the second stage has the same one at the same place.
ENV UV_PROJECT_ENVIRONMENT=/opt/orderflow UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv==0.13.8
WORKDIR /src
# Dependencies first: they change less often than the code.
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-dev --extra telemetry --no-install-project
COPY . .
RUN uv sync --locked --no-dev --extra telemetry --no-editable

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home orderflow
COPY --from=build /opt/orderflow /opt/orderflow
ENV PATH=/opt/orderflow/bin:$PATH PYTHONUNBUFFERED=1
USER orderflow
ENTRYPOINT ["orderflow"]
