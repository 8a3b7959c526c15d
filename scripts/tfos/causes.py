"""What Spark's errors say, in one line."""

import re


def first_line(err):
    return str(err).strip().split("\n", 1)[0]


def first_cause(err):
    """The one line of a Spark error that says why.

    An error of a Python worker comes as text with its traceback inside, in PySpark's
    PythonException and in the JVM's; its last line that is not indented is the cause.
    """
    java = getattr(err, "java_exception", None)
    text = (java.getMessage() or java.toString()) if java else str(err)
    _, found, trace = text.rpartition("Traceback (most recent call last):\n")
    python = (line for line in trace.split("\n") if line and not line[0].isspace())
    return next(python, first_line(text)) if found else first_line(text)


def lacks_pyarrow(err):
    """Why no task of mapInArrow could run: no Python there that fits, or no pyarrow; None: other
    reasons.

    Rows may have been sent where there was one: a member knows which, whoever sends them again.
    """
    cause = first_cause(err)
    # Python's own words, and those of PySpark, which wants pandas too, on the driver also.
    # distutils: PySpark before 4 imports it, Python 3.12 and newer have it from setuptools.
    words = (
        "No module named 'py",
        "No module named 'pandas'",
        "No module named 'distutils'",
        "PyArrow >=",
        "Pandas >=",
        "different minor versions",
    )
    missing = any(word in cause for word in words)
    return cause if missing or "Cannot run program" in str(err) else None


_STACK = re.compile(r"\s+at |\s*\.\.\. \d+ (common frames|more)")
_HEADER = re.compile(r"^(Caused by: |Exception in thread \"[^\"]*\" )")
_EXCEPTION = re.compile(_HEADER.pattern + r"?[\w.$]+(Error|Exception)\b(:|$)")
_LOGGED = re.compile(r"[\d/:,.T -]+ (ERROR|FATAL) ")
_OTHER = re.compile(
    r"[\d/:,.T -]+ (INFO|WARN|DEBUG|TRACE) |Spark Executor Command:|=====|Using Spark"
)
_LONGEST = 300  # characters of a cause


def error_line(lines):
    """What a JVM that has ended said was wrong, in one line; "": nothing.

    The innermost cause of its last exception, else its last error that was logged, else its
    first line that is not logged, as of a JVM that cannot start.
    """
    exceptions = [line for line in lines if _EXCEPTION.match(line)]
    errors = [line for line in lines if _LOGGED.match(line)]
    plain = [line for line in lines if not (_STACK.match(line) or _OTHER.match(line))]
    chosen = exceptions[-1:] or errors[-1:] or plain[:1]
    if not chosen:
        return ""
    return _LOGGED.sub("", _HEADER.sub("", chosen[0].strip()))[:_LONGEST]
