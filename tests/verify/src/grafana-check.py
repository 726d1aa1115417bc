"""grafana-check FILE...: whether Grafana's own model of a dashboard knows everything that a file says: it is read into the model and
written again, and nothing may be lost or changed on the way."""

import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard


def lost(before, after, path=""):
    if isinstance(before, dict):
        for key, value in before.items():
            if not isinstance(after, dict) or key not in after:
                yield f"{path}/{key}"
            else:
                yield from lost(value, after[key], f"{path}/{key}")
    elif isinstance(before, list):
        if not isinstance(after, list) or len(after) != len(before):
            yield path
        else:
            for index, (one, other) in enumerate(zip(before, after)):
                yield from lost(one, other, f"{path}[{index}]")
    elif before != after:
        yield f"{path}: {before!r} became {after!r}"


bad = 0
for name in sys.argv[1:]:
    with open(name) as file:
        said = json.load(file)
    for what in lost(said, json.loads(JSONEncoder().encode(Dashboard.from_json(said)))):
        print(f"{name}: the model does not know {what}")
        bad = 1
sys.exit(bad)
