"""What makes a partition the same in two runs, on objects that look like Spark's."""

from types import SimpleNamespace

import pytest
from py4j.protocol import Py4JError
from tfos import partitions
from tfos.exits import InputError


class Java:
    """A Java object: its attributes are methods without arguments."""

    def __init__(self, kind, **values):
        simple = kind.rsplit(".", 1)[-1]
        names = SimpleNamespace(getName=lambda: kind, getSimpleName=lambda: simple)
        self.getClass = lambda: names
        for name, value in values.items():
            setattr(self, name, lambda value=value: value)


class Seq(list):
    size = list.__len__
    apply = list.__getitem__


def file(path="file:/a", start=0, length=10, size=100, modified=7, values="[d1]"):
    return Java(
        "PartitionedFile",
        filePath=Text(path),
        start=start,
        length=length,
        fileSize=size,
        modificationTime=modified,
        partitionValues=Text(values),
    )


class Text(str):
    def toString(self):
        return str(self)


def digest(*files, within=None):
    partition = Java("FilePartition", files=list(files))
    if within:
        partition = within(partition)
    return partitions._digest(partitions._files(partition), {})


def of_spark_3(partition):
    return Java("DataSourceRDDPartition", inputPartitions=Seq([partition]))


def of_spark_4(partition):
    found = Java("DataSourceRDDPartition", inputPartition=Java("Some", toList=Seq([partition])))
    found.inputPartitions = no_such_method
    return found


def no_such_method():
    raise Py4JError("Method inputPartitions([]) does not exist")


def test_a_partition_is_what_it_reads():
    both = digest(file(), file("file:/b"))
    assert both == digest(file("file:/b"), file())  # which first is Spark's to choose
    for within in (of_spark_3, of_spark_4):
        assert both == digest(file(), file("file:/b"), within=within)
    others = [
        digest(file()),
        digest(file("file:/b")),
        digest(file(start=10)),
        digest(file(length=11)),
        digest(file(size=101)),
        digest(file(modified=8)),
        digest(file(values="[d2]")),
        digest(),
        both,
    ]
    assert len(set(others)) == len(others)


def scan(index="org.apache.spark.sql.execution.datasources.InMemoryFileIndex"):
    relation = Java("HadoopFsRelation", location=Java(index))
    return Java("FileSourceScanExec", relation=relation, nodeName="Scan parquet ")


def over(node, *kinds):
    for kind in kinds:
        node = Java(kind, children=Seq([node]), nodeName=kind.removesuffix("Exec"))
    return node


def test_the_scan_is_found_below_narrow_operators():
    one = scan()
    chain = ["ColumnarToRowExec", "InputAdapter", "FilterExec", "ProjectExec", "GenerateExec"]
    assert partitions._scan(over(one, *chain, "WholeStageCodegenExec")) is one
    adaptive = Java("AdaptiveSparkPlanExec", executedPlan=over(one, "ProjectExec"))
    assert partitions._scan(adaptive) is one
    second = Java(
        "BatchScanExec",
        scan=Java("org.apache.spark.sql.execution.datasources.v2.orc.OrcScan"),
        nodeName="BatchScan",
    )
    assert partitions._scan(second) is second


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (over(scan(), "ProjectExec", "SortMergeJoinExec"), "has the operator SortMergeJoin, so"),
        (over(scan(), "ShuffleExchangeExec", "ProjectExec"), "the operator ShuffleExchange"),
        (over(Java("RDDScanExec", nodeName="Scan JDBC"), "FilterExec"), "the operator Scan JDBC"),
        (scan("org.apache.spark.sql.delta.files.TahoeLogFileIndex"), "no plain files for Spark"),
        (
            Java(
                "BatchScanExec",
                scan=Java("org.apache.iceberg.spark.source.SparkBatchQueryScan"),
                nodeName="BatchScan db.t",
            ),
            "no plain files for Spark (BatchScan db.t)",
        ),
    ],
)
def test_others_are_refused_by_name(plan, says):
    with pytest.raises(InputError) as refused:
        partitions._scan(plan)
    assert refused.value.code == 2
    assert says in str(refused.value)
    assert "write its result to files first" in str(refused.value)


def test_unknown_partitions_are_refused():
    with pytest.raises(InputError, match="reads no files"):
        partitions._files(Java("JDBCPartition"))


def query(plan, deterministic=True):
    analyzed = Java("Project", deterministic=deterministic)
    return Java("QueryExecution", analyzed=analyzed, executedPlan=plan)


def test_only_settled_rows_are_repeatable():
    """Of other queries a feed task that runs again must not send the rest of a partition."""
    assert partitions.repeatable(query(over(scan(), "FilterExec", "ProjectExec")))
    assert not partitions.repeatable(query(scan(), deterministic=False))
    for plan in (
        over(scan(), "ShuffleExchangeExec", "ProjectExec"),
        over(scan(), "SampleExec"),
        Java("RowDataSourceScanExec", nodeName="Scan JDBCRelation(t)"),  # no Exchange, no order
        Java("InMemoryTableScanExec", nodeName="InMemoryTableScan"),
    ):
        assert not partitions.repeatable(query(plan))


def test_a_file_named_exchange_is_repeatable():
    """The name of a file or a column is no operator."""
    named = scan()
    named.toString = lambda: "FileScan parquet [Exchange#1] Location: [file:/Exchange]"
    assert partitions.repeatable(query(over(named, "ProjectExec")))
