//! The namespaces' inside: mounts that hide the user's system from the parts, and the network.

use std::path::Path;

use tokio::process::Command;

use crate::process::{finish, program};
use crate::{BedError, address, home};

/// The folder for the upper layers of what the parts must not write to on the real disk.
const UPPER: &str = "/run/tidegate-testbed-upper";
/// What kubelet insists on. It finds these values and so leaves the machine's own as they are.
const PINNED: [(&str, &str); 3] = [
    ("/proc/sys/vm/overcommit_memory", "1\n"),
    ("/proc/sys/kernel/panic", "10\n"),
    ("/proc/sys/kernel/panic_on_oops", "1\n"),
];

/// Makes all of it.
pub(super) async fn make() -> Result<(), BedError> {
    hide_run().await?;
    for folder in ["/etc", "/opt", "/var"] {
        throwaway(folder).await?;
    }
    debian_over_usr().await?;
    pin_sysctls().await?;
    cgroups().await?;
    network().await
}

/// A fresh `/run`, in which of the user's only our own folder is left: no socket of a Docker or containerd can be reached.
async fn hide_run() -> Result<(), BedError> {
    sh(&format!(
        "mount --rbind {run} /mnt && mount -t tmpfs -o mode=755 tmpfs /run && mkdir {run} {UPPER} && \
         mount --move /mnt {run} && mkdir -p /run/lock /run/netns",
        run = home::RUN
    ))
    .await
}

/// The same folder, with what is written to it kept in memory.
async fn throwaway(folder: &str) -> Result<(), BedError> {
    let upper = format!("{UPPER}{folder}");
    sh(&format!(
        "mkdir -p {upper}/new {upper}/work && \
         mount -t overlay overlay -o lowerdir={folder},upperdir={upper}/new,workdir={upper}/work {folder}"
    ))
    .await
}

/// Debian's packages at the paths that they expect. Only here: outside they stay in their folder.
async fn debian_over_usr() -> Result<(), BedError> {
    let debian = home::run("debian");
    let path = debian.display();
    sh(&format!("mount -t overlay overlay -o lowerdir={path}/usr:/usr /usr")).await?;
    sh(&format!(
        "cp -an {path}/etc/. /etc/ && cp -an {path}/var/. /var/ && mkdir -p /var/lib/kubelet /etc/cni/net.d"
    ))
    .await
}

async fn pin_sysctls() -> Result<(), BedError> {
    for (index, (name, value)) in PINNED.into_iter().enumerate() {
        let file = format!("{UPPER}/pinned-{index}");
        write(Path::new(&file), value)?;
        sh(&format!("mount --bind {file} {name}")).await?;
    }
    Ok(())
}

/// A group of our own in every hierarchy, beneath which pods and containers get theirs; `testbed down` removes it. In the one
/// hierarchy of version 2 a group has only the controllers that those above it pass on.
///
/// It weighs as much as sixteen processes of the machine, for all pods together would otherwise weigh as much as one, and starve for
/// seconds beside a compiler or a dozen tests: on a cluster's nodes it is pods that the processors are for. They need little. The
/// parts themselves, which need more, are in no such group: they would starve what is tested.
async fn cgroups() -> Result<(), BedError> {
    let name = home::CGROUP;
    sh(&format!(
        "cd /sys/fs/cgroup; \
         if [ -e cgroup.controllers ]; then \
           mkdir -p {name}; \
           for one in cpu cpuset memory hugetlb pids io; do \
             if grep -qw $one cgroup.controllers; then \
               echo +$one > cgroup.subtree_control; echo +$one > {name}/cgroup.subtree_control; \
             fi; \
           done; \
           all=.; \
         else all=$(ls -d */); fi; \
         for one in $all; do \
           mkdir -p $one/{name}/node1 $one/{name}/node2 $one/{name}/node3 $one/{name}/docker; \
         done; \
         for one in $(ls -d */{name} {name} 2>/dev/null); do \
           if [ -e $one/cpu.shares ]; then echo 16384 > $one/cpu.shares; fi; \
           if [ -e $one/cpu.weight ]; then echo 1600 > $one/cpu.weight; fi; \
         done"
    ))
    .await
}

/// A bridge, to which the host, the nodes and the Docker machine are wired.
async fn network() -> Result<(), BedError> {
    let mut commands = vec![
        "ip link set lo up".to_owned(),
        "ip link add bed0 type bridge forward_delay 0".to_owned(),
        format!("ip address add {}/24 dev bed0", address::BED),
        "ip link set bed0 up".to_owned(),
        "echo 1 > /proc/sys/net/ipv4/ip_forward".to_owned(),
    ];
    for number in 1..=3 {
        commands.push(format!("ip route add {} via {}", address::pods(number), address::node(number)));
    }
    // Node 1 stands in for the Services' addresses, which exist only as rules on the nodes.
    commands.push(format!("ip route add {} via {}", address::SERVICES, address::node(1)));
    for command in commands {
        sh(&command).await?;
    }
    Ok(())
}

pub(super) async fn sh(line: &str) -> Result<(), BedError> {
    let mut command: Command = program("sh");
    command.args(["-ec", line]);
    finish(command).await.map(drop)
}

fn write(path: &Path, text: &str) -> Result<(), BedError> {
    std::fs::write(path, text).map_err(|e| BedError::file("write", path, &e))
}
