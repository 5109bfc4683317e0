//! Registry, PostgreSQL, Prometheus and nginx.

use std::process::Command;

use serde_json::Value;
use testbed::{Bed, Part, Request, address};

use super::kube::{Namespace, image, until, workload};
use super::{bed, run, tried};

fn curl(arguments: &[&str]) -> String {
    run(Command::new("curl").args(["-s", "-m", "10"]).args(arguments))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_copied_within_the_registry_by_two_clients_and_keeps_its_digest() {
    let Some(bed) = bed("push and pull", &[Part::Registry]).await else { return };
    let crane = || Command::new(bed.home().program("crane"));
    let (from, to) = (image("podinfo:1.0.0"), image(&format!("copied:{}", std::process::id())));
    let digest = |name: &str| run(crane().args(["digest", "--insecure", name]));
    run(crane().args(["copy", "--insecure", &from, &to]));
    assert_eq!(digest(&from), digest(&to));
    let inspected =
        run(bed.inside("skopeo").unwrap().args(["inspect", "--tls-verify=false", &format!("docker://{to}")]));
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(inspected["Digest"].as_str().unwrap(), digest(&from).trim());
}

/// The outside of a database: what a migration has to do.
fn psql(bed: &Bed, database: &str, line: &str) -> std::process::Output {
    let mut psql = bed.inside("sh").unwrap();
    psql.args(["-c", "exec /usr/lib/postgresql/*/bin/psql \"$@\"", "psql"]);
    psql.args(["-h", &address::BED.to_string(), "-U", "postgres", "-d", database]);
    psql.env("PGPASSWORD", bed.database_password().unwrap()).args([
        "-v",
        "ON_ERROR_STOP=1",
        "-qAt",
        "-c",
        line,
    ]);
    tried(&mut psql)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_runs_in_postgresql_whole_or_not_at_all() {
    let Some(bed) = bed("a migration", &[Part::Postgres]).await else { return };
    let database = format!("migration_{}", std::process::id());
    assert!(psql(&bed, "postgres", &format!("create database {database}")).status.success());
    let expand = "begin; create table orders (id bigint generated always as identity primary key, note text not null); \
                  insert into orders (note) values ('first'); commit";
    assert!(psql(&bed, &database, expand).status.success());
    let broken =
        psql(&bed, &database, "begin; alter table orders add column paid boolean; select 1/0; commit");
    assert!(!broken.status.success());
    assert!(String::from_utf8_lossy(&broken.stderr).contains("division by zero"));
    let columns = "select string_agg(column_name, ',' order by column_name) from information_schema.columns \
                   where table_name = 'orders'";
    assert_eq!(String::from_utf8_lossy(&psql(&bed, &database, columns).stdout).trim(), "id,note");
    assert!(psql(&bed, "postgres", &format!("drop database {database}")).status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_envoy_and_the_pods_that_ask_for_it() {
    let parts = [Part::Node(1), Part::Gateway, Part::Prometheus];
    let Some(bed) = bed("figures in Prometheus", &parts).await else { return };
    let space = Namespace::new(&bed, "scraped");
    space.apply(&workload("sample", "sample:1.0.0", 2, "/health", ""));
    space.rolled_out("sample");
    let ask = |query: &str| -> Value {
        let url = format!("http://{}/api/v1/query", address::bed(address::PROMETHEUS));
        serde_json::from_str(&curl(&["-G", "--data-urlencode", &format!("query={query}"), &url])).unwrap()
    };
    let up = format!("up{{job=\"pods\",namespace=\"{}\"}} == 1", space.name);
    until("both pods are scraped", || {
        (ask(&up)["data"]["result"].as_array().map(Vec::len) == Some(2)).then_some(())
    })
    .await;
    until("Envoy is scraped", || {
        let value = ask("envoy_server_live")["data"]["result"][0]["value"][1].clone();
        (value == "1").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_takes_a_route_that_a_test_writes() {
    let Some(bed) = bed("a route of nginx", &[Part::Nginx]).await else { return };
    let host = format!("nginx-{}.test", std::process::id());
    let file = testbed::run(format!("nginx/{host}.conf"));
    let server = format!(
        "server {{ listen {}; server_name {host}; return 200 \"here\\n\"; }}\n",
        address::bed(address::NGINX)
    );
    std::fs::write(&file, server).unwrap();
    let ask =
        || curl(&["-H", &format!("Host: {host}"), &format!("http://{}/", address::bed(address::NGINX))]);
    assert_eq!(ask(), "no route\n");
    bed.ask(Request::Signal("nginx".into(), "HUP".into()), &|_| ()).await.unwrap();
    until("nginx has the route", || (ask() == "here\n").then_some(())).await;
    std::fs::remove_file(&file).unwrap();
    bed.ask(Request::Signal("nginx".into(), "HUP".into()), &|_| ()).await.unwrap();
}
