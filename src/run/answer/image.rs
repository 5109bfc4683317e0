//! What `image tags` answers.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::report::lines::printable;

/// What an image is called and labelled. Printed by `image tags`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TagsAnswer {
    /// The version: the first tag, without a base name. Empty where the event gives none.
    pub version: String,
    /// The tags with the images' names, all of an image and then all of the next; without names where no image was given.
    pub tags: Vec<String>,
    /// The tags without names of images.
    #[serde(rename = "tag-names")]
    pub tag_names: Vec<String>,
    /// The labels by their keys.
    pub labels: BTreeMap<String, String>,
    /// The annotations, each as `LEVEL:KEY=VALUE`.
    pub annotations: Vec<String>,
    /// What stands between values in the text form.
    #[serde(skip)]
    pub separators: Separators,
}

/// What stands between values in the text form; by default each has a line of its own.
#[derive(Debug, Clone, Default)]
pub struct Separators {
    /// Between tags.
    pub tags: Option<String>,
    /// Between labels.
    pub labels: Option<String>,
    /// Between annotations.
    pub annotations: Option<String>,
}

impl fmt::Display for TagsAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels: Vec<String> = self.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let Separators { tags, labels: between_labels, annotations } = &self.separators;
        writeln!(f, "version: {}", self.version)?;
        list(f, "tags", &self.tags, tags.as_deref())?;
        list(f, "tag-names", &self.tag_names, tags.as_deref())?;
        list(f, "labels", &labels, between_labels.as_deref())?;
        list(f, "annotations", &self.annotations, annotations.as_deref())
    }
}

fn list(f: &mut fmt::Formatter<'_>, name: &str, values: &[String], between: Option<&str>) -> fmt::Result {
    let values: Vec<String> = values.iter().map(|value| printable(value)).collect();
    match between {
        Some(between) if between != "\n" => writeln!(f, "{name}: {}", values.join(between)),
        _ => {
            writeln!(f, "{name}:")?;
            values.iter().try_for_each(|value| writeln!(f, "  {value}"))
        }
    }
}
