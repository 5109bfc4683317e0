//! Who one is to registries: what Docker's configuration and pull secrets hold.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::failure::RegistryError;
use super::{Reference, helper};

/// Who one is to one registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// User and password.
    Password {
        /// User.
        user: String,
        /// Password.
        password: String,
    },
    /// What the token server gives a token for, in place of a password.
    Refresh(String),
    /// A token that the registry itself takes.
    Token(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password(…)",
            Self::Refresh(_) => "Refresh(…)",
            Self::Token(_) => "Token(…)",
        })
    }
}

/// Who one is to which registry.
///
/// They are those of Docker's configuration file as it stands. Helpers that keep them elsewhere (`credsStore`, `credHelpers`) are
/// asked where images are carried, and not where they are only probed.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// The one of Tidegate's own variables, which goes before all others.
    own: Option<(Place, Credential)>,
    all: Vec<(Place, Credential)>,
    /// Helpers by registry.
    helpers: BTreeMap<String, String>,
    /// The helper for all other registries.
    store: Option<String>,
}

/// For what a credential is: a registry, in which each name of a host may be `*`, and perhaps a folder in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    registry: String,
    folder: String,
}

/// Why credentials cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadCredentials {
    /// The file could not be read.
    #[error("cannot read {}: {error}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// What stands in it is no configuration of Docker's. Its words are not told, for they may hold secrets.
    #[error("{what} is no configuration of Docker's with `auths`, or holds what is no base64")]
    Malformed {
        /// What was read.
        what: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl Credentials {
    /// Those of Docker's configuration file, `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`; none where there is no such
    /// file.
    ///
    /// # Errors
    /// When it is there and cannot be used.
    pub fn of_docker() -> Result<Self, BadCredentials> {
        let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from).or_else(|| {
            std::env::home_dir().filter(|home| !home.as_os_str().is_empty()).map(|home| home.join(".docker"))
        });
        let mut credentials = Self::default();
        let Some(file) = folder.map(|folder| folder.join("config.json")) else { return Ok(credentials) };
        match std::fs::read(&file) {
            Ok(text) => credentials.add(&file.display().to_string(), &text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(BadCredentials::Read { file, error }),
        }
        Ok(credentials)
    }

    /// Those of the environment, and after them those of Docker's configuration file. Of the environment count `TIDEGATE_REGISTRY`
    /// with `TIDEGATE_REGISTRY_USER` and `TIDEGATE_REGISTRY_PASSWORD`, for that registry alone, and `DOCKER_AUTH_CONFIG`, which
    /// holds what the file would.
    ///
    /// # Errors
    /// When one of them is there and cannot be used.
    pub fn of_user() -> Result<Self, BadCredentials> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut credentials = Self::default();
        let all = ["", "_USER", "_PASSWORD"].map(|end| set(&format!("TIDEGATE_REGISTRY{end}")));
        if let [Some(registry), Some(user), Some(password)] = all {
            credentials.own = Some((Place::read(&registry), Credential::Password { user, password }));
        }
        if let Some(json) = set("DOCKER_AUTH_CONFIG") {
            credentials.add("DOCKER_AUTH_CONFIG", json.as_bytes())?;
        }
        credentials.extend(Self::of_docker()?);
        Ok(credentials)
    }

    /// Adds those of a configuration of Docker's in JSON, which is what a Secret of type `kubernetes.io/dockerconfigjson` holds in
    /// `.dockerconfigjson`. `what` names it in errors.
    ///
    /// # Errors
    /// When it is none. Then nothing is added.
    pub fn add(&mut self, what: &str, json: &[u8]) -> Result<(), BadCredentials> {
        let malformed = || BadCredentials::Malformed { what: what.to_owned() };
        let file: File = serde_json::from_slice(json).map_err(|_| malformed())?;
        let mut added = Vec::new();
        for (place, entry) in file.auths {
            if let Some(credential) = entry.credential().map_err(|()| malformed())? {
                added.push((Place::read(&place), credential));
            }
        }
        self.all.extend(added);
        for (registry, helper) in file.cred_helpers {
            self.helpers.entry(registry).or_insert(helper);
        }
        self.store = self.store.take().or(file.creds_store.filter(|store| !store.is_empty()));
        Ok(())
    }

    /// Adds those of others, which count after these.
    pub fn extend(&mut self, others: Self) {
        self.own = self.own.take().or(others.own);
        self.all.extend(others.all);
        for (registry, helper) in others.helpers {
            self.helpers.entry(registry).or_insert(helper);
        }
        self.store = self.store.take().or(others.store);
    }

    /// Whether there are any for an image.
    #[must_use]
    pub fn know(&self, image: &str) -> bool {
        Reference::parse(image).is_ok_and(|reference| !self.of(&reference).is_empty())
    }

    /// Those for an image, the closest first.
    pub(super) fn of(&self, reference: &Reference) -> Vec<&Credential> {
        let mut fitting: Vec<_> = self.all.iter().filter(|(place, _)| place.holds(reference)).collect();
        fitting.sort_by_key(|(place, _)| std::cmp::Reverse(place.folder.len()));
        fitting.into_iter().map(|(_, credential)| credential).collect()
    }
}

impl Credentials {
    /// The closest for an image: of Tidegate's own variables, of the registry's own helper, as it stands, or of the helper for all.
    pub(super) async fn closest(&self, reference: &Reference) -> Result<Option<Credential>, RegistryError> {
        if let Some((_, own)) = self.own.as_ref().filter(|(place, _)| place.holds(reference)) {
            return Ok(Some(own.clone()));
        }
        if let Some(helper) = self.helpers.get(&reference.registry)
            && let Some(found) = helper::ask(helper, &reference.registry).await?
        {
            return Ok(Some(found));
        }
        if let Some(found) = self.of(reference).into_iter().next() {
            return Ok(Some(found.clone()));
        }
        match &self.store {
            Some(helper) => helper::ask(helper, &reference.registry).await,
            None => Ok(None),
        }
    }
}

impl Entry {
    fn credential(self) -> Result<Option<Credential>, ()> {
        let text = |value: Option<String>| value.filter(|value| !value.is_empty());
        if let Some(token) = text(self.registrytoken) {
            return Ok(Some(Credential::Token(token)));
        }
        if let Some(token) = text(self.identitytoken) {
            return Ok(Some(Credential::Refresh(token)));
        }
        if let (Some(user), Some(password)) = (text(self.username), text(self.password)) {
            return Ok(Some(Credential::Password { user, password }));
        }
        let Some(auth) = text(self.auth) else { return Ok(None) };
        let decoded = STANDARD.decode(auth.trim()).map_err(drop)?;
        let decoded = String::from_utf8(decoded).map_err(drop)?;
        let (user, password) = decoded.split_once(':').ok_or(())?;
        // Old versions of Docker padded with zeros.
        let password = password.trim_end_matches('\0').to_owned();
        Ok(Some(Credential::Password { user: user.to_owned(), password }))
    }
}

impl Place {
    /// A key of `auths`: a host, in old files with scheme and version of the protocol, in new ones perhaps with a folder.
    fn read(key: &str) -> Self {
        let bare = key.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
        let (registry, folder) = bare.split_once('/').unwrap_or((bare, ""));
        let folder = if matches!(folder, "v1" | "v2") { "" } else { folder };
        Self { registry: registry.to_owned(), folder: folder.to_owned() }
    }

    fn holds(&self, reference: &Reference) -> bool {
        let names: Vec<&str> = reference.registry.split('.').collect();
        let wanted: Vec<&str> = self.registry.split('.').collect();
        let is_host = names.len() == wanted.len()
            && wanted.iter().zip(&names).all(|(wanted, name)| *wanted == "*" || wanted == name);
        let inner = reference.repository.strip_prefix(&self.folder);
        is_host
            && (self.folder.is_empty() || inner.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str, image: &str) -> Vec<Credential> {
        let mut credentials = Credentials::default();
        credentials.add("a secret", json.as_bytes()).unwrap();
        credentials.of(&Reference::parse(image).unwrap()).into_iter().cloned().collect()
    }

    fn password(user: &str, password: &str) -> Credential {
        Credential::Password { user: user.to_owned(), password: password.to_owned() }
    }

    #[test]
    fn the_closest_credential_comes_first_and_others_hosts_get_none() {
        let auth = |text: &str| STANDARD.encode(text);
        let json = format!(
            r#"{{"auths": {{"https://registry.test/v1/": {{"auth": "{}"}}, "registry.test/team": {{"auth": "{}"}},
            "*.example.com": {{"username": "c", "password": "3"}}, "registry.test:5000": {{"identitytoken": "t"}}}},
            "credsStore": "desktop"}}"#,
            auth("a:1:1"),
            auth("b:2\0\0")
        );
        assert_eq!(of(&json, "registry.test/team/shop:1"), [password("b", "2"), password("a", "1:1")]);
        assert_eq!(of(&json, "registry.test/teams/shop:1"), [password("a", "1:1")]);
        assert_eq!(of(&json, "eu.example.com/shop:1"), [password("c", "3")]);
        assert_eq!(of(&json, "a.eu.example.com/shop:1"), []);
        assert_eq!(of(&json, "registry.test:5000/shop:1"), [Credential::Refresh("t".to_owned())]);
        assert_eq!(of(&json, "registry.test.example.org/shop:1"), []);
        let mut credentials = Credentials::default();
        credentials.add("a secret", json.as_bytes()).unwrap();
        assert!(credentials.know("registry.test/shop:1") && !credentials.know("other.test/shop:1"));
    }

    #[tokio::test]
    async fn helpers_are_asked_in_their_turn_and_their_faults_are_told() {
        let json = r#"{"auths": {"registry.test": {"username": "a", "password": "1"}},
            "credHelpers": {"helped.test": "tidegate-is-not-there", "odd.test": "../odd"}, "credsStore": "tidegate-neither"}"#;
        let mut credentials = Credentials::default();
        credentials.add("a file", json.as_bytes()).unwrap();
        let closest = async |image: &str| credentials.closest(&Reference::parse(image).unwrap()).await;
        assert_eq!(closest("registry.test/shop").await.unwrap(), Some(password("a", "1")));
        for (image, helper) in [
            ("helped.test/shop", "docker-credential-tidegate-is-not-there cannot be run"),
            ("odd.test/shop", "docker-credential-../odd has no proper name"),
            ("other.test/shop", "docker-credential-tidegate-neither cannot be run"),
        ] {
            let told = closest(image).await.unwrap_err();
            assert!(told.code == "bad-credentials" && told.sentence.contains(helper), "{told}");
        }
    }

    #[test]
    fn no_secret_is_told() {
        let known = of(
            r#"{"auths": {"registry.test": {"username": "a", "password": "hunter2"}}}"#,
            "registry.test/x",
        );
        assert!(!format!("{known:?}").contains("hunter2"));
        for json in
            ["hunter2", r#"{"auths": {"registry.test": {"auth": "hunter2%"}}}"#, r#"{"auths": "hunter2"}"#]
        {
            let told = Credentials::default().add("Secret pull", json.as_bytes()).unwrap_err();
            assert!(told.to_string().starts_with("Secret pull is no configuration of Docker's"), "{told}");
            assert!(!format!("{told}{told:?}").contains("hunter2"));
        }
    }
}
