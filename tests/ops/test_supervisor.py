"""The supervisor and its guard, with small scripts in place of the product's processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ops.helpers import ROOT, SECONDS, eventually, processes_naming

DRIVER = """
import os, sys
from pathlib import Path
from ops.console import Console
from ops.embedded import EmbeddedRedis
from ops.guard import run_guarded
from ops.supervisor import *

folder = Path(sys.argv[1])

def supervise():
    console = Console()
    supervisor = Supervisor(folder, folder / "log", console)
    supervisor.listen_to_signals()
    code = 0
    try:
        supervisor.start_server(EmbeddedRedis(folder / "redis"))
        for name in sys.argv[2:]:
            program = python(str(folder / f"{name}.py"))
            supervisor.start(ProcessDefinition(name, program, stop_seconds=float(os.environ.get('PATIENCE', 2))))
        (folder / "supervisor").write_text(str(os.getpid()))
        console.say("ready")
        supervisor.watch()
    except StopRequestedError:
        console.say("stopping")
    except ProcessFailedError as error:
        console.say(str(error))
        code = 1
    finally:
        supervisor.stop()
    console.say("stopped")
    return code

sys.exit(run_guarded(supervise))
"""

CALM = """
import signal, sys
from pathlib import Path
def stop(*_):
    with (Path(__file__).parent / "order").open("a") as order: order.write(Path(__file__).stem + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("at work", flush=True)
while True: signal.pause()
"""

STUBBORN = """
import signal
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
print("at work", flush=True)
while True: signal.pause()
"""

PARENT_OF_STUBBORN = """
import subprocess, sys
from pathlib import Path
subprocess.Popen([sys.executable, str(Path(__file__).with_name("stubborn.py"))], start_new_session=True)
print("at work", flush=True)
input_never = subprocess.Popen([sys.executable, str(Path(__file__).with_name("stubborn.py"))])
input_never.wait()
"""

CRASHING = """
import sys
for number in range(40): print("line", number)
print("the reason", file=sys.stderr)
sys.exit(3)
"""

TALKATIVE = """
print("08:00 [info     ] all is well", '{"level":"info"}', "08:00 [debug    ] detail", sep="\\n")
print("08:00 [warning  ] " + "long " * 100, "Traceback", sep="\\n", flush=True)
import signal
signal.pause()
"""

SCRIPTS = {
    "talkative": TALKATIVE,
    "calm": CALM,
    "second": CALM,
    "stubborn": STUBBORN,
    "parent": PARENT_OF_STUBBORN,
    "crashing": CRASHING,
}


class Run:
    """A supervisor in a process of its own."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        for name, text in SCRIPTS.items():
            (folder / f"{name}.py").write_text(text)
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(folder), *names],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={name: value for name, value in os.environ.items() if name != "MAKELEVEL"},
        )
        self.said: list[str] = []

    def hear(self, text: str) -> None:
        """Read the terminal until a line contains the text, or one did."""
        if any(text in line for line in self.said):
            return
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if text in line:
                return
        pytest.fail(f"never said {text!r}, but: {''.join(self.said)}")

    def end(self) -> tuple[int, str]:
        """Its exit code, and all that it said."""
        rest, _ = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, "".join(self.said) + rest

    @property
    def supervisor(self) -> int:
        """The process id of the supervisor; `process` is its guard."""
        return int((self.folder / "supervisor").read_text())

    def leaves_nothing(self) -> bool:
        """Whether, soon, no process is left of it."""
        return eventually(lambda: not processes_naming(str(self.folder)))


@pytest.fixture
def cleared(folder: Path) -> Iterator[Path]:
    """The folder; what a failed test leaves running in it is ended afterwards."""
    yield folder
    for pid in processes_naming(str(folder)):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_in_order(cleared: Path, number: signal.Signals) -> None:
    run = Run(cleared, "calm", "second")
    run.hear("ready")
    run.hear("calm | at work")
    run.hear("second | at work")
    run.process.send_signal(number)
    code, said = run.end()
    assert (code, said.splitlines()[-2:]) == (0, ["stopping", "stopped"])
    assert (cleared / "order").read_text().split() == ["calm", "second"]
    assert not processes_naming(str(cleared))


def test_one_that_does_not_stop_is_killed_with_its_children(cleared: Path) -> None:
    run = Run(cleared, "parent", "stubborn")
    run.hear("stubborn | at work")
    run.process.send_signal(signal.SIGTERM)
    code, said = run.end()
    assert code == 0
    assert "stubborn did not stop in time and was killed" in said
    assert not processes_naming(str(cleared))


def test_a_crash_is_told_with_the_last_lines_and_ends_the_rest(cleared: Path) -> None:
    run = Run(cleared, "calm", "crashing")
    code, said = run.end()
    assert code == 1
    assert "crashing ended with exit code 3. Its last lines" in said
    assert "    line 39\n" in said
    assert "the reason" in said
    assert said.endswith("stopped\n")
    assert not processes_naming(str(cleared))


def test_a_crashed_server_is_told_too(cleared: Path) -> None:
    run = Run(cleared, "calm")
    run.hear("ready")
    os.kill(int((cleared / "redis/server/data/server.pid").read_text()), signal.SIGKILL)
    code, said = run.end()
    assert code == 1
    assert "Redis was ended by signal 9 (SIGKILL)" in said
    assert not processes_naming(str(cleared))


def test_nothing_survives_a_killed_supervisor(cleared: Path) -> None:
    run = Run(cleared, "calm", "parent")
    run.hear("parent | at work")
    assert eventually(lambda: len(processes_naming("stubborn.py")) >= 2)
    os.kill(run.supervisor, signal.SIGKILL)
    code, said = run.end()
    assert code == 128 + signal.SIGKILL
    assert "The supervisor was killed (signal 9)" in said
    assert not processes_naming(str(cleared))


def test_nothing_survives_a_killed_guard(cleared: Path) -> None:
    run = Run(cleared, "calm", "second")
    run.hear("second | at work")
    os.kill(run.process.pid, signal.SIGKILL)
    assert run.leaves_nothing()
    assert (cleared / "order").read_text().split() == ["calm", "second"]


def test_nothing_survives_when_both_are_killed(cleared: Path) -> None:
    run = Run(cleared, "calm", "second")
    run.hear("second | at work")
    supervisor = run.supervisor
    os.kill(run.process.pid, signal.SIGSTOP)
    os.kill(supervisor, signal.SIGKILL)
    os.kill(run.process.pid, signal.SIGKILL)
    assert run.leaves_nothing()


def test_a_terminal_that_is_gone_does_not_keep_it_from_stopping(cleared: Path) -> None:
    run = Run(cleared, "calm")
    run.hear("calm | at work")
    assert run.process.stdout is not None
    run.process.stdout.close()
    run.process.send_signal(signal.SIGHUP)
    assert run.process.wait(SECONDS) == 0
    assert not processes_naming(str(cleared))
    assert (cleared / "order").read_text().split() == ["calm"]


def test_a_second_stroke_hurries(cleared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATIENCE", "3600")
    run = Run(cleared, "stubborn")
    run.hear("stubborn | at work")
    run.process.send_signal(signal.SIGINT)
    run.hear("stopping")

    def stroke() -> bool:
        """Strokes closer than half a second count as one, so go on until it has an effect."""
        run.process.send_signal(signal.SIGINT)
        return not processes_naming(str(cleared / "stubborn.py"))

    assert eventually(stroke)
    assert run.end()[0] == 0


def test_logs_are_private_and_rotated(cleared: Path) -> None:
    for _ in range(2):
        run = Run(cleared, "calm")
        run.hear("calm | at work")
        run.process.send_signal(signal.SIGTERM)
        run.end()
    logs = cleared / "log"
    assert (logs / "calm.log").read_text() == (logs / "calm.log.1").read_text() == "at work\n"
    assert (logs / "calm.log").stat().st_mode & 0o777 == 0o600


def test_the_terminal_shows_what_matters_and_no_endless_lines(cleared: Path) -> None:
    run = Run(cleared, "talkative")
    run.hear("talkative | Traceback")
    said = "".join(run.said)
    assert "talkative | 08:00 [warning  ] long" in said
    assert max(len(line) for line in run.said) < 200
    assert not [word for word in ("all is well", "level", "detail") if word in said]
    assert "all is well" in (cleared / "log/talkative.log").read_text()
    run.process.send_signal(signal.SIGTERM)
    run.end()
