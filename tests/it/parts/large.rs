//! A large layer, brought by the command from a layout to a registry and from there to another: how much memory that takes.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tidegate::registry::digest_of;

use super::own::Own;
use crate::tiers::tell;

/// What a push may take, in KiB.
const MOST: u64 = 64 << 10;

/// An OCI layout whose one layer is a file of zeros that takes no room on the disk.
fn layout(folder: &Path, length: u64) {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let write = |text: String| {
        let digest = digest_of(text.as_bytes());
        fs::write(blobs.join(&digest["sha256:".len()..]), &text).unwrap();
        (digest, text.len())
    };
    let mut hasher = Sha256::new();
    let zeros = vec![0; 1 << 20];
    (0..length >> 20).for_each(|_| hasher.update(&zeros));
    let layer = hex::encode(hasher.finalize());
    fs::File::create(blobs.join(&layer)).unwrap().set_len(length).unwrap();
    let (config, size) = write(
        json!({ "os": "linux", "architecture": "amd64", "config": {},
                "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer}")] } })
        .to_string(),
    );
    let named = |kind: &str, digest: &str, size: u64| json!({ "mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest, "size": size });
    let (manifest, length) = write(
        json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": named("config.v1+json", &config, size as u64),
            "layers": [named("layer.v1.tar", &format!("sha256:{layer}"), length)],
        })
        .to_string(),
    );
    let manifests = [named("manifest.v1+json", &manifest, length as u64)];
    fs::write(folder.join("index.json"), json!({ "schemaVersion": 2, "manifests": manifests }).to_string())
        .unwrap();
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
}

/// Runs the command to its end; the most memory that it held, in KiB.
fn memory(words: &[&str]) -> u64 {
    // Another build may be measured.
    let program =
        std::env::var("TIDEGATE_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_tidegate").to_owned());
    let mut command = Command::new(program);
    command
        .arg("image")
        .args(words)
        .env("DOCKER_CONFIG", "/nowhere")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line =
            text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().split(' ').next()?.parse().ok());
        most = most.max(line.unwrap_or_default());
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    most
}

#[test]
fn a_large_layer_takes_no_more_memory_than_a_small_one_may() {
    let Some(one) = Own::start("a large layer", "", None) else { return };
    let other = Own::start("a large layer", "", None).unwrap();
    let gib = std::env::var("TIDEGATE_LAYER_GIB").map_or(1, |number| number.parse::<u64>().unwrap());
    let folder = tempfile::tempdir().unwrap();
    layout(folder.path(), gib << 30);
    let (first, second) = (format!("{}/big:1", one.address), format!("{}/big:1", other.address));
    let timed = |words: &[&str]| {
        let began = Instant::now();
        (memory(words), began.elapsed().as_secs_f64())
    };
    let (pushed, push_took) = timed(&["push", &folder.path().display().to_string(), &first]);
    let (copied, copy_took) = timed(&["copy", &first, &second]);
    tell(&format!(
        "a layer of {gib} GiB: pushed with {:.1} MiB of memory in {push_took:.1} s, copied with {:.1} MiB in {copy_took:.1} s",
        pushed as f64 / 1024.0,
        copied as f64 / 1024.0
    ));
    assert!(pushed > 1024 && copied > 1024, "it was not measured");
    assert!(pushed <= MOST && copied <= MOST, "{pushed} KiB and {copied} KiB");
    assert_eq!((one.tags("big"), other.tags("big")), (vec!["1".to_owned()], vec!["1".to_owned()]));
}
