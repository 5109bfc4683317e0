//! What people read, as a whole: kept as snapshots, with everything scrubbed that differs from run to run.

use std::net::{Ipv4Addr, SocketAddr};

use tidegate::sample::load::Load;

use super::kit::{App, Config, Said};

/// Puts names in place of times, identities, digests, ports and paths.
fn scrub(app: &App, text: &str) -> String {
    let text = text.replace(&app.path("").display().to_string(), "[dir]/");
    let text = text.replace(&app.port.to_string(), "[port]").replace(super::kit::TIDEGATE, "[tidegate]");
    let mut clean = String::new();
    for line in text.lines() {
        let words: Vec<String> = line.split(' ').map(word).collect();
        let line = seconds(words).join(" ");
        clean += &if line.contains("requests to the candidate") { without_numbers(&line) } else { line };
        clean.push('\n');
    }
    clean
}

/// `0.3 s` becomes `N s`.
fn seconds(mut words: Vec<String>) -> Vec<String> {
    for index in 1..words.len() {
        let is_unit = words[index].trim_end_matches([',', ';', ':']) == "s";
        let number = mask(&words[index - 1]);
        if is_unit && number.contains('9') && number.trim_matches(['9', '.']).is_empty() {
            words[index - 1] = "N".to_owned();
        }
    }
    words
}

/// The shape of a word: each digit as 9.
fn mask(word: &str) -> String {
    word.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect()
}

fn word(word: &str) -> String {
    let core = word.trim_matches(['`', ',', ';', '*']);
    let shape = mask(core);
    let hex = |text: &str| text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
    let name = match core {
        _ if shape.starts_with("99:99:99") => "[time]",
        _ if shape.starts_with("9999-99-99T") => "[instant]",
        _ if shape == "9999-99-99" => "[date]",
        _ if shape.starts_with("99999999T999999999-") => "[rollout]",
        _ if core.strip_prefix("sha256:").is_some_and(hex) => "[digest]",
        _ if core.len() == 12 && hex(core) => "[release]",
        _ => return word.to_owned(),
    };
    word.replace(core, name)
}

/// The figures of a judgement differ from run to run; its words, and the versions in them, do not.
fn without_numbers(line: &str) -> String {
    let figure = |word: &str| {
        let core = word.trim_start_matches('(').trim_end_matches([')', ',', ';', ':', '.']);
        let is_figure = mask(core).trim_matches(['9', ',', '.']).is_empty() && !core.is_empty();
        if is_figure { word.replace(core, "N") } else { word.to_owned() }
    };
    line.split(' ').map(figure).collect::<Vec<_>>().join(" ")
}

fn both(app: &App, said: &Said) -> String {
    format!("exit {}\n--- stdout\n{}--- stderr\n{}", said.code, scrub(app, &said.out), scrub(app, &said.err))
}

/// Compares with the kept text; `INSTA_UPDATE=always` keeps it anew.
fn keeps(name: &str, text: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn a_deploy_and_looks_at_it() {
    let app = App::new(&Config::canary("300ms"));
    keeps("plan_first", &both(&app, &app.run(&["plan", "--version", "v1"])));
    keeps("status_nothing", &both(&app, &app.run(&["status"])));
    keeps("deploy_first", &both(&app, &app.run(&["deploy", "--version", "v1"])));
    keeps("plan_second", &both(&app, &app.run(&["plan", "--version", "v2"])));
    keeps("deploy_second", &both(&app, &app.run(&["deploy", "--version", "v2"])));
    keeps("status", &both(&app, &app.run(&["status"])));
    keeps("history", &both(&app, &app.run(&["history"])));
    keeps("history_events", &both(&app, &app.run(&["history", "-n", "1", "--events"])));
    keeps("rollback", &both(&app, &app.run(&["rollback"])));
}

#[test]
fn errors_with_place_cause_and_cure() {
    let app = App::new(&Config { more: "    stratgy: rolling\n".to_owned(), ..Config::default() });
    keeps("error_configuration", &both(&app, &app.run(&["validate"])));
    app.write(&Config::default());
    keeps("error_environment", &both(&app, &app.run(&["status", "def"])));
    app.run(&["lock", "--reason", "moving house"]);
    keeps("error_closed", &both(&app, &app.run(&["deploy", "--version", "v1"])));
}

/// The shares of the stages do not matter here: the new release fails every request.
#[test]
fn a_canary_that_is_taken_back_with_its_reports() {
    let strategy =
        "{ canary: { weights: [30, 60], compare: { errors: 1%, min-requests: 10 }, at-most: 30s } }";
    let config =
        |env: &str| Config { env: env.to_owned(), strategy: strategy.to_owned(), ..Config::default() };
    let app = App::live(&config("{}"));
    app.write(&config("{ SAMPLE_FAIL: \"1\" }"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let visitors =
        runtime.block_on(async { Load::new(SocketAddr::from((Ipv4Addr::LOCALHOST, app.port)), 60).start() });
    let deploy = ["deploy", "--version", "v2", "--report", "report.md", "--metrics-file", "metrics.txt"];
    let said = app.run(&deploy);
    let ledger = runtime.block_on(visitors.stop());
    assert_eq!(ledger.lost, 0, "{:?}", ledger.by_loss);
    keeps("canary_taken_back", &both(&app, &said));
    let read = |name: &str| std::fs::read_to_string(app.path(name)).unwrap();
    keeps("canary_report", &scrub(&app, &read("report.md")));
    let metrics = read("metrics.txt");
    let plain = metrics.lines().map(|line| match line.rsplit_once(' ') {
        Some((name, _)) if name.contains("_seconds") && !line.starts_with('#') => format!("{name} N\n"),
        _ => format!("{line}\n"),
    });
    keeps("canary_metrics", &plain.collect::<String>());
}
