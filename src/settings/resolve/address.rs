//! Addresses: one by one, and against each other.

use std::net::SocketAddr;

use super::Findings;
use crate::settings::file::Listen;
use crate::settings::model::{EnvironmentSettings, TargetSettings};
use crate::yaml::Path;

/// Reads an IP address with a port.
pub(super) fn resolve(raw: &Listen, path: &Path, findings: &mut Findings<'_>) -> Option<SocketAddr> {
    let text = raw.0.as_str();
    match text.parse::<SocketAddr>() {
        Ok(address) => {
            if address.port() == 0 {
                let help = "give a port from 1 to 65535 if others are to find the app";
                findings.warn(path, "port 0 lets the system choose another port at each start", help);
            }
            Some(address)
        }
        Err(_) => {
            let message = format!("`{text}` is not an IP address with a port");
            findings.error(path, message, &cure(text));
            None
        }
    }
}

/// The cure for the usual mistakes.
fn cure(text: &str) -> String {
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port_fits = port.parse::<u16>().is_ok();
    match host {
        _ if !host.is_empty()
            && !port.is_empty()
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && !port_fits =>
        {
            "a port is a number from 1 to 65535".to_owned()
        }
        "localhost" if port_fits => format!("write \"127.0.0.1:{port}\""),
        "" | "*" if port_fits => {
            format!(
                "write \"127.0.0.1:{port}\" for this machine only, or \"0.0.0.0:{port}\" for every network"
            )
        }
        _ if text.parse::<std::net::IpAddr>().is_ok() => "add a port, such as \"127.0.0.1:8080\"".to_owned(),
        _ => "write an address such as \"127.0.0.1:8080\" or \"[::1]:8080\"; names are not looked up"
            .to_owned(),
    }
}

/// True when both cannot be listened on at once.
pub(super) fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (one.ip() == other.ip() || everywhere)
}

/// No two environments may listen on the same address.
pub(super) fn distinct(environments: &[EnvironmentSettings], all: &Path, findings: &mut Findings<'_>) {
    let mut taken: Vec<(SocketAddr, &str, &str)> = Vec::new();
    for environment in environments {
        let TargetSettings::Local(local) = &environment.target else { continue };
        let here = [(Some(local.listen), "listen"), (local.admin, "admin")];
        for (address, key) in here {
            let Some(address) = address else { continue };
            let first =
                taken.iter().find(|(other, name, _)| clash(address, *other) && *name != environment.name);
            if let Some((_, name, other_key)) = first {
                let path = all.key(&environment.name).key("target").key("local").key(key);
                let message =
                    format!("the address {address} is already `{other_key}` of environment `{name}`");
                findings.error(&path, message, "give each environment a port of its own");
            }
            taken.push((address, &environment.name, key));
        }
    }
}
