//! A repository with a pull request, rollouts that were recorded, and reports that hear of them.

use std::time::Duration;

use testbed::github::{
    Area, CheckRun, Commit, Deployment, GitHub, Issue, Pull, Repository, Role, Token, World,
};
use tidegate::github::{Access, Client, Patience, Workflow};
use tidegate::report::github::{About, Ending, GitHubReports, Told};
use tidegate::rollout::event::Request;
use tidegate::rollout::strategy::Strategy;
use tidegate::rollout::{Event, Rollout};

use crate::world::{self, Behaviour};

pub(super) const SHOP: &str = "acme/shop";
pub(super) const SECRET: &str = "ghs_secret";
pub(super) const MAIN: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(super) const HEAD: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
pub(super) const RUN: &str = "https://github.com/acme/shop/actions/runs/42/attempts/1";

/// A rollout as its sinks heard of it.
pub(super) type Heard = Vec<(Rollout, Event)>;

/// `main` at MAIN, and pull request 7 with HEAD.
pub(super) fn shop() -> Repository {
    Repository::new(SHOP)
        .commit(Commit::new(MAIN, "main"))
        .commit(Commit::new(HEAD, "topic").after(MAIN))
        .branch("main", MAIN)
        .branch("topic", HEAD)
        .issue(Issue::new(7, "Faster").by("hubot").pull(Pull::new(("topic", HEAD), ("main", MAIN))))
        .collaborator("monalisa", Role::Maintain)
        .collaborator("tessa", Role::Triage)
}

/// The token of a workflow with what `docs/reports.md` lists, and no more.
pub fn token() -> Token {
    Token::workflow(SECRET)
        .write(Area::Checks)
        .write(Area::Deployments)
        .write(Area::PullRequests)
        .read(Area::Contents)
        .read(Area::Statuses)
}

pub(super) async fn started(shop: Repository, token: Token) -> GitHub {
    GitHub::start(World::new().repository(shop).token(token)).await.unwrap()
}

/// Short enough for a test, in the same proportions.
pub(super) fn patience() -> Patience {
    let (answer, pause) = (Duration::from_millis(700), Duration::from_millis(20));
    Patience { answer, tries: 3, pause, limit: Duration::from_millis(500) }
}

pub(super) fn client(github: &GitHub) -> Client {
    let access = Access {
        api: github.url(),
        repository: SHOP.to_owned(),
        token: tidegate::github::Token::new(SECRET),
    };
    Client::new(access, patience()).unwrap()
}

pub(super) fn about(github: &GitHub) -> About {
    let access = client(github).access().clone();
    About {
        workflow: Workflow {
            access,
            sha: HEAD.to_owned(),
            pull: Some(7),
            run: Some(RUN.to_owned()),
            name: "run-42-1".to_owned(),
        },
        app: "shop".to_owned(),
        environment: "test".to_owned(),
        url: Some("https://shop.example.com".to_owned()),
        is_production: true,
        is_transient: false,
        preview: None,
        is_continued: false,
    }
}

pub(super) fn reports(github: &GitHub) -> GitHubReports {
    GitHubReports::start(about(github), client(github))
}

/// Tells all of it, with a moment between events.
pub(super) async fn tell(reports: &GitHubReports, heard: &[(Rollout, Event)], moment: Duration) {
    let mut sink = reports.sink();
    for (rollout, event) in heard {
        sink.publish(rollout, event);
        if !moment.is_zero() {
            tokio::time::sleep(moment).await;
        }
    }
}

/// How the command ended that the last event ended.
pub(super) fn ending(heard: &[(Rollout, Event)]) -> Ending {
    let rollout = &heard.last().unwrap().0;
    match &rollout.outcome {
        Some((_, outcome)) => {
            let exit = match outcome.kind.as_str() {
                "promoted" => 0,
                "rolled-back" => 4,
                "failed" => 1,
                _ => 5,
            };
            Ending { sentence: outcome.sentence.clone(), reason: outcome.reason.clone(), exit }
        }
        None => {
            let sentence = rollout.paused.clone().expect("it has ended or waits").1;
            Ending { sentence, reason: "paused".to_owned(), exit: 6 }
        }
    }
}

/// Reports a rollout as fast as it comes.
pub(super) async fn reported(github: &GitHub, heard: &[(Rollout, Event)]) -> Told {
    let reports = reports(github);
    tell(&reports, heard, Duration::ZERO).await;
    reports.finish(ending(heard), Duration::from_secs(20)).await
}

/// What happens in a world where v1 is live and v2 comes, each rollout on its own. The clock there is another one: an hour passes at
/// once, and always in the same way.
pub(super) fn recorded(candidate: &str, behaviour: Behaviour, strategy: Strategy) -> Vec<Heard> {
    let version = candidate.to_owned();
    let work = async move |world: &world::World| {
        world.deploy(&version, &strategy).await.unwrap();
    };
    in_another_time(candidate, behaviour, work)
}

/// As [`recorded`], with a canary that waits for a person and then goes on.
pub(super) fn recorded_pause() -> Vec<Heard> {
    use tidegate::rollout::Weight;
    use tidegate::rollout::strategy::{Canary, Stage};
    let stages = vec![Stage { weight: Weight::from_percent(20), confirm: true }];
    let strategy = Strategy::Canary(Canary { stages, ..Canary::default() });
    let work = async move |world: &world::World| {
        world.deploy("v2", &strategy).await.unwrap();
        world.ask(Request::GoOn { full: true }).await;
        world.resume().await.unwrap();
    };
    in_another_time("v2", Behaviour::default(), work)
}

fn in_another_time(
    candidate: &str,
    behaviour: Behaviour,
    work: impl AsyncFnOnce(&world::World) + Send + 'static,
) -> Vec<Heard> {
    let candidate = candidate.to_owned();
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async move {
            let world = world::World::with_v1(&[(&candidate, behaviour)], 1000.0, None).await;
            work(&world).await;
            let states = world.states.lock().unwrap().clone();
            let events = world.journal.all().into_iter().flatten();
            let all: Heard = states.into_iter().zip(events).collect();
            all.chunk_by(|one, next| one.1.rollout == next.1.rollout).map(<[_]>::to_vec).collect()
        })
    };
    std::thread::spawn(run).join().unwrap()
}

/// 5 % of its answers are errors.
pub(super) fn bad() -> Behaviour {
    Behaviour { errors: 0.05, ..Behaviour::default() }
}

pub(super) fn check_run(github: &GitHub) -> CheckRun {
    let runs = github.repository(SHOP).unwrap().check_runs;
    assert_eq!(runs.len(), 1, "{runs:#?}");
    runs.into_iter().next().unwrap()
}

pub(super) fn deployments(github: &GitHub) -> Vec<Deployment> {
    github.repository(SHOP).unwrap().deployments
}

pub(super) fn states(deployment: &Deployment) -> Vec<&str> {
    deployment.statuses.iter().map(|status| status.state.as_str()).collect()
}

/// The comments on the pull request that are ours.
pub(super) fn comments(github: &GitHub) -> Vec<String> {
    let shop = github.repository(SHOP).unwrap();
    let ours = shop.issues[&7].comments.iter().filter(|comment| comment.author == "github-actions[bot]");
    ours.map(|comment| comment.body.clone()).collect()
}

pub(super) fn calls(github: &GitHub, operation: &str) -> usize {
    github.log().iter().filter(|exchange| exchange.is(operation)).count()
}
