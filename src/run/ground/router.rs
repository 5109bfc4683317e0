//! From settings to the router's settings.

use crate::rollout::step::Comparison;
use crate::settings::ProxyOptions;
use crate::target::local::proxy::{HeaderMatch, ProxySettings, UpstreamProtocol};

/// How the router of an environment behaves that compares so.
#[must_use]
pub(super) fn settings(options: &ProxyOptions, comparison: Option<&Comparison>) -> ProxySettings {
    let header = options.header.clone().map(|(name, value)| HeaderMatch { name, value });
    ProxySettings {
        slow_bound: comparison.and_then(|comparison| comparison.slower_than),
        hold: options.hold,
        connect_timeout: options.connect_timeout,
        response_header_timeout: options.response_timeout,
        idle_timeout: options.idle_timeout,
        upgraded_grace: options.upgraded_grace,
        sticky_cookie: options.sticky_cookie.clone(),
        header_match: header,
        upstream: if options.h2c { UpstreamProtocol::H2c } else { UpstreamProtocol::Http1 },
        trust_forwarded: options.trust_forwarded,
        // Threads of its own, each with its connections: fewer hand-overs between cores than on a shared runtime.
        workers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        ..ProxySettings::default()
    }
}
