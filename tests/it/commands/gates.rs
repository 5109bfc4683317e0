//! Gates as users meet them: programs, services, files and numbers, good ones and those that lie, hang or say nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::kit::{App, Config, tells};
use super::servers::http;

/// A blue-green that asks this before traffic moves.
fn before(gates: &str) -> Config {
    Config { strategy: format!("{{ blue-green: {{ before: [{gates}] }} }}"), ..Config::default() }
}

/// An app with v1 live, which then asks this.
fn asking(gates: &str) -> App {
    let app = App::live(&Config::default());
    app.write(&before(gates));
    app
}

fn script(app: &App, name: &str, text: &str) {
    let file = app.path(name);
    fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

#[track_caller]
fn ends(answer: &Value, outcome: &str, reason: &str) {
    assert_eq!((&answer["outcome"], &answer["reason"]), (&json!(outcome), &json!(reason)), "{answer:#}");
}

fn sentence(answer: &Value) -> &str {
    answer["sentence"].as_str().unwrap()
}

#[test]
fn a_program_decides_and_knows_what_about() {
    let app = asking("{ run: ./smoke.sh, every: 100ms }");
    // It asks for patience once, and looks at the new release directly.
    script(
        &app,
        "smoke.sh",
        "[ -f asked ] || { touch asked; echo not yet; exit 75; }\n\
         env | grep ^TIDEGATE_ > variables",
    );
    let said = app.run(&["deploy", "--version", "v2"]).exits(0);
    tells(&said.err, &["`./smoke.sh` says to wait: not yet", "pass: `./smoke.sh` passed"]);
    let variables = fs::read_to_string(app.path("variables")).unwrap();
    tells(&variables, &["TIDEGATE_VERSION=v2", "TIDEGATE_ENVIRONMENT=dev", "TIDEGATE_APP=shop"]);
    let address = variables.lines().find_map(|line| line.strip_prefix("TIDEGATE_ADDRESS=")).unwrap();
    assert!(address.starts_with("127.0.0.1:") && !address.ends_with(&format!(":{}", app.port)), "{address}");
    assert!(std::net::TcpStream::connect(address).is_ok(), "it is one of the instances: {address}");
    app.serves("v2");
    script(&app, "smoke.sh", "echo 'expected 3 items'; echo 'but got 2' >&2; exit 9");
    let answer = app.json(&["deploy", "--version", "v3"]);
    ends(&answer, "rolled-back", "gate-failed");
    tells(sentence(&answer), &["`./smoke.sh` failed (exit code 9): ", "v2 serves all requests"]);
    let log = answer["log_tail"].as_array().unwrap();
    assert!(log.contains(&json!("expected 3 items")) && log.contains(&json!("but got 2")), "{answer:#}");
    app.serves("v2");
    fs::remove_file(app.path("smoke.sh")).unwrap();
    let answer = app.json(&["deploy", "--version", "v4"]);
    ends(&answer, "rolled-back", "gate-silent");
    tells(sentence(&answer), &["./smoke.sh cannot be started: No such file"]);
}

#[test]
fn a_program_that_hangs_is_ended_with_all_that_it_began() {
    let app = asking("{ run: ./hang.sh, within: 1s }");
    script(&app, "hang.sh", "sleep 4711 & sleep 4711");
    let begun = Instant::now();
    let answer = app.json(&["deploy", "--version", "v2"]);
    ends(&answer, "rolled-back", "gate-silent");
    tells(sentence(&answer), &["`./hang.sh` tells nothing: no end within"]);
    assert!(begun.elapsed() < Duration::from_secs(30));
    let hangs = |app: &App| {
        app.processes().into_iter().any(|id| {
            fs::read(format!("/proc/{id}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains("4711"))
        })
    };
    assert!(!hangs(&app), "something of the program is left");
    // A signal ends it, too, and the way back is not held up by it.
    app.write(&before("{ run: ./hang.sh, within: 5m }"));
    let running = app.start(&["deploy", "--version", "v3"]);
    running.until("runs `./hang.sh`");
    let begun = Instant::now();
    running.signal(Signal::INT);
    running.end().exits(130);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(!hangs(&app), "something of the program is left");
    app.serves("v1");
}

#[test]
fn an_approval_is_waited_for_and_is_for_one_release() {
    let app = asking("{ approval: \"approvals/{version}\", every: 100ms, within: 40s }");
    fs::create_dir(app.path("approvals")).unwrap();
    fs::write(app.path("approvals/v1"), "approved").unwrap();
    let running = app.start(&["deploy", "--version", "v2"]);
    running.until("approval approvals/v2 is not there yet");
    fs::write(app.path("approvals/v2.new"), "approved: Ann, after the demo\n").unwrap();
    fs::rename(app.path("approvals/v2.new"), app.path("approvals/v2")).unwrap();
    let said = running.end().exits(0);
    tells(&said.err, &["pass: approval approvals/v2 is given: Ann, after the demo"]);
    fs::write(app.path("approvals/v3"), "rejected: Bob, the numbers are wrong\n").unwrap();
    let answer = app.json(&["deploy", "--version", "v3"]);
    ends(&answer, "rolled-back", "gate-failed");
    tells(sentence(&answer), &["is refused: Bob, the numbers are wrong"]);
    app.write(&before("{ approval: \"approvals/{version}\", every: 100ms, within: 1s }"));
    let answer = app.json(&["deploy", "--version", "v4"]);
    ends(&answer, "paused", "paused");
    tells(sentence(&answer), &["approval approvals/v4 is not there yet", "`tidegate promote dev` goes on"]);
    app.serves("v2");
    ends(&app.json(&["promote"]), "promoted", "promoted");
    app.serves("v4");
}

#[test]
fn a_webhook_is_told_what_it_is_about_and_its_verdict_counts() {
    let mut app =
        asking("{ webhook: { url: $GATE, secret: $GATE_SECRET }, every: 100ms, name: change desk }");
    let wait = "200 OK\n\n{\"verdict\":\"wait\",\"reason\":\"in the queue\"}";
    let (port, heard) = http(&["503 Busy\n\n", wait, "200 OK\n\n{\"verdict\":\"pass\"}"], None);
    app.variable("GATE", &format!("http://127.0.0.1:{port}/hooks/path-4711-secret"));
    app.variable("GATE_SECRET", "whsec_c2VjcmV0LTQ3MTE=");
    let said = app.run(&["deploy", "--version", "v2"]).exits(0);
    tells(
        &said.err,
        &[
            "change desk tells nothing: the answer was 503",
            "change desk says to wait: in the queue",
            "pass: change desk passed",
        ],
    );
    assert!(!said.err.contains("4711"), "{}", said.err);
    let all = heard.all();
    assert_eq!(all.len(), 3);
    tells(
        &all[0],
        &[
            "POST /hooks/path-4711-secret",
            "webhook-signature: v1,",
            "\"version\":\"v2\"",
            "\"gate\":\"change desk\"",
        ],
    );
    let id = |request: &str| request.lines().find(|line| line.starts_with("webhook-id")).unwrap().to_owned();
    assert_eq!(id(&all[0]), id(&all[2]), "the same question has the same identity");
    let (port, _) = http(&["200 OK\n\n{\"verdict\":\"fail\",\"reason\":\"no change ticket\"}"], None);
    app.variable("GATE", &format!("http://127.0.0.1:{port}/"));
    let answer = app.json(&["deploy", "--version", "v3"]);
    ends(&answer, "rolled-back", "gate-failed");
    tells(sentence(&answer), &["change desk failed: no change ticket"]);
}

/// What is no number, whoever says it.
const LIES: [(&str, &str); 8] = [
    ("200 OK\n\n<html>Sign in</html>", "the answer is not JSON"),
    ("200 OK\n\n", "the answer is not JSON"),
    ("200 OK\n\n{\"rate\":\"NaN\"}", "the answer is NaN, which is no number"),
    ("200 OK\n\n{\"rate\":null}", "what stands at /rate is no number"),
    ("200 OK\n\n{\"other\":0}", "the answer has nothing at /rate"),
    ("500 Oops\n\n{\"rate\":0}", "the answer was 500"),
    ("302 Found\nlocation: http://127.0.0.1:1/\n\n{\"rate\":0}", "the answer was 302"),
    ("", "tells nothing: no answer within"),
];

#[test]
fn sources_that_lie_hang_or_say_nothing_never_pass() {
    let gate =
        "{ metric: { get: $RATE, value: /rate, max: 1 }, within: 1s, every: 200ms, inconclusive: pass }";
    let mut app = asking(gate);
    let long = format!("200 OK\n\n{{\"rate\":0,\"x\":\"{}\"}}", "x".repeat(10 << 20));
    let long = [(long.as_str(), "the answer has more than 1024 KiB")];
    for (number, (answer, why)) in LIES.iter().chain(&long).enumerate() {
        let (port, _) = http(&[answer], None);
        app.variable("RATE", &format!("http://127.0.0.1:{port}/path-4711-secret"));
        let said = app.json(&["deploy", "--version", &format!("v{}", number + 2)]);
        ends(&said, "rolled-back", "gate-silent");
        tells(sentence(&said), &[why]);
        assert!(!said.to_string().contains("4711"), "{said:#}");
    }
    app.variable("RATE", "http://127.0.0.1:1/path-4711-secret");
    let said = app.json(&["deploy", "--version", "v20"]);
    ends(&said, "rolled-back", "gate-silent");
    tells(sentence(&said), &["onnection refused"]);
    assert!(!said.to_string().contains("4711"), "{said:#}");
    app.serves("v1");
}

#[test]
fn numbers_within_the_bounds_pass_and_others_fail() {
    let metric = "{ metric: { get: $RATE, value: /data/0/rate, max: 1, passes: 2, failures: 2 }, within: 20s, every: 100ms }";
    let mut app = asking(metric);
    let of = |value: &str| format!("200 OK\n\n{{\"data\":[{{\"rate\":{value}}}]}}");
    let (port, heard) = http(&[&of("0.5"), &of("7"), &of("\"0.25\""), &of("1")], None);
    app.variable("RATE", &format!("http://127.0.0.1:{port}/"));
    let said = app.run(&["deploy", "--version", "v2"]).exits(0);
    tells(&said.err, &["is 7, only at most 1 is good, 1 of 2 times in a row", "is 1, at most 1 is good"]);
    assert_eq!(heard.all().len(), 4);
    let (port, _) = http(&[&of("0.5"), &of("1.5"), &of("2e3")], None);
    app.variable("RATE", &format!("http://127.0.0.1:{port}/"));
    let answer = app.json(&["deploy", "--version", "v3"]);
    ends(&answer, "rolled-back", "gate-failed");
    tells(sentence(&answer), &["metric /data/0/rate of $RATE is 2000, only at most 1 is good"]);
    app.serves("v2");
}

#[test]
fn providers_are_asked_in_their_own_way() {
    let datadog = "{ metric: { datadog: { site: $SITE, query: \"avg:shop.errors{version:{{version}}}\" }, max: 1, passes: 1 }, within: 10s }";
    let answer = json!({ "status": "ok", "series": [{ "pointlist": [[1, 9.0], [4e15, 0.5]] }] });
    let (port, heard) = http(&[&format!("200 OK\n\n{answer}")], None);
    let mut app = asking(&datadog.replace("$SITE", &format!("\"http://127.0.0.1:{port}\"")));
    app.variable("DD_API_KEY", "api-4711-secret");
    app.variable("DD_APP_KEY", "app-4711-secret");
    let said = app.run(&["deploy", "--version", "v2"]).exits(0);
    tells(&said.err, &["is 0.5, at most 1 is good"]);
    assert!(!said.err.contains("4711"), "{}", said.err);
    tells(
        &heard.all()[0],
        &[
            "GET /api/v1/query?from=",
            "query=avg%3Ashop.errors%7Bversion%3Av2%7D",
            "dd-api-key: api-4711-secret",
        ],
    );
    let answer =
        json!({ "MetricDataResults": [{ "Id": "asked", "Values": [0.125, 7.0], "Timestamps": [4e12, 1] }] });
    let (port, heard) = http(&[&format!("200 OK\n\n{answer}")], None);
    let cloud_watch = format!(
        "{{ metric: {{ cloudwatch: {{ region: eu-central-1, address: \"http://127.0.0.1:{port}\", \
           expression: \"SELECT AVG(Latency) FROM Shop\" }}, max: 1, passes: 1 }}, within: 10s }}"
    );
    app.write(&before(&cloud_watch));
    app.variable("AWS_ACCESS_KEY_ID", "AKID");
    app.variable("AWS_SECRET_ACCESS_KEY", "aws-4711-secret");
    let said = app.run(&["deploy", "--version", "v3"]).exits(0);
    tells(&said.err, &["is 0.125, at most 1 is good"]);
    tells(
        &heard.all()[0],
        &[
            "x-amz-target: GraniteServiceVersion20100801.GetMetricData",
            "authorization: AWS4-HMAC-SHA256 Credential=AKID/",
            "/eu-central-1/monitoring/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, ",
            "\"Expression\":\"SELECT AVG(Latency) FROM Shop\"",
        ],
    );
    assert!(!heard.all()[0].contains("4711"));
    app.write(&before("{ metric: { command: [sh, -c, \"echo looks; echo 0.75\"], min: 0.7, passes: 1 } }"));
    let said = app.run(&["deploy", "--version", "v4"]).exits(0);
    tells(&said.err, &["is 0.75, at least 0.7 is good"]);
    app.serves("v4");
}

#[test]
fn a_gate_at_each_weight_stops_a_canary_and_an_advisory_one_does_not() {
    let canary = |gates: &str| Config {
        strategy: format!(
            "{{ canary: {{ weights: [10, 50], compare: false, at-most: 300ms, gates: [{gates}] }} }}"
        ),
        ..Config::default()
    };
    let app = App::live(&Config::default());
    app.write(&canary("{ run: ./gate.sh }"));
    script(&app, "gate.sh", "echo x >> times; [ $(wc -l < times) -lt 2 ]");
    let answer = app.json(&["deploy", "--version", "v2"]);
    ends(&answer, "rolled-back", "gate-failed");
    assert_eq!(fs::read_to_string(app.path("times")).unwrap(), "x\nx\n", "once at each weight");
    app.serves("v1");
    app.write(&canary("{ run: ./gate.sh, advisory: true }"));
    let said = app.run(&["deploy", "--version", "v3"]).exits(0);
    tells(&said.err, &["warning: `./gate.sh` failed (exit code 1); it is advisory, and stops nothing"]);
    app.serves("v3");
    // The plan shows what is asked.
    tells(&app.run(&["plan", "--version", "v4"]).exits(0).out, &["ask `./gate.sh` (advisory)"]);
}

#[test]
fn a_gate_that_is_asked_when_its_process_is_killed_is_asked_again() {
    let app = asking("{ run: ./gate.sh, within: 40s }");
    script(&app, "gate.sh", "echo x >> times; [ -f go ] || sleep 30; exit 0");
    let running = app.start(&["deploy", "--version", "v2"]);
    running.until("runs `./gate.sh`");
    while !app.path("times").exists() {
        thread::sleep(Duration::from_millis(10));
    }
    running.signal(Signal::KILL);
    running.end();
    fs::write(app.path("go"), "").unwrap();
    ends(&app.json(&["resume"]), "promoted", "promoted");
    assert_eq!(fs::read_to_string(app.path("times")).unwrap(), "x\nx\n");
    app.serves("v2");
}

#[test]
fn gates_are_asked_by_hand_about_what_is_live() {
    let app =
        asking("{ get: /health }, { run: ./gate.sh, within: 5s }, { approval: \"approvals/{version}\" }");
    script(&app, "gate.sh", "echo looked; exit $(cat code)");
    fs::write(app.path("code"), "0").unwrap();
    let verdicts = |answer: &Value| -> Vec<String> {
        let gates = answer["gates"].as_array().unwrap().iter();
        gates
            .map(|gate| format!("{} {}", gate["place"].as_str().unwrap(), gate["verdict"].as_str().unwrap()))
            .collect()
    };
    let answer = app.json(&["gate", "check", "dev"]);
    assert_eq!(
        verdicts(&answer),
        ["freeze pass", "before pass", "before pass", "before inconclusive", "verify pass"]
    );
    assert_eq!((&answer["verdict"], &answer["exit_code"]), (&json!("inconclusive"), &json!(3)));
    fs::create_dir(app.path("approvals")).unwrap();
    fs::write(app.path("approvals/v1"), "approved").unwrap();
    let said = app.run(&["gate", "check", "dev"]).exits(0);
    tells(&said.out, &["pass         before  `./gate.sh` passed", "pass: shop v1 in dev"]);
    fs::write(app.path("code"), "3").unwrap();
    let answer = app.json(&["gate", "check", "dev"]);
    assert_eq!((&answer["verdict"], &answer["gates"][2]["log_tail"]), (&json!("fail"), &json!(["looked"])));
    assert_eq!(app.history(), ["v1 promoted"], "nothing of it is a rollout");
    app.serves("v1");
    let empty = App::new(&Config::default());
    empty.run(&["gate", "check", "dev"]).exits(2).error("nothing-live");
    empty.run(&["gate", "check", "dev", "--sarif", "x"]).exits(2);
}

#[test]
fn a_load_of_its_own_must_come_to_its_objectives() {
    let load = |more: &str, env: &str| Config {
        env: format!("{{ {env} }}"),
        ..before(&format!(
            "{{ load: {{ rate: 200, total: 200, requests: [{{ get: / }}, {{ post: /upload, body: {{ n: 1 }} }}] }}, objectives: {{ errors: 1%{more} }} }}"
        ))
    };
    let app = App::live(&Config::default());
    app.write(&load(", p50: 2s, p95: 3s, p99: 4s", ""));
    let said = app.run(&["deploy", "--version", "v2"]).exits(0);
    tells(&said.err, &["pass: load of 200 requests a second passed: 200 requests, 0 failed, p50 "]);
    app.write(&load("", "SAMPLE_FAIL: \"0.1\""));
    let answer = app.json(&["deploy", "--version", "v3"]);
    ends(&answer, "rolled-back", "gate-failed");
    // As soon as it is clear, and long before all are sent: every tenth fails, and two may.
    tells(sentence(&answer), &["failed: 3 of ", " failed, expected at most 1 %", "the answer was 500"]);
    app.write(&load(", p50: 1ms", "SAMPLE_SLOW_SHARE: \"1\", SAMPLE_SLOW_MS: \"20\""));
    let answer = app.json(&["deploy", "--version", "v4"]);
    ends(&answer, "rolled-back", "gate-failed");
    tells(sentence(&answer), &["failed: p50 of ", "expected at most 1ms"]);
    app.serves("v2");
}
