//! The inputs of `build`: flags, which go before variables of the environment. An empty one is none. What is secret has no flag.

use super::{Wish, Workflow};
use crate::cli::{BuildArgs, TagsArgs};
use crate::error::Error;
use crate::image::build::{Order, Secret, Source, of_actions};
use crate::image::metadata::{Fault, entries, fields};
use crate::run::image::facts::variable;
use crate::run::image::inputs as tags_inputs;
use crate::run::image::tags::tags;

/// How the workflow's own repository is named within a context.
const DEFAULT_CONTEXT: &str = "{{defaultContext}}";

/// What is wanted, by the inputs.
pub(super) async fn read(arguments: &BuildArgs) -> Result<Wish, Error> {
    let workflow = Workflow::of_environment()?;
    let mut order = order(arguments, &workflow)?;
    let names = named(arguments).await?;
    (order.tags, order.labels, order.annotations) = (names.tags, names.labels, names.annotations);
    cache(&mut order, given(arguments.cache.as_ref()).as_deref())?;
    let tokens = ["INPUT_GITHUB-TOKEN", "GITHUB_TOKEN"].map(variable);
    if let Some(token) = tokens.iter().find(|token| !token.is_empty()) {
        order.give_token(token, &workflow.own_context);
    }
    Ok(Wish {
        order,
        version: names.version,
        is_rebuild: is_rebuild(arguments)?,
        allows_private_redirects: arguments.registry.allow_private_redirects,
        workflow,
    })
}

/// All but names and what goes with them.
fn order(arguments: &BuildArgs, workflow: &Workflow) -> Result<Order, Fault> {
    let list = |input: &'static str, all: &[String]| fields(input, &all.join("\n"));
    let lines = |input: &'static str, all: &[String]| entries(input, &all.join("\n"));
    // What is in quotes there is for the builder to read.
    let raw = arguments.outputs.join("\n");
    let outputs = raw.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(Order {
        context: context(given(arguments.context.as_ref()), workflow)?,
        file: given(arguments.dockerfile.as_ref()),
        target: given(arguments.target.as_ref()),
        platforms: list("platforms", &arguments.platforms)?,
        build_args: lines("build-args", &arguments.build_args)?,
        build_contexts: lines("build-contexts", &arguments.build_contexts)?,
        secrets: secrets(arguments)?,
        ssh: list("ssh", &arguments.ssh)?,
        cache_from: lines("cache-from", &arguments.cache_from)?,
        cache_to: lines("cache-to", &arguments.cache_to)?,
        no_cache: boolean("no-cache", arguments.no_cache.as_ref())?,
        no_cache_filters: list("no-cache-filters", &arguments.no_cache_filters)?,
        pull: boolean("pull", arguments.pull.as_ref())?,
        push: boolean("push", arguments.push.as_ref())?,
        load: boolean("load", arguments.load.as_ref())?,
        outputs: outputs.map(str::to_owned).collect(),
        provenance: given(arguments.provenance.as_ref()),
        sbom: given(arguments.sbom.as_ref()),
        attests: lines("attests", &arguments.attests)?,
        network: given(arguments.network.as_ref()),
        shm_size: given(arguments.shm_size.as_ref()),
        ulimits: lines("ulimit", &arguments.ulimit)?,
        add_hosts: list("add-hosts", &arguments.add_hosts)?,
        cgroup_parent: given(arguments.cgroup_parent.as_ref()),
        allow: list("allow", &arguments.allow)?,
        call: given(arguments.call.as_ref()),
        builder: given(arguments.builder.as_ref()),
        ..Order::default()
    })
}

/// An input; an empty one is none.
fn given(text: Option<&String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn unusable(input: &'static str, cause: &str, cure: &str) -> Fault {
    Fault { input, line: None, cause: cause.to_owned(), cure: Some(cure.to_owned()) }
}

/// Whether it is built anew also where it is there.
pub(super) fn is_rebuild(arguments: &BuildArgs) -> Result<bool, Fault> {
    boolean("rebuild", arguments.rebuild.as_ref())
}

/// Whether registries are asked before `latest` moves.
pub(super) fn asks_registry(arguments: &BuildArgs) -> Result<bool, Fault> {
    tags_inputs::asks_registry(given(arguments.latest_check.as_ref()).as_deref())
}

fn boolean(input: &'static str, text: Option<&String>) -> Result<bool, Fault> {
    match given(text).as_deref() {
        None | Some("false" | "False" | "FALSE") => Ok(false),
        Some("true" | "True" | "TRUE") => Ok(true),
        Some(other) => {
            let cause = format!("`{}` is nothing that it can be", other.escape_debug());
            Err(unusable(input, &cause, "it is `true` or `false`"))
        }
    }
}

/// Where it is built from: what is named, or in a workflow its repository, or here.
fn context(named: Option<String>, workflow: &Workflow) -> Result<String, Fault> {
    let own = &workflow.own_context;
    match named {
        Some(named) if named.contains(DEFAULT_CONTEXT) && own.is_empty() => {
            let cause = format!("there is no workflow here for `{DEFAULT_CONTEXT}` to stand for");
            Err(unusable("context", &cause, "name a directory, or the address of a repository"))
        }
        Some(named) => Ok(named.replace(DEFAULT_CONTEXT, own)),
        None if own.is_empty() => Ok(".".to_owned()),
        None => Ok(own.clone()),
    }
}

/// Secrets by value come by the environment alone. What is wrong with one is told without it.
fn secrets(arguments: &BuildArgs) -> Result<Vec<Secret>, Fault> {
    let values = std::env::var("INPUT_SECRETS").unwrap_or_default();
    let mut secrets = Vec::new();
    let mut add = |input, texts: Vec<String>, source: fn(String) -> Source| {
        for text in texts {
            let secret = Secret::read(&text, source);
            secrets.push(
                secret.map_err(|why| unusable(input, why, "write the secret's name, `=`, and what it is"))?,
            );
        }
        Ok::<(), Fault>(())
    };
    add("secrets", entries("secrets", &values)?, Source::Value)?;
    add("secret-envs", fields("secret-envs", &arguments.secret_envs.join("\n"))?, Source::Variable)?;
    add("secret-files", entries("secret-files", &arguments.secret_files.join("\n"))?, Source::File)?;
    for secret in &secrets {
        match &secret.from {
            Source::Variable(name) if std::env::var_os(name).is_none() => {
                let cause = format!("the variable {name} of the secret {} is not set", secret.id);
                return Err(unusable("secret-envs", &cause, "set it for this command"));
            }
            Source::File(path) if !std::path::Path::new(path).is_file() => {
                let cause = format!("there is no file {path} for the secret {}", secret.id);
                return Err(unusable("secret-files", &cause, "correct its path"));
            }
            _ => {}
        }
    }
    Ok(secrets)
}

/// Adds the cache that is meant by one word.
fn cache(order: &mut Order, word: Option<&str>) -> Result<(), Fault> {
    match word {
        None => Ok(()),
        Some("gha") => {
            let (from, to) = of_actions(order);
            order.cache_from.push(from);
            order.cache_to.push(to);
            Ok(())
        }
        Some(other) => {
            let cause = format!("`{}` is no cache that has a word", other.escape_debug());
            Err(unusable("cache", &cause, "it is `gha`; all others by cache-from and cache-to"))
        }
    }
}

/// Names, and what the image says of itself.
struct Names {
    tags: Vec<String>,
    labels: Vec<String>,
    annotations: Vec<String>,
    version: Option<String>,
}

/// With images by rules, as `image tags` has them; otherwise as they are written.
async fn named(arguments: &BuildArgs) -> Result<Names, Error> {
    if arguments.images.iter().all(|images| images.trim().is_empty()) {
        return Ok(Names {
            tags: fields("tags", &arguments.tags.join("\n"))?,
            labels: entries("labels", &arguments.labels.join("\n"))?,
            annotations: entries("annotations", &arguments.annotations.join("\n"))?,
            version: None,
        });
    }
    let rules = TagsArgs {
        images: arguments.images.clone(),
        tags: arguments.tags.clone(),
        flavor: arguments.flavor.clone(),
        labels: arguments.labels.clone(),
        annotations: arguments.annotations.clone(),
        latest_check: arguments.latest_check.clone(),
        now: arguments.now.clone(),
        short_sha_length: arguments.short_sha_length.clone(),
        pr_head_sha: arguments.pr_head_sha.clone(),
        annotation_levels: arguments.annotation_levels.clone(),
        ..TagsArgs::default()
    };
    let told = Box::pin(tags(&rules)).await?;
    Ok(Names {
        tags: told.tags,
        labels: told.labels.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        annotations: told.annotations,
        version: Some(told.version).filter(|version| !version.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_the_action_reads_them() {
        let text = |text: &str| vec![text.to_owned()];
        let arguments = BuildArgs {
            platforms: text("linux/amd64,linux/arm64\n linux/arm/v7 \n"),
            build_args: text("# of the build\nA=1,2\n\"B=one\ntwo \"\"x\"\"\"\nC=x=y\n\n"),
            outputs: text("type=image,\"name=a,b\"\n"),
            push: Some("True".to_owned()),
            load: Some(String::new()),
            target: Some(" ".to_owned()),
            ..BuildArgs::default()
        };
        let order = order(&arguments, &Workflow::default()).unwrap();
        assert_eq!(order.platforms, ["linux/amd64", "linux/arm64", "linux/arm/v7"]);
        assert_eq!(order.build_args, ["A=1,2", "B=one\ntwo \"x\"", "C=x=y"]);
        assert_eq!(order.outputs, ["type=image,\"name=a,b\""]);
        assert_eq!((order.context.as_str(), order.push, order.load, order.target), (".", true, false, None));
    }

    #[test]
    fn a_context_that_is_not_named_is_the_workflows_repository() {
        let workflow = Workflow { own_context: "https://git.test/a.git#1".to_owned(), ..Workflow::default() };
        let of = |named: Option<&str>, workflow: &Workflow| context(named.map(str::to_owned), workflow);
        assert_eq!(of(None, &workflow).unwrap(), "https://git.test/a.git#1");
        assert_eq!(of(Some("{{defaultContext}}:sub"), &workflow).unwrap(), "https://git.test/a.git#1:sub");
        assert_eq!(of(Some("."), &workflow).unwrap(), ".");
        assert!(of(Some("{{defaultContext}}"), &Workflow::default()).is_err());
    }

    #[test]
    fn what_an_input_cannot_be_is_told() {
        let wrong = |text: &str| boolean("push", Some(&text.to_owned())).unwrap_err().to_string();
        assert_eq!(wrong("yes"), "push: `yes` is nothing that it can be");
        assert!(cache(&mut Order::default(), Some("s3")).is_err());
        let mut order = Order { tags: vec!["r.test/a:1".to_owned()], ..Order::default() };
        cache(&mut order, Some("gha")).unwrap();
        assert_eq!(order.cache_to, ["type=gha,mode=max,scope=a"]);
    }
}
