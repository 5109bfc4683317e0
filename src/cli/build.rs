//! The command line of `tidegate build`.

use clap::Args;
use serde::Serialize;

use super::RegistryArgs;

/// The inputs of docker/build-push-action, and of docker/metadata-action where `images` is given; docs/images-build.md describes each.
/// Without any of them it is the image that tidegate.yaml describes. Lists have an entry a line, or a flag an entry. What is secret has no flag: command lines are seen by everybody on the machine.
#[derive(Debug, Clone, Default, Args, Serialize)]
pub struct BuildArgs {
    /// Of the image that tidegate.yaml describes: its version [default: the tag or the short commit that is checked out]
    #[arg(long, value_name = "VERSION")]
    pub version: Option<String>,
    /// What is built from: a directory, or the address of a git repository [default: the directory here; in a workflow the
    /// repository at its commit]
    #[arg(long, env = "INPUT_CONTEXT", value_name = "PLACE")]
    pub context: Option<String>,
    /// The Dockerfile [default: Dockerfile in the context]. The short -f is for tidegate.yaml
    #[arg(long = "dockerfile", env = "INPUT_FILE", value_name = "PATH")]
    pub dockerfile: Option<String>,
    /// The stage to build [default: the last one]
    #[arg(long, env = "INPUT_TARGET", value_name = "STAGE")]
    pub target: Option<String>,
    /// What it is built for, such as linux/arm64 [default: what the builder runs on]
    #[arg(long, env = "INPUT_PLATFORMS", value_name = "PLATFORMS")]
    pub platforms: Vec<String>,
    /// Base names of images; then tags, labels and annotations follow the rules of `image tags`
    #[arg(long, env = "INPUT_IMAGES", value_name = "NAMES")]
    pub images: Vec<String>,
    /// The image's names; with images, the rules for its tags
    #[arg(long, env = "INPUT_TAGS", value_name = "NAMES")]
    pub tags: Vec<String>,
    /// With images: what holds for all tags
    #[arg(long, env = "INPUT_FLAVOR", value_name = "RULES")]
    pub flavor: Vec<String>,
    /// Labels, key=value; with images, besides the usual ones
    #[arg(long, env = "INPUT_LABELS", value_name = "LABELS", allow_hyphen_values = true)]
    pub labels: Vec<String>,
    /// Annotations, key=value; with images, besides the usual ones
    #[arg(long, env = "INPUT_ANNOTATIONS", value_name = "ANNOTATIONS", allow_hyphen_values = true)]
    pub annotations: Vec<String>,
    /// Arguments, NAME=value
    #[arg(long, env = "INPUT_BUILD-ARGS", value_name = "ARGUMENTS", hide_env_values = true)]
    pub build_args: Vec<String>,
    /// Further contexts, name=place
    #[arg(long, env = "INPUT_BUILD-CONTEXTS", value_name = "CONTEXTS")]
    pub build_contexts: Vec<String>,
    /// Secrets that are in variables: id=VARIABLE
    #[arg(long, env = "INPUT_SECRET-ENVS", value_name = "SECRETS")]
    pub secret_envs: Vec<String>,
    /// Secrets that are in files: id=path
    #[arg(long, env = "INPUT_SECRET-FILES", value_name = "SECRETS")]
    pub secret_files: Vec<String>,
    /// Agents and keys of SSH
    #[arg(long, env = "INPUT_SSH", value_name = "AGENTS")]
    pub ssh: Vec<String>,
    /// A cache by one word: gha for that of GitHub's Actions, with a scope of its own
    #[arg(long, env = "INPUT_CACHE", value_name = "KIND")]
    pub cache: Option<String>,
    /// Where results of former builds are had from
    #[arg(long, env = "INPUT_CACHE-FROM", value_name = "CACHES", hide_env_values = true)]
    pub cache_from: Vec<String>,
    /// Where results are kept
    #[arg(long, env = "INPUT_CACHE-TO", value_name = "CACHES", hide_env_values = true)]
    pub cache_to: Vec<String>,
    /// Use nothing of former builds
    #[arg(long, env = "INPUT_NO-CACHE", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub no_cache: Option<String>,
    /// Use nothing of former builds of these stages
    #[arg(long, env = "INPUT_NO-CACHE-FILTERS", value_name = "STAGES")]
    pub no_cache_filters: Vec<String>,
    /// Ask for base images anew
    #[arg(long, env = "INPUT_PULL", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub pull: Option<String>,
    /// Give the image to its registries
    #[arg(long, env = "INPUT_PUSH", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub push: Option<String>,
    /// Give the image to the Docker Engine
    #[arg(long, env = "INPUT_LOAD", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub load: Option<String>,
    /// Other places that the result goes to, such as type=local,dest=out
    #[arg(long, env = "INPUT_OUTPUTS", value_name = "OUTPUTS")]
    pub outputs: Vec<String>,
    /// Provenance: true, false or attributes [default: mode=max; less for a private repository]
    #[arg(long, env = "INPUT_PROVENANCE", value_name = "ATTRIBUTES")]
    pub provenance: Option<String>,
    /// A list of what is in it: true, false or attributes
    #[arg(long, env = "INPUT_SBOM", value_name = "ATTRIBUTES")]
    pub sbom: Option<String>,
    /// Other attestations
    #[arg(long, env = "INPUT_ATTESTS", value_name = "ATTESTATIONS")]
    pub attests: Vec<String>,
    /// The network of RUN
    #[arg(long, env = "INPUT_NETWORK", value_name = "MODE")]
    pub network: Option<String>,
    /// The size of /dev/shm
    #[arg(long, env = "INPUT_SHM-SIZE", value_name = "SIZE")]
    pub shm_size: Option<String>,
    /// Limits of RUN
    #[arg(long, env = "INPUT_ULIMIT", value_name = "LIMITS")]
    pub ulimit: Vec<String>,
    /// Names of hosts, name:address
    #[arg(long, env = "INPUT_ADD-HOSTS", value_name = "HOSTS")]
    pub add_hosts: Vec<String>,
    /// The control group of RUN
    #[arg(long, env = "INPUT_CGROUP-PARENT", value_name = "GROUP")]
    pub cgroup_parent: Option<String>,
    /// Rights of the build, such as network.host
    #[arg(long, env = "INPUT_ALLOW", value_name = "RIGHTS")]
    pub allow: Vec<String>,
    /// Do something else than a build, such as check
    #[arg(long, env = "INPUT_CALL", value_name = "METHOD")]
    pub call: Option<String>,
    /// The builder of buildx [default: the one in use]
    #[arg(long, env = "INPUT_BUILDER", value_name = "NAME")]
    pub builder: Option<String>,
    /// Build, also where a registry has an image of the same inputs
    #[arg(long, env = "INPUT_REBUILD", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub rebuild: Option<String>,
    /// With images: who is asked before latest moves, registry or off [default: registry]
    #[arg(long, env = "INPUT_LATEST-CHECK", value_name = "WHO")]
    pub latest_check: Option<String>,
    /// With images: the present [default: $SOURCE_DATE_EPOCH, else the clock's]
    #[arg(long, value_name = "TIME")]
    pub now: Option<String>,
    /// With images: characters of a short commit [default: 7]
    #[arg(long, env = "DOCKER_METADATA_SHORT_SHA_LENGTH", value_name = "NUMBER")]
    pub short_sha_length: Option<String>,
    /// With images: whether the commit of a pull request is the last one of its branch [default: false]
    #[arg(long, env = "DOCKER_METADATA_PR_HEAD_SHA", value_name = "BOOL")]
    pub pr_head_sha: Option<String>,
    /// With images: what annotations are at [default: manifest]
    #[arg(long, env = "DOCKER_METADATA_ANNOTATIONS_LEVELS", value_name = "LEVELS")]
    pub annotation_levels: Option<String>,
    /// How registries are asked.
    #[command(flatten)]
    pub registry: RegistryArgs,
}
