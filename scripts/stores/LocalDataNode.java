import org.apache.hadoop.hdfs.server.datanode.DataNode;
import org.apache.hadoop.net.unix.DomainSocket;

/** A data node whose Unix socket may be below a folder that others can write to, as /tmp. For tests. */
public class LocalDataNode {
  public static void main(String[] args) {
    DomainSocket.disableBindPathValidation();
    DataNode.main(args);
  }
}
