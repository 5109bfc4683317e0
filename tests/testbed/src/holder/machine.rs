//! A machine on the testbed's network: a node, or the host of Docker Engine.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::process::Command;

use super::world::sh;
use crate::process::{Processes, program};
use crate::{BedError, address};

/// A network namespace, a mount namespace and a host name, held by a process that sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    /// A node of the cluster, from 1.
    Node(u8),
    /// The machine of Docker Engine.
    Docker,
}

impl Machine {
    /// The machine of that name.
    pub(crate) fn named(name: &str) -> Result<Self, BedError> {
        let machines = [Self::Node(1), Self::Node(2), Self::Node(3), Self::Docker];
        let unknown =
            || BedError::new(format!("no machine {name:?}; there are node1, node2, node3 and docker"));
        machines.into_iter().find(|machine| machine.name() == name).ok_or_else(unknown)
    }

    /// Its host name, which is also the name of the process that holds it.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Node(number) => format!("node{number}"),
            Self::Docker => "docker".to_owned(),
        }
    }

    /// Its address.
    pub(crate) fn address(self) -> Ipv4Addr {
        match self {
            Self::Node(number) => address::node(number),
            Self::Docker => address::DOCKER_HOST,
        }
    }

    /// Makes it, unless it is there, and wires it to the bridge.
    pub(crate) async fn make(self, processes: &Processes) -> Result<(), BedError> {
        let name = self.name();
        let wired = crate::run(format!("{name}.wired"));
        if processes.pid(&name).is_some() && wired.exists() {
            return Ok(());
        }
        // What runs in a machine that lost its holder, or was never wired, runs where nobody reaches it.
        processes.end_all(&name).await?;
        let _ = std::fs::remove_file(&wired);
        let mut holder = program("unshare");
        let life = format!(
            "hostname {name} && mount --make-rshared / && mount -t tmpfs tmpfs /var/lib/kubelet && \
             touch /run/tidegate-testbed/{name}.made && exec sleep infinity"
        );
        let made = crate::run(format!("{name}.made"));
        let _ = std::fs::remove_file(&made);
        holder.args(["--mount", "--uts", "--net", "--", "sh", "-ec", &life]);
        processes.run(&name, holder)?;
        processes.until_ready(&name, Duration::from_secs(10), || async { made.exists() }).await?;
        let pid = processes.pid(&name).ok_or_else(|| BedError::new(format!("{name} has no process")))?;
        let (address, bed) = (self.address(), address::BED);
        let within = format!("nsenter --target {pid} --net --");
        sh(&format!(
            "ip link delete {name} 2>/dev/null || true; \
             ip link add {name} type veth peer name eth0 netns {pid} && \
             ip link set {name} master bed0 up && \
             {within} ip link set lo up && \
             {within} ip address add {address}/24 dev eth0 && \
             {within} ip link set eth0 up && \
             {within} ip route add default via {bed} && \
             {within} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'"
        ))
        .await?;
        for (number, pods) in (1..=3).map(|number| (number, address::pods(number))) {
            let via = address::node(number);
            if self != Self::Node(number) {
                sh(&format!("{within} ip route add {pods} via {via}")).await?;
            }
        }
        std::fs::write(&wired, "").map_err(|e| BedError::file("write", &wired, &e))
    }

    /// Takes its link down: it goes on, and nobody can reach it.
    pub(crate) async fn cut(self) -> Result<(), BedError> {
        sh(&format!("ip link set {} down", self.name())).await
    }

    /// Brings its link back.
    pub(crate) async fn join(self) -> Result<(), BedError> {
        sh(&format!("ip link set {} up", self.name())).await
    }
}

/// A program that runs within the machine whose holder is `pid`.
pub(crate) fn enter(pid: u32, name: &str) -> Command {
    let mut command = program("nsenter");
    command.args(["--target", &pid.to_string(), "--mount", "--uts", "--net", "--", name]);
    command
}
