"""The clock door: Celery tasks that call the domain's actions, and the providers that carry messages out."""
