//! The control plane: etcd, API server, controller manager, scheduler; and kwok, which simulates nodes on it.

use std::time::Duration;

use super::{Stage, kubectl, listens, succeeds};
use crate::process::program;
use crate::{BedError, address, home};

const SOON: Duration = Duration::from_secs(60);

/// etcd, whose data is in memory: the cluster does not outlive the testbed.
pub(super) async fn etcd(stage: &Stage) -> Result<(), BedError> {
    let mut etcd = program("etcd");
    etcd.env("ETCD_UNSUPPORTED_ARCH", std::env::consts::ARCH.replace("aarch64", "arm64"));
    etcd.args(["--name", "testbed", "--data-dir", "/run/etcd", "--log-level", "warn"]);
    etcd.args([
        "--listen-client-urls",
        "http://127.0.0.1:2379",
        "--advertise-client-urls",
        "http://127.0.0.1:2379",
    ]);
    etcd.args(["--listen-peer-urls", "http://127.0.0.1:2380"]);
    stage.processes.run("etcd", etcd)?;
    let health = || async { tokio::net::TcpStream::connect(("127.0.0.1", 2379)).await.is_ok() };
    stage.processes.until_ready("etcd", SOON, health).await
}

/// API server, controller manager and scheduler.
pub(super) async fn control_plane(stage: &Stage) -> Result<(), BedError> {
    api_server(stage)?;
    let api = || async {
        let mut ready = kubectl();
        ready.args(["get", "--raw", "/readyz"]);
        listens(address::API).await && succeeds(ready).await
    };
    stage.processes.until_ready("kube-apiserver", SOON, api).await?;

    let mut manager = program("kube-controller-manager");
    manager.arg("--kubeconfig").arg(home::run("kubeconfig/controller-manager"));
    manager.arg("--service-account-private-key-file").arg(home::run("pki/service-accounts.key"));
    manager.arg("--root-ca-file").arg(home::run("pki/ca.crt"));
    manager.args([
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
    ]);
    // A node that is cut off is to be seen in seconds, not in the usual fifty.
    manager.args(["--node-monitor-period=1s", "--node-monitor-grace-period=8s"]);
    // As managed clusters have it: with 20 requests a second, the default, hundreds of pods keep every controller waiting.
    manager.args(["--kube-api-qps=400", "--kube-api-burst=800"]);
    stage.processes.run("kube-controller-manager", manager)?;

    let mut scheduler = program("kube-scheduler");
    scheduler.arg("--kubeconfig").arg(home::run("kubeconfig/scheduler"));
    scheduler.args(["--leader-elect=false", "--bind-address=127.0.0.1"]);
    scheduler.args(["--kube-api-qps=400", "--kube-api-burst=800"]);
    stage.processes.run("kube-scheduler", scheduler)?;

    // Pods can be made once the namespace has its service account.
    let accounts = || async {
        let mut account = kubectl();
        account.args(["get", "serviceaccount", "default", "-n", "default"]);
        succeeds(account).await
    };
    stage.processes.until_ready("kube-controller-manager", SOON, accounts).await
}

fn api_server(stage: &Stage) -> Result<(), BedError> {
    let pki = |name: &str| home::run("pki").join(name).display().to_string();
    let mut server = program("kube-apiserver");
    server.args([
        format!("--advertise-address={}", address::BED),
        format!("--bind-address={}", address::BED),
        format!("--secure-port={}", address::API),
        "--etcd-servers=http://127.0.0.1:2379".to_owned(),
        format!("--service-cluster-ip-range={}", address::SERVICES),
        "--authorization-mode=Node,RBAC".to_owned(),
        // Debian's etcd cannot tell how far a watch is, which lists by watch need: some clients, kwok among them, ask for one again
        // and again, and see nothing meanwhile.
        "--feature-gates=WatchList=false".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        format!("--token-auth-file={}", pki("tokens.csv")),
        format!("--authentication-config={}", pki("authentication.yaml")),
        format!("--client-ca-file={}", pki("ca.crt")),
        format!("--tls-cert-file={}", pki("apiserver.crt")),
        format!("--tls-private-key-file={}", pki("apiserver.key")),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        format!("--service-account-key-file={}", pki("service-accounts.pub")),
        format!("--service-account-signing-key-file={}", pki("service-accounts.key")),
        format!("--kubelet-certificate-authority={}", pki("ca.crt")),
        format!("--kubelet-client-certificate={}", pki("apiserver-kubelet.crt")),
        format!("--kubelet-client-key={}", pki("apiserver-kubelet.key")),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        "--allow-privileged=true".to_owned(),
    ]);
    stage.processes.run("kube-apiserver", server)
}

/// kwok: nodes with the annotation `kwok.x-k8s.io/node: fake`, and the pods on them, live without kubelet. A test makes the
/// nodes, with a taint, so that real pods keep away.
pub(super) async fn kwok(stage: &Stage) -> Result<(), BedError> {
    let mut kwok = program("kwok");
    kwok.arg("--kubeconfig").arg(home::run("kubeconfig/kwok"));
    kwok.args([
        "--manage-all-nodes=false",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
    ]);
    kwok.args(["--server-address", "127.0.0.1:10247"]);
    // A lease is renewed four times in its duration, and a node that has not done so for eight seconds counts as lost.
    kwok.args(["--node-lease-duration-seconds", "8"]);
    stage.processes.run("kwok", kwok)?;
    let serves = || async { tokio::net::TcpStream::connect(("127.0.0.1", 10247)).await.is_ok() };
    stage.processes.until_ready("kwok", SOON, serves).await
}
