"""Real servers of remote stores on this machine: HDFS, S3 (moto), GCS, Azure Blob.

scripts/stores.sh installs and starts them, and scripts/yarn.sh YARN, once a benchmark, and stops
them at its end. They share the CPUs with what is measured, unless a case pins them.
"""

import atexit
import functools
import os
import pathlib
import re
import subprocess
import urllib.request

import usage
from case import DidNotRun
from environments import HOME, ROOT
from processes import SECONDS, run

KEY, SECRET, REGION, BUCKET = "TFOSBENCH", "tfos-bench-secret", "us-east-1", "tfos-bench"
ADDRESSES = (
    "TFOS_TEST_S3",
    "TFOS_TEST_GCS",
    "TFOS_TEST_AZURE",
    "TFOS_TEST_HDFS",
    "TFOS_TEST_HDFS_SOCKET",
    "TFOS_TEST_HADOOP_NATIVE",
)
# Words of their command lines.
HDFS_SERVERS = ("org.apache.hadoop.hdfs.server.namenode.NameNode", "LocalDataNode.java")
# moto colours the lines of errors.
_REQUEST = re.compile(rf'"(?:\x1b\[\d+m)*(?:GET|HEAD|PUT|POST|DELETE) /{BUCKET}[/?]')


@functools.cache
def addresses():
    """{name of ADDRESSES: address} of the servers, which are started at the first call.

    DidNotRun: one of them did not start.
    """
    found = _started("stores.sh", "^TFOS_TEST_", ADDRESSES)
    request = urllib.request.Request(f"{found['TFOS_TEST_S3']}/{BUCKET}", method="PUT")
    urllib.request.urlopen(request).close()
    return found


YARN = ("HADOOP_CONF_DIR", "SPARK_CONF_DIR", "SPARK_LOCAL_IP")


@functools.cache
def yarn():
    """The environment of a real YARN and HDFS, which are started at the first call.

    DidNotRun: one of them did not start.
    """
    return _started("yarn.sh", f"^({'|'.join(YARN)})=", YARN)


KUBERNETES = ("KUBECONFIG", "TFOS_TEST_K8S_CONF")


@functools.cache
def kubernetes():
    """(environment, command) of a real Kubernetes, which is started at the first call: what runs
    there begins with the command, which enters the cluster's network.

    DidNotRun: it did not start.
    """
    given = {name: os.environ[name] for name in KUBERNETES if name in os.environ}
    if len(given) == len(KUBERNETES):
        return given, []
    found = _started("k8s.sh", f"^({'|'.join(KUBERNETES)}|PATH|PID)=", KUBERNETES)
    return found, ["nsenter", f"--net=/proc/{found.pop('PID')}/ns/net", "--"]


def _started(script, pattern, names):
    """The variables that match pattern in a command of script, which has servers meanwhile.
    PID is that of the command.

    names: those that must be there, and are not taken from the environment.
    """
    HOME.mkdir(exist_ok=True)
    log = HOME / f"{script}.log"
    # The servers end with the command, and the command ends with its standard input.
    say = f"export PID=$$; env | grep -E '{pattern}'; echo; exec cat"
    environ = {name: value for name, value in os.environ.items() if name not in names}
    with open(log, "w") as errors:
        child = subprocess.Popen(
            [ROOT / "scripts" / script, "sh", "-c", say],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    atexit.register(_stop, child)
    found = {}
    while line := child.stdout.readline().strip():
        name, _, value = line.partition("=")
        found[name] = value
    missing = [name for name in names if name not in found]
    if missing:
        raise DidNotRun(f"scripts/{script} did not set {', '.join(missing)}: see {log}")
    return found


def _stop(child):
    child.stdin.close()
    child.wait(SECONDS)


def environment(short_circuit=True):
    """What a process needs in its environment to use the stores.

    short_circuit: HDFS's clients of this host may read blocks from their files. Spark needs
    Hadoop's native library for it.
    """
    conf = HOME / ("stores.conf" if short_circuit else "stores.network.conf")
    conf.mkdir(parents=True, exist_ok=True)
    found = addresses()
    settings = {
        "dfs.client.read.shortcircuit": str(short_circuit).lower(),
        "dfs.domain.socket.path": found["TFOS_TEST_HDFS_SOCKET"],
        "fs.s3a.endpoint": found["TFOS_TEST_S3"],
        "fs.s3a.endpoint.region": REGION,
        "fs.s3a.path.style.access": "true",
        "fs.s3a.access.key": KEY,
        "fs.s3a.secret.key": SECRET,
    }
    text = "".join(
        f"<property><name>{name}</name><value>{value}</value></property>"
        for name, value in settings.items()
    )
    (conf / "core-site.xml").write_text(f"<configuration>{text}</configuration>")
    native = found["TFOS_TEST_HADOOP_NATIVE"]
    return {"HADOOP_CONF_DIR": str(conf), "LD_LIBRARY_PATH": native, **found}


def folder(store):
    """The URL of a folder of its own in a store: hdfs or s3."""
    if store == "s3":
        return f"s3://{BUCKET}/bench"
    return f"{addresses()['TFOS_TEST_HDFS']}/bench"


@functools.cache
def copied(store, path):
    """The URL of a copy of a local folder, which is copied once a benchmark."""
    url = f"{folder(store)}/{path.name}"
    {"s3": _to_s3, "hdfs": _to_hdfs}[store](path, url)
    return url


def _to_s3(path, url):
    import pyarrow.fs

    scheme, _, host = addresses()["TFOS_TEST_S3"].partition("://")
    s3 = pyarrow.fs.S3FileSystem(
        access_key=KEY, secret_key=SECRET, endpoint_override=host, scheme=scheme, region=REGION
    )
    to = url.removeprefix("s3://")
    pyarrow.fs.copy_files(str(path), to, destination_filesystem=s3, use_threads=False)


def _to_hdfs(path, url):
    import pyspark

    jars = pathlib.Path(pyspark.__file__).parent / "jars"
    shell = f"{environment()['HADOOP_CONF_DIR']}:{jars}/*"
    argv = ["java", "-cp", shell, "org.apache.hadoop.fs.FsShell"]
    log = HOME / "hdfs-put.log"
    run([*argv, "-mkdir", "-p", folder("hdfs")], log)
    run([*argv, "-rm", "-r", "-f", url], log)  # -put would copy into a folder that is there
    run([*argv, "-put", path, url], log)


def s3_requests():
    """How many requests for the bucket S3 has answered so far, as its log has them."""
    log = pathlib.Path(f"/proc/{s3_process()}/fd/1")  # a line a request
    return requests_in(log.read_text(errors="replace"))


def requests_in(log):
    """The requests for the bucket in a log of moto."""
    return len(_REQUEST.findall(log))


def s3_process():
    """The process id of the server of S3."""
    port = addresses()["TFOS_TEST_S3"].rpartition(":")[2]
    for entry, words in _processes():
        if any(word.endswith("/moto_server") for word in words) and port in words:
            return int(entry.name)
    raise DidNotRun("the process of the server of S3 was not found")


def hdfs_cpu():
    """CPU seconds of the name node and the data node so far."""
    run_folder = str(ROOT / ".stores" / "run-")
    found = [
        usage.cpu_seconds(entry)
        for entry, words in _processes()
        if any(w.endswith(HDFS_SERVERS) for w in words) and any(run_folder in w for w in words)
    ]
    if len(found) != len(HDFS_SERVERS):
        raise DidNotRun(f"{len(found)} servers of HDFS were found, not {len(HDFS_SERVERS)}")
    return sum(found)


def _processes():
    """(folder in /proc, words of its command line) of all processes."""
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            yield entry, _command(entry)


def _command(entry):
    try:
        return (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []  # it has ended
