//! What is to be built: every input, read and settled.

use std::fmt;

/// Everything about one build. Each field is an input of docker/build-push-action, in its words
/// (<https://github.com/docker/build-push-action#inputs>).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// What is built from: a directory, or the address of a git repository.
    pub context: String,
    /// The Dockerfile; none is `Dockerfile` in the context.
    pub file: Option<String>,
    /// The stage to build; none is the last one.
    pub target: Option<String>,
    /// What it is built for, such as `linux/arm64`; none is what the builder runs on.
    pub platforms: Vec<String>,
    /// The image's names.
    pub tags: Vec<String>,
    /// Labels, `key=value`.
    pub labels: Vec<String>,
    /// Annotations, `key=value`, perhaps with a level before the key.
    pub annotations: Vec<String>,
    /// Arguments, `NAME=value`, or `NAME` for what the environment has.
    pub build_args: Vec<String>,
    /// Further contexts, `name=place`.
    pub build_contexts: Vec<String>,
    /// Secrets.
    pub secrets: Vec<Secret>,
    /// Agents and keys, as buildx takes them.
    pub ssh: Vec<String>,
    /// Where results of former builds are had from.
    pub cache_from: Vec<String>,
    /// Where results are kept.
    pub cache_to: Vec<String>,
    /// Nothing of former builds is used.
    pub no_cache: bool,
    /// Nothing of former builds of these stages is used.
    pub no_cache_filters: Vec<String>,
    /// Base images are asked for anew.
    pub pull: bool,
    /// The image goes to its registries.
    pub push: bool,
    /// The image goes to the Docker Engine.
    pub load: bool,
    /// Other places that the result goes to.
    pub outputs: Vec<String>,
    /// Provenance: `true`, `false` or attributes; none is what fits the repository.
    pub provenance: Option<String>,
    /// A list of what is in it: `true`, `false` or attributes.
    pub sbom: Option<String>,
    /// Other attestations.
    pub attests: Vec<String>,
    /// The network of `RUN`.
    pub network: Option<String>,
    /// The size of `/dev/shm`.
    pub shm_size: Option<String>,
    /// Limits of `RUN`.
    pub ulimits: Vec<String>,
    /// Names of hosts, `name:address`.
    pub add_hosts: Vec<String>,
    /// The control group that `RUN` is in.
    pub cgroup_parent: Option<String>,
    /// Rights that are given to the build.
    pub allow: Vec<String>,
    /// What is done in place of a build, such as `check`.
    pub call: Option<String>,
    /// The builder of buildx.
    pub builder: Option<String>,
}

/// A secret that `RUN --mount=type=secret` can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its name in the Dockerfile.
    pub id: String,
    /// Where its value is.
    pub from: Source,
}

/// Where a secret's value is.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// Here.
    Value(String),
    /// In a variable of the environment.
    Variable(String),
    /// In a file.
    File(String),
}

/// A value is not shown, whoever asks.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("Value(…)"),
            Self::Variable(name) => write!(f, "Variable({name:?})"),
            Self::File(path) => write!(f, "File({path:?})"),
        }
    }
}

/// The secret that BuildKit opens git repositories with.
pub const GIT_TOKEN: &str = "GIT_AUTH_TOKEN";

impl Order {
    /// Whether the context is the address of a git repository, or of an archive, and no directory here.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        is_remote(&self.context)
    }

    /// Whether all that is wanted is an image in registries.
    #[must_use]
    pub fn is_plain_push(&self) -> bool {
        self.push && !self.load && self.outputs.is_empty() && !self.is_call()
    }

    /// Whether something else than a build is wanted.
    #[must_use]
    pub fn is_call(&self) -> bool {
        self.call.as_deref().is_some_and(|call| call != "build")
    }

    /// The Dockerfile as people know it.
    #[must_use]
    pub fn dockerfile(&self) -> String {
        match &self.file {
            Some(file) => file.clone(),
            None if self.is_remote() || self.context == "." => "Dockerfile".to_owned(),
            None => format!("{}/Dockerfile", self.context.trim_end_matches('/')),
        }
    }

    /// Gives the token to BuildKit for a context that is the workflow's own repository, unless another one is given.
    pub fn give_token(&mut self, token: &str, own: &str) {
        let is_known = self.secrets.iter().any(|secret| secret.id == GIT_TOKEN);
        if !token.is_empty() && !own.is_empty() && !is_known && self.context.starts_with(own) {
            let from = Source::Value(token.to_owned());
            self.secrets.push(Secret { id: GIT_TOKEN.to_owned(), from });
        }
    }
}

/// Whether this is an address, and no directory here.
pub(super) fn is_remote(context: &str) -> bool {
    let schemes = ["http://", "https://", "git://", "ssh://", "git@", "github.com/"];
    schemes.iter().any(|scheme| context.starts_with(scheme))
}

impl Secret {
    /// Reads `id=…`.
    ///
    /// # Errors
    /// When it has no id or nothing after it. The text is not told: it may be the secret.
    pub fn read(text: &str, from: impl FnOnce(String) -> Source) -> Result<Self, &'static str> {
        match text.split_once('=') {
            Some((id, rest)) if !id.trim().is_empty() && !rest.is_empty() => {
                Ok(Self { id: id.trim().to_owned(), from: from(rest.to_owned()) })
            }
            _ => Err("an entry is not written as `id=…`"),
        }
    }
}

/// The address of the workflow's own repository at its commit, which is what is built where no context is named; with a pull
/// request its trial of the merge. Empty where there is no workflow.
#[must_use]
pub fn own_context(server: &str, repository: &str, reference: &str, sha: &str) -> String {
    if server.is_empty() || repository.is_empty() {
        return String::new();
    }
    let at = if sha.is_empty() || reference.starts_with("refs/pull/") { reference } else { sha };
    format!("{}/{repository}.git#{at}", server.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_may_have_equals_signs_and_is_never_shown() {
        let secret = Secret::read("token=a=b==", Source::Value).unwrap();
        assert_eq!(secret.from, Source::Value("a=b==".to_owned()));
        assert_eq!(format!("{secret:?}"), "Secret { id: \"token\", from: Value(…) }");
        for bad in ["hunter2", "=hunter2", "token="] {
            let why = Secret::read(bad, Source::Value).unwrap_err();
            assert!(!why.contains("hunter2"));
        }
    }

    #[test]
    fn the_workflows_repository_is_named_by_its_commit() {
        let own = |reference, sha| own_context("https://git.test/", "acme/shop", reference, sha);
        assert_eq!(own("refs/heads/main", "abc"), "https://git.test/acme/shop.git#abc");
        assert_eq!(own("refs/pull/7/merge", "abc"), "https://git.test/acme/shop.git#refs/pull/7/merge");
        assert_eq!(own_context("", "acme/shop", "r", "s"), "");
    }

    #[test]
    fn the_token_is_for_the_own_repository_alone() {
        let own = "https://git.test/acme/shop.git#abc";
        let with = |context: &str| {
            let mut order = Order { context: context.to_owned(), ..Order::default() };
            order.give_token("t", own);
            order.secrets.len()
        };
        assert_eq!(
            (with(own), with(&format!("{own}:sub")), with("."), with("https://evil.test/x.git")),
            (1, 1, 0, 0)
        );
        let mut order = Order { context: own.to_owned(), ..Order::default() };
        order.give_token("t", own);
        order.give_token("u", own);
        assert_eq!(order.secrets.len(), 1);
    }

    #[test]
    fn the_dockerfile_is_where_the_context_is() {
        let of = |context: &str, file: Option<&str>| {
            Order { context: context.to_owned(), file: file.map(str::to_owned), ..Order::default() }
                .dockerfile()
        };
        assert_eq!(of(".", None), "Dockerfile");
        assert_eq!(of("app/", None), "app/Dockerfile");
        assert_eq!(of("app", Some("docker/Dockerfile")), "docker/Dockerfile");
        assert_eq!(of("https://git.test/a.git", None), "Dockerfile");
    }
}
