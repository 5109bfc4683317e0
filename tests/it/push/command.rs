//! The commands as their users meet them.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use http::Method;
use serde_json::Value;
use tidegate::run::answer::schema;

use super::fake::{Fake, Manner};

/// Runs `tidegate image …` with json as its answer; exit code, answer, all that was said.
async fn image(words: &[&str]) -> (i32, Value, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.arg("image").args(words).args(["--output", "json"]);
    command.env("DOCKER_CONFIG", "/nowhere").env_remove("DOCKER_AUTH_CONFIG").env_remove("TIDEGATE_REGISTRY");
    command.env_remove("SOURCE_DATE_EPOCH");
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    let answer: Value = serde_json::from_str(said.trim()).unwrap_or_else(|error| panic!("{error}\n{said}"));
    assert!(jsonschema::draft202012::new(&schema()).unwrap().is_valid(&answer), "{said}");
    (output.status.code().unwrap(), answer, said)
}

fn name(address: SocketAddr, rest: &str) -> String {
    format!("{address}/{rest}")
}

fn site(folder: &Path) -> String {
    std::fs::write(folder.join("index.html"), "hello").unwrap();
    folder.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_pushed_looked_at_and_copied() {
    let folder = tempfile::tempdir().unwrap();
    let site = site(folder.path());
    let fake = Fake::new(Manner::default()).await;
    let (one, other) = (name(fake.address, "site:1"), name(fake.address, "team/site:latest"));
    // The layer is text here, for the registry of these tests gives nothing else out.
    let push = ["push", &site, &one, &other, "--compression", "none", "--at", "/srv"];
    let (code, pushed, said) = image(&push).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(pushed["destinations"][0]["uploaded"], 4, "{said}");
    assert_eq!(pushed["destinations"][1]["mounted"], 4, "{said}");
    assert!(fake.is_whole("site", "1") && fake.is_whole("team/site", "latest"));

    let (code, again, said) = image(&push).await;
    assert!(code == 0 && again["sentence"].as_str().unwrap().starts_with("unchanged: "), "{said}");
    assert_eq!(again["digest"], pushed["digest"]);

    let (code, shown, said) = image(&["inspect", &one]).await;
    assert_eq!((code, &shown["digest"]), (0, &pushed["digest"]), "{said}");
    let manifests = shown["manifests"].as_array().unwrap();
    let own = manifests.iter().find(|one| one["about"].is_null()).unwrap();
    assert_eq!(own["user"], "65532:65532", "{said}");
    let attached = manifests.iter().find(|one| !one["about"].is_null()).unwrap();
    assert_eq!(
        (&attached["about"], &attached["predicates"][0]),
        (&own["digest"], &"https://spdx.dev/Document".into())
    );

    let to = Fake::new(Manner::default()).await;
    let (code, copied, said) =
        image(&["copy", &one, &name(to.address, "live:1"), &name(to.address, "live:2")]).await;
    assert_eq!((code, &copied["digest"]), (0, &pushed["digest"]), "{said}");
    assert!(to.is_whole("live", "1") && to.is_whole("live", "2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_told_with_code_exit_and_cure() {
    let folder = tempfile::tempdir().unwrap();
    let site = site(folder.path());
    let closed = Manner {
        fault: std::sync::Arc::new(|asked| {
            let denied = r#"{"errors": [{"code": "DENIED", "message": "read only"}]}"#;
            (asked.method == Method::POST).then(|| (403, Vec::new(), denied.to_owned()))
        }),
        ..Manner::default()
    };
    let (fake, closed) = (Fake::new(Manner::default()).await, Fake::new(closed).await);
    let there = name(fake.address, "site:1");
    let by_tag = name(fake.address, "base:1");
    for (words, exit, code, part) in [
        (vec!["push", &site, "shop:1"], 2, "bad-image-name", "does not begin with a registry"),
        (
            vec!["push", &site, &name(fake.address, "x@sha256:00000000000000000000000000000000")],
            2,
            "bad-image-name",
            "has a digest",
        ),
        (vec!["push", "/nowhere", &there], 2, "bad-image", "/nowhere cannot be read"),
        (vec!["push", &site, &there, "--base", &by_tag], 2, "bad-image-name", "not named by its digest"),
        (vec!["push", &site, &there, "--platform", "amd64"], 2, "usage", "amd64 is no platform"),
        (vec!["push", &site, &there, "--at", "/a/../b"], 2, "bad-image", "is no path in an image"),
        (vec!["push", &site, &name(closed.address, "site:1")], 3, "registry-refused", "push to site"),
        (vec!["copy", &there, &name(fake.address, "y:1")], 1, "image-absent", "there is no"),
        (vec!["inspect", &there], 1, "image-absent", "there is no"),
    ] {
        let (found, answer, said) = image(&words).await;
        let error = &answer["error"];
        assert_eq!((found, error["code"].as_str()), (exit, Some(code)), "{words:?}: {said}");
        assert!(error["sentence"].as_str().unwrap().contains(part), "{said}");
    }
}
