"""What is told to people when something happens in other rooms."""

from core.clock import rfc3339
from core.events import reacts_to
from core.settings import get_settings
from core.unit_of_work import UnitOfWork
from domain.chat.events import ThreadRead, thread_channel
from domain.notifications import actions, rules
from domain.notifications.actions import News, Sms
from domain.notifications.rules import NotificationType
from domain.queueing.events import TicketCalled


@reacts_to(TicketCalled)
async def tell_whose_ticket_is_called(unit: UnitOfWork, called: TicketCalled) -> None:
    """At once, and again for each recall: the person may not have looked."""
    if called.user_id is None and called.phone is None:
        return
    settings = get_settings()
    news = News(
        type=NotificationType.TICKET_CALLED,
        text=rules.ticket_called(called.code, called.counter_name, called.recalls, called.link, settings.public_url),
        data={
            "ticket_id": str(called.ticket_id),
            "queue_id": str(called.queue_id),
            "code": called.code,
            "counter": called.counter_name,
            "link": called.link,
            "recalls": called.recalls,
            "called_at": rfc3339(called.called_at),
        },
    )
    await actions.notify(unit, called.user_id, news, Sms(settings.default_phone_region, called.phone))


@reacts_to(ThreadRead)
async def settle_what_was_told_of_a_thread(unit: UnitOfWork, read: ThreadRead) -> None:
    """Who has read the thread need not be told of it any more."""
    await actions.mark_subject_read(unit, read.user_id, thread_channel(read.thread_id), read.seq)
