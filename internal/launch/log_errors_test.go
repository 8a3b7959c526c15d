package launch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDigestErrors(t *testing.T) {
	tests := []struct{ name, log, first, last string }{
		{"nothing wrong", "24/01/01 10:00:00 INFO SparkContext: Running\n", "", ""},
		{"spark-submit itself", "Error: Missing application resource.\n\nUsage: spark-submit\n",
			"Error: Missing application resource.", "Error: Missing application resource."},
		{"thread", "Exception in thread \"main\" org.apache.spark.SparkException: No main class\n\tat org.apache.spark.deploy.SparkSubmit.error(SparkSubmit.scala:1)\n",
			"org.apache.spark.SparkException: No main class", "org.apache.spark.SparkException: No main class"},
		{"log line with its exception",
			"24/11/22 13:01:02 ERROR SparkContext: Error initializing SparkContext.\norg.apache.spark.SparkException: Could not parse Master URL: 'x'\n\tat a.b\n24/11/22 13:01:03 INFO ShutdownHookManager: bye\n",
			"SparkContext: Error initializing SparkContext: org.apache.spark.SparkException: Could not parse Master URL: 'x'",
			"SparkContext: Error initializing SparkContext: org.apache.spark.SparkException: Could not parse Master URL: 'x'"},
		{"Python", "Traceback (most recent call last):\n  File \"app.py\", line 3, in <module>\nModuleNotFoundError: No module named 'pandas'\n",
			"ModuleNotFoundError: No module named 'pandas'", "ModuleNotFoundError: No module named 'pandas'"},
		{"first and last", "24/01/01 10:00:00 ERROR A: one\n24/01/01 10:00:01 INFO B: x\nRuntimeError: two\n", "A: one", "RuntimeError: two"},
		{"innermost cause",
			"24/11/22 13:01:02 ERROR SparkContext: Error initializing SparkContext.\norg.apache.spark.SparkException: Plugin\n\tat a.b(C.scala:1)\nCaused by: x.Outer Exception: o\n\tat a.b(C.scala:1)\n\t... 3 more\nCaused by: java.net.UnknownHostException: no.such.host\n\tat d.e(F.java:2)\n\t... 12 more\n24/11/22 13:01:03 INFO ShutdownHookManager: bye\nCaused by: nothing of this\n",
			"java.net.UnknownHostException: no.such.host (SparkContext: Error initializing SparkContext: org.apache.spark.SparkException: Plugin)",
			"java.net.UnknownHostException: no.such.host (SparkContext: Error initializing SparkContext: org.apache.spark.SparkException: Plugin)"},
		{"option of the JVM", "Unrecognized option: -Xbad\nError: Could not create the Java Virtual Machine.\nError: A fatal exception has occurred. Program will exit.\n",
			"Unrecognized option: -Xbad", "Error: A fatal exception has occurred. Program will exit."},
		{"library of the JVM", "24/11/22 13:01:03 WARN Utils: x\nError occurred during initialization of VM\nCould not find agent library nope\n",
			"Could not find agent library nope", "Could not find agent library nope"},
		{"agent of the JVM", "Error opening zip file or JAR manifest missing : /nope.jar\nError occurred during initialization of VM\nagent library failed to init: instrument\n",
			"Error opening zip file or JAR manifest missing : /nope.jar", "Error opening zip file or JAR manifest missing : /nope.jar"},
		{"options from the environment", "Picked up JAVA_TOOL_OPTIONS: -Xlog:disable\nNOTE: Picked up JDK_JAVA_OPTIONS: -Xint\nError occurred during initialization of VM\nCould not find agent library nope\n",
			"Could not find agent library nope", "Could not find agent library nope"},
		{"no memory for Java", "Error: A JNI error has occurred\nException in thread \"main\" java.lang.OutOfMemoryError: Java heap space\n\tat java.base/a.B(C.java:1)\n",
			"Error: A JNI error has occurred: java.lang.OutOfMemoryError: Java heap space", "Error: A JNI error has occurred: java.lang.OutOfMemoryError: Java heap space"},
		{"another Java", "Error: LinkageError occurred while loading main class org.apache.spark.launcher.Main\n\tjava.lang.UnsupportedClassVersionError: x has been compiled by a more recent version\n",
			"Error: LinkageError occurred while loading main class org.apache.spark.launcher.Main: java.lang.UnsupportedClassVersionError: x has been compiled by a more recent version",
			"Error: LinkageError occurred while loading main class org.apache.spark.launcher.Main: java.lang.UnsupportedClassVersionError: x has been compiled by a more recent version"},
		{"a word that only looks like one", "loaded ErrorHandler.class\nno ERRORS: fine\n", "", ""},
		{"carriage return", "Error: x\r\n", "Error: x", "Error: x"},
		{"no newline at the end", "Error: x", "Error: x", "Error: x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(path, []byte(tt.log), 0o600); err != nil {
				t.Fatal(err)
			}
			d, err := digestFile(path)
			if err != nil || d.first != tt.first || d.last != tt.last {
				t.Errorf("\n got %q, %q, %v\nwant %q, %q", d.first, d.last, err, tt.first, tt.last)
			}
		})
	}
	if _, err := digestFile(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there was read")
	}
}

// Neither the pieces of a text nor its size matter.
func TestDigestPieces(t *testing.T) {
	text := strings.Repeat("line\n", 1000) + "24/01/01 10:00:00 ERROR A: b.\njava.lang.E: x\nx.Exception: c\n" +
		strings.Repeat("x", 1<<20) + "\xff\nlast"
	for _, size := range []int{1, 7, 4096, len(text)} {
		d := &digest{}
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			if _, err := d.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		d.flush()
		if len(d.tail) != tailLines || d.tail[tailLines-1] != "last" || len(d.tail[tailLines-2]) != maxLineBytes {
			t.Errorf("size %d: %d lines, the last %q", size, len(d.tail), d.tail[len(d.tail)-1])
		}
		if d.first != "A: b." || d.last != "x.Exception: c" {
			t.Errorf("size %d: errors %q, %q", size, d.first, d.last)
		}
	}
}
