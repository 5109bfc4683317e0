//! A preview in a cluster with a database of its own: its pods get the URL by a Secret, and it goes with the preview.

use std::process::Command;

use testbed::{Part, address};
use tidegate::target::kubernetes::preflight::Feature;

use super::previews::{Previews, manifests};
use super::stage::said;
use crate::parts::{bed, tried};

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_in_a_cluster_has_a_database_of_its_own() {
    let Some(bed) = bed("previews have databases", &[Part::Postgres]).await else { return };
    let Some(mut previews) = Previews::open("previews have databases", "owning").await else { return };
    previews.limit(&[Feature::OwnDatabase]);
    let server =
        format!("postgres://postgres:{}@{}/postgres", bed.database_password().unwrap(), address::BED);
    let network = format!("{}/32", address::BED);
    previews.write(
        "sample:1.0.0",
        &format!("database: {{ server: $PREVIEW_SERVER, secret: shop-db, variable: url, seed: seed.sql }}\n    isolation: {{ to: [{network}] }}"),
    );
    let folder = previews.stage.dir.path();
    // Pods do not start without the Secret.
    let own = "env: [{ name: DATABASE_URL, valueFrom: { secretKeyRef: { name: shop-db, key: url } } }, ";
    let with = manifests("sample:1.0.0").replace("env: [", own);
    assert!(with.contains("secretKeyRef"), "{with}");
    std::fs::write(folder.join("deploy/shop.yaml"), with).unwrap();
    std::fs::write(
        folder.join("seed.sql"),
        "create table items (name text); insert into items values ('seed')",
    )
    .unwrap();
    let run = async |arguments: &[&str]| {
        said(previews.stage.command(arguments).env("PREVIEW_SERVER", &server).spawn().unwrap(), arguments)
            .await
    };
    let up = ["preview", "up", "7", "--branch", "x", "--version", "1.0.0"];
    let raised = run(&up).await.exits(0);
    let url = previews.kubectl(&[
        "-n",
        &previews.namespace(7),
        "get",
        "secret",
        "shop-db",
        "-o",
        "jsonpath={.data.url}",
    ]);
    let url =
        String::from_utf8(base64::Engine::decode(&base64::engine::general_purpose::STANDARD, url).unwrap())
            .unwrap();
    let by = |url: &str, line: &str| {
        let output = tried(Command::new("psql").args([url, "-qAt", "-c", line]));
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    assert_eq!(by(&url, "select name from items").as_deref(), Some("seed"));
    let password = reqwest::Url::parse(&url).unwrap().password().unwrap().to_owned();
    let kept = previews.kubectl(&[
        "-n",
        &previews.namespace(7),
        "get",
        "configmaps,deployments,pods,leases",
        "-o",
        "yaml",
    ]);
    let record = previews.kubectl(&["get", "namespace", &previews.namespace(7), "-o", "yaml"]);
    for told in [&raised.out, &raised.err, &kept, &record] {
        assert!(!told.contains(&password), "the password is told");
    }
    by(&url, "insert into items values ('kept')").unwrap();
    run(&up).await.exits(0);
    assert_eq!(by(&url, "select count(*) from items").as_deref(), Some("2"));
    run(&["preview", "down", "7"]).await.exits(0);
    assert!(!previews.is_there(7));
    let name = reqwest::Url::parse(&url).unwrap().username().to_owned();
    let left = format!(
        "select (select count(*) from pg_database where datname = '{name}') + (select count(*) from pg_roles where rolname = '{name}')"
    );
    assert_eq!(by(&server, &left).as_deref(), Some("0"));
}
