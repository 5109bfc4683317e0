//! Figures out of many measurements.

/// The median; the lower one of two. NaN when there are no values, which JSON writes as `null`.
pub(super) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The largest value; NaN when there are none.
pub(super) fn worst(values: &[f64]) -> f64 {
    quantile(values, 1.0)
}

/// The smallest of the values that at least this share of them does not exceed.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index into the values")]
#[expect(clippy::cast_precision_loss, reason = "a number of measurements")]
pub(super) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}

/// As many digits after the point as the measurement is worth.
pub(super) fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}
