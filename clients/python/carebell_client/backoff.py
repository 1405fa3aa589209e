"""When to come back, and whether."""

from collections.abc import Callable
from typing import Final, Literal, TypeAlias

from carebell_client.line import Ending

BASE_SECONDS: Final = 0.5
CAP_SECONDS: Final = 10.0

UNAUTHENTICATED: Final = 4001
GOODBYE: Final = 4200
_SIGN_IN_ATTEMPTS: Final = 3
_SLOWER: Final = 3
"""How many failures a 41xx close code counts for."""

Verdict: TypeAlias = Literal["stop", "slow", "now", "retry"]


def backoff(attempt: int, random: Callable[[], float]) -> float:
    """Full jitter, in seconds: anywhere below a ceiling that doubles with each failure, so that a fleet spreads."""
    return random() * min(CAP_SECONDS, BASE_SECONDS * 2.0 ** min(attempt, 16))


def verdict(code: int) -> Verdict:
    """What a close code asks for: 40xx stop, 41xx slow down, 42xx come back now; else an accident of the network."""
    verdicts: dict[int, Verdict] = {40: "stop", 41: "slow", 42: "now"}
    return verdicts.get(code // 100, "retry")


def pause_after(ending: Ending, attempt: int, *, may_sign_in: bool, random: Callable[[], float]) -> float | None:
    """Seconds to stay away after a connection that ended so, with ``attempt`` failures before; None for ever.

    ``may_sign_in``: a fresh token can be had, so that being signed out is worth a few more tries.
    """
    wish = verdict(ending.code)
    if wish == "stop":
        is_signed_out = ending.code == UNAUTHENTICATED
        if not (is_signed_out and may_sign_in) or attempt >= _SIGN_IN_ATTEMPTS:
            return None
    if ending.code == GOODBYE and ending.delay is not None:
        return ending.delay
    if wish == "now" and attempt == 0:
        return 0.0
    return max(ending.delay or 0.0, backoff(attempt + (_SLOWER if wish == "slow" else 0), random))
