"""The members: one Spark job, whose tasks each are one `tfos-node run` (JavaRDD.pipe)."""

import itertools
import json

from tfos.pipe import java_list

MEMBERS_GROUP = "tfos-members"
CORES_CONF = "spark.executor.cores"  # not set on local[n], whose executor is the driver


def assignment(config, member, ready, folder, storage):
    """The line that tells a task which member it is (docs/protocols.md section 4).

    config: the plan's node; ready: the reservation server's event; folder: of the job's files;
    storage: of storage.py, or None.
    """
    return json.dumps(
        {
            "config": config,
            "job": member["job"],
            "index": member["index"],
            "feeds": member.get("feeds") or [],
            "server": ready["address"],
            "ca": ready["ca"],
            "cert": ready["cert"],
            "key": ready["key"],
            "token": ready["token"],
            "files": folder,
            "storage": storage,
        }
    )


def run_members(sc, plan, lines, places, folder):
    """Place one `tfos-node run` a line, and wait for all of them. Raises what Spark throws."""
    jvm = sc._jvm
    sc.setJobGroup(MEMBERS_GROUP, f"tfos members of {plan['name']}")
    rdd = placed(sc, lines, places).pipe(
        java_list(jvm, [f"{folder}/tfos-node", "run"]), jvm.java.util.HashMap()
    )
    gpus = plan.get("task_gpus", 0)
    if plan["task_cpus"] > 1 or gpus:
        request = jvm.org.apache.spark.resource.TaskResourceRequests().cpus(plan["task_cpus"])
        if gpus:  # all of an executor's: two members that need GPUs never share one
            request = request.resource("gpu", float(gpus))
        profile = jvm.org.apache.spark.resource.ResourceProfileBuilder().require(request)
        rdd = rdd.withResources(profile.build())
    rdd.collect()


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
