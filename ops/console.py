"""What the commands say on the terminal: steps with their time, and the lines of the processes."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

LINE_WIDTH = 160


class Console:
    """Writes to a terminal that may go away at any time (closed window, ended pipe)."""

    def __init__(self, output: TextIO | None = None) -> None:
        self._output = output or sys.stdout
        self._gone = False
        self._step_started: float | None = None
        self._seconds_shown = 0

    def say(self, text: str = "", *, end: str = "\n") -> None:
        """Write a line; once the terminal is gone, write nothing more and carry on."""
        if self._gone:
            return
        try:
            self._output.write(text + end)
            self._output.flush()
        except (OSError, ValueError):
            self._gone = True  # stopping in order matters more than telling nobody about it
            self._let_go()

    def _let_go(self) -> None:
        """Lead the output nowhere: what is left in its buffer would fail once more at exit, and make the code 120."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._output.fileno())
            os.close(nowhere)

    def line_of(self, name: str, line: str) -> None:
        """Write a line of a process, with its name in front and not too long."""
        shown = line if len(line) <= LINE_WIDTH else line[: LINE_WIDTH - 1] + "…"
        self.say(f"{name:>8} | {shown}")

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Say what is being done, and how long it took."""
        self.say(f"  {title} …", end="")
        self._step_started = time.monotonic()
        self._seconds_shown = 0
        try:
            yield
        except BaseException:
            self.say()
            raise
        else:
            self.say(f" {time.monotonic() - self._step_started:.1f} s")
        finally:
            self._step_started = None

    def tick(self) -> None:
        """Inside a long step: show every five seconds that it goes on."""
        if self._step_started is None:
            return
        seconds = int(time.monotonic() - self._step_started)
        if seconds >= self._seconds_shown + 5:
            self._seconds_shown = seconds
            self.say(f" {seconds} s …", end="")
