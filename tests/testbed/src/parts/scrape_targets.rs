//! Prometheus' targets: every pod with the annotation `prometheus.io/scrape: "true"`, by a watch of the pods.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::sleep;

use super::kubectl;

/// A line of the watch: what is needed of a pod, and nothing else. (kubectl makes spaces of tabs.)
const COLUMNS: &str = r#"{.type}{"|"}{.object.metadata.namespace}{"|"}{.object.metadata.name}{"|"}{.object.status.podIP}{"|"}{.object.metadata.annotations.prometheus\.io/scrape}{"|"}{.object.metadata.annotations.prometheus\.io/port}{"|"}{.object.metadata.labels.app}{"\n"}"#;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Target {
    targets: Vec<String>,
    labels: BTreeMap<String, String>,
}

/// Writes `pods.json` in `folder` whenever a pod comes, changes or goes; for as long as the holder lives.
pub(super) fn watch(folder: &Path) {
    let file = folder.join("pods.json");
    tokio::spawn(async move {
        loop {
            // The watch ends when the API server does; then it is begun again.
            let _ = follow(&file).await;
            sleep(Duration::from_millis(500)).await;
        }
    });
}

async fn follow(file: &PathBuf) -> std::io::Result<()> {
    let mut command = kubectl();
    command.args(["get", "pods", "--all-namespaces", "--watch", "--output-watch-events", "-o"]);
    command.arg(format!("jsonpath={COLUMNS}"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let Some(output) = child.stdout.take() else { return Ok(()) };
    let mut lines = BufReader::new(output).lines();
    let mut pods = BTreeMap::new();
    while let Some(line) = lines.next_line().await? {
        if note(&mut pods, &line) {
            let all: Vec<&Target> = pods.values().collect();
            let new = file.with_extension("new");
            std::fs::write(&new, serde_json::to_vec(&all)?)?;
            std::fs::rename(&new, file)?;
        }
    }
    child.wait().await.map(drop)
}

/// Takes one line of the watch into the list; whether the list changed.
fn note(pods: &mut BTreeMap<(String, String), Target>, line: &str) -> bool {
    let mut cells = line.split('|').map(str::to_owned);
    let mut cell = || cells.next().unwrap_or_default();
    let (kind, namespace, name, ip) = (cell(), cell(), cell(), cell());
    let (scrape, port, app) = (cell(), cell(), cell());
    let key = (namespace.clone(), name.clone());
    if kind == "DELETED" || ip.is_empty() || scrape != "true" {
        return pods.remove(&key).is_some();
    }
    let port = if port.is_empty() { "8080".to_owned() } else { port };
    let labels = [("namespace", namespace), ("pod", name), ("app", app)];
    let labels = labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let target = Target { targets: vec![format!("{ip}:{port}")], labels };
    pods.insert(key, target.clone()) != Some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_a_target_from_its_address_to_its_end() {
        let mut pods = BTreeMap::new();
        assert!(!note(&mut pods, "ADDED|shop|web-1||true|9797|web"), "it has no address yet");
        assert!(note(&mut pods, "MODIFIED|shop|web-1|198.18.65.2|true|9797|web"));
        assert!(!note(&mut pods, "MODIFIED|shop|web-1|198.18.65.2|true|9797|web"), "nothing is new");
        let target = pods.values().next().unwrap();
        assert_eq!(target.targets, ["198.18.65.2:9797"]);
        assert_eq!(target.labels["pod"], "web-1");
        assert!(note(&mut pods, "DELETED|shop|web-1|198.18.65.2|true|9797|web"));
        assert!(pods.is_empty());
    }

    #[test]
    fn a_pod_that_does_not_ask_for_it_is_none() {
        let mut pods = BTreeMap::new();
        assert!(!note(&mut pods, "ADDED|shop|web-1|198.18.65.2|||web"));
        assert!(pods.is_empty());
    }
}
