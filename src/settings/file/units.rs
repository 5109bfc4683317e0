//! Durations, percents and sizes: a number with its unit.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// A duration such as `500ms`, `10s`, `5m`, `2h` or `1h30m`; at most a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::settings) struct Time(pub(in crate::settings) Duration);

/// A share such as `1%` or `0.5%`, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::settings) struct Percent(u32);

/// A number of bytes such as `10MiB` or `1GB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::settings) struct Size(pub(in crate::settings) u64);

/// The longest duration: 365 days in milliseconds.
const YEAR: u64 = 365 * 24 * 3600 * 1000;

impl Time {
    /// Reads a duration: whole numbers, each with its unit, larger units first.
    ///
    /// # Errors
    /// A sentence, and the cure in a second line.
    pub(in crate::settings) fn read(text: &str) -> Result<Self, String> {
        const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
        let wrong = || {
            format!(
                "`{text}` is not a duration\nwrite whole numbers with units, such as `500ms`, `10s` or `1h30m`"
            )
        };
        let (mut rest, mut allowed, mut total) = (text, UNITS.as_slice(), 0_u64);
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = rest.split_at(digits);
            let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, after) = after.split_at(letters);
            if unit.is_empty() && after.is_empty() && digits > 0 {
                return Err(unitless(text, number));
            }
            let place = allowed.iter().position(|(name, _)| *name == unit).ok_or_else(wrong)?;
            let number: u64 =
                if digits == 0 { return Err(wrong()) } else { number.parse().unwrap_or(u64::MAX) };
            total = total.saturating_add(number.saturating_mul(allowed[place].1));
            allowed = &allowed[place + 1..];
            rest = after;
        }
        match total {
            _ if text.is_empty() => Err(wrong()),
            0..=YEAR => Ok(Self(Duration::from_millis(total))),
            _ => Err(format!("`{text}` is longer than a year\ngive at most `8760h`")),
        }
    }
}

/// In the form in which it is written.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_millis();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
            if rest >= size {
                write!(f, "{}{unit}", rest / size)?;
                rest %= size;
            }
        }
        Ok(())
    }
}

fn unitless(text: &str, number: &str) -> String {
    if text != number {
        let cure = "there are `h`, `m`, `s` and `ms`, as in `1h30m`";
        return format!("the last number of the duration `{text}` has no unit\n{cure}");
    }
    format!(
        "the duration `{text}` has no unit\nwrite `{number}s` for seconds; there are `ms`, `s`, `m` and `h`"
    )
}

impl Percent {
    /// Reads a percentage with at most four digits after the point.
    ///
    /// # Errors
    /// A sentence, and the cure in a second line.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not a percentage\nwrite a number and the sign, such as `1%` or `0.5%`");
        let number = text.strip_suffix('%').ok_or_else(wrong)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) {
            return Err(wrong());
        }
        if part.trim_end_matches('0').len() > 4 {
            return Err(format!("`{text}` is finer than 0.0001 %\ngive fewer digits"));
        }
        let part: String = part.chars().chain("0000".chars()).take(4).collect();
        let whole: u32 = whole.parse().unwrap_or(u32::MAX);
        let part: u32 = part.parse().map_err(|_| wrong())?;
        Ok(Self(whole.saturating_mul(10_000).saturating_add(part)))
    }

    /// In millionths: 10,000 is one percent.
    pub(in crate::settings) const fn millionths(self) -> u32 {
        self.0
    }

    /// As a fraction: 0.01 is one percent.
    pub(in crate::settings) fn fraction(self) -> f64 {
        f64::from(self.0) / 1_000_000.0
    }
}

impl Size {
    /// Reads a size in decimal (1000) or binary (1024) units.
    ///
    /// # Errors
    /// A sentence, and the cure in a second line.
    fn read(text: &str) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor: u64 = match unit {
            "B" => 1,
            "kB" | "KB" => 1000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "" if digits > 0 => {
                return Err(format!(
                    "the size `{text}` has no unit\nwrite `{number}MiB`; there are `B`, `kB`, `MB`, `GB`, `KiB`, `MiB` and `GiB`"
                ));
            }
            _ => return Err(wrong_size(text)),
        };
        let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        bytes.map(Self).ok_or_else(|| wrong_size(text))
    }
}

fn wrong_size(text: &str) -> String {
    format!("`{text}` is not a size\nwrite a whole number with a unit, such as `10MiB` or `1GB`")
}

/// Reads a value from text, and says of a plain number that the unit is missing.
struct WithUnit<T> {
    expecting: &'static str,
    read: fn(&str) -> Result<T, String>,
    plain: fn(&str) -> String,
}

impl<T> Visitor<'_> for WithUnit<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.read)(text).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        Err(E::custom((self.plain)(&number.to_string())))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        Err(E::custom((self.plain)(&number.to_string())))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let plain = |text: &str| Self::read(text).err().unwrap_or_default();
        deserializer.deserialize_str(WithUnit {
            expecting: "a duration, such as `10s`",
            read: Self::read,
            plain,
        })
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let plain = |text: &str| format!("the percentage `{text}` has no sign\nwrite `{text}%`");
        deserializer.deserialize_str(WithUnit {
            expecting: "a percentage, such as `1%`",
            read: Self::read,
            plain,
        })
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let plain = |text: &str| Self::read(text).err().unwrap_or_default();
        deserializer.deserialize_str(WithUnit {
            expecting: "a size, such as `10MiB`",
            read: Self::read,
            plain,
        })
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$" })
    }
}

impl JsonSchema for Percent {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "percentage".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?%$" })
    }
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(B|kB|KB|MB|GB|KiB|MiB|GiB)$" })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Percent, Size, Time};

    #[test]
    fn reads_durations() {
        for (text, milliseconds) in
            [("500ms", 500), ("10s", 10_000), ("5m", 300_000), ("1h30m", 5_400_000), ("0s", 0)]
        {
            assert_eq!(Time::read(text), Ok(Time(Duration::from_millis(milliseconds))), "{text}");
        }
        for text in
            ["", "10", "s", "1.5s", "-1s", "10 s", "30m1h", "1s1s", "1d", "99999999999999999999999h", "8761h"]
        {
            assert!(Time::read(text).is_err(), "{text}");
        }
        assert!(Time::read("1h30").unwrap_err().contains("no unit"));
    }

    #[test]
    fn writes_durations_as_they_are_read() {
        for text in ["0s", "1h30m", "1500h", "1s5ms", "3m"] {
            assert_eq!(Time::read(text).map(|time| time.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn reads_percentages() {
        for (text, millionths) in [("1%", 10_000), ("0.5%", 5000), ("0.0001%", 1), ("100%", 1_000_000)] {
            assert_eq!(Percent::read(text), Ok(Percent(millionths)), "{text}");
        }
        for text in ["", "%", "1", ".5%", "1.%", "-1%", "1 %", "0.00001%", "1e1%"] {
            assert!(Percent::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_sizes() {
        for (text, bytes) in [("10MiB", 10 << 20), ("1GB", 1_000_000_000), ("1kB", 1000), ("5B", 5)] {
            assert_eq!(Size::read(text), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "MiB", "10", "10mb", "1.5GB", "-1B", "99999999999999999999GiB", "99999999999999GiB"]
        {
            assert!(Size::read(text).is_err(), "{text}");
        }
    }
}
