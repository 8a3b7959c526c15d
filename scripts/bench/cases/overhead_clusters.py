"""What a whole job costs on a cluster, beside a bare application on the same one."""

import functools
import os
import pathlib
import subprocess
import time
import urllib.parse

import servers
from case import LIMIT, TFOS, Case, Ratio, Sample, Side
from jobs import PROGRAMS, by_tfos
from processes import peer

from cases.overhead import MEMBERS, ROWS, few

PYTHON = "/opt/venv/bin/python"  # of the image
# The address of a machine on its way to HOST PORT. Nothing is sent.
ADDRESS = """\
import socket, sys
way = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
way.connect((sys.argv[1], int(sys.argv[2])))
print(way.getsockname()[0])
"""


def yarn(folder):
    """(master, environment, command) of both sides: what runs on the cluster begins with the
    command."""
    return "yarn", servers.yarn(), []


def kubernetes(folder):
    """The same. Its pods see the folder and the rows."""
    env, within = servers.kubernetes()
    show = ["kubectl", "config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"]
    server = output(show, env)
    at = urllib.parse.urlsplit(server)
    settings = {
        "spark.driver.host": output(
            [*within, "python3", "-c", ADDRESS, at.hostname, str(at.port or 443)], env
        ),
        "spark.kubernetes.executor.request.cores": "0.1",
    }
    for name, path in {"bench": folder, "rows": few().parent}.items():
        volume = f"spark.kubernetes.executor.volumes.hostPath.{name}"
        settings[f"{volume}.mount.path"] = settings[f"{volume}.options.path"] = path
    site = folder / "conf"
    site.mkdir()
    lines = [f"{name} {value}\n" for name, value in settings.items()]
    image = pathlib.Path(env["TFOS_TEST_K8S_CONF"]).read_text()
    (site / "spark-defaults.conf").write_text(image + "".join(lines))
    folder.chmod(0o777)  # the user of pods is another
    env = {**env, "SPARK_CONF_DIR": str(site), "PYSPARK_PYTHON": PYTHON}
    return f"k8s://{server}", env, within


def output(argv, env):
    done = subprocess.run(
        argv, env={**os.environ, **env}, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def tfos(cluster, folder, settings):
    master, env, within = cluster(folder)
    out = [str(folder / "out"), str(folder / "export")]
    job = {
        "app": {"python": {"file": PROGRAMS / "nothing.py", "args": out}},
        "strategy": "independent",
        "cluster_size": MEMBERS,
        "input": {"path": f"file:{few()}"},
        "batch_size": 10,
        "resources": {"worker": {"memory": "512m"}},
        "spark": {"master": master},
    }
    begin = time.perf_counter()
    verdict = by_tfos(folder, job, env=env, within=within)
    seconds = time.perf_counter() - begin
    notes = {"versions": {"pyspark": verdict["spark"]}, "at": verdict["seconds"]}
    return Sample(seconds, [], notes)


def spark(cluster, folder, settings):
    master, env, within = cluster(folder)
    begin = time.perf_counter()
    found = peer(
        "pyspark", "overhead_spark.py", folder, env=env, within=within, master=master, rows=ROWS
    )
    return Sample(time.perf_counter() - begin, [], {"versions": found["versions"]})


def case(name, title, cluster):
    return Case(
        name=f"{name}.overhead",
        title=f"A whole job of 100 rows on 2 executors of {title}",
        row="784 float32 (tfos), 1 number (Spark)",
        counted="seconds; programs take their rows and do nothing, without importing TensorFlow",
        clock="From the command to its end, in client mode. cold is the only figure.",
        unit="s",
        sides=(
            Side(
                "tfos",
                TFOS,
                "tfos train: form, feed 100 rows, stop",
                functools.partial(tfos, cluster),
            ),
            Side(
                "spark",
                LIMIT,
                "an application with one count",
                functools.partial(spark, cluster),
            ),
        ),
        ratios=(Ratio(("tfos", "cold"), ("spark", "cold")),),
    )


CASES = (case("yarn", "YARN", yarn), case("kubernetes", "Kubernetes", kubernetes))
