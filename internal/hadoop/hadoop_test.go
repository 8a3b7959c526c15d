package hadoop

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// written writes files into folders below a new folder, and returns it.
func written(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "@ROOT@", root)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// site has every feature of Hadoop's files.
var site = map[string]string{
	"hadoop/core-site.xml": `<?xml version="1.0"?>
<?xml-stylesheet type="text/xsl" href="configuration.xsl"?>
<!-- a comment -->
<configuration xmlns:xi="http://www.w3.org/2001/XInclude">
  <property><name>fs.default.name</name><value>hdfs://old</value></property>
  <property><name> fs.a.spaces </name><value>  inside and out </value></property>
  <property><name>fs.a.lines</name><value>
    hdfs://x
  </value></property>
  <property name="fs.a.attribute" value="of the element"/>
  <property><name>fs.a.final</name><value>first</value><final> true </final></property>
  <property><name>fs.a.final</name><value>second</value></property>
  <property><name>fs.a.sealed</name><value>first</value><final>true</final></property>
  <property><name>fs.a.sealed</name><value>second</value></property>
  <property><name>fs.a.emptied</name><value>first</value></property>
  <property><name>fs.a.emptied</name><value></value></property>
  <property><name>fs.a.blanked</name><value>first</value></property>
  <property><name>fs.a.blanked</name><value> </value></property>
  <property><name>fs.a.sealed.empty</name><final>true</final></property>
  <property><name>fs.a.sealed.empty</name><value>second</value></property>
  <property name="fs.a.attribute.empty" value=""/>
  <property><name>fs.a.nested.attribute</name><value>${fs.a.attribute.empty}.${fs.a.later}</value></property>
  <property><name>fs.a.later</name><value>first</value></property>
  <property><name>fs.a.later</name><value>second</value></property>
  <property><name>fs.a.fixed</name><value>first</value><final>true</final></property>
  <property><name>fs.a.none</name></property>
  <property><name>fs.a.empty</name><value></value></property>
  <property><value>no name</value></property>
  <property><name>fs.a.entity</name><value>&lt;a&amp;b&gt; &#x41;<![CDATA[<c>]]></value></property>
  <property><name>fs.a.variable</name><value>${fs.a.later}/${fs.a.nested}</value></property>
  <property><name>fs.a.nested</name><value>[${fs.a.empty}${fs.a.final}]</value></property>
  <property><name>fs.a.inner</name><value>${fs.a.${fs.a.word}}</value></property>
  <property><name>fs.a.word</name><value>later</value></property>
  <property><name>fs.a.self</name><value>x${fs.a.self}</value></property>
  <property><name>fs.a.toself</name><value>y${fs.a.self}</value></property>
  <property><name>fs.a.unknown</name><value>${fs.a.later}${fs.a.absent}${fs.a.later}</value></property>
  <property><name>fs.a.broken</name><value>${fs.a.later ${} $ {fs.a.later} ${fs.a.later}</value></property>
  <property><name>fs.a.open</name><value>a ${fs.a.later</value></property>
  <property><name>fs.a.twice</name><value>${fs.a.later} ${fs.a.later} ${fs.a.word}</value></property>
  <property><name>fs.a.environment</name><value>${env.TFOS_SET} ${env.TFOS_NOT:-d-e} ${env.TFOS_NOT-f:-g} ${env.TFOS_SET:-no}</value></property>
  <property><name>fs.a.unset</name><value>${env.TFOS_NOT} ${fs.a.later}</value></property>
  <property><name>fs.a.user</name><value>${user.name} ${user.home} ${java.io.tmpdir}</value></property>
  <xi:include href="included.xml"/>
  <xi:include href="@ROOT@/elsewhere/absolute.xml"><xi:fallback><property><name>fs.f.unused</name><value>1</value></property></xi:fallback></xi:include>
  <xi:include href="missing.xml"><xi:fallback><property><name>fs.f.used</name><value>1</value></property></xi:fallback></xi:include>
  <xi:include href="missing.xml"><xi:fallback/></xi:include>
</configuration>`,
	"hadoop/included.xml": `<configuration>
  <property><name>fs.i.a</name><value>included</value><final>true</final></property>
  <xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="sub/deeper.xml"/>
</configuration>`,
	"hadoop/sub/deeper.xml": `<configuration><property><name>fs.i.deep</name><value>deep</value></property>
  <property><name>fs.i.a</name><value>not this</value></property></configuration>`,
	"elsewhere/absolute.xml": "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<configuration><property><name>fs.i.absolute</name><value>d\xe9partement</value></property></configuration>",
	"hadoop/hdfs-site.xml": `<configuration>
  <property><name>fs.a.fixed</name><value>second</value></property>
  <property><name>dfs.federation.nameservices</name><value>ns1</value></property>
  <property><name>dfs.block.size</name><value>1048576</value></property>
  <property><name>dfs.umaskmode</name><value>027</value></property>
  <property><name>dfs.socket.timeout</name><value>1000</value></property>
  <property><name>fs.b.core</name><value>${fs.a.later}</value></property>
</configuration>`,
	"hadoop/core-default-not.xml": `<configuration><property><name>fs.a.later</name><value>third</value></property></configuration>`,
	"yarn/core-site.xml":          `<configuration><property><name>fs.y.core</name><value>hidden by the other</value></property></configuration>`,
}

// settings of Spark that change site.
var settings = map[string]string{
	"spark.hadoop.fs.a.fixed":         "Spark's",
	"spark.hadoop.fs.s.new":           "${fs.a.later}",
	"spark.hadoop.dfs.block.size":     "2097152",
	"spark.hadoop.fs.s3a.secret.key":  "s+/= &<",
	"spark.executor.memory":           "1g",
	"spark.hadoop.yarn.not.of.stores": "1",
}

func siteEnvironment(root string) func(string) string {
	values := map[string]string{"HADOOP_CONF_DIR": root + "/hadoop", "YARN_CONF_DIR": root + "/yarn", "TFOS_SET": "set"}
	return func(name string) string { return values[name] }
}

// names of all properties of site and settings, old names too.
func names() (all []string) {
	for _, text := range site {
		for _, mark := range []string{"<name>", `<property name="`} {
			for _, part := range strings.Split(text, mark)[1:] {
				all = append(all, strings.TrimSpace(part[:strings.IndexAny(part, `<"`)]))
			}
		}
	}
	for name := range settings {
		if short, found := strings.CutPrefix(name, sparkPrefix); found {
			all = append(all, short)
		}
	}
	all = append(all, "fs.defaultFS", "dfs.nameservices", "dfs.blocksize", "fs.permissions.umask-mode", "dfs.client.socket-timeout")
	slices.Sort(all)
	return slices.Compact(all)
}

// TestAsHadoop compares every property with what Spark's own driver has of the same files.
func TestAsHadoop(t *testing.T) {
	root := written(t, site)
	got, err := Load(siteEnvironment(root), settings)
	if err != nil {
		t.Fatal(err)
	}
	want := dumped(t, root)
	for _, name := range names() {
		if value := got.Get(name); value != want[name] {
			t.Errorf("%s is %q, Hadoop has %q", name, value, want[name])
		}
	}
}

// dumped asks Hadoop.
func dumped(t *testing.T, root string) map[string]string {
	t.Helper()
	jars, _ := filepath.Glob("../../.venv/lib/python3*/site-packages/pyspark/jars/spark-core*.jar")
	java, err := exec.LookPath("java")
	if err != nil || len(jars) == 0 {
		message := "no Java, or no PySpark in .venv: what Hadoop itself says of these files is not compared"
		if strings.Contains(os.Getenv("TFOS_REQUIRE"), "stores") {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	args := []string{"-cp", fmt.Sprintf("%s/hadoop:%s/yarn:%s/*", root, root, filepath.Dir(jars[0]))}
	for name, value := range settings {
		args = append(args, "-D"+name+"="+value)
	}
	command := exec.CommandContext(t.Context(), java, append(append(args, "testdata/Dump.java"), names()...)...)
	command.Env = append(os.Environ(), "TFOS_SET=set")
	var out, talk bytes.Buffer
	command.Stdout, command.Stderr = &out, &talk
	if err := command.Run(); err != nil {
		t.Fatalf("%v: %s", err, talk.String())
	}
	values := map[string]string{}
	for line := range strings.Lines(out.String()) {
		if line, found := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "DUMP "); found {
			name, value, _ := strings.Cut(line, "=")
			values[name] = strings.ReplaceAll(strings.ReplaceAll(value, `\n`, "\n"), `\\`, `\`)
		}
	}
	if len(values) != len(names()) {
		t.Fatalf("%d of %d properties: %s", len(values), len(names()), out.String())
	}
	return values
}

// TestStores: stores get only what they read, without spaces, and with variables replaced.
func TestStores(t *testing.T) {
	root := written(t, site)
	conf, err := Load(siteEnvironment(root), settings)
	if err != nil {
		t.Fatal(err)
	}
	got := conf.Stores()
	for name, want := range map[string]string{
		"fs.a.spaces": "inside and out", "fs.a.lines": "hdfs://x", "fs.s.new": "second",
		"fs.s3a.secret.key": "s+/= &<", "dfs.blocksize": "2097152", "fs.defaultFS": "hdfs://old",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	for name := range got {
		if strings.HasPrefix(name, "spark.executor") || strings.HasPrefix(name, "yarn.") {
			t.Errorf("stores get %s", name)
		}
	}
	told := FromProperties(got, func(string) string { return "" })
	if told.Get("fs.default.name") != "hdfs://old" {
		t.Error("a member does not have what the driver told it")
	}
}

// TestFolders: each file is read from the first folder that has it, and the job's settings
// win over those of spark-defaults.conf.
func TestFolders(t *testing.T) {
	property := func(name, value string) string {
		return "<configuration><property><name>" + name + "</name><value>" + value + "</value></property></configuration>"
	}
	root := written(t, map[string]string{
		"spark/conf/hdfs-site.xml":        property("dfs.of", "spark"),
		"spark/conf/spark-defaults.conf":  "spark.hadoop.fs.x defaults\nspark.hadoop.fs.y=defaults\nspark.kerberos.keytab a\\:b\n",
		"other/spark-defaults.conf":       "spark.hadoop.fs.x: other\n",
		"yarn/core-site.xml":              property("fs.of", "yarn"),
		"yarn/hdfs-site.xml":              property("dfs.of", "yarn"),
		"home/etc/hadoop/core-site.xml":   property("fs.of", "home"),
		"broken/core-site.xml":            "<configuration><property>",
		"self/core-site.xml":              `<configuration><include href="core-site.xml"/></configuration>`,
		"missing/core-site.xml":           `<configuration><include href="a.xml"/></configuration>`,
		"nested/core-site.xml":            `<configuration><include href="a.xml"><fallback/></include></configuration>`,
		"nested/a.xml":                    `<configuration><include href="b.xml"/></configuration>`,
		"remote/core-site.xml":            `<configuration><include href="http://h/a.xml"/></configuration>`,
		"entity/core-site.xml":            `<configuration><property><name>a</name><value>&unknown;</value></property></configuration>`,
		"encoded/core-site.xml":           `<?xml version="1.0" encoding="GBK"?><configuration/>`,
		"empty-folder/nothing-is-in.here": "",
	})
	load := func(values ...string) (Configuration, error) {
		env := map[string]string{}
		for i := 0; i < len(values); i += 2 {
			env[values[i]] = root + "/" + values[i+1]
		}
		return Load(func(name string) string { return env[name] }, map[string]string{"spark.hadoop.fs.y": "job"})
	}
	conf, err := load("SPARK_HOME", "spark", "YARN_CONF_DIR", "yarn", "HADOOP_HOME", "home", "HADOOP_CONF_DIR", "empty-folder")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"fs.of": "yarn", "dfs.of": "spark", "fs.x": "defaults", "fs.y": "job", "spark.kerberos.keytab": "a:b"} {
		if got := conf.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if conf, err = load("SPARK_HOME", "spark", "SPARK_CONF_DIR", "other", "HADOOP_HOME", "home"); err != nil || conf.Get("fs.x")+conf.Get("fs.of") != "otherhome" {
		t.Errorf("SPARK_CONF_DIR and HADOOP_HOME: %q %q %v", conf.Get("fs.x"), conf.Get("fs.of"), err)
	}
	if conf, err = load("HADOOP_CONF_DIR", "empty-folder:"+root+"/yarn:"+root+"/broken"); err != nil || conf.Get("fs.of") != "yarn" {
		t.Errorf("HADOOP_CONF_DIR with several folders: %q %v", conf.Get("fs.of"), err)
	}
	for _, folder := range []string{"broken", "self", "missing", "nested", "remote", "entity", "encoded"} {
		if _, err := load("HADOOP_CONF_DIR", folder); err == nil || !strings.Contains(err.Error(), folder) {
			t.Errorf("%s: %v", folder, err)
		}
	}
	if conf, err := load(); err != nil || len(conf.Stores()) != 1 {
		t.Errorf("nothing but the job: %v, %v", conf.Stores(), err)
	}
	if _, err := load("HADOOP_CONF_DIR", "missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an included file that is not there: %v", err)
	}
}

// TestCircle: values that need each other stay as they are. Hadoop throws an exception.
func TestCircle(t *testing.T) {
	conf := FromProperties(map[string]string{"a": "x${b}", "b": "y${a}"}, os.Getenv)
	if got := conf.Get("a"); got != "x${b}" {
		t.Errorf("a is %q", got)
	}
}

func TestParseProperties(t *testing.T) {
	text := "# site\n  ! more\n\nspark.task.cpus  2\nspark.a=b=c\nspark.d : e \nspark.list one,\\\n   two\nspark.empty\n" +
		`spark.path C\:\\x` + "\n" + `spark\ name=a\u0041\t.` + "\nspark.even a\\\\\nspark.comment x\\\n# y\nspark.last x\\"
	want := map[string]string{"spark.task.cpus": "2", "spark.a": "b=c", "spark.d": "e", "spark.list": "one,two", "spark.empty": "",
		"spark.path": `C:\x`, "spark name": "aA\t.", "spark.even": `a\`, "spark.comment": "x# y", "spark.last": "x"}
	got := ParseProperties(text)
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %q", got)
	}
}
