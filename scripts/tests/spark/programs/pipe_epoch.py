"""A driver that runs one epoch of the feeder without Python; argv[1]: see test_feeder_pipe.py."""

import json
import sys

# This driver has neither: an import fails.
sys.modules.update(dict.fromkeys(["pyarrow", "pandas"]))


def main():
    from pyspark.sql import SparkSession
    from tfos import pipe

    order = json.loads(sys.argv[1])
    spark = SparkSession.builder.getOrCreate()
    frame = spark.sql(order["sql"]) if "sql" in order else spark.read.parquet(order["data"])
    to = order["members"], order["credentials"], order["folder"]
    rows = pipe.run_rows(spark, frame, order["feed"], 0, *to)
    python = "works"
    try:
        spark.sparkContext.parallelize([1], 1).map(str).collect()
    except Exception:
        python = "fails"
    print("@result " + json.dumps({"results": [row.asDict() for row in rows], "python": python}))
    spark.stop()


main()
