//! The network of the testbed: 198.18.0.0/15, which RFC 2544 sets aside for tests of networks, so that no route of a user's is
//! in its way.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The host itself, as the testbed's processes see it.
pub const HOST: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 254);
/// Where control plane, gateway, registry and database listen.
pub const BED: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// The machine on which Docker Engine runs.
pub const DOCKER_HOST: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 20);
/// The addresses of Services.
pub const SERVICES: &str = "198.19.0.0/16";
/// The first address of [`SERVICES`], which is the API server's own Service.
pub const KUBERNETES_SERVICE: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 1);
/// The cluster's name server.
pub const DNS_SERVICE: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 10);
/// The addresses of all pods.
pub const PODS: &str = "198.18.64.0/18";

/// The address of node `number` (from 1).
#[must_use]
pub fn node(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 18, 0, 10 + number)
}

/// The addresses of the pods on node `number` (from 1).
#[must_use]
pub fn pods(number: u8) -> String {
    format!("198.18.{}.0/24", 64 + number)
}

/// A port of [`BED`].
#[must_use]
pub fn bed(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(BED), port)
}

/// The API server (HTTPS).
pub const API: u16 = 6443;
/// Where the API server looks for who has issued a token, on [`HOST`] (HTTPS). A test serves it.
pub const ISSUER: u16 = 8444;
/// The registry (HTTP).
pub const REGISTRY: u16 = 5000;
/// Envoy, which serves port 80 of the Gateway (HTTP).
pub const GATEWAY: u16 = 8080;
/// Envoy's own figures, at `/stats/prometheus`.
pub const ENVOY_STATS: u16 = 8002;
/// Prometheus (HTTP).
pub const PROMETHEUS: u16 = 9090;
/// PostgreSQL.
pub const POSTGRES: u16 = 5432;
/// MariaDB.
pub const MARIADB: u16 = 3306;
/// nginx (HTTP), for tests that need a router beside the Gateway.
pub const NGINX: u16 = 8088;
