//! Where instances answer: the public address, or a way to one pod through the API server, which is all that a runner outside
//! of the cluster can reach.

use std::net::SocketAddr;
use std::sync::PoisonError;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::{Api, ResourceExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::Work;
use crate::rollout::ReleaseId;
use crate::target::kubernetes::world::Snapshot;

/// A port of this machine that leads to a port of a pod.
pub(super) struct Forward {
    address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

impl Work {
    pub(in super::super) async fn address(&self, release: Option<&ReleaseId>) -> Option<String> {
        let Some(release) = release else { return self.config.url.clone() };
        let snapshot = self.snapshot().await.ok()?;
        let pod = Self::ready_pod(&snapshot, release)?;
        let port = self.port(&snapshot, &pod)?;
        let name = pod.name_any();
        let key = format!("{name}:{port}");
        let known = |forwards: &std::collections::BTreeMap<String, Forward>| {
            forwards.get(&key).map(|one| one.address)
        };
        if let Some(address) = known(&self.forwards.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Some(address.to_string());
        }
        let forward = forward(self.api::<Pod>(), name, port).await.ok()?;
        let address = forward.address;
        self.forwards.lock().unwrap_or_else(PoisonError::into_inner).insert(key, forward);
        Some(address.to_string())
    }

    /// The port on which a pod is visited: where the Service leads to, or else its first one.
    fn port(&self, snapshot: &Snapshot, pod: &Pod) -> Option<u16> {
        let name = self.frame().shape.service;
        let service = snapshot.services.iter().find(|service| Some(service.name_any()) == name);
        let ports =
            pod.spec.iter().flat_map(|spec| &spec.containers).flat_map(|one| one.ports.iter().flatten());
        let first = service.and_then(|service| service.spec.as_ref()?.ports.as_ref()?.first());
        let port = match first.map(|port| (port.target_port.clone(), port.port)) {
            Some((Some(IntOrString::Int(port)), _)) | Some((None, port)) => Some(port),
            Some((Some(IntOrString::String(name)), _)) => {
                ports.clone().find(|port| port.name.as_ref() == Some(&name)).map(|port| port.container_port)
            }
            None => ports.clone().next().map(|port| port.container_port),
        };
        u16::try_from(port?).ok()
    }
}

async fn forward(pods: Api<Pod>, pod: String, port: u16) -> std::io::Result<Forward> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let task = tokio::spawn(async move {
        while let Ok((visitor, _)) = listener.accept().await {
            tokio::spawn(carry(pods.clone(), pod.clone(), port, visitor));
        }
    });
    Ok(Forward { address, _task: AbortOnDropHandle::new(task) })
}

/// Carries one connection. One that breaks is seen by who asked for it.
async fn carry(pods: Api<Pod>, pod: String, port: u16, mut visitor: TcpStream) {
    let Ok(mut way) = pods.portforward(&pod, &[port]).await else { return };
    if let Some(mut stream) = way.take_stream(port) {
        let _ = tokio::io::copy_bidirectional(&mut visitor, &mut stream).await;
    }
}
