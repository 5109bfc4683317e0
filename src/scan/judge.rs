//! A report against a threshold.

use jiff::civil::Date;

use super::{Finding, Ignore, Report, Severity, State};
use crate::rollout::{Judgement, Verdict};

/// What counts.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// From this severity on a finding fails; none lets everything pass that is known.
    pub fail_on: Option<Severity>,
    /// What does not count.
    pub ignored: Vec<Ignore>,
}

/// A report that was judged: the verdict, and where each finding went.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The verdict with its code and a sentence.
    pub judgement: Judgement,
    /// What fails it, the worst first.
    pub failing: Vec<Finding>,
    /// What is below the threshold, the worst first.
    pub below: Vec<Finding>,
    /// What does not count because it is ignored.
    pub ignored: Vec<Finding>,
    /// What somebody has suppressed in the report.
    pub suppressed: Vec<Finding>,
    /// What was there before, by the report's baseline.
    pub unchanged: Vec<Finding>,
    /// What was ignored up to a day that has come; it counts.
    pub over: Vec<Ignore>,
    /// What is ignored and was not found.
    pub unused: Vec<Ignore>,
}

/// Judges a report on a day. What fails is told even where something was silent; what was silent never passes.
#[must_use]
pub fn judge(report: Report, policy: &Policy, today: Date) -> Judged {
    let (over, valid): (Vec<&Ignore>, Vec<&Ignore>) =
        policy.ignored.iter().partition(|one| one.is_over(today));
    let open = |finding: &Finding| finding.state == State::Open;
    let is_ignored = |finding: &Finding| valid.iter().any(|one| one.is_about(&finding.rule));
    let unused =
        valid.iter().filter(|one| !report.findings.iter().any(|finding| one.is_about(&finding.rule)));
    let unused = unused.map(|one| (*one).clone()).collect();
    let is_over_used = |one: &&&Ignore| {
        report
            .findings
            .iter()
            .any(|finding| open(finding) && one.is_about(&finding.rule) && !is_ignored(finding))
    };
    let over = over.iter().filter(is_over_used).map(|one| (*one).clone()).collect();
    let mut judged = Judged {
        judgement: Judgement::new(Verdict::NoData, "", ""),
        failing: Vec::new(),
        below: Vec::new(),
        ignored: Vec::new(),
        suppressed: Vec::new(),
        unchanged: Vec::new(),
        over,
        unused,
    };
    for finding in report.findings {
        let place = match finding.state {
            State::Suppressed => &mut judged.suppressed,
            State::Unchanged => &mut judged.unchanged,
            State::Open if is_ignored(&finding) => &mut judged.ignored,
            State::Open if policy.fail_on.is_some_and(|least| finding.severity >= least) => {
                &mut judged.failing
            }
            State::Open => &mut judged.below,
        };
        place.push(finding);
    }
    // The order of the report within a severity.
    judged.failing.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    judged.below.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    judged.judgement = judgement(&judged, &report.silent, policy.fail_on);
    judged
}

fn judgement(judged: &Judged, silent: &[String], fail_on: Option<Severity>) -> Judgement {
    let besides = besides(judged);
    let found = |findings: &[Finding]| match findings.len() {
        1 => "1 finding".to_owned(),
        number => format!("{number} findings"),
    };
    if let (Some(least), [worst, ..]) = (fail_on, judged.failing.as_slice()) {
        let or_worse = if least == Severity::Critical { "" } else { " or worse" };
        let sentence = format!(
            "{} of severity {least}{or_worse}, such as {}{besides}",
            found(&judged.failing),
            worst.rule
        );
        return Judgement::new(Verdict::Fail, "findings", sentence);
    }
    if !silent.is_empty() {
        let sentence = format!("nothing is known, which is no pass: {}", silent.join("; "));
        return Judgement::new(Verdict::NoData, "no-scan", sentence);
    }
    let sentence = match (fail_on, judged.below.as_slice()) {
        (_, []) => format!("nothing was found{besides}"),
        (None, below) => format!("{}, and none of them counts{besides}", found(below)),
        (Some(least), below) => format!("{}, none of severity {least} or worse{besides}", found(below)),
    };
    Judgement::new(Verdict::Pass, "no-findings", sentence)
}

/// What was found and does not count, in words.
fn besides(judged: &Judged) -> String {
    let counts = [
        (judged.ignored.len(), "ignored"),
        (judged.suppressed.len(), "suppressed in the report"),
        (judged.unchanged.len(), "there before"),
    ];
    let told: Vec<String> = counts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    if told.is_empty() { String::new() } else { format!(" (besides {})", told.join(", ")) }
}
