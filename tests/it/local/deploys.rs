//! Sets, weights and addresses.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use tidegate::target::Target;
use tidegate::target::local::{LaunchSpec, LocalTarget};

use super::world::{World, config, get, gone, lives, release, spec};

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_started_routed_to_and_retired() {
    let world = World::new().await;
    let one = world.deployed("v1", 2).await;
    let listen = world.target().listen().await.unwrap();
    assert_eq!(get(listen, "/").await.unwrap(), (200, "v1".to_owned()));

    let two = release("v2", &spec(&[]));
    world.scale(&two, 1).await.unwrap();
    world.ready(&two, 1).await;
    let direct = world.target().instance(&two.id).await.unwrap();
    assert_eq!(get(direct, "/").await.unwrap().1, "v2");
    assert_eq!(get(listen, "/").await.unwrap().1, "v1", "no weight, no request");
    world.route(&[(&one, 50), (&two, 50)]).await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..60 {
        seen.insert(get(listen, "/").await.unwrap().1);
    }
    assert_eq!(seen.len(), 2);
    world.route(&[(&two, 100)]).await.unwrap();

    let old = world.pids(&one.id).await;
    assert_eq!(old.len(), 2);
    assert_eq!(world.retire(&two, None).await.unwrap_err().code, "carries-traffic");
    world.retire(&one, None).await.unwrap();
    let seen = world.until("gone", |o| !o.sets.contains_key(&one.id)).await;
    assert_eq!(seen.weights.len(), 1);
    assert!(seen.traffic[&two.id].requests > 0);
    assert!(old.iter().all(|pid| !lives(*pid)));
    assert_eq!(get(listen, "/").await.unwrap().1, "v2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_outlasts_the_retirement_of_its_instance() {
    let world = World::new().await;
    let one = world.deployed("v1", 1).await;
    let two = release("v2", &spec(&[]));
    world.scale(&two, 1).await.unwrap();
    world.ready(&two, 1).await;
    let listen = world.target().listen().await.unwrap();
    let slow = tokio::spawn(get_slow(listen));
    world.until("in flight", |o| o.sets[&one.id].in_flight == 1).await;
    world.route(&[(&two, 100)]).await.unwrap();
    world.retire(&one, None).await.unwrap();
    let seen = world.target().observe(None, Duration::ZERO).await.unwrap();
    let set = &seen.sets[&one.id];
    assert_eq!((set.desired, set.running, set.ready), (0, 1, 0));
    assert_eq!(slow.await.unwrap(), (200, "v1".to_owned()));
    world.until("gone", |o| !o.sets.contains_key(&one.id)).await;
}

async fn get_slow(address: std::net::SocketAddr) -> (u16, String) {
    get(address, "/slow").await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_arranged_retirement_comes_by_itself_or_is_taken_back() {
    let world = World::new().await;
    let one = world.deployed("v1", 1).await;
    let two = release("v2", &spec(&[]));
    world.scale(&two, 1).await.unwrap();
    world.ready(&two, 1).await;
    let soon = || jiff::Timestamp::now() + Duration::from_millis(1500);

    world.retire(&two, Some(soon())).await.unwrap();
    let seen = world.target().observe(None, Duration::ZERO).await.unwrap();
    assert!(seen.sets[&two.id].retire_at.is_some());
    world.scale(&two, 1).await.unwrap();
    let seen = world.target().observe(None, Duration::ZERO).await.unwrap();
    assert_eq!(seen.sets[&two.id].retire_at, None, "taken back");

    world.retire(&two, Some(soon())).await.unwrap();
    world.retire(&one, Some(soon())).await.unwrap();
    let seen = world.until("retired", |o| !o.sets.contains_key(&two.id)).await;
    assert_eq!(seen.sets[&one.id].ready, 1, "what carries traffic is not taken away");
    world.until("dropped", |o| o.sets[&one.id].retire_at.is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_leaves_no_process_and_a_start_brings_the_sets_back() {
    let mut world = World::new().await;
    let one = world.deployed("v1", 2).await;
    let status = world.guarded().await;
    let pids = world.pids(&one.id).await;
    let listen = status.listen.unwrap();
    world.target().stop().await.unwrap();
    gone(i32::try_from(status.pid).unwrap()).await;
    gone(i32::try_from(status.standby.unwrap()).unwrap()).await;
    assert!(pids.iter().all(|pid| !lives(*pid)));
    assert!(LocalTarget::existing(&world.state).await.is_none());
    assert!(get(listen, "/").await.is_err());

    world.target = Some(LocalTarget::connect(&world.state, config()).await.unwrap());
    world.ready(&one, 2).await;
    assert_eq!(world.target().listen().await.unwrap(), listen, "the address is kept");
    assert_eq!(get(listen, "/").await.unwrap().1, "v1");

    world.target().forget().await.unwrap();
    assert!(!world.state.join("supervisor.json").exists());
    assert!(!world.state.join("secrets.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_is_bound_before_the_old_one_is_left() {
    let world = World::new().await;
    world.deployed("v1", 1).await;
    let old = world.target().listen().await.unwrap();
    // None that the system hands out: another test could have it the moment that it is free.
    let mut ports = (9_500..9_900).map(|port| std::net::TcpListener::bind(("127.0.0.1", port)));
    let taken = ports.find_map(Result::ok).unwrap();
    let wanted = taken.local_addr().unwrap();
    let mut settings = config();
    settings.listen = wanted;
    let error = LocalTarget::connect(&world.state, settings.clone()).await.err().unwrap();
    assert_eq!(error.code, "port-taken");
    assert!(error.sentence.contains(&wanted.to_string()), "{}", error.sentence);
    assert!(error.sentence.contains(&std::process::id().to_string()), "{}", error.sentence);
    assert_eq!(world.target().listen().await.unwrap(), old);
    drop(taken);
    LocalTarget::connect(&world.state, settings).await.unwrap();
    assert_eq!(get(wanted, "/").await.unwrap().1, "v1");
    assert_eq!(get(old, "/").await.unwrap().1, "v1", "the old one is served a little longer");
    for _ in 0..200 {
        if get(old, "/").await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the old address is never left");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_are_served() {
    let mut world = World::new().await;
    let one = world.deployed("v1", 1).await;
    let mut settings = config();
    settings.admin = Some(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
    world.target = Some(LocalTarget::connect(&world.state, settings).await.unwrap());
    let admin = world.status().await.admin.unwrap();
    let (status, body) = get(admin, "/health").await.unwrap();
    let health: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, health["status"].as_str()), (200, Some("healthy")));
    let (_, metrics) = get(admin, "/metrics").await.unwrap();
    assert!(
        metrics.contains(&format!("tidegate_instances_ready{{release=\"{}\",version=\"v1\"}} 1", one.id))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_runs_the_program_that_it_was_made_from() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::at(dir, "a state directory with spaces").await;
    let write = |says: &str| {
        let inner = spec(&[]).command.iter().map(|w| format!("'{w}'")).collect::<Vec<_>>().join(" ");
        let path = world.dir().join("server");
        std::fs::write(&path, format!("#!/bin/sh\nSAYS={says} exec {inner}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    let prepared = || {
        let mut spec =
            LaunchSpec { command: vec!["./server".into()], directory: world.dir().into(), ..spec(&[]) };
        spec.health.as_mut().unwrap().version = false;
        spec.prepare(&world.state).map(|artifacts| (spec, artifacts))
    };
    let error = prepared().unwrap_err();
    assert_eq!(error.code, "no-program");
    assert!(error.sentence.starts_with("./server does not exist in "), "{}", error.sentence);
    write("first");
    let (first, artifacts) = prepared().unwrap();
    assert!(artifacts[0].digest.starts_with("sha256:"));
    write("second");
    let one = release("v1", &first);
    world.scale(&one, 1).await.unwrap();
    world.ready(&one, 1).await;
    assert_eq!(get(world.target().instance(&one.id).await.unwrap(), "/").await.unwrap().1, "first");
    assert_eq!(world.target().prune(&[]).await.unwrap(), 0, "in use");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_can_reach_the_supervisor_and_secrets_stay_in_their_file() {
    let world = World::at(tempfile::tempdir().unwrap(), &"a long way down/".repeat(12)).await;
    assert!(world.state.as_os_str().len() > 150);
    let one = world.deployed("v1", 1).await;
    let mode = |name: &str| std::fs::metadata(world.state.join(name)).unwrap().mode() & 0o777;
    assert_eq!(mode(""), 0o700);
    assert_eq!(mode("control.sock"), 0o600);
    assert_eq!(mode("secrets.json"), 0o600);
    let state = std::fs::read_to_string(world.state.join("supervisor.json")).unwrap();
    assert!(state.contains("TOKEN") && !state.contains("hush-hush"));
    assert!(std::fs::read_to_string(world.state.join("secrets.json")).unwrap().contains("hush-hush"));
    let pid = world.pids(&one.id).await[0];
    assert!(
        std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap().contains("SECRET=hush-hush-hush")
    );
    assert!(!std::fs::read_to_string(world.state.join("supervisor.log")).unwrap().contains("hush-hush"));
}
