//! What the commands on images answer.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::error::Error;
use crate::registry::{Package, Pushed};
use crate::report::lines::printable;

/// Who runs an image that does not say who.
const ROOT: &str = "root";

/// What was brought to registries. Printed by `image push` and `image copy`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PushAnswer {
    /// One sentence.
    pub sentence: String,
    /// The image's digest: in every place the same.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Bytes of its layers and configurations.
    pub size: u64,
    /// Each repository.
    pub destinations: Vec<DestinationAnswer>,
    /// From start to end.
    pub seconds: f64,
}

/// What it took to bring an image to one repository.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DestinationAnswer {
    /// Registry and repository.
    pub repository: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Whether all was there already, under these tags.
    pub unchanged: bool,
    /// Blobs that were there.
    pub present: usize,
    /// Blobs that were taken from another repository of the registry.
    pub mounted: usize,
    /// Blobs that were uploaded.
    pub uploaded: usize,
    /// Bytes of blobs that were sent, with those that had to be sent again.
    pub sent: u64,
    /// How often an upload went on after a broken connection from where it was.
    pub resumed: u32,
}

impl PushAnswer {
    /// Before anything was brought anywhere.
    pub(super) fn new(package: &Package) -> Self {
        let root = package.root();
        Self {
            sentence: String::new(),
            digest: root.map(|root| root.digest.clone()).unwrap_or_default(),
            media_type: root.map(|root| root.media_type.clone()).unwrap_or_default(),
            size: package.blobs().map(|blob| blob.size).sum(),
            destinations: Vec::new(),
            seconds: 0.0,
        }
    }

    pub(super) fn add(&mut self, repository: &str, tags: &[String], pushed: &Pushed) {
        self.destinations.push(DestinationAnswer {
            repository: repository.to_owned(),
            tags: tags.to_vec(),
            unchanged: pushed.uploaded + pushed.mounted + pushed.manifests + pushed.tags == 0,
            present: pushed.present,
            mounted: pushed.mounted,
            uploaded: pushed.uploaded,
            sent: pushed.sent,
            resumed: pushed.resumed,
        });
    }

    /// An error that came after the image had been brought to other places tells which.
    pub(super) fn amend(&self, mut error: Error) -> Error {
        let done: Vec<&str> = self.destinations.iter().map(|one| one.repository.as_str()).collect();
        if !done.is_empty() {
            error.sentence =
                format!("{}; {} has the image, whole and tagged", error.sentence, done.join(", "));
        }
        error
    }

    pub(super) fn end(&mut self, took: Duration) {
        self.seconds = took.as_secs_f64();
        let sum = |of: fn(&DestinationAnswer) -> u64| self.destinations.iter().map(of).sum::<u64>();
        let sent = sum(|one| one.sent);
        let number = |of: fn(&DestinationAnswer) -> usize| self.destinations.iter().map(of).sum::<usize>();
        self.sentence = if self.destinations.iter().all(|one| one.unchanged) {
            format!("unchanged: it was there already, as {}", self.digest)
        } else {
            format!(
                "{}: {} of {} blobs uploaded ({}), {} mounted, {} there already, in {:.1} s",
                self.digest,
                number(|one| one.uploaded),
                number(|one| one.uploaded + one.mounted + one.present),
                bytes(sent),
                number(|one| one.mounted),
                number(|one| one.present),
                self.seconds
            )
        };
    }
}

impl fmt::Display for PushAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.sentence)?;
        for one in &self.destinations {
            one.tags.iter().try_for_each(|tag| writeln!(f, "{}:{tag}", one.repository))?;
        }
        Ok(())
    }
}

/// What a registry has under a name. Printed by `image inspect`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ImageAnswer {
    /// The name that was asked for.
    pub name: String,
    /// The image's digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Bytes of layers and configurations, each counted once.
    pub size: u64,
    /// Its manifests: of each platform, and what is attached to them.
    pub manifests: Vec<ManifestAnswer>,
}

/// One manifest.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ManifestAnswer {
    /// Its digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// What it is made for; none for what is attached to another.
    pub platform: Option<String>,
    /// Bytes of its layers.
    pub size: u64,
    /// The digests of its layers, the lowest first.
    pub layers: Vec<String>,
    /// When it was made, by its configuration.
    pub created: Option<String>,
    /// Who runs it; none is root.
    pub user: Option<String>,
    /// What is run.
    pub entrypoint: Vec<String>,
    /// What is run, or given to the entrypoint.
    pub command: Vec<String>,
    /// The labels of its configuration.
    pub labels: BTreeMap<String, String>,
    /// The digest of the manifest that it is about, where it is attached to one.
    pub about: Option<String>,
    /// What it says about that one: types of in-toto predicates.
    pub predicates: Vec<String>,
    /// Where that one comes from, where a provenance is among them.
    pub provenance: Option<ProvenanceAnswer>,
}

/// Where an image comes from, by the provenance that is attached to it. It is told as it stands there, not verified.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ProvenanceAnswer {
    /// Who built it.
    pub builder: Option<String>,
    /// How, as the name of a kind.
    pub build_type: Option<String>,
    /// What went into it.
    pub materials: Vec<String>,
}

impl fmt::Display for ImageAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}, {}", self.name, self.digest, self.media_type, bytes(self.size))?;
        for one in &self.manifests {
            if let Some(about) = &one.about {
                writeln!(f, "attached   {} to {about}", one.digest)?;
                one.predicates.iter().try_for_each(|kind| writeln!(f, "           {}", printable(kind)))?;
                one.provenance.iter().try_for_each(|provenance| write!(f, "{provenance}"))?;
                continue;
            }
            let platform = one.platform.as_deref().unwrap_or("no platform");
            let (layers, size) = (one.layers.len(), bytes(one.size));
            writeln!(f, "{platform}  {}  {layers} layers, {size}", one.digest)?;
            let run: Vec<String> =
                one.entrypoint.iter().chain(&one.command).map(|word| printable(word)).collect();
            let user = one.user.as_deref().filter(|user| !user.is_empty()).unwrap_or(ROOT);
            writeln!(f, "           runs `{}` as {}", run.join(" "), printable(user))?;
            for (key, value) in &one.labels {
                writeln!(f, "           {}={}", printable(key), printable(value))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for ProvenanceAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.build_type.as_deref().unwrap_or("a kind that is not told");
        let builder =
            self.builder.as_deref().map_or_else(String::new, |who| format!(" by {}", printable(who)));
        writeln!(f, "           built{builder}, as {}, of:", printable(kind))?;
        self.materials.iter().try_for_each(|one| writeln!(f, "             {}", printable(one)))
    }
}

/// A number of bytes for people.
fn bytes(number: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one digit after the point is told")]
    let number = number as f64;
    match number {
        n if n >= 1e9 => format!("{:.1} GB", n / 1e9),
        n if n >= 1e6 => format!("{:.1} MB", n / 1e6),
        n if n >= 1e3 => format!("{:.1} kB", n / 1e3),
        n => format!("{n:.0} B"),
    }
}
