use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::super::{Secret, Source};
use super::*;

/// A context with a Dockerfile, a file in a directory, a link, and something that is left out.
fn context() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("src")).unwrap();
    for (name, text) in [
        ("Dockerfile", "ARG V=1\nFROM r.test/base:$V\nCOPY . /\n"),
        ("src/main", "main"),
        (".dockerignore", "*.log\nout\n!out/kept\n"),
        ("a.log", "log"),
    ] {
        fs::write(root.join(name), text).unwrap();
    }
    fs::create_dir(root.join("out")).unwrap();
    fs::write(root.join("out/kept"), "kept").unwrap();
    fs::write(root.join("out/other"), "other").unwrap();
    symlink("src/main", root.join("link")).unwrap();
    folder
}

fn order(folder: &TempDir) -> Order {
    Order {
        context: folder.path().display().to_string(),
        platforms: vec!["linux/amd64".to_owned()],
        tags: vec!["r.test/shop:1".to_owned()],
        push: true,
        ..Order::default()
    }
}

fn digest(image: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(image)))
}

async fn told(order: &Order) -> String {
    let found = of(order, &Ground::default(), async |image| Ok(digest(image))).await;
    found.unwrap().sum
}

#[tokio::test]
async fn times_names_and_what_is_left_out_do_not_matter() {
    let folder = context();
    let root = folder.path();
    let before = told(&order(&folder)).await;
    assert_eq!(before.len(), 64);
    let file = fs::File::options().write(true).open(root.join("src/main")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(86_400)).unwrap();
    fs::write(root.join("a.log"), "another").unwrap();
    fs::write(root.join("b.log"), "new").unwrap();
    fs::write(root.join("out/other"), "another").unwrap();
    let mut same = order(&folder);
    same.tags = vec!["r.test/shop:2".to_owned(), "r.test/shop:latest".to_owned()];
    same.cache_to = vec!["type=gha".to_owned()];
    same.labels = vec![
        "org.opencontainers.image.revision=0f1e".to_owned(),
        "org.opencontainers.image.created=now".to_owned(),
        "org.opencontainers.image.version=2".to_owned(),
    ];
    same.annotations = vec!["index:org.opencontainers.image.revision=0f1e".to_owned()];
    assert_eq!(told(&same).await, before);
    let elsewhere = context();
    fs::write(elsewhere.path().join("a.log"), "x").unwrap();
    assert_eq!(told(&order(&elsewhere)).await, before, "where the context lies does not matter");
}

#[tokio::test]
async fn every_change_of_a_file_matters() {
    let plain = told(&order(&context())).await;
    let mut sums = vec![plain];
    type Change<'a> = (&'a str, &'a dyn Fn(&Path));
    let changes: [Change<'_>; 8] = [
        ("a content", &|root| fs::write(root.join("src/main"), "niam").unwrap()),
        ("a name", &|root| fs::rename(root.join("src/main"), root.join("src/niam")).unwrap()),
        ("a mode", &|root| {
            fs::set_permissions(root.join("src/main"), fs::Permissions::from_mode(0o755)).unwrap()
        }),
        ("a new file", &|root| fs::write(root.join("new"), "").unwrap()),
        ("an empty directory", &|root| fs::create_dir(root.join("empty")).unwrap()),
        ("the end of a link", &|root| {
            fs::remove_file(root.join("link")).unwrap();
            symlink("src", root.join("link")).unwrap();
        }),
        ("an exception of what is left out", &|root| fs::write(root.join("out/kept"), "dropped").unwrap()),
        ("the Dockerfile", &|root| {
            fs::write(root.join("Dockerfile"), "FROM r.test/base:1\nCOPY . /\n").unwrap()
        }),
    ];
    for (what, change) in changes {
        let folder = context();
        fs::set_permissions(folder.path().join("src/main"), fs::Permissions::from_mode(0o644)).unwrap();
        change(folder.path());
        let sum = told(&order(&folder)).await;
        assert!(!sums.contains(&sum), "{what} does not matter");
        sums.push(sum);
    }
}

#[tokio::test]
async fn every_input_matters() {
    let folder = context();
    let mut sums = vec![told(&order(&folder)).await];
    let further = tempfile::tempdir().unwrap();
    fs::write(further.path().join("x"), "x").unwrap();
    let further = format!("lib={}", further.path().display());
    let one = |text: &str| vec![text.to_owned()];
    type Change = (&'static str, Box<dyn Fn(&mut Order)>);
    let changes: Vec<Change> = vec![
        ("target", Box::new(|order| order.target = Some("web".to_owned()))),
        ("platforms", Box::new(move |order| order.platforms = one("linux/arm64"))),
        ("an argument", Box::new(move |order| order.build_args = one("A=1"))),
        ("its value", Box::new(move |order| order.build_args = one("A=2"))),
        ("an argument in FROM", Box::new(move |order| order.build_args = one("V=2"))),
        ("a label", Box::new(move |order| order.labels = one("a=b"))),
        ("an annotation", Box::new(move |order| order.annotations = one("a=b"))),
        ("a directory as a context", Box::new(move |order| order.build_contexts = one(&further))),
        (
            "an image as a context",
            Box::new(move |order| order.build_contexts = one("lib=docker-image://r.test/lib:1")),
        ),
        (
            "a secret's name",
            Box::new(|order| {
                order.secrets.push(Secret { id: "token".to_owned(), from: Source::Value("x".to_owned()) });
            }),
        ),
        ("the network", Box::new(|order| order.network = Some("host".to_owned()))),
        ("a host", Box::new(move |order| order.add_hosts = one("a:10.0.0.1"))),
        ("a right", Box::new(move |order| order.allow = one("network.host"))),
        ("provenance", Box::new(|order| order.provenance = Some("false".to_owned()))),
        ("a list of what is in it", Box::new(|order| order.sbom = Some("true".to_owned()))),
        ("an attestation", Box::new(move |order| order.attests = one("type=sbom"))),
    ];
    for (what, change) in changes {
        let mut order = order(&folder);
        change(&mut order);
        let sum = told(&order).await;
        assert!(!sums.contains(&sum), "{what} does not matter");
        sums.push(sum);
    }
}

#[tokio::test]
async fn the_value_of_a_secret_does_not_matter_and_cannot_be_tried_out() {
    let folder = context();
    let with = async |value: &str| {
        let mut order = order(&folder);
        order.secrets.push(Secret { id: "token".to_owned(), from: Source::Value(value.to_owned()) });
        told(&order).await
    };
    assert_eq!(with("one").await, with("two").await);
}

#[tokio::test]
async fn another_base_is_another_image_and_an_unknown_one_none_at_all() {
    let folder = context();
    let order = order(&folder);
    let before = told(&order).await;
    let moved = of(&order, &Ground::default(), async |image| Ok(digest(&format!("{image} moved")))).await;
    assert_ne!(moved.unwrap().sum, before);
    let unknown = of(&order, &Ground::default(), async |_| Err("nobody answers".to_owned())).await;
    assert_eq!(unknown.unwrap_err(), "the digest of r.test/base:1 is not known: nobody answers");
}

#[tokio::test]
async fn a_platform_that_is_not_named_is_the_builders() {
    let folder = context();
    let order = Order { platforms: Vec::new(), ..order(&folder) };
    let of = async |platform: Option<&str>| {
        let ground = Ground { platform: platform.map(str::to_owned), ..Ground::default() };
        super::of(&order, &ground, async |image| Ok(digest(image))).await
    };
    assert!(of(None).await.unwrap_err().starts_with("no platform is named"));
    assert_ne!(of(Some("linux/amd64")).await, of(Some("linux/arm64")).await);
    let named = told(&Order { platforms: vec!["linux/amd64".to_owned()], ..order.clone() }).await;
    assert_eq!(of(Some("linux/amd64")).await.unwrap().sum, named);
}

#[tokio::test]
async fn a_file_of_its_own_says_what_is_left_out_for_a_dockerfile() {
    let folder = context();
    let before = told(&order(&folder)).await;
    fs::write(folder.path().join("Dockerfile.dockerignore"), "").unwrap();
    assert_ne!(told(&order(&folder)).await, before, "the log counts now");
}

#[tokio::test]
async fn history_in_the_context_is_told() {
    let folder = context();
    fs::create_dir(folder.path().join(".git")).unwrap();
    let found = of(&order(&folder), &Ground::default(), async |image| Ok(digest(image))).await.unwrap();
    assert!(found.has_history);
    assert_eq!(found.tag().len(), "tidegate-".len() + 32);
}
