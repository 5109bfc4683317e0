//! The rules applied: which tags there are, which of them is the version, and whether `latest` is one.

use std::collections::BTreeMap;

use super::claim::Claim;
use super::context::Context;
use super::entry::Entry;
use super::fault::{Fault, Place};
use super::flavor::Latest;
use super::value::{self, Found, Outcome};
use super::{Rules, labels, name};

/// Tags, labels and annotations.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    /// The version: the first tag. Empty where there is none.
    pub version: String,
    /// The tags without a base name, the version first.
    pub names: Vec<Name>,
    /// The images that are wanted.
    pub images: Vec<Image>,
    /// Whether images were given, wanted or not: without any, tags stand alone.
    pub has_images: bool,
    /// Labels by their keys.
    pub labels: BTreeMap<String, String>,
    /// Annotations, each with its level before it.
    pub annotations: Vec<String>,
    /// What is to be compared with a registry before `latest` moves; none where `latest` is no tag, or no release.
    pub claim: Option<Claim>,
    /// What somebody should know, as sentences.
    pub notes: Vec<String>,
}

/// A tag without a base name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The tag.
    pub text: String,
    /// Whether it is `latest`, with what the flavor puts around it.
    pub is_latest: bool,
}

/// An image that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its base name.
    pub name: String,
    /// `latest` stays where it is.
    pub keeps_latest: bool,
}

impl Metadata {
    /// The tags with their base names: all of an image, then all of the next.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        if !self.has_images {
            return self.tag_names();
        }
        let of = |image: &Image| {
            let wanted = self.names.iter().filter(|name| !(name.is_latest && image.keeps_latest));
            wanted.map(|name| format!("{}:{}", image.name, name.text)).collect::<Vec<_>>()
        };
        self.images.iter().flat_map(of).collect()
    }

    /// The tags without base names. `latest` is none where it stays where it is for one of the images.
    #[must_use]
    pub fn tag_names(&self) -> Vec<String> {
        let keeps_latest = self.images.iter().any(|image| image.keeps_latest);
        let wanted = self.names.iter().filter(|name| !(name.is_latest && keeps_latest));
        wanted.map(|name| name.text.clone()).collect()
    }
}

/// What comes of the entries, one after the other.
#[derive(Default)]
struct Tags {
    names: Vec<Name>,
    /// Whether `latest` is to be, once the first tag has decided.
    latest: Option<bool>,
    claim: Option<Claim>,
    notes: Vec<String>,
}

/// Applies the rules.
pub(super) fn of(rules: &Rules, context: &Context) -> Result<Metadata, Fault> {
    let mut tags = Tags::default();
    for entry in &rules.entries {
        if Rules::is_enabled(&entry.enable, entry.place, context)? {
            tags.add(rules, context, entry)?;
        }
    }
    tags.add_latest(rules, context)?;
    let mut images = Vec::new();
    for image in &rules.images {
        if Rules::is_enabled(&image.enable, image.place, context)? {
            images.push(Image { name: image.name.clone(), keeps_latest: false });
        }
    }
    let version = tags.names.first().map(|name| name.text.clone()).unwrap_or_default();
    let annotations = labels::of(&version, context, &rules.annotations)?;
    let is_claimed = tags.names.iter().any(|name| name.is_latest);
    Ok(Metadata {
        labels: labels::of(&version, context, &rules.labels)?,
        annotations: labels::annotations(&rules.levels, &annotations),
        has_images: !rules.images.is_empty(),
        claim: tags.claim.filter(|_| is_claimed),
        names: tags.names,
        notes: tags.notes,
        version,
        images,
    })
}

impl Tags {
    fn add(&mut self, rules: &Rules, context: &Context, entry: &Entry) -> Result<(), Fault> {
        let found = match value::of(entry, context)? {
            Outcome::Found(found) => found,
            Outcome::Not => return Ok(()),
            Outcome::Unfit(why) => {
                let Place { input, line } = entry.place;
                self.notes.push(format!("{input}, line {line}: {why}; this entry gives no tag"));
                return Ok(());
            }
        };
        let affix = |own: &Option<_>, flavor| context.render(own.as_ref().unwrap_or(flavor), None);
        let prefix = affix(&entry.prefix, &rules.flavor.prefix.text);
        let suffix = affix(&entry.suffix, &rules.flavor.suffix.text);
        let text = format!("{prefix}{}{suffix}", found.text);
        if text.is_empty() {
            return Ok(());
        }
        let text = name::tag(&text).map_err(|wrong| wrong.at(entry.place))?;
        self.push(text, found.text == "latest");
        let latest = match rules.flavor.latest {
            Latest::Auto => found.is_latest,
            Latest::Always => true,
            Latest::Never => false,
        };
        self.latest.get_or_insert(latest);
        self.claim(found, &prefix, &suffix, rules.flavor.latest);
        Ok(())
    }

    fn push(&mut self, text: String, is_latest: bool) {
        match self.names.iter_mut().find(|name| name.text == text) {
            Some(name) => name.is_latest |= is_latest,
            None => self.names.push(Name { text, is_latest }),
        }
    }

    /// The first release is the one that `latest` is to go to. Of the shapes that its tags have, the one that tells most counts.
    fn claim(&mut self, found: Found, prefix: &str, suffix: &str, latest: Latest) {
        let Some(release) = found.release else { return };
        let (prefix, suffix) = (name::clean(prefix), name::clean(suffix));
        match &mut self.claim {
            None => {
                let finals_only = latest != Latest::Always && found.is_version;
                self.claim = Some(Claim { release, shape: found.shape, prefix, suffix, finals_only });
            }
            Some(claim) if claim.release == release && claim.prefix == prefix && claim.suffix == suffix => {
                if found.is_version && found.shape.rank() > claim.shape.rank() {
                    claim.shape = found.shape;
                }
            }
            Some(_) => {}
        }
    }

    /// Adds `latest` behind all others.
    fn add_latest(&mut self, rules: &Rules, context: &Context) -> Result<(), Fault> {
        if self.latest != Some(true) {
            return Ok(());
        }
        let affix = |affix: &super::flavor::Affix| match affix.on_latest {
            true => context.render(&affix.text, None),
            false => String::new(),
        };
        let text = format!("{}latest{}", affix(&rules.flavor.prefix), affix(&rules.flavor.suffix));
        let text = name::tag(&text).map_err(|wrong| wrong.at(Place { input: "flavor", line: 1 }))?;
        self.push(text, true);
        Ok(())
    }
}
