//! Progress of a build, folded into one group a step. Pure: lines in, lines out.
//!
//! In a workflow of GitHub's a step's lines come together when it has ended, for groups cannot be woven into each other, and steps run at
//! once. Elsewhere each line comes as it is written, with the number of its step.

mod status;
mod text;

use std::collections::{BTreeMap, VecDeque};

use crate::github::command::{self, END_GROUP, Level};
use status::{Vertex, Warning};

pub(super) use status::Status;
pub(super) use text::{Hidden, plain};

/// So many of a failing step's last lines are kept.
const TAIL: usize = 20;
/// So many lines of one step are kept for its group; of more, the last ones.
const MOST: usize = 5_000;
/// So many findings are annotated: GitHub shows ten of each level a step.
const ANNOTATIONS: usize = 10;

/// The progress of one build.
#[derive(Debug)]
pub(super) struct Progress {
    steps: BTreeMap<String, Step>,
    dockerfile: String,
    is_workflow: bool,
    hidden: Hidden,
    findings: usize,
    last: u64,
}

/// A step that has begun.
#[derive(Debug)]
struct Step {
    number: u64,
    name: String,
    lines: VecDeque<String>,
    left_out: usize,
    part: String,
    is_over: bool,
    error: String,
}

/// The step that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Failed {
    /// Its name, which is the instruction with the stage before it.
    pub name: String,
    /// What BuildKit says.
    pub error: String,
    /// The last lines that it wrote.
    pub tail: Vec<String>,
}

impl Progress {
    /// Of a build that has not begun. `dockerfile` is how it is named in findings.
    #[must_use]
    pub(super) fn new(dockerfile: String, is_workflow: bool, hidden: Hidden) -> Self {
        Self { steps: BTreeMap::new(), dockerfile, is_workflow, hidden, findings: 0, last: 0 }
    }

    /// The lines to show for what is new.
    pub(super) fn take(&mut self, status: &Status) -> Vec<String> {
        let mut told = Vec::new();
        for vertex in &status.vertexes {
            self.begin(vertex, &mut told);
        }
        for log in &status.logs {
            self.write(&log.vertex, &log.data, &mut told);
        }
        for vertex in &status.vertexes {
            self.end(vertex, &mut told);
        }
        for warning in &status.warnings {
            told.push(self.finding(warning));
        }
        told
    }

    fn begin(&mut self, vertex: &Vertex, told: &mut Vec<String>) {
        if vertex.started.is_none() && !vertex.cached || self.steps.contains_key(&vertex.digest) {
            return;
        }
        self.last += 1;
        let number = self.last;
        let name = self.hidden.clean(&vertex.name);
        if !self.is_workflow {
            told.push(format!("#{number} {name}"));
        }
        let (lines, part, error) = (VecDeque::new(), String::new(), String::new());
        let step = Step { number, name, lines, left_out: 0, part, is_over: false, error };
        self.steps.insert(vertex.digest.clone(), step);
    }

    fn write(&mut self, vertex: &str, data: &str, told: &mut Vec<String>) {
        let Some(step) = self.steps.get_mut(vertex) else { return };
        step.part += data;
        while let Some(end) = step.part.find('\n') {
            let rest = step.part.split_off(end + 1);
            let line = std::mem::replace(&mut step.part, rest);
            step.line(&self.hidden.clean(&line), self.is_workflow, told);
        }
    }

    fn end(&mut self, vertex: &Vertex, told: &mut Vec<String>) {
        let Some(step) = self.steps.get_mut(&vertex.digest) else { return };
        if vertex.completed.is_none() || step.is_over {
            return;
        }
        step.is_over = true;
        let part = std::mem::take(&mut step.part);
        if !part.is_empty() {
            step.line(&self.hidden.clean(&part), self.is_workflow, told);
        }
        step.error = self.hidden.clean(&vertex.error);
        let took = match (vertex.started, vertex.completed) {
            (Some(from), Some(to)) => to.duration_since(from).as_secs_f64(),
            _ => 0.0,
        };
        let how = match (vertex.cached, step.error.is_empty()) {
            (true, _) => "cached".to_owned(),
            (false, true) => format!("done in {took:.1} s"),
            (false, false) => format!("failed after {took:.1} s: {}", step.error),
        };
        if self.is_workflow {
            told.extend(step.group(&how))
        } else {
            told.push(format!("#{} {how}", step.number))
        }
    }

    /// What is still open when the build has ended: the groups of steps that were not told to have ended.
    pub(super) fn rest(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        for step in self.steps.values_mut().filter(|step| !step.is_over) {
            step.is_over = true;
            let part = std::mem::take(&mut step.part);
            if !part.is_empty() {
                step.line(&self.hidden.clean(&part), self.is_workflow, &mut told);
            }
            if self.is_workflow {
                told.extend(step.group("not ended"));
            }
        }
        told
    }

    /// The step that failed; where several did, one that was not merely told to stop.
    #[must_use]
    pub(super) fn failed(&self) -> Option<Failed> {
        let mut failed: Vec<&Step> = self.steps.values().filter(|step| !step.error.is_empty()).collect();
        failed.sort_by_key(|step| (step.error.contains("context canceled"), step.number));
        let step = failed.first()?;
        let from = step.lines.len().saturating_sub(TAIL);
        let tail = step.lines.iter().skip(from).cloned().collect();
        Some(Failed { name: step.name.clone(), error: step.error.clone(), tail })
    }

    fn finding(&mut self, warning: &Warning) -> String {
        self.findings += 1;
        let text = self.hidden.clean(&warning.short);
        let text = if warning.url.is_empty() { text } else { format!("{text} ({})", plain(&warning.url)) };
        let line = warning.range.first().map(|range| range.start.line).filter(|line| *line > 0);
        if self.is_workflow {
            let place = line.map(|line| (self.dockerfile.as_str(), line));
            if self.findings <= ANNOTATIONS {
                return command::annotation(Level::Warning, place, "Dockerfile", &text);
            }
        }
        let place = line.map(|line| format!("{}:{line}: ", self.dockerfile)).unwrap_or_default();
        command::harmless(&format!("{place}warning: {text}"))
    }
}

impl Step {
    fn line(&mut self, line: &str, is_workflow: bool, told: &mut Vec<String>) {
        if !is_workflow {
            told.push(format!("#{} {line}", self.number));
        }
        if self.lines.len() == MOST {
            self.lines.pop_front();
            self.left_out += 1;
        }
        self.lines.push_back(line.to_owned());
    }

    /// A step that failed is not folded: it is what somebody looks for.
    fn group(&self, how: &str) -> Vec<String> {
        let title = format!("#{} {} ({how})", self.number, self.name);
        if self.lines.is_empty() {
            return vec![command::harmless(&title)];
        }
        let left_out =
            (self.left_out > 0).then(|| format!("({} lines before these are left out)", self.left_out));
        let lines = left_out.into_iter().chain(self.lines.iter().map(|line| command::harmless(line)));
        if self.error.is_empty() {
            let lines = std::iter::once(command::group(&title)).chain(lines);
            lines.chain([END_GROUP.to_owned()]).collect()
        } else {
            std::iter::once(command::harmless(&title)).chain(lines).collect()
        }
    }
}

#[cfg(test)]
mod tests;
