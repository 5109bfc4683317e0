//! The input `images`: base names, and whether each is wanted.

use super::attributes::Attributes;
use super::fault::{Fault, Place, Wrong, shown};
use super::list::records;
use super::name;
use super::template::Template;

/// An image that is to be called by the tags.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Image {
    /// Where it stands.
    pub(super) place: Place,
    /// Its name, in lower case.
    pub(super) name: String,
    /// Whether it is wanted: renders to `true` or `false`.
    pub(super) enable: Template,
}

/// Reads the input: a line an image with attributes, or names alone with commas between.
pub(super) fn read(text: &str) -> Result<Vec<Image>, Fault> {
    let mut all = Vec::new();
    for record in records("images", text)? {
        let mut attributes = Attributes::read(record);
        let place = attributes.place;
        if attributes.pairs.is_empty() {
            for bare in &attributes.bare {
                all.push(image(place, bare, "true")?);
            }
            continue;
        }
        attributes.check_once()?;
        let enable = attributes.take("enable").unwrap_or_else(|| "true".to_owned());
        let mut names: Vec<String> = attributes.take("name").into_iter().collect();
        names.append(&mut attributes.bare);
        attributes.check_read("an image", &["name", "enable"])?;
        match &names[..] {
            [name] => all.push(image(place, name, &enable)?),
            [] => {
                let wrong = Wrong::new("the image has no name").cure("write `name=REGISTRY/REPOSITORY`");
                return Err(wrong.at(place));
            }
            [_, second, ..] => {
                let wrong = Wrong::new(format!("a second name stands here: {}", shown(second)));
                return Err(wrong.cure("write a line for each image").at(place));
            }
        }
    }
    Ok(all)
}

fn image(place: Place, name: &str, enable: &str) -> Result<Image, Fault> {
    let name = name::image(name).map_err(|wrong| wrong.at(place))?;
    let enable = Template::read(enable).map_err(|wrong| wrong.at(place))?;
    Ok(Image { place, name, enable })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        read(text).unwrap().into_iter().map(|image| image.name).collect()
    }

    #[test]
    fn names_stand_alone_or_with_attributes() {
        assert_eq!(names("Acme/shop, registry.test/shop"), ["acme/shop", "registry.test/shop"]);
        assert_eq!(
            names("acme/a\n# no\nname=acme/b,enable=false\nacme/c,enable=true"),
            ["acme/a", "acme/b", "acme/c"]
        );
        assert_eq!(names(""), [""; 0]);
    }

    #[test]
    fn wrong_ones_have_a_place() {
        for (text, told) in [
            ("a\nname=,enable=true", "images, line 2: `` cannot be the name of an image"),
            ("enable=true", "images, line 1: the image has no name"),
            ("a,name=b", "images, line 1: a second name stands here: `a`"),
            ("a,enabled=true", "images, line 1: `enabled` has no effect in an image"),
            ("name=a,name=b", "images, line 1: `name` stands here twice"),
            ("a:1", "images, line 1: `a:1` cannot be the name of an image"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), told);
        }
    }
}
