//! A node: containerd, kubelet and kube-proxy on a machine of its own.

use std::time::Duration;

use super::{Stage, folder, kubectl, succeeds, write};
use crate::holder::{Machine, enter};
use crate::process::Processes;
use crate::{BedError, address, home};

/// Starts node `number` and waits until the cluster calls it Ready.
pub(super) async fn start(stage: &Stage, number: u8) -> Result<(), BedError> {
    let machine = Machine::Node(number);
    let (name, processes) = (machine.name(), &stage.processes);
    machine.make(processes).await?;
    let pid = processes.pid(&name).ok_or_else(|| BedError::new(format!("{name} went away")))?;
    // On disk: images are unpacked here. The state folder is the testbed's own and emptied at each start.
    folder(&format!("state/{name}"))?;
    containerd(processes, pid, &name, number).await?;
    let host = address::node(number).to_string();
    stage.credentials.certificate(
        &name,
        &format!("system:node:{name}"),
        Some("system:nodes"),
        &[name.clone(), host],
    )?;

    let mut kubelet = enter(pid, "kubelet");
    kubelet.arg("--config").arg(write(&format!("{name}-kubelet.yaml"), &kubelet_configuration(&name))?);
    kubelet.arg("--kubeconfig").arg(home::run("kubeconfig").join(&name));
    kubelet.arg("--root-dir").arg(home::run("state").join(&name).join("kubelet"));
    kubelet.args([&format!("--hostname-override={name}"), &format!("--node-ip={}", machine.address())]);
    processes.run(&format!("{name}/kubelet"), kubelet)?;

    let mut proxy = enter(pid, "kube-proxy");
    proxy.arg("--kubeconfig").arg(home::run("kubeconfig/proxy"));
    proxy.args([&format!("--hostname-override={name}"), &format!("--cluster-cidr={}", address::PODS)]);
    proxy.args(["--proxy-mode=iptables", "--conntrack-max-per-core=0"]);
    processes.run(&format!("{name}/kube-proxy"), proxy)?;

    let ready = || async {
        let mut wait = kubectl();
        wait.args(["wait", "--for=condition=Ready", "--timeout=1s", &format!("node/{name}")]);
        succeeds(wait).await
    };
    processes.until_ready(&format!("{name}/kubelet"), Duration::from_secs(60), ready).await
}

async fn containerd(processes: &Processes, pid: u32, name: &str, number: u8) -> Result<(), BedError> {
    let registry = address::bed(address::REGISTRY);
    let hosts = folder(&format!("{name}-registries/{registry}"))?;
    write(
        &format!("{name}-registries/{registry}/hosts.toml"),
        &format!("server = \"http://{registry}\"\n[host.\"http://{registry}\"]\n"),
    )?;
    folder(&format!("{name}-cni"))?;
    write(&format!("{name}-cni/10-pods.conflist"), &pod_network(name, number))?;
    let registries = hosts.parent().map(|path| path.display().to_string()).unwrap_or_default();
    // A root without CAP_SYS_RESOURCE may not lower the score by which the kernel chooses whom to kill when memory runs out.
    let configuration = format!(
        r#"version = 2
root = "{state}/containerd"
state = "/run/{name}-containerd"
[grpc]
  address = "{run}/{name}-containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{state}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{registry}/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{run}/{name}-cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{registries}"
"#,
        run = home::RUN,
        state = home::run("state").join(name).display(),
    );
    let mut containerd = enter(pid, "containerd");
    containerd.arg("--config").arg(write(&format!("{name}-containerd.toml"), &configuration)?);
    let process = format!("{name}/containerd");
    processes.run(&process, containerd)?;
    let socket = home::run(format!("{name}-containerd.sock"));
    let listens = || async { tokio::net::UnixStream::connect(&socket).await.is_ok() };
    processes.until_ready(&process, Duration::from_secs(30), listens).await
}

/// A link of its own for each pod, routed by the node: with no bridge between pods, a Service's answer within one node takes
/// the same way back as it came, whether or not the kernel filters bridges.
fn pod_network(name: &str, number: u8) -> String {
    format!(
        r#"{{ "cniVersion": "1.0.0", "name": "{name}-pods", "plugins": [
  {{ "type": "ptp", "mtu": 1500, "ipam": {{ "type": "host-local", "dataDir": "/run/{name}-addresses",
    "ranges": [[{{ "subnet": "{}" }}]], "routes": [{{ "dst": "0.0.0.0/0" }}] }} }},
  {{ "type": "portmap", "capabilities": {{ "portMappings": true }} }} ] }}"#,
        address::pods(number)
    )
}

fn kubelet_configuration(name: &str) -> String {
    let run = home::RUN;
    format!(
        r#"apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://{run}/{name}-containerd.sock
authentication:
  anonymous: {{ enabled: false }}
  webhook: {{ enabled: true }}
  x509: {{ clientCAFile: {run}/pki/ca.crt }}
authorization: {{ mode: Webhook }}
tlsCertFile: {run}/pki/{name}.crt
tlsPrivateKeyFile: {run}/pki/{name}.key
cgroupDriver: cgroupfs
cgroupRoot: /{cgroup}/{name}
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
evictionHard: {{}}
resolvConf: ""
clusterDNS: ["{dns}"]
clusterDomain: cluster.local
podLogsDir: {run}/state/{name}/pod-logs
serializeImagePulls: false
nodeStatusUpdateFrequency: 2s
nodeLeaseDurationSeconds: 8
"#,
        cgroup = home::CGROUP,
        dns = address::DNS_SERVICE,
    )
}
