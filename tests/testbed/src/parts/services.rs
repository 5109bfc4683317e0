//! The parts beside the cluster: registry, BuildKit, Docker Engine, PostgreSQL, Prometheus, nginx.

use std::time::Duration;

use super::{Stage, credentials, folder, listens, write};
use crate::holder::{Machine, enter};
use crate::process::{finish, program};
use crate::{BedError, address, home};

/// How long a part may take to start.
pub(super) const SOON: Duration = Duration::from_secs(30);
/// The file of the run folder with the password of PostgreSQL's superuser.
pub(crate) const PASSWORD: &str = "postgres-password";
/// An account without rights, for databases, which refuse to run as root.
pub(super) const NOBODY: &str = "65534";

/// The registry. What the testbed's images are made of lies beneath as a read-only layer; what tests push goes with the testbed.
pub(super) async fn registry(stage: &Stage) -> Result<(), BedError> {
    let data = folder("state/registry")?;
    let listen = address::bed(address::REGISTRY);
    let configuration = write(
        "registry.yaml",
        &format!(
            "version: 0.1\nlog: {{ level: warn }}\nstorage:\n  delete: {{ enabled: true }}\n  \
             filesystem: {{ rootdirectory: {} }}\nhttp: {{ addr: \"{listen}\" }}\n",
            data.display()
        ),
    )?;
    let mut registry = program("docker-registry");
    registry.arg("serve").arg(configuration);
    stage.processes.run("registry", registry)?;
    stage.processes.until_ready("registry", SOON, || listens(address::REGISTRY)).await
}

/// The BuildKit daemon, on a socket that the host reaches too.
pub(super) async fn buildkit(stage: &Stage) -> Result<(), BedError> {
    let socket = home::run("buildkitd.sock");
    let registry = address::bed(address::REGISTRY);
    let configuration = write("buildkitd.toml", &format!("[registry.\"{registry}\"]\n  http = true\n"))?;
    let mut daemon = program("buildkitd");
    daemon.arg("--config").arg(configuration);
    daemon.arg("--root").arg(folder("state/buildkit")?);
    daemon.arg("--addr").arg(format!("unix://{}", socket.display()));
    daemon.args(["--containerd-worker=false", "--oci-worker-net=host", "--oci-worker-snapshotter=overlayfs"]);
    stage.processes.run("buildkitd", daemon)?;
    let answers = || async {
        let mut workers = program("buildctl");
        workers.arg("--addr").arg(format!("unix://{}", socket.display())).args(["debug", "workers"]);
        finish(workers).await.is_ok()
    };
    stage.processes.until_ready("buildkitd", SOON, answers).await
}

/// Docker Engine on a machine of its own, whose rules of the firewall are its own too.
pub(super) async fn docker(stage: &Stage) -> Result<(), BedError> {
    let machine = Machine::Docker;
    machine.make(&stage.processes).await?;
    let name = machine.name();
    let pid = stage.processes.pid(&name).ok_or_else(|| BedError::new("the Docker machine went away"))?;
    let socket = home::run("docker.sock");
    let mut engine = enter(pid, "dockerd");
    engine.arg("--config-file").arg(write("dockerd.json", "{}\n")?);
    engine.arg("--data-root").arg(folder("state/docker")?);
    engine.arg("--host").arg(format!("unix://{}", socket.display()));
    engine.args(["--exec-root=/run/docker", "--pidfile=/run/dockerd.pid", "--storage-driver=overlay2"]);
    engine.arg(format!("--insecure-registry={}", address::bed(address::REGISTRY)));
    engine.arg(format!("--cgroup-parent=/{}/docker", home::CGROUP));
    engine.args(["--exec-opt", "native.cgroupdriver=cgroupfs", "--log-level=warn"]);
    stage.processes.run("docker/dockerd", engine)?;
    let answers = || async {
        let mut version = program("docker");
        version.arg("--host").arg(format!("unix://{}", socket.display())).args(["version"]);
        finish(version).await.is_ok()
    };
    stage.processes.until_ready("docker/dockerd", SOON, answers).await
}

/// PostgreSQL, in memory. The superuser is `postgres`; its password stands in a file of the run folder.
pub(super) async fn postgres(stage: &Stage) -> Result<(), BedError> {
    let data = "/run/postgresql/data";
    let postgres = postgres_programs()?;
    let as_nobody = |tool: &str| {
        let mut command = program("setpriv");
        command.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups", "--"]);
        command.arg(format!("{postgres}/{tool}"));
        command
    };
    if !std::path::Path::new(data).join("PG_VERSION").exists() {
        let mut make = program("install");
        make.args(["-d", "-o", NOBODY, "-g", NOBODY, "/run/postgresql"]);
        finish(make).await?;
        // Nobody may not look into the run folder, and so gets the password where he may.
        let password = write(PASSWORD, &credentials::random()?)?;
        let mut hand = program("install");
        hand.args(["-o", NOBODY, "-m", "400"]).arg(password).arg("/run/postgresql/password");
        finish(hand).await?;
        let mut init = as_nobody("initdb");
        init.args([
            "--pgdata",
            data,
            "--username=postgres",
            "--auth=scram-sha-256",
            "--no-sync",
            "--encoding=UTF8",
        ]);
        init.arg("--pwfile").arg("/run/postgresql/password");
        finish(init).await?;
        let everyone = format!("host all all {}/15 scram-sha-256\n", "198.18.0.0");
        let rules = std::path::Path::new(data).join("pg_hba.conf");
        let known = std::fs::read_to_string(&rules).map_err(|e| BedError::file("read", &rules, &e))?;
        std::fs::write(&rules, known + &everyone).map_err(|e| BedError::file("write", &rules, &e))?;
    }
    let mut server = as_nobody("postgres");
    server.args(["-D", data, "-k", "/run/postgresql", "-c", "fsync=off"]);
    server.arg("-c").arg(format!("listen_addresses={}", address::BED));
    stage.processes.run("postgres", server)?;
    let answers = || async {
        let mut ready = program(&format!("{postgres}/pg_isready"));
        ready.args(["-q", "-h", &address::BED.to_string()]);
        finish(ready).await.is_ok()
    };
    stage.processes.until_ready("postgres", SOON, answers).await
}

/// Where the programs of PostgreSQL are, whichever version Debian has.
fn postgres_programs() -> Result<String, BedError> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let programs =
        versions.map(|version| version.path().join("bin")).find(|bin| bin.join("postgres").exists());
    let none = || BedError::new("PostgreSQL is not among Debian's packages; run `make testbed-install`");
    programs.map(|bin| bin.display().to_string()).ok_or_else(none)
}

/// nginx, which includes `nginx/*.conf` of the run folder: empty until a test writes one and sends `HUP`.
pub(super) async fn nginx(stage: &Stage) -> Result<(), BedError> {
    let own = folder("nginx")?;
    let configuration = write(
        "nginx.conf",
        &format!(
            "user root;\ndaemon off;\nworker_processes 2;\npid /run/nginx.pid;\nerror_log stderr;\n\
             events {{ worker_connections 4096; }}\n\
             http {{\n  access_log off;\n  include {}/*.conf;\n  server {{ listen {} default_server; \
             return 503 \"no route\\n\"; }}\n}}\n",
            own.display(),
            address::bed(address::NGINX)
        ),
    )?;
    let mut nginx = program("nginx");
    nginx.arg("-c").arg(configuration);
    stage.processes.run("nginx", nginx)?;
    stage.processes.until_ready("nginx", SOON, || listens(address::NGINX)).await
}

/// Prometheus. Debian's is built without discovery in Kubernetes; a watch of the pods writes its list of targets.
pub(super) async fn prometheus(stage: &Stage) -> Result<(), BedError> {
    let targets = folder("prometheus")?;
    let configuration = write(
        "prometheus.yaml",
        &format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\nscrape_configs:\n\
             - job_name: envoy\n  metrics_path: /stats/prometheus\n  static_configs: [{{ targets: [\"{}\"] }}]\n\
             - job_name: pods\n  file_sd_configs: [{{ files: [\"{}/*.json\"] }}]\n",
            address::bed(address::ENVOY_STATS),
            targets.display()
        ),
    )?;
    super::scrape_targets::watch(&targets);
    let mut prometheus = program("prometheus");
    prometheus.arg(format!("--config.file={}", configuration.display()));
    prometheus.arg(format!("--web.listen-address={}", address::bed(address::PROMETHEUS)));
    prometheus.args(["--storage.tsdb.path=/run/prometheus", "--log.level=warn"]);
    stage.processes.run("prometheus", prometheus)?;
    stage.processes.until_ready("prometheus", SOON, || listens(address::PROMETHEUS)).await
}
