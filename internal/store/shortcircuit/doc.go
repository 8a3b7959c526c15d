// Package shortcircuit reads blocks of HDFS from the files of a data node on this host.
//
// Comes in: how to connect to data nodes, and the properties of Hadoop's clients
// (dfs.client.read.shortcircuit, dfs.domain.socket.path). Goes out: connections to data
// nodes, as the client's library wants them. On a connection to a data node of this host, a
// request to read a block is not sent. The data node is asked for the descriptors of the
// block's file and of its checksums instead, through its Unix socket, and the connection
// answers as the data node would, with bytes from the file.
//
// Everything else goes to the data node as before: other requests, data nodes of other
// hosts, encrypted connections, and blocks whose descriptors the data node does not give.
// Bytes are handed out only after their checksums were compared, except with
// dfs.client.read.shortcircuit.skip.checksum. The read of a block that does not pass, or is
// too short, fails. The next one goes to the data node.
//
// The package uses no shared memory with data nodes (their slots are optional). A data node
// may delete or append to a block that is read here: the descriptors keep a deleted file, and
// an append changes checksums only of the last chunk, which then fails as above.
//
// The messages are those of Hadoop's datatransfer.proto and hdfs.proto.
package shortcircuit
