//! One watch, and what it has shown.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{Lookup, Store};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio_util::task::AbortOnDropHandle;

use super::State;
use super::slim::Slim;
use crate::cluster::trouble;
use crate::target::TargetError;

/// The annotation in which kubectl keeps a whole copy of the object: of no use here, and large.
const COPY: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Begins a watch; the task ends with its handle. One that is not `needed` shows nothing where it is not allowed.
pub(super) fn follow<K>(
    api: Api<K>,
    wanted: &watcher::Config,
    state: &Arc<State>,
    tasks: &mut Vec<AbortOnDropHandle<()>>,
    (kind, needed): (<K as Resource>::DynamicType, bool),
) -> Store<K>
where
    K: Resource + Lookup<DynamicType = <K as Resource>::DynamicType>,
    K: Slim + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    <K as Resource>::DynamicType: Clone + Eq + Hash + Send + Sync + 'static,
{
    let name = <K as Resource>::plural(&kind).into_owned();
    let mut writer = Writer::new(kind);
    let store = writer.as_reader();
    let (state, wanted) = (Arc::clone(state), wanted.clone());
    tasks.push(AbortOnDropHandle::new(tokio::spawn(async move {
        let mut events = std::pin::pin!(watcher::watcher(api, wanted).default_backoff());
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    let event = lighter(event);
                    writer.apply_watcher_event(&event);
                    state.mend(&name);
                    if !matches!(event, Event::Init | Event::InitApply(_)) {
                        state.generation.send_modify(|generation| *generation += 1);
                    }
                }
                Err(error) => {
                    let error = told(&name, error);
                    if !needed && error.code == "forbidden" {
                        writer.apply_watcher_event(&Event::InitDone);
                        return;
                    }
                    state.broke(&name, error);
                }
            }
        }
    })));
    store
}

fn lighter<K: Resource + Slim>(event: Event<K>) -> Event<K> {
    let slim = |mut object: K| {
        object.managed_fields_mut().clear();
        object.annotations_mut().remove(COPY);
        object.slim();
        object
    };
    match event {
        Event::Apply(object) => Event::Apply(slim(object)),
        Event::InitApply(object) => Event::InitApply(slim(object)),
        other => other,
    }
}

fn told(name: &str, error: watcher::Error) -> TargetError {
    let cause = match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error,
        watcher::Error::WatchError(status) => kube::Error::Api(status),
        watcher::Error::NoResourceVersion => {
            return TargetError {
                code: "refused",
                sentence: format!("the API server lists {name} without a version, so they cannot be watched"),
                hint: None,
                fatal: true,
            };
        }
    };
    // The API server does not remember as far back, or was started anew: the watch begins anew by itself.
    let forgotten = matches!(&cause, kube::Error::Api(status) if status.code == 410);
    let told = trouble("watch", name, &cause);
    let (code, fatal) = if forgotten { ("unreachable", false) } else { (told.code, !told.passing) };
    TargetError { code, sentence: told.sentence, hint: told.hint, fatal }
}

impl State {
    fn mend(&self, name: &str) {
        self.with(|broken| broken.retain(|(other, ..)| other != name));
    }

    fn broke(&self, name: &str, error: TargetError) {
        self.with(|broken| match broken.iter_mut().find(|(other, ..)| other == name) {
            Some((_, _, last)) => *last = error,
            None => broken.push((name.to_owned(), Instant::now(), error)),
        });
    }
}

#[cfg(test)]
mod tests {
    use kube::core::response::Status;

    use super::*;

    #[test]
    fn a_watch_from_a_version_that_is_forgotten_begins_anew_and_one_that_is_forbidden_does_not() {
        let status = |code, message: &str| Box::new(Status::failure(message, "").with_code(code));
        let gone =
            told("services", watcher::Error::WatchError(status(410, "too old resource version: 1 (9)")));
        assert_eq!((gone.code, gone.fatal), ("unreachable", false));
        let forbidden = told("services", watcher::Error::WatchError(status(403, "no")));
        assert_eq!((forbidden.code, forbidden.fatal), ("forbidden", true));
    }
}
