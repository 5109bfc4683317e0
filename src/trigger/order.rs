//! What somebody asks for in words: by the step's inputs, by those of a dispatch, by a comment.

use super::choice::{self, Name};
use super::comment::{self, Comment, Line};
use super::payload::{given, is_commit, is_from_fork, number, shown, text};
use super::{
    Asked, Command, Deploy, Intent, Need, Occasion, Order, Source, Wish, deploy, nothing, preview, refused,
};
use crate::settings::EnvironmentSettings;
use crate::yaml::words::{listed, nearest};

/// The longest reason that is kept, in characters.
const REASON: usize = 300;

/// Everything that is asked for.
struct Asking<'a> {
    command: Command,
    environment: Option<&'a str>,
    version: Option<String>,
    reason: Option<String>,
    source: Source,
    name: Name<'a>,
    asked: Option<Asked>,
}

/// What the step's inputs ask for; nothing where they leave it to the event.
pub(super) fn by_input(occasion: &Occasion<'_>, all: &[EnvironmentSettings]) -> Option<Intent> {
    let command = occasion.wish.command?;
    Some(by_hand(occasion, command, occasion.wish, all))
}

/// What a dispatch asks for: the step's inputs, or else those of the dispatch, which are at `inputs`.
pub(super) fn by_dispatch(occasion: &Occasion<'_>, inputs: &str, all: &[EnvironmentSettings]) -> Intent {
    let of_payload = |name: &str| given(occasion.payload, &format!("{inputs}/{name}"));
    let either =
        |own: &Option<String>, name: &str| own.clone().or_else(|| of_payload(name).map(str::to_owned));
    let command = match of_payload("command") {
        None => Command::Deploy,
        Some(name) => match Command::named(name) {
            Some(command) => command,
            None => return no_command(name),
        },
    };
    let wish = Wish {
        command: Some(command),
        environment: either(&occasion.wish.environment, "environment"),
        version: either(&occasion.wish.version, "version"),
        reason: either(&occasion.wish.reason, "reason"),
    };
    by_hand(occasion, command, &wish, all)
}

fn no_previews() -> Intent {
    let hint = "add `preview:` to `environments`; docs/previews.md shows one";
    refused("no-previews", "the configuration has no environment `preview`", hint)
}

/// A name that is no command.
fn no_command(name: &str) -> Intent {
    let names = || Command::ALL.into_iter().map(Command::name);
    let hint = match nearest(name, names()) {
        Some(meant) => format!("did you mean `{meant}`? (there are {})", listed(names())),
        None => format!("there are {}", listed(names())),
    };
    refused("unknown-command", format!("there is no command `{}`", shown(name)), hint)
}

fn by_hand(occasion: &Occasion<'_>, command: Command, wish: &Wish, all: &[EnvironmentSettings]) -> Intent {
    if command == Command::Preview {
        return match occasion.previews {
            None => no_previews(),
            Some(rules) if occasion.payload["pull_request"].is_object() => preview::by_event(occasion, rules),
            Some(_) => refused(
                "no-pull-request",
                "a preview is one of a pull request, and the event is about none",
                "run it for `pull_request`, or write `/preview` at the pull request",
            ),
        };
    }
    let changes = !matches!(command, Command::Plan | Command::Status | Command::Help);
    let pull = &occasion.payload["pull_request"];
    if changes && pull.is_object() && is_from_fork(pull) {
        let why = "the pull request comes from a fork, and what comes from there changes nothing here";
        return refused("from-fork", why, "let somebody who may write push the branch to this repository");
    }
    let (reference, sha) = (deploy::reference(occasion), deploy::commit(occasion));
    let name = Name::of(reference);
    let order = Asking {
        command,
        environment: wish.environment.as_deref(),
        version: wish.version.clone().or_else(|| deploy::version(name, sha)),
        reason: wish.reason.as_deref().map(reason),
        source: sha.map_or(Source::CheckedOut, |sha| Source::Commit(sha.to_owned())),
        name,
        asked: None,
    };
    // A version that was not given is one to deploy, not one to go back to.
    let to = wish.version.clone();
    order.intent(to, all)
}

impl Asking<'_> {
    fn intent(self, to: Option<String>, all: &[EnvironmentSettings]) -> Intent {
        let asked = self.asked.clone();
        match self.command {
            Command::Help => return Intent::Help { asked },
            Command::Sweep => return Intent::Sweep,
            _ => {}
        }
        let environment = match choice::environment(self.environment, all) {
            Ok(environment) => environment,
            Err(refusal) => return by(*refusal, asked),
        };
        if self.command == Command::Deploy
            && let Err(refusal) = choice::allows(environment, self.name)
        {
            return by(*refusal, asked);
        }
        let name = environment.name.clone();
        let deploy = |order: Self, name| Deploy {
            environment: name,
            version: order.version,
            source: order.source,
            asked: order.asked,
        };
        let order = |order: Self, name| Order { environment: name, reason: order.reason, asked: order.asked };
        match self.command {
            Command::Deploy => Intent::Deploy(deploy(self, name)),
            Command::Plan => Intent::Plan(deploy(self, name)),
            Command::Rollback => Intent::Rollback { order: order(self, name), to },
            Command::Promote => Intent::Promote(order(self, name)),
            Command::Abort => Intent::Abort(order(self, name)),
            Command::Resume => Intent::Resume(order(self, name)),
            Command::Lock => Intent::Lock(order(self, name)),
            Command::Unlock => Intent::Unlock(order(self, name)),
            Command::Status => Intent::Status(order(self, name)),
            Command::Help | Command::Preview => Intent::Help { asked },
            Command::Sweep => Intent::Sweep,
        }
    }
}

/// A refusal of what somebody asked for by a comment.
fn by(intent: Intent, asked: Option<Asked>) -> Intent {
    match intent {
        Intent::Refused { code, why, hint, .. } => Intent::Refused { code, why, hint, asked },
        other => other,
    }
}

/// What a comment asks for.
pub(super) fn by_comment(occasion: &Occasion<'_>, all: &[EnvironmentSettings]) -> Intent {
    let payload = occasion.payload;
    match text(payload, "/action") {
        "created" => {}
        other => return nothing(format!("a comment that was {} does nothing", shown(other))),
    }
    if payload.pointer("/issue/pull_request").is_none_or(|pull| !pull.is_object()) {
        return nothing("the comment is at an issue, and commands are taken at pull requests");
    }
    if text(payload, "/comment/user/type") != "User" {
        return nothing("the comment is not a person's");
    }
    let login = text(payload, "/comment/user/login");
    let ids = number(payload, "/issue/number").zip(number(payload, "/comment/id"));
    let Some((pull, comment)) = ids.filter(|_| !login.is_empty()) else {
        return nothing("the payload does not tell whose comment it is, and where");
    };
    let asked = Some(Asked { by: login.to_owned(), needs: Need::Write, pull, comment });
    match comment::read(text(payload, "/comment/body")) {
        Comment::Silent(why) => nothing(why),
        Comment::Wrong { why, hint } => Intent::Refused { code: "unknown-command", why, hint, asked },
        Comment::Line(line) if line.command == Command::Preview => match occasion.previews {
            Some(_) => preview::by_comment(&line.text, pull, asked),
            None => by(no_previews(), asked),
        },
        Comment::Line(line) => asked_for(&line, pull, asked, all),
    }
}

fn asked_for(line: &Line, pull: u64, asked: Option<Asked>, all: &[EnvironmentSettings]) -> Intent {
    let (mut environment, mut why) = (line.environment.as_deref(), line.text.as_str());
    if line.command == Command::Lock {
        match environment.filter(|name| all.iter().any(|one| one.name == *name)) {
            Some(name) => why = why[name.len()..].trim_start(),
            None => environment = None,
        }
    }
    let named = line.reference.as_deref();
    let target = choice::environment(environment, all).ok();
    let (source, name) = match named {
        None => (Source::Pull(pull), Name::Pull(pull)),
        Some(named) => by_name(named, target),
    };
    let order = Asking {
        command: line.command,
        environment,
        version: match &source {
            Source::Tag(tag) => Some(tag.clone()),
            _ => None,
        },
        reason: Some(reason(why)).filter(|why| !why.is_empty()),
        source,
        name,
        asked,
    };
    order.intent(None, all)
}

/// What a person calls by name. Where rules ask for a tag, a branch of the same name must not be taken for it.
fn by_name<'a>(named: &'a str, environment: Option<&EnvironmentSettings>) -> (Source, Name<'a>) {
    if is_commit(named) {
        return (Source::Commit(named.to_owned()), Name::Commit(named));
    }
    if let name @ (Name::Branch(short) | Name::Tag(short)) = Name::of(named) {
        let short = short.to_owned();
        let source = if matches!(name, Name::Branch(_)) { Source::Branch(short) } else { Source::Tag(short) };
        return (source, name);
    }
    let takes = |name| environment.is_some_and(|environment| choice::takes(environment, name));
    if takes(Name::Tag(named)) {
        return (Source::Tag(named.to_owned()), Name::Tag(named));
    }
    if takes(Name::Branch(named)) {
        return (Source::Branch(named.to_owned()), Name::Branch(named));
    }
    (Source::Named(named.to_owned()), Name::Unknown(named))
}

/// A reason as it is kept: one line, not long.
fn reason(text: &str) -> String {
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
    plain.chars().filter(|c| !c.is_control()).take(REASON).collect()
}
