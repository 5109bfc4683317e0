//! Pushes to the real registry: a program that others pull, and many pushes over a way that breaks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use testbed::{Bed, Home, Part, address};
use tidegate::image::assemble::{NOBODY, Platform, Recipe, assemble};
use tidegate::registry::{Pace, Package, push};

use super::kube::image;
use super::own::Containerd;
use super::{bed, run};
use crate::push::cut::way;
use crate::push::kit::repository_as;
use crate::tiers::tell;

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

fn tidegate(words: &[&str]) -> String {
    run(Command::new(TIDEGATE).arg("image").args(words).env("DOCKER_CONFIG", "/nowhere"))
}

/// Asks another client whether all that a name stands for is there.
fn is_valid(name: &str) {
    let crane = Home::of_user().unwrap().program("crane");
    // Without a platform it would take what is attached for an image, too, and miss its layers.
    run(Command::new(crane).args(["validate", "--platform", "linux/amd64", "--insecure", "--remote", name]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_pushed_and_others_pull_it() {
    let Some(bed) = bed("a push to a registry", &[Part::Registry]).await else { return };
    let name = image(&format!("pushed-{}:1", std::process::id()));
    let copy = image(&format!("copied-{}:1", std::process::id()));
    let program = bed.home().program("podinfo").display().to_string();
    tidegate(&["push", &program, &name]);
    assert!(tidegate(&["push", &program, &name]).starts_with("unchanged: "));
    tidegate(&["copy", &name, &copy]);
    is_valid(&name);
    let digest =
        |name: &str| run(Command::new(bed.home().program("crane")).args(["digest", "--insecure", name]));
    assert_eq!(digest(&name), digest(&copy));
    Containerd::start().pull(&copy);
    skopeo_pulls(&bed, &copy);
    let inspected = bed
        .inside("skopeo")
        .unwrap()
        .args(["inspect", "--config", "--tls-verify=false"])
        .arg(format!("docker://{copy}"))
        .output()
        .unwrap();
    let config: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"][0], "/podinfo");
}

/// Pulls all of an image by skopeo into a folder, which goes.
fn skopeo_pulls(bed: &Bed, name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let to = format!("dir:{}", folder.path().join("image").display());
    let mut skopeo = bed.inside("skopeo").unwrap();
    skopeo.args(["--insecure-policy", "copy", "--all", "--src-tls-verify=false"]);
    run(skopeo.arg(format!("docker://{name}")).arg(to));
}

/// Numbers that look like chance, and are the same for each seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % limit).unwrap()
    }
}

/// An image of a directory with a file of a length in it, which no compression makes smaller; another one for each seed.
fn site(seed: u64, length: usize) -> Package {
    let folder = tempfile::tempdir().unwrap();
    let mut chance = Chance(seed);
    let bytes: Vec<u8> = (0..length).map(|_| u8::try_from(chance.below(256)).unwrap()).collect();
    std::fs::write(folder.path().join("noise"), bytes).unwrap();
    let recipe = Recipe {
        sources: vec![folder.path().to_owned()],
        at: None,
        entrypoint: Vec::new(),
        user: NOBODY.to_owned(),
        created: 0,
        is_compressed: true,
        has_sbom: true,
        platform: Platform::parse("linux/amd64").unwrap(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    };
    assemble(&recipe, &|_| Ok(None)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_over_a_way_that_breaks_end_in_whole_images() {
    // Any registry on this machine that takes pushes from anybody will do, where one is named.
    let named = std::env::var("TIDEGATE_PUSH_REGISTRY").ok();
    let bed = match named {
        Some(_) => None,
        None => match bed("pushes over a way that breaks", &[Part::Registry]).await {
            Some(bed) => Some(bed),
            None => return,
        },
    };
    let usual = || address::bed(address::REGISTRY).to_string();
    let registry: SocketAddr = named.unwrap_or_else(usual).parse().unwrap();
    let began = Instant::now();
    let pace = Pace {
        tries: 9,
        first: Duration::from_millis(5),
        longest: Duration::from_millis(100),
        stall: Duration::from_secs(10),
    };
    // A thousand of them take some five minutes, and as long again where skopeo and containerd pull each of them.
    let number = |name: &str, usual| std::env::var(name).map_or(usual, |text| text.parse::<u64>().unwrap());
    let (pushes, every) = (number("TIDEGATE_PUSHES", 100), number("TIDEGATE_PULL_EVERY", 10));
    let containerd = Containerd::start();
    let crane = Home::of_user().unwrap().program("crane");
    let (mut broken, mut given_up, mut pulled) = (0, 0, 0);
    let mut chance = Chance(u64::from(std::process::id()));
    for number in 0..pushes {
        let seed = number + (u64::from(std::process::id()) << 20);
        // One in fifty has a layer that goes in a stream of its own.
        let large = if number % 50 == 0 { 5 << 20 } else { 20_000 };
        let package = site(seed, large);
        let times = 1 + chance.below(4);
        let place = |_| match chance.below(2) {
            0 => (chance.below(large as u64 + 4000), usize::MAX),
            _ => (usize::MAX, chance.below(2000)),
        };
        let (address, cuts) = way(registry, (0..times).map(place).collect()).await;
        let tags = [format!("n{number}"), format!("also{number}")];
        // One in five has too little patience: what it leaves is no tag, or one that names all.
        if number % 5 == 4 {
            let hasty = Pace { tries: 1 + u32::from(number % 2 == 0), ..pace };
            let to = repository_as(address, "broken", "{}", hasty).await;
            if push(&package, &to, &tags, None).await.is_err() {
                given_up += 1;
                let straight = repository_as(registry, "broken", "{}", pace).await;
                for tag in &tags {
                    if straight.digest(tag).await.unwrap().is_some() {
                        is_valid(&format!("{registry}/broken:{tag}"));
                    }
                }
            }
        }
        let to = repository_as(address, "broken", "{}", pace).await;
        push(&package, &to, &tags, None).await.unwrap_or_else(|error| panic!("{number}: {error}"));
        broken += usize::from(cuts.lock().unwrap().is_empty());
        let names = tags.map(|tag| format!("{registry}/broken:{tag}"));
        is_valid(&names[0]);
        let digest = |name: &String| run(Command::new(&crane).args(["digest", "--insecure", name]));
        assert_eq!(digest(&names[0]), digest(&names[1]), "{number}: the tags name different images");
        if number % every == 0 {
            pulled += 1;
            containerd.pull(&names[0]);
            if let Some(bed) = &bed {
                skopeo_pulls(bed, &names[0]);
            }
        }
    }
    tell(&format!(
        "{pushes} pushes, {broken} over a way that broke at every place it should, {given_up} given up and made again, all \
         validated by crane, {pulled} pulled by containerd{}, in {:.0} s",
        if bed.is_some() { " and skopeo" } else { "" },
        began.elapsed().as_secs_f64()
    ));
    assert!(broken > 0 && pulled > 0);
}
