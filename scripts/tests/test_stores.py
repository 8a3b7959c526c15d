"""Jobs whose paths are URLs, on real servers (make test-stores): bin/tfos, TensorFlow, Spark."""

import base64
import contextlib
import html
import json
import os
import pathlib
import subprocess
import time
import urllib.parse
import urllib.request
import xml.sax.saxutils

import graph_models as models
import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from harness import PYTHON, TFOS, write_rows
from remote import STORES, write_site
from tfos.graph import export_training

pytestmark = pytest.mark.stores

ROWS = 1_000
MODEL = """\
import sys, numpy as np, tensorflow as tf
image = tf.keras.Input((16,), name="image")
hidden = tf.keras.layers.Dense(8, "relu")(image)
model = tf.keras.Model(image, tf.keras.layers.Dense(3)(hidden))
model.export(sys.argv[1], verbose=False)
np.save(sys.argv[3], model(np.load(sys.argv[2])).numpy())
"""


@pytest.fixture(scope="module")
def mlp(tmp_path_factory):
    """(folder with model and data, predictions of Python TensorFlow in the order of the ids)"""
    folder = tmp_path_factory.mktemp("m")
    pixels = np.random.default_rng(1).random((ROWS, 16), np.float32)
    write_rows(folder / "data", ROWS, files=3, columns={"image": lambda i: pixels[i]})
    np.save(folder / "x.npy", pixels)
    argv = [PYTHON, "-c", MODEL, folder / "model", folder / "x.npy", folder / "y.npy"]
    subprocess.run(argv, check=True, capture_output=True)
    return folder, np.load(folder / "y.npy")


@pytest.fixture(scope="module", params=sorted(STORES))
def store(request, tmp_path_factory):
    return STORES[request.param](tmp_path_factory.mktemp("conf"))


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    return STORES["s3"](tmp_path_factory.mktemp("conf"))


@pytest.fixture(scope="module")
def stored(store, mlp):
    """The model and the data on the store."""
    folder, _ = mlp
    store.put(folder / "model", "model")
    store.put(folder / "data", "data")
    return store


@pytest.fixture
def tfos(store, tmp_path):
    """Runs a command and returns its standard output."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **store.env}

    def run(*argv, code=0):
        argv = [TFOS, *map(str, argv)]
        done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    return run


def run(job, stored, out, *more, env=None):
    """The verdict of an inference whose paths are all on the store."""
    argv = ["infer", "--export-dir", f"{stored.url}/model", "--input", f"{stored.url}/data"]
    argv += ["--output", f"{stored.url}/{out}", "--keep", "id", "--local", *more]
    return job.run(*argv, env={**stored.env, **(env or {})})


def again(job):
    """The next run of the same test has another id."""
    job.run_id += "-b"
    return job


def assert_predictions(table, want, ids=range(ROWS)):
    assert sorted(table["id"].to_pylist()) == list(ids)
    got = np.array(table["output_0"].to_pylist())
    np.testing.assert_allclose(got, want[table["id"].to_numpy()], atol=1e-5)


def hidden(stored):
    """Names of what a run must not leave: staging, locks, parts."""
    return [n for n in stored.names() if any(part.startswith(".") for part in n.split("/"))]


def test_show_says_what_it_says_of_a_local_model(stored, mlp, tfos):
    folder, _ = mlp
    local = tfos("show", folder / "model").replace(str(folder), stored.url)
    assert tfos("show", f"{stored.url}/model") == local
    missing = tfos("show", f"{stored.url}/none", code=2)
    assert f"{stored.url}/none" in missing and "does not exist" in missing


def test_convert_from_url_to_url(stored, tmp_path, tfos):
    out = f"{stored.url}/rows.csv"
    tfos("convert", "--to", "csv", "--columns", "id", f"{stored.url}/data", out)
    assert "exists already" in tfos("convert", "--to", "csv", f"{stored.url}/data", out, code=7)
    tfos("convert", "--to", "csv", "--columns", "id", "--if-exists", "replace", out, out + "-2")
    stored.get("rows.csv-2", tmp_path / "rows")
    (part,) = (tmp_path / "rows").glob("part-*")
    assert sorted(pyarrow.csv.read_csv(part)["id"].to_pylist()) == list(range(ROWS))
    assert hidden(stored) == []


def test_infer_equals_python(stored, mlp, job, tmp_path):
    """And again into the same folder: refused, then skipped, then replaced."""
    _, want = mlp
    done = run(job, stored, "fail")
    assert done.code == 0, done.stderr
    assert_predictions(pq.read_table(stored.get("fail", tmp_path / "a")), want)
    names = [name for name in stored.names() if name.startswith("fail/")]
    assert "fail/_SUCCESS" in names and "fail/_manifest.json" in names
    assert hidden(stored) == []
    refused = run(again(job), stored, "fail")
    assert refused.code == 7, refused.stderr
    assert f"{stored.url}/fail" in refused.verdict["cause"]
    skipped = run(again(job), stored, "fail", "--set", "output.if_exists=skip")
    assert (skipped.code, skipped.verdict["phase"]) == (0, "skipped"), skipped.stderr
    replaced = run(again(job), stored, "fail", "--set", "output.if_exists=replace")
    assert replaced.code == 0, replaced.stderr
    assert_predictions(pq.read_table(stored.get("fail", tmp_path / "b")), want)
    assert hidden(stored) == []
    job.assert_clean()


def test_resume_computes_new_files_only(stored, mlp, job, tmp_path):
    folder, want = mlp
    stored.put(folder / "data", "growing")
    data = ["--set", f"input.path={stored.url}/growing", "--set", "output.if_exists=resume"]
    first = run(job, stored, "resumed", *data)
    assert first.code == 0, first.stderr
    more = pq.read_table(folder / "data" / "part-00000.parquet")
    pq.write_table(more, tmp_path / "part-9.parquet")
    stored.put(tmp_path / "part-9.parquet", "growing/part-9.parquet")
    second = run(again(job), stored, "resumed", *data)
    assert second.code == 0, second.stderr
    assert len(second.verdict["infer"]["splits"]) == 1
    assert second.verdict["infer"]["carried"]["rows"] == ROWS
    got = pq.read_table(stored.get("resumed", tmp_path / "out"))
    assert_predictions(got, want, sorted([*range(ROWS), *more["id"].to_pylist()]))
    third = run(again(job), stored, "resumed", *data)
    assert (third.code, third.verdict["phase"]) == (0, "skipped"), third.stderr
    assert hidden(stored) == []


def test_quarantine(stored, job, tmp_path):
    pixels = {True: np.full(3, 0.5, np.float32), False: np.full(16, 0.5, np.float32)}
    data = write_rows(tmp_path / "bad", 10, columns={"image": lambda i: pixels[i == 4]})
    stored.put(data, "bad")
    path = ["--set", f"input.path={stored.url}/bad"]
    done = run(job, stored, "good", *path, "--set", "on_bad_row=quarantine")
    assert done.code == 0, done.stderr
    out = stored.get("good", tmp_path / "good")
    assert pq.read_table(out)["id"].to_pylist() == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    (quarantined,) = (out / "_quarantine").glob("*.parquet")
    assert pq.read_table(quarantined)["id"].to_pylist() == [4]


def test_the_data_does_not_fit(stored, job, tmp_path):
    data = write_rows(tmp_path / "unfit", 10, columns={"image": lambda i: "text"})
    stored.put(data, "unfit")
    done = run(job, stored, "none", "--set", f"input.path={stored.url}/unfit")
    assert done.code == 6, done.stderr
    assert not [name for name in stored.names() if "none" in name]


def test_a_model_is_copied_once(stored, job):
    cache = {"TFOS_CACHE_DIR": str(job.folder / "cache")}

    def copies():
        found = (job.folder / "cache").glob("*/model/saved_model.pb")
        return {str(copy): copy.stat().st_ctime_ns for copy in found}

    assert run(job, stored, "once", env=cache).code == 0
    first = copies()
    assert len(first) == 2  # the graph for the launcher and the driver, all for the engine
    job.run_id += "-b"
    assert run(job, stored, "twice", env=cache).code == 0
    assert copies() == first


def test_train_reads_a_graph_and_rows(stored, job, tmp_path):
    """A graph program and its rows on the store: as from local files. Checkpoints are here."""
    made, arguments = models.perceptron()
    export_training(made, path=str(tmp_path / "graph"), **arguments)
    models.write(tmp_path / "rows.parquet", models.batches(4, models.classes))
    stored.put(tmp_path / "graph", "graph")
    stored.put(tmp_path / "rows.parquet", "rows.parquet")
    losses = []
    for number, root in enumerate([tmp_path, stored.url]):
        path = job.folder / "job.yaml"
        keys = {
            "app": {"graph": {"path": f"{root}/graph"}},
            "input": {"path": f"{root}/rows.parquet"},
            "batch_size": models.ROWS,
            "model_dir": f"ckpt-{number}",
            "local": True,
        }
        path.write_text(json.dumps(keys))
        job.run_id += "i"
        done = job.run("train", path, env=stored.env)
        assert done.code == 0, done.stderr
        assert done.verdict["train"]["steps"] == 4
        losses.append(done.verdict["train"]["metrics"]["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    # A measurement beside a model_dir leaves nothing there.
    path.write_text(json.dumps(keys | {"model_dir": f"{stored.url}/ckpt", "epochs": 100_000}))
    job.run_id += "i"
    done = job.run("bench", path, "--seconds", "2", env=stored.env)
    assert done.code == 0, done.stderr
    assert not [name for name in stored.names() if "ckpt" in name]


def test_validate(stored, job, tfos):
    path = job.folder / "job.yaml"
    path.write_text(
        f"export_dir: {stored.url}/model\ninput: {{path: {stored.url}/data}}\n"
        f"output: {{path: {stored.url}/valid}}\n"
    )
    assert "without faults" in tfos("validate", path)
    path.write_text(path.read_text().replace("/data}", "/nowhere}"))
    assert "does not exist" in tfos("validate", path, code=2)


@pytest.mark.spark
def test_spark_infer(stored, mlp, job, tmp_path):
    """On executors of Spark, which read and write the store themselves."""
    _, want = mlp
    path = job.folder / "job.yaml"
    path.write_text(
        f"export_dir: {stored.url}/model\ninput: {{path: {stored.url}/data}}\nkeep: [id]\n"
        f"output: {{path: {stored.url}/by-spark}}\nread_by: executor\n"
        "spark: {master: 'local[2]'}\n"
    )
    done = job.run("infer", path, env=stored.env)
    assert done.code == 0, done.stderr
    assert done.verdict["infer"]["model"] == f"{stored.url}/model"
    assert_predictions(pq.read_table(stored.get("by-spark", tmp_path / "out")), want)
    assert hidden(stored) == []
    job.assert_clean()


@pytest.mark.spark
def test_spark_train(stored, job, tmp_path):
    """Rows of the store are fed to a Python program by tasks that read them themselves."""
    program = tmp_path / "train.py"
    program.write_text(
        "def main_fun(args, ctx):\n"
        "    feed, ids = ctx.get_data_feed(), []\n"
        "    while not feed.should_stop():\n"
        "        ids += feed.next_batch(100)['id']\n"
        f"    open('{tmp_path}/ids.txt', 'w').write(' '.join(map(str, ids)))\n"
    )
    path = job.folder / "job.yaml"
    path.write_text(
        f"app: {{python: {{file: {program}, function: main_fun}}}}\n"
        f"input: {{path: {stored.url}/data, format: parquet}}\ninput_mapping: {{id: id}}\n"
        "read_by: executor\nspark: {master: 'local[2]'}\n"
    )
    done = job.run("train", path, env=stored.env)
    assert done.code == 0, done.stderr
    assert sorted(map(int, (tmp_path / "ids.txt").read_text().split())) == list(range(ROWS))


# A value for each place from which a job gets secrets: none is a part of another.
PLANTED = {
    place: f"pl&nt<ed>/{place}+=\"42'{place[::-1]}"
    for place in ("conf", "part", "session", "bucket", "site", "sitepart", "defaults", "env")
}


def go_json(text):
    """As Go's encoding/json writes it."""
    text = json.dumps(text)[1:-1]
    for sign in "&<>":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def encoded(secret):
    """The secret in every form in which a file or a command line may have it."""
    forms = {
        secret,
        xml.sax.saxutils.escape(secret),
        xml.sax.saxutils.escape(secret, {'"': "&quot;", "'": "&apos;"}),
        html.escape(secret),
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote_plus(secret),
        json.dumps(secret)[1:-1],
        go_json(secret),
        secret.replace("=", "\\="),
        repr(secret)[1:-1],
    }
    for before in range(3):  # base64, wherever in a longer text the secret begins
        text = base64.b64encode(b"x" * before + secret.encode()).decode()
        forms.add(text[4 if before else 0 : -4])
    return [form.encode() for form in forms]


def forms(*secrets):
    return [form for secret in secrets for form in encoded(secret)]


def holds(content, planted):
    return [form for form in planted if form in content]


def process_texts(run_id):
    """(file, text): command lines of all processes, and environments of those of the run."""
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            yield "cmdline", (entry / "cmdline").read_bytes()
            environment = (entry / "environ").read_bytes()
            if f"TFOS_RUN={run_id}".encode() in environment:
                yield "environ", environment


def write_secrets(folder, s3):
    """(the job's spark.conf, environment): secrets in every place and form that Hadoop and Spark
    know. The server takes any key."""
    hadoop = "spark.hadoop."
    conf = {f"{hadoop}{name}": value for name, value in s3.settings.items() if "key" not in name}
    conf |= {
        f"{hadoop}fs.s3a.access.key": "TFOSTESTID",
        f"{hadoop}fs.s3a.secret.key": PLANTED["conf"] + "${vault.a}",
        f"{hadoop}vault.a": PLANTED["part"],
        f"{hadoop}fs.s3a.session.token": PLANTED["session"],
        f"{hadoop}fs.s3a.bucket.another.secret.key": PLANTED["bucket"],
        f"{hadoop}fs.azure.account.key.x.dfs.core.windows.net": PLANTED["conf"],
        f"{hadoop}fs.azure.sas.fixed.token.x.dfs.core.windows.net": f"sv=1&sig={PLANTED['bucket']}",
        f"{hadoop}fs.azure.account.oauth2.client.secret": PLANTED["session"],
        f"{hadoop}fs.gs.auth.service.account.private.key": f"BEGIN\\n{PLANTED['conf']}\\n",
        f"{hadoop}my.password": PLANTED["conf"],
        f"{hadoop}my.proxy": f"http://me:{urllib.parse.quote(PLANTED['conf'], safe='')}@host/",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": f"file:{folder}/events",
        "spark.ui.enabled": "true",
    }
    # What a cluster's files have: a value, a variable, one of the environment.
    escape = xml.sax.saxutils.escape
    site = {
        "fs.s3a.bucket.third.secret.key": escape(PLANTED["site"]),
        "fs.s3a.bucket.fourth.secret.key": "${vault.password}",
        "vault.password": escape(PLANTED["sitepart"]),
        "fs.s3a.bucket.fifth.secret.key": "${env.TFOS_TEST_PLANTED}",
    }
    write_site(folder / "conf", site)
    defaults = f"{hadoop}fs.s3a.bucket.sixth.secret.key {PLANTED['defaults']}"
    (folder / "conf" / "spark-defaults.conf").write_text(defaults)
    at = str(folder / "conf")
    return conf, {
        "HADOOP_CONF_DIR": at,
        "SPARK_CONF_DIR": at,
        "TFOS_TEST_PLANTED": PLANTED["env"],
    }


@pytest.mark.spark
def test_secrets_stay_secret(s3, mlp, job, tmp_path):
    """In no file of the record, no output, no command line, no environment, no event log and no
    page of Spark. Only the environment that the user has set has its own secret."""
    folder, _ = mlp
    s3.put(folder / "model", "model")
    s3.put(folder / "data", "data")
    (job.folder / "events").mkdir()
    conf, env = write_secrets(tmp_path, s3)
    conf["spark.eventLog.dir"] = f"file:{job.folder}/events"
    path = job.folder / "job.yaml"
    keys = {
        "export_dir": f"{s3.url}/model",
        "input": {"path": f"{s3.url}/data"},
        "output": {"path": f"{s3.url}/out"},
        "batch_size": 1,
        "read_by": "executor",
        "spark": {"master": "local-cluster[1,2,1024]", "conf": conf},
    }
    path.write_text(json.dumps(keys))
    planted = forms(*PLANTED.values())
    inherited = forms(*(value for place, value in PLANTED.items() if place != "env"))
    dry = subprocess.run(
        [TFOS, "infer", path, "--dry-run"], capture_output=True, cwd=job.folder,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TFOS_PYTHON": str(PYTHON), **env},
    )  # fmt: skip
    assert dry.returncode == 0, dry.stderr
    assert b"fs.s3a.secret.key=***" in dry.stdout
    assert holds(dry.stdout + dry.stderr, planted) == []

    job.start("infer", path, "--verbose", env=env)
    seen, pages = {"cmdline": 0, "environ": 0}, []
    while job.process.poll() is None:
        for file, text in process_texts(job.run_id):
            seen[file] += 1
            assert holds(text, planted if file == "cmdline" else inherited) == []
        if not pages:
            pages = spark_pages(job)
        time.sleep(0.05)
    done = job.wait()
    assert done.code == 0, done.stderr
    assert seen["cmdline"] > 100 and seen["environ"] > 20
    assert pages, "Spark's page of the environment was not seen"
    assert any(b"fs.s3a.secret.key" in page for page in pages)
    for page in pages:
        assert holds(page, planted) == []
    assert holds(done.stderr.encode() + json.dumps(done.verdict).encode(), planted) == []
    files = [p for p in job.folder.rglob("*") if p.is_file() and p != path]
    names = {p.name for p in files}
    assert {"plan.json", "command.txt", "events.jsonl", "spark.log", "run.json"} <= names
    assert any(p.parent.name == "events" for p in files)
    for file in files:
        assert holds(file.read_bytes(), planted) == [], file
    job.assert_clean()


def test_attach_and_show_have_the_credentials_of_the_job_file(s3, job, tmp_path):
    """A record has no secrets: without the job file its store is closed."""
    keys = ("fs.s3a.access.key", "fs.s3a.secret.key")
    site = {name: value for name, value in s3.settings.items() if name not in keys}
    env = {"HADOOP_CONF_DIR": str(write_site(tmp_path / "site", site))}
    record = job.folder / "record"
    record.mkdir()
    run = {"version": 1, "id": "r", "kind": "train", "job": "digits", "state": "succeeded"}
    (record / "run.json").write_text(json.dumps({**run, "in_cluster": True}))
    (record / "verdict.json").write_text(json.dumps({"code": 0, "rows": {"read": 7}}))
    url = s3.put(record, "runs/r")
    (job.folder / "train.py").touch()
    path = job.folder / "job.yaml"
    conf = {f"spark.hadoop.{name}": s3.settings[name] for name in keys}
    app = {"python": {"file": "train.py", "function": "main_fun"}}
    spark = {
        "master": "yarn",
        "deploy_mode": "cluster",
        "conf": conf,
        "record_dir": f"{s3.url}/runs",
    }
    keys = {"app": app, "input_mode": "tensorflow", "strategy": "independent", "spark": spark}
    path.write_text(json.dumps({**keys, "model_dir": f"{s3.url}/model"}))
    env["AWS_EC2_METADATA_DISABLED"] = "true"
    for argv in (["r", path], [url, path]):
        done = job.start_command("attach", *argv, env=env).wait(60)
        assert done.code == 0, done.stderr
        assert done.verdict["rows"]["read"] == 7
        shown = job.start_command("show", *argv, env=env).wait(60)
        assert shown.code == 0, shown.stderr
        assert (shown.verdict["path"], shown.verdict["state"]) == (f"{s3.url}/runs/r", "succeeded")
    for command in ("attach", "show"):
        closed = job.start_command(command, url, env=env).wait(60)
        assert closed.code != 0
        assert "credentials" in closed.stderr


def spark_pages(job):
    """The pages of the driver that show settings, as soon as it serves them."""
    log = next(job.folder.rglob("events.jsonl"), None)
    for line in log.read_text().splitlines() if log else ():
        with contextlib.suppress(ValueError, OSError):
            url = json.loads(line).get("tracking_url")
            if url:
                names = ["environment/", "api/v1/applications"]
                pages = [urllib.request.urlopen(f"{url}/{n}", timeout=5).read() for n in names]
                app = json.loads(pages[1])[0]["id"]
                more = f"{url}/api/v1/applications/{app}/environment"
                return [*pages, urllib.request.urlopen(more, timeout=5).read()]
    return []
