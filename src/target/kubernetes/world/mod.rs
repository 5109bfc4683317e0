//! What is in the cluster, by watches: nothing is asked for twice, and nothing is polled.
//!
//! Only objects with the environment's labels are watched. A watch that breaks is taken up where it was, or begins anew; as
//! long as one is broken for more than a moment, what is seen counts as out of sight.

mod slim;
mod watched;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::DynamicObject;
use kube::runtime::reflector::Store;
use kube::runtime::watcher;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::names::Home;
use super::router::{Live, RouterKind};
use crate::target::TargetError;
use watched::follow;

/// How long a watch may be broken before what it showed last is not believed any more.
const BLIND: Duration = Duration::from_secs(10);
/// How long the first look may take.
const FIRST_LOOK: Duration = Duration::from_secs(30);
/// How long one call of a watch lasts, in seconds: a connection that died without a word is found out after that.
const CALL: u32 = 25;

/// How many objects the API server lists in one answer: more of them are in memory at once, whole.
const PAGE: u32 = 100;

/// The watches of one environment.
pub(super) struct World {
    deployments: Store<Deployment>,
    replica_sets: Store<ReplicaSet>,
    pods: Store<Pod>,
    slices: Store<EndpointSlice>,
    services: Store<Service>,
    stateful_sets: Store<StatefulSet>,
    daemon_sets: Store<DaemonSet>,
    routes: Vec<(String, Store<DynamicObject>)>,
    state: Arc<State>,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

/// What all watches tell together.
struct State {
    generation: watch::Sender<u64>,
    broken: Mutex<Broken>,
}

/// The watches that are broken: which, since when, and why.
type Broken = Vec<(String, Instant, TargetError)>;

/// What was seen last.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    pub(super) deployments: Vec<Arc<Deployment>>,
    pub(super) replica_sets: Vec<Arc<ReplicaSet>>,
    pub(super) pods: Vec<Arc<Pod>>,
    pub(super) slices: Vec<Arc<EndpointSlice>>,
    pub(super) services: Vec<Arc<Service>>,
    pub(super) stateful_sets: Vec<Arc<StatefulSet>>,
    pub(super) daemon_sets: Vec<Arc<DaemonSet>>,
    pub(super) routes: Live,
}

impl World {
    /// Begins to watch, with the objects of the router that divides the traffic, where there is one.
    pub(super) fn watch(client: &Client, namespace: &str, home: &Home, router: Option<RouterKind>) -> Self {
        let state = Arc::new(State { generation: watch::channel(0).0, broken: Mutex::default() });
        let mut tasks = Vec::new();
        let wanted = watcher::Config::default().labels(&home.selector()).timeout(CALL).page_size(PAGE);
        let needed = ((), true);
        // Whoever deploys none of these need not be allowed to look at them.
        let known = ((), false);
        Self {
            deployments: follow(
                Api::namespaced(client.clone(), namespace),
                &wanted,
                &state,
                &mut tasks,
                needed,
            ),
            replica_sets: follow(
                Api::namespaced(client.clone(), namespace),
                &wanted,
                &state,
                &mut tasks,
                needed,
            ),
            pods: follow(Api::namespaced(client.clone(), namespace), &wanted, &state, &mut tasks, needed),
            slices: follow(Api::namespaced(client.clone(), namespace), &wanted, &state, &mut tasks, needed),
            services: follow(Api::namespaced(client.clone(), namespace), &wanted, &state, &mut tasks, needed),
            stateful_sets: follow(
                Api::namespaced(client.clone(), namespace),
                &wanted,
                &state,
                &mut tasks,
                known,
            ),
            daemon_sets: follow(
                Api::namespaced(client.clone(), namespace),
                &wanted,
                &state,
                &mut tasks,
                known,
            ),
            routes: router
                .into_iter()
                .flat_map(RouterKind::resources)
                .map(|resource| {
                    let api = Api::namespaced_with(client.clone(), namespace, &resource);
                    let kind = resource.kind.clone();
                    (kind, follow(api, &wanted, &state, &mut tasks, (resource, true)))
                })
                .collect(),
            state,
            _tasks: tasks,
        }
    }

    /// What was seen last, with its generation. With `newer_than`, waits until the generation exceeds it, at most `patience`.
    pub(super) async fn look(
        &self,
        newer_than: Option<u64>,
        patience: Duration,
    ) -> Result<(u64, Snapshot), TargetError> {
        self.first_look().await?;
        let mut generations = self.state.generation.subscribe();
        if let Some(known) = newer_than {
            // That nothing changes is as good an answer.
            let _ = tokio::time::timeout(patience, generations.wait_for(|now| *now > known)).await;
        }
        if let Some(error) = self.blind(BLIND) {
            return Err(error);
        }
        let generation = *self.state.generation.borrow();
        Ok((generation, self.snapshot()))
    }

    /// What has whoever waits for a change look again, when something is known that the watches do not show.
    pub(super) fn waker(&self) -> impl Fn() + Send + Sync + 'static {
        let state = Arc::clone(&self.state);
        move || state.generation.send_modify(|generation| *generation += 1)
    }

    async fn first_look(&self) -> Result<(), TargetError> {
        let all = async {
            let _ = self.deployments.wait_until_ready().await;
            let _ = self.replica_sets.wait_until_ready().await;
            let _ = self.pods.wait_until_ready().await;
            let _ = self.slices.wait_until_ready().await;
            let _ = self.services.wait_until_ready().await;
            let _ = self.stateful_sets.wait_until_ready().await;
            let _ = self.daemon_sets.wait_until_ready().await;
            for (_, routes) in &self.routes {
                let _ = routes.wait_until_ready().await;
            }
        };
        let refused = async {
            loop {
                if let Some(error) = self.blind(Duration::ZERO).filter(|error| error.fatal) {
                    return error;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            done = tokio::time::timeout(FIRST_LOOK, all) => match done {
                Ok(()) => Ok(()),
                Err(_) => Err(self.blind(Duration::ZERO).unwrap_or_else(silent)),
            },
            error = refused => Err(error),
        }
    }

    /// Why what is seen is not to be believed, once that has lasted for longer than `grace`.
    fn blind(&self, grace: Duration) -> Option<TargetError> {
        self.state.with(|broken| {
            let (_, _, error) =
                broken.iter().find(|(_, since, error)| error.fatal || since.elapsed() > grace)?;
            let (sentence, hint) = (error.sentence.clone(), error.hint.clone());
            Some(TargetError { code: error.code, sentence, hint, fatal: error.fatal })
        })
    }

    fn snapshot(&self) -> Snapshot {
        let mut routes = Live::default();
        self.routes.iter().for_each(|(kind, all)| routes.add(kind, all.state()));
        Snapshot {
            deployments: self.deployments.state(),
            replica_sets: self.replica_sets.state(),
            pods: self.pods.state(),
            slices: self.slices.state(),
            services: self.services.state(),
            stateful_sets: self.stateful_sets.state(),
            daemon_sets: self.daemon_sets.state(),
            routes,
        }
    }
}

impl State {
    fn with<T>(&self, look: impl FnOnce(&mut Broken) -> T) -> T {
        look(&mut self.broken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn silent() -> TargetError {
    TargetError {
        code: "unreachable",
        sentence: format!("the API server did not show what is there within {FIRST_LOOK:?}"),
        hint: Some("check the cluster; then run `tidegate resume`".to_owned()),
        fatal: false,
    }
}
