package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Classes of Hadoop's servers.
const (
	nameNodeClass = "org.apache.hadoop.hdfs.server.namenode.NameNode"
	dataNodeClass = "org.apache.hadoop.hdfs.server.datanode.DataNode"
)

// hadoopServers are servers of a test, which it may kill.
type hadoopServers struct {
	t       *testing.T
	folder  string
	jars    string
	options []string // of each Java process
	servers map[string]*exec.Cmd
}

// newServers makes the folder of a test's servers. They end with the test.
func newServers(t *testing.T) *hadoopServers {
	t.Helper()
	c := &hadoopServers{t: t, folder: t.TempDir(), jars: remoteServer(t, "TFOS_TEST_HADOOP_JARS"), servers: map[string]*exec.Cmd{}}
	t.Cleanup(func() {
		for name := range c.servers {
			c.kill(name)
		}
	})
	return c
}

// configure writes the servers' configuration.
func (c *hadoopServers) configure(properties ...Settings) {
	c.t.Helper()
	site := Settings{ // ports that are free, and servers that need no web pages
		"dfs.datanode.address": "127.0.0.1:0", "dfs.datanode.http.address": "127.0.0.1:0", "dfs.datanode.ipc.address": "127.0.0.1:0",
		"dfs.namenode.safemode.extension": "0", "dfs.namenode.resource.du.reserved": "1048576", "hadoop.tmp.dir": c.folder + "/tmp",
	}
	for _, more := range properties {
		for name, value := range more {
			site[name] = value
		}
	}
	var xml strings.Builder
	xml.WriteString("<configuration>")
	for name, value := range site {
		fmt.Fprintf(&xml, "<property><name>%s</name><value>%s</value></property>", name, value)
	}
	xml.WriteString("</configuration>")
	for name, text := range map[string]string{
		// The defaults of dfs.* come after core-site.xml, and before hdfs-site.xml.
		"conf/core-site.xml": xml.String(), "conf/hdfs-site.xml": xml.String(),
		"conf/webapps/hdfs/empty": "", "conf/webapps/datanode/empty": "",
		"conf/log4j.properties": "log4j.rootLogger=WARN,c\nlog4j.appender.c=org.apache.log4j.ConsoleAppender\nlog4j.appender.c.layout=org.apache.log4j.SimpleLayout\n",
	} {
		path := filepath.Join(c.folder, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			c.t.Fatal(err)
		}
	}
}

// freePorts returns addresses of this machine that nobody listens on. Clients do not get
// these ports meanwhile: theirs are from 32768 on.
func freePorts(t *testing.T, n int) (addresses []string) {
	t.Helper()
	for len(addresses) < n {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000)))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}

// java returns a command that runs a class of Hadoop.
func (c *hadoopServers) java(class string, args ...string) *exec.Cmd {
	all := append([]string{"-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", c.folder + "/conf:" + c.jars + "/*"}, c.options...)
	command := exec.Command("java", append(append(all, class), args...)...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return command
}

func (c *hadoopServers) run(class string, args ...string) {
	c.t.Helper()
	if out, err := c.java(class, args...).CombinedOutput(); err != nil {
		c.t.Fatalf("%s: %v: %s", class, err, out)
	}
}

func (c *hadoopServers) start(name, class string, args ...string) {
	c.t.Helper()
	command := c.java(class, args...)
	log, err := os.Create(filepath.Join(c.folder, name+".log"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.servers[name] = command
}

// kill ends a server with SIGKILL.
func (c *hadoopServers) kill(name string) {
	command := c.servers[name]
	delete(c.servers, name)
	_ = errors.Join(command.Process.Kill(), command.Wait()) // it was killed, says Wait
}

// awaitWritable waits until data nodes have registered.
func awaitWritable(t *testing.T, store func() HDFS, path string) {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(time.Second) {
		s := store()
		s.retry.total = 10 * time.Second
		err := writeIn(s, path, []byte("x"))
		if err == nil {
			return
		}
		t.Logf("not writable yet: %v", err)
		if time.Since(begin) > 3*time.Minute {
			t.Fatal(err)
		}
	}
}
