// Package hadoop reads Hadoop's configuration as Spark does, without Java.
//
// Comes in: the environment, core-site.xml, hdfs-site.xml and yarn-site.xml,
// spark-defaults.conf, and the job's spark.conf. Goes out: a Configuration, and the properties
// of it that stores read.
// The package only reads files. It never prints or logs a value, because values may be
// secrets.
//
// The values are those that Hadoop's own org.apache.hadoop.conf.Configuration returns for
// the same files; a test compares them. Not here: the values of core-default.xml and
// hdfs-default.xml. A property that no file sets is empty.
//
// Terms:
//   - Property: a name and a value.
//   - Final: a file says that files read later cannot change this property. Spark's
//     spark.hadoop.* settings can.
//   - Credential provider: a keystore (jceks) with secrets. Package hadoop does not read it.
//     Stores name it where credentials are missing.
package hadoop
