"""What Spark is given to read: the files and folders that a path of the job file names.

`tfos-node paths` matches paths on this machine, by the rules of files that tfos reads itself: **
stands for every depth, a name with brackets may be a file's own, and hidden names are left out.
Elsewhere (hdfs://, s3a://, a cluster's default file system) Hadoop matches, which has no **.
"""

import json
import re
import subprocess
from typing import NamedTuple

from py4j.protocol import Py4JError

EVERY_DEPTH = "recursiveFileLookup"
WILD = re.compile(r"[{}\[\]*?\\]")
URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")
# Formats of files that Spark itself knows; others may give folders a meaning of their own.
FILES = ("avro", "binaryfile", "csv", "json", "orc", "parquet", "text", "tfrecord", "xml")
# Options that choose files: which columns their folders have only Spark knows then.
CHOOSING = ("modifiedafter", "modifiedbefore", "pathglobfilter", "recursivefilelookup")


class PathError(Exception):
    """A path that names nothing, or that Spark does not read as it is meant."""


class Found(NamedTuple):
    """Paths for Spark's reader, and whether it must be told to read files at every depth."""

    paths: list
    flat: bool | None  # folders' names have no columns; None: Spark has to be asked


def load(spark, feed, reader, node_binary):
    """The DataFrame of a feed's path. Without columns in folders' names Spark by itself leaves out
    files that are not right in the folder that it is given."""
    found = find(spark, feed, node_binary)
    where = found.paths[0] if len(found.paths) == 1 else found.paths
    if found.flat:
        return reader.option(EVERY_DEPTH, "true").load(where)
    frame = reader.load(where)
    if found.flat is None and _is_flat(frame):
        frame = reader.option(EVERY_DEPTH, "true").load(where)
    return frame


def find(spark, feed, node_binary):
    """What a feed's path names, a Found. feed: with path, format and options."""
    path = for_spark(spark, feed["path"])
    options = {name.lower(): value for name, value in (feed.get("options") or {}).items()}
    folders = feed["format"].lower() in FILES and not any(name in options for name in CHOOSING)
    if URL.match(path) or not _default_is_local(spark):
        return Found(_on_hadoop(spark, path), None if folders else False)
    if not (folders or WILD.search(path)):
        return Found([path], False)
    question = {"path": path, "options": options, "folders": folders}
    asked = subprocess.run(
        [node_binary, "paths"], input=json.dumps(question), capture_output=True, text=True
    )
    if asked.returncode != 0:
        raise PathError(asked.stderr.strip() or f"tfos-node paths: exit {asked.returncode}")
    found = json.loads(asked.stdout)
    return Found([escape(one) for one in found["paths"]], found["flat"])


def for_spark(spark, path):
    """A path of the job file as Spark takes it. Of S3 Hadoop knows s3a:// alone: s3:// becomes
    that, unless this Hadoop has a file system of that name, as on EMR.
    """
    scheme, found, rest = path.partition("://")
    if not found or scheme.lower() != "s3":
        return path
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    try:
        spark._jvm.org.apache.hadoop.fs.FileSystem.getFileSystemClass("s3", hadoop)
    except Py4JError:  # UnsupportedFileSystemException
        return f"s3a://{rest}"
    return path


def _is_flat(frame):
    """Whether Spark has read files, and has found no columns in their folders' names."""
    try:
        relation = frame._jdf.queryExecution().analyzed().relation()
        return relation.partitionSchema().length() == 0
    except Py4JError:  # no relation of files
        return False


def escape(path):
    """A path that exists, as a pattern of Hadoop's that names it alone."""
    return WILD.sub(r"\\\g<0>", path)


def _default_is_local(spark):
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    return (hadoop.get("fs.defaultFS") or "file:///").startswith("file:")


def _on_hadoop(spark, pattern):
    names = pattern.split("/")
    if "**" in names:
        raise PathError(
            f"{pattern}: Hadoop's patterns have no ** (it would be one *): "
            "name each depth, as in {*,*/*}/*.parquet"
        )
    if not WILD.search(pattern) or any("{" in name and "}" not in name for name in names):
        return [pattern]  # no pattern, or one with a slash in its braces
    jvm, hadoop = spark._jvm, spark.sparkContext._jsc.hadoopConfiguration()
    path = jvm.org.apache.hadoop.fs.Path(pattern)
    found = path.getFileSystem(hadoop).globStatus(path) or []
    matches = [str(status.getPath().toString()) for status in found]
    seen = [one for one in matches if not _hidden_match(names, one.split("/"))]
    if len(seen) == len(matches):
        return [pattern]
    if not seen:
        raise PathError(f"{pattern}: matches hidden names only")
    return [escape(one) for one in seen]


def _hidden_match(patterns, names):
    """Whether a name that a wildcard has matched is hidden, and not asked for by its first sign."""
    for pattern, name in zip(reversed(patterns), reversed(names), strict=False):
        if not WILD.search(pattern):
            continue
        hidden = name.startswith(".") or (name.startswith("_") and "=" not in name)
        if hidden and not pattern.lstrip("\\").startswith(name[0]):
            return True
    return False
