//! What can be asked of the holder: a line of JSON each way, over a socket in the run folder.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::BedError;

/// A thing that can be started by itself. What it needs is started with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The key-value store beneath the API server.
    Etcd,
    /// API server, controller manager and scheduler.
    ControlPlane,
    /// A node: a network namespace with containerd, kubelet and kube-proxy. Numbers from 1 to 3.
    Node(u8),
    /// CoreDNS in the cluster.
    Dns,
    /// Contour and Envoy: the Gateway API.
    Gateway,
    /// Prometheus, which scrapes Envoy and every pod that asks for it.
    Prometheus,
    /// The registry with the testbed's images in it.
    Registry,
    /// The BuildKit daemon.
    BuildKit,
    /// Docker Engine on a machine of its own.
    Docker,
    /// PostgreSQL.
    Postgres,
    /// MariaDB, which speaks as MySQL does.
    MariaDb,
    /// nginx with an empty configuration that a test fills.
    Nginx,
    /// Simulated nodes and pods on the real control plane.
    Kwok,
}

impl Part {
    /// Every part, with three nodes.
    pub const ALL: [Self; 15] = [
        Self::Etcd,
        Self::ControlPlane,
        Self::Node(1),
        Self::Node(2),
        Self::Node(3),
        Self::Dns,
        Self::Gateway,
        Self::Prometheus,
        Self::Registry,
        Self::BuildKit,
        Self::Docker,
        Self::Postgres,
        Self::MariaDb,
        Self::Nginx,
        Self::Kwok,
    ];

    /// What must run before it.
    #[must_use]
    pub(crate) fn needs(self) -> &'static [Self] {
        match self {
            Self::ControlPlane => &[Self::Etcd],
            Self::Node(_) => &[Self::ControlPlane, Self::Registry],
            Self::Dns => &[Self::Node(1), Self::Registry],
            Self::Gateway | Self::Prometheus | Self::Kwok => &[Self::ControlPlane],
            Self::Registry => &[Self::BuildKit],
            Self::Etcd | Self::BuildKit | Self::Docker | Self::Postgres | Self::MariaDb | Self::Nginx => &[],
        }
    }
}

impl Part {
    /// The names of its processes: while they run, a part that was ready is not started again.
    #[must_use]
    pub fn processes(self) -> Vec<String> {
        let own: &[&str] = match self {
            Self::Etcd => &["etcd"],
            Self::ControlPlane => &["kube-apiserver", "kube-controller-manager", "kube-scheduler"],
            Self::Node(number) => {
                let node = format!("node{number}");
                let of_node = ["containerd", "kubelet", "kube-proxy"].map(|name| format!("{node}/{name}"));
                return std::iter::once(node).chain(of_node).collect();
            }
            Self::Dns => &[],
            Self::Gateway => &["contour", "envoy"],
            Self::Prometheus => &["prometheus"],
            Self::Registry => &["registry"],
            Self::BuildKit => &["buildkitd"],
            Self::Docker => &["docker", "docker/dockerd"],
            Self::Postgres => &["postgres"],
            Self::MariaDb => &["mariadb"],
            Self::Nginx => &["nginx"],
            Self::Kwok => &["kwok"],
        };
        own.iter().map(|name| (*name).to_owned()).collect()
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(number) => write!(f, "node{number}"),
            Self::Etcd => f.write_str("etcd"),
            Self::ControlPlane => f.write_str("control-plane"),
            Self::Dns => f.write_str("dns"),
            Self::Gateway => f.write_str("gateway"),
            Self::Prometheus => f.write_str("prometheus"),
            Self::Registry => f.write_str("registry"),
            Self::BuildKit => f.write_str("buildkit"),
            Self::Docker => f.write_str("docker"),
            Self::Postgres => f.write_str("postgres"),
            Self::MariaDb => f.write_str("mariadb"),
            Self::Nginx => f.write_str("nginx"),
            Self::Kwok => f.write_str("kwok"),
        }
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|part| part.to_string() == text).ok_or_else(|| {
            let names: Vec<String> = Self::ALL.iter().map(Self::to_string).collect();
            format!("there is no part {text:?}; the parts are {}", names.join(", "))
        })
    }
}

/// Something asked of the holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Start these parts and what they need; those that run are left alone.
    Up(Vec<Part>),
    /// Tell which processes run.
    Status,
    /// Cut a node, or the Docker machine, off from the network.
    Cut(String),
    /// Bring it back.
    Join(String),
    /// Send a signal to a process, by its name in [`Request::Status`]: `KILL`, `TERM`, `STOP`, `CONT` or `HUP`.
    Signal(String, String),
}

/// A word of the holder's answer: any number of `Now`, then one of the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// What is waited for at present.
    Now(String),
    /// It is done; for a status, a line for each process.
    Done(Vec<String>),
    /// It could not be done.
    Failed(BedError),
}
