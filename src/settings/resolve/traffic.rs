//! How traffic reaches the instances of a cluster.

use super::kubernetes::named;
use super::{Findings, http, positive, required};
use crate::rollout::Budgets;
use crate::rollout::strategy::StrategyName;
use crate::settings::file::{self, Header, Time, Traffic};
use crate::settings::model::{RouterKind, TrafficSettings};
use crate::yaml::Path;

/// The most times that one step waits until a change is in force.
const WAITS: u32 = 4;

/// What is written for a router.
#[derive(Default)]
struct Raw {
    name: Option<String>,
    service: Option<String>,
    header: Option<Header>,
    cookie: Option<String>,
    sticky_cookie: Option<String>,
    settle: Option<Time>,
}

pub(super) fn resolve(raw: Traffic, path: &Path, findings: &mut Findings<'_>) -> Option<TrafficSettings> {
    match raw {
        Traffic::Service(raw) => {
            named(raw.name.as_deref(), &path.key("service").key("name"), findings);
            Some(TrafficSettings::Service { name: raw.name })
        }
        Traffic::GatewayApi(raw) => {
            let raw = Raw { name: raw.route, service: raw.service, header: raw.header, ..Raw::default() };
            router(RouterKind::GatewayApi, raw, ("route", "HTTPRoute"), path, findings)
        }
        Traffic::IngressNginx(raw) => {
            let raw = Raw {
                name: raw.ingress,
                service: raw.service,
                header: raw.header,
                cookie: raw.cookie,
                settle: raw.settle,
                ..Raw::default()
            };
            router(RouterKind::IngressNginx, raw, ("ingress", "Ingress"), path, findings)
        }
        Traffic::Traefik(raw) => {
            let raw = Raw {
                name: raw.ingress_route,
                service: raw.service,
                sticky_cookie: raw.sticky_cookie,
                settle: raw.settle,
                ..Raw::default()
            };
            router(RouterKind::Traefik, raw, ("ingress-route", "IngressRoute"), path, findings)
        }
        Traffic::Istio(raw) => {
            let raw = Raw {
                name: raw.virtual_service,
                service: raw.service,
                header: raw.header,
                settle: raw.settle,
                ..Raw::default()
            };
            router(RouterKind::Istio, raw, ("virtual-service", "VirtualService"), path, findings)
        }
    }
}

fn router(
    kind: RouterKind,
    raw: Raw,
    (key, object): (&str, &str),
    path: &Path,
    findings: &mut Findings<'_>,
) -> Option<TrafficSettings> {
    let at = path.key(kind.key());
    let name = required(raw.name, &at.key(key), &format!("write the name of the {object}"), findings);
    named(name.as_deref(), &at.key(key), findings);
    named(raw.service.as_deref(), &at.key("service"), findings);
    for (cookie, key) in [(&raw.cookie, "cookie"), (&raw.sticky_cookie, "sticky-cookie")] {
        if let Some(cookie) = cookie {
            http::cookie(cookie, &at.key(key), findings);
        }
    }
    let header = raw.header.map(|header| http::header(header, &at.key("header"), findings));
    let settle = positive(raw.settle, kind.settles(), &at.key("settle"), findings);
    Some(TrafficSettings::Router {
        router: kind,
        name: name?,
        service: raw.service,
        header,
        cookie: raw.cookie,
        sticky_cookie: raw.sticky_cookie,
        settle,
    })
}

/// Settings of a router that have no effect with the strategy. `path` is the environment's.
pub(super) fn check_use(
    raw: Option<&Traffic>,
    strategy: Option<&file::Strategy>,
    path: &Path,
    findings: &mut Findings<'_>,
) {
    let (kind, given) = match raw {
        None | Some(Traffic::Service(_)) => return,
        Some(Traffic::GatewayApi(raw)) => (RouterKind::GatewayApi, vec![("header", raw.header.is_some())]),
        Some(Traffic::IngressNginx(raw)) => (
            RouterKind::IngressNginx,
            vec![
                ("header", raw.header.is_some()),
                ("cookie", raw.cookie.is_some()),
                ("settle", raw.settle.is_some()),
            ],
        ),
        Some(Traffic::Traefik(raw)) => (
            RouterKind::Traefik,
            vec![("sticky-cookie", raw.sticky_cookie.is_some()), ("settle", raw.settle.is_some())],
        ),
        Some(Traffic::Istio(raw)) => {
            (RouterKind::Istio, vec![("header", raw.header.is_some()), ("settle", raw.settle.is_some())])
        }
    };
    if matches!(strategy, Some(file::Strategy::Canary(_))) {
        return;
    }
    let at = path.key("target").key("kubernetes").key("traffic").key(kind.key());
    for (key, _) in given.into_iter().filter(|(_, given)| *given) {
        let message = format!("`{key}` has no effect: only with `canary` the router divides anything");
        findings.conflict_with(&at.key(key), &path.key("strategy"), message, "take it out, or use `canary`");
    }
}

/// A step must have the time to wait until its changes are in force.
pub(super) fn check_time(
    traffic: &TrafficSettings,
    strategy: StrategyName,
    budgets: &Budgets,
    path: &Path,
    findings: &mut Findings<'_>,
) {
    let TrafficSettings::Router { router, settle, .. } = traffic else { return };
    if strategy == StrategyName::Canary && *settle * WAITS > budgets.step {
        let message = format!(
            "a step may wait {WAITS} times until a change is in force ({}), and `budgets.step` is {}",
            Time(*settle),
            Time(budgets.step)
        );
        let at = path.key("target").key("kubernetes").key("traffic").key(router.key());
        findings.conflict(&at.key("settle"), message, "make `settle` shorter or `budgets.step` longer");
    }
}
