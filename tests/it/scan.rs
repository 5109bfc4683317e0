//! Reports of scanners in SARIF: what is read from them, and what comes of it.

use jiff::civil::{Date, date};
use serde_json::{Value, json};
use tidegate::rollout::Verdict;
use tidegate::scan::{Ignore, Judged, Policy, Report, Severity, State, judge, read};

const TODAY: Date = date(2026, 6, 1);

fn log(runs: &Value) -> Value {
    json!({ "version": "2.1.0", "runs": runs })
}

/// A report of one run with these rules and results.
fn report(rules: Value, results: Value) -> Report {
    let run = json!({ "tool": { "driver": { "name": "t", "rules": rules } }, "results": results });
    parsed(&log(&json!([run])))
}

#[track_caller]
fn parsed(log: &Value) -> Report {
    read("a.sarif", log.to_string().as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

fn judged(report: &Report, fail_on: Option<Severity>) -> Judged {
    judge(report.clone(), &Policy { fail_on, ignored: Vec::new() }, TODAY)
}

/// The severity of one result under one rule.
#[track_caller]
fn severity(rule: Value, result: Value) -> Severity {
    let findings = report(json!([rule]), json!([result])).findings;
    assert_eq!(findings.len(), 1);
    findings[0].severity
}

#[test]
fn severity_is_the_score_then_the_level_then_the_rank_and_else_a_warning() {
    use Severity::{Critical, High, Info, Low, Medium};
    let scored = |score: Value| json!({ "id": "R", "properties": { "security-severity": score } });
    let levelled = |level: &str| json!({ "id": "R", "defaultConfiguration": { "level": level } });
    for (rule, result, expected) in [
        (scored(json!("9.8")), json!({ "ruleId": "R", "level": "note" }), Critical),
        (scored(json!(7.5)), json!({ "ruleIndex": 0 }), High),
        (
            scored(json!("5.0")),
            json!({ "ruleId": "R", "properties": { "security-severity": "9.1" } }),
            Critical,
        ),
        (scored(json!("often")), json!({ "ruleId": "R", "level": "note" }), Low),
        (scored(json!("77")), json!({ "ruleId": "R", "level": "error" }), High),
        (scored(Value::Null), json!({ "ruleId": "R" }), Medium),
        (levelled("error"), json!({ "ruleId": "R" }), High),
        (levelled("error"), json!({ "ruleId": "R", "level": "note" }), Low),
        (levelled("none"), json!({ "ruleId": "R" }), Info),
        (levelled("error"), json!({ "ruleId": "R/2" }), High),
        (json!({ "id": "R" }), json!({ "ruleId": "R" }), Medium),
        (json!({ "id": "R" }), json!({ "ruleId": "R", "rank": 95.0 }), Critical),
        (json!({ "id": "R" }), json!({ "ruleId": "R", "rank": -1.0 }), Medium),
        (json!({ "id": "R" }), json!({ "ruleId": "R", "level": "error", "rank": 5.0 }), High),
        (levelled("error"), json!({ "ruleId": "R", "kind": "informational" }), Info),
        (levelled("error"), json!({ "ruleId": "R", "kind": "open" }), High),
        (json!({}), json!({}), Medium),
    ] {
        assert_eq!(severity(rule.clone(), result.clone()), expected, "{rule} {result}");
    }
}

#[test]
fn a_rule_is_found_in_the_extension_that_the_result_names() {
    let scored = |id: &str, score: &str| json!({ "id": id, "properties": { "security-severity": score } });
    let tool = json!({
        "driver": { "name": "CodeQL", "semanticVersion": "2.20.0", "rules": [scored("other", "1.0")] },
        "extensions": [
            { "name": "first", "rules": [scored("x", "2.0")] },
            { "name": "second", "rules": [scored("y", "3.0"), scored("js/sqli", "8.8")] },
        ],
    });
    let by = |reference: Value| json!({ "ruleId": "js/sqli", "rule": reference });
    let results = json!([
        by(json!({ "id": "js/sqli", "index": 1, "toolComponent": { "index": 1 } })),
        by(json!({ "index": 1, "toolComponent": { "name": "second" } })),
        // A place that holds another rule is not believed.
        by(json!({ "index": 0, "toolComponent": { "index": 0 } })),
        { "ruleId": "js/sqli", "ruleIndex": 99 },
        { "ruleId": "js/sqli", "ruleIndex": -1 },
    ]);
    let report = parsed(&log(&json!([{ "tool": tool, "results": results }])));
    assert_eq!(report.tools, ["CodeQL 2.20.0"]);
    let severities: Vec<Severity> = report.findings.iter().map(|one| one.severity).collect();
    assert_eq!(severities, [Severity::High; 5]);
}

#[test]
fn what_the_run_was_told_to_take_a_rule_for_comes_before_what_the_rule_says() {
    let overrides = |descriptor: Value| {
        let one = json!({ "descriptor": descriptor, "configuration": { "level": "error" } });
        json!([{ "executionSuccessful": true, "ruleConfigurationOverrides": [one] }])
    };
    for (descriptor, expected) in [
        (json!({ "id": "R" }), Severity::High),
        (json!({ "index": 0 }), Severity::High),
        (json!({ "id": "S" }), Severity::Low),
        (json!({ "index": 5 }), Severity::Low),
    ] {
        let rules = json!([{ "id": "R", "defaultConfiguration": { "level": "note" } }]);
        let run = json!({
            "tool": { "driver": { "name": "t", "rules": rules } },
            "invocations": overrides(descriptor.clone()),
            "results": [{ "ruleId": "R" }],
        });
        assert_eq!(parsed(&log(&json!([run]))).findings[0].severity, expected, "{descriptor}");
    }
}

#[test]
fn suppressed_and_known_findings_do_not_count_and_those_under_review_do() {
    let one = |more: Value| {
        let mut result = json!({ "ruleId": "R", "level": "error" });
        result.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        result
    };
    let suppressed = |status: &[Value]| {
        let all: Vec<Value> =
            status.iter().map(|status| json!({ "kind": "external", "status": status })).collect();
        one(json!({ "suppressions": all }))
    };
    for (result, expected) in [
        (suppressed(&[json!("accepted")]), Some(State::Suppressed)),
        (one(json!({ "suppressions": [{ "kind": "inSource" }] })), Some(State::Suppressed)),
        (suppressed(&[json!("accepted"), json!("rejected")]), Some(State::Open)),
        (suppressed(&[json!("underReview")]), Some(State::Open)),
        (one(json!({ "suppressions": [] })), Some(State::Open)),
        (one(json!({ "suppressions": null })), Some(State::Open)),
        (one(json!({ "baselineState": "new" })), Some(State::Open)),
        (one(json!({ "baselineState": "updated" })), Some(State::Open)),
        (one(json!({ "baselineState": "unchanged" })), Some(State::Unchanged)),
        (one(json!({ "baselineState": "absent" })), None),
        (one(json!({ "kind": "pass" })), None),
        (one(json!({ "kind": "notApplicable" })), None),
        (one(json!({ "kind": "review" })), Some(State::Open)),
    ] {
        let report = report(json!([]), json!([result.clone()]));
        assert_eq!(report.findings.first().map(|one| one.state), expected, "{result}");
        let fails = judged(&report, Some(Severity::High)).judgement.verdict == Verdict::Fail;
        assert_eq!(fails, expected == Some(State::Open), "{result}");
    }
}

#[test]
fn what_is_no_report_is_an_error() {
    for (text, expected) in [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("{", "EOF while parsing"),
        ("[]", "invalid"),
        ("null", "invalid"),
        ("{}", "it has no version"),
        (r#"{"SchemaVersion": 2, "Results": []}"#, "it has no version"),
        (r#"{"version": "1.0.0", "runs": []}"#, "only 2.1.0 is read"),
        (r#"{"version": "2.1.0", "runs": {}}"#, "invalid type"),
        (r#"{"version": "2.1.0", "runs": [{}]}"#, "missing field `tool`"),
        (r#"{"version": "2.1.0", "runs": [{"tool": {"driver": {}}, "results": {}}]}"#, "invalid type"),
        (
            r#"{"version": "2.1.0", "runs": [{"tool": {"driver": {}}, "results": [{"level": 3}]}]}"#,
            "invalid type",
        ),
        (r#"{"version": "2.1.0", "runs": []} {"#, "trailing"),
    ] {
        let error = read("a.sarif", text.as_bytes()).unwrap_err();
        assert!(error.sentence.starts_with("a.sarif is no report in SARIF: "), "{error}");
        assert!(error.sentence.contains(expected), "{text}: {error}");
    }
    // Cut off anywhere it is an error, and never less than was found.
    let whole =
        log(&json!([{ "tool": { "driver": { "name": "t" } }, "results": [{ "ruleId": "R" }] }])).to_string();
    for end in 0..whole.len() {
        assert!(read("a.sarif", &whole.as_bytes()[..end]).is_err(), "{}", &whole[..end]);
    }
    assert!(
        read("a.sarif", format!("\u{feff}{whole}").as_bytes()).is_ok(),
        "with the mark of its byte order"
    );
}

#[test]
fn what_tells_nothing_is_no_data_whatever_the_threshold() {
    let tool = json!({ "driver": { "name": "t" } });
    for (runs, expected) in [
        (json!([]), "has no run"),
        (Value::Null, "has no run"),
        (json!([{ "tool": tool }]), "has no list of results"),
        (json!([{ "tool": tool, "results": null }]), "has no list of results"),
        (
            json!([{ "tool": tool, "results": [], "invocations": [{ "executionSuccessful": false }] }]),
            "did not end well",
        ),
        (
            json!([{ "tool": tool, "externalPropertyFileReferences": { "results": [{ "itemCount": 3 }] } }]),
            "in other files",
        ),
        (json!([{ "tool": tool, "results": [] }, { "tool": tool }]), "run 2, of t, has no list"),
    ] {
        for fail_on in [None, Some(Severity::Critical), Some(Severity::Low)] {
            let judgement = judged(&parsed(&log(&runs)), fail_on).judgement;
            assert_eq!((judgement.verdict, judgement.code.as_str()), (Verdict::NoData, "no-scan"), "{runs}");
            assert!(judgement.sentence.contains(expected), "{}", judgement.sentence);
        }
    }
    let empty = judged(&report(json!([]), json!([])), Some(Severity::Low)).judgement;
    assert_eq!((empty.verdict, empty.sentence.as_str()), (Verdict::Pass, "nothing was found"));
}

#[test]
fn the_threshold_decides_and_what_was_found_in_a_half_scan_still_fails() {
    let levels = ["error", "warning", "note", "none"];
    let results: Vec<Value> = levels.iter().map(|level| json!({ "ruleId": level, "level": level })).collect();
    let report = report(json!([]), json!(results));
    for (fail_on, failing) in [
        (None, 0),
        (Some(Severity::Critical), 0),
        (Some(Severity::High), 1),
        (Some(Severity::Medium), 2),
        (Some(Severity::Low), 3),
    ] {
        let judged = judged(&report, fail_on);
        assert_eq!((judged.failing.len(), judged.below.len()), (failing, 4 - failing), "{fail_on:?}");
        assert_eq!(judged.judgement.verdict == Verdict::Fail, failing > 0);
    }
    let mut half = report;
    half.add(parsed(&log(&json!([]))));
    assert_eq!(judged(&half, Some(Severity::High)).judgement.verdict, Verdict::Fail);
    assert_eq!(judged(&half, Some(Severity::Critical)).judgement.verdict, Verdict::NoData);
}

#[test]
fn what_is_ignored_does_not_count_until_its_day_and_what_is_stale_is_told() {
    let report = report(json!([]), json!([{ "ruleId": "CVE-2024-3094-xz", "level": "error" }]));
    let until = |day| Ignore { until: Some(day), ..Ignore::of("CVE-2024-3094") };
    for (ignored, verdict, over, unused) in [
        (vec![Ignore::of("CVE-2024-3094")], Verdict::Pass, 0, 0),
        (vec![until(date(2026, 6, 2))], Verdict::Pass, 0, 0),
        (vec![until(TODAY)], Verdict::Fail, 1, 0),
        (vec![until(TODAY), Ignore::of("CVE-2024-3094-xz")], Verdict::Pass, 0, 0),
        (vec![Ignore::of("CVE-2024-3095")], Verdict::Fail, 0, 1),
    ] {
        let policy = Policy { fail_on: Some(Severity::High), ignored };
        let judged = judge(report.clone(), &policy, TODAY);
        assert_eq!(
            (judged.judgement.verdict, judged.over.len(), judged.unused.len()),
            (verdict, over, unused),
            "{policy:?}"
        );
    }
}

#[test]
fn words_places_and_packages_are_those_that_scanners_write() {
    let trivy = json!({
        "ruleId": "CVE-2024-1", "ruleIndex": 0, "level": "error",
        "message": { "text": "Package: zlib\nInstalled Version: 1.2\nVulnerability CVE-2024-1\nSeverity: HIGH" },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": "go%20mod/go.sum", "uriBaseId": "ROOTPATH" },
            "region": { "startLine": 4, "endLine": 4 },
        } }],
    });
    let grype = json!({
        "ruleId": "CVE-2024-2-libc",
        "message": { "text": "A high vulnerability in deb package: libc6, version 2.36-9 was found at: /lib/x" },
    });
    let placed = json!({
        "ruleId": "X",
        "message": { "id": "default", "arguments": ["left"] },
        "locations": [{
            "logicalLocations": [{ "kind": "function", "name": "f" }, { "kind": "package", "name": "serde" }],
            "physicalLocation": { "artifactLocation": { "index": 0 }, "region": { "startLine": 0 } },
        }],
    });
    let rules = json!([
        { "id": "CVE-2024-1", "helpUri": "https://example.test/1" },
        { "id": "X", "messageStrings": { "default": { "text": "{0} is not closed" } } },
    ]);
    let run = json!({
        "tool": { "driver": { "name": "t", "version": "1", "rules": rules } },
        "artifacts": [{ "location": { "uri": "./src/a.rs" } }],
        "results": [trivy, grype, placed],
    });
    let found = parsed(&log(&json!([run]))).findings;
    let told: Vec<_> =
        found.iter().map(|one| (one.package.as_deref(), one.file.as_deref(), one.line)).collect();
    let expected = [
        (Some("zlib 1.2"), Some("go mod/go.sum"), Some(4)),
        (Some("libc6 2.36-9"), None, None),
        (Some("serde"), Some("src/a.rs"), None),
    ];
    assert_eq!(told, expected);
    assert_eq!(found[0].help.as_deref(), Some("https://example.test/1"));
    assert_eq!(found[2].message, "left is not closed");
}
