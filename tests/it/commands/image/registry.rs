//! `latest` never goes back to an older release: a registry on the loopback is asked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::step::{Step, server};
use crate::commands::kit::tells;

/// A registry whose repository `acme/shop` has these tags, given three at a time.
fn with(tags: &'static [&'static str]) -> SocketAddr {
    server(move |head| {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let Some(query) = path.strip_prefix("/v2/acme/shop/tags/list") else {
            return (
                "404 Not Found".to_owned(),
                json!({ "errors": [{ "code": "NAME_UNKNOWN" }] }).to_string(),
            );
        };
        let last = query.split("last=").nth(1);
        let from = last.map_or(0, |last| tags.iter().position(|tag| tag.to_lowercase() == last).unwrap() + 1);
        let page: Vec<&&str> = tags[from..].iter().take(3).collect();
        ("200 OK".to_owned(), json!({ "name": "acme/shop", "tags": page }).to_string())
    })
}

fn release(reference: &str, arguments: &[&str]) -> (Value, String) {
    let step = Step::on("push", reference);
    (step.json(arguments)["tags"].clone(), step.run(arguments).exits(0).err)
}

const SEMVER: [&str; 4] =
    ["--tags", "type=semver,pattern={{version}}", "--tags", "type=semver,pattern={{major}}.{{minor}}"];

#[test]
fn it_stays_where_a_later_release_is() {
    let registry = with(&["1", "1.9", "1.9.0", "2.0", "2.0.0", "2.0.1", "latest", "main", "3.0.0-rc.1"]);
    let image = format!("{registry}/acme/shop");
    let images = ["--images", &image];
    let (tags, told) = release("refs/tags/v1.9.1", &[&SEMVER[..], &images].concat());
    assert_eq!(tags, json!([format!("{image}:1.9.1"), format!("{image}:1.9")]));
    tells(
        &told,
        &[&format!("`latest` of {image} stays where it is: there is 2.0.1, which is later than 1.9.1")],
    );
    // Neither by a tag of one's own, nor because it is always wanted.
    for more in [["--tags", "latest"], ["--flavor", "latest=true"]] {
        let (tags, _) = release("refs/tags/v1.9.1", &[&SEMVER[..], &images, &more].concat());
        assert!(!tags.to_string().contains("latest"), "{more:?}: {tags}");
    }
    let step = Step::on("push", "refs/tags/v1.9.1");
    let answer = step.json(&[&SEMVER[..], &images].concat());
    assert_eq!(answer["tag-names"], json!(["1.9.1", "1.9"]));
}

#[test]
fn it_goes_to_the_latest_release() {
    let registry = with(&["1.9.0", "2.0", "2.0.1", "latest", "20240101", "3.0.0-rc.1"]);
    let image = format!("{registry}/acme/shop");
    for (reference, arguments) in [
        ("refs/tags/v2.0.2", &SEMVER[..]),
        // The same release, built again.
        ("refs/tags/v2.0.1", &SEMVER[..]),
        ("refs/tags/v3.0.0", &[]),
        ("refs/tags/2.1", &["--tags", "type=pep440,pattern={{version}}"]),
        // A branch is no release: what is wanted is done.
        ("refs/heads/main", &["--tags", "latest"]),
        // Other prefixes are other releases.
        ("refs/tags/v1.0.0", &["--tags", "type=semver,pattern={{version}},prefix=api-"]),
    ] {
        let (tags, told) = release(reference, &[arguments, &["--images", &image]].concat());
        assert!(
            tags.to_string().contains(&format!("{image}:latest")),
            "{reference} {arguments:?}: {tags}\n{told}"
        );
        assert!(told.is_empty(), "{told}");
    }
}

#[test]
fn other_entries_are_held_to_it_as_far_as_they_name_versions() {
    let registry = with(&["1.9.0", "latest", "r-3.1.0", "v2.0.0", "x2"]);
    let image = format!("{registry}/acme/shop");
    for (reference, arguments, is_held) in [
        ("refs/tags/v1.9.1", &["--tags", "type=ref,event=tag"][..], true),
        ("refs/tags/v2.0.1", &["--tags", "type=ref,event=tag"], false),
        ("refs/tags/winter", &["--tags", "type=ref,event=tag"], false),
        ("refs/tags/r1.9.1", &["--tags", "type=match,pattern=r(.*),group=1"], true),
        ("refs/tags/3.0.0", &["--tags", "type=semver,pattern=r-{{version}}"], true),
        ("refs/tags/1.0.0", &["--tags", "type=semver,pattern=x{{major}}"], true),
        ("refs/tags/2.5.0", &["--tags", "type=semver,pattern=x{{major}}"], false),
        ("refs/tags/1.8", &["--tags", "type=pep440,pattern={{version}}"], true),
    ] {
        let (tags, told) = release(reference, &[arguments, &["--images", &image]].concat());
        assert_eq!(
            tags.to_string().contains(":latest"),
            !is_held,
            "{reference} {arguments:?}: {tags}\n{told}"
        );
    }
}

#[test]
fn each_image_is_asked_for_by_itself_and_one_that_is_new_gets_it() {
    let registry = with(&["2.0.0"]);
    let (old, new) = (format!("{registry}/acme/shop"), format!("{registry}/acme/new"));
    let both = format!("{old},{new}");
    let step = Step::on("push", "refs/tags/v1.9.1");
    let answer = step.json(&["--tags", "type=semver,pattern={{version}}", "--images", &both]);
    assert_eq!(
        answer["tags"],
        json!([format!("{old}:1.9.1"), format!("{new}:1.9.1"), format!("{new}:latest")])
    );
    assert_eq!(answer["tag-names"], json!(["1.9.1"]), "a name alone would be for both");
}

const LOGGED_IN: &str = "authorization: basic ywrhomh1bnrlcji=";

/// A registry that lists nothing, and of the one who has logged in is asked for `latest` by `answer`.
fn closed(answer: &'static str) -> SocketAddr {
    server(move |head| {
        match (head.contains(LOGGED_IN), head.starts_with("get /v2/acme/shop/manifests/latest ")) {
            (true, true) => (answer.to_owned(), json!({ "errors": [], "manifests": [] }).to_string()),
            (true, false) => ("403 Forbidden".to_owned(), String::new()),
            (false, _) => {
                ("401 Unauthorized\r\nwww-authenticate: Basic realm=\"x\"".to_owned(), String::new())
            }
        }
    })
}

fn logged_in(registry: SocketAddr) -> Step {
    let step = Step::on("push", "refs/tags/v1.9.1");
    step.log_in(&registry.to_string());
    step
}

#[test]
fn where_it_cannot_be_told_it_stays_and_why_is_told() {
    let there = closed("200 OK");
    let busy = server(|_| ("503 Service Unavailable\r\nretry-after: 30".to_owned(), String::new()));
    let foreign = server(|_| ("200 OK".to_owned(), "<html>".to_owned()));
    let stranger = || Step::on("push", "refs/tags/v1.9.1");
    for (step, registry, why) in [
        (
            stranger(),
            there,
            "its registry does not list its tags to everybody, and nobody has logged in before",
        ),
        (
            logged_in(there),
            there,
            "its registry refuses to list its tags with the credentials that there are",
        ),
        (stranger(), busy, "answers 503 Service Unavailable"),
        (stranger(), foreign, "the registry answers with what is no list of tags"),
    ] {
        let image = format!("{registry}/acme/shop");
        let said = step.run(&["--images", &image]).exits(0);
        tells(
            &said.err,
            &[
                "`latest` of ",
                " stays where it is, for whether there is a later release than 1.9.1 is not known: ",
                why,
            ],
        );
        tells(&said.err, &["`latest-check: off` moves it without asking"]);
        assert!(!said.out.contains("latest") && !said.err.contains("hunter2"), "{said:?}");
    }
}

#[test]
fn what_nobody_may_read_who_may_push_is_not_there_yet() {
    for answer in ["404 Not Found", "403 Forbidden"] {
        let registry = closed(answer);
        let image = format!("{registry}/acme/shop");
        let said = logged_in(registry).run(&["--images", &image]).exits(0);
        tells(&said.out, &[&format!("{image}:latest")]);
        tells(
            &said.err,
            &["nothing of ", " can be read with the credentials that there are: it is taken for new"],
        );
    }
}

#[test]
fn nobody_is_asked_who_need_not_be() {
    let times = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&times);
    let registry = server(move |_| {
        seen.fetch_add(1, Ordering::SeqCst);
        ("500 Oops".to_owned(), String::new())
    });
    let image = format!("{registry}/acme/shop");
    let off =
        Step::on("push", "refs/tags/v1.9.1").run(&["--images", &image, "--latest-check", "off"]).exits(0);
    tells(&off.out, &["/acme/shop:latest"]);
    for (reference, arguments) in [
        ("refs/heads/main", &["--flavor", "latest=true"][..]),
        ("refs/tags/v1.9.1", &["--flavor", "latest=false"]),
        ("refs/tags/v2.0.0-rc.1", &["--tags", "type=semver,pattern={{version}}"]),
        ("refs/tags/winter", &[]),
    ] {
        let said = Step::on("push", reference).run(&[arguments, &["--images", &image]].concat()).exits(0);
        assert!(said.err.is_empty(), "{reference}: {}", said.err);
    }
    let disabled = format!("name={image},enable=false");
    Step::on("push", "refs/tags/v1.9.1").run(&["--images", &disabled]).exits(0);
    assert_eq!(times.load(Ordering::SeqCst), 0);
}
