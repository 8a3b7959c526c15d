"""Stores that tests use, and their files as other programs see them (not tfos)."""

import base64
import email.utils
import functools
import hmac
import os
import pathlib
import urllib.error
import urllib.parse
import urllib.request
import uuid
import xml.etree.ElementTree

import pyarrow.fs as filesystems
import pytest

SITE = "<configuration>{}</configuration>"
PROPERTY = "<property><name>{}</name><value>{}</value></property>"
KEY, SECRET = "TFOSTESTID", "tfos-test-secret"
BUCKET = "tfos-py"
ACCOUNT = "devstoreaccount1"  # of Azure's emulator, whose key is public
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)


def address(variable):
    """That of a server that scripts/stores.sh has started."""
    found = os.environ.get(variable)
    if not found:
        if "stores" in os.environ.get("TFOS_REQUIRE", ""):
            pytest.fail(f"{variable} is not set: run make test-stores")
        pytest.skip(f"SKIPPED: {variable} is not set: run make test-stores")
    return found.rstrip("/")


def write_site(folder, properties):
    """core-site.xml in a folder, for HADOOP_CONF_DIR."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(PROPERTY.format(name, value) for name, value in properties.items())
    (folder / "core-site.xml").write_text(SITE.format(text))
    return folder


class Objects:
    """A folder of a bucket, by Arrow's client."""

    root = BUCKET  # the URL before the folder

    def __init__(self, conf, fs, settings):
        folder = uuid.uuid4().hex[:8]
        self.url = f"{self.root}/{folder}"
        self.settings = settings
        self.env = {"HADOOP_CONF_DIR": str(write_site(conf, settings))}
        self._fs, self._root = fs, f"{BUCKET}/{folder}"

    def put(self, local, name):
        filesystems.copy_files(
            str(local), f"{self._root}/{name}", destination_filesystem=self._fs, use_threads=False
        )
        return f"{self.url}/{name}"

    def get(self, name, local):
        for found in self.names():
            if found.startswith(name + "/"):
                path = pathlib.Path(local) / found[len(name) + 1 :]
                path.parent.mkdir(parents=True, exist_ok=True)
                with self._fs.open_input_file(f"{self._root}/{found}") as file:
                    path.write_bytes(file.read())
        return local

    def names(self):
        """All files, hidden ones too, by their paths below the folder."""
        selector = filesystems.FileSelector(self._root, allow_not_found=True, recursive=True)
        found = self._fs.get_file_info(selector)
        files = [info.path for info in found if info.type == filesystems.FileType.File]
        return sorted(path.removeprefix(self._root + "/") for path in files)


class S3(Objects):
    root = f"s3://{BUCKET}"

    def __init__(self, conf):
        self.endpoint = address("TFOS_TEST_S3")
        at = urllib.parse.urlsplit(self.endpoint)
        fs = filesystems.S3FileSystem(
            access_key=KEY,
            secret_key=SECRET,
            endpoint_override=at.netloc,
            scheme=at.scheme,
            region="us-east-1",
            allow_bucket_creation=True,
        )
        fs.create_dir(BUCKET)
        settings = {
            "fs.s3a.endpoint": self.endpoint,
            "fs.s3a.endpoint.region": "us-east-1",
            "fs.s3a.path.style.access": "true",
            "fs.s3a.access.key": KEY,
            "fs.s3a.secret.key": SECRET,
        }
        super().__init__(conf, fs, settings)


class GCS(Objects):
    root = f"gs://{BUCKET}"

    def __init__(self, conf):
        endpoint = address("TFOS_TEST_GCS")
        at = urllib.parse.urlsplit(endpoint)
        try:
            urllib.request.urlopen(f"{endpoint}/storage/v1/b", b'{"name":"%s"}' % BUCKET.encode())
        except urllib.error.HTTPError as error:
            assert error.code == 409, error  # it is there already
        fs = filesystems.GcsFileSystem(
            anonymous=True, scheme=at.scheme, endpoint_override=at.netloc
        )
        settings = {"fs.gs.storage.root.url": endpoint, "fs.gs.auth.type": "UNAUTHENTICATED"}
        super().__init__(conf, fs, settings)


class Azure:
    """A folder of a container, by Azure's protocol: Arrow's client aborts the process where the
    server is slow."""

    root = f"abfs://{BUCKET}@{ACCOUNT}.dfs.core.windows.net"

    def __init__(self, conf):
        self._endpoint = f"{address('TFOS_TEST_AZURE')}/{ACCOUNT}"
        try:
            self._call("PUT", "", restype="container")
        except urllib.error.HTTPError as error:
            assert error.code == 409, error  # it is there already
        self._folder = uuid.uuid4().hex[:8]
        self.url = f"{self.root}/{self._folder}"
        self.settings = {f"fs.azure.account.key.{ACCOUNT}.dfs.core.windows.net": ACCOUNT_KEY}
        # Hadoop has no setting for an account's address.
        connection = f"AccountName={ACCOUNT};BlobEndpoint={self._endpoint}"
        self.env = {
            "HADOOP_CONF_DIR": str(write_site(conf, self.settings)),
            "AZURE_STORAGE_CONNECTION_STRING": connection,
        }

    def _call(self, method, key, data=b"", headers=(), **query):
        """One request, signed with the account's key."""
        url = f"{self._endpoint}/{BUCKET}" + (f"/{urllib.parse.quote(key)}" if key else "")
        date = email.utils.formatdate(usegmt=True)
        headers = {"x-ms-date": date, "x-ms-version": "2021-08-06", **dict(headers)}
        kind = "application/octet-stream" if data else ""
        lines = [method, "", "", str(len(data) or ""), "", kind, *[""] * 6]
        lines += [f"{name}:{headers[name]}" for name in sorted(headers)]
        lines += [f"/{ACCOUNT}{urllib.parse.urlsplit(url).path}"]
        lines += [f"{name}:{query[name]}" for name in sorted(query)]
        key, text = base64.b64decode(ACCOUNT_KEY), "\n".join(lines).encode()
        signature = base64.b64encode(hmac.digest(key, text, "sha256")).decode()
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{signature}"
        headers["Content-Type"] = kind
        if method == "PUT":
            headers["Content-Length"] = str(len(data))
        url += f"?{urllib.parse.urlencode(query)}" if query else ""
        request = urllib.request.Request(url, data or None, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def put(self, local, name):
        local = pathlib.Path(local)
        for path in sorted(local.rglob("*")) if local.is_dir() else [local]:
            if path.is_file():
                below = path.relative_to(local).as_posix() if path != local else ""
                key = "/".join(part for part in (self._folder, name, below) if part)
                self._call("PUT", key, path.read_bytes(), {"x-ms-blob-type": "BlockBlob"})
        return f"{self.url}/{name}"

    def get(self, name, local):
        for found in self.names():
            if found.startswith(name + "/"):
                path = pathlib.Path(local) / found[len(name) + 1 :]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self._call("GET", f"{self._folder}/{found}"))
        return local

    def names(self):
        """All files, hidden ones too, by their paths below the folder."""
        query = {"restype": "container", "comp": "list", "include": "metadata"}
        query |= {"prefix": f"{self._folder}/", "maxresults": "5000"}
        listed = xml.etree.ElementTree.fromstring(self._call("GET", "", **query))
        assert not listed.findtext("NextMarker")
        files = [blob for blob in listed.iter("Blob") if blob.find("Metadata/hdi_isfolder") is None]
        return sorted(blob.findtext("Name")[len(self._folder) + 1 :] for blob in files)


@functools.cache
def hadoop():
    """Hadoop's own classes, in one JVM beside this process."""
    import pyspark
    from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway

    jars = pathlib.Path(pyspark.__file__).parent / "jars"
    (py4j,) = jars.glob("py4j-*.jar")
    port = launch_gateway(
        jarpath=str(py4j),
        classpath=f"{jars}/*",
        javaopts=["-Xmx256m", "-XX:+UseSerialGC"],
        die_on_exit=True,
    )
    return JavaGateway(gateway_parameters=GatewayParameters(port=port)).jvm


class HDFS:
    """A folder of HDFS, by Hadoop's own client."""

    def __init__(self, conf):
        root = address("TFOS_TEST_HDFS")
        self.url = f"{root}/{BUCKET}/{uuid.uuid4().hex[:8]}"
        self.settings = {"fs.defaultFS": root}
        self.env = {"HADOOP_CONF_DIR": str(write_site(conf, self.settings))}
        configuration = hadoop().org.apache.hadoop.conf.Configuration()
        configuration.set("fs.defaultFS", root)
        self._fs = hadoop().org.apache.hadoop.fs.FileSystem.get(configuration)
        self._fs.mkdirs(self._path(self.url))

    def remove(self):
        """Delete the folder: on a cluster that goes on."""
        self._fs.delete(self._path(self.url), True)

    def _path(self, text):
        return hadoop().org.apache.hadoop.fs.Path(str(text))

    def put(self, local, name):
        to = self._path(f"{self.url}/{name}")
        self._fs.mkdirs(to.getParent())
        self._fs.copyFromLocalFile(self._path(local), to)
        return f"{self.url}/{name}"

    def get(self, name, local):
        pathlib.Path(local).parent.mkdir(parents=True, exist_ok=True)
        self._fs.copyToLocalFile(False, self._path(f"{self.url}/{name}"), self._path(local), True)
        return local

    def names(self):
        """All files and empty folders, hidden ones too, by their paths below the folder."""
        return sorted(self._below(self._path(self.url), ""))

    def _below(self, folder, prefix):
        for status in self._fs.listStatus(folder):
            name = prefix + status.getPath().getName()
            below = list(self._below(status.getPath(), name + "/")) if status.isDirectory() else []
            yield from below or [name]


STORES = {"azure": Azure, "gcs": GCS, "hdfs": HDFS, "s3": S3}


def stores(*chosen):
    """Parameters of a fixture: every store. On those that are not chosen tests are slow:
    make test-all runs them."""
    slow = (pytest.mark.stores, pytest.mark.slow)
    return [
        pytest.param(name, marks=pytest.mark.stores if name in chosen else slow)
        for name in sorted(STORES)
    ]


def on(*chosen):
    """Decorates a test that has a choice of its own for the fixture store."""
    return pytest.mark.parametrize("store", stores(*chosen), indirect=True)


# Decorates a test of the fixture convert that runs on every store in make test-stores too.
on_each = pytest.mark.parametrize("convert", ["local", *stores(*STORES)], indirect=True)
