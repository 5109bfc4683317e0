//! What `build` answers.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::Wish;
use crate::image::build::{Builder, Built};
use crate::report::lines::printable;

/// An image that was built, or was there already. Printed by `build`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct BuildAnswer {
    /// One sentence.
    pub sentence: String,
    /// The digest of the image, which is the one thing to go on with; none where no image came of it.
    pub digest: Option<String>,
    /// The id of its configuration, as the builder knows it; none where no build ran.
    pub image_id: Option<String>,
    /// Its names.
    pub names: Vec<String>,
    /// The version that it is of; none where no rules gave one.
    pub version: Option<String>,
    /// What it is for; empty where it is in no registry.
    pub platforms: Vec<String>,
    /// What built it; none where no build ran.
    pub builder: Option<String>,
    /// Whether it was there already, so that no build ran.
    pub reused: bool,
    /// The sum of all that went in, by which it is found again; none where that could not be told.
    pub fingerprint: Option<String>,
    /// Why there is no sum, as part of a sentence.
    pub no_fingerprint: Option<String>,
    /// What is attached to it.
    pub attestations: Vec<AttestationAnswer>,
    /// What the builder answered to a `call`; none where it built.
    pub output: Option<String>,
    /// From start to end.
    pub seconds: f64,
    /// Further images of the app that were made, or were there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<BuildAnswer>,
}

/// What is attached to an image.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AttestationAnswer {
    /// Its digest.
    pub digest: String,
    /// The digest of the image that it is about: that of one platform.
    pub about: String,
    /// What it says: types of in-toto predicates.
    pub predicates: Vec<String>,
}

impl BuildAnswer {
    /// Before anything has come of it.
    pub(super) fn new(wish: &Wish, fingerprint: Option<String>) -> Self {
        Self {
            sentence: String::new(),
            digest: None,
            image_id: None,
            names: wish.order.tags.clone(),
            version: wish.version.clone(),
            platforms: Vec::new(),
            builder: None,
            reused: false,
            fingerprint,
            no_fingerprint: None,
            attestations: Vec::new(),
            output: None,
            seconds: 0.0,
            others: Vec::new(),
        }
    }

    /// A build has run.
    pub(super) fn built(&mut self, built: &Built, builder: &Builder) {
        self.digest.clone_from(&built.digest);
        self.image_id.clone_from(&built.id);
        self.builder = Some(builder.name());
        self.output = Some(built.output.clone()).filter(|output| !output.is_empty());
        self.sentence = match (&built.digest, &built.id) {
            (Some(digest), _) => format!("built {digest}"),
            (None, Some(id)) => format!("built {id}"),
            (None, None) => "done".to_owned(),
        };
    }

    /// No build had to run.
    pub(super) fn reused(&mut self, is_unchanged: bool, took: Duration) {
        self.reused = true;
        let digest = self.digest.as_deref().unwrap_or_default();
        self.sentence = if is_unchanged {
            format!(
                "unchanged: {digest} is of the same inputs, and has all its names already; nothing was built"
            )
        } else {
            format!("reused: {digest} is of the same inputs; nothing was built, and it has got its names")
        };
        self.end(took);
    }

    pub(super) fn end(&mut self, took: Duration) {
        self.seconds = took.as_secs_f64();
        self.sentence = format!("{} ({:.1} s)", self.sentence, self.seconds);
    }
}

impl fmt::Display for BuildAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", printable(&self.sentence))?;
        if let Some(output) = &self.output {
            output.lines().try_for_each(|line| writeln!(f, "{}", printable(line)))?;
        }
        self.names.iter().try_for_each(|name| writeln!(f, "{}", printable(name)))?;
        if !self.platforms.is_empty() {
            writeln!(f, "for {}", self.platforms.join(", "))?;
        }
        let attested = self.attestations.iter().flat_map(|one| &one.predicates);
        let mut attested: Vec<String> = attested.map(|kind| printable(kind)).collect();
        attested.sort();
        attested.dedup();
        attested.iter().try_for_each(|kind| writeln!(f, "attested: {kind}"))?;
        if let Some(why) = self.no_fingerprint.as_ref().filter(|_| !self.reused) {
            writeln!(f, "not to be found again by its inputs: {}", printable(why))?;
        }
        self.others.iter().try_for_each(|other| write!(f, "{other}"))
    }
}
