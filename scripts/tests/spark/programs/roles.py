"""A script that knows TF_CONFIG only: writes it down, and a mark of a SavedModel.

argv: the model folder, the export folder. ps and workers never end, as server.join() does not.
"""

import json
import os
import sys
import time

model_dir, export_dir = sys.argv[1:]
config = json.loads(os.environ["TF_CONFIG"])
task = config["task"]

os.makedirs(model_dir, exist_ok=True)
with open(os.path.join(model_dir, f"{task['type']}-{task['index']}.json"), "w") as out:
    json.dump(config, out)
os.makedirs(export_dir)
with open(os.path.join(export_dir, "saved_model.pb"), "w") as out:
    out.write(task["type"])
while task["type"] != "chief":
    time.sleep(1)
while len(os.listdir(model_dir)) < sum(map(len, config["cluster"].values())) + 1:
    time.sleep(0.1)
