//! The environment `preview`: what all previews have in common, and what one has.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path as FilePath;
use std::time::Duration;

use super::local::{command, text_path};
use super::{Findings, check_name, env, environment, front, label, positive, required, rules};
use crate::preview::{self as pure, AtLimit, Values};
use crate::settings::file::{
    self, Database, Environment, Isolation, On, Ordered, Ports, Pulls, Target, Text,
};
use crate::settings::model::{
    DatabaseSettings, EnvironmentSettings, FrontSettings, IsolationSettings, PreviewInstance,
    PreviewSettings, PullRules, TargetSettings, TrafficSettings,
};
use crate::settings::template::{NAME, PORTS};
use crate::yaml::Path;

/// The keys that only previews have.
fn own_keys(raw: &Environment) -> [(&'static str, bool); 15] {
    [
        ("name", raw.name.is_some()),
        ("url", raw.url.is_some()),
        ("hosts", raw.hosts.is_some()),
        ("ttl", raw.ttl.is_some()),
        ("limit", raw.limit.is_some()),
        ("at-limit", raw.at_limit.is_some()),
        ("keep-label", raw.keep_label.is_some()),
        ("overview", raw.overview.is_some()),
        ("random", raw.random.is_some()),
        ("ports", raw.ports.is_some()),
        ("isolation", raw.isolation.is_some()),
        ("database", raw.database.is_some()),
        ("sleep", raw.sleep.is_some()),
        ("access", raw.access.is_some()),
        ("front", raw.front.is_some()),
    ]
}

/// Keys of previews at an environment that is none.
pub(super) fn check_elsewhere(raw: &Environment, path: &Path, findings: &mut Findings<'_>) {
    for (key, _) in own_keys(raw).into_iter().filter(|(_, is_given)| *is_given) {
        let help = match key {
            "url" => "take it out; the address of a `kubernetes` target is a key of the target",
            _ => "take it out, or call the environment `preview`",
        };
        findings.error(&path.key(key), format!("`{key}` is for the environment `preview` alone"), help);
    }
    let pulls = match &raw.on {
        Some(On::PullRequest) => Some(path.key("on")),
        Some(On::Events(events)) if events.pull_request.is_some() => Some(path.key("on").key("pull_request")),
        _ => None,
    };
    if let Some(at) = pulls {
        let help = "call the environment `preview`: each pull request has one of its own then";
        findings.error(&at, "`pull_request` is for the environment `preview` alone", help);
    }
}

/// No environment may be called as a preview would be.
pub(super) fn check_names(
    preview: &PreviewSettings,
    app: &str,
    all: &[EnvironmentSettings],
    path: &Path,
    findings: &mut Findings<'_>,
) {
    for environment in all {
        let mut digits =
            environment.name.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
        let is_one = |number: &str| {
            let name = pure::fill(&preview.name, |field| match field {
                "number" => Some(number.to_owned()),
                "app" => Some(app.to_owned()),
                _ => None,
            });
            name == environment.name
        };
        if digits.any(is_one) {
            let message = format!("a preview would be called `{}`, too", environment.name);
            findings.error_at_key(&path.key(&environment.name), message, "give one of the two another name");
        }
    }
}

/// The previews, with the one that `values` are of, or that stands for all.
pub(super) fn resolve(
    mut raw: Environment,
    app: &str,
    values: Option<&Values>,
    folder: &FilePath,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Option<PreviewSettings> {
    let on = on(raw.on.take(), &path.key("on"), findings);
    check_without(&raw, path, findings);
    let template = raw.name.take().unwrap_or_else(|| NAME.to_owned());
    let random = raw.random.take().map(|text| env::secret(text, "previews", &path.key("random"), findings));
    let name = match values {
        Some(values) => values.name.clone(),
        None => pure::fill(&template, |field| match field {
            "number" => Some("1".to_owned()),
            "app" => Some(app.to_owned()),
            "random" => Some("r0".to_owned()),
            _ => None,
        }),
    };
    check_name(&name, &path.key("name"), findings);
    let ttl = positive(raw.ttl.take(), Duration::from_secs(72 * 3600), &path.key("ttl"), findings);
    let (limit, at_limit) = limit(&mut raw, path, findings);
    let keep_label = raw.keep_label.take().unwrap_or_else(|| "keep-preview".to_owned());
    if keep_label.trim().is_empty() {
        findings.error(&path.key("keep-label"), "an empty text is no label", "name a label, or take it out");
    }
    let overview = raw.overview.take();
    if overview == Some(0) {
        findings.error(&path.key("overview"), "there is no issue 0", "write the number of an issue");
    }
    let ports = ports(raw.ports.take(), raw.target.as_ref(), &path.key("ports"), findings);
    let hosts = hosts(raw.hosts.take(), raw.url.is_some(), path, findings);
    let isolation = isolation(raw.isolation.take(), raw.target.as_ref(), &path.key("isolation"), findings);
    let database =
        raw.database.take().map(|its| database(its, raw.target.as_ref(), &path.key("database"), findings));
    let front = front::resolve(&mut raw, path, findings);
    address(&mut raw, path, findings);
    if raw.strategy.is_none() {
        raw.strategy = Some(file::Strategy::Rolling(file::Rolling::default()));
    }
    let number = values.map_or(1, |values| values.number);
    let sample = environment(name, raw, folder, path, findings)?;
    let target = match sample.target {
        TargetSettings::Kubernetes(mut cluster) => {
            cluster.namespace.get_or_insert_with(|| pure::shortened(&format!("{app}-{}", sample.name), 63));
            TargetSettings::Kubernetes(cluster)
        }
        local @ TargetSettings::Local(_) => local,
    };
    check_traffic(&front, &target, path, findings);
    let database = match database {
        Some(database) => Some(database?),
        None => None,
    };
    let instance = PreviewInstance { number, hosts, database, isolation, front, ttl };
    let sample = EnvironmentSettings { target, preview: Some(Box::new(instance)), ..sample };
    Some(PreviewSettings {
        on,
        name: template,
        ttl,
        limit,
        at_limit,
        keep_label,
        overview,
        random: match random {
            Some(random) => Some(random?),
            None => None,
        },
        ports,
        sample: Box::new(sample),
        text: String::new(),
    })
}

/// Where routes lead to the front of a preview, nothing divides them.
fn check_traffic(front: &FrontSettings, target: &TargetSettings, path: &Path, findings: &mut Findings<'_>) {
    let TargetSettings::Kubernetes(cluster) = target else { return };
    if front.image.is_some() && !matches!(cluster.traffic, TrafficSettings::Service { .. }) {
        let message =
            "`traffic` divides what routes lead to, and with `front` they lead to the front of the preview";
        let help = "leave `traffic` out in `preview`: a preview divides no visitors, or name its Service";
        findings.conflict(&path.key("target").key("kubernetes").key("traffic"), message, help);
    }
}

/// How many there may be, and what happens to one more.
fn limit(raw: &mut Environment, path: &Path, findings: &mut Findings<'_>) -> (usize, AtLimit) {
    let limit = raw.limit.take().unwrap_or(10);
    if !(1..=1000).contains(&limit) {
        findings.error(
            &path.key("limit"),
            "`limit` takes 1 to 1000",
            "give how many previews there may be at once",
        );
    }
    let at_limit = match raw.at_limit.take() {
        Some(file::AtLimit::EvictOldest) => AtLimit::EvictOldest,
        Some(file::AtLimit::Refuse) | None => AtLimit::Refuse,
    };
    (usize::try_from(limit).unwrap_or(usize::MAX), at_limit)
}

fn on(raw: Option<On>, path: &Path, findings: &mut Findings<'_>) -> PullRules {
    let Some(raw) = raw else { return PullRules::default() };
    let pulls = match raw {
        On::PullRequest => return PullRules::default(),
        On::Dispatch => None,
        On::Events(events) => {
            for (key, is_given) in [
                ("push", events.push.is_some()),
                ("tag", events.tag.is_some()),
                ("dispatch", events.dispatch.is_some()),
            ] {
                if is_given {
                    let message = format!("`{key}` has no effect: a preview is one of a pull request");
                    findings.error(&path.key(key), message, "take it out; there is `pull_request`");
                }
            }
            events.pull_request
        }
    };
    let Some(Pulls { branches, labels, paths, drafts }) = pulls else {
        findings.empty(
            path,
            "a preview is one of a pull request",
            "write `on: pull_request`, or take it out",
        );
        return PullRules::default();
    };
    let at = path.key("pull_request");
    if drafts == Some(false) {
        findings.error(
            &at.key("drafts"),
            "`drafts: false` has no effect",
            "take it out: drafts have no preview",
        );
    }
    let labels = labels.unwrap_or_default();
    if labels.iter().any(|label| label.trim().is_empty()) {
        findings.error(&at.key("labels"), "an empty text is no label", "name a label, or take it out");
    }
    PullRules {
        branches: rules::patterns(branches, &at.key("branches"), findings),
        labels,
        paths: rules::patterns(paths, &at.key("paths"), findings),
        drafts: drafts == Some(true),
    }
}

/// What a preview cannot have.
fn check_without(raw: &Environment, path: &Path, findings: &mut Findings<'_>) {
    if raw.after.is_some() {
        let message = "`after` has no effect: the commit of a pull request has been nowhere before";
        findings.error(&path.key("after"), message, "take it out");
    }
    if raw.production == Some(true) {
        findings.error(&path.key("production"), "a preview is no production environment", "take it out");
    }
}

/// The address of a preview in a cluster is its target's.
fn address(raw: &mut Environment, path: &Path, findings: &mut Findings<'_>) {
    let Some(url) = raw.url.take() else { return };
    match &mut raw.target {
        Some(Target::Kubernetes(cluster)) if cluster.url.is_none() => cluster.url = Some(url),
        Some(Target::Kubernetes(_)) => {
            let message = "`url` stands at the target, too";
            findings.conflict(&path.key("url"), message, "keep one of the two");
        }
        Some(Target::Local(_)) => {
            let message = "`url` has no effect: visitors of a `local` preview come by `listen`";
            findings.conflict(&path.key("url"), message, "take it out");
        }
        None => {}
    }
}

fn ports(
    raw: Option<Ports>,
    target: Option<&Target>,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Option<RangeInclusive<u16>> {
    if !matches!(target, Some(Target::Local(_))) {
        if raw.is_some() && target.is_some() {
            findings.conflict(
                path,
                "`ports` has no effect: it is for previews on this machine",
                "take it out",
            );
        }
        return None;
    }
    let Some(Ports(text)) = raw else { return Some(PORTS.0..=PORTS.1) };
    let ends = text.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    match ends {
        Some((first, last)) if first > 0 && first <= last => Some(first..=last),
        _ => {
            findings.error(
                path,
                format!("`{text}` is no range of ports"),
                "write the first and the last one: `20000-20999`",
            );
            None
        }
    }
}

fn hosts(
    raw: Option<Ordered<Text>>,
    has_url: bool,
    path: &Path,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, String> {
    let hosts: BTreeMap<String, String> =
        raw.map_or_else(Vec::new, |all| all.0).into_iter().map(|(from, Text(to))| (from, to)).collect();
    let at = path.key("hosts");
    for (from, to) in &hosts {
        let is_host = to.len() <= 253 && to.split('.').all(is_label);
        if !is_host {
            let help = "write a name of DNS labels, such as `pr-{number}.preview.example.com`";
            findings.error(&at.key(from), format!("`{to}` is no host name"), help);
        }
    }
    if !hosts.is_empty() && !has_url {
        let help = "add `url: https://…`: it is what reports lead to";
        findings.conflict(&at, "`hosts` names hosts, and no `url` says which of them is the preview's", help);
    }
    hosts
}

fn is_label(text: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn isolation(
    raw: Option<Isolation>,
    target: Option<&Target>,
    path: &Path,
    findings: &mut Findings<'_>,
) -> IsolationSettings {
    if raw.is_some() && matches!(target, Some(Target::Local(_))) {
        findings.conflict(path, "`isolation` has no effect: it is for previews in a cluster", "take it out");
    }
    let raw = raw.unwrap_or_default();
    let quantities = |all: Option<Ordered<Text>>| -> BTreeMap<String, String> {
        all.map_or_else(Vec::new, |all| all.0).into_iter().map(|(name, Text(text))| (name, text)).collect()
    };
    let is_closed = raw.network.unwrap_or(true);
    for (key, is_given) in [("from", raw.from.is_some()), ("to", raw.to.is_some())] {
        if is_given && !is_closed {
            findings.conflict(
                &path.key(key),
                format!("`{key}` has no effect with `network: false`"),
                "take one of the two out",
            );
        }
    }
    for (index, namespace) in raw.from.iter().flatten().enumerate() {
        label(namespace, "a namespace", findings, |findings, message, help| {
            findings.error(&path.key("from").index(index), message, help)
        });
    }
    for (index, network) in raw.to.iter().flatten().enumerate() {
        if !is_network(network) {
            let help = "write an address and the length of its prefix, such as `10.1.0.0/16`";
            findings.error(&path.key("to").index(index), format!("`{network}` is no network"), help);
        }
    }
    IsolationSettings {
        quota: quantities(raw.quota),
        defaults: quantities(raw.defaults),
        from: raw.from,
        to: raw.to.unwrap_or_default(),
        is_closed,
    }
}

/// A database of its own.
fn database(
    raw: Database,
    target: Option<&Target>,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Option<DatabaseSettings> {
    let is_local = matches!(target, Some(Target::Local(_)));
    let help =
        "write `server: $PREVIEW_SERVER`, the variable with the URL of a server for databases of previews";
    let server = required(raw.server, &path.key("server"), help, findings);
    let server = server.and_then(|text| env::secret(text, "previews", &path.key("server"), findings));
    let variable = raw.variable.unwrap_or_else(|| "DATABASE_URL".to_owned());
    if !env::is_name(&variable) {
        let message = format!("`{variable}` is no name of a variable");
        findings.error(&path.key("variable"), message, "write a name such as `DATABASE_URL`, without `$`");
    }
    if server.as_deref() == Some(variable.as_str()) {
        let message = "the server and the preview's own database have the same name";
        findings.conflict(
            &path.key("variable"),
            message,
            "give the server another one, such as `$PREVIEW_SERVER`",
        );
    }
    if is_local && raw.secret.is_some() {
        let message = "`secret` has no effect: instances on this machine take the URL by `env`";
        findings.conflict(&path.key("secret"), message, "take it out");
    }
    let secret = raw.secret.unwrap_or_else(|| "database".to_owned());
    let is_secret = secret.len() <= 253 && secret.split('.').all(is_label);
    if !is_secret {
        let message = format!("`{secret}` cannot be the name of a Secret");
        findings.error(&path.key("secret"), message, "use small letters, digits, inner dashes and dots");
    }
    if let Some(file) = &raw.seed {
        text_path(file, &path.key("seed"), findings);
    }
    let at = path.key("seed-command");
    let seed_command = raw.seed_command.map(|raw| command(raw, &at, findings));
    Some(DatabaseSettings {
        server: server?,
        variable,
        secret,
        seed: raw.seed,
        seed_command: match seed_command {
            Some(command) => Some(command?),
            None => None,
        },
    })
}

/// Whether a text is a network in CIDR notation (RFC 4632, RFC 4291).
fn is_network(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    match (address.parse::<std::net::IpAddr>(), length.parse::<u8>()) {
        (Ok(address), Ok(length)) => length <= if address.is_ipv4() { 32 } else { 128 },
        _ => false,
    }
}
