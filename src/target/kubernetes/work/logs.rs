//! The last lines of failing containers.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, Client};

use crate::target::kubernetes::diagnose::LogOf;

/// How many lines are shown.
const LINES: i64 = 20;
/// How long a log may take: a verdict does not wait longer for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How a node begins that has thrown a log away: it says so in place of the log, as if that were it.
const GONE: &str = "unable to retrieve container logs for ";

/// The last lines of failing containers, each asked for until there are any.
pub(super) struct Logs {
    pods: Api<Pod>,
    known: Mutex<HashMap<(String, String, bool), Vec<String>>>,
}

impl Logs {
    pub(super) fn new(client: Client, namespace: &str) -> Self {
        Self { pods: Api::namespaced(client, namespace), known: Mutex::default() }
    }

    /// The last lines; none where there is no log to be had.
    pub(super) async fn tail(&self, of: &LogOf) -> Vec<String> {
        // Of a container that ends again and again the node may have thrown that log away: its other run tells the same.
        for previous in [of.previous, !of.previous] {
            if let Some(lines) = self.of_run(of, previous).await {
                return lines;
            }
        }
        Vec::new()
    }

    /// The last lines of the present run of a container, or of the one before; nothing where that log is not to be had.
    async fn of_run(&self, of: &LogOf, previous: bool) -> Option<Vec<String>> {
        let key = (of.pod.clone(), of.container.clone(), previous);
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Some(known.clone());
        }
        let wanted = LogParams {
            container: Some(of.container.clone()),
            previous,
            tail_lines: Some(LINES),
            ..LogParams::default()
        };
        let text = tokio::time::timeout(PATIENCE, self.pods.logs(&of.pod, &wanted)).await.ok()?.ok()?;
        if text.is_empty() || text.starts_with(GONE) {
            return None;
        }
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, lines.clone());
        Some(lines)
    }
}
