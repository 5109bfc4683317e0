//! From a pull request, or from what is written down of its preview, to the settings of that preview.

use crate::error::{Error, ErrorKind};
use crate::preview::{self as pure, Record, Values};
use crate::settings::{self, EnvironmentSettings, PreviewSettings, Settings, SettingsError};

/// The template of the previews.
///
/// # Errors
/// When the configuration has none.
pub fn template(settings: &Settings) -> Result<&PreviewSettings, Error> {
    settings.preview.as_ref().ok_or_else(|| {
        let sentence = format!("{} has no environment `preview`", settings.file.display());
        Error::new(ErrorKind::Usage, "no-previews", sentence)
            .hint("add `preview:` to `environments`; docs/previews.md shows one")
    })
}

/// What the fields of the template stand for in the preview of a pull request.
///
/// # Errors
/// When the variable with the key of the random part is not set.
pub fn values(settings: &Settings, number: u64, branch: &str, port: Option<u16>) -> Result<Values, Error> {
    let template = template(settings)?;
    let random = match &template.random {
        None => None,
        Some(variable) => Some(pure::random(&key(variable)?, &settings.app, number)),
    };
    let mut values = Values {
        number,
        slug: pure::slug(branch),
        name: String::new(),
        app: settings.app.clone(),
        random,
        port,
    };
    values.name = values.fill(&template.name);
    Ok(values)
}

fn key(variable: &str) -> Result<String, Error> {
    std::env::var(variable).ok().filter(|key| !key.trim().is_empty()).ok_or_else(|| {
        let sentence = format!("the random part of previews needs the key in ${variable}, which is not set");
        Error::new(ErrorKind::Usage, "variable-not-set", sentence)
            .hint(format!("set {variable} in the environment of this command"))
    })
}

/// Any port that is one: settings that are looked for by a name alone go no further than to what they are found by.
#[must_use]
pub fn any_port(settings: &Settings) -> Option<u16> {
    settings.preview.as_ref().and_then(|preview| preview.ports.as_ref()).map(|ports| *ports.start())
}

/// The settings of the preview.
///
/// # Errors
/// When what the template comes to does not do.
pub fn instance(settings: &Settings, values: &Values) -> Result<EnvironmentSettings, Error> {
    template(settings)?;
    let made = settings::preview(settings, values).map_err(|error| unfit(&error))?;
    made.ok_or_else(|| Error::new(ErrorKind::Usage, "no-previews", "the configuration has no previews"))
}

fn unfit(error: &SettingsError) -> Error {
    Error::new(ErrorKind::Usage, "configuration", error.to_string())
}

/// The settings of a preview that is written down.
///
/// # Errors
/// As [`values`] and [`instance`].
pub fn of_record(settings: &Settings, record: &Record) -> Result<EnvironmentSettings, Error> {
    instance(settings, &values(settings, record.number, &record.branch, record.port)?)
}

/// The number of the pull request whose preview has that name; nothing where none would be called so.
///
/// # Errors
/// As [`values`].
pub fn number_in(settings: &Settings, name: &str) -> Result<Option<u64>, Error> {
    if settings.preview.is_none() {
        return Ok(None);
    }
    let digits = name.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    for number in digits.filter_map(|digits| digits.parse().ok()) {
        if values(settings, number, "", None)?.name == name {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn settings(more: &str) -> Settings {
        let text = format!(
            "app: shop\nenvironments:\n  preview:\n    on: pull_request\n    target: {{ kubernetes: {{ manifests: deploy }} }}\n    {more}\n"
        );
        settings::parse(Path::new("/x/tidegate.yaml"), &text).unwrap()
    }

    #[test]
    fn a_name_leads_back_to_its_number() {
        let usual = settings("");
        assert_eq!(number_in(&usual, "preview-7").unwrap(), Some(7));
        for other in [
            "preview",
            "preview-",
            "preview-07",
            "preview-7x",
            "7",
            "xpreview-7",
            "preview-99999999999999999999",
        ] {
            assert_eq!(number_in(&usual, other).unwrap(), None, "{other}");
        }
        assert_eq!(number_in(&settings("name: v2-{number}-{app}"), "v2-12-shop").unwrap(), Some(12));
    }

    #[test]
    fn two_pull_requests_of_one_branch_share_nothing() {
        let settings = settings("url: \"https://{slug}-{number}.test\"");
        let of =
            |number| instance(&settings, &values(&settings, number, "Feature/X", None).unwrap()).unwrap();
        let (one, other) = (of(7), of(8));
        assert!(one.name == "preview-7" && other.name == "preview-8");
        assert_ne!(format!("{:?}", one.target), format!("{:?}", other.target));
        assert_eq!(one.preview.unwrap().number, 7);
    }
}
