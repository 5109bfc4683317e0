#!/usr/bin/env python3
"""Measures images against what others use for them, on the testbed (`make testbed-up PARTS="registry buildkit docker"` first).

tests/bench/images.py [cold] [layout] [unchanged] [tags] [large]     all but `large` when none is named; one JSON object a line

cold       a program of 40 MB that the registry has never seen, to an image there: `tidegate image push PROGRAM`; `tar` and
           `crane append`; `docker buildx build --push` of a Dockerfile FROM scratch; `ko build` where $KO names it
layout     the same as an OCI layout, packed beforehand: `tidegate image push LAYOUT` and `skopeo copy`
unchanged  each of them once more, with nothing changed: time, and through a counting way the bytes of blobs that were sent
tags       `tidegate image tags` in a workflow's environment against `node -e ''`, and against Node with a client library loaded
large      a layer of 5 GiB from a layout: time and the most memory

All of a round are run in turn, each with a program of its own; the first round warms up and is not counted. Figures are medians,
and the ratio is that of ours to theirs. Environment: TIDEGATE (target/*/release/tidegate), ROUNDS (7), KO (the
program), WITHOUT (peers to leave out), LAYER_GIB (5); REGISTRY and OUTSIDE (this machine as BuildKit sees it) where it is not the testbed's.
"""

import datetime
import gzip
import hashlib
import http.client
import http.server
import json
import os
import pathlib
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
DEBIAN = HOME / "debian/usr"
REGISTRY = os.environ.get("REGISTRY", "198.18.0.1:5000")
# Where this machine is seen from within the testbed.
OUTSIDE = os.environ.get("OUTSIDE", "198.18.0.254")
SIZE = 40_000_000
WORK = pathlib.Path(tempfile.mkdtemp(prefix="bench-images-"))
ENVIRONMENT = {**os.environ, "DOCKER_CONFIG": str(HOME / "docker"), "HOME": str(WORK)}


def binary():
    given = os.environ.get("TIDEGATE")
    found = given or next(iter(sorted(map(str, HERE.glob("target/*/release/tidegate")))), None)
    return found or sys.exit("no release binary: cargo build --release, or name it by TIDEGATE")


def run(*command, cwd=None, env=None):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=env or ENVIRONMENT)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def say(part, **figures):
    when = datetime.datetime.now(datetime.timezone.utc).strftime("%FT%TZ")
    print(json.dumps({"part": part, "at": when, "load": os.getloadavg()[0], **figures}), flush=True)


def program(path):
    """A static program of 40 MB, unlike every other: code, and behind it a few bytes of chance."""
    code = (HOME / "bin/podinfo").read_bytes() + (HOME / "bin/kubectl").read_bytes()
    path.write_bytes(code[: SIZE - 4096] + os.urandom(4096))
    path.chmod(0o755)


def layout(folder, app):
    """An OCI layout of an image with that program in it, as `go build` and `tar | gzip -1` would make it."""
    shutil.rmtree(folder, ignore_errors=True)
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    tar = subprocess.run(["tar", "-C", app.parent, "-cf", "-", app.name], capture_output=True, check=True).stdout

    def write(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    layer = write(gzip.compress(tar, 1, mtime=0), "layer.v1.tar+gzip")
    rootfs = {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(tar).hexdigest()]}
    config = {"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/" + app.name]}, "rootfs": rootfs}
    config = write(json.dumps(config).encode(), "config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [layer]}
    manifest = write(json.dumps(manifest).encode(), "manifest.v1+json")
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


# Each brings what lies in a folder (`app`, `layout`) to a name. They are run with no registry but that one in mind.


def tidegate(folder, name):
    run(binary(), "image", "push", str(folder / "app"), name)


def tidegate_layout(folder, name):
    run(binary(), "image", "push", str(folder / "layout"), name)


def crane(folder, name):
    run("tar", "-C", str(folder), "-cf", str(folder / "layer.tar"), "app")
    run(str(HOME / "bin/crane"), "append", "--insecure", "--new_layer", str(folder / "layer.tar"), "--new_tag", name)


def skopeo(folder, name):
    # Debian's, with the libraries that lie beside it.
    env = {**ENVIRONMENT, "LD_LIBRARY_PATH": ":".join(map(str, DEBIAN.glob("lib/*-linux-gnu")))}
    command = [str(DEBIAN / "bin/skopeo"), "--insecure-policy", "copy", "--dest-tls-verify=false"]
    run(*command, f"oci:{folder / 'layout'}", f"docker://{name}", env=env)


def docker(*arguments):
    env = {**ENVIRONMENT, "DOCKER_HOST": f"unix://{RUN / 'docker.sock'}"}
    return run(str(DEBIAN / "bin/docker"), *arguments, env=env)


def buildx(folder, name):
    (folder / "Dockerfile").write_text('FROM scratch\nCOPY app /app\nENTRYPOINT ["/app"]\n')
    (folder / ".dockerignore").write_text("*\n!app\n")
    output = f"type=image,name={name},push=true,registry.insecure=true"
    docker("buildx", "build", "--builder", "bench", "--output", output, str(folder))


def ko(folder, name):
    source = folder / "ko"
    source.mkdir(exist_ok=True)
    shutil.copy(folder / "app", source / "data")
    (source / "go.mod").write_text("module bench.test/app\n\ngo 1.24\n")
    (source / "main.go").write_text(
        'package main\n\nimport _ "embed"\n\n//go:embed data\nvar data string\n\nfunc main() { println(len(data)) }\n'
    )
    # Without a base of its own it would go to the internet for one.
    env = {**ENVIRONMENT, "KO_DOCKER_REPO": name.rsplit(":", 1)[0], "KO_DEFAULTBASEIMAGE": f"{REGISTRY}/bench-empty:1"}
    env["GOFLAGS"], env["GOCACHE"] = "-buildvcs=false", str(WORK / "gocache")
    run(os.environ["KO"], "build", "--bare", "--insecure-registry", "--sbom=none", "-t", "1", ".", cwd=source, env=env)


def peers():
    all = {"tidegate": tidegate, "crane": crane, "buildx": buildx, "ko": ko}
    without = os.environ.get("WITHOUT", "").split() + ([] if os.environ.get("KO") else ["ko"])
    return {name: act for name, act in all.items() if name not in without}


def timed(act, *arguments):
    began = time.monotonic()
    act(*arguments)
    return time.monotonic() - began


def rounds(part, own, others):
    """All in turn, each round with new programs; the order changes, so that nobody is always first."""
    number, took = int(os.environ.get("ROUNDS", 7)), {name: [] for name in others}
    names = list(others)
    for turn in range(number + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            folder = WORK / part / name
            folder.mkdir(parents=True, exist_ok=True)
            program(folder / "app")
            if part == "layout":
                layout(folder / "layout", folder / "app")
            seconds = timed(others[name], folder, f"{REGISTRY}/bench-{os.getpid()}-{part}-{name}-{turn}:1")
            if turn:
                took[name].append(round(seconds, 3))
    tell(part, own, took)


def tell(part, own, took, **more):
    medians = {name: round(statistics.median(all), 3) for name, all in took.items()}
    ratios = {name: round(medians[own] / median, 3) for name, median in medians.items() if name != own}
    say(part, medians=medians, ratio_of_ours=ratios, seconds=took, **more)


def base_for_ko():
    if "ko" not in peers() or (WORK / "empty").exists():
        return
    (WORK / "empty").mkdir()
    (WORK / "empty/nothing").write_text("")
    run(binary(), "image", "push", str(WORK / "empty"), f"{REGISTRY}/bench-empty:1", "--no-sbom")


def cold():
    base_for_ko()
    rounds("cold", "tidegate", peers())


def layouts():
    rounds("layout", "tidegate", {"tidegate": tidegate_layout, "skopeo": skopeo})


class Way(http.server.BaseHTTPRequestHandler):
    """A way to the registry that counts what is sent of blobs."""

    protocol_version = "HTTP/1.1"
    sent = requests = 0

    def answer(self):
        body = self.body()
        Way.requests += 1
        if "/blobs/uploads/" in self.path:
            Way.sent += len(body)
        far = http.client.HTTPConnection(REGISTRY, timeout=60)
        headers = {key: value for key, value in self.headers.items() if key.lower() != "transfer-encoding"}
        headers["Content-Length"] = str(len(body))
        far.request(self.command, self.path, body=body, headers=headers)
        got = far.getresponse()
        data = got.read()
        self.send_response(got.status)
        for key, value in got.getheaders():
            if key.lower() not in ("connection", "content-length"):
                self.send_header(key, value)
        length = got.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        far.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = answer

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def log_message(self, *_):
        pass


def unchanged():
    base_for_ko()
    number = int(os.environ.get("ROUNDS", 7))
    acts = {**peers(), "tidegate layout": tidegate_layout, "skopeo": skopeo}
    server = http.server.ThreadingHTTPServer((OUTSIDE, 0), Way)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    counted = f"{OUTSIDE}:{server.server_port}"
    took, sent, requests = {name: [] for name in acts}, {}, {}
    for name, act in acts.items():
        folder = WORK / "unchanged" / name.replace(" ", "-")
        folder.mkdir(parents=True)
        program(folder / "app")
        layout(folder / "layout", folder / "app")
        if name == "buildx":
            # It speaks plain HTTP only with the registries that its daemon knows: its time is measured, and its bytes are not.
            continue
        repository = f"bench-{os.getpid()}-unchanged-{folder.name}:1"
        act(folder, f"{counted}/{repository}")
        first, Way.sent, Way.requests = Way.sent, 0, 0
        if first < SIZE // 10:
            sys.exit(f"{name}: {first} bytes were counted at the first push: the way does not count")
        act(folder, f"{counted}/{repository}")
        sent[name], requests[name], Way.sent, Way.requests = Way.sent, Way.requests, 0, 0
    for turn in range(number + 1):
        for name, act in acts.items():
            folder = WORK / "unchanged" / name.replace(" ", "-")
            seconds = timed(act, folder, f"{REGISTRY}/bench-{os.getpid()}-unchanged-{folder.name}:1")
            if turn:
                took[name].append(round(seconds, 3))
    tell("unchanged", "tidegate", took, bytes_of_blobs_sent=sent, requests=requests)
    server.shutdown()


def tags():
    payload = WORK / "event.json"
    repository = {"name": "shop", "default_branch": "main", "html_url": "https://git.test/acme/shop", "description": "x"}
    payload.write_text(json.dumps({"repository": {**repository, "license": {"spdx_id": "Apache-2.0"}}}))
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(WORK),
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_REF": "refs/tags/v1.2.3",
        "GITHUB_SHA": "0f1e2d3c4b5a69788796a5b4c3d2e1f001122334",
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_SERVER_URL": "https://git.test",
        "GITHUB_EVENT_PATH": str(payload),
        "INPUT_IMAGES": "registry.test/acme/shop",
        "INPUT_TAGS": "type=semver,pattern={{version}}\ntype=semver,pattern={{major}}.{{minor}}\ntype=sha",
        "INPUT_LATEST-CHECK": "off",
    }
    library = pathlib.Path(run("npm", "root", "-g", env=os.environ).stdout.strip()) / "npm/node_modules/npm-registry-fetch"
    load = f"require({json.dumps(str(library))})"
    count = "const f=Object.keys(require.cache);console.log(f.length, f.reduce((n,p)=>n+require('fs').statSync(p).size,0))"
    files, size = map(int, run("node", "-e", f"{load};{count}", env=env).stdout.split())
    acts = {
        "tidegate": [binary(), "image", "tags", "--output", "json"],
        "node": ["node", "-e", ""],
        "node with a library": ["node", "-e", load],
    }
    number, took = 5 * int(os.environ.get("ROUNDS", 7)), {name: [] for name in acts}
    for turn in range(number + 1):
        for name, command in acts.items():
            seconds = timed(lambda: run(*command, env=env))
            if turn:
                took[name].append(round(seconds, 4))
    tell("tags", "tidegate", took, library_files=files, library_bytes=size)


def large():
    gib = int(os.environ.get("LAYER_GIB", 5))
    folder = WORK / "large"
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    hasher, zeros = hashlib.sha256(), bytes(1 << 20)
    for _ in range(gib << 10):
        hasher.update(zeros)
    layer = hasher.hexdigest()
    with open(blobs / layer, "wb") as file:
        file.truncate(gib << 30)

    def write(document, kind):
        data = json.dumps(document).encode()
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    rootfs = {"type": "layers", "diff_ids": [f"sha256:{layer}"]}
    config = write({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}, "config.v1+json")
    named = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": f"sha256:{layer}", "size": gib << 30}
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = write({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [named]}, "manifest.v1+json")
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    child = subprocess.Popen([binary(), "image", "push", str(folder), f"{REGISTRY}/bench-{os.getpid()}-large:1"], env=ENVIRONMENT)
    began = time.monotonic()
    _, status, usage = os.wait4(child.pid, 0)
    took = time.monotonic() - began
    if status:
        sys.exit("the large layer was not pushed")
    say("large", gib=gib, seconds=round(took, 1), largest_memory_mib=round(usage.ru_maxrss / 1024, 1))


def main():
    parts = {"cold": cold, "layout": layouts, "unchanged": unchanged, "tags": tags, "large": large}
    wanted = sys.argv[1:] or [name for name in parts if name != "large"]
    for name in wanted:
        if name not in parts:
            sys.exit(f"no part {name}: name {', '.join(parts)}")
    has_builder = {"cold", "unchanged"} & set(wanted) and "buildx" in peers()
    if has_builder:
        docker("buildx", "create", "--name", "bench", "--driver", "remote", f"unix://{RUN / 'buildkitd.sock'}")
    try:
        for name in wanted:
            parts[name]()
    finally:
        if has_builder:
            docker("buildx", "rm", "--keep-daemon", "bench")
        shutil.rmtree(WORK)


main()
