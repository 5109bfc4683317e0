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
        /// A range query, each of whose points is a reading: milliseconds from one to the next. `None` asks for the moment alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<u64>,
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
