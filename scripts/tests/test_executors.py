"""What the driver tells of executors that die (tfos.executors), from Spark's own words."""

import http.server
import threading
import urllib.parse

import pytest
from tfos import executors
from tfos.causes import error_line, own_lines, with_words
from tfos.executors import Executors


class Option:
    def __init__(self, value):
        self._value = value

    def isDefined(self):
        return self._value is not None

    def get(self):
        return self._value


class Summary:
    def __init__(self, number, active, reason=None, logs=None, at=0):
        self.id = lambda: number
        self.hostPort = lambda: "driver" if number == "driver" else "h1:4711"
        self.isActive = lambda: active
        self.removeReason = lambda: Option(reason)
        self.removeTime = lambda: Option(self)
        self.getTime = lambda: at
        self.executorLogs = lambda: self
        self.get = lambda kind: Option((logs or {}).get(kind))


class Spark:
    """As much of a SparkContext as is asked about its executors."""

    def __init__(self, *summaries, master="yarn"):
        self.master, self.summaries = master, [Summary("driver", True), *summaries]
        self._jsc = self.sc = self.statusStore = self.executorList = self
        self.size = lambda: len(self.summaries)
        self.apply = lambda i: self.summaries[i]

    def __call__(self, *_):
        return self


class Log:
    def __init__(self, *events):
        self.events = lambda: list(events)
        self.close = lambda: None


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(executors, "_SETTLE", 0)


def deaths(spark, log):
    told = []
    watched = Executors(spark, log)
    living = watched.look(lambda death, living: told.append((death, living)))
    watched.look(lambda death, _: pytest.fail(f"executor {death.executor} is told of twice"))
    return told, living


def test_the_living_are_places_for_members():
    spark = Spark(Summary("0", False, "lost"), *(Summary(str(i), True) for i in range(1, 4)))
    places = Executors(spark, None).wait(2, 0, lambda *_: None, lambda: False)
    assert places == ["executor_h1_1", "executor_h1_2"]


STANDALONE = [
    "Connecting to master spark://192.0.2.2:42609...",
    "Executor added: app-1/0 on worker-9 (192.0.2.7:39739) with 1 core(s)",
    "Executor updated: app-1/0 is now RUNNING",
]
UNREGISTERED = [
    pytest.param(
        [*STANDALONE, "Executor updated: app-1/0 is now EXITED (Command exited with code 1)"],
        ("192.0.2.7", "Command exited with code 1", 1),
        id="standalone",
    ),
    pytest.param(
        [
            *STANDALONE,
            "Executor updated: app-1/0 is now FAILED (java.io.IOException: Cannot run program "
            '"/nope/bin/java": error=2, No such file or directory)',
        ],
        (
            "192.0.2.7",
            'java.io.IOException: Cannot run program "/nope/bin/java": error=2, '
            "No such file or directory",
            0,
        ),
        id="no Java",
    ),
    pytest.param(
        [
            "Requesting driver to remove executor 0 for reason Container from a bad node: c_1 on "
            "host: n4. Exit status: 127. Diagnostics: x\n/bin/bash: java: command not found\n"
        ],
        (
            "",
            "Container from a bad node: c_1 on host: n4. Exit status: 127. Diagnostics: x "
            "/bin/bash: java: command not found",
            127,
        ),
        id="yarn",
    ),
    pytest.param(
        ["Asked to remove non-existent executor 0"],
        ("", "it ended before it had registered", 0),
        id="kubernetes",
    ),
]


@pytest.mark.parametrize(("events", "want"), UNREGISTERED)
def test_executors_that_never_registered(events, want):
    ((death, living),), _ = deaths(Spark(), Log(*events))
    assert (death.executor, living) == ("0", 0)
    assert (death.host, death.cause, death.exit_code) == want


def test_executors_that_had_registered():
    lost = Summary("1", False, "Unable to create executor due to Connection refused")
    events = [
        "Executor added: app-1/1 on worker-9 (h1:39739) with 1 core(s)",
        "Executor updated: app-1/1 is now EXITED (Command exited with code 137)",
    ]
    ((death, living),), _ = deaths(Spark(Summary("0", True), lost), Log(*events))
    assert (death.executor, living, death.host, death.exit_code) == ("1", 1, "h1", 137)
    assert death.cause == "Unable to create executor due to Connection refused"


def test_an_executor_that_shuts_down_slowly():
    """Its exit code comes long after its own words, when its worker tells; not for ever."""
    added = "Executor added: app-1/1 on worker-9 (h1:39739) with 1 core(s)"
    events, told, time = [added], [], Time()
    log = Log()
    log.events = lambda: events
    lost = Summary("1", False, "Unable to create executor due to Connection refused")
    watched = Executors(Spark(lost), log, time.clock, time.sleep)

    def look():
        watched.look(lambda death, _: told.append(death.exit_code))

    look()
    time.now = 9
    look()
    assert not told
    events.append("Executor updated: app-1/1 is now EXITED (Command exited with code 1)")
    look()
    assert told == [1]

    del events[1], told[0]
    watched = Executors(Spark(lost), log, time.clock, time.sleep)
    look()
    time.now = 19
    look()
    assert told == [0]


def test_without_log4j():
    """The status store alone: another logging library is no failure."""
    ((death, _),), living = deaths(Spark(Summary("0", False, "gone"), Summary("1", True)), None)
    assert (death.cause, living) == ("gone", 1)


def test_nothing_has_died():
    assert deaths(Spark(Summary("0", True)), Log(*STANDALONE)) == ([], 1)


class Time:
    """A clock, and a sleep by which it goes on."""

    def __init__(self):
        self.now = 0.0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.mark.parametrize(("wanted", "seconds", "takes"), [(2, 60, 0), (3, 60, 60), (3, 0, 0)])
def test_wait_ends_with_enough_executors_or_some_after_the_time(wanted, seconds, takes):
    time = Time()
    two = Executors(Spark(Summary("0", True), Summary("1", True)), None, time.clock, time.sleep)
    assert len(two.wait(wanted, seconds, None, lambda: False)) == 2
    assert takes <= time.now < takes + 1


def test_wait_goes_on_while_no_executor_lives():
    time = Time()
    Executors(Spark(), None, time.clock, time.sleep).wait(1, 0, None, lambda: time.now > 100)
    assert time.now > 100


COMMAND = ['Spark Executor Command: "java" "-Xbad"', "=" * 40, ""]
SAID = [
    (
        [
            *COMMAND,
            "Error occurred during initialization of VM",
            "Could not find agent library nope on the library path, with error: libnope.so",
        ],
        "Could not find agent library nope on the library path, with error: libnope.so",
    ),
    (
        [
            *COMMAND,
            "Improperly specified VM option 'MaxMetaspaceSize=x'",
            "Error: Could not create the Java Virtual Machine.",
            "Error: A fatal exception has occurred. Program will exit.",
        ],
        "Improperly specified VM option 'MaxMetaspaceSize=x'",
    ),
    (
        [*COMMAND, "Error opening zip file or JAR manifest missing : /nope.jar"],
        "Error opening zip file or JAR manifest missing : /nope.jar",
    ),
    (
        [
            *COMMAND,
            'Exception in thread "main" ',
            "Exception: java.lang.OutOfMemoryError thrown from the UncaughtExceptionHandler",
        ],
        "java.lang.OutOfMemoryError thrown from the UncaughtExceptionHandler",
    ),
    (
        [
            *COMMAND,
            "Using Spark's default log4j profile: org/apache/spark/log4j2-defaults.properties",
            "26/11/29 01:25:31 INFO CoarseGrainedExecutorBackend: Started daemon",
            'Exception in thread "main" java.lang.reflect.UndeclaredThrowableException',
            "\tat org.apache.hadoop.X.doAs(X.java:1894)",
            "Caused by: org.apache.spark.SparkException: Invalid Spark URL: spark://D@my_host:1",
            "\tat org.apache.spark.rpc.R.apply(R.scala:66)",
            "\t... 4 more",
        ],
        "org.apache.spark.SparkException: Invalid Spark URL: spark://D@my_host:1",
    ),
    (
        [
            "26/11/29 01:25:31 INFO A: b",
            "26/11/29 01:25:36 ERROR CoarseGrainedExecutorBackend: RECEIVED SIGNAL TERM",
        ],
        "CoarseGrainedExecutorBackend: RECEIVED SIGNAL TERM",
    ),
    (
        [
            "NOTE: Picked up JDK_JAVA_OPTIONS: -Xint",
            "Picked up JAVA_TOOL_OPTIONS: -Xlog:disable",
            "Picked up _JAVA_OPTIONS: -Xlog:disable",
            "Could not find agent library nope on the library path",
        ],
        "Could not find agent library nope on the library path",
    ),
    (["26/11/29 01:25:31 INFO A: b"], ""),
]


@pytest.mark.parametrize(("lines", "want"), SAID)
def test_what_an_executor_said(lines, want):
    assert error_line(own_lines(lines)) == want
    assert not [line for line in own_lines(lines) if "\tat " in line or "Command" in line]


OVER = (
    "Container killed by YARN for exceeding {} memory limits. {} of {} {} memory used. "
    "Consider boosting spark.executor.memoryOverhead."
)


@pytest.mark.parametrize(
    "words, cause",
    [
        ("", "worker:0 was lost"),
        (
            "[2026-11-30 10:58:14.374]Container marked as failed",
            "worker:0 was lost; Spark says: Container marked as failed",
        ),
        (
            OVER.format("physical", "2.8 GB", "2.8 GB", "physical"),
            "worker:0 was killed by YARN: memory, 2.8 of 2.8 GB used: "
            "raise resources.worker.memory",
        ),
        (
            OVER.format("physical", "1.0 GB", "896 MB", "physical"),
            "worker:0 was killed by YARN: memory, 1.0 GB of 896 MB used: "
            "raise resources.worker.memory",
        ),
        (
            OVER.format("virtual", "9.1 GB", "5.9 GB", "virtual"),
            "worker:0 was killed by YARN: memory, 9.1 of 5.9 GB used (virtual): "
            "set yarn.nodemanager.vmem-check-enabled to false on the cluster",
        ),
    ],
)
def test_words_about_a_lost_member(words, cause):
    verdict = {"cause": "worker:0 was lost", "member": "worker:0", "retryable": True}
    told = with_words(verdict, words)
    assert told["cause"] == cause
    assert told["retryable"] == ("killed by YARN: memory" not in cause)


def test_last_death_waits_for_the_manager():
    """The AM tells Spark of a container with its next heartbeat."""
    spark = Spark(Summary("1", True), Summary("2", False))
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds
        if now[0] > 2 and len(spark.summaries) == 3:
            spark.summaries[1:] = [
                Summary("1", False, "it\nended", at=1),
                Summary("2", False, "it ended first", at=0),
            ]

    watched = Executors(spark, None, clock=lambda: now[0], sleep=sleep)
    assert watched.last_death(5) == "it ended" and 2 < now[0] < 3
    spark.summaries = [Summary("driver", True), Summary("1", True)]
    assert watched.last_death(5) == "" and now[0] > 7


def test_log_of_a_worker_that_has_deleted_it():
    """Pages as a worker of Spark 3.5.9 writes them."""
    pages = {
        "1": "==== Bytes 0-8 of 8 of /w/app/1/stderr ====\none\ntwo\n",
        "2": "==== Bytes 0-0 of 0 of /w/app/2/stderr ====\nError: invalid log directory /w/app/2/",
    }

    class Worker(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(pages[query["executorId"][0]].encode())

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Worker) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        site = (
            f"http://127.0.0.1:{server.server_port}/logPage/?appId=app&logType=stderr&executorId="
        )
        shown = [executors._shown(urllib.parse.urlsplit(site + executor)) for executor in pages]
        server.shutdown()
        thread.join()
    assert shown == [["one", "two"], []]
