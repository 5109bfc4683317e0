//! The death of the supervisor, of its standby, of both; and the change to another binary.

use std::time::Duration;

use rustix::process::Signal;

use super::world::{Load, World, binary, get, gone, kill, lives, release, spec};

fn number(pid: u32) -> i32 {
    i32::try_from(pid).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_supervisor_is_replaced_and_no_connection_is_refused() {
    let world = World::new().await;
    let one = world.deployed("v1", 2).await;
    let pids = world.pids(&one.id).await;
    let listen = world.target().listen().await.unwrap();
    let load = Load::on(listen);
    let mut killed = 0;
    for _ in 0..3 {
        let status = world.guarded().await;
        kill(number(status.pid), Signal::KILL);
        killed += 1;
        gone(number(status.pid)).await;
        let after = world.status().await;
        assert_eq!(Some(after.pid), status.standby);
        assert_eq!(after.listen, Some(listen));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    world.ready(&one, 2).await;
    assert_eq!(world.pids(&one.id).await, pids, "instances are the same processes");
    let tally = load.end().await;
    assert_eq!((tally.refused, tally.bad), (0, 0), "{tally:?}");
    println!("three supervisors killed under load: {tally:?}");
    assert!(tally.longest < Duration::from_secs(3), "{tally:?}");
    // Only what was inside the supervisor when it was killed: four requests at a time.
    assert!(tally.broken <= killed * 4 && tally.good > 100, "{tally:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn adopted_instances_are_watched_scaled_and_stopped() {
    let world = World::new().await;
    let one = world.deployed("v1", 2).await;
    let status = world.guarded().await;
    kill(number(status.pid), Signal::KILL);
    world.ready(&one, 2).await;
    let direct = world.target().instance(&one.id).await.unwrap();
    let before = world.pids(&one.id).await;
    let _ = get(direct, "/exit").await;
    world.until("restarted", |o| o.sets[&one.id].ready == 1).await;
    world.ready(&one, 2).await;
    assert_ne!(world.pids(&one.id).await, before);
    let before = world.pids(&one.id).await;
    world.scale(&one, 1).await.unwrap();
    world.until("one left", |o| o.sets[&one.id].running == 1).await;
    world.target().stop().await.unwrap();
    assert!(before.iter().all(|pid| !lives(*pid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_standby_is_replaced() {
    let world = World::new().await;
    world.deployed("v1", 1).await;
    let status = world.guarded().await;
    kill(number(status.standby.unwrap()), Signal::KILL);
    gone(number(status.standby.unwrap())).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let after = world.guarded().await;
    assert_eq!(after.pid, status.pid);
    assert_ne!(after.standby, status.standby);
    assert!(lives(number(after.standby.unwrap())));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_both_killed_the_next_command_adopts_what_runs() {
    let world = World::new().await;
    let one = world.deployed("v1", 2).await;
    let pids = world.pids(&one.id).await;
    let status = world.guarded().await;
    kill(number(status.standby.unwrap()), Signal::KILL);
    kill(number(status.pid), Signal::KILL);
    gone(number(status.pid)).await;
    assert!(pids.iter().all(|pid| lives(*pid)), "instances need no supervisor");
    world.ready(&one, 2).await;
    assert_eq!(world.pids(&one.id).await, pids);
    assert_eq!(world.target().listen().await.unwrap(), status.listen.unwrap());
    assert_eq!(get(status.listen.unwrap(), "/").await.unwrap().1, "v1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_arranged_retirement_outlives_its_supervisor() {
    let world = World::new().await;
    world.deployed("v1", 1).await;
    let two = release("v2", &spec(&[]));
    world.scale(&two, 1).await.unwrap();
    world.ready(&two, 1).await;
    let status = world.guarded().await;
    world.retire(&two, Some(jiff::Timestamp::now() + Duration::from_secs(1))).await.unwrap();
    kill(number(status.pid), Signal::KILL);
    world.until("retired", |o| !o.sets.contains_key(&two.id)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_in_the_midst_of_a_change_leaves_no_instance_behind() {
    let world = World::new().await;
    let one = world.deployed("v1", 2).await;
    let pids = world.pids(&one.id).await;
    let status = world.guarded().await;
    let (first, second) = (number(status.pid), number(status.standby.unwrap()));
    kill(first, Signal::KILL);
    let lock = world.state.join("supervisor.lock");
    while std::fs::read_to_string(&lock).unwrap().trim() != second.to_string() {
        tokio::task::yield_now().await;
    }
    // The standby has become the supervisor in this very instant.
    kill(second, Signal::TERM);
    gone(second).await;
    for pid in pids {
        gone(pid).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_socket_is_made_again_and_the_supervisor_keeps_no_secret_of_the_command() {
    let world = World::new().await;
    let before = world.guarded().await;
    std::fs::remove_file(world.state.join("control.sock")).unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(world.status().await.pid, before.pid);
    let variables = std::fs::read_to_string(format!("/proc/{}/environ", before.pid)).unwrap();
    assert!(variables.contains("PATH=") && !variables.contains("CARGO"), "{variables}");
}

/// Another binary of the same version: a copy with something behind its end.
fn other_binary(world: &World) -> std::path::PathBuf {
    let path = world.dir().join("tidegate-new");
    let mut bytes = std::fs::read(binary()).unwrap();
    bytes.extend_from_slice(b"another");
    std::fs::write(&path, bytes).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn another_binary_takes_over_without_a_lost_request() {
    let world = World::new().await;
    let one = world.deployed("v1", 2).await;
    let pids = world.pids(&one.id).await;
    let before = world.guarded().await;
    let new = other_binary(&world);
    let load = Load::on(before.listen.unwrap());
    let slow = tokio::spawn(get(before.listen.unwrap(), "/slow"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!world.target().upgrade_if_older(&binary()).await.unwrap(), "the same one need not");
    assert!(world.target().upgrade_if_older(&new).await.unwrap());
    assert_eq!(slow.await.unwrap().unwrap().0, 200);
    let after = world.status().await;
    assert_ne!(after.pid, before.pid);
    let runs = std::fs::read_link(format!("/proc/{}/exe", after.pid)).unwrap();
    assert_eq!(runs, new);
    gone(number(before.pid)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let tally = load.end().await;
    assert_eq!((tally.refused, tally.broken, tally.bad), (0, 0, 0), "{tally:?}");
    println!("another binary took over under load: {tally:?}");
    assert!(tally.good > 50, "{tally:?}");
    assert_eq!(world.pids(&one.id).await, pids);
    world.scale(&one, 3).await.unwrap();
    world.ready(&one, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binary_that_cannot_take_over_changes_nothing() {
    let world = World::new().await;
    let one = world.deployed("v1", 1).await;
    let before = world.guarded().await;
    let bad = world.dir().join("bad");
    std::fs::write(&bad, "#!/bin/sh\necho 'I am not well' >&2\nexit 1\n").unwrap();
    std::fs::set_permissions(&bad, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let error = world.target().upgrade_if_older(&bad).await.unwrap_err();
    assert_eq!(error.code, "upgrade-failed");
    assert!(error.sentence.contains("I am not well"), "{}", error.sentence);
    let liar = "#!/bin/sh\nprintf R >&1\nread -r x <&1\nexit 1\n";
    std::fs::write(&bad, liar).unwrap();
    let error = world.target().upgrade_if_older(&bad).await.unwrap_err();
    assert_eq!(error.code, "upgrade-failed");
    assert_eq!(world.status().await.pid, before.pid);
    world.scale(&one, 2).await.unwrap();
    world.ready(&one, 2).await;
    assert_eq!(get(before.listen.unwrap(), "/").await.unwrap().1, "v1");
}
