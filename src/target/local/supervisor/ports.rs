//! Ports for instances, outside the range from which the kernel takes ports for outgoing connections.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

const WANTED: RangeInclusive<u16> = 20_000..=32_000;

/// The ports of the instances of one supervisor.
#[derive(Debug)]
pub(crate) struct Ports(Mutex<Given>);

#[derive(Debug)]
struct Given {
    range: RangeInclusive<u16>,
    taken: BTreeSet<u16>,
    next: u16,
}

/// The address of an instance.
pub(crate) const fn address(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

impl Ports {
    /// `seed` spreads several environments over the range, so that they seldom try the same port.
    pub(crate) fn new(seed: u64) -> Self {
        let range =
            outside(&fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default());
        let width = u64::from(range.end() - range.start()) + 1;
        let next = range.start() + u16::try_from(seed % width).unwrap_or(0);
        Self(Mutex::new(Given { range, taken: BTreeSet::new(), next }))
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks a port as used by an instance that runs already.
    pub(crate) fn keep(&self, port: u16) {
        self.given().taken.insert(port);
    }

    /// Gives a port back.
    pub(crate) fn give_back(&self, port: u16) {
        self.given().taken.remove(&port);
    }

    /// A port that nobody listens on; `None` when the whole range is in use.
    pub(crate) fn take(&self) -> Option<u16> {
        let mut given = self.given();
        for _ in given.range.clone() {
            let port = given.next;
            given.next = if port >= *given.range.end() { *given.range.start() } else { port + 1 };
            if !given.taken.contains(&port) && free(port) {
                given.taken.insert(port);
                return Some(port);
            }
        }
        None
    }
}

/// Whether an instance could listen on it.
pub(crate) fn free(port: u16) -> bool {
    TcpListener::bind(address(port)).is_ok() && TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

/// The larger part of the wanted range that the kernel's own range leaves.
fn outside(kernel: &str) -> RangeInclusive<u16> {
    let mut bounds = kernel.split_ascii_whitespace().map_while(|w| w.parse::<u16>().ok());
    let (Some(low), Some(high)) = (bounds.next(), bounds.next()) else { return WANTED };
    if high < *WANTED.start() || low > *WANTED.end() {
        return WANTED;
    }
    let below = *WANTED.start()..=low.saturating_sub(1);
    let above = high.saturating_add(1)..=*WANTED.end();
    let larger = if below.len() >= above.len() { below } else { above };
    // A kernel range that covers everything leaves no better choice than the wanted one.
    if larger.len() < 100 { WANTED } else { larger }
}

/// Who listens on `address`, as far as `/proc` tells: process number and name.
pub(crate) fn holder(address: SocketAddr) -> Option<(u32, String)> {
    let port = format!(":{:04X}", address.port());
    let inodes: BTreeSet<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|table| listeners(&table, &port))
        .collect();
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        fs::read_dir(entry.path().join("fd")).ok()?.flatten().find(|fd| {
            fs::read_link(fd.path()).is_ok_and(|link| {
                link.to_str()
                    .and_then(|l| l.strip_prefix("socket:[")?.strip_suffix(']'))
                    .is_some_and(|inode| inodes.contains(inode))
            })
        })?;
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        Some((pid, name.trim().to_owned()))
    })
}

/// Inodes of the listening sockets (state 0A, proc_pid_net(5)) of a table whose local address ends in `port`.
fn listeners(table: &str, port: &str) -> Vec<String> {
    table
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            (fields.get(1)?.ends_with(port) && *fields.get(3)? == "0A")
                .then(|| fields.get(9).map(ToString::to_string))?
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_range_is_avoided() {
        assert_eq!(outside("32768\t60999\n"), WANTED);
        assert_eq!(outside("25000 60999"), 20_000..=24_999);
        assert_eq!(outside("1024 28000"), 28_001..=32_000);
        assert_eq!(outside("1024 65535"), WANTED);
        assert_eq!(outside(""), WANTED);
    }

    #[test]
    fn a_port_in_use_is_not_given() {
        let ports = Ports::new(4000);
        let first = ports.take().unwrap();
        let second = ports.take().unwrap();
        assert_ne!(first, second);
        ports.give_back(first);
        let _held = TcpListener::bind(address(first)).unwrap();
        ports.given().next = first;
        assert_ne!(ports.take().unwrap(), first);
    }

    #[test]
    fn the_holder_of_a_port_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (pid, name) = holder(listener.local_addr().unwrap()).unwrap();
        assert_eq!(pid, std::process::id());
        assert!(!name.is_empty());
    }
}
