"""What becomes of an application's executors until its cluster has formed.

Spark tells of executors that had registered in its status store. Of those that died before, only
its log tells: this module reads the log events of three classes in the JVM itself, whatever the
user's log settings are. Both are Spark's own words for all cluster managers.
"""

import dataclasses
import re
import time
import urllib.parse
import urllib.request

from tfos import masters
from tfos.causes import error_line, own_lines

_POLL = 0.2  # as Spark's own wait for executors does
_SETTLE = 1.0  # after a death: until all who tell of it have told
_EXIT = 10.0  # the same, where a worker will tell how the process ended: it may shut down slowly
_EMPTY = re.compile(r"==== Bytes \d+-\d+ of 0 of ")
_TAIL = 20  # lines of an executor's standard error

_LOGGERS = [
    "org.apache.spark.deploy.client.StandaloneAppClient$ClientEndpoint",
    "org.apache.spark.scheduler.cluster.YarnSchedulerBackend$YarnSchedulerEndpoint",
    "org.apache.spark.scheduler.cluster.CoarseGrainedSchedulerBackend$DriverEndpoint",
]
_BEGIN = "\x1e"  # of a log event: its message may have several lines
_MASTER = re.compile(r"Connecting to master spark://(\S+):(\d+)")
_ADDED = re.compile(r"Executor added: (\S+)/(\d+) on (\S+) \((\S+):\d+\)")
_ENDED = re.compile(
    r"Executor updated: \S+/(\d+) is now (?:EXITED|FAILED|LOST|KILLED)(?: \((.*)\))?"
)
_REMOVED = re.compile(r"Requesting driver to remove executor (\d+) for reason (.*)", re.DOTALL)
_UNKNOWN = re.compile(r"Asked to remove non-existent executor (\d+)")
_STATUS = re.compile(r"(?:exited with code|[Ee]xit (?:code|status):?) (\d+)")


class ExecutorLog:
    """Spark's log events about executors, from now on."""

    def __init__(self, jvm):
        log4j = jvm.org.apache.logging.log4j
        self._context = log4j.LogManager.getContext(False)
        config = self._context.getConfiguration()
        layout = log4j.core.layout.PatternLayout.newBuilder()
        layout = layout.withPattern(_BEGIN + "%m").withConfiguration(config).build()
        self._text = jvm.java.io.StringWriter()
        appender = log4j.core.appender.WriterAppender.createAppender(
            layout, None, self._text, "tfos-executors", False, True
        )
        appender.start()
        for name in _LOGGERS:
            logger = log4j.core.config.LoggerConfig(name, log4j.Level.INFO, True)
            logger.addAppender(appender, log4j.Level.INFO, None)
            config.addLogger(name, logger)
        self._context.updateLoggers()

    def close(self):
        for name in _LOGGERS:
            self._context.getConfiguration().removeLogger(name)
        self._context.updateLoggers()

    def events(self):
        """All so far."""
        return self._text.toString().split(_BEGIN)[1:]


def open_log(jvm):
    """ExecutorLog, or None where Spark logs by something else than log4j 2."""
    try:
        return ExecutorLog(jvm)
    except Exception:
        return None


@dataclasses.dataclass
class Death:
    """An executor that has ended."""

    executor: str
    at: float  # when it was seen first
    host: str = ""
    reason: str = ""  # Spark's
    exit_code: int = 0
    log_path: str = ""
    log_url: str = ""
    exit_comes: bool = False  # a worker has still to tell how the process ended
    lines: list = dataclasses.field(default_factory=list)

    @property
    def cause(self):
        """One line: Spark's reason, and what the executor itself said."""
        said = error_line(self.lines)
        reason = " ".join(self.reason.split()) or "it ended before it had registered"
        return f"{reason}: {said}" if said and said not in reason else reason


class Executors:
    """The executors of SparkContext sc; log: ExecutorLog or None."""

    def __init__(self, sc, log, clock=time.monotonic, sleep=time.sleep):
        self._sc, self._log = sc, log
        self._clock, self._sleep = clock, sleep
        self._deaths = {}  # by executor
        self._told = set()

    def wait(self, count, seconds, died, ended):
        """Wait until count executors live, or some do after so many seconds, or until ended().

        died(death, living) is called for each executor that ends meanwhile. Returns the places
        of count executors at most, for tasks that shall each have an executor of its own.
        """
        end = self._clock() + seconds
        while (living := self.look(died)) < count and not ended():
            if living and self._clock() >= end:
                break
            self._sleep(_POLL)
        return self._places()[:count]

    def watch(self, died, ended):
        """Tell of deaths until ended()."""
        while not ended():
            self.look(died)
            self._sleep(_POLL)

    def look(self, died):
        """Tell of deaths; returns how many executors live."""
        living = self._look_at_store()
        self._look_at_log()
        for death in list(self._deaths.values()):
            settled = death.at + (_EXIT if death.exit_comes else _SETTLE)
            if death.executor not in self._told and self._clock() >= settled:
                self._told.add(death.executor)
                self._read_output(death)
                if self._sc.master.startswith("local-cluster"):
                    death.log_path = ""  # it goes with the run's temporary folder
                died(death, living)
        return living

    def close(self):
        if self._log:
            self._log.close()

    def last_death(self, seconds):
        """Why an executor died: Spark's words, of the one that died last. "": none has died.

        A container manager tells Spark with its next heartbeat: wait so long for one."""
        end = self._clock() + seconds
        while True:
            dead = [one for one in self._stored() if not one.isActive()]
            said = [one for one in dead if one.removeReason().isDefined()]
            if said or self._clock() >= end:
                break
            self._sleep(_POLL)
        last = max(said, key=lambda one: one.removeTime().get().getTime(), default=None)
        return " ".join(last.removeReason().get().split()) if last else ""

    def _death(self, executor):
        if executor not in self._deaths:
            self._deaths[executor] = Death(executor, self._clock())
        return self._deaths[executor]

    def _stored(self):
        executors = self._sc._jsc.sc().statusStore().executorList(False)
        summaries = [executors.apply(i) for i in range(executors.size())]
        return [one for one in summaries if one.id() != "driver"]

    def _look_at_store(self):
        living = 0
        for one in self._stored():
            if one.isActive():
                living += 1
            elif one.id() not in self._told:
                self._add_stored(one)
        return living

    def _places(self):
        """Of the living, as Spark's scheduler names them in a task's preferred locations."""
        return [
            f"executor_{one.hostPort().rpartition(':')[0]}_{one.id()}"
            for one in self._stored()
            if one.isActive()
        ]

    def _add_stored(self, one):
        death = self._death(one.id())
        death.host = one.hostPort().rpartition(":")[0]
        if one.removeReason().isDefined():
            death.reason = one.removeReason().get()
        url = one.executorLogs().get("stderr")
        if url.isDefined():
            death.log_path = death.log_url = url.get()

    def _look_at_log(self):
        added, ended, master = {}, set(), None
        for event in self._log.events() if self._log else []:
            if found := _MASTER.match(event):
                master = found.groups()
            elif found := _ADDED.match(event):
                added[found[2]] = found
            elif found := _ENDED.match(event):
                ended.add(found[1])
                self._add_logged(found[1], found[2], added.get(found[1]), master)
            elif found := _REMOVED.match(event):
                self._add_logged(found[1], found[2], None, None)
            elif found := _UNKNOWN.match(event):
                self._death(found[1])
        for death in self._deaths.values():
            death.exit_comes = death.executor in added and death.executor not in ended

    def _add_logged(self, executor, reason, added, master):
        if executor in self._told:
            return
        death = self._death(executor)
        death.reason = death.reason or (reason or "").strip()
        status = _STATUS.search(reason or "")
        death.exit_code = int(status[1]) if status else death.exit_code
        if added:
            death.host = added[4]
            death.log_path = f"work/{added[1]}/{executor}/stderr of its worker"
            death.log_url = death.log_url or self._worker_log(master, *added.groups()[:3])

    def _worker_log(self, master, app, executor, worker):
        """Where a standalone worker shows an executor's standard error; "": not known."""
        if master is None:
            return ""
        try:
            site = self._worker_sites(*master).get(worker, "")
        except Exception:  # of Spark's own messages: another version may have others
            return ""
        return site and f"{site}/logPage/?appId={app}&executorId={executor}&logType=stderr"

    def _worker_sites(self, host, port):
        """Web addresses of a standalone master's workers, by worker."""
        workers = masters.state(self._sc, host, port).workers()
        return {worker.id(): worker.webUiAddress() for worker in workers}

    @staticmethod
    def _read_output(death):
        """The executor's last lines, of a worker that shows them as text.

        A JVM that cannot start may say why on its standard output.
        """
        site = urllib.parse.urlsplit(death.log_url)
        if site.path != "/logPage/":
            return
        death.lines = _shown(site)
        if not error_line(death.lines):
            output = site._replace(query=site.query.replace("logType=stderr", "logType=stdout"))
            death.lines = (death.lines + _shown(output))[-_TAIL:]


def _shown(site):
    """The last lines of a log that a worker's page shows; none where it does not."""
    url = site._replace(path="/log/", query=site.query + "&byteLength=16384").geturl()
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=5) as page:
            title, *lines = page.read().decode(errors="replace").splitlines() or [""]
    except (OSError, ValueError):
        return []
    if _EMPTY.match(title):  # a folder that is gone: then the page has the worker's own error
        return []
    return own_lines(lines)[-_TAIL:]
