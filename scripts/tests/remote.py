"""Stores that tests use, and their files as other programs see them (not tfos)."""

import os
import pathlib
import subprocess
import uuid

import pyarrow.fs as filesystems
import pytest

SITE = "<configuration>{}</configuration>"
PROPERTY = "<property><name>{}</name><value>{}</value></property>"
KEY, SECRET = "TFOSTESTID", "tfos-test-secret"


def address(variable):
    """That of a server that scripts/stores.sh has started."""
    found = os.environ.get(variable)
    if not found:
        if "stores" in os.environ.get("TFOS_REQUIRE", ""):
            pytest.fail(f"{variable} is not set: run make test-stores")
        pytest.skip(f"SKIPPED: {variable} is not set: run make test-stores")
    return found


def write_site(folder, properties):
    """core-site.xml in a folder, for HADOOP_CONF_DIR."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(PROPERTY.format(name, value) for name, value in properties.items())
    (folder / "core-site.xml").write_text(SITE.format(text))
    return folder


class S3:
    """A folder of a bucket."""

    def __init__(self, conf):
        self.endpoint = address("TFOS_TEST_S3").rstrip("/")
        scheme, _, host = self.endpoint.partition("://")
        self._fs = filesystems.S3FileSystem(
            access_key=KEY,
            secret_key=SECRET,
            endpoint_override=host,
            scheme=scheme,
            region="us-east-1",
            allow_bucket_creation=True,
        )
        self._fs.create_dir("tfos-py")
        self._root = f"tfos-py/{uuid.uuid4().hex[:8]}"
        self.url = f"s3://{self._root}"
        self.settings = {
            "fs.s3a.endpoint": self.endpoint,
            "fs.s3a.endpoint.region": "us-east-1",
            "fs.s3a.path.style.access": "true",
            "fs.s3a.access.key": KEY,
            "fs.s3a.secret.key": SECRET,
        }
        self.env = {"HADOOP_CONF_DIR": str(write_site(conf, self.settings))}

    def put(self, local, name):
        filesystems.copy_files(
            str(local), f"{self._root}/{name}", destination_filesystem=self._fs, use_threads=False
        )
        return f"{self.url}/{name}"

    def get(self, name, local):
        pathlib.Path(local).mkdir(parents=True)
        filesystems.copy_files(f"{self._root}/{name}", str(local), source_filesystem=self._fs)
        return local

    def names(self):
        """All files, hidden ones too, by their paths below the folder."""
        selector = filesystems.FileSelector(self._root, allow_not_found=True, recursive=True)
        found = self._fs.get_file_info(selector)
        files = [info.path for info in found if info.type == filesystems.FileType.File]
        return sorted(path.removeprefix(self._root + "/") for path in files)


class HDFS:
    """A folder of HDFS, by Hadoop's own shell."""

    def __init__(self, conf):
        root = address("TFOS_TEST_HDFS").rstrip("/")
        self.url = f"{root}/tfos-py/{uuid.uuid4().hex[:8]}"
        self.settings = {"fs.defaultFS": root}
        self.env = {"HADOOP_CONF_DIR": str(write_site(conf, self.settings))}
        self._shell("-mkdir", "-p", self.url)

    def _shell(self, *argv):
        import pyspark

        jars = pathlib.Path(pyspark.__file__).parent / "jars"
        path = f"{self.env['HADOOP_CONF_DIR']}:{jars}/*"  # the shell asks for a core-site.xml
        java = ["java", "-Xmx256m", "-cp", path, "org.apache.hadoop.fs.FsShell"]
        found = subprocess.run([*java, *map(str, argv)], capture_output=True, text=True)
        assert found.returncode == 0, found.stderr
        return found.stdout

    def put(self, local, name):
        self._shell("-put", local, f"{self.url}/{name}")
        return f"{self.url}/{name}"

    def get(self, name, local):
        self._shell("-get", f"{self.url}/{name}", local)
        return local

    def names(self):
        lines = self._shell("-ls", "-R", "-C", self.url).split()
        files = {line for line in lines if not any(one.startswith(line + "/") for one in lines)}
        folders = {line.rsplit("/", 1)[0] for line in lines}
        return sorted(line.removeprefix(self.url + "/") for line in files - folders)


STORES = {"s3": S3, "hdfs": HDFS}
