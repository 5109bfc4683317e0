//! From a kubeconfig, or from within a pod, to a client.

use std::path::{Path, PathBuf};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::Trouble;
use super::call::chain;

/// How a cluster is to be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// The kubeconfig; by default what `KUBECONFIG` names, else `~/.kube/config`, else the pod's own service account.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; by default its current one.
    pub context: Option<String>,
}

/// Connects, and tells the namespace that the context names (`default` where it names none).
///
/// # Errors
/// `bad-kubeconfig` when there is none, it cannot be read, or it lacks what it names. The cluster is not asked yet.
pub async fn connect(access: &Access) -> Result<(Client, String), Trouble> {
    let options = KubeConfigOptions { context: access.context.clone(), ..KubeConfigOptions::default() };
    let mut config = match &access.kubeconfig {
        Some(file) => {
            let kubeconfig = Kubeconfig::read_from(file).map_err(|error| bad(Some(file), &error))?;
            Config::from_custom_kubeconfig(kubeconfig, &options)
                .await
                .map_err(|error| bad(Some(file), &error))?
        }
        None if access.context.is_some() => {
            Config::from_kubeconfig(&options).await.map_err(|error| bad(None, &error))?
        }
        None => Config::infer().await.map_err(|error| bad(None, &error))?,
    };
    // Which answers are worth another try, and for how long, is decided by `patiently`: what is asked for again and again
    // anyway, such as metrics, is to tell at once why it failed.
    config.default_retry = false;
    let namespace = config.default_namespace.clone();
    let client = Client::try_from(config).map_err(|error| bad(access.kubeconfig.as_deref(), &error))?;
    Ok((client, namespace))
}

fn bad(file: Option<&Path>, error: &dyn std::error::Error) -> Trouble {
    let place =
        file.map_or_else(|| "the kubeconfig".to_owned(), |file| format!("kubeconfig {}", file.display()));
    Trouble {
        code: "bad-kubeconfig",
        sentence: format!("{place} cannot be used: {}", chain(error)),
        hint: Some("`kubectl --kubeconfig FILE get namespaces` shows whether it works at all".to_owned()),
        passing: false,
    }
}
