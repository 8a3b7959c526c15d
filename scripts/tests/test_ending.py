"""ending: a program's process ends as plain Python's does, and the member is told the truth."""

import builtins
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import python_path
from fake_member import FakeMember
from tfos import ending, frames

SCRIPTS = Path(__file__).resolve().parents[1]
PARAMETERS = {
    "export_dir": None,
    "model_dir": None,
    "tensorboard": False,
    "strategy": "independent",
}


class Ended:
    """What became of a program: its process, what the member was told, and plain Python's."""

    def __init__(self, folder, text, function="", seconds=30, compare=True, **settings):
        (folder / "prog.py").write_text(text)
        context = {"program": "prog.py", "function": function, "exit_seconds": seconds, **settings}
        context = {"parameters": PARAMETERS, "args": {}, **context}
        self.member = FakeMember(folder, context=context)
        began = time.monotonic()
        self.process = run(folder, "-m", "tfos.program", TFOS_SOCKET=self.member.path)
        self.seconds = time.monotonic() - began
        self.member.close()
        self.plain = run(folder, "prog.py") if compare and not function else None

    @property
    def failure(self):
        failures = self.member.of(frames.FAILED)
        assert len(failures) == 1, self.member.told
        return failures[0]["cause"]

    @property
    def done(self):
        return {"phase": "ended"} in self.member.of(frames.PHASE)

    def assert_like_plain_python(self):
        assert self.process.returncode == self.plain.returncode
        assert self.process.stdout == self.plain.stdout
        assert self.process.stderr == self.plain.stderr


def run(folder, *argv, **env):
    env = {**python_path.environment(SCRIPTS), "TMPDIR": str(folder), **env}
    return subprocess.run(
        [sys.executable, *argv], cwd=folder, env=env, capture_output=True, text=True, timeout=600
    )


@pytest.mark.parametrize("code", ["", "None", "0"])
@pytest.mark.parametrize("function", ["", "main_fun"])
def test_sys_exit_with_success(tmp_path, code, function):
    text = f"import sys\ndef main_fun(args, ctx):\n    sys.exit({code})\n"
    end = Ended(tmp_path, text + ("" if function else "main_fun(0, 0)\n"), function)
    assert end.done and not end.member.of(frames.FAILED)
    assert end.process.returncode == 0


@pytest.mark.parametrize(
    "text, words",
    [
        ("import sys\nsys.exit(0)\ndef main_fun(a, c): pass", "main_fun never ran"),
        ("async def main_fun(args, ctx): print('ran')", "main_fun is async and none of it ran"),
        ("def main_fun(args, ctx):\n    print('ran')\n    yield", "main_fun is a generator"),
        ("async def main_fun(args, ctx):\n    yield", "main_fun is a generator"),
        ("class main_fun:\n    def __init__(self, args, ctx): print('ran')", "is a class"),
    ],
)
def test_a_function_that_did_not_run(tmp_path, text, words):
    end = Ended(tmp_path, text, "main_fun")
    assert words in end.failure
    assert not end.done and end.process.returncode == 1 and "ran" not in end.process.stdout


FILES_AND_HOOKS = """\
import atexit, sys
file = open("kept.txt", "w")
file.write("not flushed")
atexit.register(lambda: print("hook"))
"""


@pytest.mark.parametrize("end", ["", "raise ValueError('x')", "sys.exit(3)"])
def test_hooks_run_and_files_are_flushed(tmp_path, end):
    end = Ended(tmp_path, FILES_AND_HOOKS + end, compare=False)
    assert end.process.stdout == "hook\n"
    assert (tmp_path / "kept.txt").read_text() == "not flushed"


# A weak proxy of something that is gone raises at whatever it is asked.
STUCK = """\
import threading, weakref
class Gone: pass
sys.proxies = [weakref.proxy(Gone())]
sys.kept = file
threading.Thread(target=threading.Event().wait, name="uploader").start()
"""


@pytest.mark.parametrize("fails", [False, True])
def test_a_thread_that_does_not_end(tmp_path, fails):
    text = FILES_AND_HOOKS + STUCK + ("raise ValueError('x')" if fails else "")
    end = Ended(tmp_path, text, seconds=1, compare=False)
    assert end.seconds >= 1
    assert end.process.returncode == (1 if fails else 0)
    assert end.done is not fails
    assert "hook" in end.process.stdout
    assert (tmp_path / "kept.txt").read_text() == "not flushed"
    [note] = end.member.of(frames.NOTE)
    assert note["kind"] == "warning" and "uploader" in note["text"]


HANGING_HOOK = """\
import atexit, time
atexit.register(lambda: (print("hook begins", flush=True), time.sleep(3600)))
kept = open("kept.txt", "w")
kept.write("not flushed")
"""


@pytest.mark.parametrize("stuck", [False, True])
def test_an_exit_hook_that_does_not_end(tmp_path, stuck):
    """It runs once, loses no file and no success, with a thread that does not end beside it too."""
    thread = (
        "import threading\nthreading.Thread(target=time.sleep, args=(3600,), name='up').start()\n"
    )
    end = Ended(tmp_path, HANGING_HOOK + (thread if stuck else ""), seconds=1, compare=False)
    assert end.done and end.process.returncode == 0
    assert end.process.stdout == "hook begins\n"
    assert (tmp_path / "kept.txt").read_text() == "not flushed"
    warned = [note["text"] for note in end.member.of(frames.NOTE)]
    assert len(warned) == (2 if stuck else 1) and "an exit hook" in warned[-1]
    assert ("ended: up" in warned[0]) is stuck


@pytest.mark.parametrize("code", [None, 0, False, 0.0, "", True, 256, (1, 2)])
def test_sys_exit_with_odd_values(code):
    """0.0 == 0, but Python prints it and ends with 1."""
    plain = subprocess.run([sys.executable, "-IS", "-c", f"raise SystemExit({code!r})"])
    assert ending.succeeds(SystemExit(code)) == (plain.returncode == 0 and code != 256)
    with contextlib.ExitStack() as stack:
        if not ending.succeeds(SystemExit(code)):
            stack.enter_context(pytest.raises(SystemExit))
        with ending.returning():
            sys.exit(code)


@pytest.mark.parametrize("exits", ["", "sys.exit(0)\n"])
def test_a_threads_globals_live_on(tmp_path, exits):
    """What runs in the thread holds no function of the script, and with it none of its globals."""
    text = """\
import os, sched, sys, tempfile, threading, time
folder = tempfile.TemporaryDirectory()
events = sched.scheduler(time.time, time.sleep)
events.enter(1, 1, os.mkdir, (folder.name + "/made",))
threading.Thread(target=events.run).start()
"""
    end = Ended(tmp_path, text + exits)
    end.assert_like_plain_python()
    assert end.process.stderr == ""


def test_a_programs_excepthook_hears_of_a_failure(tmp_path):
    text = "import sys\nsys.excepthook = lambda t, e, frames: print(t.__name__, frames is None)\n"
    end = Ended(tmp_path, text + "raise ValueError('why')\n")
    end.assert_like_plain_python()
    assert end.failure == "ValueError: why" and end.process.stdout == "ValueError False\n"


def test_an_excepthook_that_raises(tmp_path):
    text = "import sys\ndef hook(*_): sys.exit(0)\nsys.excepthook = hook\nraise ValueError('why')"
    end = Ended(tmp_path, text, compare=False)
    assert end.failure == "ValueError: why" and "ValueError: why" in end.process.stderr
    assert end.process.returncode == 1


def test_a_thread_that_ends_in_time(tmp_path):
    text = "import threading, time\ndef f():\n    time.sleep(1)\n    print('done')\n"
    end = Ended(tmp_path, text + "threading.Thread(target=f).start()")
    end.assert_like_plain_python()
    assert end.done and not end.member.of(frames.NOTE)


@pytest.mark.parametrize("how", ["sys.exit(0)", "sys.exit(5)", "raise ValueError('child')", ""])
@pytest.mark.parametrize("function", ["", "main_fun"])
def test_a_forked_child_is_not_the_program(tmp_path, how, function):
    body = f"""\
import os, sys
def main_fun(args=None, ctx=None):
    pid = os.fork()
    if pid == 0:
        {how or "return"}
    else:
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    end = Ended(tmp_path, body + ("" if function else "main_fun()\n"), function)
    assert end.done and not end.member.of(frames.FAILED)
    assert len([1 for m in end.member.of(frames.PHASE) if m["phase"] == "ended"]) == 1
    status = {"sys.exit(5)": "5\n", "": "0\n", "sys.exit(0)": "0\n"}.get(how, "1\n")
    assert end.process.stdout == status
    if not function:
        assert end.process.stdout == end.plain.stdout
        assert end.process.returncode == end.plain.returncode == 0


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(tmp_path, method):
    text = f"""\
import multiprocessing
def double(x):
    return 2 * x
if __name__ == "__main__":
    with multiprocessing.get_context("{method}").Pool(2) as pool:
        print(pool.map(double, range(4)))
"""
    end = Ended(tmp_path, text)
    end.assert_like_plain_python()
    assert end.done and end.process.stdout == "[0, 2, 4, 6]\n"


def test_a_traceback_is_plain_pythons(tmp_path):
    text = "def f():\n    raise ValueError('a\\nb')\ntry:\n    {}['x']\nexcept KeyError:\n    f()\n"
    end = Ended(tmp_path, text)
    assert end.process.returncode == end.plain.returncode == 1
    assert end.process.stderr.replace(f"{tmp_path}/prog.py", "prog.py") == (
        end.plain.stderr.replace(f"{tmp_path}/prog.py", "prog.py")
    )
    assert end.failure == "ValueError: a"


def test_a_syntax_error_of_the_program(tmp_path):
    """Plain Python shows no frame: none has run."""
    Ended(tmp_path, "def f(:\n").assert_like_plain_python()


def test_an_error_of_tfos_has_no_frames_of_tfos(tmp_path):
    end = Ended(tmp_path, "async def main_fun(args, ctx): pass\n", "main_fun")
    assert end.process.stderr == f"tfos.ending.{end.failure}\n"


def test_all_frames_are_shown_on_request(tmp_path):
    end = Ended(tmp_path, "raise ValueError('x')", compare=False, all_frames=True)
    assert "tfos/program.py" in end.process.stderr


def test_sys_exit_with_a_text(tmp_path):
    end = Ended(tmp_path, "import sys\nsys.exit('no data\\nat all')\n")
    end.assert_like_plain_python()
    assert end.process.stderr == "no data\nat all\n"
    assert end.failure == "the program called sys.exit: no data"


@pytest.mark.parametrize(
    "text",
    [
        "import sys\nsys.stderr.close()\n",
        "import sys\nsys.stderr = None\n",
        "import os\nos.close(2)\n",
        "import os\nos.closerange(0, 256)\n",
        # The descriptor of the connection becomes another socket's.
        "import os, socket\nos.closerange(3, 256)\nkept = socket.socketpair(), open('prog.py')\n",
        "class E(Exception):\n    def __str__(self): raise KeyError\n",
    ],
)
def test_a_cause_is_never_lost(tmp_path, text):
    error = "E()" if "class E" in text else "ValueError('why')"
    end = Ended(tmp_path, text + f"raise {error}", compare=False)
    assert end.failure == ("E: <exception str() failed>" if "E()" in error else "ValueError: why")
    assert end.process.returncode == 1


def test_descriptors_closed_by_a_program_that_succeeds(tmp_path):
    end = Ended(tmp_path, "import os\nos.closerange(3, 256)\n", compare=False)
    assert end.done and end.process.returncode == 0


@pytest.mark.skipif(sys.version_info < (3, 11), reason="groups are of Python 3.11")
def test_a_group_names_its_first_cause():
    group = builtins.ExceptionGroup
    inner = group("unhandled errors in a TaskGroup", [ValueError("why"), KeyError("b")])
    outer = group("outer", [inner])
    assert ending.describe(outer) == (
        "ExceptionGroup: outer (1 sub-exception): ExceptionGroup: unhandled errors in a TaskGroup "
        "(2 sub-exceptions): ValueError: why"
    )


def test_forked_tells_a_child_from_this_process():
    pid = os.fork()
    if pid == 0:
        os._exit(17 if ending.forked() else 18)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 17
    assert not ending.forked()
