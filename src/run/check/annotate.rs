//! Findings as annotations of a workflow's step.

use crate::github::command::{Level, annotation};
use crate::scan::{Finding, Judged};

/// So many errors, and as many warnings, of one step are shown; GitHub drops the rest without a word.
const ANNOTATIONS_A_STEP: usize = 10;
/// The runner cuts a message here, in characters.
const LONGEST: usize = 4096;

/// What fails as errors, what is below the threshold as warnings: as many of each as GitHub shows, and how many more there are.
pub(super) fn lines(judged: &Judged) -> Vec<String> {
    let kinds = [(Level::Error, &judged.failing), (Level::Warning, &judged.below)];
    let shown = kinds.iter().flat_map(|(level, findings)| {
        findings.iter().take(ANNOTATIONS_A_STEP).map(|finding| line(*level, finding))
    });
    let mut lines: Vec<String> = shown.collect();
    let more = |findings: &[Finding]| findings.len().saturating_sub(ANNOTATIONS_A_STEP);
    let (errors, warnings) = (more(&judged.failing), more(&judged.below));
    if errors + warnings > 0 {
        lines.push(format!(
            "not annotated, for GitHub shows {ANNOTATIONS_A_STEP} of a kind: {errors} more that fail, {warnings} more below the threshold"
        ));
    }
    lines
}

fn line(level: Level, finding: &Finding) -> String {
    let title = format!("{} ({})", finding.rule, finding.severity);
    let help = finding.help.as_ref().map_or_else(String::new, |help| format!("\n{help}"));
    // Only what may lie in the repository is a place in it.
    let is_inside = |file: &&str| {
        !file.starts_with('/') && !file.contains("://") && !file.split('/').any(|part| part == "..")
    };
    let file = finding.file.as_deref().filter(is_inside);
    // GitHub takes a file without a line for its first one.
    let place = file.map(|file| (file, finding.line.map_or(1, u64::from)));
    let words = format!("{}{help}", finding.message);
    let cut = words.char_indices().nth(LONGEST).map_or(words.as_str(), |(at, _)| &words[..at]);
    annotation(level, place, &title, cut)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::scan::{Policy, Report, Severity, State, judge};

    fn finding(rule: String, severity: Severity, file: &str) -> Finding {
        Finding {
            tool: "t".into(),
            rule,
            severity,
            score: None,
            message: "bad\nindeed".into(),
            file: Some(file.into()),
            line: Some(3),
            package: None,
            help: Some("https://example.test/1".into()),
            state: State::Open,
        }
    }

    fn told(findings: Vec<Finding>) -> Vec<String> {
        let report = Report { findings, ..Report::default() };
        let policy = Policy { fail_on: Some(Severity::High), ignored: Vec::new() };
        lines(&judge(report, &policy, date(2026, 1, 1)))
    }

    #[test]
    fn no_more_are_written_than_are_shown_and_the_rest_is_counted() {
        let many = |severity, number| (0..number).map(move |n| finding(format!("R{n}"), severity, "a.rs"));
        let lines = told(many(Severity::High, 12).chain(many(Severity::Low, 11)).collect());
        let starts = |with: &str| lines.iter().filter(|line| line.starts_with(with)).count();
        assert_eq!((starts("::error "), starts("::warning "), lines.len()), (10, 10, 21));
        assert!(lines[20].ends_with(": 2 more that fail, 1 more below the threshold"), "{}", lines[20]);
    }

    #[test]
    fn a_place_outside_of_the_repository_is_none() {
        for (file, expected) in [
            (
                "src/a.rs",
                "::error file=src/a.rs,line=3,title=R (high)::bad%0Aindeed%0Ahttps://example.test/1",
            ),
            ("/etc/passwd", "::error title=R (high)::bad%0Aindeed%0Ahttps://example.test/1"),
            ("../x", "::error title=R (high)::bad%0Aindeed%0Ahttps://example.test/1"),
            ("https://example.test/x", "::error title=R (high)::bad%0Aindeed%0Ahttps://example.test/1"),
        ] {
            assert_eq!(told(vec![finding("R".into(), Severity::High, file)]), [expected]);
        }
    }
}
