// Package yarn asks a YARN cluster about an application, and ends it, by the web services of
// its ResourceManager and NodeManagers.
//
// In: the properties of core-site.xml and yarn-site.xml, the environment, and the tag or the id
// of an application. Out: an Application with its state and what YARN says of it, the
// scheduler's words for an application that waits, and the last lines of a container's logs.
// It starts nothing: spark-submit does.
//
// A ResourceManager that does not answer is asked again for a while, and then is one error.
// With several ResourceManagers the active one is found. Kerberos is used where a server asks
// for it.
//
// Terms (Hadoop's own): an application runs in containers. The first is that of its application
// master (AM). A NodeManager runs the containers of a host. A queue has a share of the cluster.
package yarn
