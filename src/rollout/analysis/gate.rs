//! Judges what gates were answered.

use std::time::Duration;

use serde::Deserialize;

use crate::rollout::gate::{Gate, Measured, Metric, Objectives, Probe, Sample};
use crate::rollout::{Judgement, Verdict};

/// The exit code of a program that is to be asked again: `EX_TEMPFAIL` of sysexits.h.
const ASK_AGAIN: i32 = 75;
/// As much of another's words as is told.
const WORDS: usize = 300;

/// What the samples say so far. Pass and Fail are final; the others are final where `last` can be followed by no more.
#[must_use]
pub fn judge(gate: &Gate, samples: &[Sample]) -> Judgement {
    let samples = &readings(samples);
    let Some(last) = samples.last() else {
        return no_data(gate, "it has not answered yet");
    };
    if let Some(settled) = settled(gate, samples) {
        return settled;
    }
    match (&gate.probe, last) {
        (_, Sample::Silent { why, .. }) => silent(gate, samples, why),
        (Probe::Metric(metric), Sample::Number(value)) => number(gate, metric, samples, *value),
        (_, Sample::Ended { code, how, log_tail }) => ended(gate, *code, how, log_tail),
        (_, Sample::Said { status, body }) => said(gate, *status, body),
        (_, Sample::Approval(text)) => approval(gate, text.as_deref()),
        (Probe::Load { objectives, .. }, Sample::Measured(measured)) => load(gate, *objectives, measured),
        (_, Sample::Number(_) | Sample::Dated { .. } | Sample::Points(_) | Sample::Measured(_)) => {
            no_data(gate, "it answered with a number, and was not asked for one")
        }
    }
}

/// The samples with what is read a second time taken out: the same point is one reading, however often it is asked for.
fn readings(samples: &[Sample]) -> Vec<Sample> {
    let (mut all, mut last) = (Vec::with_capacity(samples.len()), None);
    for sample in samples {
        match sample {
            Sample::Dated { at, .. } if last == Some(*at) => {}
            Sample::Dated { value, at } => {
                last = Some(*at);
                all.push(Sample::Number(*value));
            }
            Sample::Points(points) => {
                for (at, value) in points {
                    if last.is_some_and(|last| *at <= last) {
                        continue;
                    }
                    let why = || format!("a point is {value}, which is no number");
                    all.push(match value.is_finite() {
                        true => Sample::Number(*value),
                        false => Sample::Silent { why: why(), lasting: false },
                    });
                    last = Some(*at);
                }
            }
            other => all.push(other.clone()),
        }
    }
    all
}

/// What the first readings say that settle it: several may have come at once, and count as if they had come one by one.
fn settled(gate: &Gate, samples: &[Sample]) -> Option<Judgement> {
    let Probe::Metric(metric) = &gate.probe else { return None };
    let mut said = (1..=samples.len()).filter_map(|n| match samples.get(..n)? {
        before @ [.., Sample::Number(value)] => Some(number(gate, metric, before, *value)),
        _ => None,
    });
    said.find(|one| matches!(one.verdict, Verdict::Pass | Verdict::Fail))
}

/// Whether asking again can change anything.
#[must_use]
pub fn is_lasting(samples: &[Sample]) -> bool {
    matches!(samples.last(), Some(Sample::Silent { lasting: true, .. }))
}

fn pass(gate: &Gate, what: &str) -> Judgement {
    Judgement::new(Verdict::Pass, "gate-passed", format!("{gate} {what}"))
}

fn fail(gate: &Gate, what: &str) -> Judgement {
    Judgement::new(Verdict::Fail, "gate-failed", format!("{gate} {what}"))
}

fn waits(gate: &Gate, what: &str) -> Judgement {
    Judgement::new(Verdict::Inconclusive, "gate-open", format!("{gate} {what}"))
}

fn no_data(gate: &Gate, why: &str) -> Judgement {
    Judgement::new(Verdict::NoData, "gate-silent", format!("{gate} tells nothing: {why}"))
}

/// A metric that has been silent only now and then still tells something.
fn silent(gate: &Gate, samples: &[Sample], why: &str) -> Judgement {
    let numbers = samples.iter().filter(|sample| matches!(sample, Sample::Number(_))).count();
    match numbers {
        0 => no_data(gate, why),
        n => no_data(gate, &format!("{why} (it was a number {n} of {} times)", samples.len())),
    }
}

fn ended(gate: &Gate, code: Option<i32>, how: &str, log_tail: &[String]) -> Judgement {
    let told = match code {
        Some(0) => return pass(gate, "passed"),
        Some(ASK_AGAIN) => waits(gate, &with_last_line("says to wait", log_tail)),
        _ => fail(gate, &with_last_line(&format!("failed ({how})"), log_tail)),
    };
    Judgement { log_tail: log_tail.to_vec(), ..told }
}

fn with_last_line(what: &str, log_tail: &[String]) -> String {
    match log_tail.iter().rev().map(|line| line.trim()).find(|line| !line.is_empty()) {
        Some(line) => format!("{what}: {}", words(line)),
        None => what.to_owned(),
    }
}

/// What a webhook answers.
#[derive(Deserialize)]
struct Said {
    verdict: String,
    #[serde(default)]
    reason: Option<String>,
}

/// Only a verdict in JSON is one: any page may answer with 200.
fn said(gate: &Gate, status: u16, body: &[u8]) -> Judgement {
    if !(200..300).contains(&status) {
        return no_data(gate, &format!("the answer was {status}"));
    }
    let Ok(Said { verdict, reason }) = serde_json::from_slice::<Said>(body) else {
        return no_data(gate, "the answer is not JSON with a `verdict`");
    };
    let because = reason.map_or_else(String::new, |reason| format!(": {}", words(&reason)));
    match verdict.as_str() {
        "pass" => pass(gate, &format!("passed{because}")),
        "fail" => fail(gate, &format!("failed{because}")),
        "wait" => waits(gate, &format!("says to wait{because}")),
        other => no_data(gate, &format!("`{}` is none of pass, fail and wait", words(other))),
    }
}

/// The first word decides; what follows says who, or why.
fn approval(gate: &Gate, text: Option<&str>) -> Judgement {
    let Some(text) = text else { return waits(gate, "is not there yet") };
    let text = text.trim();
    let (word, rest) = text.split_once(|c: char| c.is_whitespace() || c == ':').unwrap_or((text, ""));
    let rest = rest.trim_start_matches(':').trim();
    let because = if rest.is_empty() { String::new() } else { format!(": {}", words(rest)) };
    match word.to_lowercase().as_str() {
        "approved" => pass(gate, &format!("is given{because}")),
        "rejected" => fail(gate, &format!("is refused{because}")),
        _ => waits(gate, "says neither `approved` nor `rejected`"),
    }
}

fn number(gate: &Gate, metric: &Metric, samples: &[Sample], value: f64) -> Judgement {
    let bounds = metric.bounds();
    let is_good = metric.is_good(value);
    let same = |sample: &&Sample| match sample {
        Sample::Number(value) => metric.is_good(*value) == is_good,
        _ => false,
    };
    let row = samples.iter().rev().take_while(same).count();
    let in_a_row = |needed: u32| format!("{row} of {needed} times in a row");
    match is_good {
        true if row >= metric.passes as usize => pass(gate, &format!("is {value}, {bounds} is good")),
        true => waits(gate, &format!("is {value}, {bounds} is good, {}", in_a_row(metric.passes))),
        false if row >= metric.failures as usize => fail(gate, &format!("is {value}, only {bounds} is good")),
        false => waits(gate, &format!("is {value}, only {bounds} is good, {}", in_a_row(metric.failures))),
    }
}

/// Absolute objectives: the plain figures count.
fn load(gate: &Gate, objectives: Objectives, measured: &Measured) -> Judgement {
    let Measured { sent, failed, held, .. } = *measured;
    if sent == 0 {
        return no_data(gate, "no request was sent");
    }
    let held = match held {
        0 => String::new(),
        held => format!("; {held} more were held back, as too many waited for their answers"),
    };
    let share = failed as f64 / sent as f64;
    let percent = |share: f64| format!("{} %", (share * 10_000.0).round() / 100.0);
    if share > objectives.errors {
        let why = measured.first.as_deref().unwrap_or("no whole answer");
        let what = format!(
            "failed: {failed} of {sent} requests ({}) failed, expected at most {}: {}{held}",
            percent(share),
            percent(objectives.errors),
            words(why)
        );
        return fail(gate, &what);
    }
    let Objectives { p50, p95, p99, .. } = objectives;
    let mut figures = Vec::new();
    for (name, share, bound) in [("p50", 0.5, p50), ("p95", 0.95, p95), ("p99", 0.99, p99)] {
        let Some(came) = measured.quantile(share) else { return no_data(gate, "no answer came") };
        let came = Duration::from_micros(u64::try_from(came.as_micros()).unwrap_or(u64::MAX));
        if came > bound {
            let what =
                format!("failed: {name} of {sent} requests is {came:?}, expected at most {bound:?}{held}");
            return fail(gate, &what);
        }
        figures.push(format!("{name} {came:?}"));
    }
    pass(gate, &format!("passed: {sent} requests, {failed} failed, {}{held}", figures.join(", ")))
}

/// The first line of another's words, bounded.
fn words(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::gate::Source;
    use crate::rollout::step::{Load, Unsettled};

    fn gate(probe: Probe) -> Gate {
        let (every, at_most) = (Duration::from_secs(10), Duration::from_secs(600));
        Gate { name: None, probe, every, at_most, inconclusive: Unsettled::Hold, advisory: false }
    }

    fn said(samples: &[Sample], probe: Probe) -> (Verdict, String) {
        let judgement = judge(&gate(probe), samples);
        (judgement.verdict, judgement.sentence)
    }

    #[test]
    fn a_program_passes_waits_or_fails_by_its_code() {
        let of = |code: Option<i32>, how: &str, line: &str| {
            let log_tail = vec![line.to_owned(), String::new()];
            let command = vec!["k6".to_owned(), "run".to_owned()];
            said(&[Sample::Ended { code, how: how.to_owned(), log_tail }], Probe::Command { command })
        };
        assert_eq!(of(Some(0), "exit code 0", "ok"), (Verdict::Pass, "`k6 run` passed".to_owned()));
        assert_eq!(
            of(Some(75), "exit code 75", "Ann is at lunch").1,
            "`k6 run` says to wait: Ann is at lunch"
        );
        assert_eq!(
            of(Some(99), "exit code 99", "3 of 9 checks failed").1,
            "`k6 run` failed (exit code 99): 3 of 9 checks failed"
        );
        assert_eq!(of(None, "signal 9", "").0, Verdict::Fail);
    }

    #[test]
    fn only_a_verdict_in_json_is_a_pass() {
        let of = |status, body: &str| {
            let probe = Probe::Webhook { url: "HOOK".to_owned(), secret: None };
            said(&[Sample::Said { status, body: body.into() }], probe)
        };
        assert_eq!(of(200, r#"{"verdict":"pass"}"#), (Verdict::Pass, "webhook $HOOK passed".to_owned()));
        assert_eq!(
            of(200, r#"{"verdict":"fail","reason":"freeze\nsecond line"}"#),
            (Verdict::Fail, "webhook $HOOK failed: freeze".to_owned())
        );
        assert_eq!(of(202, r#"{"verdict":"wait"}"#).0, Verdict::Inconclusive);
        for (status, body) in [
            (200, ""),
            (200, "<html>Sign in</html>"),
            (200, "pass"),
            (200, "{}"),
            (200, r#"{"verdict":"PASS"}"#),
            (200, r#"{"verdict":true}"#),
            (204, ""),
            (302, r#"{"verdict":"pass"}"#),
            (500, r#"{"verdict":"pass"}"#),
            (403, r#"{"verdict":"pass"}"#),
        ] {
            assert_eq!(of(status, body).0, Verdict::NoData, "{status} {body}");
        }
    }

    #[test]
    fn an_approval_is_a_word() {
        let of = |text: Option<&str>| {
            let probe = Probe::Approval { file: "approvals/v2".to_owned() };
            said(&[Sample::Approval(text.map(str::to_owned))], probe)
        };
        assert_eq!(
            of(Some("approved: Ann, after the demo\n")),
            (Verdict::Pass, "approval approvals/v2 is given: Ann, after the demo".to_owned())
        );
        assert_eq!(of(Some("Rejected")).0, Verdict::Fail);
        for text in [
            None,
            Some(""),
            Some("approvedish"),
            Some("not approved"),
            Some("yes"),
            Some("approve or reject"),
        ] {
            assert_eq!(of(text).0, Verdict::Inconclusive, "{text:?}");
        }
    }

    #[test]
    fn numbers_settle_it_in_a_row() {
        let source = Source::Command { command: vec!["x".to_owned()] };
        let metric = Metric { source, at_least: None, at_most: Some(0.5), passes: 2, failures: 3 };
        let silent = || Sample::Silent { why: "it hangs".to_owned(), lasting: false };
        let of = |values: &[f64]| {
            let samples: Vec<Sample> = values
                .iter()
                .map(|value| if *value < 0.0 { silent() } else { Sample::Number(*value) })
                .collect();
            said(&samples, Probe::Metric(metric.clone()))
        };
        assert_eq!(of(&[0.1]).0, Verdict::Inconclusive);
        assert_eq!(of(&[0.1, 0.5]), (Verdict::Pass, "metric of `x` is 0.5, at most 0.5 is good".to_owned()));
        assert_eq!(of(&[0.1, 0.9, 0.1]).0, Verdict::Inconclusive, "a bad one breaks the row");
        assert_eq!(of(&[0.9, 0.9]).0, Verdict::Inconclusive);
        assert_eq!(of(&[0.9, 0.8, f64::NAN]).0, Verdict::Fail, "no number is not good");
        assert_eq!(of(&[0.1, -1.0, 0.1]).0, Verdict::Inconclusive, "silence breaks the row");
        assert_eq!(of(&[0.1, -1.0]).0, Verdict::NoData);
        assert_eq!(of(&[]).0, Verdict::NoData);
        let dated = |at: i64| Sample::Dated { value: 0.1, at };
        let probe = || Probe::Metric(metric.clone());
        assert_eq!(
            said(&[dated(1), dated(1), dated(1)], probe()).0,
            Verdict::Inconclusive,
            "one point is one reading"
        );
        assert_eq!(said(&[dated(1), dated(1), dated(2)], probe()).0, Verdict::Pass);
    }

    #[test]
    fn each_point_of_a_range_is_one_reading_and_the_first_that_settles_it_counts() {
        let source = Source::Command { command: vec!["x".to_owned()] };
        let metric = Metric { source, at_least: None, at_most: Some(0.5), passes: 3, failures: 2 };
        let of = |all: &[&[(i64, f64)]]| {
            let samples: Vec<Sample> = all.iter().map(|points| Sample::Points(points.to_vec())).collect();
            said(&samples, Probe::Metric(metric.clone())).0
        };
        assert_eq!(of(&[&[(1, 0.1), (2, 0.1)]]), Verdict::Inconclusive);
        assert_eq!(of(&[&[(1, 0.1), (2, 0.1)], &[(1, 0.1), (2, 0.1)]]), Verdict::Inconclusive, "seen before");
        assert_eq!(of(&[&[(1, 0.1), (2, 0.1)], &[(2, 0.1), (3, 0.1)]]), Verdict::Pass);
        assert_eq!(of(&[&[(1, 0.1), (2, 0.9), (3, 0.9), (4, 0.1)]]), Verdict::Fail, "between two questions");
        assert_eq!(of(&[&[(1, 0.1), (2, 0.1), (3, f64::NAN), (4, 0.1)]]), Verdict::Inconclusive);
        assert_eq!(of(&[&[(1, 0.1), (2, f64::NAN)]]), Verdict::NoData);
        assert_eq!(of(&[&[(1, 0.9), (2, f64::NAN), (3, 0.9)]]), Verdict::Inconclusive);
        assert_eq!(
            of(&[&[(1, 0.9), (2, 0.9), (3, f64::NAN)]]),
            Verdict::Fail,
            "settled before it fell silent"
        );
    }

    #[test]
    fn a_load_must_come_to_its_objectives() {
        let load = Load { rate: 20.0, requests: Vec::new(), concurrency: 1, total: 100 };
        let of = |sent: u64, failed: u64, slow: u64| {
            let took = (0..sent - failed).map(|n| if n < sent - failed - slow { 10 } else { 700 });
            let took = took.map(Duration::from_millis).collect();
            let first = (failed > 0).then(|| "GET /: the answer was 503".to_owned());
            let measured = Measured { sent, failed, held: 0, took, first };
            let probe = Probe::Load { load: load.clone(), objectives: Objectives::default() };
            said(&[Sample::Measured(measured)], probe)
        };
        assert_eq!(
            of(1000, 1, 30),
            (
                Verdict::Pass,
                "load of 20 requests a second passed: 1000 requests, 1 failed, p50 10ms, p95 10ms, p99 700ms"
                    .to_owned()
            )
        );
        assert_eq!(
            of(1000, 2, 0).1,
            "load of 20 requests a second failed: 2 of 1000 requests (0.2 %) failed, expected at most 0.1 %: \
             GET /: the answer was 503"
        );
        assert_eq!(
            of(1000, 0, 51).1,
            "load of 20 requests a second failed: p95 of 1000 requests is 700ms, expected at most 500ms"
        );
        let none = Sample::Measured(Measured::default());
        let probe = Probe::Load { load, objectives: Objectives::default() };
        assert_eq!(said(&[none], probe).0, Verdict::NoData);
    }
}
