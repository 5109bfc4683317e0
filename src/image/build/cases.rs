//! Orders that the tests of all builders go through.

use super::{Order, Secret, Source};

/// A value that must be in no command line.
pub(super) const SECRET: &str = "hunter2-hunter2";

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

fn here() -> Order {
    Order { context: ".".to_owned(), ..Order::default() }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Each with what it is about.
pub(super) fn all() -> Vec<(&'static str, Order)> {
    let mut all = what();
    all.extend(how());
    all
}

/// What is built, and what it is called.
fn what() -> Vec<(&'static str, Order)> {
    vec![
        ("nothing but the directory", here()),
        ("a directory that looks like a flag", Order { context: "-x".to_owned(), ..Order::default() }),
        ("standard input is no context", Order { context: "-".to_owned(), ..Order::default() }),
        (
            "pushed under two names",
            Order { tags: texts(&["r.test/a:1", "r.test/a:2"]), push: true, ..here() },
        ),
        ("loaded", Order { tags: texts(&["a"]), load: true, ..here() }),
        ("two platforms", Order { platforms: texts(&["linux/amd64", "linux/arm64"]), push: true, ..here() }),
        ("another file and stage", Order { file: some("docker/a b"), target: some("web"), ..here() }),
        (
            "labels, annotations and arguments keep what is in them",
            Order {
                labels: texts(&["a=b,c", "d=\"e\""]),
                annotations: texts(&["index:a=b", "manifest[linux/amd64]:c=d e"]),
                build_args: texts(&["A=1", "B=x=y", "FROM_ENVIRONMENT", "M=one\ntwo"]),
                ..here()
            },
        ),
    ]
}

/// What it is built with, and where it goes.
fn how() -> Vec<(&'static str, Order)> {
    let secret = |id: &str, from: Source| Secret { id: id.to_owned(), from };
    vec![
        ("further contexts", Order { build_contexts: texts(&["a=docker-image://b:1", "c=../d"]), ..here() }),
        (
            "secrets of all kinds",
            Order {
                secrets: vec![
                    secret("value", Source::Value(SECRET.to_owned())),
                    secret("variable", Source::Variable("TOKEN".to_owned())),
                    secret("file", Source::File("/s/key,1".to_owned())),
                ],
                ssh: texts(&["default", "k=/k/id"]),
                ..here()
            },
        ),
        (
            "caches",
            Order {
                cache_from: texts(&["type=registry,ref=r.test/a:cache", "r.test/a:old"]),
                cache_to: texts(&["type=gha,mode=max,scope=a"]),
                ..here()
            },
        ),
        ("no cache", Order { no_cache: true, pull: true, ..here() }),
        ("no cache of some stages", Order { no_cache_filters: texts(&["base", "web"]), ..here() }),
        ("into a directory", Order { outputs: texts(&["type=local,dest=out"]), ..here() }),
        ("into a tar", Order { outputs: texts(&["type=tar,dest=out.tar"]), ..here() }),
        (
            "into a registry by an output",
            Order { outputs: texts(&["type=image,name=r.test/a,push=true"]), ..here() },
        ),
        ("into a directory by its name", Order { outputs: texts(&["out"]), ..here() }),
        (
            "what RUN has",
            Order {
                network: some("host"),
                shm_size: some("2g"),
                ulimits: texts(&["nofile=1024:1024"]),
                add_hosts: texts(&["a.test:10.0.0.1"]),
                cgroup_parent: some("/g"),
                allow: texts(&["network.host", "security.insecure"]),
                ..here()
            },
        ),
        ("a builder of its own", Order { builder: some("big"), ..here() }),
        ("a check in place of a build", Order { call: some("check"), ..here() }),
        ("a build by that word", Order { call: some("build"), ..here() }),
        (
            "a git repository",
            Order {
                context: "https://git.test/acme/shop.git#0f1e:sub".to_owned(),
                push: true,
                ..Order::default()
            },
        ),
    ]
}
