//! The front of a preview in a cluster: visitors show what opens, and the app sleeps while nobody comes. A pod of Tidegate does that, with the rights
//! of the documentation and no more.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate::target::kubernetes::preflight::Feature;

use super::previews::Previews;
use super::stage::{Said, said};
use crate::parts::kube::{image, until};
use crate::parts::tried;
use crate::tiers::tell;

const PASSWORD: &str = "open-sesame-7c6b5a";
const UP: [&str; 6] = ["preview", "up", "7", "--branch", "x", "--version"];

struct Shop {
    previews: Previews,
}

impl Shop {
    async fn run(&self, arguments: &[&str]) -> Said {
        let mut command = self.previews.stage.command(arguments);
        said(command.env("PASSWORD", PASSWORD).spawn().unwrap(), arguments).await
    }

    async fn up(&self, version: &str, more: &str) -> Value {
        self.previews.write(&format!("sample:{version}"), more);
        let arguments = [&UP[..], &[version]].concat();
        self.run(&arguments).await.exits(0).json()
    }

    fn pods(&self) -> Vec<String> {
        let space = self.previews.namespace(7);
        let all = self.previews.kubectl(&["-n", &space, "get", "pods", "-l", "app=shop", "-o", "name"]);
        all.lines().map(str::to_owned).collect()
    }

    async fn sleeps(&self) -> Duration {
        let begun = Instant::now();
        until("it sleeps", || self.pods().is_empty().then_some(())).await;
        let status = self.run(&["status", "preview-7"]).await.exits(0);
        assert_eq!(status.json()["asleep"], json!(true), "{}", status.out);
        assert!(self.pods().is_empty(), "to look does not wake it");
        begun.elapsed()
    }
}

/// The head of the answer at a host behind Envoy.
fn ask(url: &str, arguments: &[&str]) -> String {
    let gateway = testbed::address::bed(testbed::address::GATEWAY);
    let host = format!("Host: {}", url.strip_prefix("http://").unwrap());
    let mut ask = std::process::Command::new("curl");
    ask.args(["-si", "-m", "60", "-H", &host]).args(arguments).arg(format!("http://{gateway}/"));
    String::from_utf8_lossy(&tried(&mut ask).stdout).to_lowercase()
}

fn visit(url: &str) -> String {
    ask(url, &["-u", &format!("ada:{PASSWORD}")])
}

fn came(answer: &str, version: &str) {
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    assert!(answer.contains(&format!("x-sample-version: {version}")), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_in_a_cluster_sleeps_behind_its_password_and_wakes_for_the_first_request() {
    let Some(mut previews) = Previews::open("previews sleep", "asleep").await else { return };
    previews.limit(&[Feature::Front]);
    let shop = Shop { previews };
    let own = image("sample:1.0.0");
    let more = format!("sleep: 4s\n    access: {{ user: ada, password: $PASSWORD }}\n    front: {own}");
    let up = shop.up("1.0.0", &more).await;
    let url = up["url"].as_str().unwrap().to_owned();
    until("the route leads to the front", || ask(&url, &[]).starts_with("http/1.1 401").then_some(())).await;
    came(&visit(&url), "1.0.0");
    assert!(ask(&url, &["-u", "ada:other"]).starts_with("http/1.1 401"));
    let (space, kinds) = (shop.previews.namespace(7), "all,secrets,configmaps,leases");
    let objects = shop.previews.kubectl(&["-n", &space, "get", kinds, "-o", "yaml"]);
    let encoded = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    let forms = [PASSWORD.to_owned(), encoded(PASSWORD), encoded(&format!("ada:{PASSWORD}"))];
    let secret = ["-n", &space, "get", "secret", "tidegate-front", "-o", "jsonpath={.data.access}"];
    let kept =
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, shop.previews.kubectl(&secret));
    let all = objects + &String::from_utf8(kept.unwrap()).unwrap();
    for form in forms {
        assert!(!all.contains(&form), "what opens stands in the cluster: {form}");
    }

    let asleep = shop.sleeps().await;
    let woken = Instant::now();
    let many: Vec<_> = (0..20)
        .map(|_| {
            let url = url.clone();
            std::thread::spawn(move || visit(&url))
        })
        .collect();
    many.into_iter().for_each(|one| came(&one.join().unwrap(), "1.0.0"));
    tell(&format!(
        "a preview slept {asleep:?} after its last visitor; 20 requests at once were answered {:?} later",
        woken.elapsed()
    ));

    // Whoever comes just as it lies down is answered all the same.
    for wait in [3_600, 3_900, 4_100, 4_300, 4_600] {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        came(&visit(&url), "1.0.0");
    }
    // Another front goes on where the one before has died.
    shop.sleeps().await;
    let front = ["-n", &space, "delete", "pod", "-l", "tidegate.dev/front=true", "--grace-period=1"];
    shop.previews.kubectl(&front);
    let ready = ["-n", &space, "rollout", "status", "deployment/tidegate-front", "--timeout=60s"];
    shop.previews.kubectl(&ready);
    assert!(shop.pods().is_empty(), "it sleeps on");
    until("the next visitor is answered", || visit(&url).starts_with("http/1.1 200").then_some(())).await;

    // A push wakes it, and leaves it as it should be.
    shop.sleeps().await;
    shop.up("2.0.0", &more).await;
    came(&visit(&url), "2.0.0");
    shop.sleeps().await;
    came(&visit(&url), "2.0.0");

    // Without all this nothing of it is left, and nobody is asked for a password; even one that slept is awake.
    shop.sleeps().await;
    shop.up("2.0.0", "").await;
    until("the app answers by itself", || ask(&url, &[]).starts_with("http/1.1 200").then_some(())).await;
    let kinds = "all,configmaps,serviceaccounts,roles,rolebindings,secrets,networkpolicies";
    // Its pod serves on for some seconds.
    until("nothing of the front is left", || {
        let left = shop.previews.kubectl(&["-n", &space, "get", kinds, "-o", "name"]);
        (!left.contains("front")).then_some(())
    })
    .await;
    let back = shop.run(&["rollback", "preview-7"]).await.exits(3);
    assert!(format!("{}{}", back.out, back.err).contains("no-front"), "{}{}", back.out, back.err);
    shop.run(&["preview", "down", "7"]).await.exits(0);
    assert!(!shop.previews.is_there(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_front_that_cannot_come_up_is_told_and_nothing_is_deployed() {
    let Some(previews) = Previews::open("fronts that fail", "noroom").await else { return };
    let absent = image("nobody:1");
    previews.write("sample:1.0.0", &format!("sleep: 5m\n    front: {absent}"));
    let refused = previews.run(&[&UP[..], &["1.0.0"]].concat()).await;
    let told = format!("{}{}", refused.out, refused.err);
    assert!(refused.code != 0 && told.contains("front-not-ready"), "{told}");
    let list = previews.run(&["preview", "list"]).await.exits(0).json();
    assert_eq!(list["previews"][0]["stage"], "failed", "{list}");
    previews.run(&["preview", "down", "7"]).await.exits(0);
    assert!(!previews.is_there(7));
}
