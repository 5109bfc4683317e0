//! Rules for tags, labels and annotations: read here already, so that a fault has its place in the file.

use super::Findings;
use crate::image::metadata::{Inputs, Rules};
use crate::settings::file::{Lines, Pairs};
use crate::yaml::Path;

/// An input with a line each, and where its lines are written.
struct Input {
    text: String,
    /// For each line the way to what it is part of.
    places: Vec<Path>,
}

impl Input {
    fn of_lines(raw: Lines, path: &Path) -> Self {
        match raw {
            Lines::Text(text) => Self { places: vec![path.clone(); text.lines().count().max(1)], text },
            Lines::List(all) => {
                Self::of_items(all.into_iter().enumerate().map(|(index, text)| (text, path.index(index))))
            }
        }
    }

    fn of_pairs(raw: Pairs, path: &Path) -> Self {
        let all = match raw {
            Pairs::Lines(lines) => return Self::of_lines(lines, path),
            Pairs::Mapping(all) => all,
        };
        // In quotes, for a value may have lines of its own.
        let line = |key: &str, value: &str| format!("\"{}\"", format!("{key}={value}").replace('"', "\"\""));
        Self::of_items(all.iter().map(|(key, value)| (line(key, value), path.key(key))))
    }

    fn of_items(items: impl Iterator<Item = (String, Path)>) -> Self {
        let (mut lines, mut places) = (Vec::new(), Vec::new());
        for (text, place) in items {
            places.extend(std::iter::repeat_n(place, text.lines().count().max(1)));
            lines.push(text);
        }
        Self { text: lines.join("\n"), places }
    }

    /// Tells what is wrong with it, and gives the text.
    fn checked(self, inputs: &Inputs, path: &Path, findings: &mut Findings<'_>) -> String {
        if self.text.trim().is_empty() {
            let message = format!("there is nothing in `{}`", path.last_key().unwrap_or("this list"));
            findings.empty(path, message, "take it out for the default");
        } else if let Err(fault) = Rules::read(inputs) {
            let place = fault.line.and_then(|line| self.places.get(line.saturating_sub(1)));
            let help = fault.cure.as_deref().unwrap_or("docs/images.md describes what can stand here");
            let line = match (place, fault.line) {
                // Of a text of several lines only the first has a place of its own.
                (Some(place), Some(line)) if place == path && self.places.len() > 1 => {
                    format!("line {line}: ")
                }
                _ => String::new(),
            };
            findings.error(place.unwrap_or(path), format!("{line}{}", fault.cause), help);
        }
        self.text
    }
}

pub(super) fn tags(raw: Lines, path: &Path, findings: &mut Findings<'_>) -> String {
    let input = Input::of_lines(raw, path);
    let inputs = Inputs { tags: input.text.clone(), ..Inputs::default() };
    input.checked(&inputs, path, findings)
}

pub(super) fn flavor(raw: Lines, path: &Path, findings: &mut Findings<'_>) -> String {
    let input = Input::of_lines(raw, path);
    let inputs = Inputs { flavor: input.text.clone(), ..Inputs::default() };
    input.checked(&inputs, path, findings)
}

/// `key` is `labels` or `annotations`.
pub(super) fn pairs(key: &str, raw: Pairs, path: &Path, findings: &mut Findings<'_>) -> String {
    if let Pairs::Mapping(all) = &raw {
        for (name, _) in all.iter().filter(|(name, _)| name.is_empty() || name.contains('=')) {
            let message = format!("`{name}` cannot be the key of one of the {key}");
            findings.error_at_key(&path.key(name), message, "use a name such as `org.example.team`");
        }
    }
    let input = Input::of_pairs(raw, path);
    let text = input.text.clone();
    let inputs = match key {
        "labels" => Inputs { labels: text, ..Inputs::default() },
        _ => Inputs { annotations: text, ..Inputs::default() },
    };
    input.checked(&inputs, path, findings)
}
