package hadoop

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// Site files are read in this order, as Hadoop's clients of HDFS and of YARN do.
var (
	storeFiles = []string{"core-site.xml", "hdfs-site.xml"}
	yarnFiles  = []string{"core-site.xml", "yarn-site.xml"}
)

// sparkPrefix begins the names of Spark settings that are properties of Hadoop.
const sparkPrefix = "spark.hadoop."

// Configuration is Hadoop's configuration. It does not change.
type Configuration struct {
	raw map[string]string // values with their ${…}
	env func(string) string
}

// Load reads the configuration of this machine for stores. env returns a variable of the environment,
// or "". conf has the Spark settings of the job. Later sources win:
//
//  1. core-site.xml, then hdfs-site.xml, each from the first folder that has it:
//     SPARK_CONF_DIR or SPARK_HOME/conf, HADOOP_CONF_DIR, YARN_CONF_DIR,
//     HADOOP_HOME/etc/hadoop. HADOOP_CONF_DIR and YARN_CONF_DIR may be lists of folders:
//     they are parts of a Java class path
//  2. spark.hadoop.* in spark-defaults.conf
//  3. spark.hadoop.* in conf
//
// A missing file is no error.
func Load(env func(string) string, conf map[string]string) (Configuration, error) {
	return load(storeFiles, env, conf)
}

// LoadYARN is Load for YARN: with yarn-site.xml in the place of hdfs-site.xml.
func LoadYARN(env func(string) string, conf map[string]string) (Configuration, error) {
	return load(yarnFiles, env, conf)
}

func load(siteFiles []string, env func(string) string, conf map[string]string) (Configuration, error) {
	s := &sites{properties: map[string]string{}, final: map[string]bool{}}
	for _, name := range siteFiles {
		if err := s.read(name, folders(env)); err != nil {
			return Configuration{}, fmt.Errorf("hadoop: read %w", err)
		}
	}
	defaults, err := sparkDefaults(env)
	if err != nil {
		return Configuration{}, fmt.Errorf("hadoop: read Spark's defaults: %w", err)
	}
	spark := maps.Clone(defaults)
	maps.Copy(spark, conf)
	return Configuration{withSpark(s.properties, spark), env}, nil
}

// FromProperties returns the configuration of properties that are known already: those
// that a driver has read of its SparkContext.
func FromProperties(properties map[string]string, env func(string) string) Configuration {
	return Configuration{maps.Clone(properties), env}
}

// withSpark overlays properties with the spark.hadoop.* of settings.
func withSpark(properties, settings map[string]string) map[string]string {
	for name, value := range settings {
		if short, found := strings.CutPrefix(name, sparkPrefix); found {
			properties[currentName(short)] = value
		}
		if kept[name] {
			properties[name] = value
		}
	}
	return properties
}

// folders are where site files are looked for.
func folders(env func(string) string) (dirs []string) {
	if dir := sparkConf(env); dir != "" {
		dirs = append(dirs, dir)
	}
	for _, name := range []string{"HADOOP_CONF_DIR", "YARN_CONF_DIR"} {
		for _, dir := range filepath.SplitList(env(name)) {
			if dir != "" {
				dirs = append(dirs, dir)
			}
		}
	}
	if home := env("HADOOP_HOME"); home != "" {
		dirs = append(dirs, filepath.Join(home, "etc", "hadoop"))
	}
	return dirs
}

// sparkConf returns the folder of spark-defaults.conf, or "".
func sparkConf(env func(string) string) string {
	if dir := env("SPARK_CONF_DIR"); dir != "" {
		return dir
	}
	if home := env("SPARK_HOME"); home != "" {
		return filepath.Join(home, "conf")
	}
	return ""
}

// sparkDefaults reads spark-defaults.conf.
func sparkDefaults(env func(string) string) (map[string]string, error) {
	dir := sparkConf(env)
	if dir == "" {
		return map[string]string{}, nil
	}
	text, err := os.ReadFile(filepath.Join(dir, "spark-defaults.conf"))
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	return ParseProperties(string(text)), err
}
