//! Whether the testbed can run here at all: one sentence about the first thing that is missing.

use crate::{BedError, Home};

/// What can be run without it; ends every refusal.
const WITHOUT: &str = "without the testbed, `cargo test` runs the hermetic tier and `make test-local` the tier of local processes";

/// What `testbed up` needs of this machine and of the installer.
pub(crate) fn check(home: &Home) -> Result<(), BedError> {
    let refuse = |why: String| Err(BedError::new(format!("{why}; {WITHOUT}")));
    if !cfg!(target_os = "linux") {
        return refuse(format!(
            "the testbed needs Linux: its nodes are network namespaces, and this is {}",
            std::env::consts::OS
        ));
    }
    if !rustix::process::geteuid().is_root() {
        return refuse(
            "the testbed needs root, for network namespaces and mounts; run it again as root".to_owned(),
        );
    }
    let parts = [
        "bin/kube-apiserver",
        "bin/kubelet",
        "bin/envoy",
        "bin/contour",
        "bin/coredns",
        "debian/usr/bin/etcd",
    ];
    let missing = parts.into_iter().find(|part| !home.path().join(part).exists());
    if let Some(missing) = missing {
        return refuse(format!(
            "the testbed is not installed: {} is missing; run `make testbed-install`",
            home.path().join(missing).display()
        ));
    }
    Ok(())
}
