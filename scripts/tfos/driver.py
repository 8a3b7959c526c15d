"""The Spark application of one tfos run.

`main()` is the application's entry; `run(sc, plan, emit)` does the work inside any
SparkContext. One queue carries everything that happens (the reservation server's events,
Spark jobs that end, a signal) to one loop in the main thread: `Run.loop`.
"""

import itertools
import json
import os
import queue
import signal
import sys
import threading

from pyspark import InheritableThread, SparkConf, SparkContext, SparkFiles
from pyspark.sql import SparkSession

from tfos import exits, inputs, predictions
from tfos.causes import first_cause, first_line, innermost_cause
from tfos.executors import Executors, open_log
from tfos.pipe import java_list
from tfos.reservation import Reservation

PLAN_VERSION = 2  # job.PlanVersion
MEMBERS_GROUP = "tfos-members"
CORES_CONF = "spark.executor.cores"  # not set on local[n], whose executor is the driver
JAVA_CONF = "spark.executor.defaultJavaOptions"
# A JVM through which no rows pass runs what it runs for seconds: to optimize that takes a third
# of the time of a short job. Where Spark reads, rows would take twice as long without.
LIGHT_JAVA = "-XX:TieredStopAtLevel=1"
CLOSE_SECONDS = 10  # beyond a lease: what the reservation server needs to clean up


def run(sc, plan, emit):
    """Run a plan (docs/protocols.md section 1) in SparkContext sc and return the verdict.

    emit is called with each event for the launcher (section 2), from one thread.
    """
    return Run(sc, plan, emit).loop()


class Run:
    def __init__(self, sc, plan, emit, sources=None, log=None):
        """sources: inputs.Source of the feeds, by name, as far as they are known.

        log: executors.ExecutorLog since before sc; None: what comes is logged.
        """
        self.sc, self.plan, self.emit = sc, plan, emit
        self.sources = sources or {}
        self.executors = None if plan["local"] else Executors(sc, log or open_log(sc._jvm))
        self.events = queue.SimpleQueue()  # put() may run in a signal handler
        self.threads = []
        self.places = []  # executors.Executors.wait's; none: members go anywhere
        self.inputs = {}  # of feeds, by name
        self.stopped_feeds = set()
        self.replies = queue.SimpleQueue()  # to the end of an epoch: whether to send another
        self.verdict = None
        self.formed = self.ending = False

    def stop(self, reason):
        """Ask for an orderly end; safe in a signal handler."""
        self.events.put(("stop", reason))

    @property
    def feeds(self):
        """Entries of the plan: what Spark's tasks bring to members, in this order."""
        predict = self.plan.get("predict")
        return [predict] if predict else self.plan.get("feeds") or []

    @property
    def resumes(self):
        """Whether Spark predicts only the partitions that no earlier run has finished."""
        return bool((self.plan.get("predict") or {}).get("resume"))

    @property
    def predictions(self):
        return self.inputs[self.plan["predict"]["name"]]

    @property
    def folder(self):
        """Where the job's files are, as seen by tasks."""
        return SparkFiles.getRootDirectory() if self.plan["local"] else "."

    def loop(self):
        host = self.sc.getConf().get("spark.driver.host")
        self.reservation = Reservation(
            self.plan["node_binary"], self.plan["reserve"], host, self.events
        )
        try:
            while self.verdict is None:
                kind, value = self.events.get()
                getattr(self, "on_" + kind)(value)
        finally:
            self.end()
        return self.verdict

    def end(self):
        """Leave nothing running: Spark's jobs are cancelled, the Go half is waited for."""
        self.ending = True
        self.replies.put(False)
        for group in [MEMBERS_GROUP, *map(feed_group, self.feeds)]:
            self.sc.cancelJobGroup(group)
        self.reservation.close(self.plan["reserve"]["lease_ms"] / 1000 + CLOSE_SECONDS)
        for thread in self.threads:
            thread.join(timeout=5)

    # What happens, one method a kind of event.

    def on_stop(self, reason):
        self.reservation.send("stop", reason=reason)

    def on_reservation(self, event):
        if event is None:
            raise RuntimeError("tfos-node reserve ended without a verdict; see its messages above")
        name = event["event"]
        if name == "ready":
            self.on_ready(event)
            return
        if name == "resumed" and self.resumes:
            self.on_resumed(event)
            return
        if name == "formed":
            self.formed = True
            self.start(self.run_feeds, event["members"])
            event = {**event, "members": [public(member) for member in event["members"]]}
        elif name == "feed_next":
            self.replies.put(not event["replay"])
            return
        elif name == "feed_stopped":
            self.stopped_feeds.add(event["feed"])
            self.sc.cancelJobGroup(feed_group(event["feed"]))
            return
        elif name == "verdict":
            self.verdict = event
        self.emit(event)

    def on_ready(self, ready):
        self.ready = ready
        self.credentials = {"ca": ready["ca"], "token": ready["token"]}
        if self.executors:  # an event says that they are there
            self.start(self.watch_executors)
        else:
            self.on_executors([])

    def on_executors(self, places):
        """There are executors: look for the input and place members."""
        self.places = places
        try:
            for feed in self.feeds:
                self.inputs[feed["name"]] = self.find_input(feed)
        except exits.InputError as err:
            self.reservation.send("fail", code=err.code, phase="input", cause=str(err))
            return
        if self.resumes:  # an event says which partitions are finished
            self.reservation.send("partitions", **self.predictions.partitions)
        else:
            self.start_members()

    def on_resumed(self, event):
        """What earlier runs have finished is taken over."""
        self.predictions.leave_out(event.pop("done", []))
        if event["splits"]:
            self.emit(event)
        if event["missing"]:
            self.start_members()

    def start_members(self):
        for path in self.plan["files"]:
            self.sc.addFile(path)
        if "context" in self.plan["node"]:
            hadoop = self.sc._jsc.hadoopConfiguration()
            self.plan["node"]["context"]["default_fs"] = hadoop.get("fs.defaultFS")
        lines = [self.assignment(member, self.ready) for member in self.plan["reserve"]["members"]]
        self.start(self.run_members, lines)

    def on_feed_end(self, end):
        """One epoch's Spark job has ended well; its tasks may have found bad data."""
        results = end.pop("results")
        errors = [row.error for row in results if row.error]
        stopped = any(row.note for row in results)
        if errors:
            self.reservation.send("fail", code=exits.BAD_DATA, phase="feed", cause=errors[0])
        elif end["rows"] == 0 and not stopped and not self.plan.get("predict"):
            cause = f"feed {end['feed']}: the input has no row"
            self.reservation.send("fail", code=exits.BAD_DATA, phase="feed", cause=cause)
        else:
            self.reservation.send("feed_end", **end)

    def on_warning(self, message):
        self.emit({"event": "warning", "message": message})

    def on_contract(self, table):
        self.emit({"event": "contract", "table": table})

    def on_fail(self, err):
        self.reservation.send("fail", code=err.code, phase="output", cause=str(err))

    def on_spark_failed(self, failure):
        if failure["phase"] == "feed" and failure["feed"] in self.stopped_feeds:
            return  # cancelled by us
        self.reservation.send("spark_failed", phase=failure["phase"], cause=failure["cause"])

    def watch_executors(self):
        """Wait for executors, and tell what becomes of them until the cluster has formed.

        A member needs an executor of its own: tasks that begin earlier share the first ones.
        """
        reserve = self.plan["reserve"]
        half = reserve["reservation_ms"] / 2000  # members that have room then tell who has none

        def ended():
            return self.formed or self.ending

        try:
            places = self.executors.wait(len(reserve["members"]), half, self.executor_died, ended)
        except Exception as err:  # Spark's own classes may be others; the roster guards members
            self.events.put(("warning", f"executors are not watched: {first_line(err)}"))
            self.events.put(("executors", []))
            return
        self.events.put(("executors", places))
        self.executors.watch(self.executor_died, ended)
        self.executors.close()

    def executor_died(self, death, living):
        self.reservation.send(
            "executor_died",
            executor=death.executor,
            host=death.host,
            reason=death.cause,
            exit_code=death.exit_code,
            stderr=death.lines,
            log_path=death.log_path,
            living=living,
        )

    # Spark jobs, each in a thread of its own.

    def start(self, target, *args):
        thread = InheritableThread(target=target, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def assignment(self, member, ready):
        return json.dumps(
            {
                "config": self.plan["node"],
                "job": member["job"],
                "index": member["index"],
                "feeds": member.get("feeds") or [],
                "server": ready["address"],
                "ca": ready["ca"],
                "cert": ready["cert"],
                "key": ready["key"],
                "token": ready["token"],
                "files": self.folder,
            }
        )

    def run_members(self, lines):
        """Place one `tfos-node run` a line, each a task of one Spark job (JavaRDD.pipe)."""
        jvm = self.sc._jvm
        self.sc.setJobGroup(MEMBERS_GROUP, f"tfos members of {self.plan['name']}")
        rdd = placed(self.sc, lines, self.places).pipe(
            java_list(jvm, [f"{self.folder}/tfos-node", "run"]), jvm.java.util.HashMap()
        )
        if self.plan["task_cpus"] > 1:
            request = jvm.org.apache.spark.resource.TaskResourceRequests().cpus(
                self.plan["task_cpus"]
            )
            profile = jvm.org.apache.spark.resource.ResourceProfileBuilder().require(request)
            rdd = rdd.withResources(profile.build())
        try:
            rdd.collect()
        except Exception as err:  # whatever Spark throws: the verdict is the server's
            self.events.put(("spark_failed", {"phase": "members", "cause": first_cause(err)}))

    @property
    def slots(self):
        return slots(self.plan, self.sc.getConf(), self.sc.defaultParallelism)

    def find_input(self, feed):
        def warn(message):
            self.events.put(("warning", message))

        if feed is self.plan.get("predict"):
            return predictions.find(
                self.sc,
                feed,
                self.plan["node_binary"],
                self.slots,
                lambda table: self.events.put(("contract", table)),
            )
        source = self.sources.get(feed["name"])
        source = source or inputs.Source(feed, self.plan["node_binary"], self.slots)
        return source.find(self.sc, warn)

    def run_feeds(self, members):
        """Send the feeds one after another, in the plan's order.

        Side by side, tasks of one could hold every core and wait for a program that waits
        for the other.
        """
        for feed in self.feeds:
            takers = [member for member in members if feed["name"] in member["feeds"]]
            if not self.run_feed(feed, takers):
                return

    def run_feed(self, feed, members):
        """Send the epochs of one feed, a Spark job each, until members repeat them by
        themselves or the feed is stopped; 0 epochs: without end.

        False: a Spark job failed, or was cancelled with the run.
        """
        name, epoch, last = feed["name"], 0, False
        self.sc.setJobGroup(feed_group(name), f"tfos feed {name} of {self.plan['name']}")
        while not (last or self.ending or name in self.stopped_feeds):
            try:
                results = self.inputs[name].send(epoch, members, self.credentials, self.folder)
            except exits.InputError as err:
                self.events.put(("fail", err))
                return False
            except Exception as err:  # as above
                failure = {"phase": "feed", "feed": name, "cause": first_cause(err)}
                self.events.put(("spark_failed", failure))
                return name in self.stopped_feeds
            rows = sum(row.sent + row.skipped for row in results)
            last = epoch == feed["epochs"] - 1
            end = {"feed": name, "epoch": epoch, "rows": rows, "last": last, "results": results}
            self.events.put(("feed_end", end))
            last = last or not self.replies.get()
            epoch += 1
        return True


def placed(sc, lines, places):
    """A JavaRDD of one line a partition, each at a place of its own as long as there are some.

    An executor that has registered has no free core before it has launched. Without places,
    tasks that begin meanwhile share the executors that have.
    """
    jvm, seq = sc._jvm, sc._jvm.org.apache.spark.api.python.PythonUtils.toSeq
    pairs = [
        jvm.scala.Tuple2(line, seq(java_list(jvm, [place] if place else [])))
        for line, place in itertools.zip_longest(lines, places[: len(lines)])
    ]
    text = getattr(getattr(jvm.scala.reflect, "ClassTag$"), "MODULE$").apply(
        jvm.java.lang.Class.forName("java.lang.String")
    )
    return sc._jsc.sc().makeRDD(seq(java_list(jvm, pairs)), text).toJavaRDD()


def slots(plan, conf, threads=0):
    """How many feed tasks run at once when all executors are there; threads: of local[n]."""
    members = len(plan["reserve"]["members"])
    cores = conf.get(CORES_CONF)
    total = members * int(cores) if cores else threads
    return max(1, total - members * plan["task_cpus"])


def prepare(plan, conf):
    """Complete the SparkConf of a plan whose executors have JVMs of their own.

    Returns inputs.Source of its feeds by name.
    """
    count = slots(plan, conf)
    sources = {
        feed["name"]: inputs.Source(feed, plan["node_binary"], count)
        for feed in plan.get("feeds") or []
    }
    if not (plan.get("predict") or any(source.by_spark for source in sources.values())):
        conf.set(JAVA_CONF, f"{LIGHT_JAVA} {conf.get(JAVA_CONF, '')}".strip())
    return sources


def public(member):
    return {key: member[key] for key in ("job", "index", "host") if key in member}


def feed_group(feed):
    return "tfos-feed-" + (feed if isinstance(feed, str) else feed["name"])


def emit_line(event):
    print("@tfos " + json.dumps(event), flush=True)


def unknown_version(plan):
    """The verdict on a plan that this driver cannot read; None: it can."""
    if plan.get("version") == PLAN_VERSION:
        return None
    cause = (
        f"the plan has version {plan.get('version')}, and this driver reads version "
        f"{PLAN_VERSION}: "
        "remove other copies of the Python package tfos from PYTHONPATH and spark.submit.pyFiles"
    )
    return {"event": "verdict", "code": exits.USAGE, "phase": "submit", "cause": cause}


def no_context(err, conf):
    """The verdict when there is no SparkContext: no reservation server has one."""
    host = conf.get("spark.driver.host", "this machine's own name")
    cause = f"the SparkContext could not start: {innermost_cause(err, host)}"
    return {"event": "verdict", "code": exits.NO_SPARK, "phase": "submit", "cause": cause}


def end_with_parent():
    """End this process when the JVM that started it is gone: its end of our input closes."""

    def watch():
        while os.read(0, 4096):
            pass
        os._exit(143)

    threading.Thread(target=watch, name="tfos-parent", daemon=True).start()


def main():
    with open(sys.argv[1]) as file:
        plan = json.load(file)
    end_with_parent()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))  # until there is a run to stop
    emit_line({"event": "driver", "pid": os.getpid()})
    if refused := unknown_version(plan):
        emit_line(refused)
        sys.exit(1)
    SparkContext._ensure_initialized()  # else SparkConf knows nothing of spark-submit's settings
    conf = SparkConf()
    log = None if plan["local"] else open_log(SparkContext._jvm)
    sources = prepare(plan, conf) if conf.contains(CORES_CONF) else {}
    try:
        spark = SparkSession.builder.config(conf=conf).getOrCreate()
    except Exception as err:  # whatever Spark throws
        emit_line(no_context(err, conf))
        raise
    sc = spark.sparkContext
    emit_line(
        {
            "event": "context",
            "application": sc.applicationId,
            "master": sc.master,
            "spark_version": sc.version,
            "tracking_url": sc.uiWebUrl or "",
        }
    )
    job = Run(sc, plan, emit_line, sources, log)
    signal.signal(signal.SIGTERM, lambda *_: job.stop("interrupted"))
    verdict = job.loop()
    spark.stop()
    sys.exit(0 if verdict["code"] == 0 else 1)
