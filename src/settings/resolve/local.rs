//! The `local` target.

use std::path::{Component, Path as FilePath, PathBuf};
use std::time::Duration;

use super::{Findings, address, env, http, positive, required};
use crate::rollout::strategy::StrategyName;
use crate::settings::file::{Command, Local, Logs, Proxy, Upstream};
use crate::settings::model::{LocalSettings, LogOptions, ProxyOptions};
use crate::settings::shell::split;
use crate::yaml::Path;

pub(super) fn resolve(
    raw: Local,
    folder: &FilePath,
    path: &Path,
    findings: &mut Findings<'_>,
) -> Option<LocalSettings> {
    let help = "write the program that starts one instance, such as `[./server]`";
    let command = required(raw.command, &path.key("command"), help, findings)
        .and_then(|raw| command(raw, &path.key("command"), findings));
    let help = "write the public address, such as \"127.0.0.1:8080\"";
    let listen = required(raw.listen, &path.key("listen"), help, findings)
        .and_then(|raw| address::resolve(&raw, &path.key("listen"), findings));
    let admin = raw.admin.and_then(|raw| address::resolve(&raw, &path.key("admin"), findings));
    if let (Some(listen), Some(admin)) = (listen, admin)
        && address::clash(listen, admin)
    {
        let message = format!("`admin` is the same address as `listen` ({listen})");
        findings.conflict(&path.key("admin"), message, "give it another port");
    }
    let instances = raw.instances.unwrap_or(1);
    if !(1..=1000).contains(&instances) {
        let message = format!("{instances} instances are not possible");
        findings.error(&path.key("instances"), message, "give 1 to 1000");
    }
    let directory = raw.directory.unwrap_or_else(|| ".".to_owned());
    text_path(&directory, &path.key("directory"), findings);
    let directory = tidy(&folder.join(directory));
    let files = files(raw.files, &path.key("files"), findings);
    let env = env::resolve(raw.env, &path.key("env"), findings);
    let stop_grace = raw.stop_grace.map_or(Duration::from_secs(10), |time| time.0);
    let proxy = proxy(raw.proxy, &path.key("proxy"), findings);
    let logs = logs(raw.logs, &path.key("logs"), findings);
    Some(LocalSettings {
        command: command?,
        directory,
        files,
        instances,
        listen: listen?,
        admin,
        env,
        stop_grace,
        proxy,
        logs,
    })
}

/// Settings of the router that have no effect with the strategy.
pub(super) fn check_use(
    local: &LocalSettings,
    strategy: StrategyName,
    path: &Path,
    findings: &mut Findings<'_>,
) {
    if strategy != StrategyName::Recreate {
        return;
    }
    for (given, key) in
        [(local.proxy.sticky_cookie.is_some(), "sticky-cookie"), (local.proxy.header.is_some(), "header")]
    {
        if given {
            let message =
                format!("`{key}` has no effect: with `recreate` there is only one release at a time");
            findings.conflict(&path.key(key), message, "take it out, or use another strategy");
        }
    }
}

pub(super) fn command(raw: Command, path: &Path, findings: &mut Findings<'_>) -> Option<Vec<String>> {
    let words = match raw {
        Command::Line(line) => match split(&line) {
            Ok(words) => words,
            Err((message, help)) => {
                findings.error(path, message, &help);
                return None;
            }
        },
        Command::Words(words) => words,
    };
    if words.first().is_none_or(String::is_empty) {
        findings.empty(path, "the command names no program", "write the program first, such as `[./server]`");
        return None;
    }
    if words.iter().any(|word| word.contains('\0')) {
        findings.error(path, "a command cannot hold the character NUL", "take the `\\0` out");
    }
    let shell = words.iter().skip(1).any(|word| word.starts_with('-') && word.ends_with('c'));
    if !shell && words.iter().any(|word| env::mentions_variable(word)) {
        let message = "no shell runs the command: it gets the `$` as it is written";
        findings.warn(path, message, "to have it expanded, write `[sh, -c, \"exec ./server --port $PORT\"]`");
    }
    Some(words)
}

pub(super) fn text_path(text: &str, path: &Path, findings: &mut Findings<'_>) {
    if text.is_empty() || text.contains('\0') {
        findings.error(path, format!("`{text}` is not a path"), "name a file or directory");
    }
}

/// Takes `.` out, which says nothing; `..` stays, as it can lead elsewhere over a symbolic link.
pub(super) fn tidy(path: &FilePath) -> PathBuf {
    let tidy: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    if tidy.as_os_str().is_empty() { PathBuf::from(".") } else { tidy }
}

fn files(raw: Option<Vec<String>>, path: &Path, findings: &mut Findings<'_>) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for (index, text) in raw.unwrap_or_default().into_iter().enumerate() {
        text_path(&text, &path.index(index), findings);
        let file = tidy(FilePath::new(&text));
        if files.contains(&file) {
            findings.error(&path.index(index), format!("`{text}` is listed twice"), "list it once");
        }
        files.push(file);
    }
    files
}

fn proxy(raw: Option<Proxy>, path: &Path, findings: &mut Findings<'_>) -> ProxyOptions {
    let default = ProxyOptions::default();
    let Some(raw) = raw else { return default };
    if let Some(cookie) = &raw.sticky_cookie {
        http::cookie(cookie, &path.key("sticky-cookie"), findings);
    }
    let header = raw.header.map(|header| http::header(header, &path.key("header"), findings));
    let mut read = |raw, default, key: &str| positive(raw, default, &path.key(key), findings);
    ProxyOptions {
        sticky_cookie: raw.sticky_cookie,
        header,
        h2c: raw.upstream == Some(Upstream::H2c),
        hold: raw.hold.map_or(default.hold, |time| time.0),
        connect_timeout: read(raw.connect_timeout, default.connect_timeout, "connect-timeout"),
        response_timeout: read(raw.response_timeout, default.response_timeout, "response-timeout"),
        idle_timeout: read(raw.idle_timeout, default.idle_timeout, "idle-timeout"),
        upgraded_grace: raw.upgraded_grace.map_or(default.upgraded_grace, |time| time.0),
        trust_forwarded: raw.trust_forwarded.unwrap_or(default.trust_forwarded),
    }
}

fn logs(raw: Option<Logs>, path: &Path, findings: &mut Findings<'_>) -> LogOptions {
    let default = LogOptions::default();
    let Some(raw) = raw else { return default };
    let logs = LogOptions {
        max_size: raw.max_size.map_or(default.max_size, |size| size.0),
        keep: raw.keep.unwrap_or(default.keep),
    };
    if logs.max_size < 1024 {
        findings.error(&path.key("max-size"), "a log file this small holds nothing", "give at least `1KiB`");
    }
    if logs.keep > 1000 {
        findings.error(&path.key("keep"), "more than 1000 log files are not kept", "give at most 1000");
    }
    logs
}
