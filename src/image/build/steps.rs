//! Progress of the builders that do one step after the other and write lines: buildah and Docker Engine by itself. Pure.

use super::progress::{Failed, Hidden};
use crate::github::command::{END_GROUP, group, harmless};

/// So many last lines are kept.
const TAIL: usize = 20;

/// The progress of one build.
#[derive(Debug)]
pub(super) struct Steps {
    is_workflow: bool,
    hidden: Hidden,
    /// The number of the step under way, from 1.
    pub(super) number: usize,
    name: String,
    tail: Vec<String>,
}

impl Steps {
    pub(super) const fn new(is_workflow: bool, hidden: Hidden) -> Self {
        Self { is_workflow, hidden, number: 0, name: String::new(), tail: Vec::new() }
    }

    /// The lines to show for a line.
    pub(super) fn take(&mut self, line: &str) -> Vec<String> {
        let line = self.hidden.clean(line);
        if let Some((number, name)) = begun(&line) {
            let mut told = self.close();
            (self.number, self.name) = (number, name.to_owned());
            told.push(if self.is_workflow { group(&line) } else { line });
            return told;
        }
        if !line.trim().is_empty() {
            self.tail.push(line.clone());
            let more = self.tail.len().saturating_sub(TAIL);
            self.tail.drain(..more);
        }
        vec![if self.is_workflow { harmless(&line) } else { line }]
    }

    /// Ends the step under way.
    pub(super) fn close(&mut self) -> Vec<String> {
        let was_open = self.number > 0;
        (self.number, self.tail) = (0, Vec::new());
        (was_open && self.is_workflow).then(|| END_GROUP.to_owned()).into_iter().collect()
    }

    /// The step under way, as the one that failed.
    pub(super) fn failed(&self) -> Option<Failed> {
        let mut tail: Vec<String> = self.tail.iter().filter(|line| !is_arrow(line)).cloned().collect();
        let is_verdict = |line: &String| line.contains("non-zero code") || line.contains("exit status");
        // What the builder says of the end is no line of the step's own.
        let error = match tail.iter().rposition(is_verdict) {
            Some(at) => tail.remove(at),
            None => tail.last().cloned().unwrap_or_default(),
        };
        (self.number > 0).then(|| Failed { name: self.name.clone(), error, tail })
    }
}

/// ` ---> 0f1e2d3c` of Docker Engine.
fn is_arrow(line: &str) -> bool {
    line.trim_start().starts_with("--->")
}

/// `Step 2/5 : RUN make` of Docker Engine, `STEP 2/5: RUN make` of buildah.
fn begun(line: &str) -> Option<(usize, &str)> {
    let rest = line.strip_prefix("Step ").or_else(|| line.strip_prefix("STEP "))?;
    let (count, name) = rest.split_once(':')?;
    let (number, _) = count.trim().split_once('/')?;
    Some((number.parse().ok()?, name.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(is_workflow: bool) -> (Vec<String>, Option<Failed>) {
        let mut steps = Steps::new(is_workflow, Hidden::default());
        let lines = [
            "Sending build context to Docker daemon  2.048kB",
            "Step 1/2 : FROM scratch",
            " ---> 0f1e2d3c",
            "Step 2/2 : RUN make",
            " ---> Running in 1122",
            "::error::no",
            "The command '/bin/sh -c make' returned a non-zero code: 2",
        ];
        let mut told: Vec<String> = lines.iter().flat_map(|line| steps.take(line)).collect();
        let failed = steps.failed();
        told.extend(steps.close());
        (told, failed)
    }

    #[test]
    fn each_step_is_a_group_in_a_workflow() {
        assert_eq!(
            told(true).0,
            [
                "Sending build context to Docker daemon  2.048kB",
                "::group::Step 1/2 : FROM scratch",
                " ---> 0f1e2d3c",
                "::endgroup::",
                "::group::Step 2/2 : RUN make",
                " ---> Running in 1122",
                "|::error::no",
                "The command '/bin/sh -c make' returned a non-zero code: 2",
                "::endgroup::",
            ]
        );
        assert_eq!(told(false).0.len(), 7);
    }

    #[test]
    fn the_step_under_way_is_the_one_that_failed() {
        let failed = told(false).1.unwrap();
        assert_eq!(failed.name, "RUN make");
        assert!(failed.error.ends_with("non-zero code: 2"));
        assert_eq!(failed.tail, ["::error::no"]);
        assert_eq!(begun("STEP 3/4: COPY a b"), Some((3, "COPY a b")));
        assert_eq!(begun("Step by step: a"), None);
    }
}
