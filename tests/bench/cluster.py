#!/usr/bin/env python3
"""Measures the Kubernetes target against kubectl, on the testbed (`make testbed-up` first).

tests/bench/cluster.py [rolling] [decision] [crowd] [previews]      all of them when none is named; one JSON object a line on stdout

rolling   a rolling deploy of 8 pods, `tidegate deploy` and `kubectl apply` + `kubectl rollout status` in turn, same manifest
decision  from the decision to go back to the last answer of the bad release, through Envoy, at 200 requests a second
crowd     1,000 simulated Deployments in one release: time against kubectl, memory, requests to the API server
previews  100 previews on simulated nodes, four at a time: time and memory to bring them up, of a sweep that looks at all, of one that takes all away

Environment: TIDEGATE (target/*/release/tidegate), ROUNDS (5), DECISIONS (20), CROWD (1000), PREVIEWS (100).
"""

import concurrent.futures
import datetime
import http.client
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent.parent.parent
RUN = pathlib.Path("/run/tidegate-testbed")
HOME = pathlib.Path(os.environ.get("TIDEGATE_TESTBED", pathlib.Path.home() / ".cache/tidegate-testbed"))
REGISTRY, GATEWAY = "198.18.0.1:5000", ("198.18.0.1", 8080)
KUBECONFIG = RUN / "kubeconfig" / "admin"


def binary():
    given = os.environ.get("TIDEGATE")
    found = given or next(iter(sorted(map(str, HERE.glob("target/*/release/tidegate")))), None)
    return found or sys.exit("no release binary: cargo build --release, or name it by TIDEGATE")


def run(*command, cwd=None, codes=(0,), env=None):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, **(env or {})})
    if done.returncode not in codes:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def kubectl(*arguments):
    return run(str(HOME / "bin/kubectl"), "--kubeconfig", str(KUBECONFIG), *arguments).stdout


def workload(name, tag, replicas, extra=""):
    return f"""apiVersion: apps/v1
kind: Deployment
metadata: {{ name: {name} }}
spec:
  replicas: {replicas}
  selector: {{ matchLabels: {{ app: {name} }} }}
  template:
    metadata: {{ labels: {{ app: {name} }} }}
    spec:
      terminationGracePeriodSeconds: 2
      {extra}
      containers:
      - name: app
        image: {REGISTRY}/sample:{tag}
        env: [{{ name: PORT, value: "8080" }}]
        ports: [{{ containerPort: 8080 }}]
        readinessProbe: {{ httpGet: {{ path: /health, port: 8080 }}, periodSeconds: 1 }}
"""


def service(name):
    return f"""---
apiVersion: v1
kind: Service
metadata: {{ name: {name} }}
spec: {{ selector: {{ app: {name} }}, ports: [{{ port: 80, targetPort: 8080 }}] }}
"""


class Place:
    """A namespace of its own, and a folder with settings and manifests."""

    def __init__(self, name, settings):
        self.space = f"bench-{name}-{os.getpid()}"
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.settings = settings

    def __enter__(self):
        kubectl("create", "namespace", self.space)
        head = f"""app: shop
environments:
  production:
    target:
      kubernetes:
        namespace: {self.space}
        kubeconfig: {KUBECONFIG}
        manifests: deploy.yaml
"""
        (self.folder / "tidegate.yaml").write_text(head + self.settings)
        return self

    def __exit__(self, *_):
        kubectl("delete", "namespace", self.space, "--wait=false")
        shutil.rmtree(self.folder)

    def manifests(self, text):
        (self.folder / "deploy.yaml").write_text(text)

    def tidegate(self, *arguments, codes=(0,), env=None):
        return run(binary(), *arguments, "--output", "json", cwd=self.folder, codes=codes, env=env)

    def weighed(self, *arguments, env=None):
        """As tidegate(): what it says on standard error, and the most memory that it had, in MiB. That of this process alone."""
        with tempfile.TemporaryFile("w+") as said:
            child = subprocess.Popen(
                [binary(), *arguments, "--output", "json"],
                cwd=self.folder, stdout=subprocess.DEVNULL, stderr=said, env={**os.environ, **(env or {})},
            )
            _, status, usage = os.wait4(child.pid, 0)
            said.seek(0)
            text = said.read()
        if os.waitstatus_to_exitcode(status) != 0:
            sys.exit(f"tidegate {arguments} failed:\n{text[-2000:]}")
        return text, round(usage.ru_maxrss / 1024, 1)


def say(part, **figures):
    when = datetime.datetime.now(datetime.timezone.utc).strftime("%FT%TZ")
    print(json.dumps({"part": part, "at": when, "load": os.getloadavg()[0], **figures}), flush=True)


def rolling():
    rounds, ours, theirs = int(os.environ.get("ROUNDS", 5)), [], []
    with Place("ours", "        drain: 2s\n    strategy: rolling\n") as own, Place("theirs", "") as other:
        for turn in range(rounds + 1):
            tag = ["1.0.0", "2.0.0"][turn % 2]
            text = workload("shop", tag, 8) + service("shop")
            own.manifests(text)
            other.manifests(text)
            began = time.monotonic()
            own.tidegate("deploy", "--version", tag)
            middle = time.monotonic()
            kubectl("-n", other.space, "apply", "-f", str(other.folder / "deploy.yaml"))
            kubectl("-n", other.space, "rollout", "status", "deployment/shop", "--timeout=120s")
            end = time.monotonic()
            time.sleep(4)
            if turn:
                ours.append(middle - began)
                theirs.append(end - middle)
    ratio = statistics.median(ours) / statistics.median(theirs)
    say("rolling", seconds=ours, kubectl_seconds=theirs, ratio_of_medians=round(ratio, 3))


def visit(host, stop, seen):
    connection = http.client.HTTPConnection(*GATEWAY, timeout=5)
    while not stop.is_set():
        try:
            connection.request("GET", "/", headers={"Host": host})
            answer = connection.getresponse()
            answer.read()
            seen.append((time.time(), answer.headers.get("x-sample-version")))
        except OSError:
            connection.close()
        time.sleep(0.04)


def decision():
    rounds, delays = int(os.environ.get("DECISIONS", 20)), []
    settings = """        traffic: { gateway-api: { route: shop } }
        drain: 2s
    strategy: { canary: { weights: [50], compare: false, at-most: 5m } }
    keep: 0s
"""
    with Place("decision", settings) as place:
        host = f"{place.space}.test"
        route = f"""---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{ name: shop }}
spec:
  parentRefs: [{{ name: gateway, namespace: testbed }}]
  hostnames: [{host}]
  rules: [{{ backendRefs: [{{ name: shop, port: 80 }}] }}]
"""
        place.manifests(workload("shop", "1.0.0", 2) + service("shop") + route)
        place.tidegate("deploy", "--version", "1.0.0")
        place.manifests(workload("shop", "2.0.0", 2) + service("shop") + route)
        for _ in range(rounds):
            stop, seen = threading.Event(), []
            visitors = [threading.Thread(target=visit, args=(host, stop, seen)) for _ in range(8)]
            for one in visitors:
                one.start()
            command = [binary(), "deploy", "--version", "2.0.0"]
            runner = subprocess.Popen(command, cwd=place.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while sum(1 for _, version in seen[-20:] if version == "2.0.0") < 6:
                time.sleep(0.1)
            place.tidegate("abort", "--reason", "bench", codes=(0,))
            runner.wait()
            time.sleep(1)
            stop.set()
            for one in visitors:
                one.join()
            back = turned_back(place)
            decided = datetime.datetime.fromisoformat(back.replace("Z", "+00:00")).timestamp()
            last = max(at for at, version in seen if version == "2.0.0")
            delays.append(round(last - decided, 3))
    delays.sort()
    say("decision", seconds=delays, median=statistics.median(delays), largest=delays[-1])


def turned_back(place):
    """When the last rollout turned back, by its journal."""
    wanted = "tidegate.dev/journal=rollout"
    maps = json.loads(kubectl("-n", place.space, "get", "configmaps", "-l", wanted, "-o", "json"))["items"]
    last = max(maps, key=lambda one: one["metadata"]["labels"]["tidegate.dev/rollout"])
    line = next(one for one in last["data"]["events"].splitlines() if '"turned-back"' in one)
    return re.search(r'"at":"([^"]+)"', line).group(1)


def simulated(own, count):
    """Nodes that kwok plays, for pods with this place's name as their `crowd`."""
    nodes = "".join(
        f"""apiVersion: v1
kind: Node
metadata: {{ name: {own.space}-{n}, annotations: {{ kwok.x-k8s.io/node: fake }}, labels: {{ crowd: {own.space} }} }}
spec: {{ taints: [{{ key: simulated, value: "true", effect: NoSchedule }}] }}
status: {{ allocatable: {{ cpu: "99", memory: 256Gi, pods: "250" }}, capacity: {{ cpu: "99", memory: 256Gi, pods: "250" }} }}
---
"""
        for n in range(count)
    )
    (own.folder / "nodes.yaml").write_text(nodes)
    kubectl("apply", "-f", str(own.folder / "nodes.yaml"))


def crowd():
    number = int(os.environ.get("CROWD", 1000))
    with Place("crowd", "        drain: 0s\n    strategy: rolling\n    budgets: { step: 15m }\n") as own, Place("crowd2", "") as other:
        simulated(own, 2 * number // 200 + 1)
        extra = f"nodeSelector: {{ crowd: {own.space} }}\n      tolerations: [{{ key: simulated, operator: Exists }}]"
        text = "---\n".join(workload(f"app-{n}", "1.0.0", 1, extra) for n in range(number))
        own.manifests(text)
        other.manifests(text)
        began = time.monotonic()
        _, first = own.weighed("deploy", "--version", "1.0.0")
        middle = time.monotonic()
        kubectl("-n", other.space, "apply", "--server-side", "-f", str(other.folder / "deploy.yaml"))
        kubectl("-n", other.space, "wait", "--for=condition=Available", "deployment", "--all", "--timeout=600s")
        end = time.monotonic()
        own.manifests(text.replace("sample:1.0.0", "sample:2.0.0"))
        again = time.monotonic()
        _, second = own.weighed("deploy", "--version", "2.0.0")
        again = time.monotonic() - again
        # Once more, counted: what kube logs of each request.
        own.manifests(text.replace("sample:1.0.0", "sample:1.1.0"))
        said, _ = own.weighed("deploy", "--version", "1.1.0", env={"RUST_LOG": "kube_client=debug"})
        requests = sum("requesting" in line for line in said.splitlines())
        kubectl("delete", "node", "-l", f"crowd={own.space}", "--wait=false")
    say(
        "crowd",
        deployments=number,
        seconds=round(middle - began, 1),
        kubectl_seconds=round(end - middle, 1),
        ratio=round((middle - began) / (end - middle), 2),
        second_seconds=round(again, 1),
        memory_mib=[first, second],
        requests_a_workload=round(requests / number, 2),
    )


def previews():
    number = int(os.environ.get("PREVIEWS", 100))
    with Place("previews", "") as own:
        simulated(own, 2)
        extra = f"nodeSelector: {{ crowd: {own.space} }}\n      tolerations: [{{ key: simulated, operator: Exists }}]"
        own.manifests(workload("shop", "1.0.0", 1, extra) + service("shop"))
        # Their time is over as soon as they are up, so that a sweep has all of them to take away.
        settings = f"""app: {own.space}
environments:
  preview:
    on: pull_request
    ttl: 1s
    limit: 1000
    target: {{ kubernetes: {{ manifests: deploy.yaml, kubeconfig: {KUBECONFIG}, drain: 0s }} }}
"""
        (own.folder / "tidegate.yaml").write_text(settings)

        def timed(*arguments):
            began = time.monotonic()
            _, memory = own.weighed("preview", *arguments)
            return time.monotonic() - began, memory

        def up(pull):
            return timed("up", str(pull), "--version", "1.0.0")

        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            each = list(pool.map(up, range(1, number + 1)))
        raised = time.monotonic() - began
        time.sleep(2)
        look, look_memory = timed("sweep", "--dry-run")
        sweep, sweep_memory = timed("sweep")
        left = kubectl("get", "namespaces", "-l", f"tidegate.dev/app={own.space}", "-o", "name").split()
        kubectl("delete", "node", "-l", f"crowd={own.space}", "--wait=false")
    say(
        "previews",
        previews=number,
        seconds=round(raised, 1),
        median_seconds=round(statistics.median(one for one, _ in each), 2),
        memory_mib=max(memory for _, memory in each),
        look_seconds=round(look, 2),
        look_memory_mib=look_memory,
        sweep_seconds=round(sweep, 1),
        sweep_memory_mib=sweep_memory,
        left=len(left),
    )


def main():
    parts = {"rolling": rolling, "decision": decision, "crowd": crowd, "previews": previews}
    for name in sys.argv[1:] or parts:
        parts.get(name, lambda: sys.exit(f"no part {name}: name {', '.join(parts)}"))()


main()
