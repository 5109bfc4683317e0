//! What a plain scalar means.

/// A single value, by the core schema of YAML 1.2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scalar {
    /// `null`, `~` or nothing at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// All else, and whatever stands in quotes.
    Text,
}

impl Scalar {
    /// Reads a scalar that stands without quotes and without a tag.
    pub(crate) fn plain(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Null,
            "true" | "True" | "TRUE" => return Self::Bool(true),
            "false" | "False" | "FALSE" => return Self::Bool(false),
            ".nan" | ".NaN" | ".NAN" => return Self::Float(f64::NAN),
            _ => {}
        }
        let (sign, digits) = match text.as_bytes().first() {
            Some(b'-') => ("-", &text[1..]),
            Some(b'+') => ("", &text[1..]),
            _ => ("", text),
        };
        if matches!(digits, ".inf" | ".Inf" | ".INF") {
            return Self::Float(if sign == "-" { f64::NEG_INFINITY } else { f64::INFINITY });
        }
        if let Some(number) = Self::based(text) {
            return number;
        }
        let decimal = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty();
        if decimal && let Ok(number) = format!("{sign}{digits}").parse() {
            return Self::Integer(number);
        }
        let floating = digits.bytes().next().is_some_and(|byte| byte.is_ascii_digit() || byte == b'.')
            && digits.bytes().any(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if floating => Self::Float(number),
            _ => Self::Text,
        }
    }

    /// As [`Scalar::plain`], with what kubectl reads otherwise: it goes by YAML 1.1 in booleans (`yes`, `on` and the like), in
    /// octal numbers (`0644`) and in underscores within whole numbers.
    pub(crate) fn plain_for_kubectl(text: &str) -> Self {
        match text {
            "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Self::Bool(true),
            "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Self::Bool(false),
            _ => {}
        }
        let octal = text.strip_prefix('0').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(number) = octal.and_then(|digits| i64::from_str_radix(digits, 8).ok()) {
            return Self::Integer(number);
        }
        let whole = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
        if whole && text.as_bytes().first().is_some_and(u8::is_ascii_digit) && text.contains('_') {
            return Self::plain(&text.replace('_', ""));
        }
        Self::plain(text)
    }

    /// Octal and hexadecimal numbers.
    fn based(text: &str) -> Option<Self> {
        let (digits, base) = text
            .strip_prefix("0x")
            .map(|digits| (digits, 16))
            .or_else(|| Some((text.strip_prefix("0o")?, 8)))?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if plain { i64::from_str_radix(digits, base).ok().map(Self::Integer) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::Scalar;

    #[test]
    fn reads_the_examples_of_the_core_schema() {
        for (text, scalar) in [
            ("", Scalar::Null),
            ("Null", Scalar::Null),
            ("TRUE", Scalar::Bool(true)),
            ("0o14", Scalar::Integer(12)),
            ("0xC", Scalar::Integer(12)),
            ("+12", Scalar::Integer(12)),
            ("-19", Scalar::Integer(-19)),
            ("0.", Scalar::Float(0.0)),
            ("-.INF", Scalar::Float(f64::NEG_INFINITY)),
            ("+12e03", Scalar::Float(12_000.0)),
            ("99999999999999999999", Scalar::Float(1e20)),
        ] {
            assert_eq!(Scalar::plain(text), scalar, "{text}");
        }
    }

    #[test]
    fn takes_all_else_as_text() {
        for text in
            ["on", "yes", "inf", "nan", "-", "+", ".", "1h", "0x", "0xZZ", "0x+1", "1.2.3", "--1", "true "]
        {
            assert_eq!(Scalar::plain(text), Scalar::Text, "{text}");
        }
    }
}
