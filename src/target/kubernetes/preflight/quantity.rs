//! Quantities as Kubernetes writes them: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.

/// An amount in billionths, which is the finest that the API server keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Amount(pub(super) i128);

const ONE: i128 = 1_000_000_000;
const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];
/// The powers of ten, in billionths.
const DECIMAL: [(&str, u32); 10] =
    [("n", 0), ("u", 3), ("m", 6), ("", 9), ("k", 12), ("M", 15), ("G", 18), ("T", 21), ("P", 24), ("E", 27)];

impl Amount {
    /// So many whole ones.
    pub(super) fn whole(count: u32) -> Self {
        Self(i128::from(count) * ONE)
    }

    /// Reads `1500m`, `1.5`, `2Gi`, `1e3`; nothing when it is no quantity, or too large to be one.
    pub(super) fn read(text: &str) -> Option<Self> {
        let end =
            text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-')).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let factor = factor(unit)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = format!("{whole}{fraction}");
        // Beyond thirty digits nothing is left of what a quantity can be.
        if digits.len() > 30 || fraction.len() > 18 {
            return None;
        }
        let digits: i128 = digits.parse().ok()?;
        let scaled = digits.checked_mul(factor)?;
        let parts = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        // A fraction of a billionth is rounded up, as the API server does.
        Some(Self(scaled.div_euclid(parts) + i128::from(scaled.rem_euclid(parts) > 0)))
    }

    /// Reads a value of a manifest: a text or a number.
    pub(super) fn of(value: &serde_json::Value) -> Option<Self> {
        match value {
            serde_json::Value::String(text) => Self::read(text),
            serde_json::Value::Number(number) => Self::read(&number.to_string()),
            _ => None,
        }
    }

    /// For people: bytes in the largest binary unit that is not below one, anything else whole or in thousandths.
    pub(super) fn told(self, is_bytes: bool) -> String {
        let fitting = BINARY.iter().rev().find(|(_, power)| self.0.abs() >= ONE << power);
        match fitting {
            Some((unit, power)) if is_bytes => {
                let tenths = self.0 * 10 / (ONE << power);
                match tenths % 10 {
                    0 => format!("{}{unit}", tenths / 10),
                    rest => format!("{}.{rest}{unit}", tenths / 10),
                }
            }
            _ if self.0 % ONE == 0 => (self.0 / ONE).to_string(),
            _ => format!("{}m", self.0 / (ONE / 1000)),
        }
    }
}

/// What a unit multiplies by, in billionths. `e3` and `E3` are powers of ten; `E` alone is a unit.
fn factor(unit: &str) -> Option<i128> {
    if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == unit) {
        return ONE.checked_mul(1 << power);
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == unit) {
        return 10_i128.checked_pow(*power);
    }
    let power: i32 = unit.strip_prefix(['e', 'E'])?.parse().ok()?;
    10_i128.checked_pow(u32::try_from(power.checked_add(9)?).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_the_api_server_reads_them() {
        for (text, nano) in [
            ("100m", 100_000_000),
            ("1.5", 1_500_000_000),
            ("0.1", 100_000_000),
            ("2Ki", 2048 * ONE),
            ("1.5Gi", 1536 * 1024 * 1024 * ONE),
            ("1k", 1000 * ONE),
            ("1e3", 1000 * ONE),
            ("1E3", 1000 * ONE),
            ("12e-1", 1_200_000_000),
            ("1E", 1_000_000_000_000_000_000 * ONE),
            ("+5", 5 * ONE),
            ("-1", -ONE),
            ("1n", 1),
            ("0.5n", 1),
        ] {
            assert_eq!(Amount::read(text), Some(Amount(nano)), "{text}");
        }
        for text in ["", "m", "1Kb", "1 Gi", "one", "1e", "1e99", "1.2.3", "9".repeat(40).as_str(), "--1"] {
            assert_eq!(Amount::read(text), None, "{text}");
        }
    }

    #[test]
    fn amounts_are_told_in_units_that_people_use() {
        for (text, is_bytes, told) in [
            ("1536Mi", true, "1.5Gi"),
            ("64Mi", true, "64Mi"),
            ("100", true, "100"),
            ("1500m", false, "1500m"),
            ("4000m", false, "4"),
            ("10", false, "10"),
        ] {
            assert_eq!(Amount::read(text).unwrap().told(is_bytes), told);
        }
    }
}
