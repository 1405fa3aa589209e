"""How Celery works here: constants only. ``workers/app.py`` loads this file by its path and adds the broker."""

# What travels is a task's name and plain strings.
accept_content = ["json"]
task_serializer = "json"
result_serializer = "json"

# Nobody waits for a result: what came of a task is in Postgres.
task_ignore_result = True
result_backend = None

# A task is acknowledged when it is done, and goes back to its queue when its worker dies. Every task can be run twice:
# it claims its row first.
task_acks_late = True
task_reject_on_worker_lost = True
worker_prefetch_multiplier = 1

# In seconds. The soft limit interrupts a task in order, the hard one kills its process.
task_soft_time_limit = 90
task_time_limit = 120

# One queue per kind of work, so that workers can be given one kind each (-Q sms). Without -Q a worker takes them all.
task_default_queue = "maintenance"
task_queues = {"sms": {}, "email": {}, "maintenance": {}}
task_routes = {
    "workers.tasks.send_sms": {"queue": "sms"},
    "workers.tasks.send_email": {"queue": "email"},
    "workers.tasks.sweep_emails": {"queue": "maintenance"},
    "workers.tasks.sweep_deliveries": {"queue": "maintenance"},
    "workers.tasks.tell_thread": {"queue": "maintenance"},
    "workers.tasks.sweep_threads": {"queue": "maintenance"},
    "workers.tasks.prune_events": {"queue": "maintenance"},
    "workers.tasks.prune_keys": {"queue": "maintenance"},
    "workers.tasks.prune_sessions": {"queue": "maintenance"},
}

# Sweeps that no worker took in time are not worth catching up with: the next one finds the same.
beat_schedule = {
    "sweep-deliveries": {"task": "workers.tasks.sweep_deliveries", "schedule": 5.0, "options": {"expires": 5}},
    "sweep-emails": {"task": "workers.tasks.sweep_emails", "schedule": 5.0, "options": {"expires": 5}},
    "sweep-threads": {"task": "workers.tasks.sweep_threads", "schedule": 5.0, "options": {"expires": 5}},
    "prune-events": {"task": "workers.tasks.prune_events", "schedule": 3600.0, "options": {"expires": 3600}},
    "prune-keys": {"task": "workers.tasks.prune_keys", "schedule": 3600.0, "options": {"expires": 3600}},
    "prune-sessions": {"task": "workers.tasks.prune_sessions", "schedule": 3600.0, "options": {"expires": 3600}},
}

# A broker that is away, at the start or later, is waited for.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_transport_options = {
    # Longer than the hard time limit: a task that still runs is not given to a second worker.
    "visibility_timeout": 300,
    "socket_connect_timeout": 2,
    "socket_timeout": 5,
    "socket_keepalive": True,
}

imports = ("workers.tasks",)
timezone = "UTC"
enable_utc = True
worker_send_task_events = False
# Our own logging is set up instead (workers/app.py).
worker_hijack_root_logger = False
