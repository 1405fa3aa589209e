"""The tasks: each runs one coroutine in this process's loop and holds no business of its own."""

from uuid import UUID

from core.tasks import SEND_EMAIL, SEND_SMS, TELL_THREAD
from workers import jobs, mail
from workers.app import app
from workers.process import current


@app.task(name=SEND_SMS)
def send_sms(message_id: str) -> None:
    """Send the text message of that delivery, unless that is done, or somebody else is at it."""
    process = current()
    process.run(jobs.send_sms(process.runtime, process.provider, UUID(message_id)))


@app.task(name="workers.tasks.sweep_deliveries")
def sweep_deliveries() -> None:
    """Take up deliveries whose time has come or whose task got lost."""
    process = current()
    process.run(jobs.sweep_deliveries(process.runtime))


@app.task(name=TELL_THREAD)
def tell_thread(thread_id: str) -> None:
    """Tell the people in that thread; asked for by processes that have no teller of their own."""
    process = current()
    process.run(jobs.tell_threads(process.runtime, [UUID(thread_id)]))


@app.task(name="workers.tasks.sweep_threads")
def sweep_threads() -> None:
    """Tell people of messages whose process died before it could."""
    process = current()
    process.run(jobs.sweep_threads(process.runtime))


@app.task(name="workers.tasks.prune_events")
def prune_events() -> None:
    """Delete events that are older than anybody resumes from."""
    process = current()
    process.run(jobs.prune_events(process.runtime))


@app.task(name="workers.tasks.prune_keys")
def prune_keys() -> None:
    """Forget requests that nobody repeats any more."""
    process = current()
    process.run(jobs.prune_keys(process.runtime))


@app.task(name="workers.tasks.prune_sessions")
def prune_sessions() -> None:
    """Forget sign-ins that ended long ago."""
    process = current()
    process.run(jobs.prune_sessions(process.runtime))


@app.task(name=SEND_EMAIL)
def send_email(email_id: str) -> None:
    """Send that letter, unless that is done, or somebody else is at it."""
    process = current()
    process.run(mail.send_email(process.runtime, process.mailer, UUID(email_id)))


@app.task(name="workers.tasks.sweep_emails")
def sweep_emails() -> None:
    """Take up letters whose time has come or whose task got lost."""
    process = current()
    process.run(mail.sweep_emails(process.runtime))
