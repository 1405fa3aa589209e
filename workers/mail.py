"""What the mail tasks do: units of work around identity's letters, and the mail server between two of them."""

from typing import Final
from uuid import UUID

from core.logging import get_logger
from core.runtime import Runtime
from domain.identity import letters
from domain.identity.letters import Letter
from workers.providers.base import Misconfigured, ProviderFault, Refused
from workers.providers.mail import Mailer

log = get_logger(__name__)

_SWEEP_AT_MOST: Final = 500


async def send_email(runtime: Runtime, mailer: Mailer, email_id: UUID) -> str | None:
    """Claim and word a letter, commit, send it outside of any transaction, and write down what came of it.

    Returns the letter's status, or None where there was nothing to do.
    """
    async with runtime.transactions.begin() as unit:
        letter = await letters.claim_letter(unit, email_id, runtime.settings)
    if letter is None:
        return None
    fault = await _attempt(mailer, letter)
    error_code = fault.error_code if fault else None
    if isinstance(fault, Misconfigured):
        log.error("mailer_misconfigured", mailer=mailer.name, error_code=error_code, reason=str(fault))
    async with runtime.transactions.begin() as unit:
        status = await letters.conclude_letter(unit, letter, error_code, is_final=isinstance(fault, Refused))
    log.info("email_concluded", email_id=str(email_id), status=status, error_code=error_code)
    return status


async def _attempt(mailer: Mailer, letter: Letter) -> ProviderFault | None:
    """Without its cause: what a mail server says may hold the address, and belongs in no log."""
    try:
        await mailer.send(letter)
    except ProviderFault as fault:
        return fault
    return None


async def sweep_emails(runtime: Runtime) -> int:
    """Ask for every letter that is overdue, at most 500 at a time. Returns how many."""
    async with runtime.transactions.begin() as unit:
        return len(await letters.hand_out_overdue_letters(unit, _SWEEP_AT_MOST))
