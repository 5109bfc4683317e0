//! The inputs of a step: flags, which go before `INPUT_*`. An empty one is none, for that is how a workflow gives what nobody has
//! set. Where there is no configuration, a few of them are one: they become the same text, and go through the same checks.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::context::Context;
use super::written;
use crate::cli::{Busy, Common, Inline, RunArgs};
use crate::error::{Error, ErrorKind};
use crate::run::place::settings_error;
use crate::settings::{self, SettingsError};
use crate::trigger::{Command, Wish};
use crate::yaml::words::{listed, nearest};
use crate::yaml::{Diagnostic, Severity};

/// The environment that inputs describe where they name none.
const ENVIRONMENT: &str = "production";

/// What the inputs say.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) wish: Wish,
    pub(super) if_busy: Busy,
    pub(super) is_dry: bool,
    /// The image to deploy.
    pub(super) image: Option<String>,
    file: Option<PathBuf>,
    simple: Simple,
}

/// The inputs that are a configuration.
#[derive(Debug)]
struct Simple {
    app: Option<String>,
    namespace: Option<String>,
    manifests: Vec<String>,
    strategy: Option<String>,
    url: Option<String>,
}

impl Inputs {
    /// Reads them.
    ///
    /// # Errors
    /// When one is nothing that it can be.
    pub(super) fn read(arguments: &RunArgs) -> Result<Self, Error> {
        let wish = Wish {
            command: command(given(arguments.command.as_deref()))?,
            environment: owned(arguments.environment.as_deref()),
            version: owned(arguments.release.as_deref()),
            reason: owned(arguments.reason.as_deref()),
        };
        let lines = given(arguments.manifests.as_deref()).unwrap_or_default().lines().map(str::trim);
        let simple = Simple {
            app: owned(arguments.app.as_deref()),
            namespace: owned(arguments.namespace.as_deref()),
            manifests: lines.filter(|line| !line.is_empty()).map(str::to_owned).collect(),
            strategy: owned(arguments.strategy.as_deref()),
            url: owned(arguments.url.as_deref()),
        };
        let if_busy = if_busy(given(arguments.if_busy.as_deref()))?;
        let file = given(arguments.config.as_deref()).map(PathBuf::from);
        let image = owned(arguments.image.as_deref());
        let mut inputs = Self { wish, if_busy, is_dry: arguments.dry_run, image, file, simple };
        if inputs.simple.given().is_some() && inputs.wish.environment.is_none() {
            inputs.wish.environment = Some(ENVIRONMENT.to_owned());
        }
        Ok(inputs)
    }

    /// The options for the stages: with the configuration that an input names, or that the inputs are.
    ///
    /// # Errors
    /// When inputs are a configuration beside another one.
    pub(super) fn common(&self, common: &Common, context: &Context) -> Result<Common, Error> {
        let mut common = common.clone();
        if let Some(file) = &self.file {
            common.file = Some(file.clone());
        }
        let Some(name) = self.simple.given() else { return Ok(common) };
        let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        if let Some(file) = common.file.clone().or_else(|| settings::find(&here)) {
            let sentence = format!("`{name}` has no effect beside {}", file.display());
            let given = self.simple.text(name).unwrap_or_default();
            return Err(bad(
                (name, &given),
                &sentence,
                "take it out, and write in the file what it is to say",
            ));
        }
        common.inline = Some(self.inline(&here, context));
        Ok(common)
    }

    /// The inputs as a configuration. JSON is valid YAML (<https://yaml.org/spec/1.2.2/#12-yaml-version-12>).
    fn inline(&self, here: &Path, context: &Context) -> Inline {
        let simple = &self.simple;
        let mut cluster = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            cluster.extend(value.map(|value| (name.to_owned(), value)));
        };
        set("manifests", (!simple.manifests.is_empty()).then(|| json!(simple.manifests)));
        set("namespace", simple.namespace.clone().map(Value::from));
        set("url", simple.url.clone().map(Value::from));
        let mut environment = Map::new();
        environment.insert("target".to_owned(), json!({ "kubernetes": cluster }));
        environment.extend(simple.strategy.clone().map(|name| ("strategy".to_owned(), Value::from(name))));
        let repository = context.repository.rsplit('/').next().unwrap_or_default().to_lowercase();
        let app = simple.app.clone().unwrap_or(repository);
        let name = self.wish.environment.as_deref().unwrap_or(ENVIRONMENT);
        let text = json!({ "app": app, "environments": { name: environment } }).to_string();
        Inline { file: here.join("inputs"), text }
    }

    /// Why there are no settings, in the words of who has written inputs.
    pub(super) fn fault(&self, error: &SettingsError) -> Error {
        if self.simple.given().is_none() {
            return settings_error(error);
        }
        let faults = || error.diagnostics().iter().filter(|one| one.severity == Severity::Error);
        let told = faults().map(|one| format!("input `{}`: {}", input_of(one), one.message));
        let mut fault = Error::new(ErrorKind::Usage, "bad-input", told.collect::<Vec<_>>().join("\n"));
        fault.hints = error.diagnostics().iter().filter_map(|one| one.hint.clone()).collect();
        let written = |one: &Diagnostic| {
            let name = input_of(one);
            let given =
                if name == "environment" { self.wish.environment.clone() } else { self.simple.text(name) };
            written::annotation(name, &given?, &one.message)
        };
        fault.at(faults().filter_map(written))
    }
}

impl Simple {
    /// The first of them that is given.
    fn given(&self) -> Option<&'static str> {
        [
            ("manifests", !self.manifests.is_empty()),
            ("namespace", self.namespace.is_some()),
            ("strategy", self.strategy.is_some()),
            ("url", self.url.is_some()),
            ("app", self.app.is_some()),
        ]
        .into_iter()
        .find_map(|(name, is_given)| is_given.then_some(name))
    }

    /// What was given for one of them.
    fn text(&self, name: &str) -> Option<String> {
        match name {
            "manifests" => Some(self.manifests.join("\n")),
            "namespace" => self.namespace.clone(),
            "strategy" => self.strategy.clone(),
            "url" => self.url.clone(),
            "app" => self.app.clone(),
            _ => None,
        }
    }
}

/// The input that a place in the configuration stands for.
fn input_of(diagnostic: &Diagnostic) -> &'static str {
    let has = |name: &str| diagnostic.path.split(['.', '[']).any(|key| key == name);
    match diagnostic.path.split('.').count() {
        1 if has("app") => "app",
        2 => "environment",
        _ => ["namespace", "strategy", "url", "manifests"]
            .into_iter()
            .find(|name| has(name))
            .unwrap_or_default(),
    }
}

fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn owned(text: Option<&str>) -> Option<String> {
    given(text).map(str::to_owned)
}

/// An input that it cannot be, with what was given for it.
fn bad((input, given): (&str, &str), sentence: &str, cure: &str) -> Error {
    let written = written::annotation(input, given, &format!("{sentence}\nhelp: {cure}"));
    Error::new(ErrorKind::Usage, "bad-input", sentence).hint(cure).at(written)
}

fn command(name: Option<&str>) -> Result<Option<Command>, Error> {
    let Some(name) = name else { return Ok(None) };
    if let Some(command) = Command::named(name) {
        return Ok(Some(command));
    }
    let names = || Command::ALL.into_iter().map(Command::name);
    let cure = match nearest(name, names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("there are {}; without one, the event says what is done", listed(names())),
    };
    Err(bad(("command", name), &format!("command: there is no command `{}`", name.escape_debug()), &cure))
}

fn if_busy(text: Option<&str>) -> Result<Busy, Error> {
    match text {
        None | Some("supersede") => Ok(Busy::Supersede),
        Some("wait") => Ok(Busy::Wait),
        Some("refuse") => Ok(Busy::Refuse),
        Some(other) => {
            let sentence = format!("if-busy: `{}` is nothing that it can be", other.escape_debug());
            Err(bad(("if-busy", other), &sentence, "it is `supersede`, `wait` or `refuse`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::parse;

    fn inputs(change: impl FnOnce(&mut RunArgs)) -> Inputs {
        let mut arguments = RunArgs::default();
        change(&mut arguments);
        Inputs::read(&arguments).unwrap()
    }

    fn text(inputs: &Inputs) -> Inline {
        let context = Context { repository: "acme/Shop".to_owned(), ..Context::default() };
        inputs.inline(Path::new("/repo"), &context)
    }

    #[test]
    fn a_few_inputs_are_a_configuration() {
        let inputs = inputs(|all| {
            all.manifests = Some("deploy/\n\n  more.yaml\n".to_owned());
            all.namespace = Some("shop".to_owned());
            all.strategy = Some("canary".to_owned());
            all.url = Some(String::new());
        });
        let Inline { file, text } = text(&inputs);
        let settings = parse(&file, &text).unwrap();
        assert_eq!((settings.app.as_str(), settings.environments[0].name.as_str()), ("shop", "production"));
        assert_eq!(inputs.wish.environment.as_deref(), Some("production"));
        let settings::TargetSettings::Kubernetes(cluster) = &settings.environments[0].target else {
            panic!()
        };
        assert_eq!(cluster.namespace.as_deref(), Some("shop"));
        let settings::ManifestSource::Files(paths) = &cluster.manifests else { panic!() };
        assert_eq!(*paths, [PathBuf::from("/repo/deploy"), PathBuf::from("/repo/more.yaml")]);
    }

    #[test]
    fn what_is_wrong_in_them_is_told_by_their_names() {
        let inputs = inputs(|all| {
            all.manifests = Some("deploy/".to_owned());
            all.namespace = Some("Shop, environments: {}".to_owned());
            all.strategy = Some("canry".to_owned());
            all.environment = Some("Prod\"}".to_owned());
            all.app = Some("-".to_owned());
        });
        let Inline { file, text } = text(&inputs);
        let error = inputs.fault(&parse(&file, &text).unwrap_err());
        for told in ["input `namespace`: ", "input `strategy`: ", "input `environment`: ", "input `app`: "] {
            assert!(error.sentence.contains(told), "{}", error.sentence);
        }
        assert_eq!(error.code, "bad-input");
    }

    #[test]
    fn an_input_that_it_cannot_be_is_told_with_what_it_can() {
        let refused = |change: fn(&mut RunArgs)| {
            let mut arguments = RunArgs::default();
            change(&mut arguments);
            Inputs::read(&arguments).unwrap_err()
        };
        assert_eq!(refused(|all| all.command = Some("deplyo".into())).hints, ["did you mean `deploy`?"]);
        assert_eq!(refused(|all| all.if_busy = Some("x".into())).code, "bad-input");
        let none = inputs(|all| (all.command, all.if_busy) = (Some(" ".into()), Some(String::new())));
        assert_eq!((none.wish, none.if_busy), (Wish::default(), Busy::Supersede));
    }
}
