"""Settings of the stores of tfos's own programs, from Spark's Hadoop configuration.

Members get them in their assignment only. They may be secrets: nothing here prints or logs them.
"""

import xml.etree.ElementTree as ElementTree

# What stores read (internal/store). The rest of the configuration stays on the driver.
PREFIXES = (
    "dfs.",
    "fs.",
    "google.cloud.",
    "hadoop.rpc.protection",
    "hadoop.security.",
    "ipc.client.",
)
# Sources of defaults. Where only these speak, the environment of executors decides.
DEFAULTS = ("-default.xml", "Set by Spark to default values")
# Names whose values may be in a credential provider (a .jceks file) alone.
PROVIDER_PATHS = (
    "hadoop.security.credential.provider.path",
    "fs.s3a.security.credential.provider.path",
)
PROVIDED = ("fs.s3a.access.key", "fs.s3a.secret.key", "fs.s3a.session.token")


def of_context(sc):
    """The settings of a SparkContext, by Hadoop's names."""
    return settings(sc._jvm, sc._jsc.hadoopConfiguration())


def of_conf(jvm, conf):
    """The settings that a SparkContext of this SparkConf will have."""
    util = jvm.org.apache.spark.deploy.SparkHadoopUtil.get()
    return settings(jvm, util.newConfiguration(conf._jconf))


def settings(jvm, configuration):
    """The settings of a Hadoop Configuration of the JVM.

    One call brings them all: 1000 properties, each a call through py4j, would take a second.
    """
    text = jvm.java.io.StringWriter()
    configuration.writeXml(text)
    found = {}
    for element in ElementTree.fromstring(text.toString()).iter("property"):
        name, value = element.findtext("name"), element.findtext("value")
        source = element.findtext("source") or ""
        if name and name.startswith(PREFIXES) and not source.endswith(DEFAULTS):
            found[name] = configuration.get(name) if "${" in (value or "") else value or ""
    if any(found.get(path) for path in PROVIDER_PATHS):
        found |= _provided(configuration)
    return found


def _provided(configuration):
    """What a credential provider has of PROVIDED."""
    found = {}
    for name in PROVIDED:
        secret = configuration.getPassword(name)  # char[]; None: nowhere
        if secret is not None:
            found[name] = "".join(secret)
    return found
