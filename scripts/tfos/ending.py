"""How a program's process ends: as plain Python does, within bounds, and what is told of it."""

import atexit
import contextlib
import gc
import inspect
import io
import os
import sys
import threading
import time
import traceback

from tfos import hints

# Frames of these stand between tfos and the program; nobody looks for an error there.
_RUNNERS = ("<frozen runpy>", "<frozen importlib", os.sep + "runpy.py")
_OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep


_PROCESS = os.getpid()  # that tfos started


def forked():
    """Whether this is a child that the program has made by os.fork."""
    return os.getpid() != _PROCESS


class ProgramError(Exception):
    """The program did not do what it was started for, though it raised nothing."""


def message(err):
    """str(err), as far as there is one."""
    try:
        return str(err)
    except Exception:  # as Python's own tracebacks have it
        return "<exception str() failed>"


def describe(err, beside=()):
    """One line: the exception's type and its message's first line, and what tfos knows of it.

    beside: names that lie beside the program where the job was submitted, and were not shipped.
    """
    if isinstance(err, SystemExit):
        return _describe_exit(err)
    if known := hints.cause(err, message(err)):
        return known
    lines = message(err).strip().splitlines()
    told = f"{type(err).__name__}: {lines[0]}" if lines else type(err).__name__
    advice = hints.not_shipped(err, beside)
    return f"{told} ({advice})" if advice else told


def _describe_exit(err):
    if isinstance(err.code, int):
        return f"the program called sys.exit({err.code!r})"
    lines = message(err.code).strip().splitlines()
    return f"the program called sys.exit: {lines[0] if lines else ''}"


def show(err, all_frames=False):
    """Write on standard error what Python does for an exception that nobody has caught.

    A traceback begins at the program's own frames, with all_frames at tfos's. A standard error
    that the program has closed or replaced does not matter.
    """
    if isinstance(err, SystemExit):
        text = "" if isinstance(err.code, int) else message(err.code) + "\n"
    else:
        frames = err.__traceback__ if all_frames else _of_program(err.__traceback__)
        text = "".join(traceback.format_exception(type(err), err, frames))
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except Exception:  # closed, None, or an object of the program's
        with contextlib.suppress(OSError):
            os.write(2, text.encode(errors="replace"))


def _of_program(frames):
    """frames from the program's first on; all where there is none."""
    first = frames
    while first is not None:
        file = first.tb_frame.f_code.co_filename
        if not (file.startswith(_OWN) or any(part in file for part in _RUNNERS)):
            return first
        first = first.tb_next
    return frames


def call(function, *args):
    """Call a function of the program; sys.exit(0), sys.exit() and sys.exit(None) are a return.

    Raises ProgramError where calling it does nothing of what it says.
    """
    if inspect.isclass(function):
        raise ProgramError(f"{function.__name__} is a class: name a function")
    with returning():
        result = function(*args)
        _check_done(function, result)


def _check_done(function, result):
    name = getattr(function, "__name__", repr(function))
    if inspect.iscoroutine(result):
        result.close()
        raise ProgramError(
            f"{name} is async and none of it ran: name a function that calls asyncio.run"
        )
    if inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise ProgramError(f"{name} is a generator (it has a yield) and none of it ran")


@contextlib.contextmanager
def returning():
    """sys.exit with success in it is a return. A child of the program that comes to its end is
    no program: it ends there."""
    try:
        yield
    except SystemExit as err:
        if err.code not in (None, 0):
            raise
    if forked():
        raise SystemExit(0)


@contextlib.contextmanager
def importing(name, function):
    """sys.exit in it is an error, whatever its code: function was to run after it."""
    try:
        yield
    except SystemExit as err:
        if err.code not in (None, 0):
            raise
        raise ProgramError(
            f"{name} called sys.exit while it was imported, so {function} never ran: "
            "put what ends the program below `if __name__ == '__main__':`"
        ) from err


def threads():
    """Names of threads for which Python would wait at its end."""
    return [
        thread.name
        for thread in threading.enumerate()
        if not thread.daemon and thread is not threading.main_thread()
    ]


def bound(seconds, status, warn):
    """End this process after so many seconds if threads hold it up, with exit hooks and files.

    status: its exit status then. warn(text) is called with the threads' names.
    """
    if waited := threads():
        arguments = (seconds, status, warn, waited)
        threading.Thread(target=_end, args=arguments, daemon=True).start()


def _end(seconds, status, warn, waited):
    time.sleep(seconds)
    left = [name for name in threads() if name in waited] or waited
    with contextlib.suppress(Exception):
        warn(
            f"its program was done, but threads of it did not end within {seconds:g} s "
            f"(timeouts.exit) and were ended: {', '.join(left[:10])}"
        )
    with contextlib.suppress(Exception):
        atexit._run_exitfuncs()
    for thing in gc.get_objects():
        if issubclass(type(thing), io.IOBase):  # isinstance asks the thing, and proxies raise
            with contextlib.suppress(Exception):
                thing.flush()
    os._exit(status)
