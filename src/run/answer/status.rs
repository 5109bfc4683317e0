//! What `status` answers.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::DriftAnswer;
use crate::report::lines::printable;

/// What runs in an environment now.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct StatusAnswer {
    /// The app.
    pub app: String,
    /// The environment.
    pub environment: String,
    /// The version that was promoted last.
    pub live: Option<String>,
    /// Its image, by its digest, where it has one.
    pub image: Option<String>,
    /// The public address.
    pub url: Option<String>,
    /// Whether the target answers.
    pub reachable: bool,
    /// Nobody asked for it for a while: nothing of it runs until the next request.
    pub asleep: bool,
    /// The instance sets.
    pub sets: Vec<SetAnswer>,
    /// The rollout that has not ended, or the last one when it is stuck.
    pub rollout: Option<OpenAnswer>,
    /// Who works on the environment at this moment, and what for.
    pub locked_by: Option<String>,
    /// What migrations have left in the database that a person must look at before anything is deployed.
    pub schema_hold: Option<String>,
    /// Who closed the environment by hand, and why.
    pub closed: Option<String>,
    /// What is no longer as the live release was applied. None where that is not known: not in a cluster, nothing is live, a
    /// rollout is under way or stuck, or this identity may not ask.
    pub drift: Option<Vec<DriftAnswer>>,
}

/// One instance set.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SetAnswer {
    /// Its version, where the journal knows it.
    pub version: Option<String>,
    /// Its release.
    pub release: String,
    /// Its share of the traffic, in percent.
    pub weight_percent: f64,
    /// How many instances there should be.
    pub desired: u32,
    /// How many are ready.
    pub ready: u32,
    /// How many exist.
    pub running: u32,
    /// Requests that they are answering now.
    pub in_flight: u64,
    /// When it will be taken away.
    pub retire_at: Option<String>,
    /// Why instances do not become ready.
    pub trouble: Option<String>,
}

/// A rollout that has not ended.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OpenAnswer {
    /// Its identity.
    pub id: String,
    /// The version that it rolls out.
    pub version: String,
    /// `forward`, `back`, `paused` or `stuck`.
    pub phase: String,
    /// The step under way, in words.
    pub step: Option<String>,
    /// When it began.
    pub started: String,
    /// What it waits for, or why it is stuck or goes back.
    pub why: Option<String>,
}

impl fmt::Display for StatusAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let live = self.live.as_deref().unwrap_or("nothing");
        writeln!(f, "{} in {}: {live} is live{}", self.app, self.environment, at(self.url.as_ref()))?;
        self.image.iter().try_for_each(|image| writeln!(f, "  {}", printable(image)))?;
        if !self.reachable {
            writeln!(f, "  its supervisor does not run")?;
        }
        if self.asleep {
            writeln!(f, "  it sleeps: the next request wakes it")?;
        }
        for set in &self.sets {
            let version = set.version.as_deref().unwrap_or(&set.release);
            write!(
                f,
                "  {version}: {} % of the traffic, {} of {} ready",
                set.weight_percent, set.ready, set.desired
            )?;
            if set.in_flight > 0 {
                write!(f, ", {} requests in flight", set.in_flight)?;
            }
            if let Some(time) = &set.retire_at {
                write!(f, ", kept until {time}")?;
            }
            writeln!(f)?;
            if let Some(trouble) = &set.trouble {
                writeln!(f, "    {}", printable(trouble))?;
            }
        }
        if let Some(open) = &self.rollout {
            write!(f, "  rollout {} of {}: {}", open.id, open.version, open.phase)?;
            if let Some(text) = open.why.as_ref().or(open.step.as_ref()) {
                write!(f, ", {}", printable(text))?;
            }
            writeln!(f)?;
        }
        for text in self.locked_by.iter().chain(&self.closed).chain(&self.schema_hold) {
            writeln!(f, "  {}", printable(text))?;
        }
        self.drift.iter().flatten().try_for_each(|one| write!(f, "{one}"))
    }
}

fn at(url: Option<&String>) -> String {
    url.map_or_else(String::new, |url| format!(" at {url}"))
}
