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


# What a person can do about a Java exception, by words of it; the first counts.
_REMEDIES = {
    "Permission denied": "give the user of this run the permission, or name another path",
    "UnknownHost": "check that host's name, spark.driver.host, SPARK_LOCAL_IP and /etc/hosts",
    "UnresolvedAddress": "check that spark.driver.host ({host}) and spark.driver.bindAddress are "
    "names or addresses of this machine",
    "BindException": "free the port, or correct spark.driver.port, spark.driver.bindAddress "
    "or SPARK_LOCAL_IP",
    "ClassNotFound": "correct the class's name in spark.conf, or add its jar (spark.jars)",
    "NoClassDefFound": "add the jar that has this class (spark.jars)",
    "FileNotFound": "make the file or folder, or correct its path in spark.conf",
    "AccessControl": "give the user of this run the permission, or name another path",
    "AccessDenied": "give the user of this run the permission, or name another path",
    "ConnectException": "start the service at that address, or correct it",
}
_REMEDY = "correct this setting in spark.conf of the job file or in spark-defaults.conf"


def innermost_cause(err, host):
    """Why Spark did not start: the innermost Java exception of err, then Spark's own words.

    The last part is what to do. host: of the driver, as it is known.
    """
    java = getattr(err, "java_exception", None) or getattr(err, "_origin", None)
    if java is None:
        return first_line(err)
    inner = java
    while inner.getCause() is not None:
        inner = inner.getCause()
    said, outer = first_line(inner.toString()), first_line(java.getMessage() or "")
    reason = said if outer in said else f"{said} ({outer.rstrip('.')})"
    remedy = next((text for words, text in _REMEDIES.items() if words in said), _REMEDY)
    return f"{reason.rstrip('.')}: {remedy.format(host=host)}"


def lacks_pyarrow(err):
    """Why no task of mapInArrow could run on some executor: no Python that fits, or no pyarrow.
    None: err has another reason.

    Other executors may have sent rows already. Members know which, and take none of them again.
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


# Spark's YarnAllocator, for exit codes of a container that had too much memory.
_OVER_LIMIT = re.compile(
    r"killed by YARN for exceeding (\w+) memory limits\. ([\d.]+) (\w+) of ([\d.]+ \w+) "
)
_TIME = re.compile(r"\[\d{4}-\d\d-\d\d [\d:.]+\]")  # of a NodeManager's messages


def with_words(verdict, words):
    """The verdict on a lost member, with Spark's words about the end of its executor."""
    if not words:
        return verdict
    found = _OVER_LIMIT.search(words)
    if not found:
        words = " ".join(_TIME.sub("", words).split())
        return {**verdict, "cause": f"{verdict['cause']}; Spark says: {words}"}
    kind, used, unit, limit = found.groups()
    used = used if limit.endswith(unit) else f"{used} {unit}"
    member, role = verdict["member"], verdict["member"].partition(":")[0]
    cause = f"{member} was killed by YARN: memory, {used} of {limit} used"
    if kind == "virtual":
        cause += " (virtual): set yarn.nodemanager.vmem-check-enabled to false on the cluster"
    else:
        cause += f": raise resources.{role}.memory"
    return {**verdict, "cause": cause, "retryable": False}


_STACK = re.compile(r"\s+at |\s*\.\.\. \d+ (common frames|more)")
_TITLE = re.compile(
    r"Spark Executor Command: |=+$|Using Spark's default log4j profile"
    r"|(NOTE: )?Picked up (JDK_JAVA|JAVA_TOOL|_JAVA)_OPTIONS: "
)
_HEADER = re.compile(r"^(Caused by: |Exception: |Exception in thread \"[^\"]*\" )")
_EXCEPTION = re.compile(_HEADER.pattern + r"?[\w.$]+(Error|Exception)\b")
_LOGGED = re.compile(r"[\d/:,.T -]+ (ERROR|FATAL) ")
_OTHER = re.compile(r"[\d/:,.T -]+ (INFO|WARN|DEBUG|TRACE) ")
_GENERIC = re.compile(r"Error occurred during initialization of |Error: (Could not create|A fatal)")
_LONGEST = 300  # characters of a cause


def own_lines(lines):
    """What a JVM's standard error says beside its command, Java's stacks and empty lines."""
    return [
        line for line in lines if line.strip() and not (_STACK.match(line) or _TITLE.match(line))
    ]


def error_line(lines):
    """What a JVM that has ended said was wrong, one line of own_lines; "": it said nothing.

    That is the first of these that there is: the innermost cause of its last exception; the last
    error in its log; its first line outside of a log, which a JVM writes that cannot start.
    """
    exceptions = [line for line in lines if _EXCEPTION.match(line)]
    errors = [line for line in lines if _LOGGED.match(line)]
    plain = [line for line in lines if not (_OTHER.match(line) or _GENERIC.match(line))]
    chosen = exceptions[-1:] or errors[-1:] or plain[:1]
    if not chosen:
        return ""
    return _LOGGED.sub("", _HEADER.sub("", chosen[0].strip()))[:_LONGEST]
