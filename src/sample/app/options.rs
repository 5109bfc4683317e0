//! What the sample app is told to be, and which faults it is told to have.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;

/// The sample app's version, port and faults. Every flag can be given by its environment variable instead, so that a
/// deployment that only sets variables can deploy a bad version too.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct AppOptions {
    /// The address to listen on; in a container, 0.0.0.0
    #[arg(long, env = "SAMPLE_HOST", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub host: IpAddr,
    /// The port to listen on; 0 takes a free one
    #[arg(long, env = "PORT", default_value_t = 8080)]
    pub port: u16,
    /// The version to answer as
    #[arg(long, env = "TIDEGATE_VERSION")]
    pub version: String,
    /// The name of this instance; by default made of process and port
    #[arg(long, env = "TIDEGATE_INSTANCE")]
    pub instance: Option<String>,
    /// The faults.
    #[command(flatten)]
    pub faults: Faults,
}

/// Faults of the sample app. The default is none.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct Faults {
    /// The share of requests (0 to 1, health and metrics excepted) answered with 500, evenly spread
    #[arg(long, env = "SAMPLE_FAIL", value_parser = share, default_value = "0")]
    pub fail: f64,
    /// The share of requests (0 to 1, health and metrics excepted) answered late, evenly spread
    #[arg(long, env = "SAMPLE_SLOW_SHARE", value_parser = share, default_value = "0")]
    pub slow_share: f64,
    /// How much later those are answered, in milliseconds
    #[arg(long, env = "SAMPLE_SLOW_MS", default_value_t = 0)]
    pub slow_ms: u64,
    /// Crash so many milliseconds after the start
    #[arg(long, env = "SAMPLE_EXIT_AFTER_MS")]
    pub exit_after_ms: Option<u64>,
    /// The exit code of that crash
    #[arg(long, env = "SAMPLE_EXIT_CODE", default_value_t = 1)]
    pub exit_code: u8,
    /// Listen only so many milliseconds after the start
    #[arg(long, env = "SAMPLE_START_DELAY_MS", default_value_t = 0)]
    pub start_delay_ms: u64,
    /// Never become ready: health answers 503 for ever
    #[arg(long, env = "SAMPLE_NEVER_READY", value_parser = FalseyValueParser::new())]
    pub never_ready: bool,
    /// Tell this version in the health answer instead of the true one
    #[arg(long, env = "SAMPLE_HEALTH_VERSION")]
    pub health_version: Option<String>,
    /// Fail only requests of this path: the others are left out of the share
    #[arg(long, env = "SAMPLE_FAIL_PATH")]
    pub fail_path: Option<String>,
    /// Keep so many KiB of memory with each request, for ever
    #[arg(long, env = "SAMPLE_LEAK_KIB", default_value_t = 0)]
    pub leak_kib: u32,
    /// Do not end on SIGTERM
    #[arg(long, env = "SAMPLE_IGNORE_TERM", value_parser = FalseyValueParser::new())]
    pub ignore_term: bool,
}

impl AppOptions {
    /// A sample app without faults on a free port of 127.0.0.1.
    #[must_use]
    pub fn new(version: impl Into<String>) -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            version: version.into(),
            instance: None,
            faults: Faults::default(),
        }
    }
}

impl Faults {
    /// When to crash after the start.
    #[must_use]
    pub fn exit_after(&self) -> Option<Duration> {
        self.exit_after_ms.map(Duration::from_millis)
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share is a number from 0 to 1, such as 0.05 for 5 %".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: AppOptions,
    }

    fn parse(args: &[&str]) -> Result<AppOptions, clap::Error> {
        let args = ["app"].iter().chain(args);
        Line::try_parse_from(args).map(|line| line.options)
    }

    #[test]
    fn with_a_version_only_there_are_no_faults() {
        let expected = Faults { exit_code: 1, ..Faults::default() };
        assert_eq!(parse(&["--version", "1.2.3"]).unwrap().faults, expected);
    }

    #[test]
    fn each_fault_can_be_asked_for() {
        let line = "--version 2 --host 0.0.0.0 --port 9 --fail 0.05 --slow-share 1 --slow-ms 70 --exit-after-ms 5 --exit-code 7 \
                    --start-delay-ms 8 --never-ready --health-version 3 --fail-path /poll --leak-kib 4 --ignore-term";
        let options = parse(&line.split_whitespace().collect::<Vec<_>>()).unwrap();
        let faults = Faults {
            fail: 0.05,
            slow_share: 1.0,
            slow_ms: 70,
            exit_after_ms: Some(5),
            exit_code: 7,
            start_delay_ms: 8,
            never_ready: true,
            health_version: Some("3".into()),
            fail_path: Some("/poll".into()),
            leak_kib: 4,
            ignore_term: true,
        };
        assert_eq!(
            options,
            AppOptions { host: [0, 0, 0, 0].into(), port: 9, version: "2".into(), instance: None, faults }
        );
    }

    #[test]
    fn a_share_above_one_below_zero_or_no_number_is_refused() {
        for bad in ["1.01", "-0.1", "5%", "NaN", "inf"] {
            assert!(parse(&["--version=1", &format!("--fail={bad}")]).is_err(), "{bad}");
        }
    }
}
