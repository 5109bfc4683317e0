//! The image of the app.

use std::path::PathBuf;

/// The image of the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSettings {
    /// Registry and repository, without a tag.
    pub repository: String,
    /// Rules for tags, a line each; `None` is the version alone.
    pub tags: Option<String>,
    /// What holds for all tags, a line each.
    pub flavor: String,
    /// Labels besides the usual ones or in their place, a line each.
    pub labels: String,
    /// Annotations, written as labels are.
    pub annotations: String,
    /// What it is made of.
    pub source: ImageSource,
}

impl ImageSettings {
    /// Whether the configuration says of what it is made.
    #[must_use]
    pub fn is_made(&self) -> bool {
        self.source != ImageSource::Elsewhere
    }
}

/// What an image is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    /// It is made elsewhere, and only looked up.
    Elsewhere,
    /// By a Dockerfile.
    Build(Box<BuildSettings>),
    /// Of programs or a directory, by Tidegate itself.
    Files(Box<AssemblySettings>),
}

/// An image that Tidegate assembles itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssemblySettings {
    /// What goes in, absolute: programs, each perhaps with the platform that it is to be for, or one directory.
    pub sources: Vec<(Option<String>, PathBuf)>,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// What it is put upon, by its digest.
    pub base: Option<String>,
    /// Where in the image it goes; `None` is `/NAME` for a program, `/app` for a directory.
    pub at: Option<String>,
    /// What is run; empty is the program, or what the base runs.
    pub entrypoint: Vec<String>,
    /// Who runs it.
    pub user: String,
    /// What a directory is for, as `OS/ARCHITECTURE`; `None` is Linux on this machine's architecture.
    pub platform: Option<String>,
    /// Whether layers are compressed.
    pub is_compressed: bool,
    /// Whether a list of what is in it is attached.
    pub has_sbom: bool,
}

/// A build by a Dockerfile. Texts are those of `docker buildx build`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildSettings {
    /// The context: a folder, absolute, or an address.
    pub context: String,
    /// The Dockerfile, absolute unless the context is an address; `None` is the context's own.
    pub file: Option<String>,
    /// The stage.
    pub target: Option<String>,
    /// What it is built for; empty is what the builder runs on.
    pub platforms: Vec<String>,
    /// `NAME=value`, or `NAME` for what the environment has.
    pub args: Vec<String>,
    /// `name=folder-or-address`; folders absolute.
    pub contexts: Vec<String>,
    /// Secrets by their ids.
    pub secrets: Vec<(String, SecretSource)>,
    /// `default`, or `id=path`.
    pub ssh: Vec<String>,
    /// A cache in one word.
    pub cache: Option<CacheKind>,
    /// Caches to read.
    pub cache_from: Vec<String>,
    /// Caches to write.
    pub cache_to: Vec<String>,
    /// `true`, `false`, or attributes.
    pub provenance: Option<String>,
    /// The same for the list of what is in it.
    pub sbom: Option<String>,
    /// Other attestations.
    pub attests: Vec<String>,
    /// The network of its steps.
    pub network: Option<String>,
    /// Whether nothing is used that was built before.
    pub has_no_cache: bool,
    /// Stages of which nothing is used that was built before.
    pub no_cache_filters: Vec<String>,
    /// Whether newer base images are looked for.
    pub is_pulling: bool,
    /// `name:address`.
    pub add_hosts: Vec<String>,
    /// What steps may do besides.
    pub allow: Vec<String>,
    /// The builder.
    pub builder: Option<String>,
    /// The control group of its steps.
    pub cgroup_parent: Option<String>,
    /// Size of `/dev/shm`.
    pub shm_size: Option<String>,
    /// Limits.
    pub ulimit: Vec<String>,
}

/// Where a secret of a build comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// What the variable of this name holds.
    Variable(String),
    /// This file, absolute.
    File(PathBuf),
}

/// A cache in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheKind {
    /// GitHub's.
    Gha,
    /// A tag in the image's own repository.
    Registry,
}
