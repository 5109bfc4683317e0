//! Tags, labels and annotations of an image, by the rules that docker/metadata-action made usual. Pure.
//!
//! ```text
//! inputs ── Rules::read ──→ Rules ─┐
//! event, repository, time ─────────┴─ Rules::apply ──→ Metadata ── Claim::overtaken_by(registry's tags) ──→ without `latest`
//! ```
//! Everything that can be wrong with an input is found when it is read, whatever the event: an entry that can never apply is an
//! error at its line. Nothing here panics on any input, and no input can make it run for long.

mod attributes;
mod claim;
mod context;
mod date;
mod entry;
mod fault;
mod flavor;
mod images;
mod labels;
mod list;
mod name;
mod pattern;
mod release;
mod result;
mod shape;
mod template;
mod value;

pub use claim::Claim;
pub use context::Context;
pub use fault::Fault;
pub use list::{entries, fields};
pub use result::{Image, Metadata, Name};

use entry::Entry;
use flavor::{Flavor, boolean};
use labels::Line;
use template::Template;

/// The inputs, as they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Base names of images.
    pub images: String,
    /// What tags there are to be.
    pub tags: String,
    /// What holds for all tags.
    pub flavor: String,
    /// Labels besides the usual ones, or in their place.
    pub labels: String,
    /// Annotations besides the usual ones, or in their place.
    pub annotations: String,
    /// The levels of annotations, with commas between.
    pub levels: String,
}

/// The inputs, read.
#[derive(Debug, Clone)]
pub struct Rules {
    images: Vec<images::Image>,
    entries: Vec<Entry>,
    flavor: Flavor,
    labels: Vec<Line>,
    annotations: Vec<Line>,
    levels: Vec<String>,
}

impl Rules {
    /// Reads the inputs.
    ///
    /// # Errors
    /// The first thing that is wrong with them, with its place.
    pub fn read(inputs: &Inputs) -> Result<Self, Fault> {
        Ok(Self {
            images: images::read(&inputs.images)?,
            entries: entry::read(&inputs.tags)?,
            flavor: flavor::read(&inputs.flavor)?,
            labels: labels::read("labels", &inputs.labels)?,
            annotations: labels::read("annotations", &inputs.annotations)?,
            levels: labels::levels(&inputs.levels)?,
        })
    }

    /// Whether the date of the commit stands in them: finding it out may need git.
    #[must_use]
    pub fn want_commit_date(&self) -> bool {
        let lines = self.labels.iter().chain(&self.annotations);
        let in_lines = lines.flat_map(|line| match line {
            Line::Set(_, key, value) => vec![key, value],
            Line::Drop(..) => Vec::new(),
        });
        let in_flavor = [&self.flavor.prefix.text, &self.flavor.suffix.text];
        let in_images = self.images.iter().map(|image| &image.enable);
        let in_entries = self.entries.iter().flat_map(Entry::templates);
        in_entries.chain(in_images).chain(in_flavor).chain(in_lines).any(Template::wants_commit_date)
    }

    /// Applies them.
    ///
    /// # Errors
    /// When an entry can never apply, or what it gives cannot be a tag.
    pub fn apply(&self, context: &Context) -> Result<Metadata, Fault> {
        result::of(self, context)
    }

    /// Whether what renders to `true` or `false` is true.
    fn is_enabled(template: &Template, place: fault::Place, context: &Context) -> Result<bool, Fault> {
        boolean(&context.render(template, None)).map_err(|wrong| wrong.at(place))
    }
}
