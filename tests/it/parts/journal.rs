//! The journal and the lock in the real cluster.

use std::time::Duration;

use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use testbed::{Bed, Part};
use tidegate::journal::kubernetes::lease::LeaseLock;
use tidegate::journal::kubernetes::{MapJournal, Scope};
use tidegate::journal::{Held as _, Holder, Journal as _, LockError};
use tidegate::rollout::event::{Asked, Request};
use tidegate::rollout::{Event, Fact, RolloutId};

use super::bed;
use super::kube::{Namespace, until};

/// A client of that identity.
async fn client(bed: &Bed, identity: &str) -> Client {
    let kubeconfig = Kubeconfig::read_from(bed.kubeconfig(identity)).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

fn scope(space: &Namespace) -> Scope {
    Scope { app: "shop".into(), environment: "production".into(), namespace: space.name.clone() }
}

fn holder(name: &str) -> Holder {
    let nonce = format!("{name}-{}", Timestamp::now().as_nanosecond());
    Holder { name: name.into(), reason: "a deploy".into(), since: Timestamp::now(), nonce }
}

fn event(rollout: &RolloutId, seq: u64) -> Event {
    let fact =
        Fact::Warned { code: "test".into(), sentence: format!("event {seq}, ünïcödé and \"quotes\"") };
    Event { seq, at: Timestamp::now(), rollout: rollout.clone(), fact }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_read_as_it_was_written_over_as_many_maps_as_it_takes() {
    let Some(bed) = bed("histories in ConfigMaps", &[Part::ControlPlane]).await else { return };
    let space = Namespace::new(&bed, "histories");
    let (client, scope) = (client(&bed, "admin").await, scope(&space));
    let lock = LeaseLock::acquire(&client, &scope, &holder("ada")).await.unwrap();
    let at = Timestamp::now();
    let rollouts = [1, 2].map(|salt| RolloutId::begun(at + Duration::from_secs(salt), 7));
    let journal = MapJournal::with_parts_of(&client, scope.clone(), 1500);
    let mut written = Vec::new();
    for rollout in &rollouts {
        let events: Vec<Event> = (0..20).map(|seq| event(rollout, seq)).collect();
        for (number, event) in events.iter().enumerate() {
            journal.append(&lock.prove().unwrap(), event).await.unwrap();
            if number == 10 {
                // Another process goes on: it finds where to.
                let other = MapJournal::with_parts_of(&client, scope.clone(), 1500);
                assert_eq!(other.histories().await.unwrap().pop().unwrap().len(), 11);
            }
        }
        written.push(events);
    }
    let fresh = MapJournal::new(&client, scope.clone());
    assert_eq!(fresh.histories().await.unwrap(), written);
    let maps = space.kubectl(&["get", "configmap", "-l", "tidegate.dev/journal=rollout", "-o", "name"]);
    assert!(maps.lines().count() >= 4, "each history takes several maps:\n{maps}");

    let removed = fresh.prune(&lock.prove().unwrap(), 1, &[]).await.unwrap();
    assert_eq!((removed, fresh.histories().await.unwrap().len()), (1, 1));
    assert_eq!(fresh.histories().await.unwrap()[0], written[1], "the older one went");
    lock.release().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_writers_one_is_refused_and_nothing_is_overwritten() {
    let Some(bed) = bed("two writers", &[Part::ControlPlane]).await else { return };
    let space = Namespace::new(&bed, "writers");
    let (client, scope) = (client(&bed, "admin").await, scope(&space));
    let lock = LeaseLock::acquire(&client, &scope, &holder("ada")).await.unwrap();
    let rollout = RolloutId::begun(Timestamp::now(), 7);
    let (one, two) = (MapJournal::new(&client, scope.clone()), MapJournal::new(&client, scope.clone()));
    let proof = || lock.prove().unwrap();
    one.append(&proof(), &event(&rollout, 0)).await.unwrap();
    two.append(&proof(), &event(&rollout, 1)).await.unwrap();
    let refused = one.append(&proof(), &event(&rollout, 1)).await.unwrap_err();
    assert_eq!(refused.code, "taken-over");
    assert!(refused.sentence.contains("was changed by another run"), "{}", refused.sentence);
    assert_eq!(one.histories().await.unwrap()[0].len(), 2);
    // Now it has seen what is there, and goes on from it.
    one.append(&proof(), &event(&rollout, 2)).await.unwrap();
    assert_eq!(two.histories().await.unwrap()[0].len(), 3);

    // A hand that changes the text is found out.
    let name = space.kubectl(&["get", "configmap", "-l", "tidegate.dev/journal=rollout", "-o", "name"]);
    let text =
        space.kubectl(&["get", name.trim(), "-o", "jsonpath={.data.events}"]).replace("event 1", "event 9");
    let patch = serde_json::json!({ "data": { "events": text } }).to_string();
    space.kubectl(&["patch", name.trim(), "--type=merge", "-p", &patch]);
    let damaged = two.histories().await.unwrap_err();
    assert_eq!(damaged.code, "corrupt");
    assert!(
        damaged.sentence.contains(":3 is damaged: the digest does not fit the text"),
        "{}",
        damaged.sentence
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_reach_the_run_that_watches_for_them() {
    let Some(bed) = bed("requests in a ConfigMap", &[Part::ControlPlane]).await else { return };
    let space = Namespace::new(&bed, "requests");
    let (client, scope) = (client(&bed, "admin").await, scope(&space));
    let lock = LeaseLock::acquire(&client, &scope, &holder("ada")).await.unwrap();
    let (run, person) = (MapJournal::new(&client, scope.clone()), MapJournal::new(&client, scope.clone()));
    assert_eq!(run.asked().await.unwrap(), []);
    let ask = |id: &str| Asked { id: id.into(), request: Request::Abort, by: "grace".into(), reason: None };
    for id in ["1-a", "2-b"] {
        person.ask(&ask(id)).await.unwrap();
    }
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while run.asked().await.unwrap().len() < 2 {
        assert!(std::time::Instant::now() < end, "the run does not see what it is asked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(run.asked().await.unwrap(), [ask("1-a"), ask("2-b")]);
    run.answered(&lock.prove().unwrap(), "1-a").await.unwrap();
    assert_eq!(run.asked().await.unwrap(), [ask("2-b")]);
    assert_eq!(MapJournal::new(&client, scope.clone()).asked().await.unwrap(), [ask("2-b")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_holds_the_lease_until_it_lets_go_or_is_taken_from() {
    let Some(bed) = bed("the lease", &[Part::ControlPlane]).await else { return };
    let space = Namespace::new(&bed, "lease");
    let (client, scope) = (client(&bed, "admin").await, scope(&space));
    assert_eq!(LeaseLock::holder(&client, &scope).await.unwrap(), None);
    // Of many at once, one wins.
    let many = (0..8).map(|number| {
        let (client, scope) = (client.clone(), scope.clone());
        async move { LeaseLock::acquire(&client, &scope, &holder(&format!("run-{number}"))).await }
    });
    let mut won: Vec<LeaseLock> = Vec::new();
    for result in futures_util::future::join_all(many).await {
        match result {
            Ok(lock) => won.push(lock),
            Err(LockError::Held(holder)) => assert!(holder.name.starts_with("run-"), "{holder:?}"),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(won.len(), 1);
    let first = won.pop().unwrap();
    first.check().unwrap();
    first.release().await;

    let second = LeaseLock::acquire(&client, &scope, &holder("ada")).await.unwrap();
    assert_eq!(LeaseLock::holder(&client, &scope).await.unwrap().unwrap().name, "ada");
    let third = LeaseLock::seize(&client, &scope, &holder("grace")).await.unwrap();
    until("ada knows that it was taken from her", || second.check().is_err().then_some(())).await;
    let lost = second.check().unwrap_err().to_string();
    assert_eq!(lost, "the lock was taken over by grace");
    // Letting go of what is not hers does nothing.
    second.release().await;
    third.check().unwrap();
    assert_eq!(LeaseLock::holder(&client, &scope).await.unwrap().unwrap().name, "grace");
    let transitions = space.kubectl(&[
        "get",
        "lease",
        "tidegate-shop-production",
        "-o",
        "jsonpath={.spec.leaseTransitions}",
    ]);
    assert_eq!(transitions, "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_or_namespace_is_told_with_its_name() {
    let Some(bed) = bed("rights for the journal", &[Part::ControlPlane]).await else { return };
    let space = Namespace::new(&bed, "told");
    let stranger = client(&bed, "stranger").await;
    let refused =
        LeaseLock::acquire(&stranger, &scope(&space), &holder("eve")).await.unwrap_err().to_string();
    assert!(
        refused.starts_with("cannot read Lease tidegate-shop-production: leases.coordination.k8s.io"),
        "{refused}"
    );
    assert!(refused.contains("User \"stranger\" cannot get resource \"leases\""), "{refused}");
    let nowhere = Scope { namespace: "nowhere-at-all".into(), ..scope(&space) };
    let error = LeaseLock::acquire(&client(&bed, "admin").await, &nowhere, &holder("ada")).await.unwrap_err();
    assert!(error.to_string().contains("namespaces \"nowhere-at-all\" not found"), "{error}");
}
