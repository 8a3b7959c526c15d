// Package kerberos finds the credentials of this process: a keytab or a ticket cache.
//
// In: the settings and the environment that Spark and Java's tools read. Out: a client that
// gets tickets, for HDFS (internal/store) and for the web services of YARN. It reads files and
// asks the realm's Kerberos server. It never writes a ticket cache.
package kerberos
