#!/usr/bin/env python3
"""Measures what a workflow waits for before the action does anything: `tests/bench/action.py`.

tidegate   the action's own shim (`node action/main.js`) at a push that a rule takes, from its start to the first act that somebody
           else sees: the first request to GitHub's API, which makes the check run. The program is started, the configuration is
           read, the event is understood by then.
six        six starts of Node one after the other, each with an empty script: what six actions in JavaScript take at least (those
           for metadata, login, builder, build, deploy and the comment) before the first line of any of them is run. Their own
           code, some megabytes each, comes on top, and so do their `post` steps.

Both in turn, ROUNDS (21) times after one that is not counted; one JSON object, with medians in milliseconds, and the ratio of ours to theirs.
Environment: TIDEGATE (target/*/release/tidegate), NODE (node).
"""

import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent.parent.parent
NODE = os.environ.get("NODE", "node")
ROUNDS = int(os.environ.get("ROUNDS", 21))
COMMIT = "0f1e2d3c4b5a69788796a5b4c3d2e1f001122334"
CONFIGURATION = """app: shop
environments:
  staging:
    on: { push: main }
    target: { local: { command: "sh -c 'sleep 60'", listen: "127.0.0.1:1" } }
"""


def binary():
    found = os.environ.get("TIDEGATE") or next(iter(sorted(map(str, HERE.glob("target/*/release/tidegate")))), None)
    return str(pathlib.Path(found).resolve()) if found else sys.exit("no release binary: cargo build --release, or name it by TIDEGATE")


class Listener:
    """Takes one request, and says when its first bytes came and what they ask for."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(30)
        self.port = self.socket.getsockname()[1]
        self.at = self.asked = None
        self.thread = threading.Thread(target=self.take, daemon=True)
        self.thread.start()

    def take(self):
        connection, _ = self.socket.accept()
        first = connection.recv(65536)
        self.at, self.asked = time.perf_counter(), first.split(b"\r\n")[0].decode()
        connection.close()


def tidegate(folder):
    listener = Listener()
    payload = folder / "event.json"
    payload.write_text(json.dumps({"ref": "refs/heads/main", "after": COMMIT, "deleted": False, "repository": {"full_name": "acme/shop"}}))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "INPUT_BINARY": binary(),
        "INPUT_GITHUB-TOKEN": "ghs_x",
        "INPUT_IF-BUSY": "supersede",
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": f"http://127.0.0.1:{listener.port}",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_EVENT_PATH": str(payload),
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_RUN_ID": "42",
        "GITHUB_SHA": COMMIT,
        "GITHUB_WORKSPACE": str(folder),
    }
    began = time.perf_counter()
    step = subprocess.Popen([NODE, str(HERE / "action/main.js")], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    listener.thread.join(30)
    os.killpg(step.pid, signal.SIGKILL)
    said = step.communicate()[0].decode()
    # What it had begun by then goes, too.
    subprocess.run([binary(), "local", "stop"], cwd=folder, env=environment, capture_output=True)
    if not listener.at or "check-runs" not in listener.asked:
        sys.exit(f"no check run was asked for ({listener.asked}):\n{said}")
    return listener.at - began


def six(folder):
    script = folder / "empty.js"
    script.write_text("")
    began = time.perf_counter()
    for _ in range(6):
        subprocess.run([NODE, str(script)], cwd=folder, check=True)
    return time.perf_counter() - began


def main():
    took = {"tidegate": [], "six": []}
    for turn in range(ROUNDS + 1):
        for name, act in (("tidegate", tidegate), ("six", six)):
            with tempfile.TemporaryDirectory(prefix="bench-action-", ignore_cleanup_errors=True) as folder:
                folder = pathlib.Path(folder)
                (folder / "tidegate.yaml").write_text(CONFIGURATION)
                seconds = act(folder)
            if turn:
                took[name].append(seconds * 1000)
    medians = {name: round(statistics.median(all), 1) for name, all in took.items()}
    print(json.dumps({"measure": "action-start", "rounds": ROUNDS, "median_ms": medians, "ratio": round(medians["tidegate"] / medians["six"], 3)}))


if __name__ == "__main__":
    main()
