import java.io.File;
import java.net.URLClassLoader;
import java.net.URL;
import java.util.Collections;
import java.util.List;
import java.util.ArrayList;
import org.apache.hadoop.yarn.conf.HAUtil;
import org.apache.hadoop.yarn.conf.YarnConfiguration;

/** Prints for each folder of its arguments FOLDER HOST:PORT...: where Hadoop's client finds ResourceManagers. */
public class Managers {
    public static void main(String[] folders) throws Exception {
        for (String folder : folders) {
            ClassLoader loader = new URLClassLoader(new URL[] {new File(folder).toURI().toURL()}, Managers.class.getClassLoader());
            Thread.currentThread().setContextClassLoader(loader);
            YarnConfiguration conf = new YarnConfiguration();
            List<String> ids = new ArrayList<>(Collections.singletonList(""));
            if (HAUtil.isHAEnabled(conf)) {
                ids = new ArrayList<>(HAUtil.getRMHAIds(conf));
            }
            StringBuilder found = new StringBuilder(folder);
            for (String id : ids) {
                YarnConfiguration one = new YarnConfiguration(conf);
                if (!id.isEmpty()) {
                    one.set(YarnConfiguration.RM_HA_ID, id);
                }
                java.net.InetSocketAddress at = one.getSocketAddr(YarnConfiguration.RM_ADDRESS,
                    YarnConfiguration.DEFAULT_RM_ADDRESS, YarnConfiguration.DEFAULT_RM_PORT);
                found.append(" " + at.getHostString() + ":" + at.getPort());
            }
            System.out.println("FOUND " + found);
        }
    }
}
