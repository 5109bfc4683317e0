//! The input `flavor`: what holds for all tags.

use super::attributes::Attributes;
use super::fault::{Fault, Wrong, shown};
use super::list::records;
use super::template::Template;
use crate::yaml::words::nearest;

/// What holds for all tags.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Flavor {
    /// When there is a tag `latest`.
    pub(super) latest: Latest,
    /// What stands before a tag.
    pub(super) prefix: Affix,
    /// What stands after a tag.
    pub(super) suffix: Affix,
}

/// When there is a tag `latest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Latest {
    /// For releases.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A prefix or suffix.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Affix {
    /// The text.
    pub(super) text: Template,
    /// Whether `latest` has it, too.
    pub(super) on_latest: bool,
}

/// Reads the input.
pub(super) fn read(text: &str) -> Result<Flavor, Fault> {
    let mut flavor = Flavor::default();
    for record in records("flavor", text)? {
        let attributes = Attributes::read(record);
        if let Some(bare) = attributes.bare.first() {
            let wrong = Wrong::new(format!("{} has no value", shown(bare)));
            return Err(attributes.fault(wrong.cure("write `latest=auto`, `prefix=…` or `suffix=…`")));
        }
        // `onlatest` belongs to what stands before it.
        let mut last = None;
        for (key, value) in &attributes.pairs {
            let fault = |wrong: Wrong| attributes.fault(wrong);
            match (key.as_str(), last) {
                ("latest", _) => flavor.latest = latest(value).map_err(fault)?,
                ("prefix", _) => {
                    flavor.prefix = affix(value).map_err(fault)?;
                    last = Some("prefix");
                }
                ("suffix", _) => {
                    flavor.suffix = affix(value).map_err(fault)?;
                    last = Some("suffix");
                }
                ("onlatest", Some("prefix")) => flavor.prefix.on_latest = boolean(value).map_err(fault)?,
                ("onlatest", Some(_)) => flavor.suffix.on_latest = boolean(value).map_err(fault)?,
                ("onlatest", None) => {
                    let wrong = Wrong::new("`onlatest` has no effect without a prefix or suffix before it");
                    return Err(fault(wrong.cure("write it after one: `suffix=-alpine,onlatest=true`")));
                }
                (other, _) => {
                    let known = ["latest", "prefix", "suffix", "onlatest"];
                    let cure = match nearest(other, known.into_iter()) {
                        Some(meant) => format!("write `{meant}`"),
                        None => "a flavor has `latest`, `prefix`, `suffix` and `onlatest`".to_owned(),
                    };
                    return Err(fault(Wrong::new(format!("{} is no flavor", shown(other))).cure(cure)));
                }
            }
        }
    }
    Ok(flavor)
}

fn latest(value: &str) -> Result<Latest, Wrong> {
    match value {
        "auto" => Ok(Latest::Auto),
        "true" => Ok(Latest::Always),
        "false" => Ok(Latest::Never),
        other => {
            let wrong = Wrong::new(format!("`latest` cannot be {}", shown(other)));
            Err(wrong.cure("it is `auto`, `true` or `false`"))
        }
    }
}

fn affix(value: &str) -> Result<Affix, Wrong> {
    Ok(Affix { text: Template::read(value)?, on_latest: false })
}

/// `true` or `false`.
pub(super) fn boolean(value: &str) -> Result<bool, Wrong> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(Wrong::new(format!("{} is neither `true` nor `false`", shown(other)))
            .cure("an expression of the workflow may have come out as something else")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_lines_count_and_onlatest_goes_with_what_is_before_it() {
        let flavor = read("latest=true\nlatest=false\nprefix=a-,onlatest=true\nsuffix=-b").unwrap();
        assert_eq!(flavor.latest, Latest::Never);
        assert!(flavor.prefix.on_latest && !flavor.suffix.on_latest);
        let line = read("prefix=a,onlatest=false,suffix=b,onlatest=true").unwrap();
        assert!(!line.prefix.on_latest && line.suffix.on_latest);
        assert_eq!(read("").unwrap(), Flavor::default());
    }

    #[test]
    fn wrong_ones_have_a_place() {
        for (text, told) in [
            ("latest", "flavor, line 1: `latest` has no value"),
            ("latest=yes", "flavor, line 1: `latest` cannot be `yes`"),
            (
                "\nonlatest=true",
                "flavor, line 2: `onlatest` has no effect without a prefix or suffix before it",
            ),
            ("prefix=a,onlatest=yes", "flavor, line 1: `yes` is neither `true` nor `false`"),
            ("sufix=a", "flavor, line 1: `sufix` is no flavor"),
            ("prefix={{x", "flavor, line 1: the expression `{{x` is not closed"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), told);
        }
    }
}
