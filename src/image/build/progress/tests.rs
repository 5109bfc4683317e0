use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;

fn vertex(digest: &str, name: &str, started: bool, completed: bool) -> Value {
    json!({ "digest": digest, "name": name,
        "started": started.then_some("2026-01-10T00:30:00.5Z"), "completed": completed.then_some("2026-01-10T00:30:02Z") })
}

fn log(vertex: &str, text: &str) -> Value {
    json!({ "vertex": vertex, "stream": 1, "data": STANDARD.encode(text), "timestamp": "2026-01-10T00:30:01Z" })
}

fn told(is_workflow: bool, all: &[Value]) -> (String, Progress) {
    let hidden = Hidden::new(vec!["hunter2".to_owned()]);
    let mut progress = Progress::new("app/Dockerfile".to_owned(), is_workflow, hidden);
    let mut lines = Vec::new();
    for status in all {
        lines.extend(progress.take(&Status::read(&status.to_string()).unwrap()));
    }
    lines.extend(progress.rest());
    (lines.join("\n"), progress)
}

fn story() -> Vec<Value> {
    let mut failing = vertex("b", "[web 2/2] RUN make", true, true);
    failing["error"] = json!("process \"/bin/sh -c make\" did not complete successfully: exit code: 2");
    let mut cached = vertex("c", "[web 1/2] FROM base", true, true);
    cached["cached"] = json!(true);
    vec![
        json!({ "vertexes": [vertex("a", "[dep 1/1] RUN one", false, false)] }),
        json!({ "vertexes": [vertex("a", "[dep 1/1] RUN one", true, false), cached, vertex("b", "[web 2/2] RUN make", true, false)] }),
        json!({ "logs": [log("a", "first "), log("b", "::error::not ours\n"), log("a", "line\nsecond hunter2\nwith"), log("nobody", "x\n")] }),
        json!({ "logs": [log("b", "##[group]x\nmake: *** stop\n")], "statuses": null, "vertexes": null }),
        json!({ "vertexes": [vertex("a", "[dep 1/1] RUN one", true, true), failing] }),
        json!({ "warnings": [
            { "vertex": "a", "level": 1, "short": STANDARD.encode("FromAsCasing: no"), "url": "https://w.test/", "range": [{ "start": { "line": 3 }, "end": { "line": 3 } }] },
            { "short": STANDARD.encode("somewhere") }
        ] }),
        json!({ "vertexes": [vertex("d", "exporting", true, false)], "logs": [log("d", "half")] }),
    ]
}

#[test]
fn people_read_lines_as_they_come() {
    insta::assert_snapshot!(told(false, &story()).0);
}

#[test]
fn a_workflow_gets_a_group_a_step_and_annotations() {
    let (text, _) = told(true, &story());
    assert!(!text.lines().any(|line| line.starts_with("::error")), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn the_step_that_failed_is_known_with_its_last_lines() {
    let (_, progress) = told(true, &story());
    let failed = progress.failed().unwrap();
    assert_eq!(failed.name, "[web 2/2] RUN make");
    assert!(failed.error.ends_with("exit code: 2"));
    assert_eq!(failed.tail, ["::error::not ours", "##[group]x", "make: *** stop"]);
}

#[test]
fn a_step_that_was_told_to_stop_is_not_the_one_that_failed() {
    let mut stopped = vertex("a", "RUN one", true, true);
    stopped["error"] = json!("context canceled");
    let mut failing = vertex("b", "RUN two", true, true);
    failing["error"] = json!("exit code: 1");
    let (_, progress) = told(false, &[json!({ "vertexes": [stopped, failing] })]);
    assert_eq!(progress.failed().unwrap().name, "RUN two");
}

#[test]
fn memory_does_not_grow_with_a_log() {
    let mut all = vec![json!({ "vertexes": [vertex("a", "RUN yes", true, false)] })];
    all.extend((0..30).map(|_| json!({ "logs": [log("a", &"y\n".repeat(1000))] })));
    let (text, progress) = told(true, &all);
    assert_eq!(progress.steps["a"].lines.len(), MOST);
    assert!(text.contains("(25000 lines before these are left out)"));
}

#[test]
fn other_lines_are_no_status() {
    for line in ["ERROR: no", "", "{", "{\"vertexes\": 1}", "{\"logs\": [{\"data\": \"%\"}]}"] {
        assert!(Status::read(line).is_none(), "{line}");
    }
}
