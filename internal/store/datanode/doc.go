// Package datanode connects to data nodes of HDFS, and reads blocks there, or from their
// files.
//
// Comes in: how to connect, and the properties of Hadoop's clients for short-circuit reads
// (dfs.client.read.shortcircuit, dfs.domain.socket.path). Goes out: connections to data
// nodes, as the client's library wants them. A connection sees a request to read a block,
// and answers it itself, in one of two ways:
//
//   - Short-circuit. The data node of this host is asked, through its Unix socket, for the
//     descriptors of the block's file and of its checksums. The bytes are read from there.
//   - Over the network. The request goes to the data node, whose packets are read.
//
// Either way a byte is handed out only after the checksum of its chunk was compared, and the
// client's library gets packets without checksums. The library compares checksums too, but
// hands out a wrong chunk without an error (colinmarc/hdfs 2.4.0: BlockReader.Read drops the
// error of blockReadStream.Read where bytes came with it).
//
// Everything else passes unseen: other requests, and connections that are encrypted, which
// the library does above the connection.
//
// A block whose data node gives no descriptors is read over the network. A read of a file
// that is too short, or that a checksum does not fit, fails. The block's next read goes over
// the network. The package uses no shared memory with data nodes (their slots are optional).
// A data node may delete or append to a block meanwhile: descriptors keep a deleted file, and
// an append changes checksums only of the last chunk, which then fails as above.
//
// The messages are those of Hadoop's datatransfer.proto and hdfs.proto.
package datanode
