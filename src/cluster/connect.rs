//! From a kubeconfig, or from within a pod, to a client.

use std::path::{Path, PathBuf};

use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig, NamedAuthInfo};
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
    /// The token to speak with, in place of what the kubeconfig has for that.
    pub token: Option<TokenFile>,
}

/// A file with a token, which may be another one each time that it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFile {
    /// The file.
    pub path: PathBuf,
    /// The variable that tells the program of the kubeconfig's user where it is; without one the API server is given the token itself.
    pub variable: Option<String>,
}

/// The name of the user that has the token, in the kubeconfig as it is used.
const BEARER: &str = "tidegate-oidc";

/// Connects, and tells the namespace that the context names (`default` where it names none).
///
/// # Errors
/// `bad-kubeconfig` when there is none, it cannot be read, or it lacks what it names. The cluster is not asked yet.
pub async fn connect(access: &Access) -> Result<(Client, String), Trouble> {
    let mut options = KubeConfigOptions { context: access.context.clone(), ..KubeConfigOptions::default() };
    let file = access.kubeconfig.as_deref();
    let kubeconfig = match (file, &access.token) {
        (Some(file), _) => Some(Kubeconfig::read_from(file)),
        (None, Some(_)) => Some(Kubeconfig::read()),
        (None, None) => None,
    };
    let mut config = match kubeconfig {
        Some(kubeconfig) => {
            let mut kubeconfig = kubeconfig.map_err(|error| bad(file, &error))?;
            if let Some(token) = &access.token {
                let user = user(&kubeconfig, access.context.as_deref(), token)?;
                kubeconfig.auth_infos.retain(|one| one.name != BEARER);
                kubeconfig.auth_infos.push(NamedAuthInfo {
                    name: BEARER.to_owned(),
                    auth_info: Some(user),
                    other: Default::default(),
                });
                options.user = Some(BEARER.to_owned());
            }
            Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| bad(file, &error))?
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

/// The user that speaks with the token: as itself, or through the program of the context's own user.
fn user(kubeconfig: &Kubeconfig, context: Option<&str>, token: &TokenFile) -> Result<AuthInfo, Trouble> {
    let path = token.path.display().to_string();
    let Some(variable) = &token.variable else {
        return Ok(AuthInfo { token_file: Some(path), ..AuthInfo::default() });
    };
    let current = context.or(kubeconfig.current_context.as_deref());
    let context = kubeconfig.contexts.iter().find(|one| Some(one.name.as_str()) == current);
    let name = context.and_then(|one| one.context.as_ref()).and_then(|context| context.user.as_deref());
    let user = kubeconfig.auth_infos.iter().find(|one| Some(one.name.as_str()) == name);
    let mut user = user.and_then(|one| one.auth_info.clone()).unwrap_or_default();
    let Some(exec) = &mut user.exec else {
        let user = name.map_or_else(|| "no user".to_owned(), |name| format!("the user `{name}`"));
        let sentence = format!(
            "{variable} is to tell a program where the token is, and the kubeconfig's context names {user}, which has none (`exec`)"
        );
        let hint = "leave `token-file` out where the API server itself takes the token".to_owned();
        return Err(Trouble { code: "bad-kubeconfig", sentence, hint: Some(hint), passing: false });
    };
    let told = [("name".to_owned(), variable.clone()), ("value".to_owned(), path)];
    exec.env.get_or_insert_default().push(told.into_iter().collect());
    // These would go before the program.
    (user.token, user.token_file, user.username, user.password) = (None, None, None, None);
    Ok(user)
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
