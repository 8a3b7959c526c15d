"""The images of the Kubernetes of scripts/k8s.sh, without a registry and without podman.

    image.py CONTAINERFILE PAUSE FOLDER SETTINGS

Writes FOLDER/spark.tar and FOLDER/pause.tar (docker archives), and into SETTINGS the Spark
settings of jobs that use them. The first image is what the Containerfile says, but for what its
packages contain: those are this machine's, mounted into the pods, and must have the versions
of the Containerfile. A line that is not understood is an error.
"""

import hashlib
import importlib.metadata
import io
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import tarfile

IMAGE = "docker.io/tfos/spark:test"
PAUSE_IMAGE = "docker.io/tfos/pause:1"


class Image:
    """One layer: links, folders and small files."""

    def __init__(self):
        self.layer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.layer, mode="w")  # noqa: SIM115 (closed by write)
        self.config = {"Env": []}
        self.volumes = {}  # folder in the pod -> folder of this machine
        self.users = "root:x:0:0:root:/root:/bin/bash\n"

    def add(self, name, content=None, *, link=None, mode=0o755):
        entry = tarfile.TarInfo("./" + name.strip("/"))
        entry.mode = mode
        if link is not None:
            entry.type, entry.linkname = tarfile.SYMTYPE, link
        elif content is None:
            entry.type = tarfile.DIRTYPE
        else:
            entry.size = len(content)
        self.tar.addfile(entry, None if content is None else io.BytesIO(content))

    def write(self, name, path):
        self.tar.close()
        layer = self.layer.getvalue()
        layers = hashlib.sha256(layer).hexdigest()
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": self.config,
                "rootfs": {"type": "layers", "diff_ids": ["sha256:" + layers]},
                "history": [{"created_by": "scripts/k8s/image.py"}],
            }
        ).encode()
        named = hashlib.sha256(config).hexdigest() + ".json"
        manifest = [{"Config": named, "RepoTags": [name], "Layers": [layers + "/layer.tar"]}]
        files = {
            named: config,
            layers + "/layer.tar": layer,
            "manifest.json": json.dumps(manifest).encode(),
        }
        with tarfile.open(path, "w") as archive:
            for file, content in files.items():
                entry = tarfile.TarInfo(file)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))


def instructions(path):
    with open(path) as file:
        for line in file.read().replace("\\\n", " ").splitlines():
            if line.strip() and not line.startswith("#"):
                word, rest = line.split(None, 1)
                yield word, rest.strip()


def build(containerfile):
    image = Image()
    for word, rest in instructions(containerfile):
        if word == "FROM":
            base(image, rest)
        elif word == "RUN":
            for command in rest.split("&&"):
                run(image, shlex.split(command))
        elif word == "COPY":
            source, name = rest.split()
            path = os.path.join(os.path.dirname(containerfile), source)
            with open(path, "rb") as file:
                image.add(name, file.read(), mode=os.stat(path).st_mode & 0o777)
        elif word == "ENV":
            image.config["Env"].append(rest)
        elif word == "WORKDIR":
            image.config["WorkingDir"] = rest
            image.add(rest, mode=0o777)
        elif word == "USER":
            image.config["User"] = rest
        elif word == "ENTRYPOINT":
            image.config["Entrypoint"] = json.loads(rest)
        else:
            sys.exit(f"{containerfile}: {word} is not understood")
    return image


def base(image, name):
    """This machine's Debian in the place of the image's, and its Python."""
    version = ".".join(map(str, sys.version_info[:2]))
    if not re.fullmatch(rf"docker\.io/library/python:{version}-slim-bookworm", name):
        sys.exit(f"image.py: FROM {name}: this machine has Python {version}")
    for folder in ("bin", "lib", "lib64", "sbin"):
        image.add(folder, link="usr/" + folder)
    for folder in ("dev", "etc", "home", "opt", "proc", "run", "sys", "usr", "var"):
        image.add(folder)
    image.add("tmp", mode=0o1777)
    image.add("var/tmp", mode=0o1777)
    image.add("etc/group", b"root:x:0:\n", mode=0o644)
    image.add("etc/passwd", image.users.encode(), mode=0o644)
    image.add("etc/nsswitch.conf", b"passwd: files\nhosts: files dns\n", mode=0o644)
    image.volumes["/usr"] = "/usr"
    python = os.path.realpath(sys.base_prefix)
    image.volumes[python] = python


def run(image, argv):
    """A command of RUN: checks that this machine has what it installs."""
    options = dict(itertools.pairwise(argv))  # of --name value
    words = [word for word in argv[2:] if not word.startswith("-")]
    if argv[:2] == ["apt-get", "install"]:
        for package in words:
            subprocess.run(["dpkg", "-s", package], check=True, stdout=subprocess.DEVNULL)
        add_files(image, "/etc/java-17-openjdk")
    elif argv[1:3] == ["-m", "venv"]:
        image.volumes[argv[3]] = os.path.realpath(sys.prefix)
    elif argv[0].endswith("/pip") and argv[1] == "install":
        for package in words:
            name, version = package.split("==")
            if importlib.metadata.version(name) != version:
                sys.exit(f"image.py: {package}: .venv has {importlib.metadata.version(name)}")
    elif argv[0] == "useradd":
        uid, gid, home = (options[name] for name in ("--uid", "--gid", "--home-dir"))
        image.users += f"{argv[-1]}:x:{uid}:{gid}::{home}:/bin/sh\n"
        image.add("etc/passwd", image.users.encode(), mode=0o644)
    elif argv[:2] not in (["apt-get", "update"], ["rm", "-rf"]):
        sys.exit(f"image.py: RUN {shlex.join(argv)} is not understood")


def add_files(image, top):
    """Files of this machine's /etc that packages in /usr read."""
    for folder, _, names in os.walk(top):
        image.add(folder)
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    image.add(path, file.read(), mode=0o644)


def settings(image):
    """Lines of a Spark properties file."""
    yield "spark.kubernetes.container.image", IMAGE
    yield "spark.kubernetes.container.image.pullPolicy", "IfNotPresent"
    for role in ("driver", "executor"):
        for i, (inside, folder) in enumerate(image.volumes.items()):
            volume = f"spark.kubernetes.{role}.volumes.hostPath.image{i}"
            yield f"{volume}.mount.path", inside
            yield f"{volume}.mount.readOnly", "true"
            yield f"{volume}.options.path", folder


def main():
    containerfile, pause, folder, properties = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    image = build(containerfile)
    image.write(IMAGE, os.path.join(folder, "spark.tar"))
    with open(properties, "w") as file:
        file.writelines(f"{name} {value}\n" for name, value in settings(image))
    sandbox = Image()
    with open(pause, "rb") as file:
        sandbox.add("pause", file.read())
    sandbox.config["Entrypoint"] = ["/pause"]
    sandbox.write(PAUSE_IMAGE, os.path.join(folder, "pause.tar"))


main()
