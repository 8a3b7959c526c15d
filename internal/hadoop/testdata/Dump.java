import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkConf;
import org.apache.spark.deploy.SparkHadoopUtil;

/** Prints each property of its arguments, NAME=VALUE, as Spark's driver has it. */
public class Dump {
    public static void main(String[] names) throws Exception {
        Class.forName("org.apache.hadoop.hdfs.HdfsConfiguration").getMethod("init").invoke(null);
        Configuration conf = SparkHadoopUtil.get().newConfiguration(new SparkConf());
        for (String name : names) {
            String value = conf.get(name);
            System.out.println("DUMP " + name + "=" + (value == null ? "" : value.replace("\\", "\\\\").replace("\n", "\\n")));
        }
    }
}
