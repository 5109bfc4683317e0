//! What goes wrong, and how it is told.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use tidegate::target::Target;
use tidegate::target::local::{LaunchSpec, LocalTarget, Logs};

use super::world::{World, binary, config, get, release, spec};

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_dies_is_told_with_its_last_words() {
    let world = World::new().await;
    let bad = release("v3", &spec(&[("DIE", "7")]));
    world.scale(&bad, 2).await.unwrap();
    let trouble = world.trouble(&bad).await;
    assert_eq!(trouble.code, "exited");
    assert!(
        trouble.sentence.contains("of 2 (version v3) exited with code 7 within 0."),
        "{}",
        trouble.sentence
    );
    assert!(
        trouble.sentence.ends_with(", twice; its last words: cannot go on: no such table"),
        "{}",
        trouble.sentence
    );
    let tail = trouble.log_tail.join("\n");
    assert!(tail.contains("secret ***") && !tail.contains("hush"), "{tail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_or_not_a_program_is_told_at_once() {
    let world = World::new().await;
    let absent = LaunchSpec { command: vec!["/none/such".into()], ..spec(&[]) };
    let absent = release("v1", &absent);
    world.scale(&absent, 1).await.unwrap();
    let trouble = world.trouble(&absent).await;
    assert_eq!(trouble.code, "no-program");
    assert!(trouble.sentence.contains("/none/such"), "{}", trouble.sentence);

    let file = world.dir().join("data");
    std::fs::write(&file, b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xf3\0").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let data = LaunchSpec { command: vec![file.to_str().unwrap().into()], ..spec(&[]) };
    let data = release("v2", &data);
    world.scale(&data, 1).await.unwrap();
    let trouble = world.trouble(&data).await;
    assert_eq!(trouble.code, "not-executable");
    assert!(trouble.sentence.contains("exec format error"), "{}", trouble.sentence);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_never_becomes_healthy_is_told_with_its_last_answer() {
    let world = World::new().await;
    let sick = release("v1", &spec(&[("HEALTH", "503")]));
    world.scale(&sick, 1).await.unwrap();
    let trouble = world.trouble(&sick).await;
    assert_eq!(trouble.code, "unhealthy");
    assert!(
        trouble.sentence.ends_with("is not ready after 1.5s: GET /health answered 503"),
        "{}",
        trouble.sentence
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_of_another_version_is_found_out() {
    let world = World::new().await;
    let wrong = release("v2", &spec(&[("SAYS", "v1")]));
    world.scale(&wrong, 1).await.unwrap();
    let trouble = world.trouble(&wrong).await;
    assert_eq!(trouble.code, "wrong-version");
    assert!(trouble.sentence.contains("as version v1"), "{}", trouble.sentence);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_falls_is_started_again_and_left_out_meanwhile() {
    let world = World::new().await;
    let one = world.deployed("v1", 2).await;
    let listen = world.target().listen().await.unwrap();
    let direct = world.target().instance(&one.id).await.unwrap();
    let before = world.target().observe(None, Duration::ZERO).await.unwrap().generation;
    let _ = get(direct, "/exit").await;
    let seen = world.until("one less", |o| o.generation > before && o.sets[&one.id].ready == 1).await;
    let trouble = seen.sets[&one.id].trouble.clone().unwrap();
    assert!(!trouble.fatal, "it was well before");
    for _ in 0..20 {
        assert_eq!(get(listen, "/").await.unwrap().0, 200);
    }
    let seen = world.ready(&one, 2).await;
    assert_eq!(seen.sets[&one.id].trouble, None);
    assert_eq!(world.status().await.instances.iter().map(|i| i.restarts).sum::<u32>(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_grows_is_set_aside() {
    let world = World::new().await;
    let mut talkative = spec(&[]);
    talkative.logs = Logs { max_size: 5000, keep: 1 };
    let one = release("v1", &talkative);
    world.scale(&one, 1).await.unwrap();
    world.ready(&one, 1).await;
    let direct = world.target().instance(&one.id).await.unwrap();
    let log = world.status().await.instances[0].log.clone();
    for _ in 0..4 {
        get(direct, "/write").await.unwrap();
    }
    let aside = log.with_extension("log.1");
    for _ in 0..100 {
        if aside.exists() && std::fs::metadata(&log).unwrap().len() < 5000 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} was never made", aside.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let one = release("v1", &spec(&[]));
    assert_eq!(world.route(&[(&one, 100)]).await.unwrap_err().code, "unknown-release");
    let mut needy = spec(&[]);
    needy.env.insert("X".into(), tidegate::target::local::EnvValue::FromEnvironment("NOT_SET".into()));
    let error = world.scale(&release("v2", &needy), 1).await.unwrap_err();
    assert_eq!(error.code, "missing-secret");
    assert!(error.sentence.contains("NOT_SET"), "{}", error.sentence);

    // The place where the state is drafted is blocked: nothing can be written.
    std::fs::create_dir(world.state.join("supervisor.json.new")).unwrap();
    assert_eq!(world.scale(&one, 1).await.unwrap_err().code, "not-writable");
    assert!(world.target().observe(None, Duration::ZERO).await.unwrap().sets.is_empty());
    assert!(world.status().await.instances.is_empty());
    std::fs::remove_dir(world.state.join("supervisor.json.new")).unwrap();
    world.scale(&one, 1).await.unwrap();
    world.ready(&one, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_cannot_be_read_is_refused_and_left() {
    for (text, words) in
        [("{\"format\":1,", "is damaged"), ("{\"format\":42}", "was written by a newer tidegate")]
    {
        let world = World::cold(tempfile::tempdir().unwrap(), "state");
        std::fs::create_dir(&world.state).unwrap();
        std::fs::write(world.state.join("supervisor.json"), text).unwrap();
        let error = LocalTarget::connect(&world.state, config()).await.err().unwrap();
        assert_eq!(error.code, "supervisor-failed");
        assert!(error.sentence.contains(words), "{}", error.sentence);
        assert_eq!(std::fs::read_to_string(world.state.join("supervisor.json")).unwrap(), text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_supervisor_is_refused() {
    let world = World::new().await;
    let pid = world.status().await.pid;
    let second = tokio::process::Command::new(binary())
        .args(["local", "supervise", "--state"])
        .arg(&world.state)
        .output()
        .await
        .unwrap();
    assert!(!second.status.success());
    let words = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(words.contains(&format!("runs already (process {pid})")), "{words}");
    assert_eq!(world.status().await.pid, pid);
}
