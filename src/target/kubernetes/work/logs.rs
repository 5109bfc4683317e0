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

/// The last lines of failing containers, each asked for once.
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
        let key = (of.pod.clone(), of.container.clone(), of.previous);
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let wanted = LogParams {
            container: Some(of.container.clone()),
            previous: of.previous,
            tail_lines: Some(LINES),
            ..LogParams::default()
        };
        let text = tokio::time::timeout(PATIENCE, self.pods.logs(&of.pod, &wanted)).await;
        let Ok(Ok(text)) = text else { return Vec::new() };
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, lines.clone());
        lines
    }
}
