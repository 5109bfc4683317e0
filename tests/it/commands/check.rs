//! `gate check` as a workflow's step runs it.

use std::fs;

use serde_json::{Value, json};

use super::kit::{App, Config, tells};

/// A report as Trivy writes one, with a finding of each severity in the lock file of an app.
fn report() -> Value {
    let found =
        [("CVE-2024-1", "9.8", "error"), ("CVE-2024-2", "7.5", "error"), ("CVE-2024-3", "5.0", "warning")];
    let rules: Vec<Value> = found
        .iter()
        .map(|(id, score, _)| {
            json!({ "id": id, "helpUri": format!("https://example.test/{id}"),
                    "properties": { "security-severity": score } })
        })
        .collect();
    let results: Vec<Value> = found
        .iter()
        .map(|(id, _, level)| {
            let text = format!("Package: zlib\nInstalled Version: 1.2\nVulnerability {id}");
            let place = json!({ "artifactLocation": { "uri": "go.sum" }, "region": { "startLine": 4 } });
            json!({ "ruleId": id, "level": level, "message": { "text": text },
                    "locations": [{ "physicalLocation": place }] })
        })
        .collect();
    let driver = json!({ "name": "Trivy", "version": "0.68.0", "rules": rules });
    json!({ "version": "2.1.0", "runs": [{ "tool": { "driver": driver }, "results": results }] })
}

fn app() -> App {
    let app = App::new(&Config::default());
    fs::write(app.path("a.sarif"), report().to_string()).unwrap();
    app
}

#[test]
fn findings_from_the_threshold_on_refuse_it_and_all_are_told() {
    let app = app();
    let answer = app.json(&["gate", "check", "--sarif", "a.sarif"]);
    assert_eq!((&answer["verdict"], &answer["reason"]), (&json!("fail"), &json!("findings")));
    assert_eq!(answer["exit_code"], 3);
    assert_eq!(answer["tools"], json!(["Trivy 0.68.0"]));
    let counts = json!({ "critical": 1, "high": 1, "medium": 1, "low": 0, "info": 0 });
    assert_eq!((&answer["counts"], &answer["fail_on"]), (&counts, &json!("high")));
    let first = json!({
        "tool": "Trivy", "rule": "CVE-2024-1", "severity": "critical", "score": 9.8,
        "message": "Package: zlib\nInstalled Version: 1.2\nVulnerability CVE-2024-1",
        "file": "go.sum", "line": 4, "package": "zlib 1.2", "help": "https://example.test/CVE-2024-1",
    });
    assert_eq!(answer["failing"][0], first);
    assert_eq!(answer["below"].as_array().unwrap().len(), 1);

    let said = app.run(&["gate", "check", "--sarif", "a.sarif", "--fail-on", "critical"]).exits(3);
    let expected = "critical 9.8  CVE-2024-1  zlib 1.2  go.sum:4
  | Package: zlib
high 7.5  CVE-2024-2  zlib 1.2  go.sum:4
  | Package: zlib
medium 5.0  CVE-2024-3  zlib 1.2  go.sum:4
  | Package: zlib
fail[findings]: 1 finding of severity critical, such as CVE-2024-1
";
    assert_eq!((said.out.as_str(), said.err.as_str()), (expected, ""));
}

#[test]
fn what_is_ignored_lets_it_pass_with_the_reason_in_the_file() {
    let app = app();
    let list = "# not reachable\nCVE-2024-1 exp:2999-01-01\nCVE-2024-2 exp:2020-01-01\nCVE-1999-1\n";
    fs::write(app.path("borne"), list).unwrap();
    let check = ["gate", "check", "--sarif", "a.sarif", "--ignore-file", "borne"];
    let answer = app.json(&check);
    assert_eq!((&answer["verdict"], &answer["ignored"][0]["rule"]), (&json!("fail"), &json!("CVE-2024-1")));
    let over = json!([{ "rule": "CVE-2024-2", "until": "2020-01-01", "reason": null }]);
    assert_eq!((&answer["expired"], &answer["unused"][0]["rule"]), (&over, &json!("CVE-1999-1")));

    let said = app.run(&[&check[..], &["--ignore", "CVE-2024-2"]].concat()).exits(0);
    tells(
        &said.out,
        &["CVE-1999-1 is ignored and was not found", "pass[no-findings]: 1 finding, none of severity high"],
    );
    tells(&said.out, &["(besides 2 ignored)"]);
    app.run(&["gate", "check", "--sarif", "a.sarif", "--fail-on", "none"]).exits(0);
}

#[test]
fn a_report_that_tells_nothing_or_is_broken_is_never_a_pass() {
    let app = app();
    let whole = report().to_string();
    fs::write(app.path("cut.sarif"), &whole[..whole.len() / 2]).unwrap();
    fs::write(app.path("none.sarif"), r#"{"version": "2.1.0", "runs": []}"#).unwrap();
    fs::write(app.path("bad.ignore"), "CVE-2024-1 until tomorrow\n").unwrap();
    for (words, exit, code) in [
        (vec!["--sarif", "cut.sarif"], 2, "bad-report"),
        (vec!["--sarif", "a.sarif", "--sarif", "cut.sarif", "--fail-on", "none"], 2, "bad-report"),
        (vec!["--sarif", "nowhere.sarif"], 2, "bad-report"),
        (vec!["--sarif", "."], 2, "bad-report"),
        (vec!["--sarif", "a.sarif", "--ignore-file", "bad.ignore"], 2, "bad-ignore"),
        (vec!["--sarif", "a.sarif", "--ignore-file", "nowhere"], 2, "bad-ignore"),
    ] {
        app.run(&[&["gate", "check"], &words[..]].concat()).exits(exit).error(code);
    }
    // With nothing to judge there is nothing that passes.
    for words in [vec![], vec!["--fail-on", "low"]] {
        let answer = app.json(&[&["gate", "check"], &words[..]].concat());
        assert_eq!(answer["error"]["code"], "usage", "{answer:#}");
    }
    let answer = app.json(&["gate", "check", "--sarif", "none.sarif", "--fail-on", "none"]);
    assert_eq!((&answer["verdict"], &answer["reason"]), (&json!("no-data"), &json!("no-scan")));
    assert_eq!(answer["exit_code"], 3);
}

#[test]
fn in_a_workflow_findings_are_annotations_beside_the_answer() {
    let mut app = app();
    app.variable("GITHUB_ACTIONS", "true");
    app.variable("GITHUB_WORKSPACE", "/w/shop");
    let mut moved = report();
    let place = "/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri";
    *moved.pointer_mut(place).unwrap() = json!("file:///w/shop/a%20b/go.sum");
    *moved.pointer_mut("/runs/0/results/1/message/text").unwrap() =
        json!("\u{1b}[2J\n::add-mask::x\n##[group]y");
    fs::write(app.path("a.sarif"), moved.to_string()).unwrap();
    let said = app.run(&["gate", "check", "--sarif", "a.sarif", "--output", "json"]).exits(3);
    assert_eq!(said.json()["failing"][0]["file"], "a b/go.sum");
    let lines: Vec<&str> = said.err.lines().collect();
    assert_eq!(lines.len(), 3, "{}", said.err);
    assert!(
        lines[0].starts_with("::error file=a b/go.sum,line=4,title=CVE-2024-1 (critical)::Package: zlib%0A")
    );
    assert!(lines[1].starts_with("::error file=go.sum,line=4,title=CVE-2024-2 (high)::"), "{}", lines[1]);
    assert!(lines[2].starts_with("::warning file=go.sum,line=4,title=CVE-2024-3 (medium)::"));
    let text = app.run(&["gate", "check", "--sarif", "a.sarif"]).exits(3).out;
    for line in text.lines() {
        assert!(
            !line.trim_start().starts_with("::") && !line.contains("##[") && !line.contains('\u{1b}'),
            "{line}"
        );
    }
}

#[test]
fn a_large_report_is_read_whole() {
    let app = app();
    let mut many = report();
    let results = many.pointer_mut("/runs/0/results").unwrap().as_array_mut().unwrap();
    let one = results[2].clone();
    results.extend(std::iter::repeat_n(one, 30_000));
    results.rotate_left(3);
    fs::write(app.path("a.sarif"), many.to_string()).unwrap();
    let answer = app.json(&["gate", "check", "--sarif", "a.sarif"]);
    assert_eq!((&answer["counts"]["critical"], &answer["counts"]["medium"]), (&json!(1), &json!(30_001)));
    let text = app.run(&["gate", "check", "--sarif", "a.sarif"]).exits(3).out;
    tells(&text, &["critical 9.8", "… and 29953 more; --output json has all", "fail[findings]: 2 findings"]);
}
