# One image for every process: web, worker, beat, migrate.
FROM node:22-slim AS pages
WORKDIR /build
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --omit=dev
COPY web/ ./
RUN npm run build

FROM python:3.13-slim AS app
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
COPY requirements/app.lock requirements/app.lock
RUN pip install --require-hashes -r requirements/app.lock
COPY alembic.ini celery.conf.py ./
COPY core core
COPY models models
COPY domain domain
COPY api api
COPY hub hub
COPY workers workers
COPY ops ops
COPY migrations migrations
COPY --from=pages /build/dist web/dist
RUN useradd --system --uid 10001 --no-create-home carebell
USER 10001
EXPOSE 8000
CMD ["python", "-m", "ops", "web", "--host", "0.0.0.0", "--port", "8000"]
