//! Texts with fields.

use super::Message;

/// A text with fields such as `{version}`; `{{` and `}}` are braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(String),
}

impl Template {
    /// Reads a text. Which fields there are is the settings' matter; a brace that opens and does not close stands for itself.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                plain.push_str(&rest[..1]);
                rest = &rest[2..];
            } else if let Some(end) = rest.strip_prefix('{').and_then(|inner| inner.find('}')) {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(Piece::Field(rest[1..=end].to_owned()));
                rest = &rest[end + 2..];
            } else {
                plain.push_str(&rest[..1]);
                rest = &rest[1..];
            }
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        Self(pieces)
    }

    /// The text for a message. What stands for a field is never read as a template again.
    pub(super) fn fill(&self, message: &Message) -> String {
        let fill = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Field(name) => message.field(name).unwrap_or_else(|| format!("{{{name}}}")),
        };
        self.0.iter().map(fill).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::hostile;
    use super::*;

    fn filled(text: &str) -> String {
        let message = Message { version: "{app}".to_owned(), ..hostile() };
        Template::new(text).fill(&message)
    }

    #[test]
    fn fields_are_filled_once() {
        assert_eq!(filled("{app} {version}: {outcome}!"), "shop {app}: rolled-back!");
        assert_eq!(filled(""), "");
    }

    #[test]
    fn braces_can_be_written() {
        assert_eq!(filled("{{app}} {{{app}}} }} } { {"), "{app} {shop} } } { {");
        assert_eq!(filled("{unknown} ü{app}ü"), "{unknown} üshopü");
    }
}
