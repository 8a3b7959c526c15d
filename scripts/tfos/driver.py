"""One run inside a SparkContext (start.py makes it).

One queue carries everything that happens (the reservation server's events, Spark jobs that
end, a signal) to one loop in the main thread: `Run.loop`.
"""

import queue

from pyspark import InheritableThread, SparkFiles

from tfos import exits, inputs, predictions, storage
from tfos.causes import first_cause, first_line, with_words
from tfos.executors import Executors, open_log
from tfos.members import MEMBERS_GROUP, assignment, run_members, slots
from tfos.reservation import Reservation

MANAGER_SECONDS = 5  # YARN's AM hears of its containers every 3 s
CLOSE_SECONDS = 10  # beyond a lease: what the reservation server needs to clean up


def uses_stores(plan, sc):
    """Whether members reach a store: a path is a URL, or model_dir is on a default file system
    that is one (node.ModelConfig)."""
    default_fs = sc._jsc.hadoopConfiguration().get("fs.defaultFS") or "file:///"
    in_default = plan["node"].get("model") and not default_fs.startswith("file:")
    return bool(plan.get("stores") or in_default)


class Run:
    """A run of a plan (docs/protocols.md section 1): `loop` returns its verdict."""

    def __init__(self, sc, plan, emit, sources=None, log=None):
        """emit: called with each event for the launcher (section 2), from the thread of loop.

        sources: inputs.Source of the feeds, by name, as far as they are known.
        log: executors.ExecutorLog since before sc; None: what comes is logged.
        """
        self.sc, self.plan, self.emit = sc, plan, emit
        self.sources = sources or {}
        self.predict = plan.get("predict")  # the feed that Spark predicts; None: members take feeds
        self.storage = storage.of_context(sc) if uses_stores(plan, sc) else None
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
        return [self.predict] if self.predict else self.plan.get("feeds") or []

    @property
    def resumes(self):
        """Whether Spark predicts only the partitions that no earlier run has finished."""
        return bool(self.predict and self.predict.get("resume"))

    @property
    def predictions(self):
        return self.inputs[self.predict["name"]]

    @property
    def folder(self):
        """Where the job's files are, as seen by tasks."""
        return SparkFiles.getRootDirectory() if self.plan["local"] else "."

    def loop(self):
        host = self.sc.getConf().get("spark.driver.host")
        self.reservation = Reservation(
            self.plan["node_binary"], self.plan["reserve"], host, self.events, self.storage
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
        if name == "in_place":
            self.predict.update(output=event["path"], in_place=True)
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
            event = self.verdict = self.explain(event)
        self.emit(event)

    def explain(self, verdict):
        """The verdict on a lost member, with what the cluster manager says of its container."""
        member_lost = verdict.get("retryable") and verdict.get("member") and self.formed
        if not (member_lost and self.sc.master.startswith(("yarn", "k8s://"))):
            return verdict
        try:
            words = self.executors.last_death(MANAGER_SECONDS)
        except Exception as err:  # whatever Spark throws: the verdict stands without it
            self.emit({"event": "warning", "message": f"why it died: {first_line(err)}"})
            return verdict
        return with_words(verdict, words)

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
        if self.plan["deploy_mode"] != "cluster":  # there spark-submit has shipped them
            for path in self.plan["files"]:
                self.sc.addFile(path)
        if "context" in self.plan["node"]:
            hadoop = self.sc._jsc.hadoopConfiguration()
            self.plan["node"]["context"]["default_fs"] = hadoop.get("fs.defaultFS")
        lines = [
            assignment(self.plan["node"], member, self.ready, self.folder, self.storage)
            for member in self.plan["reserve"]["members"]
        ]
        self.start(self.run_members, lines)

    def on_feed_end(self, end):
        """One epoch's Spark job has ended well; its tasks may have found bad data."""
        results = end.pop("results")
        errors = [row.error for row in results if row.error]
        stopped = any(row.note for row in results)
        if errors:
            self.reservation.send("fail", code=exits.BAD_DATA, phase="feed", cause=errors[0])
        elif end["rows"] == 0 and not stopped and not self.predict:
            cause = f"feed {end['feed']}: the input has no row"
            self.reservation.send("fail", code=exits.BAD_DATA, phase="feed", cause=cause)
        else:
            self.reservation.send("feed_end", **end, stopped=stopped)

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

    def run_members(self, lines):
        try:
            run_members(self.sc, self.plan, lines, self.places, self.folder)
        except Exception as err:  # whatever Spark throws: the verdict is the server's
            self.events.put(("spark_failed", {"phase": "members", "cause": first_cause(err)}))

    @property
    def slots(self):
        return slots(self.plan, self.sc.getConf(), self.sc.defaultParallelism)

    def find_input(self, feed):
        def warn(message):
            self.events.put(("warning", message))

        if feed is self.predict:
            return predictions.find(
                self.sc,
                feed,
                self.plan["node_binary"],
                self.slots,
                lambda table: self.events.put(("contract", table)),
                self.storage,
            )
        source = self.sources.get(feed["name"])
        source = source or inputs.Source(feed, self.plan["node_binary"], self.slots, self.storage)
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


def public(member):
    return {key: member[key] for key in ("job", "index", "host") if key in member}


def feed_group(feed):
    return "tfos-feed-" + (feed if isinstance(feed, str) else feed["name"])
