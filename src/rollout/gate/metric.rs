//! A number as a gate: who knows it, and what it may be.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Filling;
use crate::rollout::millis;
use crate::rollout::step::Text;

/// A number that must lie within bounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Who knows it.
    pub source: Source,
    /// It is good from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// It is good up to here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// So many good readings in a row pass; at least one.
    pub passes: u32,
    /// So many bad readings in a row fail; at least one.
    pub failures: u32,
}

impl Metric {
    /// Whether a reading is within the bounds. What is not a number is not.
    #[must_use]
    pub fn is_good(&self, value: f64) -> bool {
        let (least, most) =
            (self.at_least.unwrap_or(f64::NEG_INFINITY), self.at_most.unwrap_or(f64::INFINITY));
        (least..=most).contains(&value)
    }

    /// The worst of some readings: the first that is no number, or else the one that is farthest out of the bounds, or nearest to
    /// being so; with both bounds the middle between them is best. Nothing of none.
    #[must_use]
    pub fn worst(&self, values: impl IntoIterator<Item = f64>) -> Option<f64> {
        // The greater, the worse.
        let badness = |value: f64| match (self.at_least, self.at_most) {
            _ if !value.is_finite() => f64::INFINITY,
            (Some(least), Some(most)) => (least - value).max(value - most),
            (Some(least), None) => least - value,
            (None, most) => value - most.unwrap_or_default(),
        };
        values.into_iter().reduce(|worst, value| if badness(value) > badness(worst) { value } else { worst })
    }

    /// The bounds in words.
    #[must_use]
    pub fn bounds(&self) -> String {
        match (self.at_least, self.at_most) {
            (Some(least), Some(most)) => format!("from {least} to {most}"),
            (Some(least), None) => format!("at least {least}"),
            (None, Some(most)) => format!("at most {most}"),
            (None, None) => "anything".to_owned(),
        }
    }
}

/// The points of a range query: the worst one of them is the reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct QueryRange {
    /// How far back is looked, but never to before the gate was asked.
    #[serde(with = "millis")]
    pub window: Duration,
    /// How far the points are from each other; more than nothing.
    #[serde(with = "millis")]
    pub step: Duration,
}

/// Who knows a number. Places such as `{{version}}` in queries and addresses are filled in when they are asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A Prometheus: a query with one series, or none.
    Prometheus {
        /// Its address, without a final slash.
        address: String,
        /// The variable with a bearer token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// In PromQL.
        query: String,
        /// A range query; `None` asks for this moment alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        range: Option<QueryRange>,
    },
    /// Datadog: the last point of a query's series.
    Datadog {
        /// Its address, such as `https://api.datadoghq.eu`.
        address: String,
        /// The variable with the API key.
        api_key: String,
        /// The variable with the application key.
        app_key: String,
        /// In Datadog's language.
        query: String,
        /// How far back is looked.
        #[serde(with = "millis")]
        window: Duration,
    },
    /// CloudWatch: the last value of an expression. The credentials are those of the environment (`AWS_ACCESS_KEY_ID` …).
    CloudWatch {
        /// Its address, such as `https://monitoring.eu-central-1.amazonaws.com`.
        address: String,
        /// The region, which is signed.
        region: String,
        /// A metric math expression, or a query of Metrics Insights.
        expression: String,
        /// The length of a point.
        #[serde(with = "millis")]
        period: Duration,
        /// How far back is looked.
        #[serde(with = "millis")]
        window: Duration,
    },
    /// Any JSON over HTTP.
    Json {
        /// Where it is.
        url: Text,
        /// Headers that are sent.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, Text>,
        /// Where the number stands in it (RFC 6901).
        pointer: String,
    },
    /// The last line that a program prints.
    Command {
        /// Program and arguments; at least the program.
        command: Vec<String>,
    },
}

impl Source {
    pub(super) fn filled(&self, filling: &Filling) -> Self {
        let mut filled = self.clone();
        match &mut filled {
            Self::Prometheus { query, .. } | Self::Datadog { query, .. } => *query = filling.double(query),
            Self::CloudWatch { expression, .. } => *expression = filling.double(expression),
            Self::Json { url: Text::Literal(url), .. } => *url = filling.text(url),
            Self::Json { .. } | Self::Command { .. } => {}
        }
        filled
    }

    pub(super) fn variables(&self) -> Vec<&str> {
        fn variable(text: &Text) -> Option<&str> {
            match text {
                Text::Variable(name) => Some(name.as_str()),
                Text::Literal(_) => None,
            }
        }
        match self {
            Self::Prometheus { token, .. } => token.as_deref().into_iter().collect(),
            Self::Datadog { api_key, app_key, .. } => vec![api_key, app_key],
            Self::CloudWatch { .. } => AWS_SECRETS.to_vec(),
            Self::Json { url, headers, .. } => {
                [url].into_iter().chain(headers.values()).filter_map(variable).collect()
            }
            Self::Command { .. } => Vec::new(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prometheus { query, .. } | Self::Datadog { query, .. } => write!(f, "`{query}`"),
            Self::CloudWatch { expression, .. } => write!(f, "`{expression}`"),
            Self::Json { url: Text::Literal(url), pointer, .. } => write!(f, "{pointer} of {url}"),
            Self::Json { url: Text::Variable(name), pointer, .. } => write!(f, "{pointer} of ${name}"),
            Self::Command { command } => write!(f, "of `{}`", command.join(" ")),
        }
    }
}

/// The variables of AWS that are secret.
const AWS_SECRETS: [&str; 2] = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_readings_the_worst_counts() {
        let worst = |at_least, at_most, values: &[f64]| {
            let source = Source::Command { command: vec!["./x".to_owned()] };
            let metric = Metric { source, at_least, at_most, passes: 3, failures: 3 };
            metric.worst(values.iter().copied())
        };
        assert_eq!(worst(None, Some(1.0), &[]), None);
        assert_eq!(worst(None, Some(1.0), &[0.5, 7.0, 0.1]), Some(7.0));
        assert_eq!(worst(Some(1.0), None, &[0.5, 7.0, 0.1]), Some(0.1));
        assert_eq!(worst(Some(0.0), Some(1.0), &[0.9, 0.5, 0.2]), Some(0.9));
        assert_eq!(worst(Some(0.0), Some(1.0), &[3.0, -4.0]), Some(-4.0));
        assert!(worst(None, Some(1.0), &[9.0, f64::NAN, 10.0]).unwrap().is_nan());
        assert_eq!(worst(None, Some(1.0), &[f64::NEG_INFINITY, 0.5]), Some(f64::NEG_INFINITY));
    }
}
